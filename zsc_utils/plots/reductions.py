"""Reductions: AMI against dimensions, paired differences, and the recipes."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from zsc_utils.analysis import REDUCTION_NAMES
from zsc_utils.plots.groups import group_colors
from zsc_utils.plots.style import DASHES, MARKERS, legend_outside, nothing

_COLORS = sns.color_palette("colorblind")
# Not those of encoders' markers and lines: a reduction is no encoder.
REDUCTION_COLORS = dict(zip(REDUCTION_NAMES, ["0.25", *_COLORS[:4]], strict=True))
KIND_COLORS = {"none": "0.93", "z-score": "0.78", "PCA": _COLORS[0], "UMAP": _COLORS[1]}


def reduction_curves(curves: pd.DataFrame) -> Figure:
    """Draw AMI against dimensions: a line for each reduction, a panel for each clusterer.

    Parameters
    ----------
    curves
        As `analysis.reduction_curves` gives it. Bars, and the band around the horizontal line for
        embeddings that are not reduced, are 95 % intervals over datasets.
    """
    if curves.empty:
        return nothing("no embedding was reduced")
    panels = list(dict.fromkeys(curves["clusterer_name"]))
    figure, all_axes = plt.subplots(
        *(-(-len(panels) // 2), min(2, len(panels))),
        figsize=(7, 0.6 + 2.3 * -(-len(panels) // 2)),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes in all_axes.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, panel in zip(all_axes.flat, panels, strict=False):
        here = curves[curves["clusterer_name"] == panel]
        draw_not_reduced(axes, here[here["n_components"].isna()])
        reduced = here[here["n_components"].notna()]
        for i, (name, rows) in enumerate(reduced.groupby("reduction", sort=False)):
            draw_reduction(axes, name, rows.sort_values("n_components"), i)
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
    for row in rows.itertuples():
        color = REDUCTION_COLORS["none"]
        axes.axhline(row.mean, color=color, linewidth=1.2, label="none", zorder=0)
        if np.isfinite(row.low):
            axes.axhspan(row.low, row.high, color=color, alpha=0.08, linewidth=0)


def draw_reduction(axes, name: str, rows: pd.DataFrame, place: int) -> None:
    """Draw one reduction as a line with bars, shifted a little so that bars stand side by side."""
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


def reduction_differences(differences: pd.DataFrame, means: pd.DataFrame) -> Figure:
    """Draw paired differences: a row for each pair, a panel for each clusterer, a dot a dataset.

    Parameters
    ----------
    differences
        As `analysis.dataset_differences` gives it; colours are groups.
    means
        As `analysis.reduction_differences` gives it: diamonds, with bars of 95 % intervals.
    """
    if means.empty:
        return nothing("no dataset has two reductions to compare")
    pairs = list(dict.fromkeys(means["pair"]))[::-1]
    panels = list(dict.fromkeys(means["clusterer_name"]))
    colors = group_colors(differences["group"])
    figure, all_axes = plt.subplots(
        *(1, len(panels)),
        figsize=(1.6 + 1.7 * len(panels), 0.9 + 0.5 * len(pairs)),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, panel in zip(all_axes[0], panels, strict=True):
        axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
        dots = differences[differences["clusterer_name"] == panel]
        for group, rows in dots.groupby("group", sort=False):
            y = [pairs.index(pair) + 0.22 for pair in rows["pair"]]
            axes.scatter(rows["difference"], y, s=8, color=[colors[group]], label=group, alpha=0.8)
        rows = means[means["clusterer_name"] == panel]
        bars = np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
        axes.errorbar(
            rows["mean"],
            [pairs.index(pair) - 0.12 for pair in rows["pair"]],
            xerr=np.nan_to_num(bars).clip(min=0),
            color="black",
            marker="D",
            markersize=4,
            linestyle="none",
            label="mean, 95 % interval",
        )
        axes.set_title(panel)
        axes.set_xlabel("points")
        axes.set_yticks(range(len(pairs)), pairs)
    legend_outside(figure, *all_axes.flat)
    sns.despine(figure)
    return figure


def recipe_grid(choices: pd.DataFrame) -> Figure:
    """Draw which reduction each recipe uses: a row for each encoder, a column for each clusterer.

    Parameters
    ----------
    choices
        As `analysis.recipe_choices` gives it.
    """
    shape = {"index": "encoder_name", "columns": "clusterer_name"}
    order = {
        "index": choices["encoder_name"].unique(),
        "columns": choices["clusterer_name"].unique(),
    }
    kinds = list(KIND_COLORS)
    codes = choices.assign(code=choices["kind"].map(kinds.index))
    codes = codes.pivot(**shape, values="code").reindex(**order)
    texts = choices.pivot(**shape, values="reduction").reindex(**order)
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
    axes.set_yticklabels(order["index"], rotation=0)
    axes.set_xticklabels(order["columns"], rotation=20, ha="right")
    axes.tick_params(length=0)
    used = set(choices["kind"])
    patches = [Patch(color=KIND_COLORS[kind], label=kind) for kind in kinds if kind in used]
    figure.legend(handles=patches, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def search_heatmap(means: pd.DataFrame) -> Figure:
    """Draw what a search measured: AMI of each reduction and clusterer, the best of a column bold.

    Parameters
    ----------
    means
        As `analysis.search_curves` gives it.
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
