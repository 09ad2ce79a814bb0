"""Seconds of UMAP as this project calls it, with given neighbours, against UMAP left to itself.

Both run in turn on the same normal random numbers, one thread, the first pair not counted; the
result must be the same to the bit, or the benchmark fails.

    .venv/bin/python benchmarks/bench_umap.py
"""

from time import perf_counter

import numpy as np
from umap import UMAP

from zsc_utils.recipes import Reduction
from zsc_utils.reduction import UMAP_MIN_DIST, UMAP_NEIGHBORS, reduce
from zsc_utils.sweep.evaluate import one_thread

REPEATS = 5


def given(X: np.ndarray) -> np.ndarray:
    """UMAP as this project calls it."""
    return reduce(X, Reduction("umap", n_components=50), seed=1)


def itself(X: np.ndarray) -> np.ndarray:
    """UMAP of the same settings, which finds the neighbours by its own means."""
    look = {"n_neighbors": UMAP_NEIGHBORS, "min_dist": UMAP_MIN_DIST}
    return UMAP(n_components=50, random_state=1, n_jobs=1, **look).fit_transform(X)


def timed(function, X: np.ndarray) -> tuple[float, np.ndarray]:
    """Call a function; return the seconds and what it gave."""
    start = perf_counter()
    found = function(X)
    return perf_counter() - start, found


def main() -> None:
    """Print the medians of both and their ratio, size by size."""
    print(f"{'samples':>8}{'dims':>6}{'itself, s':>11}{'given, s':>10}{'ratio':>7}")
    with one_thread():
        for n, d in ((400, 256), (400, 256), (1000, 768), (2000, 768), (4000, 768)):
            X = np.random.default_rng(0).normal(size=(n, d)).astype(np.float32)
            times = []
            for _ in range(REPEATS):
                (a, theirs), (b, ours) = timed(itself, X), timed(given, X)
                if not np.array_equal(ours, theirs):
                    raise SystemExit(f"not the same result for {n} x {d}")
                times.append((a, b))
            a, b = np.median(times, axis=0)
            print(f"{n:8}{d:6}{a:11.2f}{b:10.2f}{a / b:7.2f}", flush=True)


if __name__ == "__main__":
    main()
