"""Sample images of clusters."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from zsc_utils.analysis import JUDGES, Picked
from zsc_utils.clustering import CLUSTERERS
from zsc_utils.plots.style import as_text, nothing


def cluster_images(picked: Picked | None, columns: int = 10, seed: int = 0) -> Figure:
    """Show images of clusters: a row for each cluster, a random choice of its images.

    Parameters
    ----------
    picked
        As `analysis.pick_clusters` gives it.
    columns
        How many images of each cluster to show at most.
    seed
        Random state of the choice.
    """
    if picked is None or picked.clusters.empty:
        return nothing("there is no clustering to show images of")
    clusters = picked.clusters
    figure, all_axes = plt.subplots(
        *(len(clusters), columns),
        figsize=(1.9 + 0.55 * columns, 0.4 + 0.62 * len(clusters)),
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.02)
    rng = np.random.default_rng(seed)
    for line, (_, row) in zip(all_axes, clusters.iterrows(), strict=True):
        members = np.flatnonzero(picked.clustering.clusters == row["cluster"])
        shown = rng.choice(members, min(columns, len(members)), replace=False)
        for axes in line:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, index in zip(line, shown, strict=False):
            axes.imshow(picked.clustering.images[index].convert("RGB"))
        line[0].set_ylabel(
            beside(row, picked.judge), rotation=0, ha="right", va="center", fontsize=7
        )
    cell = picked.clustering
    clusterer = CLUSTERERS[cell.cell.clusterer].facts.display
    names = (as_text(cell.job.dataset.facts.display), cell.job.encoder.display, clusterer)
    figure.suptitle(f"{', '.join(names)}; by {JUDGES[picked.judge]}", fontsize=8)
    return figure


def beside(row: pd.Series, judge: str) -> str:
    """Write what stands beside a row of images: role, size, main class, what it is judged by."""
    main = "" if not row["main_class"] else f"\nmostly {as_text(row['main_class'])}"
    share = "" if np.isnan(row["purity"]) else f" ({row['purity']:.0%})"
    own = "" if judge == "purity" or np.isnan(row[judge]) else f", S = {row[judge]:.2f}"
    images = f"{row['size']} image{'s' if row['size'] > 1 else ''}"
    return f"{row['role']}: {images}{own}{main}{share}"
