"""Near the source but never trained on: other species, other kingdoms, scenes without creatures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.miniature.world import scenes
from zsc_utils.miniature.world.collections import Collection
from zsc_utils.miniature.world.factors import Nuisances, tell
from zsc_utils.miniature.world.opening import mini_dataset, opened, part
from zsc_utils.miniature.world.phylogeny import descend
from zsc_utils.miniature.world.source import FAMILIES, ORDERS

# Of each source order two species of new genera in its known families, and two of a new family.
_NEW_GENERA = tuple((*family, 3, 0) for family in FAMILIES)
_NEW_FAMILIES = tuple((*order, 2, genus, 0) for order in ORDERS for genus in range(2))
OTHERS = Collection("mini-imagenet-o", 0, _NEW_GENERA + _NEW_FAMILIES, 600)
FLOWERS = Collection(
    "mini-flora",
    0,
    tuple(descend((2, 0), 2, 2, 2, 3, 1)),
    600,
    Nuisances(habitat=0.4, shift=6.0, radius=(11.0, 19.0), occluded=0.25),
)


@dataclass(frozen=True)
class Landscapes(Collection):
    """Scenes without creatures: the class is the kind of scene."""

    def factors(self, indices: np.ndarray) -> pd.DataFrame:
        """Draw the factors; scenes come in turn."""
        return super().factors(indices).assign(scene=indices % len(scenes.SCENES))

    def labels(self, indices: np.ndarray) -> pd.DataFrame:
        """Name the scene and the factors that show without a creature."""
        told = tell(self.factors(indices))
        pose = ["x", "y", "rotation", "scale", "bend", "tone", "flipped", "occlusion"]
        return told.drop(columns=pose)

    def paint(self, indices: np.ndarray) -> tuple[np.ndarray, pd.DataFrame]:
        """Paint the scenes alone, (n, 3, 64, 64); also their factors."""
        factors = self.factors(indices)
        return self.ground(indices, factors), factors


PLACES = Landscapes(
    "mini-scenes", 0, ((0,),), 600, Nuisances(blurred=0.5, noise=0.15, light=0.55, tint=0.45)
)


@mini_dataset("mini-imagenet-o", version=1)
def mini_imagenet_o(root: Path, partition: str):
    """Open species of the source's orders that are not in the source."""
    return opened(OTHERS)


@mini_dataset("mini-flora", version=1)
def mini_flora(root: Path, partition: str):
    """Open flowers: a kingdom that is not in the source."""
    return opened(part(FLOWERS, partition))


@mini_dataset("mini-scenes", version=1)
def mini_scenes(root: Path, partition: str):
    """Open scenes without creatures."""
    return opened(part(PLACES, partition))
