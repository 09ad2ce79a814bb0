"""What every dataset of the miniature returns when it is opened, and arrays to train on."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd

from zsc_utils.cache import versions
from zsc_utils.miniature.world import creatures
from zsc_utils.miniature.world.collections import Collection
from zsc_utils.miniature.world.lazy import Render, RenderedImages

# Raised with any change to what the world looks like: it is part of results' names.
WORLD_VERSION = 1


def world() -> dict:
    """Settings that name what renders: the world's version, and NumPy's."""
    return {"world": WORLD_VERSION, **versions("numpy")}


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
    labels = collection.labels() if labels is None else labels
    content = {
        **world(),
        "stream": [collection.name, collection.seed, collection.size],
        "species": [list(path) for path in collection.paths],
        "nuisances": asdict(collection.nuisances),
    }
    return images, labels, side, content
