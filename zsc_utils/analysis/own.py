"""Clusterings of someone's own images: which to look at first, and what is in each."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zsc_utils.analysis.maps import LEFT_OUT


def rank_by_silhouette(table: pd.DataFrame) -> pd.DataFrame:
    """Rank clusterings by their silhouette, which needs no labels.

    It is that in UMAP space or, where none has one, that in the embeddings themselves.

    Parameters
    ----------
    table
        One row a clusterer, as `own.cluster_own` gives it.

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
