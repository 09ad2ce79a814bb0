"""From layers to a photograph: light, shadow, occlusion, focus, sensor noise, 8 bits."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zsc_utils.miniature.world.creatures import AXIS, SIDE, Drawing, column
from zsc_utils.miniature.world.factors import Nuisances
from zsc_utils.miniature.world.scenes import DARK

GRAINS = 3 * SIDE * SIDE
# Half-widths in pixels of what stands in front, by degree of occlusion.
_WIDTHS = np.array([0.0, 2.0, 3.5, 5.5])


def _along(angle: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """How far points or vectors lie along directions in radians, (n,)."""
    return column(np.cos(angle)) * right + column(np.sin(angle)) * down


def shade(drawing: Drawing, factors: pd.DataFrame) -> np.ndarray:
    """Light creatures from one side: colour (n, 3, 64, 64)."""
    angle = 2 * np.pi * factors["light_direction"].to_numpy()
    lit = _along(angle, *drawing.relief)
    brightness = column(0.92 + 0.24 * (factors["tone"].to_numpy() - 0.5)) + 0.3 * lit
    return drawing.colour * brightness[:, None]


def compose(creatures: np.ndarray, cover: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Put creatures, with a shadow beneath them, before their ground: (n, 3, 64, 64)."""
    shadow = np.zeros_like(cover)
    shadow[:, 3:] = 0.4 * cover[:, :-3]
    behind = ground * (1 - shadow)[:, None]
    behind += cover[:, None] * (creatures - behind)
    return behind


def occlude(image: np.ndarray, factors: pd.DataFrame, nuisances: Nuisances) -> None:
    """Put a branch in front of some creatures, in place, in a dark colour of their scene."""
    rows = np.flatnonzero(factors["occlusion"].to_numpy() > 0)
    if not len(rows):
        return
    chosen = factors.iloc[rows]
    shift_x = column((chosen["x"].to_numpy() * 2 - 1) * nuisances.shift)
    shift_y = column((chosen["y"].to_numpy() * 2 - 1) * nuisances.shift)
    angle = np.pi * chosen["side"].to_numpy()
    distance = _along(angle, AXIS[None, None, :] - shift_x, AXIS[None, :, None] - shift_y)
    # The fraction of `side` beyond its tenths decides how far from the centre the branch passes.
    offset = column((chosen["side"].to_numpy() * 10 % 1 - 0.5) * 14)
    width = column(_WIDTHS[chosen["occlusion"].to_numpy()])
    edge = np.abs(distance - offset) - width
    cover = np.clip(0.5 - edge, 0, 1)
    rounded = 0.8 + 0.5 * np.clip(-edge / width, 0, 1)
    colours = DARK[chosen["scene"].to_numpy()] * 0.8 + 0.06
    for channel in range(3):
        plane = image[rows, channel]
        image[rows, channel] = plane + cover * (column(colours[:, channel]) * rounded - plane)


def illuminate(image: np.ndarray, factors: pd.DataFrame, nuisances: Nuisances) -> None:
    """Set the light's strength, fall-off and colour, in place."""
    angle = 2 * np.pi * factors["light_direction"].to_numpy()
    slope = _along(angle, AXIS[None, None, :], AXIS[None, :, None])
    strength = column(1 + nuisances.light * (factors["light_strength"].to_numpy() * 2 - 1))
    light = strength + slope * (0.15 / SIDE)
    warmth = nuisances.tint * (factors["light_colour"].to_numpy() * 2 - 1)
    for channel, response in enumerate((1.0, 0.1, -1.0)):
        image[:, channel] *= light * column(1 + response * warmth)


def blur(image: np.ndarray, factors: pd.DataFrame) -> None:
    """Smooth some images, in place: a binomial kernel, once or four times."""
    degree = factors["blur"].to_numpy()
    for level, passes in ((1, 1), (2, 4)):
        rows = np.flatnonzero(degree == level)
        if len(rows):
            soft = image[rows]
            for _ in range(passes):
                soft = smooth(soft)
            image[rows] = soft


def smooth(planes: np.ndarray) -> np.ndarray:
    """Average neighbours with weights 1, 2, 1 along both last axes; edges repeat."""
    for axis in (-1, -2):
        moved = np.moveaxis(planes, axis, -1)
        result = 0.5 * moved
        result[..., 1:] += 0.25 * moved[..., :-1]
        result[..., :-1] += 0.25 * moved[..., 1:]
        result[..., 0] += 0.25 * moved[..., 0]
        result[..., -1] += 0.25 * moved[..., -1]
        planes = np.moveaxis(result, -1, axis)
    return planes


def add_noise(image: np.ndarray, grains: np.ndarray, level: np.ndarray) -> None:
    """Add uniform noise of a standard deviation an image, (n,), in place.

    `grains` are uint8 (n, GRAINS).
    """
    noise = grains.reshape(image.shape) - 127.5
    noise *= (level / np.sqrt((256**2 - 1) / 12))[:, None, None, None]
    image += noise


def develop(image: np.ndarray) -> np.ndarray:
    """Round to 8 bits: (n, 3, 64, 64) within [0, 1] to uint8 (n, 64, 64, 3)."""
    levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))
