"""Real images that arrive with the libraries: `digits`, `faces`, `textures`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from zsc_utils.cache import versions
from zsc_utils.datasets.base import ArrayImages, dataset

PATCH = 32
PATCHES_EACH = 40
# The smallest photograph has twenty patches beside those.
TRAIN_PATCHES_EACH = 20

# Photographs that scikit-image ships and of which most patches show the same stuff.
PHOTOGRAPHS = {
    "brick": "brick.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "stained tissue": "ihc.png",
    "retina": "retina.jpg",
    "cells": "cell.png",
    "moon": "moon.png",
    "stars": "hubble_deep_field.jpg",
    "coins": "coins.png",
    "printed page": "page.png",
    "handwriting": "text.png",
}


@dataset(
    "digits",
    version=1,
    display="Digits",
    group="Far-OOD",
    label="digit",
    source="scikit-learn load_digits: 1 797 scans of handwritten digits, 8 x 8, grey",
)
def digits(root: Path, partition: str):
    """Open the scans that scikit-learn ships (UCI Optical Recognition of Handwritten Digits)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    labels = pd.DataFrame({"digit": bunch.target.astype(str)})
    return ArrayImages(grey), labels, 8, versions("scikit-learn")


@dataset(
    "faces",
    version=1,
    display="Faces",
    group="Far-OOD",
    label="content",
    source="scikit-image lfw_subset: 100 faces and 100 other crops of LFW, 25 x 25, grey",
)
def faces(root: Path, partition: str):
    """Open scikit-image's subset of Labeled Faces in the Wild: the first half shows faces."""
    from skimage.data import lfw_subset

    crops = lfw_subset()
    grey = np.round(np.clip(crops, 0, 1) * 255).astype(np.uint8)
    labels = pd.DataFrame({"content": ["face"] * 100 + ["no face"] * (len(crops) - 100)})
    return ArrayImages(grey), labels, crops.shape[1], versions("scikit-image", "pillow")


def cut(file: Path) -> np.ndarray:
    """Cut a photograph into grey patches that do not overlap, uint8 (n, 32, 32)."""
    with Image.open(file) as photograph:
        grey = np.asarray(photograph.convert("L"))
    rows, columns = grey.shape[0] // PATCH, grey.shape[1] // PATCH
    grid = grey[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH)
    return grid.swapaxes(1, 2).reshape(-1, PATCH, PATCH)


def evenly(n: int, count: int) -> np.ndarray:
    """Choose evenly spaced positions, the first and the last among them."""
    return np.linspace(0, n - 1, count).round().astype(int)


@dataset(
    "textures",
    version=1,
    display="Textures",
    group="Far-OOD",
    label="photograph",
    source="40 patches, 32 x 32, grey, from each of eleven photographs in scikit-image's wheel",
    partitions=("test", "train"),
)
def textures(root: Path, partition: str):
    """Cut the photographs that scikit-image ships into grey patches that do not overlap.

    The class is the photograph. Colour is left out, since it alone would tell some of them apart.
    Train patches are of those that the test partition leaves.
    """
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    patches = []
    for file in PHOTOGRAPHS.values():
        whole = cut(folder / file)
        tested = evenly(len(whole), PATCHES_EACH)
        others = np.setdiff1d(np.arange(len(whole)), tested)
        trained = others[evenly(len(others), TRAIN_PATCHES_EACH)]
        patches.append(whole[{"test": tested, "train": trained}[partition]])
    labels = pd.DataFrame({"photograph": np.repeat(list(PHOTOGRAPHS), len(patches[0]))})
    return ArrayImages(np.concatenate(patches)), labels, PATCH, versions("scikit-image", "pillow")
