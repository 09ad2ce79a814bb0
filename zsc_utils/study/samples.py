"""Single clusters: which are good, which are bad, with and without labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from zsc_utils.clustering import CLUSTERERS
from zsc_utils.study.base import CELL, with_score
from zsc_utils.study.figures import as_text, image_grid, nothing
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.clusterings import Clustering, read_clusterings
from zsc_utils.sweep.profile import Profile

# What a cluster is judged by: with labels, and without.
JUDGES = {"purity": "purity", "silhouette": "mean silhouette"}
NOISE = -1
# Purity of one sample is always 1: smaller clusters are judged only where there are no others.
SMALLEST = 5


@dataclass(frozen=True)
class Picked:
    """Clusters of one clustering to look at.

    Parameters
    ----------
    clustering
        What they are of.
    clusters
        Rows of `cluster_profile` in the order to show them, with `role`: `best`, `worst` or `left
        out`.
    judge
        What they were picked by: `purity` or `silhouette`.
    """

    clustering: Clustering
    clusters: pd.DataFrame
    judge: str


def typical_dataset(table: pd.DataFrame) -> str | None:
    """Name the dataset whose best AMI is the median of all: neither easy nor hard."""
    best = with_score(table).groupby("dataset", sort=False)["ami"].max().sort_values(kind="stable")
    return None if best.empty else best.index[len(best) // 2]


def best_clustering(
    chosen: Profile, table: pd.DataFrame, dataset: str | None, clusterer: str | None = None
) -> Clustering | None:
    """Read the clustering of highest AMI of a dataset, of all encoders, clusterers and seeds.

    Parameters
    ----------
    chosen
        The profile that was swept.
    table
        Its results.
    dataset
        Name of the dataset.
    clusterer
        Of this clusterer alone; of all by default.

    Returns
    -------
    Clustering
        None where the dataset has no result with an AMI.
    """
    rows = table[(table["dataset"] == dataset) & table["ami"].notna()]
    if clusterer is not None:
        rows = rows[rows["clusterer"] == clusterer]
    if rows.empty:
        return None
    row = rows.loc[rows["ami"].idxmax()]
    names = {f"{kind}s": (row[kind],) for kind in CELL}
    one = chosen.model_copy(update=names | {"seeds": (int(row["seed"]),)})
    return next(read_clusterings(plan(one)), None)


def cluster_profile(clusters: np.ndarray, classes: pd.Series, X: np.ndarray) -> pd.DataFrame:
    """Describe each cluster of a clustering.

    Parameters
    ----------
    clusters
        int (n,), −1 = left out.
    classes
        (n,) classes, some may be missing.
    X
        float (n, d), the embeddings.

    Returns
    -------
    DataFrame
        One row for each cluster, and one for what is left out: `cluster`, `size`, `main_class`,
        `purity` (fraction of its labelled samples that are of that class; NaN without labelled
        samples) and `silhouette` (mean over its samples, euclidean, in the space of the
        embeddings; NaN where it is undefined).
    """
    from sklearn.metrics import silhouette_samples

    samples = np.nan
    if 1 < len(np.unique(clusters)) < len(X):
        samples = silhouette_samples(X, clusters)
    rows = pd.DataFrame({"class": classes.to_numpy(), "silhouette": samples})
    by = rows.groupby(pd.Series(clusters, name="cluster"))
    found = by.agg(
        size=("class", "size"),
        main_class=("class", lambda names: next(iter(names.value_counts().index), "")),
        purity=("class", lambda names: names.value_counts(normalize=True).max()),
        silhouette=("silhouette", "mean"),
    )
    return found.reset_index()


def pick_clusters(
    clustering: Clustering | None, judge: str = "purity", n: int = 1
) -> Picked | None:
    """Pick the best and the worst clusters of a clustering, and what it leaves out.

    Parameters
    ----------
    clustering
        As `best_clustering` gives it.
    judge
        `purity`, which takes labels, or `silhouette`, which takes none. Clusters of fewer than
        `SMALLEST` samples are not picked where there are others; of equals the larger is the
        better, and the worse.
    n
        How many of the best and of the worst.
    """
    if clustering is None:
        return None
    X = clustering.embeddings.array
    described = cluster_profile(clustering.clusters, clustering.classes, X)
    real = described[described["cluster"] != NOISE]
    large = real[real["size"] >= SMALLEST]
    ranked = (large if len(large) else real).dropna(subset=judge).sort_values("size", kind="stable")
    best = ranked.iloc[::-1].sort_values(judge, ascending=False, kind="stable").head(n)
    others = ranked.drop(best.index).iloc[::-1]
    worst = others.sort_values(judge, kind="stable").head(n).iloc[::-1]
    noise = described[described["cluster"] == NOISE]
    parts = {"best": best, "worst": worst, "left out": noise}
    shown = pd.concat([rows.assign(role=role) for role, rows in parts.items()], ignore_index=True)
    return Picked(clustering, shown, judge)


def plot_images(picked: Picked | None, columns: int = 10, seed: int = 0) -> Figure:
    """Show images of clusters: a row for each cluster, a random choice of its images.

    Parameters
    ----------
    picked
        As `pick_clusters` gives it.
    columns
        How many images of each cluster to show at most.
    seed
        Random state of the choice.
    """
    if picked is None or picked.clusters.empty:
        return nothing("there is no clustering to show images of")
    clusters = picked.clusters
    cell = picked.clustering
    rng = np.random.default_rng(seed)
    rows = []
    for cluster in clusters["cluster"]:
        members = np.flatnonzero(cell.clusters == cluster)
        shown = rng.choice(members, min(columns, len(members)), replace=False)
        rows.append([cell.images[i] for i in shown])
    size = (1.9 + 0.55 * columns, 0.4 + 0.62 * len(clusters))
    figure, all_axes = image_grid(rows, columns, size)
    for axes, (_, row) in zip(all_axes[:, 0], clusters.iterrows(), strict=True):
        axes.set_ylabel(beside(row, picked.judge), rotation=0, ha="right", va="center", fontsize=7)
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
