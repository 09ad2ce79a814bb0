"""How many dimensions hold the variance."""

from __future__ import annotations

import pandas as pd

from zsc_utils.findings.base import NO_RESULT, bullets


def variance(dims: pd.DataFrame, fraction: float = 0.9) -> str:
    """Say how many dimensions hold a fraction of each encoder's variance, over the datasets.

    Parameters
    ----------
    dims
        As `analysis.dims_for_variance` gives it.
    fraction
        One of its fractions.
    """
    if dims.empty:
        return NO_RESULT
    at = dims[dims["fraction"] == fraction]
    spans = at.groupby("encoder_name", sort=False)["dims"].agg(["min", "median", "max"])
    spans = spans.sort_values("median")
    return bullets(
        [
            f"**{name}**: {fraction:.0%} of the variance in {row['median']:.0f} dimensions "
            f"(median over datasets; {row['min']:.0f} to {row['max']:.0f})."
            for name, row in spans.iterrows()
        ]
    )
