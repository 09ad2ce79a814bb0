"""ImageNet-9 in small: nine families with their backgrounds exchanged or removed.

All variants show the same creatures under the same light and camera; only what stands behind them
differs. After Xiao et al., "Noise or signal: the role of image backgrounds in object recognition"
(ICLR 2021).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zsc_utils.miniature.world import camera
from zsc_utils.miniature.world.collections import Collection, Layers, Style
from zsc_utils.miniature.world.factors import Nuisances
from zsc_utils.miniature.world.opening import mini_dataset, opened, part
from zsc_utils.miniature.world.scenes import SCENE_NAMES
from zsc_utils.miniature.world.source import FAMILIES, GENERA
from zsc_utils.miniature.world.streams import uniforms

CLASSES = 9
# Families in turn, so that every class has as many images.
_SPECIES = tuple((*family, *species) for species in GENERA for family in FAMILIES[:CLASSES])
# Nothing stands in front, which would be neither foreground nor background.
ORIGINAL = Collection("mini-in9", 0, _SPECIES, 594, Nuisances(occluded=0.0))


def partners(indices: np.ndarray, same_class: bool) -> np.ndarray:
    """Choose for each image another whose background it gets: (n,), the same class's or any's."""
    rounds = ORIGINAL.size // CLASSES
    draws = uniforms(f"mini-in9 partners {same_class}", 0, indices, 2)
    jump = 1 + (draws[:, 0] * (rounds - 1)).astype(int)
    other = (indices // CLASSES + jump) % rounds
    family = indices % CLASSES if same_class else (draws[:, 1] * CLASSES).astype(int)
    return other * CLASSES + family


def only_foreground(layers: Layers) -> np.ndarray:
    """Black out the background."""
    return layers.creatures * layers.cover[:, None]


def no_foreground(layers: Layers) -> np.ndarray:
    """Black out the creature's shape."""
    return layers.ground * (1 - layers.cover)[:, None]


def only_background(layers: Layers) -> np.ndarray:
    """Take the creature away; unlike in a photograph, what it hid is known."""
    return layers.ground.copy()


@dataclass(frozen=True)
class Mixed:
    """Put each creature before the background of its partner image."""

    same_class: bool

    def __call__(self, layers: Layers) -> np.ndarray:
        """Put layers together."""
        others = partners(layers.indices, self.same_class)
        ground = layers.collection.ground(others, layers.collection.factors(others))
        return camera.compose(layers.creatures, layers.cover, ground)


def open_variant(style: Style, partition: str = "test"):
    """Open a variant; column `background` names the scene that is seen behind, if any."""
    collection = part(replace(ORIGINAL, style=style), partition)
    if partition == "train":
        return opened(collection)
    indices = np.arange(collection.size)
    labels = collection.labels(indices)
    shown = labels["scene"]
    if isinstance(style, Mixed):
        factors = collection.factors(partners(indices, style.same_class))
        shown = np.array(SCENE_NAMES)[factors["scene"]]
    elif style is only_foreground:
        shown = "black"
    return opened(collection, labels.assign(background=shown))


@mini_dataset("mini-in9", version=1)
def mini_in9(root: Path, partition: str):
    """Open images of nine source families."""
    return open_variant(ORIGINAL.style, partition)


@mini_dataset("mini-in9-onlyfg", version=1)
def mini_in9_onlyfg(root: Path, partition: str):
    """Open `mini-in9` with black backgrounds."""
    return open_variant(only_foreground, partition)


@mini_dataset("mini-in9-nofg", version=1)
def mini_in9_nofg(root: Path, partition: str):
    """Open `mini-in9` with the creatures' shapes blacked out."""
    return open_variant(no_foreground, partition)


@mini_dataset("mini-in9-onlybg", version=1)
def mini_in9_onlybg(root: Path, partition: str):
    """Open `mini-in9` without the creatures."""
    return open_variant(only_background, partition)


@mini_dataset("mini-in9-mixedsame", version=1)
def mini_in9_mixedsame(root: Path, partition: str):
    """Open `mini-in9` with backgrounds of other images of the same family."""
    return open_variant(Mixed(same_class=True), partition)


@mini_dataset("mini-in9-mixedrand", version=1)
def mini_in9_mixedrand(root: Path, partition: str):
    """Open `mini-in9` with backgrounds of images of any family."""
    return open_variant(Mixed(same_class=False), partition)
