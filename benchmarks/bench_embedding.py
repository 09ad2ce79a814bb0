"""Time the embedding of a folder of photographs against the bare forward pass.

    python benchmarks/bench_embedding.py FOLDER [ENCODER]

The bare pass is of batches of random numbers of the same shape, that are there already: torch as
it comes, and with memory kept as the package keeps it. All three take turns; each number is the
best of three.
"""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext

import numpy as np

from zsc_utils.datasets import open_folder
from zsc_utils.embedding import BATCH_SIZE, bfloat16_is_fast, compute, memory_kept
from zsc_utils.encoders import find_encoder
from zsc_utils.precision import Precision

IMAGES, TURNS = 960, 3


def bare_seconds(module, batch, rounded, kept) -> float:
    """Seconds of the forward pass of all batches; the first, which warms up, does not count."""
    import torch

    with torch.inference_mode(), rounded, kept:
        module(batch)
        start = time.perf_counter()
        for _ in range(IMAGES // len(batch)):
            module(batch)
        return time.perf_counter() - start


def main() -> None:
    """Print images a second, and what share of the bare pass that is."""
    import torch

    folder, name = sys.argv[1], (sys.argv[2:] or ["efficientnet_lite0"])[0]
    images = open_folder(folder, need_classes=False, skip_unreadable=True).subset(IMAGES)
    if len(images) < IMAGES:
        sys.exit(f"{folder} holds {len(images)} images: {IMAGES} are needed")
    encoder = find_encoder(name)
    module = encoder.module.to(memory_format=torch.channels_last)
    shape = encoder.transform(None)(images.images[0]).shape
    batch = torch.randn(BATCH_SIZE["cpu"], *shape).to(memory_format=torch.channels_last)
    fast = bfloat16_is_fast("cpu")
    print("precision  bare  bare, memory kept  folder  share of bare  share of bare, memory kept")
    for precision in (Precision.fp32, Precision.bf16) if fast else (Precision.fp32,):
        seconds = []
        for _ in range(TURNS):
            rounded = torch.autocast("cpu", torch.bfloat16, enabled=precision == Precision.bf16)
            bare = bare_seconds(module, batch, rounded, nullcontext())
            kept = bare_seconds(module, batch, rounded, memory_kept())
            start = time.perf_counter()
            compute(images, encoder, device="cpu", precision=precision, progress=False)
            seconds.append((bare, kept, time.perf_counter() - start))
        speeds = IMAGES / np.min(seconds, axis=0)
        shares = speeds[2] / speeds[:2]
        print(
            f"{precision:9}", *(f"{speed:6.1f}" for speed in speeds), *(f"{s:.2f}" for s in shares)
        )


if __name__ == "__main__":
    main()
