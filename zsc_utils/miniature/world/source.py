"""The source domain, which plays ImageNet-1k, and what was collected like it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from zsc_utils.miniature.world.collections import Collection
from zsc_utils.miniature.world.factors import Nuisances
from zsc_utils.miniature.world.opening import mini_dataset, opened, opened_stream
from zsc_utils.miniature.world.phylogeny import Path as Taxon

# Five orders of two kingdoms and four phyla; two families each.
ORDERS: tuple[Taxon, ...] = ((0, 0, 0, 0), (0, 1, 0, 0), (0, 1, 1, 0), (1, 0, 0, 1), (1, 2, 0, 0))
FAMILIES = tuple((*order, family) for order in ORDERS for family in range(2))
# Five species a family: two genera of two, one of one.
GENERA = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0))
SPECIES = tuple((*family, *species) for family in FAMILIES for species in GENERA)

TRAIN = Collection("mini-imagenet train", 0, SPECIES, 20_000)
TEST = Collection("mini-imagenet test", 0, SPECIES, 600)
ANEW = Collection(
    "mini-imagenetv2",
    1,
    SPECIES,
    600,
    Nuisances(*(0.6, 60.0, 10.0, (8.5, 15.5)), occluded=0.4, blurred=0.4, noise=0.08, light=0.35),
)
SMALL = replace(TEST, name="mini-cifar")


def render_small(indices: np.ndarray) -> np.ndarray:
    """Render `mini-cifar`, each 2 x 2 pixels averaged: uint8 (n, 32, 32, 3)."""
    quads = SMALL.render(indices).reshape(-1, 32, 2, 32, 2, 3)
    total = quads.sum(axis=(2, 4), dtype=np.uint16)
    return ((total + 2) // 4).astype(np.uint8)


@mini_dataset("mini-imagenet", version=1)
def mini_imagenet(root: Path, partition: str):
    """Open the source: 600 test images, or the 20 000 that encoders are pretrained on."""
    return opened({"test": TEST, "train": TRAIN}[partition])


@mini_dataset("mini-imagenetv2", version=1)
def mini_imagenetv2(root: Path, partition: str):
    """Open the source species as collected anew."""
    return opened(ANEW)


@mini_dataset("mini-cifar", version=1)
def mini_cifar(root: Path, partition: str):
    """Open images of the source species shrunk to half their side; the label is the family."""
    if partition == "train":
        return opened_stream(render_small, SMALL.labels, partition, SMALL.size, side=32)
    return opened(SMALL, render=render_small, side=32)


def part_of_train(chosen: range):
    """Open the first 600 train images of some species, by their positions in `SPECIES`."""
    # Species follow one another, image by image: the species of image i is i modulo their number.
    rows = 600 // len(chosen)
    indices = np.array([row * len(SPECIES) + kind for row in range(rows) for kind in chosen])
    part = replace(TRAIN, size=len(indices))
    return opened(part, TRAIN.labels(indices), lambda wanted: TRAIN.render(indices[wanted]))


@mini_dataset("mini-imagenette", version=1)
def mini_imagenette(root: Path, partition: str):
    """Open train images of one species from each family, to choose hyperparameters on."""
    return part_of_train(range(0, len(SPECIES), len(GENERA)))


@mini_dataset("mini-imagewoof", version=1)
def mini_imagewoof(root: Path, partition: str):
    """Open train images of the species of the first order, to choose hyperparameters on."""
    return part_of_train(range(2 * len(GENERA)))
