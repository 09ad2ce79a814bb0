"""Variance of embeddings by leading dimensions: figure 5 of the study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.analysis.base import with_interval
from zsc_utils.reduction import pca_scores
from zsc_utils.sweep.cells import Job
from zsc_utils.sweep.results import read_embeddings


def variance_curve(ratio: np.ndarray, n_dims: int) -> pd.DataFrame:
    """Cumulative fraction of the variance against leading dimensions.

    Parameters
    ----------
    ratio
        Fraction of the variance that each principal component explains, falling.
    n_dims
        Dimensions of the embedding; more than components where there are fewer samples.

    Returns
    -------
    DataFrame
        `dims` from 1, `relative` = dims / n_dims, `variance` up to 1.
    """
    dims = np.arange(1, len(ratio) + 1)
    return pd.DataFrame({"dims": dims, "relative": dims / n_dims, "variance": np.cumsum(ratio)})


def variance_curves(planned: list[Job], build: Path | None = None) -> pd.DataFrame:
    """Cumulative variance of the z-scored embeddings of a plan (figure 5 of the study).

    Parameters
    ----------
    planned
        As `plan.plan` gives it; its embeddings must have been computed.
    build
        Folder of caches and results.

    Returns
    -------
    DataFrame
        A `variance_curve` for each job, told apart by `encoder`, `encoder_name`, `dataset_name`.
    """
    parts = []
    for job, embeddings, memo in read_embeddings(planned, build):
        _, ratio = pca_scores(embeddings.array, zscored=True, memo=memo)
        curve = variance_curve(ratio, embeddings.array.shape[1])
        facts = {"encoder": job.encoder.name, "encoder_name": job.encoder.display}
        parts.append(curve.assign(**facts, dataset_name=job.dataset.facts.display))
    columns = ["dims", "relative", "variance", "encoder", "encoder_name", "dataset_name"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def typical_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Bring the `variance_curves` of each encoder together, dimension by dimension.

    Returns
    -------
    DataFrame
        Columns encoder, dims, relative; `median`, `low` and `high` (quartiles) of the variance over
        the datasets. A curve that has reached 1 stays there: a dataset with few images has few
        principal components.
    """
    columns = ["dims", "relative", "median", "low", "high", "encoder"]
    parts = [pd.DataFrame(columns=columns)] if curves.empty else []
    for encoder, rows in curves.groupby("encoder", sort=False):
        wide = rows.pivot(index="dims", columns="dataset_name", values="variance").fillna(1.0)
        low, median, high = wide.quantile([0.25, 0.5, 0.75], axis=1).to_numpy()
        n_dims = (rows["dims"] / rows["relative"]).max()
        dims = wide.index.to_numpy()
        columns = {"dims": dims, "relative": dims / n_dims, "median": median}
        parts.append(pd.DataFrame(columns | {"low": low, "high": high}).assign(encoder=encoder))
    return pd.concat(parts, ignore_index=True)


def dims_for_variance(curves: pd.DataFrame, fractions=(0.5, 0.8, 0.9, 0.95)) -> pd.DataFrame:
    """Count the leading dimensions that hold a fraction of the variance.

    Parameters
    ----------
    curves
        `variance_curve`s of several encoders and datasets, told apart by the columns `encoder`,
        `encoder_name` and `dataset_name`.
    fractions
        Of the variance.

    Returns
    -------
    DataFrame
        Columns encoder, encoder_name, dataset_name, fraction, dims.
    """
    keys = ["encoder", "encoder_name", "dataset_name"]
    parts = [
        curves[curves["variance"] >= fraction - 1e-6]
        .groupby(keys, sort=False)["dims"]
        .min()
        .reset_index()
        .assign(fraction=fraction)
        for fraction in fractions
    ]
    return pd.concat(parts, ignore_index=True)


def median_dims(dims: pd.DataFrame) -> pd.DataFrame:
    """Median over datasets of `dims_for_variance`: a row an encoder, a column a fraction."""
    return dims.pivot_table(
        index="encoder_name", columns="fraction", values="dims", aggfunc="median", sort=False
    )


def written_dims(dims: pd.DataFrame) -> pd.DataFrame:
    """Write `dims_for_variance` as text, median [fewest, most] over datasets, as `median_dims`."""
    by = dims.groupby(["encoder_name", "fraction"], sort=False)["dims"]
    spans = by.agg(["median", "min", "max"])
    texts = with_interval(spans["median"], spans["min"], spans["max"], decimals=0)
    wide = texts.unstack("fraction").reindex(dims["encoder_name"].unique())
    return wide.set_axis([f"{fraction:.0%}" for fraction in wide.columns], axis=1)
