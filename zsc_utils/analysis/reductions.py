"""What reductions do to AMI, and which reductions a table of recipes uses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.analysis.uncertainty import mean_interval, sign_flip_p
from zsc_utils.clustering import CLUSTERERS
from zsc_utils.recipes import Recipe, Reduction
from zsc_utils.sweep.cells import Job

REDUCTION_NAMES = {
    "none": "none",
    "pca": "PCA",
    "umap": "UMAP",
    "pacmap": "PaCMAP",
    "tsne": "t-SNE",
}
# The study's UMAP has 50 dimensions. What is compared with what is fixed here beforehand: the best
# dimension, picked by AMI, would be picked with the labels that AMI is measured with.
STUDY_PAIRS = (
    (("umap", 50), ("none", None)),
    (("umap", 50), ("pca", 50)),
    (("pca", 50), ("none", None)),
    (("pacmap", 50), ("none", None)),
    (("tsne", 2), ("none", None)),
)
ALL_CLUSTERERS = "all clusterers"

Reduced = tuple[str, int | None]


def reduced_name(reduction: str, n_components: float | None) -> str:
    """Name that figures print for a reduction to a number of dimensions."""
    name = REDUCTION_NAMES[reduction]
    return name if pd.isna(n_components) else f"{name} {int(n_components)}"


def ami_by_dataset(comparison: pd.DataFrame) -> pd.DataFrame:
    """Average AMI over encoders and seeds, in percent, and add the mean over clusterers.

    An embedding counts for a reduction only where it has an AMI; means over different embeddings
    are not compared: a dataset counts where every embedding of it that has any AMI has one.
    """
    scored = comparison[comparison["ami"].notna()]
    facts = ["group", "dataset", "dataset_name"]
    how = ["reduction", "n_components"]
    one = ["clusterer", "clusterer_name"]
    grouped = scored.groupby([*facts, *one, *how], sort=False, dropna=False)["ami"]
    means = grouped.agg(ami="mean", n="size").reset_index()
    most = means.groupby(["dataset", "clusterer"])["n"].transform("max")
    means = means[means["n"] == most].drop(columns="n")
    means["ami"] *= 100
    grouped = means.groupby([*facts, *how], sort=False, dropna=False)["ami"]
    every = grouped.agg(ami="mean", n="size").reset_index()
    every = every[every["n"] == means["clusterer"].nunique()].drop(columns="n")
    return pd.concat(
        [means, every.assign(clusterer="all", clusterer_name=ALL_CLUSTERERS)], ignore_index=True
    )


def reduction_curves(comparison: pd.DataFrame) -> pd.DataFrame:
    """AMI against reduction and dimensions, for each clusterer and for their mean.

    Parameters
    ----------
    comparison
        As `reductions_compared.compare_reductions` gives it.

    Returns
    -------
    DataFrame
        Columns clusterer, clusterer_name, reduction, n_components (NaN for none), `mean` over
        datasets in percent, `low` and `high` (95 % bootstrap interval over datasets, NaN for
        one), `n` datasets.
    """
    rows = []
    keys = ["clusterer", "clusterer_name", "reduction", "n_components"]
    for place, part in ami_by_dataset(comparison).groupby(keys, sort=False, dropna=False):
        low, high = mean_interval(part["ami"])
        rows.append((*place, part["ami"].mean(), low, high, len(part)))
    return pd.DataFrame(rows, columns=[*keys, "mean", "low", "high", "n"])


def written_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Write `reduction_curves` as text: a row for each reduction, a column for each clusterer."""
    texts = [
        f"{row.mean:.1f}" + ("" if np.isnan(row.low) else f" [{row.low:.1f}, {row.high:.1f}]")
        for row in curves[["mean", "low", "high"]].itertuples(index=False, name="Cell")
    ]
    names = [
        reduced_name(*how) for how in zip(curves["reduction"], curves["n_components"], strict=True)
    ]
    cells = curves.assign(text=texts, how=names)
    wide = cells.pivot(index="how", columns="clusterer_name", values="text")
    wide = wide.reindex(index=cells["how"].unique(), columns=cells["clusterer_name"].unique())
    return wide.rename_axis(index="reduction", columns=None)


def dataset_differences(
    comparison: pd.DataFrame, pairs: Sequence[tuple[Reduced, Reduced]] = STUDY_PAIRS
) -> pd.DataFrame:
    """AMI with one reduction minus AMI with another, dataset by dataset.

    Parameters
    ----------
    comparison
        As `reductions_compared.compare_reductions` gives it.
    pairs
        What to compare with what, each a reduction and a number of dimensions (None for none).

    Returns
    -------
    DataFrame
        Columns pair, group, dataset, dataset_name, clusterer, clusterer_name, `difference` in
        percentage points, mean over encoders. Only embeddings count that have both.
    """
    scored = comparison[comparison["ami"].notna()]
    keys = ["group", "dataset", "dataset_name", "encoder", "clusterer", "clusterer_name", "seed"]
    parts = []
    for first, second in pairs:
        sides = [
            scored.loc[is_reduced(scored, how), [*keys, "ami"]].set_index(keys)["ami"]
            for how in (first, second)
        ]
        difference = 100 * (sides[0] - sides[1]).dropna().rename("difference")
        keep = [key for key in keys if key not in ("encoder", "seed")]
        means = difference.groupby(level=keep, sort=False).mean().reset_index()
        every = means.groupby(keep[:3], sort=False)["difference"].mean().reset_index()
        every = every.assign(clusterer="all", clusterer_name=ALL_CLUSTERERS)
        name = f"{reduced_name(*first)} − {reduced_name(*second)}"
        parts.append(pd.concat([means, every], ignore_index=True).assign(pair=name))
    columns = ["pair", *(k for k in keys if k not in ("encoder", "seed")), "difference"]
    return pd.concat(parts, ignore_index=True)[columns]


def is_reduced(comparison: pd.DataFrame, how: Reduced) -> pd.Series:
    """Tell the rows of a reduction to a number of dimensions."""
    reduction, n_components = how
    same = comparison["n_components"].eq(n_components)
    if n_components is None:
        same = comparison["n_components"].isna()
    return comparison["reduction"].eq(reduction) & same


def reduction_differences(differences: pd.DataFrame) -> pd.DataFrame:
    """Average `dataset_differences` over datasets, with intervals and tests.

    Returns
    -------
    DataFrame
        One row for each pair and clusterer: `mean` in percentage points, `low` and `high` (95 %
        bootstrap interval over datasets), `p` (sign flips, two-sided), `n` datasets, `above`: on
        how many of them the difference is above zero. Interval and p are NaN for one dataset.
    """
    rows = []
    keys = ["pair", "clusterer", "clusterer_name"]
    for place, part in differences.groupby(keys, sort=False):
        values = part["difference"].to_numpy()
        interval = mean_interval(values)
        above = int((values > 0).sum())
        rows.append((*place, values.mean(), *interval, sign_flip_p(values), len(values), above))
    return pd.DataFrame(rows, columns=[*keys, "mean", "low", "high", "p", "n", "above"])


def recipe_choices(planned: list[Job]) -> pd.DataFrame:
    """List the recipes that a plan uses, absent datasets and encoders among them.

    Returns
    -------
    DataFrame
        One row for each encoder and clusterer: encoder, encoder_name, clusterer, clusterer_name,
        `kind` (`none`, `z-score`, `PCA` or `UMAP`), `reduction` and `settings` in words.
    """
    names = CLUSTERERS.facts()
    rows = {}
    for job in planned:
        for cell, recipe in job.cells:
            kind, reduction = reduction_in_words(recipe.reduction)
            rows[cell.encoder, cell.clusterer] = {
                "encoder": cell.encoder,
                "encoder_name": job.encoder.display,
                "clusterer": cell.clusterer,
                "clusterer_name": names[cell.clusterer].display,
                "kind": kind,
                "reduction": reduction,
                "settings": settings_in_words(recipe),
            }
    return pd.DataFrame(rows.values())


def reduction_in_words(reduction: Reduction) -> tuple[str, str]:
    """Name the kind of a reduction, and say how far it reduces."""
    if reduction.method == "none":
        kind = "z-score" if reduction.zscore else "none"
        return kind, kind
    kind = REDUCTION_NAMES[reduction.method]
    much = reduction.n_components or f"{reduction.variance:.0%}"
    return kind, f"{kind} {much}"


def settings_in_words(recipe: Recipe) -> str:
    """Write a clusterer's own settings."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in recipe.settings)


def count_choices(choices: pd.DataFrame) -> pd.DataFrame:
    """Count recipes by kind of reduction (columns) and clusterer (rows, and all of them)."""
    counts = pd.crosstab(choices["clusterer_name"], choices["kind"])
    kinds = [kind for kind in ("none", "z-score", "PCA", "UMAP") if kind in counts]
    counts = counts.reindex(choices["clusterer_name"].unique())[kinds]
    counts.loc[ALL_CLUSTERERS] = counts.sum()
    return counts.rename_axis(columns=None)


def read_trials(path: str | Path) -> pd.DataFrame | None:
    """Read the trials that `zsc search` wrote beside its recipes; None where there are none."""
    path = Path(path)
    return pd.read_csv(path) if path.is_file() else None


def search_curves(trials: pd.DataFrame) -> pd.DataFrame:
    """Average the first step of a search over encoders: AMI of each reduction and clusterer.

    Parameters
    ----------
    trials
        As `search.search` gives it, or read from the file that `zsc search` writes.

    Returns
    -------
    DataFrame
        AMI in percent on the training images of the search, mean over encoders: a row for each
        reduction, a column for each clusterer.
    """
    names = CLUSTERERS.facts()
    first = trials[trials["step"] == "reduction"]
    words = [
        reduction_in_words(
            Reduction(
                row.reducer,
                None if pd.isna(row.n_components) else int(row.n_components),
                None if pd.isna(row.pca_variance) else row.pca_variance,
                bool(row.zscore),
            )
        )[1]
        for row in first.itertuples()
    ]
    first = first.assign(
        tried=words, clusterer_name=[names[name].display for name in first["clusterer"]]
    )
    means = first.pivot_table(index="tried", columns="clusterer_name", values="ami", sort=False)
    return 100 * means.rename_axis(index="reduction", columns=None)
