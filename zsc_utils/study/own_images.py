"""Clusterings of someone's own images: which to look at first, and what is in each."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from zsc_utils.datasets.base import Images
from zsc_utils.study.base import LEFT_OUT, bullets
from zsc_utils.study.figures import categorical_colors, image_grid, nothing


def rank_by_silhouette(table: pd.DataFrame) -> pd.DataFrame:
    """Rank clusterings by their silhouette, which needs no labels.

    It is that in UMAP space or, where none has one, that in the embeddings themselves.

    Parameters
    ----------
    table
        One row a clusterer, as `sweep.own.cluster_own` gives it.

    Returns
    -------
    DataFrame
        By falling silhouette, those without one last: `clusterer`, `clusterer_name`, `n_clusters`,
        `left_out` (percent of the images), both silhouettes, `ami` (percent; only where there are
        labels), `status` and `reason`.
    """
    columns = ["n_clusters", "fraction_clustered", "silhouette_umap", "silhouette_original", "ami"]
    rows = table.reindex(
        columns=["clusterer", "clusterer_name", *columns, "status", "reason"]
    ).astype(dict.fromkeys(columns, float))
    space = next((name for name in columns[2:4] if rows[name].notna().any()), columns[2])
    rows = rows.sort_values(space, ascending=False, kind="stable", ignore_index=True)
    rows.insert(3, "left_out", 100 * (1 - rows.pop("fraction_clustered")))
    rows["ami"] *= 100
    return rows.drop(columns="ami") if rows["ami"].isna().all() else rows


def sizes(clusters: np.ndarray) -> pd.Series:
    """Count the images of each cluster, largest first; those that were left out come last.

    Parameters
    ----------
    clusters
        int (n,), −1 = left out.
    """
    counts = pd.Series(clusters).value_counts().sort_index().sort_values(ascending=False)
    left_out = counts.pop(-1) if -1 in counts.index else 0
    counts.index = counts.index.astype(str)
    if left_out:
        counts[LEFT_OUT] = left_out
    return counts.rename("images")


def typical_rows(X: np.ndarray, clusters: np.ndarray, each: int) -> dict[str, np.ndarray]:
    """Choose the images of each cluster that lie closest to its mean.

    Parameters
    ----------
    X
        float (n, d) embeddings.
    clusters
        int (n,), −1 = left out.
    each
        Images of a cluster at most.

    Returns
    -------
    dict
        In the order of `sizes`, positions (k,), the closest first.
    """
    names = np.where(clusters < 0, LEFT_OUT, clusters.astype(str))
    chosen = {}
    for name in sizes(clusters).index:
        rows = np.flatnonzero(names == name)
        distances = np.linalg.norm(X[rows] - X[rows].mean(axis=0), axis=1)
        chosen[name] = rows[np.argsort(distances, kind="stable")[:each]]
    return chosen


def plot_cluster_sizes(counts: pd.Series) -> Figure:
    """Draw the sizes of clusters as bars, largest first; what was left out is grey.

    Parameters
    ----------
    counts
        As `sizes` gives it.
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


def small(image: Image.Image) -> Image.Image:
    """Shrink an image to what a row can show of it: a photograph has fifty times as much."""
    image = image.convert("RGB")
    image.thumbnail((160, 160))
    return image


def plot_image_rows(
    images: Images, chosen: dict[str, np.ndarray], counts: pd.Series, most: int = 15
) -> Figure:
    """Show a row of images of each cluster, with its name and size.

    Parameters
    ----------
    images
        All images that were clustered.
    chosen
        Positions by cluster, as `typical_rows` gives them.
    counts
        As `sizes` gives it.
    most
        Rows at most: the largest clusters, and what was left out, which comes last.
    """
    if not chosen:
        return nothing("no clusters")
    names = list(chosen)[:most]
    if LEFT_OUT in chosen and LEFT_OUT not in names:
        names[-1] = LEFT_OUT
    columns = max(len(chosen[name]) for name in names)
    rows = [[small(images[i]) for i in chosen[name]] for name in names]
    figure, all_axes = image_grid(rows, columns, (1.1 + 0.55 * columns, 0.58 * len(names)))
    for name, axes in zip(names, all_axes[:, 0], strict=True):
        axes.text(
            *(-0.2, 0.5, f"{name}\n{counts[name]}"),
            ha="right",
            va="center",
            fontsize=8,
            transform=axes.transAxes,
        )
    return figure


def say_ranking(ranked: pd.DataFrame, counts: pd.Series) -> str:
    """Say which clustering to look at first, what it holds, and what could not be clustered.

    Parameters
    ----------
    ranked
        As `rank_by_silhouette` gives it.
    counts
        As `sizes` gives it, of the first of them.
    """
    lacking = ranked[ranked["silhouette_umap"].isna()]
    without = [
        f"**{row.clusterer_name}** has no silhouette"
        + (
            ": it found fewer than two clusters."
            if row.n_clusters < 2
            else f" in UMAP space: {row.reason.removeprefix('no silhouette in UMAP: ')}."
        )
        for row in lacking.itertuples()
    ]
    scored = ranked.drop(lacking.index)
    if scored.empty:
        return bullets(["**Undecided**: no clustering has a silhouette in UMAP space.", *without])
    best = scored.iloc[0]
    clusters = counts.drop(LEFT_OUT, errors="ignore")
    sentences = [
        f"**{best['clusterer_name']}** has the highest silhouette in UMAP space, S = "
        f"{best['silhouette_umap']:.2f}: {len(clusters)} clusters of {clusters.min()} to "
        f"{clusters.max()} images; {best['left_out']:.0f} % of the images are left out."
    ]
    if len(scored) > 1:
        following = scored.iloc[1]
        sentences.append(
            f"Next comes {following['clusterer_name']}, S = {following['silhouette_umap']:.2f}, "
            f"with {following['n_clusters']:.0f} clusters."
        )
    if "ami" in scored:
        most = scored.loc[scored["ami"].idxmax()]
        sentences.append(
            f"By the labels, its AMI is {best['ami']:.1f} %; the highest is that of "
            f"{most['clusterer_name']}, {most['ami']:.1f} %."
        )
    return bullets(sentences + without)
