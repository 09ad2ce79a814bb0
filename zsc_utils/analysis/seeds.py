"""How much a result changes with the seed alone."""

from __future__ import annotations

import pandas as pd


def spread_over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Standard deviation of AMI over seeds, within each dataset × encoder × clusterer.

    Parameters
    ----------
    table
        Results, of several seeds.

    Returns
    -------
    DataFrame
        A row for each clusterer (its name): `mean`, `median` and `largest` standard deviation in
        points (n − 1 in its denominator), over `cells` that have an AMI from two seeds or more.
        Empty where none has.
    """
    keys = ["dataset", "encoder", "clusterer", "clusterer_name"]
    scored = table[table["ami"].notna()]
    cells = (100 * scored["ami"]).groupby([scored[key] for key in keys], sort=False).std().dropna()
    spread = cells.groupby("clusterer_name", sort=False).agg(["mean", "median", "max", "size"])
    names = {"max": "largest", "size": "cells"}
    return spread.rename(columns=names).rename_axis("clusterer")
