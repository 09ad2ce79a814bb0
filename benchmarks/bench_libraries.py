"""Libraries that do the same, on the same embeddings: `python benchmarks/bench_libraries.py FILE`.

HDBSCAN, the graph of spectral clustering cut, and nearest neighbours, each by what is used here and
by what could be: seconds of the processor in one thread, and how far the answer is that of
scikit-learn, which the study used. What is not installed is passed over (`pip install fast_hdbscan
pyamg` in an environment of its own adds two).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from bench_scaling import one_thread  # sets threads: before all else

# ruff: isort: split
import importlib
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import typer

from zsc_utils.clustering import Task, make_clusterer
from zsc_utils.metrics import adjusted_mutual_information, nearest
from zsc_utils.recipes import Reduction
from zsc_utils.reduction import reduce

SMALLEST, NEIGHBORS, ROUNDS = 5, 20, 3
# Gives clusters (n,) or positions of neighbours (n, k) of embeddings (n, d).
Labels = Callable[[np.ndarray], np.ndarray]


def hdbscans(n: int) -> dict[str, Labels]:
    """HDBSCAN with the study's settings, by three packages."""
    from sklearn.cluster import HDBSCAN

    def fast(X):
        from fast_hdbscan import HDBSCAN as Fast

        # Its core distances leave the sample itself out, as those of `hdbscan` do.
        settings = {"min_cluster_size": SMALLEST, "min_samples": SMALLEST - 1}
        return Fast(**settings, max_cluster_size=0.2 * n).fit_predict(X)

    theirs = HDBSCAN(min_cluster_size=SMALLEST, max_cluster_size=max(1, int(0.2 * n)))
    task = Task(n_samples=n, n_classes=2, min_cluster_size=SMALLEST)
    return {
        "scikit-learn": theirs.fit_predict,
        "hdbscan (used here)": make_clusterer("hdbscan", task).fit_predict,
        "fast_hdbscan": fast,
    }


def spectrals(n: int, n_classes: int) -> dict[str, Labels]:
    """Spectral clustering of the nearest-neighbour graph, by three solvers of its eigenvectors."""
    task = Task(n_samples=n, n_classes=n_classes)

    def by(solver: str) -> Labels:
        return make_clusterer("spectral", task).set_params(eigen_solver=solver).fit_predict

    return {
        "arpack (used here)": by("arpack"),
        "lobpcg": by("lobpcg"),
        "amg": by("amg"),
    }


def searches(k: int) -> dict[str, Labels]:
    """Positions of the k nearest others by cosine, by four packages."""
    from sklearn.neighbors import NearestNeighbors

    def faiss(X):
        package = importlib.import_module("faiss")
        package.omp_set_num_threads(1)
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        index = package.IndexFlatIP(X.shape[1])
        index.add(unit)
        return index.search(unit, k)[1]

    def descent(X):
        from pynndescent import NNDescent

        return NNDescent(X, "cosine", n_neighbors=k, random_state=0, n_jobs=1).neighbor_graph[0]

    def scikit(X):
        return NearestNeighbors(n_neighbors=k, metric="cosine").fit(X).kneighbors(X)[1]

    return {
        "scikit-learn": scikit,
        "torch, in blocks (used here)": lambda X: nearest(X, X, k)[1],
        "faiss, exact": faiss,
        "pynndescent, approximate": descent,
    }


def same_neighbours(one: np.ndarray, other: np.ndarray) -> float:
    """Fraction of neighbours that both name."""
    both = [len(np.intersect1d(a, b)) for a, b in zip(one, other, strict=True)]
    return float(np.mean(both)) / one.shape[1]


def race(task: str, X: np.ndarray, ways: dict[str, Labels], alike: Callable) -> list[dict]:
    """Run all ways by turns, after one round that loads and compiles; a row each."""
    seconds: dict[str, list[float]] = {}
    found = {}
    for turn in range(ROUNDS + 1):
        for name, way in ways.items():
            start = time.process_time()
            try:
                found[name] = way(X)
            except (ImportError, ValueError) as error:
                if turn == 0:
                    print(f"{task} by {name}: {error}")
                continue
            if turn:
                seconds.setdefault(name, []).append(time.process_time() - start)
    first = next(iter(ways))
    return [
        {"task": task, "n": len(X), "d": X.shape[1], "by": name, "seconds": np.median(taken)}
        | {"like_the_first": alike(found[first], found[name])}
        for name, taken in seconds.items()
    ]


def main(
    file: Annotated[Path, typer.Argument(help="An .npz file with `embeddings` and `y_true`.")],
) -> None:
    """Print a row for each way."""
    with np.load(file) as arrays:
        X, n_classes = arrays["embeddings"], len(np.unique(arrays["y_true"]))
    with one_thread():
        reduced = reduce(X, Reduction("umap", n_components=50), seed=1)
        rows = race("HDBSCAN", reduced, hdbscans(len(X)), adjusted_mutual_information)
        rows += race("spectral", reduced, spectrals(len(X), n_classes), adjusted_mutual_information)
        rows += race(f"{NEIGHBORS} nearest", X, searches(NEIGHBORS), same_neighbours)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    typer.run(main)
