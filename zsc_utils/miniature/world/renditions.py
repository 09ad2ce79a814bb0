"""Art: source species drawn, cut out, embroidered: `mini-imagenet-r`, `mini-imagenet-sketch`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zsc_utils.miniature.world import camera
from zsc_utils.miniature.world.collections import Collection, Layers, plain_photograph
from zsc_utils.miniature.world.creatures import AXIS, SIDE, triangle
from zsc_utils.miniature.world.factors import Nuisances
from zsc_utils.miniature.world.opening import mini_dataset, opened
from zsc_utils.miniature.world.source import SPECIES

# Artists choose the light and keep the subject in view.
_ART = Nuisances(occluded=0.0, blurred=0.0, noise=0.02, light=0.1, tint=0.04)


def _grey(colour: np.ndarray) -> np.ndarray:
    return (0.3 * colour[:, 0] + 0.6 * colour[:, 1] + 0.1 * colour[:, 2])[:, None]


def _on(layers: Layers, paper) -> np.ndarray:
    """Creatures on paper of one colour, or of an image."""
    return paper + layers.cover[:, None] * (layers.creatures - paper)


def _ink(layers: Layers) -> np.ndarray:
    """Strength of the lines around a creature and its markings, (n, 1, 64, 64) within [0, 1]."""
    grey = _grey(camera.smooth(_on(layers, 1.0)))
    edges = np.zeros_like(grey)
    edges[..., 1:-1, :] = np.abs(grey[..., 2:, :] - grey[..., :-2, :])
    edges[..., 1:-1] += np.abs(grey[..., 2:] - grey[..., :-2])
    outline = layers.cover[:, None] * (1 - camera.smooth(camera.smooth(layers.cover))[:, None])
    return np.clip(np.maximum(3 * edges - 0.25, 5 * outline - 0.6), 0, 1)


def sketch(layers: Layers) -> np.ndarray:
    """Draw black lines on white paper."""
    return np.repeat(1 - 0.95 * _ink(layers), 3, axis=1)


def charcoal(layers: Layers) -> np.ndarray:
    """Draw in grey tones on grainy paper."""
    tone = _grey(_on(layers, 0.93)) * (1 - 0.6 * _ink(layers))
    paper = 0.16 * (_grey(layers.ground) - 0.5)
    return np.repeat(camera.smooth(tone) + paper, 3, axis=1) * _tint(1.0, 0.97, 0.9)


def cartoon(layers: Layers) -> np.ndarray:
    """Fill with few flat colours, line in black, before the scene's mean colour."""
    paper = 0.5 + 0.5 * layers.ground.mean(axis=(2, 3), keepdims=True)
    return _levels(_on(layers, paper), 4) * (1 - 0.9 * _ink(layers))


def negative(layers: Layers) -> np.ndarray:
    """Invert the photograph."""
    return 1 - np.clip(plain_photograph(layers), 0, 1)


def mosaic(layers: Layers) -> np.ndarray:
    """Lay tiles of 4 x 4 pixels with dark joints."""
    cells = plain_photograph(layers).reshape(-1, 3, SIDE // 4, 4, SIDE // 4, 4)
    tiles = cells.mean(axis=(3, 5))
    joints = np.where(np.arange(SIDE) % 4 == 3, 0.65, 1.0)
    return tiles.repeat(4, axis=2).repeat(4, axis=3) * joints[:, None] * joints[None, :]


def poster(layers: Layers) -> np.ndarray:
    """Print in three levels a channel."""
    return _levels(camera.smooth(plain_photograph(layers)), 3)


def embroidery(layers: Layers) -> np.ndarray:
    """Stitch slanted threads on linen."""
    linen = 0.85 + 0.08 * _threads(1, 1, 2.0)
    cloth = np.broadcast_to(linen, (len(layers.cover), 1, SIDE, SIDE)) * _tint(0.95, 0.9, 0.8)
    stitched = layers.creatures * (0.85 + 0.35 * _threads(1, -1, 4.0))
    return cloth + layers.cover[:, None] * (stitched - cloth)


def woodcut(layers: Layers) -> np.ndarray:
    """Cut two tones whose shade is hatched."""
    tone = _grey(_on(layers, 0.95)) + 0.28 * _threads(1, 2, 5.0)
    cut = np.clip((tone - 0.52) * 6 + 0.5, 0, 1) * (1 - _ink(layers))
    return 0.1 + cut * (_tint(0.95, 0.88, 0.72) - 0.1)


def _tint(*rgb: float) -> np.ndarray:
    return np.array(rgb)[None, :, None, None]


def _levels(image: np.ndarray, count: int) -> np.ndarray:
    # Softly: the step between levels is steep, not sharp, so that its place cannot flip a pixel.
    scaled = np.clip(image, 0, 1) * (count - 1)
    whole = np.floor(scaled)
    return (whole + np.clip((scaled - whole - 0.5) * 8 + 0.5, 0, 1)) / (count - 1)


def _threads(across: int, down: int, period: float) -> np.ndarray:
    """Slanted lines, a triangle wave of -1 to 1, (64, 64)."""
    return triangle((across * AXIS[None, :] + down * AXIS[:, None]) / period)


FORMS = {
    form.__name__: form
    for form in (sketch, charcoal, cartoon, negative, mosaic, poster, embroidery, woodcut)
}
# Three of the five species of each family, 20 images of each.
SUBJECTS = tuple(SPECIES[place] for place in range(50) if place % 5 in (0, 2, 4))


def form_of(indices: np.ndarray) -> np.ndarray:
    """Choose the art form of images of `mini-imagenet-r`: positions in `FORMS`, in turn."""
    return (indices // len(SUBJECTS) + indices) % len(FORMS)


def by_form(layers: Layers) -> np.ndarray:
    """Render each image in its art form."""
    image = np.empty_like(layers.creatures)
    forms = form_of(layers.indices)
    for position, form in enumerate(FORMS.values()):
        rows = np.flatnonzero(forms == position)
        if len(rows):
            image[rows] = form(_rows(layers, rows))
    return image


def _rows(layers: Layers, rows: np.ndarray) -> Layers:
    return Layers(
        layers.collection,
        *(layers.indices[rows], layers.creatures[rows], layers.cover[rows], layers.ground[rows]),
        layers.factors.iloc[rows],
    )


RENDITIONS = Collection("mini-imagenet-r", 0, SUBJECTS, 600, _ART, by_form)
SKETCHES = Collection("mini-imagenet-sketch", 0, SPECIES, 600, _ART, sketch)


@mini_dataset("mini-imagenet-r", version=1)
def mini_imagenet_r(root: Path, partition: str):
    """Open renditions of source species; column `art_form` names the art."""
    indices = np.arange(RENDITIONS.size)
    forms = np.array(list(FORMS))[form_of(indices)]
    return opened(RENDITIONS, RENDITIONS.labels(indices).assign(art_form=forms))


@mini_dataset("mini-imagenet-sketch", version=1)
def mini_imagenet_sketch(root: Path, partition: str):
    """Open line drawings of the source species."""
    return opened(SKETCHES)
