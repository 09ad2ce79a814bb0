"""What each image is to its cluster: how well it fits, what it nearly was in, what is like it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Rows of a matrix of distances that are held at once.
ROWS = 512


@dataclass(frozen=True)
class ClusterDistances:
    """How far every image is from every cluster.

    Parameters
    ----------
    clusters
        int (n,), −1 = left out.
    names
        int (k,): the clusters.
    means
        float64 (n, k): mean distance to the images of each, itself not counted; NaN for a cluster
        that an image is alone in.
    """

    clusters: np.ndarray
    names: np.ndarray
    means: np.ndarray

    @cached_property
    def _own(self) -> np.ndarray:
        return self.clusters[:, None] == self.names

    @cached_property
    def _others(self) -> np.ndarray:
        return np.where(self._own | np.isnan(self.means), np.inf, self.means)

    @property
    def second(self) -> np.ndarray:
        """The cluster that each image nearly was in: int32 (n,), −1 where there is no other."""
        # None comes first, infinitely far: it is the nearest where all others are as far.
        distances = np.insert(self._others, 0, np.inf, axis=1)
        return np.insert(self.names, 0, -1)[distances.argmin(axis=1)].astype(np.int32)

    @property
    def silhouettes(self) -> np.ndarray:
        """Silhouettes (Rousseeuw, 1987), those left out counting as no cluster.

        float32 (n,): 0 for an image alone in its cluster; NaN for those left out, and for all where
        there are fewer than two clusters.
        """
        found = np.full(len(self.clusters), np.nan, np.float32)
        if len(self.names) < 2:
            return found
        inside = self.clusters >= 0
        within, between = self.means[self._own], self._others[inside].min(axis=1)
        # Undefined are those of images that are alone, or all copies of one.
        with np.errstate(invalid="ignore"):
            values = (between - within) / np.maximum(within, between)
        found[inside] = np.nan_to_num(values)
        return found


def distances_to_clusters(Z: np.ndarray, clusters: np.ndarray) -> ClusterDistances:
    """Measure how far every image is from every cluster.

    Parameters
    ----------
    Z
        float (n, d).
    clusters
        int (n,), −1 = left out.
    """
    from sklearn.metrics import pairwise_distances

    names = np.unique(clusters[clusters >= 0])
    members = (clusters[:, None] == names).astype(float)
    sizes = members.sum(axis=0)
    means = np.empty((len(Z), len(sizes)))
    for start in range(0, len(Z), ROWS):
        here = slice(start, start + ROWS)
        sums = pairwise_distances(Z[here], Z) @ members
        others = sizes - members[here]
        means[here] = np.where(others > 0, sums / np.maximum(others, 1), np.nan)
    return ClusterDistances(clusters, names, means)


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
