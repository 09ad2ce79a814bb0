"""What every dataset of the miniature returns when it is opened, and arrays to train on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from zsc_utils.cache import versions
from zsc_utils.datasets.base import dataset
from zsc_utils.miniature.world import creatures
from zsc_utils.miniature.world.collections import Collection
from zsc_utils.miniature.world.lazy import Render, RenderedImages
from zsc_utils.recipes import TABLES

# Raised with any change to what the world looks like: it is part of results' names.
WORLD_VERSION = 1


def world() -> dict:
    """Settings that name what renders: the world's version, and NumPy's."""
    return {"world": WORLD_VERSION, **versions("numpy")}


# Partitions: most target sets have train images too, neighbours to classify test images by. As in
# the study the counterparts of ImageNetV2, ImageNet-R, ImageNet-Sketch and ImageNet-O have none.
_FACTS = pd.read_csv(TABLES / "mini_datasets.csv", index_col="dataset").to_dict("index")


def mini_dataset(name: str, *, version: int, taxonomy: tuple[str, ...] = ()) -> Callable:
    """Register a dataset of the miniature; its other facts are a row of `mini_datasets.csv`."""
    facts = dict(_FACTS[name])
    facts["partitions"] = tuple(facts["partitions"].split())
    return dataset(name, version=version, taxonomy=taxonomy, **facts)


def part(collection: Collection, partition: str) -> Collection:
    """Take a partition: train has as many images, drawn from a stream of its own."""
    return (
        collection if partition == "test" else replace(collection, name=f"{collection.name} train")
    )


def opened_stream(
    render: Render, labels: Callable, partition: str, size: int = 600, side: int = creatures.SIDE
):
    """Open a stream of one name: its first `size` images for test, those that follow for train.

    `render` and `labels` take indices (n,).
    """
    start = 0 if partition == "test" else size
    content = world() | ({"first": start} if start else {})
    images = RenderedImages(lambda indices: render(start + indices), size)
    return images, labels(start + np.arange(size)), side, content


def opened(
    collection: Collection,
    labels: pd.DataFrame | None = None,
    render: Render | None = None,
    side: int = creatures.SIDE,
):
    """Make a builder's result (images, labels, side, content) of a collection; draws no pixels.

    `labels` and `render` stand in for the collection's own.
    """
    images = RenderedImages(render or collection.render, collection.size)
    if labels is None:
        labels = collection.labels(np.arange(collection.size))
    content = {
        **world(),
        "stream": [collection.name, collection.seed, collection.size],
        "species": [list(path) for path in collection.paths],
        "nuisances": asdict(collection.nuisances),
    }
    return images, labels, side, content
