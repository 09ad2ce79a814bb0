"""Datasets by name. To add one, write a function under this folder and decorate it."""

from __future__ import annotations

from pathlib import Path

from zsc_utils.cache import data_folder, from_project
from zsc_utils.datasets.base import DATASETS, DatasetFacts, ImageDataset, open_registered
from zsc_utils.datasets.folder import FileImages, open_folder

__all__ = [
    "DATASETS",
    "DatasetFacts",
    "FileImages",
    "ImageDataset",
    "load_dataset",
    "open_folder",
]


def load_dataset(
    name: str,
    root: str | Path | None = None,
    partition: str = "test",
    skip_unreadable: bool = False,
) -> ImageDataset:
    """Open a dataset by name.

    Parameters
    ----------
    name
        A registered name, or `folder:<path>` for a folder of class folders; a relative path begins
        at the project's folder.
    root
        Folder of the datasets that do not come with the installation, likewise; `DATA_ROOT` or
        `data/` by default.
    partition
        `test`, or another that the dataset has.
    skip_unreadable
        Leave folders of `folder:<path>` out that cannot be read.

    Returns
    -------
    ImageDataset
        n `images`, by position, and their `labels`, a table of n rows. `subset(n)` takes fewer.

    Raises
    ------
    UnknownNameError
        No dataset has this name, or the dataset has no such partition.
    ImageFolderError
        The folder holds no images or fewer than two classes.
    DatasetAbsentError
        The dataset is not in `root`, or, as `DatasetIncompleteError`, not all of it.
    """
    if name.startswith("folder:"):
        return open_folder(name.removeprefix("folder:"), skip_unreadable=skip_unreadable)
    return open_registered(name, from_project(root) if root else data_folder(), partition)
