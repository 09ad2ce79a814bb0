"""Variance of embeddings by leading dimensions: figure 5 of the study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, StrMethodFormatter

from zsc_utils.reduction import pca_scores
from zsc_utils.study.base import NO_RESULT, bullets
from zsc_utils.study.figures import (
    dashes_in_row,
    legend_beside,
    nothing,
    panels,
    rows_by_backbone,
)
from zsc_utils.study.tables import number_texts
from zsc_utils.sweep.cells import Job
from zsc_utils.sweep.results import read_embeddings

QUARTILES = {"low": 0.25, "median": 0.5, "high": 0.75}


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


def variance_curves(planned: list[Job]) -> pd.DataFrame:
    """Cumulative variance of the z-scored embeddings of a plan (figure 5 of the study).

    Parameters
    ----------
    planned
        As `sweep.cells.plan` gives it; its embeddings must have been computed.

    Returns
    -------
    DataFrame
        A `variance_curve` for each job, told apart by `encoder`, `encoder_name`, `dataset_name`.
    """
    parts = []
    for job, embeddings, memo in read_embeddings(planned):
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
        found = pd.DataFrame({name: wide.quantile(q, axis=1) for name, q in QUARTILES.items()})
        n_dims = (rows["dims"] / rows["relative"]).max()
        parts.append(found.assign(relative=wide.index / n_dims, encoder=encoder).reset_index())
    return pd.concat(parts, ignore_index=True)[columns]


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

    def fewest(fraction):
        enough = curves[curves["variance"] >= fraction - 1e-6]
        return enough.groupby(keys, sort=False)["dims"].min()

    found = pd.concat({fraction: fewest(fraction) for fraction in fractions}, names=["fraction"])
    return found.reset_index()[[*keys, "dims", "fraction"]]


def median_dims(dims: pd.DataFrame) -> pd.DataFrame:
    """Median over datasets of `dims_for_variance`: a row an encoder, a column a fraction."""
    return dims.pivot_table(
        index="encoder_name", columns="fraction", values="dims", aggfunc="median", sort=False
    )


def _spans(dims: pd.DataFrame) -> pd.DataFrame:
    by = dims.groupby(["encoder_name", "fraction"], sort=False)["dims"]
    return by.agg(["median", "min", "max"])


def written_dims(dims: pd.DataFrame) -> pd.DataFrame:
    """Write `dims_for_variance` as text, median [fewest, most] over datasets, as `median_dims`."""
    spans = _spans(dims)
    texts = number_texts(spans["median"], None, spans["min"], spans["max"], decimals=0)
    wide = texts.unstack("fraction").reindex(dims["encoder_name"].unique())
    return wide.set_axis([f"{fraction:.0%}" for fraction in wide.columns], axis=1)


def plot_variance_curves(curves: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw the fraction of variance against leading PCA dimensions: absolute, and relative to all.

    Parameters
    ----------
    curves
        As `typical_curves` gives it: medians are lines, quartiles bands. A backbone that
        encoders share has a row of panels, both axes are logarithmic, and a grey line marks 90 %.
    styles
        As `encoder_styles` gives it.
    """
    if curves.empty:
        return nothing("no dataset has embeddings by any encoder")
    known = set(curves["encoder"])
    rows = rows_by_backbone({name: style for name, style in styles.items() if name in known})
    size = (8, 0.6 + 2.3 * len(rows))
    figure, all_axes = panels(len(rows), 2, size, sharey=True, sharex="col")
    for line, (backbone, encoders) in zip(all_axes, rows.items(), strict=True):
        for name in encoders:
            curve, style = curves[curves["encoder"] == name], styles[name]
            color, dashes = style["color"], dashes_in_row(style, backbone)
            band = {"color": color, "alpha": 0.1, "linewidth": 0}
            for axes, dims in zip(line, ("dims", "relative"), strict=True):
                look = {"color": color, "linestyle": dashes, "label": style["label"]}
                axes.plot(curve[dims], curve["median"], **look)
                axes.fill_between(curve[dims], curve["low"], curve["high"], **band)
        for axes in line:
            axes.set(xscale="log", ylim=(0, 1.02))
            axes.axhline(0.9, color="0.6", linewidth=0.6, zorder=0)
        line[0].set_ylabel(f"{backbone}\nfraction of variance".strip())
        legend_beside(line[1])
    all_axes[-1, 0].xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    all_axes[-1, 1].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g} %"))
    all_axes[-1, 0].set_xlabel("leading dimensions")
    all_axes[-1, 1].set_xlabel("leading dimensions / dimensions")
    sns.despine(figure)
    return figure


def say_dims(dims: pd.DataFrame) -> str:
    """Say how many dimensions hold 90 % of each encoder's variance, over the datasets.

    Parameters
    ----------
    dims
        As `dims_for_variance` gives it, of 0.9 among other fractions.
    """
    if dims.empty:
        return NO_RESULT
    spans = _spans(dims).xs(0.9, level="fraction").sort_values("median")
    return bullets(
        [
            f"**{name}**: 90% of the variance in {row['median']:.0f} dimensions "
            f"(median over datasets; {row['min']:.0f} to {row['max']:.0f})."
            for name, row in spans.iterrows()
        ]
    )
