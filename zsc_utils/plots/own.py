"""What is in the clusters of someone's own images."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from zsc_utils.analysis import LEFT_OUT
from zsc_utils.datasets.base import Images
from zsc_utils.plots.style import categorical_colors, nothing


def cluster_sizes(counts: pd.Series) -> Figure:
    """Draw the sizes of clusters as bars, largest first; what was left out is grey.

    Parameters
    ----------
    counts
        As `analysis.sizes` gives it.
    """
    if counts.empty:
        return nothing("no clusters")
    figure, axes = plt.subplots(figsize=(5.5, 2), layout="constrained")
    colors = ["0.7" if name == LEFT_OUT else categorical_colors()[0] for name in counts.index]
    axes.bar(np.arange(len(counts)), counts, color=colors)
    few = len(counts) <= 25
    axes.set_xticks(np.arange(len(counts)) if few else [])
    if few:
        axes.set_xticklabels(counts.index, rotation=90 if LEFT_OUT in counts.index else 0)
    axes.set(xlabel="cluster" if few else f"{len(counts)} clusters", ylabel="images")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def image_rows(
    images: Images, chosen: dict[str, np.ndarray], counts: pd.Series, most: int = 15
) -> Figure:
    """Show a row of images of each cluster, with its name and size.

    Parameters
    ----------
    images
        All images that were clustered.
    chosen
        Positions by cluster, as `analysis.typical_rows` gives them.
    counts
        As `analysis.sizes` gives it.
    most
        Rows at most: the largest clusters, and what was left out, which comes last.
    """
    if not chosen:
        return nothing("no clusters")
    names = list(chosen)[:most]
    if LEFT_OUT in chosen and LEFT_OUT not in names:
        names[-1] = LEFT_OUT
    columns = max(len(chosen[name]) for name in names)
    figure, all_axes = plt.subplots(
        len(names),
        columns,
        figsize=(1.1 + 0.55 * columns, 0.58 * len(names)),
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01)
    for name, axes_row in zip(names, all_axes, strict=True):
        axes_row[0].text(
            *(-0.2, 0.5, f"{name}\n{counts[name]}"),
            ha="right",
            va="center",
            fontsize=8,
            transform=axes_row[0].transAxes,
        )
        for axes in axes_row:
            axes.set_axis_off()
        for axes, position in zip(axes_row, chosen[name], strict=False):
            image = images[position].convert("RGB")
            # No more than a picture of this size can show: a photograph has fifty times as much.
            image.thumbnail((160, 160))
            axes.imshow(image)
    return figure
