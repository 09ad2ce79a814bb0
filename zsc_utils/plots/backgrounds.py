"""Backgrounds exchanged and removed."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.plots.style import ami_cells, nothing

NO_FAMILY = "no dataset of this profile has variants\nwith other backgrounds, or none has results"


def ami_by_variant(scores: pd.DataFrame, variants: list[str]) -> Figure:
    """Draw AMI by encoder (row) and variant (column).

    Parameters
    ----------
    scores
        As `analysis.ami_by_variant` gives it.
    variants
        The order of the columns; those without results are left out.
    """
    if scores.empty:
        return nothing(NO_FAMILY)
    wide = scores.pivot(index="encoder_name", columns="variant", values="value")
    columns = [name for name in variants if name in wide]
    wide = wide.reindex(index=scores["encoder_name"].unique(), columns=columns)
    size = (2.6 + 0.6 * len(columns), 1.4 + 0.24 * len(wide))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    ami_cells(axes, wide, bold=False)
    axes.set_xticklabels(columns, rotation=35, ha="right")
    return figure


def background_gaps(gaps: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw differences between variants: a panel a difference, a row an encoder.

    Parameters
    ----------
    gaps
        As `analysis.background_gaps` gives it; bars are 95 % intervals over images.
    styles
        As `encoder_styles` gives it.
    """
    if gaps.empty:
        return nothing(NO_FAMILY)
    names = list(gaps["gap"].unique())
    encoders = list(gaps["encoder"].unique())
    figure, all_axes = plt.subplots(
        *(1, len(names)),
        figsize=(1.6 + 1.9 * len(names), 0.9 + 0.22 * len(encoders)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, name in zip(all_axes[0], names, strict=True):
        for row in gaps[gaps["gap"] == name].itertuples():
            style = styles[row.encoder]
            axes.errorbar(
                *(row.value, encoders.index(row.encoder)),
                xerr=[[row.value - row.low], [row.high - row.value]],
                color=style["color"],
                markerfacecolor=style["face"],
                marker=style["marker"],
                markersize=4.5,
            )
        axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
        axes.set_title(name, fontsize=8)
        axes.set_xlabel("AMI (points)")
    all_axes[0, 0].set_yticks(range(len(encoders)), [styles[name]["label"] for name in encoders])
    all_axes[0, 0].set_ylim(len(encoders) - 0.5, -0.5)
    sns.despine(figure)
    return figure
