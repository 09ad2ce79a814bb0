"""Images a second of one core's time, by dataset: `python benchmarks/bench_miniworld.py`."""

from __future__ import annotations

import time
from pathlib import Path

from zsc_utils.datasets.base import DATASETS, open_registered

COUNT = 320


def main() -> None:
    """Time each rendered dataset after one warm-up batch."""
    for name, facts in DATASETS.facts().items():
        if not facts.source.startswith("rendered"):
            continue
        images = open_registered(name, Path(), facts.partitions[0]).images
        images.span(0, 16)
        start = time.process_time()
        images.span(0, COUNT)
        print(f"{name:22s} {COUNT / (time.process_time() - start):6.0f} images/s")


if __name__ == "__main__":
    main()
