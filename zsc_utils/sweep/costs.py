"""Costs: how long a step will take and how much memory it will need, from what was measured.

The laws of `tables/laws.csv` and the speeds of `tables/speeds.csv` are fitted to measurements by
`benchmarks/fit_costs.py`; docs/costs.md says what they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import psutil

from zsc_utils.cache import load_array
from zsc_utils.clustering import is_ward
from zsc_utils.errors import CacheDamagedError
from zsc_utils.metrics import SILHOUETTE_ROWS
from zsc_utils.recipes import SILHOUETTE_REDUCTION, TABLES, Recipe, Reduction
from zsc_utils.sweep.cells import Job, Size

LAWS, SPEEDS = TABLES / "laws.csv", TABLES / "speeds.csv"
FLOAT_BYTES = 4
# Up to here UMAP optimises for 500 epochs, above for 200.
UMAP_SMALL = 10_000
# Steps that take another algorithm from some number of dimensions or samples on: UMAP for
# neighbours, which it finds exactly among few samples.
CHANGES = {"umap": ("n", 4096)}


class Cost(NamedTuple):
    """Seconds of one core, and bytes of memory beyond those of the process and its data."""

    seconds: float
    bytes: float


# A function of n, d and n_classes: arrays of as many values as there are measurements, or numbers.
Term = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

# Seconds are a power law of these; of n, d and n_classes where nothing is said.
TIME_TERMS: dict[str, tuple[Term, ...]] = {
    # Samples × epochs.
    "umap": (lambda n, d, k: n * np.where(n <= UMAP_SMALL, 500, 200), lambda n, d, k: d),
    # Operations of the decomposition of an (n, d) matrix.
    "pca": (lambda n, d, k: n * d * np.minimum(n, d),),
}
N_D_CLASSES: tuple[Term, ...] = (lambda n, d, k: n, lambda n, d, k: d, lambda n, d, k: k)

# Bytes are proportional to these: the sizes of the largest arrays that a method holds.
MEMORY_TERMS: dict[str, Term] = {
    # Copies of the data; distances of all pairs, or for each sample its neighbours.
    "umap": lambda n, d, k: n * (d + np.where(n < CHANGES["umap"][1], 2 * n, 800)),
    # Copies of the data, the scores, the components.
    "pca": lambda n, d, k: (n + np.minimum(n, d)) * d,
    # Copies of the data; assignments.
    "kmeans": lambda n, d, k: n * (d + 16),
    # A copy of the data; for each class several vectors of the iteration; the graph of neighbours,
    # and the factors of its Laplacian, which fill up where classes overlap.
    "spectral": lambda n, d, k: n * (d + 10 * k + 700 + n),
    # The centres; the chain and the tree.
    "ward": lambda n, d, k: n * (d + 16),
    # Distances of all pairs.
    "linkage": lambda n, d, k: n * n,
    # Similarities of all pairs, and three matrices of messages.
    "affinity_propagation": lambda n, d, k: n * n,
    # A copy of the data; trees.
    "hdbscan": lambda n, d, k: n * (d + 50),
    # Copies of the data; candidates for neighbours, their graph in both directions, its embedding.
    "evoc": lambda n, d, k: n * (d + 1400),
    # Copies of the data; the distances of a few rows to all.
    "silhouette": lambda n, d, k: n * (d + SILHOUETTE_ROWS),
}


@dataclass(frozen=True)
class Law:
    """How the cost of one step grows.

    Parameters
    ----------
    time_terms
        What seconds are a power law of.
    exponents
        The logarithm of a constant factor, then an exponent for each term.
    memory_term
        What bytes are proportional to.
    bytes_each
        The factor.
    """

    time_terms: tuple[Term, ...]
    exponents: tuple[float, ...]
    memory_term: Term
    bytes_each: float

    def predict(self, size: Size) -> Cost:
        """Predict the cost of the step for a size."""
        shape = (float(size.n), float(size.d), float(max(1, size.n_classes)))
        logs = [1.0, *(np.log(term(*shape)) for term in self.time_terms)]
        seconds = np.exp(np.dot(self.exponents, logs))
        return Cost(float(seconds), float(self.bytes_each * self.memory_term(*shape)))


@cache
def laws(path: Path = LAWS) -> dict[tuple[str, bool], Law]:
    """Read the law of each step, before and after it changes its algorithm."""
    return {
        (row.step, row.changed): Law(
            time_terms=TIME_TERMS.get(row.step, N_D_CLASSES),
            exponents=(row.log_factor, *row.exponents),
            memory_term=MEMORY_TERMS[row.step],
            bytes_each=row.bytes_each,
        )
        for row in pd.read_csv(
            path, converters={"exponents": lambda text: tuple(map(float, text.split()))}
        ).itertuples()
    }


@cache
def speeds(path: Path = SPEEDS) -> pd.DataFrame:
    """Read what was measured at one size: columns step, n, d, seconds, bytes."""
    return pd.read_csv(path)


def step_cost(step: str, size: Size) -> Cost:
    """Predict the cost of a clusterer, or its linkage, `umap`, `pca` or `silhouette`."""
    column, start = CHANGES.get(step, ("n", np.inf))
    return laws()[step, getattr(size, column) >= start].predict(size)


def reduced_size(reduction: Reduction, size: Size) -> Size:
    """Size of what a reduction gives; at most that, where it keeps a fraction of the variance."""
    if reduction.method == "none":
        return size
    return replace(size, d=min(reduction.n_components or size.d, size.n, size.d))


def reduction_cost(reduction: Reduction, size: Size) -> Cost:
    """Predict the cost of a reduction."""
    return Cost(0.0, 0.0) if reduction.method == "none" else step_cost(reduction.method, size)


def clusterer_cost(recipe: Recipe, size: Size) -> Cost:
    """Predict the cost of a recipe's clusterer, given the size before the reduction."""
    step = recipe.clusterer
    if step.startswith("ac_"):
        step = "ward" if is_ward(dict(recipe.settings)) else "linkage"
    return step_cost(step, reduced_size(recipe.reduction, size))


def silhouettes_cost(size: Size) -> Cost:
    """Predict the cost of both silhouettes, that of the embedding and that of its UMAP."""
    original = step_cost("silhouette", size)
    reduced = step_cost("silhouette", reduced_size(SILHOUETTE_REDUCTION, size))
    return Cost(original.seconds + reduced.seconds, max(original.bytes, reduced.bytes))


@cache
def start_cost(n: int) -> Cost:
    """Cost of what a process does once: load libraries, compile UMAP (more of it for many)."""
    rows = speeds().query("step == 'process'").sort_values("n")
    row = rows[rows["n"] <= max(n, rows["n"].min())].iloc[-1]
    return Cost(float(row["seconds"]), float(row["bytes"]))


def held_bytes(step: Cost, size: Size) -> float:
    """Most memory that a process holds while it does a step to embeddings of a size."""
    return start_cost(size.n).bytes + FLOAT_BYTES * size.n * size.d + step.bytes


@cache
def peak_bytes(recipe: Recipe, size: Size) -> float:
    """Predict the most memory that the process of a cell holds: that of its largest step."""
    steps = (
        reduction_cost(recipe.reduction, size),
        clusterer_cost(recipe, size),
        reduction_cost(SILHOUETTE_REDUCTION, size),
        silhouettes_cost(size),
    )
    return max(held_bytes(step, size) for step in steps)


def embedding_step(backbone: str) -> str:
    """Name of the embedding with a backbone, in the table of measurements."""
    return f"embed {backbone}"


def dimensions(backbone: str) -> int:
    """Dimensions of a backbone's embeddings; the most of any, where it was not measured."""
    rows = speeds()[speeds()["step"] == embedding_step(backbone)]
    if rows.empty:
        rows = speeds()[speeds()["step"].str.startswith(embedding_step(""))]
    return int(rows["d"].max())


# Version 2 of the kernel's control groups names no controller; in version 1, memory has its own.
# The folder of all groups, limit, use, and what of that use is files that give way.
CONTROL_GROUPS = {
    "": ("", "memory.max", "memory.current", "inactive_file"),
    "memory": (
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}


def control_group_room(own: Path, mounted: Path) -> Iterator[int]:
    """Tell the memory that is left under the limit of each control group that a process is in.

    Parameters
    ----------
    own
        File that says which those are.
    mounted
        Folder of all control groups. Seen from a container, its own is at the top of it.
    """
    for line in own.read_text().splitlines() if own.exists() else ():
        _, controllers, path = line.split(":", 2)
        for name in {*controllers.split(",")} & {*CONTROL_GROUPS}:
            folder, limit, use, files = CONTROL_GROUPS[name]
            group = mounted / folder / path.lstrip("/")
            # The limits of the groups around it hold too.
            for place in (group, *group.parents):
                if place.is_relative_to(mounted) and (place / limit).exists():
                    most = (place / limit).read_text().strip()
                    stat = dict(map(str.split, (place / "memory.stat").read_text().splitlines()))
                    used = int((place / use).read_text()) - int(stat.get(files, 0))
                    if most != "max":
                        yield int(most) - used


def memory_available(
    own: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
) -> int:
    """Bytes of memory to be had: of the machine's, and under limits that containers set."""
    room = (psutil.virtual_memory().available, *control_group_room(own, mounted))
    return max(0, min(room))


def in_words(size: float) -> str:
    """Write a number of bytes: MB below a GB, and no more digits than a prediction deserves."""
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def lack_of_memory(needed: float, available: float) -> str:
    """Say that memory does not suffice; empty where it does."""
    if needed <= available:
        return ""
    return f"needs about {in_words(needed)} of memory; {in_words(available)} are there"


def cell_lacks(recipe: Recipe, size: Size, available: float) -> str:
    """Say that memory does not suffice for a cell; empty where it does."""
    return lack_of_memory(peak_bytes(recipe, size), available)


def embeddings_size(job: Job, build: Path) -> Size:
    """Size of the embeddings of a job; where there are none yet, the size to be expected."""
    labels, level = job.dataset.labels, job.dataset.facts.label
    n_classes = labels[level].nunique() if level in labels else 1
    try:
        n, d = load_array(job.embeddings_folder(build) / "embeddings.npy").shape
    except CacheDamagedError:
        n, d = len(job.dataset), dimensions(job.encoder.backbone)
    return Size(n, d, n_classes)


def fitting(jobs: list[Job], build: Path, memory: float) -> list[Job]:
    """Keep of each job the cells that need no more than so many bytes; drop empty jobs.

    Those that are left know the size of their embeddings.
    """
    sized = [replace(job, size=embeddings_size(job, build)) for job in jobs]
    left = [
        replace(job, cells=tuple(c for c in job.cells if not cell_lacks(c[1], job.size, memory)))
        for job in sized
    ]
    return [job for job in left if job.cells]


def side_by_side(jobs: list[Job], memory: float, n_jobs: int) -> list[tuple[int, list[Job]]]:
    """Part cells by how many of their size fit into memory at the same time.

    Returns
    -------
    Numbers of processes, at most `n_jobs`, falling, each with the jobs of the cells that so many
    processes can compute: if each holds the most that any of these needs, all fit.
    """
    parts = defaultdict(list)
    for job in sorted(jobs, key=lambda job: -len(job.dataset)):
        cells = defaultdict(list)
        for cell, recipe in job.cells:
            n = max(1, min(n_jobs, int(memory // peak_bytes(recipe, job.size))))
            cells[n].append((cell, recipe))
        for n, pairs in cells.items():
            parts[n].append(replace(job, cells=tuple(pairs)))
    return sorted(parts.items(), reverse=True)
