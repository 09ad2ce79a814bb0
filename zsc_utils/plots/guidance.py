"""What is lost by picking without labels."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.plots.style import nothing

_COLORS = sns.color_palette("colorblind")


def regrets(panels: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> Figure:
    """Draw the regret of each way to choose: one point a dataset, the mean ± 1 SE and its interval.

    Parameters
    ----------
    panels
        By what is chosen: `analysis.regrets_by_dataset` and `analysis.regrets_by_way` of it. What
        has no rows has no panel. Ways by the silhouette are blue, the others grey.
    """
    panels = {title: both for title, both in panels.items() if len(both[1])}
    if not panels:
        return nothing("no dataset has two results to choose between")
    figure, all_axes = plt.subplots(
        1,
        len(panels),
        figsize=(4.2 * len(panels), 0.9 + 0.3 * max(len(ways) for _, ways in panels.values())),
        squeeze=False,
        layout="constrained",
    )
    for axes, (title, (by_dataset, ways)) in zip(all_axes[0], panels.items(), strict=True):
        for y, row in ways.iterrows():
            color = _COLORS[0] if row["way"].startswith("highest S") else "0.35"
            one_each = by_dataset.loc[by_dataset["way"] == row["way"], "regret"]
            axes.plot(one_each, np.full(len(one_each), y), "|", color=color, alpha=0.4)
            axes.hlines(y, row["low"], row["high"], color=color, linewidth=0.8)
            se = np.nan_to_num(row["se"])
            axes.errorbar(row["mean"], y, xerr=se, color=color, marker="o", elinewidth=2.5)
        axes.set_yticks(range(len(ways)), ways["way"])
        axes.set_ylim(len(ways) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_title(title)
        axes.set_xlabel("regret: AMI of the best − of the chosen (points)")
    sns.despine(figure)
    return figure
