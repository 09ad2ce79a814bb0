"""Datasets of the miniature as one array each, rendered once and kept: what training reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from zsc_utils.cache import ArrayFolder, atomic_path, build_folder, fingerprint
from zsc_utils.datasets.base import open_registered

# Images between two steps of the progress bar.
_STRIDE = 400


def rendered_arrays(
    name: str = "mini-imagenet", partition: str = "train", stop: int | None = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Render a partition, or read what an earlier call rendered.

    Parameters
    ----------
    name, partition
        A rendered dataset and its part.
    stop
        Take only the first images; a short array is not rendered whole first.

    Returns
    -------
    pixels : numpy.ndarray, uint8 (n, height, width, 3)
        A read-only memory map under the build folder.
    labels : pandas.DataFrame
        One row an image.

    Raises
    ------
    UnknownNameError
        Nothing is registered under the name, or the dataset has no such partition.
    """
    opened = open_registered(name, Path(), partition)
    size = min(stop or len(opened), len(opened))
    code = fingerprint(opened.fingerprint)
    kept = ArrayFolder(build_folder() / "miniworld")
    name = f"{name}-{partition}-{size}-{code}"
    if name not in kept:
        _render_to(kept.folder / f"{name}.npy", opened, size)
    return kept[name], opened.labels.iloc[:size]


def _render_to(path: Path, opened, size: int) -> None:
    # The map is written as it is rendered: a quarter of a gigabyte never stands in memory twice.
    with atomic_path(path) as draft, tqdm(total=size, desc=path.name, unit="image") as bar:
        shape = (size, opened.size, opened.size, 3)
        pixels = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
        for start in range(0, size, _STRIDE):
            end = min(start + _STRIDE, size)
            pixels[start:end] = opened.images.span(start, end)
            bar.update(end - start)
        pixels.flush()
