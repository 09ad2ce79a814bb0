"""Images themselves."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from zsc_utils.datasets import ImageDataset
from zsc_utils.plots.style import as_text


def contact_sheet(
    dataset: ImageDataset, columns: int, rows: int, level: str, titles: bool = True
) -> Figure:
    """Show images of a dataset, evenly spaced over its sorted classes.

    Parameters
    ----------
    dataset
        The images.
    columns, rows
        How many images to show.
    level
        Label level that names the class.
    titles
        Whether each image stands under its class.
    """
    order = dataset.labels[level].argsort(kind="stable").to_numpy()
    chosen = order[np.linspace(0, len(order) - 1, columns * rows).round().astype(int)]
    figure, all_axes = plt.subplots(
        rows,
        columns,
        figsize=(0.65 * columns, (0.85 if titles else 0.65) * rows),
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01)
    for axes, index in zip(all_axes.flat, chosen, strict=True):
        axes.imshow(dataset.images[index].convert("RGB"))
        if titles:
            axes.set_title(as_text(dataset.labels[level].iloc[index]), fontsize=7, pad=2)
        axes.set_axis_off()
    return figure
