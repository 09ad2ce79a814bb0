"""Fine-grained: one class of creatures in depth, and specimens on plain ground."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.miniature.world import camera
from zsc_utils.miniature.world.collections import Collection, Layers
from zsc_utils.miniature.world.factors import Nuisances
from zsc_utils.miniature.world.opening import mini_dataset, opened, part
from zsc_utils.miniature.world.phylogeny import RANKS, descend
from zsc_utils.miniature.world.streams import uniforms

# One class in depth, and of the rest of life a few species, so that no rank is constant.
_IN_DEPTH = descend((0, 2, 0), 2, 2, 3, 3)
_FROM_ELSEWHERE = [
    *((0, 2, 1, 0, 0, 0, 0), (0, 3, 0, 0, 0, 0, 0), (1, 4, 0, 0, 0, 0, 0), (1, 4, 0, 0, 0, 1, 0)),
    *((1, 3, 0, 0, 0, 0, 0), (2, 1, 0, 0, 0, 0, 0), (2, 1, 0, 0, 1, 0, 0), (2, 2, 0, 0, 0, 0, 0)),
]
NATURALIST = Collection(
    "mini-inat",
    0,
    tuple(_IN_DEPTH + _FROM_ELSEWHERE),
    600,
    Nuisances(habitat=0.5, shift=6.0, radius=(11.0, 18.0), occluded=0.2, blurred=0.2),
)


def long_tail(classes: int, size: int, seed: int) -> tuple[int, ...]:
    """Deal images to classes such that the k-th most frequent has a share of about (k + 3)^-1.6.

    Which class is how frequent, and the images' order, are drawn from `seed`; each class has one
    image at least.
    """
    weights = (np.arange(classes) + 3.0) ** -1.6
    ends = np.rint(np.cumsum(weights / weights.sum()) * (size - classes)).astype(int)
    counts = np.diff(ends, prepend=0) + 1
    ranking = np.argsort(uniforms("long tail classes", seed, [0], classes)[0], kind="stable")
    dealt = np.repeat(ranking, counts)
    shuffle = np.argsort(uniforms("long tail images", seed, [0], size)[0], kind="stable")
    return tuple(dealt[shuffle].tolist())


def on_tray(layers: Layers) -> np.ndarray:
    """Lay specimens on a pale, slightly uneven ground."""
    paper = 0.86 + 0.08 * (layers.ground.mean(axis=1, keepdims=True) - 0.5)
    ground = np.repeat(paper, 3, axis=1)
    return camera.compose(layers.creatures, layers.cover, ground)


@dataclass(frozen=True)
class Specimens(Collection):
    """Barcoded specimens: labelled from order to BIN."""

    def labels(self, indices: np.ndarray) -> pd.DataFrame:
        """Name ranks below class, and the factors that a tray leaves."""
        labels = super().labels(indices)
        return labels.drop(columns=["kingdom", "phylum", "class", "scene", "horizon"])


# Of one class, 3 orders: families, genera and species; every third species has two BINs.
_BARCODED = tuple(
    (*path, barcode)
    for place, path in enumerate(descend((0, 4, 0), 3, 2, 2, 3))
    for barcode in range(2 if place % 3 == 0 else 1)
)
SPECIMENS = Specimens(
    "mini-bioscan",
    0,
    _BARCODED,
    600,
    Nuisances(rotation=180.0, shift=4.0, radius=(12.0, 18.0), occluded=0.0, blurred=0.3),
    on_tray,
    long_tail(len(_BARCODED), 600, seed=0),
)


@mini_dataset("mini-inat", version=1, taxonomy=RANKS)
def mini_inat(root: Path, partition: str):
    """Open one class in depth; label levels are the seven ranks."""
    return opened(part(NATURALIST, partition))


@mini_dataset("mini-bioscan", version=1, taxonomy=(*RANKS[3:], "BIN"))
def mini_bioscan(root: Path, partition: str):
    """Open specimens; label levels are order, family, genus, species and BIN."""
    return opened(part(SPECIMENS, partition))
