"""What reductions do to AMI, and which reductions a table of recipes uses."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from zsc_utils.clustering import CLUSTERERS
from zsc_utils.recipes import Reduction
from zsc_utils.study.base import bullets, pivoted
from zsc_utils.study.figures import (
    COLORS,
    DASHES,
    MARKERS,
    group_colors,
    intervals,
    legend_outside,
    nothing,
    panels,
)
from zsc_utils.study.stats import mean_interval, sure_mean_by
from zsc_utils.study.tables import number_texts
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
    ("UMAP 50", "none"),
    ("UMAP 50", "PCA 50"),
    ("PCA 50", "none"),
    ("PaCMAP 50", "none"),
    ("t-SNE 2", "none"),
)
ALL_CLUSTERERS = "all clusterers"


def with_names(rows: pd.DataFrame) -> pd.DataFrame:
    """Add `reduced`: the name that figures print for a reduction to a number of dimensions."""
    names = [
        REDUCTION_NAMES[row.reduction]
        + ("" if pd.isna(row.n_components) else f" {row.n_components:.0f}")
        for row in rows.itertuples()
    ]
    return rows.assign(reduced=names)


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
        As `sweep.comparison.compare_reductions` gives it.

    Returns
    -------
    DataFrame
        Columns clusterer, clusterer_name, reduction, n_components (NaN for none), `mean` over
        datasets in percent, `low` and `high` (95 % interval over datasets, NaN for
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
    texts = number_texts(curves["mean"], None, curves["low"], curves["high"])
    texts = pivoted(with_names(curves).assign(text=texts), "reduced", "clusterer_name", "text")
    return texts.rename_axis(index="reduction", columns=None)


def dataset_differences(comparison: pd.DataFrame) -> pd.DataFrame:
    """AMI with one reduction minus AMI with another, dataset by dataset, for the `STUDY_PAIRS`.

    Parameters
    ----------
    comparison
        As `sweep.comparison.compare_reductions` gives it.

    Returns
    -------
    DataFrame
        Columns pair, group, dataset, dataset_name, clusterer, clusterer_name, `difference` in
        percentage points, mean over encoders. Only embeddings count that have both.
    """
    facts, names = ["group", "dataset", "dataset_name"], ["clusterer", "clusterer_name"]
    keys = [*facts, *names]
    scored = with_names(comparison[comparison["ami"].notna()])
    scored = scored.set_index([*facts, "encoder", *names, "seed"])
    parts = []
    for pair in STUDY_PAIRS:
        one, other = (scored.loc[scored["reduced"] == name, "ami"] for name in pair)
        difference = 100 * (one - other).dropna().rename("difference")
        means = difference.groupby(level=keys, sort=False).mean().reset_index()
        every = means.groupby(facts, sort=False)["difference"].mean().reset_index()
        every = every.assign(clusterer="all", clusterer_name=ALL_CLUSTERERS)
        parts.append(pd.concat([means, every], ignore_index=True).assign(pair=" − ".join(pair)))
    return pd.concat(parts, ignore_index=True)[["pair", *keys, "difference"]]


def reduction_differences(differences: pd.DataFrame) -> pd.DataFrame:
    """Average `dataset_differences` over datasets, with intervals and tests.

    Returns
    -------
    DataFrame
        One row for each pair and clusterer: `mean` in percentage points, `low` and `high` (95 %
        interval over datasets), `p` (sign flips, two-sided), `n` datasets, `above`: on
        how many of them the difference is above zero. Interval and p are NaN for one dataset.
    """
    keys = ["pair", "clusterer", "clusterer_name"]
    found = sure_mean_by(differences, keys, "difference")
    above = differences.assign(above=differences["difference"] > 0).groupby(keys)["above"].sum()
    return found.join(above, on=keys)[[*keys, "mean", "low", "high", "p", "n", "above"]]


def recipe_choices(planned: list[Job]) -> pd.DataFrame:
    """List the recipes that a plan uses, absent datasets and encoders among them.

    Returns
    -------
    DataFrame
        One row for each encoder and clusterer: encoder, encoder_name, clusterer, clusterer_name,
        `kind` (`none`, `z-score`, `PCA` or `UMAP`), `reduction` and `settings` in words.
    """
    rows = {}
    for job in planned:
        for cell, recipe in job.cells:
            settings = [f"{name.replace('_', ' ')} {value}" for name, value in recipe.settings]
            rows[cell.encoder, cell.clusterer] = (
                *(cell.encoder, job.encoder.display),
                *(cell.clusterer, CLUSTERERS[cell.clusterer].facts.display),
                *(*reduction_in_words(recipe.reduction), ", ".join(settings)),
            )
    columns = ["encoder", "encoder_name", "clusterer", "clusterer_name"]
    return pd.DataFrame(rows.values(), columns=[*columns, "kind", "reduction", "settings"])


def reduction_in_words(reduction: Reduction) -> tuple[str, str]:
    """Name the kind of a reduction, and say how far it reduces."""
    if reduction.method == "none":
        kind = "z-score" if reduction.zscore else "none"
        return kind, kind
    kind = REDUCTION_NAMES[reduction.method]
    much = reduction.n_components or f"{reduction.variance:.0%}"
    return kind, f"{kind} {much}"


def count_choices(choices: pd.DataFrame) -> pd.DataFrame:
    """Count recipes by kind of reduction (columns) and clusterer (rows, and all of them)."""
    counts = pd.crosstab(choices["clusterer_name"], choices["kind"])
    kinds = [kind for kind in KIND_COLORS if kind in counts]
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
    first = trials[trials["step"] == "reduction"]
    tried = [
        Reduction(
            row.reducer,
            None if pd.isna(row.n_components) else int(row.n_components),
            None if pd.isna(row.pca_variance) else row.pca_variance,
            bool(row.zscore),
        )
        for row in first.itertuples()
    ]
    means = first.assign(
        reduction=[reduction_in_words(one)[1] for one in tried],
        clusterer_name=first["clusterer"].map(lambda name: CLUSTERERS[name].facts.display),
    ).pivot_table(index="reduction", columns="clusterer_name", values="ami", sort=False)
    return 100 * means.rename_axis(columns=None)


# Not those of encoders' markers and lines: a reduction is no encoder.
REDUCTION_COLORS = dict(zip(REDUCTION_NAMES, ["0.25", *COLORS[:4]], strict=True))
KIND_COLORS = {"none": "0.93", "z-score": "0.78", "PCA": COLORS[0], "UMAP": COLORS[1]}


def plot_reduction_curves(curves: pd.DataFrame) -> Figure:
    """Draw AMI against dimensions: a line for each reduction, a panel for each clusterer.

    Parameters
    ----------
    curves
        As `reduction_curves` gives it. Bars, and the band around the horizontal line for
        embeddings that are not reduced, are 95 % intervals over datasets.
    """
    if curves.empty:
        return nothing("no embedding was reduced")
    clusterers = list(dict.fromkeys(curves["clusterer_name"]))
    n_rows, n_columns = -(-len(clusterers) // 2), min(2, len(clusterers))
    shared = {"sharex": True, "sharey": True, "used": len(clusterers)}
    figure, all_axes = panels(n_rows, n_columns, (7, 0.6 + 2.3 * n_rows), **shared)
    for axes, panel in zip(all_axes.flat, clusterers, strict=False):
        here = curves[curves["clusterer_name"] == panel]
        draw_not_reduced(axes, here[here["n_components"].isna()])
        reduced = here[here["n_components"].notna()]
        for name, rows in reduced.groupby("reduction", sort=False):
            draw_reduction(axes, name, rows.sort_values("n_components"))
        axes.set_title(panel)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator(sorted(reduced["n_components"].unique())))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
    for axes in all_axes[-1]:
        axes.set_xlabel("dimensions")
    for axes in all_axes[:, 0]:
        axes.set_ylabel("AMI (%)\nmean over datasets")
    legend_outside(figure, *all_axes.flat)
    sns.despine(figure)
    return figure


def draw_not_reduced(axes, rows: pd.DataFrame) -> None:
    """Draw the mean as a horizontal line, and its interval as a band."""
    color = REDUCTION_COLORS["none"]
    for row in rows.itertuples():
        axes.axhline(row.mean, color=color, linewidth=1.2, label="none", zorder=0)
        if np.isfinite(row.low):
            axes.axhspan(row.low, row.high, color=color, alpha=0.08, linewidth=0)


def draw_reduction(axes, name: str, rows: pd.DataFrame) -> None:
    """Draw one reduction as a line with bars, shifted a little so that bars stand side by side."""
    place = list(REDUCTION_NAMES).index(name) - 1
    bars = np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
    axes.errorbar(
        rows["n_components"] * 1.06 ** (place - 1),
        rows["mean"],
        yerr=np.nan_to_num(bars).clip(min=0),
        color=REDUCTION_COLORS[name],
        marker=MARKERS[place],
        linestyle=DASHES[place],
        markersize=4,
        linewidth=1.2,
        elinewidth=0.8,
        label=REDUCTION_NAMES[name],
    )


def plot_reduction_differences(differences: pd.DataFrame, means: pd.DataFrame) -> Figure:
    """Draw paired differences: a row for each pair, a panel for each clusterer, a dot a dataset.

    Parameters
    ----------
    differences
        As `dataset_differences` gives it; colours are groups.
    means
        As `reduction_differences` gives it: diamonds, with bars of 95 % intervals.
    """
    if means.empty:
        return nothing("no dataset has two reductions to compare")
    pairs = list(dict.fromkeys(means["pair"]))[::-1]
    clusterers = list(dict.fromkeys(means["clusterer_name"]))
    colors = group_colors(differences["group"])
    size = (1.6 + 1.7 * len(clusterers), 0.9 + 0.5 * len(pairs))
    figure, all_axes = panels(1, len(clusterers), size, sharex=True, sharey=True)
    for axes, panel in zip(all_axes[0], clusterers, strict=True):
        axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
        dots = differences[differences["clusterer_name"] == panel]
        for group, rows in dots.groupby("group", sort=False):
            y = [pairs.index(pair) + 0.22 for pair in rows["pair"]]
            axes.scatter(rows["difference"], y, s=8, color=[colors[group]], label=group, alpha=0.8)
        rows = means[means["clusterer_name"] == panel]
        y = [pairs.index(pair) - 0.12 for pair in rows["pair"]]
        look = {"color": "black", "marker": "D", "markersize": 4}
        intervals(axes, rows, "mean", y, **look, label="mean, 95 % interval")
        axes.set_title(panel)
        axes.set_xlabel("points")
        axes.set_yticks(range(len(pairs)), pairs)
    legend_outside(figure, *all_axes.flat)
    sns.despine(figure)
    return figure


def plot_recipe_grid(choices: pd.DataFrame) -> Figure:
    """Draw which reduction each recipe uses: a row for each encoder, a column for each clusterer.

    Parameters
    ----------
    choices
        As `recipe_choices` gives it.
    """
    kinds = list(KIND_COLORS)
    codes = choices.assign(code=choices["kind"].map(kinds.index))
    codes = pivoted(codes, "encoder_name", "clusterer_name", "code")
    texts = pivoted(choices, "encoder_name", "clusterer_name", "reduction")
    size = (2.4 + 0.85 * codes.shape[1], 0.9 + 0.22 * len(codes))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    sns.heatmap(
        codes,
        ax=axes,
        annot=texts.to_numpy(),
        fmt="",
        cmap=ListedColormap(list(KIND_COLORS.values())),
        vmin=-0.5,
        vmax=len(kinds) - 0.5,
        cbar=False,
        linewidths=1,
        annot_kws={"fontsize": 7},
    )
    axes.set(xlabel="", ylabel="")
    axes.set_yticklabels(codes.index, rotation=0)
    axes.set_xticklabels(codes.columns, rotation=20, ha="right")
    axes.tick_params(length=0)
    used = set(choices["kind"])
    patches = [Patch(color=KIND_COLORS[kind], label=kind) for kind in kinds if kind in used]
    figure.legend(handles=patches, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def plot_search_heatmap(means: pd.DataFrame) -> Figure:
    """Draw what a search measured: AMI of each reduction and clusterer, the best of a column bold.

    Parameters
    ----------
    means
        As `search_curves` gives it.
    """
    size = (2.4 + 0.8 * means.shape[1], 1 + 0.25 * len(means))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    bar = {"label": "AMI (%), mean over encoders", "shrink": 0.7}
    sns.heatmap(
        means, ax=axes, annot=True, fmt=".1f", cmap="mako", cbar_kws=bar, annot_kws={"fontsize": 7}
    )
    best = means.eq(means.max()).to_numpy()
    for text, bold in zip(axes.texts, best[means.notna().to_numpy()], strict=True):
        text.set_fontweight("bold" if bold else "normal")
    axes.set(xlabel="", ylabel="reduction")
    axes.tick_params(length=0)
    return figure


def say_comparison(rows: pd.DataFrame) -> str:
    """Say what was compared, and what could not be.

    Parameters
    ----------
    rows
        As `sweep.comparison.compare_reductions` gives it.
    """
    if rows.empty:
        return "**Nothing** was compared: no encoder and dataset of this profile is there."
    text = (
        f"{len(rows)} clusterings: {rows['dataset'].nunique()} datasets × "
        f"{rows['encoder'].nunique()} encoders ({', '.join(rows['encoder_name'].unique())}) × "
        f"{rows['clusterer'].nunique()} clusterers."
    )
    lacking = rows[rows["ami"].isna()]
    if lacking.empty:
        return text
    reasons = lacking["reason"].value_counts()
    return (
        f"{text} {len(lacking)} of them have no AMI, most often because: {reasons.index[0]} "
        f"({reasons.iloc[0]} times)."
    )


def say_reductions(curves: pd.DataFrame, means: pd.DataFrame, counts: pd.DataFrame) -> str:
    """Say what each reduction does to AMI, how surely, and which ones the recipes use.

    Parameters
    ----------
    curves
        As `reduction_curves` gives it.
    means
        As `reduction_differences` gives it.
    counts
        As `count_choices` gives it.
    """
    if means.empty:
        sentences = ["**Undecided**: no dataset has two reductions to compare."]
    else:
        every = means["clusterer"] == "all"
        alone = means[~every & (means["pair"] == means["pair"].iloc[0])]
        sentences = [say_difference(row) for _, row in means[every].iterrows()]
        sentences += [
            f"{row['clusterer_name']} alone: {say_difference(row)}" for _, row in alone.iterrows()
        ]
    sentences += [*say_flatness(curves), say_recipes(counts)]
    return bullets(sentences)


def say_difference(row: pd.Series) -> str:
    """Say one paired difference, and whether its interval leaves its sign open."""
    s = "s" if row["n"] != 1 else ""
    text = f"**{row['pair']}**: {row['mean']:+.1f} points on average over {row['n']} dataset{s}"
    if pd.isna(row["low"]):
        why = "one dataset tells nothing about others" if row["n"] == 1 else "the same on each"
        return f"{text}; {why}."
    where = "lies above" if row["low"] > 0 else "lies below" if row["high"] < 0 else "holds"
    return (
        f"{text}, 95 % interval [{row['low']:.1f}, {row['high']:.1f}], p = {row['p']:.3g}; above "
        f"zero on {row['above']} of them; the interval {where} zero."
    )


def say_flatness(curves: pd.DataFrame) -> list[str]:
    """Say for each reduction between what its mean AMI lies over all dimensions."""
    rows = curves[(curves["clusterer_name"] == ALL_CLUSTERERS) & curves["n_components"].notna()]
    sentences = []
    for name, part in rows.groupby("reduction", sort=False):
        if len(part) > 1:
            low, high = (part.loc[part["mean"].agg(f)] for f in ("idxmin", "idxmax"))
            sentences.append(
                f"Dimensions, {REDUCTION_NAMES[name]}: mean AMI from {low['mean']:.1f} % (at "
                f"{low['n_components']:.0f}) to {high['mean']:.1f} % (at "
                f"{high['n_components']:.0f})."
            )
    return sentences


def say_recipes(counts: pd.DataFrame) -> str:
    """Say how many of the recipes use each kind of reduction."""
    total = counts.loc[ALL_CLUSTERERS]
    parts = ", ".join(f"{n} {kind}" for kind, n in total.items())
    return f"Of {total.sum()} recipes of this profile, by reduction: {parts}."
