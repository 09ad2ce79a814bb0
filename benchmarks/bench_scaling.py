"""Seconds and memory of every step of a cell, by size: `python benchmarks/bench_scaling.py`.

Writes one row a measurement; what the file holds already is not measured again. Seconds are those
of the processor: for one thread that waits for nothing they are what a clock shows on a quiet core,
and other work changes them little.
"""

from __future__ import annotations

import csv
import ctypes
import gc
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

# OpenMP does not survive a fork, numba's own thread layer does; neither has more than one thread.
os.environ |= {"NUMBA_THREADING_LAYER": "workqueue", "OMP_NUM_THREADS": "1"}

import numba
import numpy as np
import pandas as pd
import psutil
import typer
from tqdm.auto import tqdm

from zsc_utils.clustering import Task, run_clusterer
from zsc_utils.datasets import DatasetFacts, ImageDataset
from zsc_utils.datasets.base import ArrayImages
from zsc_utils.encoders import ENCODERS, load_encoder
from zsc_utils.metrics import silhouette
from zsc_utils.recipes import SILHOUETTE_REDUCTION, Reduction
from zsc_utils.reduction import reduce
from zsc_utils.sweep.costs import embedding_step
from zsc_utils.sweep.evaluate import one_thread

COLUMNS = ("step", "n", "d", "n_classes", "seconds", "bytes")
LADDER = "500,1000,2000,4000,8000,16000,32000"
# Beyond it only UMAP, which takes fewer epochs above 10 000 samples, has more to show, and EVoC: a
# new process has held as much when it loaded that as 8 000 samples take.
LARGEST, LARGER = 8000, ("umap", "evoc")
# Below and above the size from which UMAP searches neighbours approximately, by more code.
PROCESS_SIZES = (300, 4200)
N_IMAGES = 16

Step = Callable[[np.ndarray, np.ndarray], object]

SCALING = Path(__file__).with_name("scaling.csv")
# The encoders whose weights come with the installation, one a backbone.
MEASURED = (
    *("raw_pixels", "random_resnet50", "random_vitb16"),
    *("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2"),
    *("mini_random_resnet", "mini_random_vit"),
)


def clusterer(name: str, **settings) -> Step:
    """Make a step of a clusterer, told how many classes there are."""

    def run(X: np.ndarray, y: np.ndarray):
        return run_clusterer(X, name, Task(len(X), len(np.unique(y))), settings)

    return run


def evoc(X: np.ndarray, y: np.ndarray):
    """Cluster by EVoC, whose nested loops numba's own thread layer cannot run."""
    numba.config.THREADING_LAYER = "omp"
    return run_clusterer(X, "evoc", Task(len(X), 0))


STEPS: dict[str, Step] = {
    "umap": lambda X, y: reduce(X, SILHOUETTE_REDUCTION),
    "pca": lambda X, y: reduce(X, Reduction("pca", n_components=50, zscore=True)),
    "silhouette": silhouette,
    "kmeans": clusterer("kmeans"),
    "spectral": clusterer("spectral", n_neighbors=30),
    "ward": clusterer("ac_with_c"),
    "linkage": clusterer("ac_with_c", linkage="average"),
    "affinity_propagation": clusterer("affinity_propagation", damping=0.9),
    "hdbscan": clusterer("hdbscan"),
    "evoc": evoc,
}
# Steps that a fork of this process cannot take, for the same reason.
SPAWNED = ("evoc",)
# Dimensions and classes, step by step: those of recipes, and enough of each to tell how costs grow.
SERIES = {
    "umap": ((256, 20), (2048, 20)),
    "pca": ((256, 20), (2048, 20)),
    "silhouette": ((50, 20), (2048, 20)),
    "kmeans": ((50, 20), (50, 200), (768, 20)),
    "spectral": ((50, 20), (50, 200), (768, 20)),
    "ward": ((50, 20), (768, 20)),
    "linkage": ((50, 20), (768, 20)),
    "hdbscan": ((50, 20), (768, 20)),
    "affinity_propagation": ((50, 20),),
    "evoc": ((256, 20), (1280, 20)),
}


# How far apart classes are, in deviations of one. Where they do not overlap, the neighbours' graph
# falls into parts, and what spectral clustering factorises stays small: photographs' does not.
APART, OVERLAPPING = 3.0, {"spectral": 1.0}


def clustered(
    n: int, d: int, n_classes: int, apart: float = APART
) -> tuple[np.ndarray, np.ndarray]:
    """Draw classes of few intrinsic dimensions, in many: float32 (n, d), int (n,)."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(n) % n_classes)
    latent = apart * rng.normal(size=(n_classes, 8))[y] + rng.normal(size=(n, 8))
    X = latent @ rng.normal(size=(8, d)) + 0.3 * rng.normal(size=(n, d))
    return X.astype(np.float32), y


def most_memory() -> int:
    """Most memory that this process has held so far, in bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def held_memory() -> int:
    """Memory that this process holds now, in bytes, after giving back what it does not use.

    The C library of Linux keeps freed memory, which a step would use again unseen.
    """
    gc.collect()
    getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
    return psutil.Process().memory_info().rss


def run_step(answer, step: str, X: np.ndarray, y: np.ndarray) -> None:
    """Time a step and see what memory it takes beyond what the process holds; in a child."""
    few = np.concatenate([np.flatnonzero(y == c)[:3] for c in range(3)] + [np.arange(60)])
    # What is loaded or compiled at the first call is no cost of the step.
    STEPS[step](X[few], y[few])
    before, start = held_memory(), time.process_time()
    STEPS[step](X, y)
    answer.send((time.process_time() - start, most_memory() - before))


def run_encoder(answer, name: str) -> None:
    """Time the forward pass of an encoder on images of 256 pixels; in a child that is new."""
    import torch

    from zsc_utils.embedding import compute

    torch.set_num_threads(1)
    pixels = np.random.default_rng(0).integers(0, 256, (N_IMAGES, 256, 256, 3), np.uint8)
    labels = pd.DataFrame({"class": ["a"] * N_IMAGES})
    facts = DatasetFacts("noise", "Noise", "", "class")
    dataset = ImageDataset(facts, ArrayImages(pixels), labels, 256, {})
    encoder = load_encoder(name)
    compute(dataset.subset(4), encoder, device="cpu", progress=False)
    before, start = held_memory(), time.process_time()
    array, *_ = compute(dataset, encoder, device="cpu", progress=False)
    answer.send((time.process_time() - start, most_memory() - before, array.shape[1]))


def in_child(kind: str, run: Callable, *arguments) -> tuple:
    """Run a function in a process of its own and return what it answers."""
    context = multiprocessing.get_context(kind)
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=run, args=(there, *arguments))
    # What this process gives back first is no part of the most that a fork of it ever held.
    held_memory()
    child.start()
    there.close()
    answer = here.recv()
    child.join()
    return answer


Key = tuple[str, int, int, int]


def start_process() -> Iterator[tuple]:
    """Do what every process does once, load libraries and compile UMAP, and say what it took."""
    for n in PROCESS_SIZES:
        STEPS["umap"](*clustered(n, 2, 2))
        yield ("process", n, 2, 2, f"{time.process_time():.4g}", most_memory())


def read_known(path: Path) -> dict[Key, float]:
    """Read the seconds of what was measured before, by step, n, d and classes."""
    if not path.exists():
        return {}
    rows = pd.read_csv(path).itertuples(index=False)
    return {(row.step, row.n, row.d, row.n_classes): row.seconds for row in rows}


def main(
    out: Annotated[Path, typer.Option(help="CSV file to write or go on with.")] = SCALING,
    ladder: Annotated[str, typer.Option(help="Numbers of samples, with commas.")] = LADDER,
    limit: Annotated[
        float, typer.Option(help="A series ends with the first run of this many seconds.")
    ] = 60.0,
) -> None:
    """Measure what the file lacks, small sizes first. A size may take four times the one before."""
    known = read_known(out)
    slow = {(step, *kind) for (step, _, *kind), seconds in known.items() if seconds > limit}
    with one_thread(), out.open("a", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")

        def write(*rows: tuple) -> None:
            writer.writerows(rows)
            stream.flush()

        # Here, so that no child has to compile.
        started = list(start_process())
        if not known:
            write(COLUMNS, *started)
        facts = ENCODERS.facts()
        for name in tqdm(MEASURED, unit="encoder"):
            step = embedding_step(facts[name].backbone)
            if step not in {key[0] for key in known}:
                seconds, size, d = in_child("spawn", run_encoder, name)
                write((step, N_IMAGES, d, 0, f"{seconds:.4g}", size))
        series = [(step, d, k) for step, kinds in SERIES.items() for d, k in kinds]
        for n in tqdm([int(n) for n in ladder.split(",")], unit="size"):
            for step, d, k in tqdm(series, unit="step", leave=False):
                beyond = n > LARGEST and step not in LARGER
                if beyond or (step, d, k) in slow or (step, n, d, k) in known:
                    continue
                kind = "spawn" if step in SPAWNED else "fork"
                data = clustered(n, d, k, OVERLAPPING.get(step, APART))
                seconds, size = in_child(kind, run_step, step, *data)
                write((step, n, d, k, f"{seconds:.4g}", size))
                if seconds > limit:
                    slow.add((step, d, k))


if __name__ == "__main__":
    typer.run(main)
