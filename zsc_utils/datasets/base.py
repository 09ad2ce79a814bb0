"""What a dataset is, and the register of those known by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from PIL import Image

from zsc_utils.errors import ProfileError, UnknownNameError
from zsc_utils.registry import Registry


class Images(Protocol):
    """Images by position, each decoded when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Image.Image: ...


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of a dataset before it is opened.

    Parameters
    ----------
    name
        The name it is asked for by.
    display
        The name that figures print.
    group
        How far from ImageNet-1k: In-domain, Domain-shift, Near-OOD, Fine-grained or Far-OOD.
    label
        The label level that counts as the classes.
    min_cluster_size
        Smallest cluster HDBSCAN may make.
    source
        Where the images come from.
    partitions
        The parts it can be opened as.
    taxonomy
        Label levels that nest, coarse to fine, where a dataset has a tree of them.
    version
        Raised by whoever changes what the dataset's code gives: it is part of results' names.
    """

    name: str
    display: str
    group: str
    label: str
    min_cluster_size: int = 5
    source: str = ""
    partitions: tuple[str, ...] = ("test",)
    taxonomy: tuple[str, ...] = ()
    version: int = 1


@dataclass(frozen=True)
class ImageDataset:
    """Images with their labels.

    Parameters
    ----------
    facts
        What is known of the dataset.
    images
        The images, by position; RGB or grey PIL images.
    labels
        One row an image, one column a label level, values strings or missing. Levels stand from
        coarse to fine where they are nested.
    size
        Shorter side in pixels where all images share it, else None.
    fingerprint
        Settings that change when the images or the labels do.
    left_out
        What lies among the files and is no image, in one line; empty where nothing does.
    """

    facts: DatasetFacts
    images: Images
    labels: pd.DataFrame
    size: int | None
    fingerprint: dict
    left_out: str = ""

    def __len__(self) -> int:
        return len(self.images)

    def subset(
        self, max_samples: int | None, seed: int = 0, stratify: bool = False
    ) -> ImageDataset:
        """Take a seeded random sample of at most `max_samples` images, in their first order.

        Parameters
        ----------
        max_samples
            Size of the sample; None for all.
        seed
            Random state.
        stratify
            Keep the shares of the classes.
        """
        if max_samples is None or len(self) <= max_samples:
            return self
        if stratify:
            from sklearn.model_selection import train_test_split

            classes = self.labels[self.facts.label]
            chosen, _ = train_test_split(
                np.arange(len(self)), train_size=max_samples, stratify=classes, random_state=seed
            )
        else:
            chosen = np.random.default_rng(seed).choice(len(self), max_samples, replace=False)
        chosen.sort()
        settings = {"max_samples": max_samples, "subset_seed": seed, "stratify": stratify}
        return replace(
            self,
            images=ChosenImages(self.images, chosen),
            labels=self.labels.iloc[chosen].reset_index(drop=True),
            fingerprint=self.fingerprint | settings,
        )


@dataclass(frozen=True)
class ChosenImages:
    """Some of a dataset's images, by their positions, int (n,)."""

    images: Images
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Image.Image:
        return self.images[self.indices[index]]


@dataclass(frozen=True)
class ArrayImages:
    """Images held as one array, uint8, (n, height, width) or (n, height, width, 3)."""

    array: np.ndarray

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, index: int) -> Image.Image:
        return Image.fromarray(self.array[index])


Builder = Callable[[Path, str], tuple[Images, pd.DataFrame, int | None, dict]]

# A builder takes the data root and a partition. It returns images, labels table, common side length
# (or None), and settings that name the content (library versions, checksums).
DATASETS: Registry[DatasetFacts] = Registry(
    "dataset",
    DatasetFacts,
    modules=(
        "zsc_utils.datasets.embedded",
        "zsc_utils.datasets.glyphs",
        "zsc_utils.miniature.world",
        "zsc_utils.datasets.study",
    ),
    hint="a folder of class folders is folder:<path>",
)
dataset = DATASETS.register


def open_registered(name: str, root: Path, partition: str) -> ImageDataset:
    """Open a registered dataset.

    Raises
    ------
    UnknownNameError
        Nothing is registered under the name, or the dataset has no such partition.
    """
    facts, builder = DATASETS[name]
    if partition not in facts.partitions:
        raise UnknownNameError(f"partition of {name}", partition, facts.partitions)
    images, labels, size, content = builder(root, partition)
    if facts.label not in labels:
        raise ProfileError(f"dataset {name} has no label level {facts.label!r}")
    settings = {"dataset": name, "version": facts.version, "partition": partition, **content}
    return ImageDataset(facts, images, labels, size, settings)
