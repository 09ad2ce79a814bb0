"""The study's tables of datasets, and the decorator that takes a dataset's facts from them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path

import pandas as pd

from zsc_utils.datasets.base import dataset
from zsc_utils.errors import DatasetAbsentError, DatasetIncompleteError, ImageFolderError
from zsc_utils.recipes import TABLES

log = logging.getLogger(__name__)

TEST_AND_TRAIN = ("test", "train")
# Where a dataset's files may lie: the data root, and the dataset's own folder below it.
Roots = tuple[Path, Path]
# A reader takes these and a partition, and returns what a builder of a dataset does.
Reader = Callable[[Roots, str], tuple]


class Absent(Exception):
    """Why a reader found nothing of its dataset."""


class Incomplete(Exception):
    """Why what a reader found of its dataset is not all, or not what it should be."""


@cache
def study_table() -> pd.DataFrame:
    """Facts of the study's datasets (Lowe et al., arXiv 2406.02465), one row a name."""
    return pd.read_csv(TABLES / "datasets.csv", index_col="dataset")


@cache
def sources_table() -> pd.DataFrame:
    """Where datasets go and come from, one row a name.

    `folder`: their own folder below the data root, empty where they bring one; `files`: what must
    be below the data root; `size_gb`: of the test partition's files, roughly; `licence`; `page`;
    `download`: `torchvision`, addresses of archives with spaces between, or nothing.
    """
    return pd.read_csv(TABLES / "dataset_sources.csv", index_col="dataset", keep_default_na=False)


def expected_images(name: str) -> int | None:
    """Size of the test partition in the study; None where it is not known."""
    sizes = study_table()["n_samples"].dropna()
    return int(sizes[name]) if name in sizes else None


def place(name: str, root: Path) -> str:
    """Say where the files of a dataset belong."""
    return f"in {root}: {sources_table().loc[name, 'files']}"


def paper_dataset(
    name: str,
    partitions: tuple[str, ...] = TEST_AND_TRAIN,
    taxonomy: tuple[str, ...] = (),
    *,
    version: int,
) -> Callable[[Reader], Reader]:
    """Register a dataset of the study; its other facts are a row of its table."""
    row = study_table().loc[name]
    return outside_dataset(
        name,
        version=version,
        display=row["short"],
        group=row["group"],
        label=row["label"],
        min_cluster_size=int(row["min_cluster_size"]),
        partitions=partitions,
        taxonomy=taxonomy,
    )


def reason_of(error: Exception) -> str:
    """Say why a dataset could not be opened."""
    if isinstance(error, Absent | Incomplete | ImageFolderError):
        return str(error)
    # Torchvision's way out is a parameter of its own.
    said = str(error).partition(" You can use download")[0]
    return f"it cannot be read ({type(error).__name__}: {said})"


def outside_dataset(name: str, **facts) -> Callable[[Reader], Reader]:
    """Register a dataset that does not come with the installation.

    Whatever its reader raises on files that are cut short or not what they should be becomes a
    `DatasetIncompleteError`.
    """
    source = sources_table().loc[name]
    register = dataset(name, source=source["page"], **facts)

    def decorate(reader: Reader) -> Reader:
        @wraps(reader)
        def build(root: Path, partition: str):
            try:
                opened = reader((root, root / source["folder"]), partition)
            # Parsers raise many kinds of error on broken files; all mean that these are broken.
            except Exception as error:
                kind = DatasetAbsentError if isinstance(error, Absent) else DatasetIncompleteError
                raise kind(name, reason_of(error), place(name, root)) from error
            expected = expected_images(name)
            if partition == "test" and expected not in (None, len(opened[0])):
                log.warning("%s has %d images, not the study's %d", name, len(opened[0]), expected)
            return opened

        register(build)
        return reader

    return decorate
