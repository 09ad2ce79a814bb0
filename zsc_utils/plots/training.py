"""Learning curves."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.plots.style import legend_outside, nothing


def learning_curves(curves: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw loss and kNN accuracy against epochs: a column for each stage and backbone.

    Parameters
    ----------
    curves
        As `cards.learning_curves` gives it.
    styles
        As `encoder_styles` gives it.
    """
    if curves.empty:
        return nothing("no encoder of this profile has a learning curve")
    columns = list(dict.fromkeys(curves[["stage", "backbone"]].itertuples(index=False, name=None)))
    figure, all_axes = plt.subplots(
        2,
        len(columns),
        figsize=(0.8 + 1.9 * len(columns), 4),
        sharex="col",
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for (loss, knn), (stage, backbone) in zip(all_axes.T, columns, strict=True):
        here = curves[(curves["stage"] == stage) & (curves["backbone"] == backbone)]
        for name, rows in here.groupby("encoder", sort=False):
            style = styles[name]
            loss.plot(rows["epoch"], rows["relative_loss"], color=style["color"])
            measured = rows[rows["knn"].notna()]
            knn.plot(
                *(measured["epoch"], measured["knn"]),
                color=style["color"],
                markerfacecolor=style["face"],
                marker=style["marker"],
                markersize=4,
                label=style["label"],
            )
        loss.set_title(f"{stage},\n{backbone}")
        knn.set_xlabel("epoch")
    all_axes[0, 0].set_ylabel("loss / loss of epoch 1")
    all_axes[1, 0].set_ylabel("kNN accuracy (%)")
    legend_outside(figure, *all_axes[1])
    sns.despine(figure)
    return figure
