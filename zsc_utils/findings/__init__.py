"""What the numbers say, in sentences: for the closing cells of the notebooks."""

from zsc_utils.findings.agreement import encoders, fine_tuning, live_fine_tuning
from zsc_utils.findings.base import (
    bullets,
    cells,
    points,
    spread,
)
from zsc_utils.findings.dimensions import variance
from zsc_utils.findings.guides import silhouettes
from zsc_utils.findings.own import own_images
from zsc_utils.findings.taxonomy import levels

__all__ = [
    "bullets",
    "cells",
    "encoders",
    "fine_tuning",
    "levels",
    "live_fine_tuning",
    "own_images",
    "points",
    "silhouettes",
    "spread",
    "variance",
]
