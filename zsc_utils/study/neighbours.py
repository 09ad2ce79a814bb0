"""Clusters against nearest neighbours: whether they judge encoders alike."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.study.base import (
    bullets,
    mean_by,
    on_shared_clusterers,
    pivoted,
    with_score,
    without_baselines,
)
from zsc_utils.study.figures import (
    as_text,
    dodge,
    encoder_look,
    intervals,
    legend_outside,
    name_rows,
    nothing,
    panels,
)
from zsc_utils.study.stats import spearman, sure_mean_by

OTHERS = "other clusterers"


def neighbour_measure(k: int) -> str:
    """Name kNN accuracy as a measure."""
    return f"{k} neighbour{'s' if k > 1 else ''}"


def ami_and_accuracy(table: pd.DataFrame, neighbours: pd.DataFrame) -> pd.DataFrame:
    """Set AMI beside kNN accuracy, for trained encoders and datasets that have both.

    Parameters
    ----------
    table
        Results.
    neighbours
        As `sweep.neighbours.knn_accuracies` gives it.

    Returns
    -------
    DataFrame
        A row for each dataset, encoder, clusterer and k: their facts, `ami` and `accuracy` in
        percent. Raw pixels and random weights are left out: that they are worse by either measure
        is no news, and would count as agreement.
    """
    facts = ["group", "dataset", "dataset_name", "encoder", "encoder_name"]
    rows = without_baselines(with_score(table))
    rows = rows[[*facts, "clusterer", "clusterer_name", "ami"]].assign(ami=100 * rows["ami"])
    known = neighbours.loc[neighbours["accuracy"].notna(), ["dataset", "encoder", "k", "accuracy"]]
    return rows.merge(known.assign(accuracy=100 * known["accuracy"]), on=["dataset", "encoder"])


def rank_agreement(pairs: pd.DataFrame) -> pd.DataFrame:
    """Compare how measures rank the encoders, dataset by dataset.

    Parameters
    ----------
    pairs
        As `ami_and_accuracy` gives it.

    Returns
    -------
    DataFrame
        A row for each dataset, clusterer and measure: Spearman's `rho` over encoders between AMI of
        the clusterer and the measure, which is kNN accuracy at some k; or the mean of ρ with
        AMI of each other clusterer. Rows without ρ (fewer than three encoders, or no two ranks)
        are left out.
    """
    rows = []
    keys = ["dataset", "dataset_name"]
    for place, part in pairs.groupby(keys, sort=False):
        ami = part.pivot_table(index="encoder", columns="clusterer_name", values="ami", sort=False)
        accuracy = part.pivot_table(index="encoder", columns="k", values="accuracy", sort=False)
        for clusterer in ami:
            for k in accuracy:
                rho = _rho(ami[clusterer], accuracy[k])
                rows.append((*place, clusterer, neighbour_measure(k), rho))
            # One by one: their mean AMI would have less noise than any single measure has.
            others = [_rho(ami[clusterer], ami[other]) for other in ami if other != clusterer]
            rows.append((*place, clusterer, OTHERS, pd.Series(others, dtype=float).mean()))
    columns = [*keys, "clusterer_name", "measure", "rho"]
    return pd.DataFrame(rows, columns=columns).dropna(subset="rho")


def _rho(one: pd.Series, other: pd.Series) -> float:
    both = pd.DataFrame({"one": one, "other": other}).dropna()
    return float(spearman(*both.to_numpy(float).T))


def agreement_by_clusterer(agreement: pd.DataFrame) -> pd.DataFrame:
    """Average `rank_agreement` over datasets.

    Returns
    -------
    DataFrame
        A row for each clusterer and measure: `mean` ρ, `low` and `high` (95 % over
        datasets; NaN for one), `n` datasets.
    """
    keys = ["clusterer_name", "measure"]
    return sure_mean_by(agreement, keys, "rho")[[*keys, "mean", "low", "high", "n"]]


def ceiling_gap(agreement: pd.DataFrame) -> pd.DataFrame:
    """By how much clusterers agree better with one another than with kNN accuracy.

    Returns
    -------
    DataFrame
        A row for each kNN measure: `ceiling` and `rho`, the mean ρ with the other clusterers and
        with kNN accuracy, averaged over clusterers, then over the `n` datasets that have both;
        `gap` = ceiling − rho, with `low` and `high` (95 % over datasets) and `p` (sign
        flips of whole datasets).
    """
    by_dataset = agreement.groupby(["dataset", "measure"], sort=False)["rho"].mean().reset_index()
    others = by_dataset["measure"] == OTHERS
    ceiling = by_dataset.loc[others, ["dataset", "rho"]].rename(columns={"rho": "ceiling"})
    both = by_dataset[~others].merge(ceiling, on="dataset")
    both = both.assign(gap=both["ceiling"] - both["rho"])
    means = both.groupby("measure", sort=False)[["ceiling", "rho"]].mean()
    gap = sure_mean_by(both, ["measure"], "gap").rename(columns={"mean": "gap"})
    columns = ["measure", "ceiling", "rho", "gap", "low", "high", "p", "n"]
    return gap.join(means, on="measure")[columns]


def mean_ami_and_accuracy(pairs: pd.DataFrame, k: int) -> pd.DataFrame:
    """Average AMI over the clusterers that all encoders share, beside kNN accuracy at one k.

    Returns
    -------
    DataFrame
        A row for each dataset and encoder: their facts, accuracy, `mean`, `se` and `n` of AMI.
    """
    facts = ["group", "dataset", "dataset_name", "encoder", "encoder_name", "accuracy"]
    return mean_by(on_shared_clusterers(pairs[pairs["k"] == k]), facts, "ami")


def rank_changes(pairs: pd.DataFrame, k: int) -> pd.DataFrame:
    """Which encoders kNN accuracy ranks higher than AMI does, and which lower.

    Parameters
    ----------
    pairs
        As `ami_and_accuracy` gives it.
    k
        Number of neighbours.

    Returns
    -------
    DataFrame
        A row for each encoder: `by_ami` and `by_knn`, its mean rank over datasets (1 for the best;
        AMI is the mean over clusterers); `gain` = by_ami − by_knn, ranks won when kNN judges, with
        `low`, `high` (95 % over datasets), `p` (sign flips) and `n` datasets. Largest
        gain first.
    """
    means = mean_ami_and_accuracy(pairs, k)
    ranks = means.groupby("dataset", sort=False)[["mean", "accuracy"]].rank(ascending=False)
    ranks = ranks.set_axis(["by_ami", "by_knn"], axis=1)
    ranks = means[["encoder", "encoder_name"]].join(ranks)
    ranks = ranks.assign(gain=ranks["by_ami"] - ranks["by_knn"])
    keys = ["encoder", "encoder_name"]
    by_measure = ranks.groupby(keys, sort=False)[["by_ami", "by_knn"]].mean()
    gains = sure_mean_by(ranks, keys, "gain").rename(columns={"mean": "gain"})
    columns = [*keys, "by_ami", "by_knn", "gain", "low", "high", "p", "n"]
    found = gains.join(by_measure, on=keys)[columns]
    return found.sort_values("gain", ascending=False, kind="stable", ignore_index=True)


def accuracy_matrix(neighbours: pd.DataFrame, k: int) -> pd.DataFrame:
    """KNN accuracy in percent at one k: a row a dataset that has any, a column an encoder."""
    rows = neighbours[(neighbours["k"] == k) & neighbours["accuracy"].notna()]
    return 100 * pivoted(rows, "dataset_name", "encoder_name", "accuracy")


def lacking_neighbours(neighbours: pd.DataFrame) -> pd.DataFrame:
    """List the datasets and encoders without kNN accuracy, by reason."""
    bad = neighbours[neighbours["accuracy"].isna()]
    found = bad.groupby(["status", "reason"], sort=False)
    counts = found.agg(datasets=("dataset", "nunique"), encoders=("encoder", "nunique"))
    return counts.reset_index()


COLUMNS = 4


def plot_ami_against_accuracy(means: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw AMI against kNN accuracy: a panel a dataset, a point an encoder.

    Parameters
    ----------
    means
        As `mean_ami_and_accuracy` gives it; bars are one standard error over clusterers.
    styles
        As `encoder_styles` gives it.
    """
    if means.empty:
        return nothing("no dataset has both AMI and kNN accuracy")
    datasets = means["dataset_name"].unique()
    n_columns = min(COLUMNS, len(datasets))
    n_rows = -(-len(datasets) // n_columns)
    size = (max(3.0, 1.8 * n_columns), 0.4 + 1.75 * n_rows)
    figure, all_axes = panels(n_rows, n_columns, size, used=len(datasets))
    for axes, dataset in zip(all_axes.flat, datasets, strict=False):
        here = means[means["dataset_name"] == dataset]
        for row in here.itertuples():
            style = styles[row.encoder]
            axes.errorbar(
                *(row.accuracy, row.mean),
                yerr=np.nan_to_num(row.se),
                **encoder_look(style),
                label=style["label"],
                linestyle="none",
                markersize=4,
                elinewidth=0.7,
            )
        axes.set_title(as_text(dataset), fontsize=8)
    figure.supxlabel("kNN accuracy (%)", fontsize=9)
    figure.supylabel("AMI (%), mean over clusterers ± 1 SE", fontsize=9)
    legend_outside(figure, *all_axes.flat)
    sns.despine(figure)
    return figure


def plot_rank_agreement(summary: pd.DataFrame, ceiling: str) -> Figure:
    """Draw how well measures rank encoders as AMI of a clusterer does: a row a clusterer.

    Parameters
    ----------
    summary
        As `agreement_by_clusterer` gives it: points are mean ρ over datasets, bars 95 %
        intervals.
    ceiling
        The measure that shows how well clusterers agree with one another.
    """
    if summary.empty:
        return nothing("no dataset has three encoders with both AMI and kNN accuracy")
    clusterers = list(summary["clusterer_name"].unique())
    measures = list(summary["measure"].unique())
    numbered = [measure for measure in measures if measure != ceiling]
    shades = dict(zip(numbered, sns.color_palette("viridis", len(numbered)), strict=True))
    figure, axes = plt.subplots(figsize=(5, 0.8 + 0.55 * len(clusterers)), layout="constrained")
    for i, measure in enumerate(measures):
        rows = summary[summary["measure"] == measure]
        places = rows["clusterer_name"].map(clusterers.index) + dodge(i, len(measures))
        intervals(
            *(axes, rows, "mean", places),
            color=shades.get(measure, "black"),
            marker="o" if measure in shades else "D",
            markersize=4,
            elinewidth=1,
            label=measure,
        )
    for edge in np.arange(0.5, len(clusterers) - 1):
        axes.axhline(edge, color="0.85", linewidth=0.8, zorder=0)
    name_rows(axes, clusterers)
    axes.set_xlabel(
        "Spearman's ρ with AMI of the clusterer\n(over encoders; mean over datasets, 95 %)"
    )
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    sns.despine(figure)
    return figure


def plot_rank_changes(changes: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw how many ranks each encoder wins when kNN judges in place of AMI.

    Parameters
    ----------
    changes
        As `rank_changes` gives it; bars are 95 % intervals over datasets.
    styles
        As `encoder_styles` gives it.
    """
    if changes.empty:
        return nothing("no encoder has both AMI and kNN accuracy")
    figure, axes = plt.subplots(figsize=(5, 0.8 + 0.24 * len(changes)), layout="constrained")
    for place, name in enumerate(changes["encoder"]):
        look = encoder_look(styles[name])
        intervals(axes, changes[place : place + 1], "gain", [place], markersize=5, **look)
    name_rows(axes, changes["encoder_name"])
    axes.set_xlabel("ranks won when kNN judges, not AMI\n(mean over datasets, 95 %)")
    sns.despine(figure)
    return figure


def say_agreement(summary: pd.DataFrame, gap: pd.DataFrame, changes: pd.DataFrame) -> str:
    """Say how well AMI and kNN accuracy agree on which encoders are better.

    Parameters
    ----------
    summary
        As `agreement_by_clusterer` gives it.
    gap
        As `ceiling_gap` gives it.
    changes
        As `rank_changes` gives it.
    """
    if summary.empty:
        return "**Undecided**: no dataset has three encoders with both AMI and kNN accuracy."
    sentences = []
    for measure, rows in summary.groupby("measure", sort=False):
        best, worst = (rows.loc[rows["mean"].agg(pick)] for pick in ("idxmax", "idxmin"))
        sentences.append(
            f"AMI of a clusterer against **{measure}**: mean ρ from {worst['mean']:.2f} "
            f"({worst['clusterer_name']}) to {best['mean']:.2f} ({best['clusterer_name']})."
        )
    for row in gap.itertuples():
        surely = f" (95 % interval {row.low:.2f} to {row.high:.2f}, p = {row.p:.3f})"
        surely = "" if pd.isna(row.low) else surely
        sentences.append(
            f"**Against the ceiling**, {row.measure}: clusterers agree with one another at ρ = "
            f"{row.ceiling:.2f}, with kNN at {row.rho:.2f}: {row.gap:.2f} less{surely}, over "
            f"{row.n} dataset{'s' if row.n > 1 else ''}."
        )
    known = changes[(changes["low"] > 0) | (changes["high"] < 0)]
    for side, rows in (("wins", known[known["gain"] > 0]), ("loses", known[known["gain"] < 0])):
        listed = ", ".join(f"{r.encoder_name} ({r.gain:+.1f})" for r in rows.itertuples())
        sentences.append(
            f"By kNN, **{side} ranks** with an interval off zero: {listed or 'none'} "
            f"(of {len(changes)} encoders)."
        )
    return bullets(sentences)
