"""The miniature: a rendered world with a source domain and target datasets in five groups."""

from __future__ import annotations

from zsc_utils.miniature.world import (  # noqa: F401  (importing registers them)
    backgrounds,
    depth,
    novel,
    renditions,
    satellite,
    signals,
    source,
)
from zsc_utils.miniature.world.arrays import rendered_arrays

__all__ = ["rendered_arrays"]
