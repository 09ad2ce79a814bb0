"""Real images that arrive with the libraries: `digits`, `faces`, `textures`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from zsc_utils.datasets.base import ArrayImages, dataset
from zsc_utils.files import versions

PATCH = 64

# Photographs without a foreground object: any patch of them shows the same material.
TEXTURES = {
    "brick": "brick.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "stained tissue": "ihc.png",
    "moon": "moon.png",
    "cell culture": "cell.png",
    "stars": "hubble_deep_field.jpg",
}


@dataset(
    "digits",
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
    return ArrayImages(grey), labels, crops.shape[1], versions("scikit-image")


@dataset(
    "textures",
    display="Textures",
    group="Far-OOD",
    label="material",
    source="patches of 64 x 64 from seven photographs in scikit-image's wheel",
)
def textures(root: Path, partition: str):
    """Cut the photographs that scikit-image ships into patches that do not overlap.

    At most 64 patches a photograph (as many as the smaller ones give), evenly spaced.
    """
    import skimage

    folder = Path(skimage.__file__).parent / "data"
    patches, material = [], []
    for name, file in TEXTURES.items():
        with Image.open(folder / file) as photograph:
            pixels = np.asarray(photograph.convert("RGB"))
        rows, columns = pixels.shape[0] // PATCH, pixels.shape[1] // PATCH
        grid = pixels[: rows * PATCH, : columns * PATCH].reshape(rows, PATCH, columns, PATCH, 3)
        cut = grid.swapaxes(1, 2).reshape(-1, PATCH, PATCH, 3)
        cut = cut[np.linspace(0, len(cut) - 1, min(64, len(cut))).round().astype(int)]
        patches.append(cut)
        material += [name] * len(cut)
    labels = pd.DataFrame({"material": material})
    return ArrayImages(np.concatenate(patches)), labels, PATCH, versions("scikit-image")
