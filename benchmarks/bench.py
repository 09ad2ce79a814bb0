"""Seconds here against the plain way, in turn in one run: `make bench`.

The plain way is scikit-learn, SciPy and umap-learn as they come. Each pair must give the same
result, or the benchmark fails. Prints a table for benchmarks/README.md.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Annotated, NamedTuple

import numpy as np
import typer
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, silhouette_score

from zsc_utils import metrics
from zsc_utils.clustering import Task, run_clusterer, study_clusterers
from zsc_utils.recipes import recipe_for

RECIPES = "xent_resnet50"


class Pair(NamedTuple):
    """Two ways to the same result: `agree` says whether they are."""

    name: str
    plain: Callable[[], object]
    ours: Callable[[], object]
    agree: Callable[[object, object], bool]
    times: int = 3


def blobs(n: int, d: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw overlapping classes: float32 (n, d), int (n,)."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, k, n)
    return (rng.normal(size=(n, d)) + rng.normal(size=(k, d))[y]).astype(np.float32), y


def close(tolerance: float) -> Callable[[object, object], bool]:
    """Agreement of numbers, or of lists of them, to a tolerance."""
    return lambda a, b: bool(np.allclose(a, b, rtol=0, atol=tolerance))


def ami_pair(n: int, k: int) -> Pair:
    """AMI of two partitions into so many groups."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, k, n)
    other = np.where(rng.random(n) < 0.5, y, rng.integers(0, k, n))
    return Pair(
        f"AMI, {n:,} samples, {k:,} × {k:,} groups",
        lambda: adjusted_mutual_info_score(y, other),
        lambda: metrics.partition_agreement(y, other),
        # Of many small groups scikit-learn's own rounding is larger (see tests/test_score.py).
        close(1e-10 if k < 5000 else 1e-8),
        times=1,
    )


def silhouette_pair(n: int, d: int, k: int, labelings: int) -> Pair:
    """Mean silhouettes of several labelings of the same samples."""
    X, y = blobs(n, d, k)
    labels = [np.roll(y, shift) for shift in range(labelings)]
    return Pair(
        f"silhouette, {n:,} × {d}, {k:,} clusters, {labelings} labeling{'s' * (labelings > 1)}",
        lambda: [silhouette_score(X, one) for one in labels],
        lambda: metrics.silhouettes(X, labels),
        close(1e-6),
        times=3 if labelings == 1 else 1,
    )


def ward_pair(n: int, d: int) -> Pair:
    """Ward's clusters, told their number, and cut at a distance."""
    from sklearn.cluster import AgglomerativeClustering

    X, _ = blobs(n, d, 100)
    task = Task(n, 100)

    def plain():
        return AgglomerativeClustering(100).fit_predict(X)

    def ours():
        run_clusterer(X, "ac_without_c", task, {"distance_threshold": 2.0})
        return run_clusterer(X, "ac_with_c", task, {}).labels

    return Pair(
        f"Ward, {n:,} × {d} (here: both cuts)",
        *(plain, ours, lambda a, b: adjusted_rand_score(a, b) == 1),
        times=1,
    )


def affinity_pair(n: int, d: int) -> Pair:
    """Affinity propagation's clusters."""
    from sklearn.cluster import AffinityPropagation

    X, _ = blobs(n, d, 100)
    settings = {"damping": 0.9, "max_iter": 1000, "convergence_iter": 15, "random_state": 1}
    return Pair(
        f"affinity propagation, {n:,} × {d}",
        lambda: AffinityPropagation(**settings).fit_predict(X),
        lambda: run_clusterer(X, "affinity_propagation", Task(n, 0), {"damping": 0.9}).labels,
        np.array_equal,
        times=1,
    )


def python(code: str, **env) -> Callable[[], str]:
    """Run code in a new process: what it prints."""
    command = [sys.executable, "-c", code]
    return lambda: (
        subprocess.run(
            command, env=os.environ | env, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    )


def compiled_pair(folder: str) -> Pair:
    """UMAP of 400 samples in a new process: its loops compiled, or read."""
    code = (
        "import numpy as np; from zsc_utils import Reduction, reduce; X = np.random.default_rng(0)"
        ".normal(size=(400, 50)).astype('f4'); "
        "print(reduce(X, Reduction('umap', n_components=50)).tobytes().hex())"
    )
    kept = python(code, NUMBA_CACHE_DIR=folder)
    kept()
    return Pair(
        "UMAP of 400 samples in a new process",
        *(python(code, NUMBA_CACHE_DIR=os.devnull), kept, lambda a, b: a == b and len(a) > 0),
    )


def plain_cells(X: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Cluster by all recipes cell by cell, with all scores; AMI by clusterer."""
    from sklearn import metrics as plain
    from sklearn.cluster import HDBSCAN, AffinityPropagation, AgglomerativeClustering, KMeans
    from sklearn.cluster import SpectralClustering as Spectral
    from umap import UMAP

    from zsc_utils.clustering import scale_for_threshold

    n, k, found = len(X), len(np.unique(y)), {}
    for name in study_clusterers():
        recipe = recipe_for(RECIPES, name)
        settings = dict(recipe.settings)

        def umap(seed: int) -> np.ndarray:
            return UMAP(
                n_components=50, n_neighbors=30, min_dist=0, random_state=seed
            ).fit_transform(X)

        Z = umap(1) if recipe.reduction.method == "umap" else X
        makers = {
            "kmeans": lambda: KMeans(k, n_init=1, max_iter=1000, random_state=1),
            "spectral": lambda s=settings: Spectral(
                k, affinity="nearest_neighbors", n_neighbors=s["n_neighbors"],
                assign_labels="cluster_qr", random_state=1,
            ),
            "ac_with_c": lambda: AgglomerativeClustering(k),
            "ac_without_c": lambda s=settings: AgglomerativeClustering(
                None, distance_threshold=s["distance_threshold"]
            ),
            "affinity_propagation": lambda s=settings: AffinityPropagation(
                damping=s["damping"], max_iter=1000, random_state=1
            ),
            "hdbscan": lambda: HDBSCAN(5, max_cluster_size=n // 5, copy=True),
        }  # fmt: skip
        labels = makers[name]().fit_predict(scale_for_threshold(Z) if name == "ac_without_c" else Z)
        found[name] = plain.adjusted_mutual_info_score(y, labels)
        for score in ("adjusted_rand", "fowlkes_mallows", "homogeneity", "completeness"):
            getattr(plain, f"{score}_score")(y, labels)
        plain.silhouette_score(X, labels)
        plain.silhouette_score(umap(42), labels)
    return found


def whole_pair(folder: str) -> Pair:
    """Six clusterers and all scores, from one file."""
    import pandas as pd

    X, y = blobs(3409, 1280, 60)
    file, out = Path(folder) / "embeddings.npz", Path(folder) / "table.csv"
    np.savez(file, embeddings=X, y_true=y)
    shell = "from zsc_utils.cli import app; app({})"
    words = ["cluster-embeddings", str(file), "--recipe", RECIPES, "--out", str(out)]

    def ours() -> list[float]:
        python(shell.format(words))()
        return pd.read_csv(out).set_index("clusterer")["ami"].reindex(study_clusterers()).tolist()

    return Pair(
        "six clusterers and all scores, 3,409 × 1,280, from one file",
        lambda: list(plain_cells(X, y).values()),
        *(ours, close(1e-9)),
        times=1,
    )


def peak(function: Callable[[], object]) -> int:
    """Most memory that a call takes beyond what its process holds before, in bytes."""
    here, there = get_context("fork").Pipe(duplex=False)

    def run() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        function()
        there.send(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))

    child = get_context("fork").Process(target=run)
    child.start()
    found = here.recv()
    child.join()
    return found


def measure(pair: Pair) -> str:
    """Time both in turn; a line of the table."""
    times = []
    for _ in range(pair.times):
        results = []
        for function in (pair.plain, pair.ours):
            start = perf_counter()
            results.append(function())
            times.append(perf_counter() - start)
        if not pair.agree(*results):
            raise SystemExit(f"{pair.name}: not the same result: {results}")
    plain, ours = min(times[::2]), min(times[1::2])
    return f"| {pair.name} | {plain:.2f} | {ours:.2f} | {plain / ours:.1f} |"


def main(
    whole: Annotated[
        bool, typer.Option("--whole", help="Also the whole pipeline, which takes minutes.")
    ] = False,
) -> None:
    """Print seconds of the plain way, seconds here, and their ratio."""
    print("| | plain, s | here, s | ratio |\n|---|---|---|---|")
    run_clusterer(*(blobs(20, 3, 2)[0], "ac_with_c", Task(20, 2)))  # compiled by now
    with tempfile.TemporaryDirectory() as folder:
        pairs = [
            ami_pair(5_000, 500),
            ami_pair(100_000, 10_000),
            silhouette_pair(20_000, 50, 1_000, 1),
            silhouette_pair(20_000, 50, 1_000, 6),
            ward_pair(20_000, 50),
            affinity_pair(3_000, 50),
            compiled_pair(folder),
            *([whole_pair(folder)] if whole else []),
        ]
        for pair in pairs:
            print(measure(pair), flush=True)
    ward = ward_pair(10_000, 50)
    plain, ours = (peak(function) / 1e6 for function in (ward.plain, ward.ours))
    print(f"\nMemory of Ward, 10,000 × 50: {plain:.0f} MB the plain way, {ours:.0f} MB here.")


if __name__ == "__main__":
    typer.run(main)
