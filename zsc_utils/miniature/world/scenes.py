"""What stands behind a creature: scenes of textured ground and sky.

A scene's texture is white noise, drawn in the frequency domain, under the scene's own amplitude
spectrum: a power of the frequency (as in photographs), stretched along a direction. One inverse
Fourier transform of complex noise gives two independent fields.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zsc_utils.miniature.world.creatures import AXIS, SIDE, column

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """A kind of place.

    Parameters
    ----------
    name
        Its label.
    dark, light
        Colours between which the texture varies.
    slope
        Exponent of the amplitude spectrum; larger is smoother.
    stretch
        How many times longer the texture's features are along `angle` than across it.
    angle
        Direction of the features in degrees; 0 is horizontal.
    contrast
        Steepness between the two colours; above about 1 the texture breaks into patches.
    horizon
        Height of the horizon from the top, as a share of the image; 0 shows no sky.
    sky
        Colours of the sky at the top and at the horizon.
    """

    name: str
    dark: Colour
    light: Colour
    slope: float
    stretch: float = 1.0
    angle: float = 0.0
    contrast: float = 0.35
    horizon: float = 0.0
    sky: tuple[Colour, Colour] = ((0.45, 0.65, 0.9), (0.8, 0.87, 0.95))


_DUSK = ((0.3, 0.25, 0.45), (0.95, 0.6, 0.4))
SCENES = (
    Scene("meadow", (0.16, 0.34, 0.1), (0.55, 0.7, 0.25), 0.9, 4.0, 90, 0.35, 0.28),
    Scene("forest", (0.07, 0.13, 0.06), (0.36, 0.34, 0.2), 1.3, 6.0, 90, 0.6),
    Scene("sea", (0.05, 0.22, 0.38), (0.35, 0.62, 0.7), 1.2, 4.0, 0, 0.35, 0.22),
    Scene("sky", (0.35, 0.58, 0.88), (0.95, 0.96, 0.98), 2.0, 1.6, 0, 0.4),
    Scene("desert", (0.68, 0.48, 0.28), (0.93, 0.78, 0.52), 1.6, 3.0, 20, 0.35, 0.3),
    Scene("snow", (0.68, 0.75, 0.86), (0.98, 0.98, 1.0), 1.7, 1.5, 10, 0.5, 0.25),
    Scene("scree", (0.26, 0.25, 0.26), (0.72, 0.69, 0.64), 0.7, 1.0, 0, 0.7),
    Scene("night", (0.02, 0.03, 0.1), (0.16, 0.17, 0.32), 1.8, 1.0, 0, 0.35),
    Scene("reef", (0.08, 0.38, 0.48), (0.9, 0.5, 0.42), 1.4, 1.0, 0, 1.6),
    Scene("marsh", (0.2, 0.19, 0.1), (0.56, 0.54, 0.34), 1.2, 5.0, 75, 0.8, 0.2, _DUSK),
    Scene("lava", (0.06, 0.05, 0.06), (0.9, 0.32, 0.1), 1.5, 1.2, 45, 0.3, 0.0),
    Scene("heath", (0.3, 0.2, 0.3), (0.68, 0.42, 0.6), 0.8, 1.5, 0, 0.5, 0.3, _DUSK),
)
SCENE_NAMES = tuple(scene.name for scene in SCENES)
# The last scenes are kept for `mini-scenes`: no source species lives there.
HABITATS = SCENES[:10]
GRAINS = 2 * SIDE * SIDE


def spectrum(slope: float, stretch: float = 1.0, angle: float = 0.0) -> np.ndarray:
    """Amplitude of each frequency, (64, 64), such that fields come out with unit variance.

    Parameters are those of a `Scene`.
    """
    turns = np.fft.fftfreq(SIDE) * SIDE
    angle = np.deg2rad(angle)
    along = turns[None, :] * np.cos(angle) - turns[:, None] * np.sin(angle)
    across = turns[None, :] * np.sin(angle) + turns[:, None] * np.cos(angle)
    squared = along**2 * stretch + across**2 / stretch
    amplitude = (squared + 1.0) ** (-slope / 2)
    amplitude[0, 0] = 0
    # A byte's variance is (256^2 - 1) / 12; the inverse transform divides by the pixel count.
    return amplitude * SIDE * SIDE / np.sqrt((256**2 - 1) / 12 * (amplitude**2).sum())


_SPECTRA = np.stack([spectrum(scene.slope, scene.stretch, scene.angle) for scene in SCENES])
# Also what stands in front of a creature has the dark colour of its scene.
DARK = np.array([scene.dark for scene in SCENES])
_LIGHT = np.array([scene.light for scene in SCENES])
_SKY = np.array([scene.sky for scene in SCENES])
_CONTRAST = np.array([scene.contrast for scene in SCENES])
_HORIZON = np.array([scene.horizon for scene in SCENES])


def textures(spectra: np.ndarray, grains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two independent fields an image, (n, 64, 64), zero mean and unit variance.

    Parameters
    ----------
    spectra
        Of each image, (n, 64, 64), or of all, (64, 64).
    grains
        Noise, uint8 (n, GRAINS).
    """
    pairs = grains.reshape(-1, 2, SIDE, SIDE) - 127.5
    noise = np.empty((len(pairs), SIDE, SIDE), dtype=complex)
    noise.real, noise.imag = pairs[:, 0], pairs[:, 1]
    noise *= spectra
    fields = np.fft.ifft2(noise)
    return fields.real, fields.imag


def paint_scene(kinds: np.ndarray, grains: np.ndarray, horizon: np.ndarray) -> np.ndarray:
    """Paint the ground and the sky of each image, (n, 3, 64, 64) within about [0, 1].

    `horizon`, (n,) within [-1, 1], moves the horizon up or down.
    """
    first, second = textures(_SPECTRA[kinds], grains)
    mix = np.clip(0.5 + column(_CONTRAST[kinds]) * first, 0, 1)
    glow = 0.06 * second
    height = (AXIS / SIDE + 0.5)[None, :, None]
    level = column(np.where(_HORIZON[kinds] > 0, _HORIZON[kinds] + 0.15 * horizon, -1.0))
    above = np.clip((level - height) * 24 + 0.7 * second, 0, 1)
    # The ground darkens a little towards the viewer, the sky brightens towards the horizon.
    falloff = 1.05 - 0.2 * height
    descent = np.clip(height / np.maximum(level, 0.05) + 0.25 * second, 0, 1)
    scene = np.empty((len(kinds), 3, SIDE, SIDE))
    for channel in range(3):
        dark, light = column(DARK[kinds, channel]), column(_LIGHT[kinds, channel])
        ground = (dark + mix * (light - dark) + glow) * falloff
        top, bottom = column(_SKY[kinds, 0, channel]), column(_SKY[kinds, 1, channel])
        scene[:, channel] = ground + above * (top + descent * (bottom - top) - ground)
    return scene
