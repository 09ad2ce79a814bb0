"""One colour for each group of datasets: dark near the domain of pretraining, light far from it."""

from __future__ import annotations

from collections.abc import Iterable

import seaborn as sns


def group_colors(groups: Iterable[str]) -> dict[str, tuple]:
    """Give each group its colour, in the order in which they come."""
    names = list(dict.fromkeys(groups))
    return dict(zip(names, sns.color_palette("viridis", len(names)), strict=True))
