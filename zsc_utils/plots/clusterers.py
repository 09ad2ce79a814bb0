"""Clusterers: agreement, number of clusters, what is left out."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from zsc_utils.plots.groups import group_colors
from zsc_utils.plots.style import MARKERS, legend_outside, nothing


def clusterer_matrices(matrices: dict[str, pd.DataFrame]) -> Figure:
    """Draw square tables of clusterers side by side, one beside the other.

    Parameters
    ----------
    matrices
        By what they show: as `analysis.square` gives them.
    """
    size = len(next(iter(matrices.values())))
    if size < 2:
        return nothing("there are no two clusterers to compare")
    figure, all_axes = plt.subplots(
        *(1, len(matrices)),
        figsize=(1 + (0.5 + 0.42 * size) * len(matrices), 1.5 + 0.4 * size),
        squeeze=False,
        layout="constrained",
    )
    for axes, (title, matrix) in zip(all_axes[0], matrices.items(), strict=True):
        percent = matrix.abs().max().max() > 1
        sns.heatmap(
            matrix,
            ax=axes,
            annot=True,
            fmt=".0f" if percent else ".2f",
            cmap="mako",
            vmin=0,
            vmax=100 if percent else 1,
            cbar=False,
            square=True,
            # Rows are the same in all: named once.
            yticklabels=axes is all_axes[0, 0],
            annot_kws={"fontsize": 7},
        )
        axes.set_title(title, fontsize=8)
        axes.tick_params(length=0)
        axes.set_xticklabels(axes.get_xticklabels(), rotation=45, ha="right")
        axes.set_yticklabels(axes.get_yticklabels(), rotation=0)
    return figure


def clusters_found(found: pd.DataFrame) -> Figure:
    """Draw clusters found against classes, both logarithmic: a panel for each clusterer.

    Parameters
    ----------
    found
        As `analysis.clusters_found` gives it; a dot is one dataset and encoder, its colour the
        group. On the grey line both are equal, on the dotted ones one is twice the other. Results
        without any cluster have no place on a logarithmic axis and are left out.
    """
    found = found[found["n_clusters"] > 0]
    if found.empty:
        return nothing("every clusterer was told the number of classes")
    panels = list(dict.fromkeys(found["clusterer_name"]))
    colors = group_colors(found["group"])
    figure, all_axes = plt.subplots(
        *(1, len(panels)),
        figsize=(1.2 + 2.1 * len(panels), 2.7),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    low = 0.8 * min(found["n_classes"].min(), found["n_clusters"].min())
    high = 1.25 * max(found["n_classes"].max(), found["n_clusters"].max())
    for axes, panel in zip(all_axes[0], panels, strict=True):
        for factor, look in ((1, "-"), (2, ":"), (0.5, ":")):
            axes.plot([low, high], [factor * low, factor * high], look, color="0.6", linewidth=0.8)
        here = found[found["clusterer_name"] == panel]
        for i, (group, rows) in enumerate(here.groupby("group", sort=False)):
            axes.scatter(
                rows["n_classes"],
                rows["n_clusters"],
                s=9,
                color=[colors[group]],
                marker=MARKERS[i % len(MARKERS)],
                alpha=0.7,
                linewidth=0,
                label=group,
            )
        axes.set(xscale="log", yscale="log", ylim=(low, high))
        axes.set_xlim(0.8 * found["n_classes"].min(), 1.25 * found["n_classes"].max())
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
        axes.set_title(panel)
        axes.set_xlabel("classes")
    all_axes[0, 0].set_ylabel("clusters found")
    legend_outside(figure, *all_axes.flat)
    sns.despine(figure)
    return figure


def left_out(rows: pd.DataFrame) -> Figure:
    """Draw AMI over the clustered samples alone against AMI over all; colours: what is left out.

    Parameters
    ----------
    rows
        As `analysis.left_out` gives it: a dot is one dataset, encoder and clusterer.
    """
    rows = rows[rows["ami_clustered"].notna()]
    if rows.empty:
        return nothing("no clusterer left anything out")
    figure, axes = plt.subplots(figsize=(4.4, 3.4), layout="constrained")
    dots = axes.scatter(
        rows["ami"], rows["ami_clustered"], c=rows["left_out"], s=10, cmap="flare", vmin=0
    )
    ends = [
        min(rows["ami"].min(), rows["ami_clustered"].min()),
        max(rows["ami"].max(), rows["ami_clustered"].max()),
    ]
    axes.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
    axes.set_xlabel("AMI (%), left out as one more cluster")
    axes.set_ylabel("AMI (%), clustered samples alone")
    figure.colorbar(dots, label="left out (% of the samples)")
    sns.despine(figure)
    return figure
