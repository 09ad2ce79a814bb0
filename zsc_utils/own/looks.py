"""What each image is to its group: how well it fits, what it nearly was in, what is like it."""

from __future__ import annotations

import numpy as np

# Rows of a matrix of distances that are held at once.
ROWS = 512


def distances_to_groups(Z: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance of every image to the images of every group, itself not counted.

    Parameters
    ----------
    Z
        float (n, d).
    clusters
        int (n,), −1 = left out.

    Returns
    -------
    means
        float64 (n, k); NaN for a group that an image is alone in.
    names
        int (k,): the groups.
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


def second_groups(means: np.ndarray, names: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Find the group that each image nearly was in: the nearest other than its own.

    Parameters
    ----------
    means, names
        As `distances_to_groups` gives them.
    clusters
        int (n,), −1 = left out.

    Returns
    -------
    ndarray
        int32 (n,), −1 where there is no other group.
    """
    others = np.where((clusters[:, None] == names) | np.isnan(means), np.inf, means)
    if not len(names):
        return np.full(len(clusters), -1, np.int32)
    nearest = others.argmin(axis=1)
    lacking = np.isinf(others[np.arange(len(others)), nearest])
    return np.where(lacking, -1, names[nearest]).astype(np.int32)


def distances_to_medoids(X: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Distance of every image to the medoid of its group: the image nearest to all of it.

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
    from sklearn.metrics import pairwise_distances, pairwise_distances_chunked

    found = np.full(len(X), np.nan, np.float32)
    for name in np.unique(clusters[clusters >= 0]):
        rows = np.flatnonzero(clusters == name)
        members = X[rows]
        sums = pairwise_distances_chunked(members, reduce_func=lambda block, _: block.sum(axis=1))
        medoid = np.concatenate(list(sums)).argmin()
        found[rows] = pairwise_distances(members, members[[medoid]])[:, 0]
        found[rows[medoid]] = 0
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
