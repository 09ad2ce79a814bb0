"""Clusters against nearest neighbours."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.plots.style import as_text, legend_outside, nothing

COLUMNS = 4


def ami_against_accuracy(means: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw AMI against kNN accuracy: a panel a dataset, a point an encoder.

    Parameters
    ----------
    means
        As `analysis.mean_ami_and_accuracy` gives it; bars are one standard error over clusterers.
    styles
        As `encoder_styles` gives it.
    """
    if means.empty:
        return nothing("no dataset has both AMI and kNN accuracy")
    datasets = means["dataset_name"].unique()
    n_columns = min(COLUMNS, len(datasets))
    n_rows = -(-len(datasets) // n_columns)
    figure, all_axes = plt.subplots(
        *(n_rows, n_columns),
        figsize=(max(3.0, 1.8 * n_columns), 0.4 + 1.75 * n_rows),
        squeeze=False,
        layout="constrained",
    )
    for axes in all_axes.flat[len(datasets) :]:
        axes.set_axis_off()
    for axes, dataset in zip(all_axes.flat, datasets, strict=False):
        here = means[means["dataset_name"] == dataset]
        for row in here.itertuples():
            style = styles[row.encoder]
            axes.errorbar(
                *(row.accuracy, row.mean),
                yerr=np.nan_to_num(row.se),
                color=style["color"],
                markerfacecolor=style["face"],
                marker=style["marker"],
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


def rank_agreement(summary: pd.DataFrame, ceiling: str) -> Figure:
    """Draw how well measures rank encoders as AMI of a clusterer does: a row a clusterer.

    Parameters
    ----------
    summary
        As `analysis.agreement_by_clusterer` gives it: points are mean ρ over datasets, bars 95 %
        bootstrap intervals.
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
        shift = 0.7 * ((i + 0.5) / len(measures) - 0.5)
        low, high = (rows[bound].fillna(rows["mean"]) for bound in ("low", "high"))
        axes.errorbar(
            rows["mean"],
            [clusterers.index(name) + shift for name in rows["clusterer_name"]],
            xerr=[rows["mean"] - low, high - rows["mean"]],
            color=shades.get(measure, "black"),
            marker="o" if measure in shades else "D",
            markersize=4,
            elinewidth=1,
            linestyle="none",
            label=measure,
        )
    axes.set_yticks(range(len(clusterers)), clusterers)
    axes.set_ylim(len(clusterers) - 0.5, -0.5)
    for edge in np.arange(0.5, len(clusterers) - 1):
        axes.axhline(edge, color="0.85", linewidth=0.8, zorder=0)
    axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
    axes.set_xlabel(
        "Spearman's ρ with AMI of the clusterer\n(over encoders; mean over datasets, 95 %)"
    )
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    sns.despine(figure)
    return figure


def rank_changes(changes: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw how many ranks each encoder wins when kNN judges in place of AMI.

    Parameters
    ----------
    changes
        As `analysis.rank_changes` gives it; bars are 95 % bootstrap intervals over datasets.
    styles
        As `encoder_styles` gives it.
    """
    if changes.empty:
        return nothing("no encoder has both AMI and kNN accuracy")
    figure, axes = plt.subplots(figsize=(5, 0.8 + 0.24 * len(changes)), layout="constrained")
    for place, row in enumerate(changes.itertuples()):
        style = styles[row.encoder]
        low, high = (row.gain if np.isnan(b) else b for b in (row.low, row.high))
        axes.errorbar(
            *(row.gain, place),
            xerr=[[row.gain - low], [high - row.gain]],
            color=style["color"],
            markerfacecolor=style["face"],
            marker=style["marker"],
            markersize=5,
        )
    axes.set_yticks(range(len(changes)), changes["encoder_name"])
    axes.set_ylim(len(changes) - 0.5, -0.5)
    axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
    axes.set_xlabel("ranks won when kNN judges, not AMI\n(mean over datasets, 95 %)")
    sns.despine(figure)
    return figure
