"""The same clusters against every label level."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.plots.style import ami_cells, as_text, nothing

MOST_LEVELS = 12


def _levels_of(scores: pd.DataFrame) -> list[str]:
    """Choose the levels to show: the official one first, then the others by mean AMI."""
    means = scores.groupby(["official", "level"])["mean"].mean().reset_index()
    ordered = means.sort_values(["official", "mean"], ascending=False)["level"]
    return list(ordered)[:MOST_LEVELS]


def level_heatmap(scores: pd.DataFrame) -> Figure:
    """Draw AMI of one dataset's clusters by encoder (row) and level (column); the best is bold.

    Parameters
    ----------
    scores
        Rows of one dataset of `analysis.level_scores`. The official level stands first, before a
        line; no more than twelve are shown, those of highest mean.
    """
    if scores.empty:
        return nothing("no dataset has both a result and two label levels to compare")
    levels = _levels_of(scores)
    wide = scores.pivot(index="encoder_name", columns="level", values="mean")
    wide = wide.reindex(index=scores["encoder_name"].unique(), columns=levels)
    size = (2.4 + 0.42 * len(levels), 1.3 + 0.22 * len(wide))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    ami_cells(axes, wide)
    axes.axvline(1, color="white", linewidth=3)
    axes.set_title(as_text(scores["dataset_name"].iloc[0]))
    axes.set_xticklabels(levels, rotation=45, ha="right")
    return figure


def level_differences(differences: pd.DataFrame) -> Figure:
    """Draw AMI at the official level minus AMI at others, mean over datasets.

    Parameters
    ----------
    differences
        As `analysis.level_differences` gives it; bars are 95 % bootstrap intervals over datasets.
        Raw pixels and random weights are not drawn.
    """
    if differences.empty:
        return nothing("no two datasets share a label level beside their official one")
    levels = list(differences["level"].unique())
    figure, axes = plt.subplots(figsize=(5, 0.9 + 0.24 * len(levels)), layout="constrained")
    looks = {"with labels": ("o", -0.15), "without labels": ("s", 0.15)}
    for (trained, (marker, shift)), color in zip(looks.items(), sns.color_palette(), strict=False):
        rows = differences[differences["trained"] == trained]
        axes.errorbar(
            rows["mean"],
            [levels.index(level) + shift for level in rows["level"]],
            xerr=[rows["mean"] - rows["low"], rows["high"] - rows["mean"]],
            color=color,
            marker=marker,
            markersize=4,
            elinewidth=1,
            linestyle="none",
            label=f"trained {trained}",
        )
    counts = differences.groupby("level")["n"].max()
    axes.set_yticks(range(len(levels)), [f"{level} ({counts[level]})" for level in levels])
    axes.set_ylim(len(levels) - 0.5, -0.5)
    axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
    axes.set_xlabel(
        "AMI at the official level − AMI at this one\n(points, mean over datasets, 95 %)"
    )
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    sns.despine(figure)
    return figure
