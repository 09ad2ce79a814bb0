"""Train partitions of the miniature's target datasets: neighbours to classify test images by.

As in the study the counterparts of ImageNetV2, ImageNet-R, ImageNet-Sketch and ImageNet-O have
none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.datasets import base
from zsc_utils.miniature.world import backgrounds, depth, novel, satellite, signals, source
from zsc_utils.miniature.world.lazy import RenderedImages
from zsc_utils.miniature.world.opening import opened, world
from zsc_utils.registry import Entry

# The same species under the same nuisances, drawn from streams of other names.
COLLECTIONS = {
    "mini-in9": backgrounds.ORIGINAL,
    "mini-in9-onlyfg": replace(backgrounds.ORIGINAL, style=backgrounds.only_foreground),
    "mini-in9-nofg": replace(backgrounds.ORIGINAL, style=backgrounds.no_foreground),
    "mini-in9-onlybg": replace(backgrounds.ORIGINAL, style=backgrounds.only_background),
    "mini-in9-mixedsame": replace(backgrounds.ORIGINAL, style=backgrounds.Mixed(True)),
    "mini-in9-mixedrand": replace(backgrounds.ORIGINAL, style=backgrounds.Mixed(False)),
    "mini-flora": novel.FLOWERS,
    "mini-scenes": novel.PLACES,
    "mini-inat": depth.NATURALIST,
    "mini-bioscan": depth.SPECIMENS,
}


def _families(indices: np.ndarray) -> pd.DataFrame:
    kinds = source.SMALL.labels()["family"].to_numpy()[: len(source.SPECIES)]
    return pd.DataFrame({"family": kinds[indices % len(kinds)]})


def _signals(indices: np.ndarray) -> pd.DataFrame:
    kinds = signals.signal_factors(indices)["signal"]
    return pd.DataFrame({"signal": np.array(list(signals.SIGNALS))[kinds]})


def _land_uses(indices: np.ndarray) -> pd.DataFrame:
    kinds = satellite.land_factors(indices)["land_use"]
    return pd.DataFrame({"land_use": np.array(list(satellite.LAND_USES))[kinds]})


# Renderers whose stream has one name: train images are those that follow the test images in it.
STREAMS = {
    "mini-cifar": (source.render_small, _families, source.SMALL.size, 32),
    "mini-signals": (signals.render_signals, _signals, signals.SIZE, signals.SIDE),
    "mini-satellite": (satellite.render_land, _land_uses, satellite.SIZE, satellite.SIDE),
}


def open_collection(collection):
    """Open as many images as the test partition has, of a stream of its own."""
    return opened(replace(collection, name=f"{collection.name} train"))


def open_rest(render, labels: Callable[[np.ndarray], pd.DataFrame], size: int, side: int):
    """Open the `size` images that follow the test images, labelled by their class alone."""
    content = world() | {"first": size}
    images = RenderedImages(lambda indices: render(size + indices), size)
    return images, labels(size + np.arange(size)), side, content


def add_train(name: str, open_train: Callable[[], tuple]) -> None:
    """Give a registered dataset a train partition."""
    facts, open_test = base.DATASETS.entries[name]

    def build(root: Path, partition: str):
        return open_test(root, partition) if partition == "test" else open_train()

    base.DATASETS.entries[name] = Entry(replace(facts, partitions=("test", "train")), build)


for _name, _collection in COLLECTIONS.items():
    add_train(_name, lambda collection=_collection: open_collection(collection))
for _name, _stream in STREAMS.items():
    add_train(_name, lambda stream=_stream: open_rest(*stream))
