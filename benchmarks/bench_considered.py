"""What was considered and left or taken, in numbers: `python benchmarks/bench_considered.py`.

Prints the tables of benchmarks/README.md that docs/design.md rests on. Seconds are those of the
processor, one thread, unless said.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from zsc_utils.embedding import BATCH_SIZE, memory_kept
from zsc_utils.encoders import load_encoder
from zsc_utils.metrics import SILHOUETTE_ROWS, silhouettes
from zsc_utils.reduction import zscore
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.costs import memory_available
from zsc_utils.sweep.evaluate import one_thread
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.run import embed_all
from zsc_utils.sweep.workers import local

SIZES = (400, 3_409, 10_000, 30_000)
DATASETS = ("mini-cifar", "mini-inat", "mini-in9", "mini-flora", "glyphs", "textures")
TURNS = 10


def processor(function: Callable[[], object]) -> tuple[float, object]:
    """Call a function: seconds of the processor, and what it gave."""
    start = time.process_time()
    found = function()
    return time.process_time() - start, found


def decompositions() -> None:
    """PCA of the samples, and by their covariance in single and in double precision."""
    print("| PCA of | full, s | covariance, s | covariance in double precision, s |")
    print("|---|---|---|---|")
    rng = np.random.default_rng(0)

    def by(solver: str, points: np.ndarray) -> tuple[float, np.ndarray]:
        return processor(lambda: PCA(svd_solver=solver).fit_transform(points))

    for n in SIZES:
        X = rng.normal(size=(n, 30)) @ rng.normal(size=(30, 1_280)) + rng.normal(size=(n, 1_280))
        X = X.astype(np.float32)
        found = (by("full", X), by("covariance_eigh", X), by("covariance_eigh", X.astype(float)))
        print(f"| {n:,} × 1,280 | " + " | ".join(f"{seconds:.2f}" for seconds, _ in found) + " |")
    digits = zscore(load_digits().data[:300].astype(np.float32))
    exact = PCA(svd_solver="full").fit_transform(digits.astype(float))
    doubled = digits.astype(float)
    solved = (("full", digits), ("covariance_eigh", digits), ("covariance_eigh", doubled))
    off = [np.abs(by(*one)[1] - exact).max() for one in solved]
    print("| digits, 300 × 64: farthest from exact | " + " | ".join(f"{x:.0e}" for x in off) + " |")
    print(f"\nScores of these digits go up to {np.abs(exact).max():.0f}.\n")


def compilation() -> None:
    """Forward passes as they are, and compiled by torch."""
    # What was compiled before is not read.
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp(prefix="zsc-compiled-")
    print("| network | ms an image | compiled, ms | compiling, wall s |\n|---|---|---|---|")
    torch.set_num_threads(1)
    for name, side in (("efficientnet_lite0", 224), ("mini_dino_vit", 64)):
        module = load_encoder(name).module.to(memory_format=torch.channels_last)
        batch = torch.randn(BATCH_SIZE["cpu"], 3, side, side).to(memory_format=torch.channels_last)
        compiled = torch.compile(module)
        with torch.inference_mode(), memory_kept():
            module(batch)
            start = time.perf_counter()
            compiled(batch)
            wall = time.perf_counter() - start
            turns = [
                [processor(partial(network, batch))[0] for network in (module, compiled)]
                for _ in range(TURNS)
            ]
        ms = 1000 * np.min(turns, axis=0) / len(batch)
        print(f"| {name} | {ms[0]:.1f} | {ms[1]:.1f} | {wall:.0f} |", flush=True)
    print()


def scoring() -> None:
    """Silhouettes of six clusterings, one by one and together, in two spaces."""
    rng, seconds = np.random.default_rng(0), [0.0, 0.0]
    labelings = [rng.integers(0, k, 3_409) for k in (11, 11, 11, 40, 100, 60)]
    for d in (1_280, 50):
        X = rng.normal(size=(3_409, d)).astype(np.float32)
        alone, one = processor(lambda X=X: [silhouettes(X, [each])[0] for each in labelings])
        once, together = processor(lambda X=X: silhouettes(X, labelings))
        if one != together:
            raise SystemExit("silhouettes differ")
        seconds = [seconds[0] + alone, seconds[1] + once]
    print("| silhouettes of six clusterings, 3,409 × 1,280 and × 50 | s |\n|---|---|")
    print(f"| one by one | {seconds[0]:.2f} |\n| together | {seconds[1]:.2f} |\n", flush=True)


def products() -> None:
    """A silhouette, and the matrix products in it alone."""
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(20_000, 50)), rng.integers(0, 1_000, 20_000)
    # Beside the samples, their squares and ones: so a product is a squared distance.
    wide = np.column_stack([X, X[:, :2]])
    blocks = range(0, len(wide), SILHOUETTE_ROWS)
    whole, _ = processor(lambda: silhouettes(X, [labels]))

    def multiply() -> None:
        for i in blocks:
            wide @ wide[i : i + SILHOUETTE_ROWS].T

    alone, _ = processor(multiply)
    print("| silhouette of 20,000 × 50, 1,000 clusters | s |\n|---|---|")
    print(f"| whole | {whole:.2f} |\n| its matrix products alone | {alone:.2f} |\n", flush=True)


def embeddings() -> None:
    """Embeddings of six datasets by all encoders of a profile, in one process and in two."""
    profile = load_profile("mini", datasets=list(DATASETS))
    how = {"device": "cpu", "skip_unreadable": False, "progress": False}
    print("| six datasets by 19 encoders, processes | wall s |\n|---|---|")
    arrays = []
    for n in (1, 2):
        with tempfile.TemporaryDirectory() as name, local(n, memory_available()) as workers:
            planned, start = plan(profile), time.perf_counter()
            embed_all(planned, Path(name), workers, None, how)
            print(f"| {n} | {time.perf_counter() - start:.1f} |", flush=True)
            arrays.append([np.array(job.read(Path(name)).array) for job in planned])
    if not all(map(np.array_equal, *arrays)):
        raise SystemExit("embeddings differ")
    print()


if __name__ == "__main__":
    # Before anything limits torch's threads.
    embeddings()
    with one_thread():
        decompositions()
        scoring()
        products()
        compilation()
