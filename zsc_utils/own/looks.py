"""What each image is to its cluster: how well it fits, what it nearly was in, what is like it."""

from __future__ import annotations

import numpy as np

# Rows of a matrix of distances that are held at once.
ROWS = 512


def distances_to_clusters(Z: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance of every image to the images of every cluster, itself not counted.

    Parameters
    ----------
    Z
        float (n, d).
    clusters
        int (n,), −1 = left out.

    Returns
    -------
    means
        float64 (n, k); NaN for a cluster that an image is alone in.
    names
        int (k,): the clusters.
    """
    from sklearn.metrics import pairwise_distances

    names, codes = np.unique(clusters, return_inverse=True)
    members = (codes[:, None] == np.arange(len(names))).astype(float)[:, names >= 0]
    sizes = members.sum(axis=0)
    means = np.empty((len(Z), len(sizes)))
    for start in range(0, len(Z), ROWS):
        here = slice(start, start + ROWS)
        sums = pairwise_distances(Z[here], Z) @ members
        others = sizes - members[here]
        means[here] = np.where(others > 0, sums / np.maximum(others, 1), np.nan)
    return means, names[names >= 0]


def second_clusters(means: np.ndarray, names: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Find the cluster that each image nearly was in: the nearest other than its own.

    Parameters
    ----------
    means, names
        As `distances_to_clusters` gives them.
    clusters
        int (n,), −1 = left out.

    Returns
    -------
    ndarray
        int32 (n,), −1 where there is no other cluster.
    """
    others = np.where((clusters[:, None] == names) | np.isnan(means), np.inf, means)
    if not len(names):
        return np.full(len(clusters), -1, np.int32)
    nearest = others.argmin(axis=1)
    lacking = np.isinf(others[np.arange(len(others)), nearest])
    return np.where(lacking, -1, names[nearest]).astype(np.int32)


def silhouettes(means: np.ndarray, names: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Silhouette of every image (Rousseeuw, 1987), those left out counting as no cluster.

    Parameters
    ----------
    means, names
        As `distances_to_clusters` gives them.
    clusters
        int (n,), −1 = left out.

    Returns
    -------
    ndarray
        float32 (n,): 0 for an image alone in its cluster; NaN for those left out, and for all where
        there are fewer than two clusters.
    """
    found = np.full(len(clusters), np.nan, np.float32)
    if len(names) < 2:
        return found
    mine = clusters[:, None] == names
    within = np.nanmax(np.where(mine, means, -np.inf), axis=1)
    between = np.where(mine | np.isnan(means), np.inf, means).min(axis=1)
    alone = np.isneginf(within) | np.isinf(between)
    largest = np.maximum(np.maximum(within, between), np.finfo(float).tiny)
    values = np.where(alone, 0, (between - within) / np.where(alone, 1, largest))
    found[clusters >= 0] = values[clusters >= 0]
    return found


def distances_to_medoids(X: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Distance of every image to the medoid of its cluster.

    The medoid is the image whose squared distances to all others have the smallest sum, which is
    that nearest to their mean: no pairs are compared.

    Parameters
    ----------
    X
        float (n, d).
    clusters
        int (n,), −1 = left out.

    Returns
    -------
    ndarray
        float32 (n,), 0 for medoids, NaN for those left out.
    """
    found = np.full(len(X), np.nan, np.float32)
    for name in np.unique(clusters[clusters >= 0]):
        rows = np.flatnonzero(clusters == name)
        members = X[rows].astype(float)
        medoid = np.linalg.norm(members - members.mean(axis=0), axis=1).argmin()
        found[rows] = np.linalg.norm(members - members[medoid], axis=1)
    return found


def nearest_images(X: np.ndarray, k: int) -> np.ndarray:
    """Find the k images nearest to each by cosine, int32 (n, at most k), nearest first."""
    from zsc_utils.metrics import nearest

    n = len(X)
    _, which = nearest(X, X, min(k + 1, n))
    # Itself is among them, but not always first: copies are as near.
    own = which == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    return which[~own].reshape(n, -1).astype(np.int32)
