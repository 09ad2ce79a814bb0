"""Random numbers of an image, named by (dataset, seed, index) and by nothing else.

Philox is counter-based: its output is a function of its key, so an image's numbers do not depend on
which images are rendered beside it. Numbers are made from raw 64-bit words by exact arithmetic,
hence are equal on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np


def words(name: str, seed: int, indices: Iterable[int], count: int) -> np.ndarray:
    """Draw raw words, uint64 (n, count), one row an index."""
    digest = hashlib.sha256(f"{name}/{seed}".encode()).digest()
    first = int.from_bytes(digest[:8], "little")
    rows = [np.random.Philox(key=(int(index) << 64) | first).random_raw(count) for index in indices]
    return np.stack(rows) if rows else np.empty((0, count), dtype=np.uint64)


def uniforms(name: str, seed: int, indices: Iterable[int], count: int) -> np.ndarray:
    """Draw numbers uniform in [0, 1), float64 (n, count)."""
    return (words(name, seed, indices, count) >> np.uint64(11)) * 2.0**-53


def grains(name: str, seed: int, indices: Iterable[int], count: int) -> np.ndarray:
    """Draw bytes, uint8 (n, count): cheap noise where 256 levels do. `count` is a multiple of 8."""
    raw = words(name, seed, indices, count // 8)
    return raw.astype("<u8", copy=False).view(np.uint8)
