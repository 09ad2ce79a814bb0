"""Affinity propagation (Frey & Dueck, 2007) in two passes over its messages.

scikit-learn takes a dozen passes over matrices of n × n for each round of messages, and keeps one
matrix more. Here each row is read, answered and done with: the same numbers to the bit, and so the
same clusters.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn import cluster
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import euclidean_distances
from sklearn.utils import check_random_state

from zsc_utils import loops
from zsc_utils.compiled import kept


class AffinityPropagation(cluster.AffinityPropagation):
    """Affinity propagation of points, with scikit-learn's settings and clusters."""

    def fit_predict(self, X: np.ndarray, y=None) -> np.ndarray:
        """Cluster float (n, d): clusters int64 (n,), −1 for all where there is none.

        Warns
        -----
        ConvergenceWarning
            Exemplars were still changing in the last round, or there were none.
        """
        similarity = -euclidean_distances(X, squared=True)
        n, preference = len(similarity), np.median(similarity)
        # Rows of one more than n begin at the diagonal each.
        apart, first = similarity.ravel()[1:].reshape(n - 1, n + 1)[:, :-1], similarity[0, -1]
        if (apart == first).all():
            return np.arange(n) if preference > first else np.zeros(n, int)
        np.fill_diagonal(similarity, preference)
        add_noise(similarity, self.random_state)
        with kept("zsc_utils"):
            exemplars, settled = loops.exchange_messages(
                similarity, self.damping, self.max_iter, self.convergence_iter
            )
        if not settled:
            lacking = "" if exemplars.any() else ", and found no cluster"
            warnings.warn(
                f"did not converge in {self.max_iter} rounds{lacking}",
                ConvergenceWarning,
                stacklevel=2,
            )
        return clusters_of(similarity, np.flatnonzero(exemplars))


def add_noise(similarity: np.ndarray, seed: int) -> None:
    """Tell apart what is equally similar, as scikit-learn does; row by row, to hold no more."""
    random, kind = check_random_state(seed), np.finfo(similarity.dtype)
    for row in similarity:
        row += (kind.eps * row + kind.tiny * 100) * random.standard_normal(len(row))


def clusters_of(similarity: np.ndarray, exemplars: np.ndarray) -> np.ndarray:
    """Give each sample to its exemplar, after each of these was moved to its cluster's middle."""

    def nearest() -> np.ndarray:
        clusters = similarity[:, exemplars].argmax(axis=1)
        clusters[exemplars] = np.arange(len(exemplars))
        return clusters

    if not len(exemplars):
        return np.full(len(similarity), -1)
    clusters = nearest()
    for i in range(len(exemplars)):
        members = np.flatnonzero(clusters == i)
        middle = similarity[np.ix_(members, members)].sum(axis=0).argmax()
        exemplars[i] = members[middle]
    return np.unique(exemplars[nearest()], return_inverse=True)[1]
