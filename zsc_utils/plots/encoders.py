"""AMI of encoders, and their differences."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.plots.style import ami_cells, as_text, dodged, nothing, reference_panels


def ami_heatmap(matrix: pd.DataFrame) -> Figure:
    """Draw AMI of each dataset (row) and encoder (column); the best of a row is bold.

    Parameters
    ----------
    matrix
        As `analysis.ami_matrix` gives it: rows of one group stand together.
    """
    if matrix.empty:
        return nothing("no cell has an AMI")
    n_rows, n_columns = matrix.shape
    size = (2.6 + 0.38 * n_columns, max(3.6, 1.6 + 0.26 * n_rows))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    plain = matrix.reset_index(level="group", drop=True).rename(index=as_text)
    ami_cells(axes, plain, shrink=0.7)
    groups = matrix.index.get_level_values("group")
    for edge in [i for i in range(1, n_rows) if groups[i] != groups[i - 1]]:
        axes.axhline(edge, color="white", linewidth=3)
    axes.set_yticklabels([f"{name}" for name in plain.index], rotation=0)
    for group in dict.fromkeys(groups):
        middle = np.flatnonzero(groups == group).mean() + 0.5
        axes.annotate(
            *(group, (1, middle)),
            xycoords=axes.get_yaxis_transform(),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=7,
            fontweight="bold",
        )
    return figure


def difference_by_group(differences: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw differences in AMI, mean over the datasets of a group ± 1 SE, and 95 % intervals.

    Parameters
    ----------
    differences
        As `analysis.group_differences` gives it: a panel for each reference. A group of one dataset
        has no error bar. Thin lines are the intervals from `low` to `high`.
    styles
        As `encoder_styles` gives it.
    """
    if differences.empty:
        return nothing("no encoder but the reference has results")
    figure, panels, names = reference_panels(differences, styles)
    for reference, axes in panels.items():
        rows = differences[differences["reference"] == reference]
        rows = rows.assign(group=rows["group"].map(names))
        dodged(rows, "group", list(names.values()), styles, axes)
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    sns.despine(figure)
    return figure


def rank_intervals(ranks: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw the mean rank of each encoder ± 1 SE over the datasets, and its 95 % interval.

    Parameters
    ----------
    ranks
        As `analysis.mean_ranks` gives it.
    styles
        As `encoder_styles` gives it.
    """
    if ranks.empty:
        return nothing("no cell has an AMI: there is nothing to rank")
    by_name = {style["label"]: style for style in styles.values()}
    size = (4.5, 0.8 + 0.2 * len(ranks))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    for y, (name, row) in enumerate(ranks.iterrows()):
        style = by_name[name]
        axes.hlines(y, row["low"], row["high"], color=style["color"], linewidth=0.6)
        axes.errorbar(
            *(row["mean rank"], y),
            xerr=np.nan_to_num(row["se"]),
            color=style["color"],
            markerfacecolor=style["face"],
            marker=style["marker"],
            markersize=4.5,
            elinewidth=2,
        )
    axes.set_yticks(range(len(ranks)), ranks.index)
    axes.invert_yaxis()
    axes.set_xlabel("mean rank of AMI, 1 is best")
    sns.despine(figure)
    return figure
