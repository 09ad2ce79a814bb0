"""Silhouette against AMI."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.analysis import SPACES
from zsc_utils.plots.style import legend_outside, nothing


def silhouette_ranks(
    ranks: pd.DataFrame, correlation: pd.DataFrame, styles: dict[str, dict]
) -> Figure:
    """Draw rank of AMI against rank of silhouette: a column a clusterer, a row a space.

    Parameters
    ----------
    ranks
        As `analysis.silhouette_ranks` gives it.
    correlation
        As `analysis.silhouette_correlation` gives it; ρ and its interval are written into each
        panel.
    styles
        As `encoder_styles` gives it.
    """
    if correlation.empty:
        return nothing("no cell has an AMI and a silhouette")
    clusterers = list(dict.fromkeys(correlation["clusterer"]))
    figure, all_axes = plt.subplots(
        len(SPACES),
        len(clusterers),
        figsize=(max(3.0, 1.5 * len(clusterers)), 3.6),
        squeeze=False,
        sharex="col",
        sharey="col",
        layout="constrained",
    )
    for row, space in zip(all_axes, SPACES, strict=True):
        for axes, clusterer in zip(row, clusterers, strict=True):
            here = ranks[(ranks["space"] == space) & (ranks["clusterer"] == clusterer)]
            for name in dict.fromkeys(here["encoder"]):
                part = here[here["encoder"] == name]
                style = styles[name]
                axes.scatter(
                    part["ami_rank"],
                    part["silhouette_rank"],
                    s=8,
                    linewidth=0.8,
                    alpha=0.7,
                    edgecolor=style["color"],
                    facecolor=style["face"],
                    marker=style["marker"],
                    label=style["label"],
                )
            chosen = (correlation["space"] == space) & (correlation["clusterer"] == clusterer)
            rho, low, high = correlation.loc[chosen, ["rho", "low", "high"]].iloc[0]
            known = f"ρ = {rho:.2f}\n[{low:.2f}, {high:.2f}]"
            axes.set_title("no ρ:\ntoo few ranks" if np.isnan(rho) else known, fontsize=8)
            axes.set_box_aspect(1)
        row[0].set_ylabel(f"rank of S,\n{SPACES[space]}")
    for axes, clusterer in zip(all_axes[-1], clusterers, strict=True):
        name = correlation.loc[correlation["clusterer"] == clusterer, "clusterer_name"].iloc[0]
        axes.set_xlabel(f"rank of AMI\n{name}")
    legend_outside(figure, *all_axes.flat)
    sns.despine(figure)
    return figure
