"""Ward's tree in memory that grows with the samples, not with their pairs.

Ward's distance of two clusters follows from their centres and sizes (Ward, 1963), so that no
distances need be kept: a chain of nearest neighbours (Murtagh & Contreras, arXiv 1105.0121)
measures them anew from the centres.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class WardTree:
    """Merges of n samples, by rising height.

    Parameters
    ----------
    pairs
        int64 (n − 1, 2): samples, each standing for the cluster that it is in by then.
    heights
        float64 (n − 1,): Ward's distance of the two, in the scale of euclidean distances.
    seconds
        Wall time that it took to make.
    """

    pairs: np.ndarray
    heights: np.ndarray
    seconds: float

    def cut(self, n_clusters: int) -> np.ndarray:
        """Undo the last merges: clusters int32 (n,), numbered from 0."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n = len(self.pairs) + 1
        kept = self.pairs[: n - n_clusters]
        graph = coo_array((np.ones(len(kept), np.int8), kept.T), shape=(n, n))
        return connected_components(graph, directed=False)[1]

    def cut_at(self, threshold: float) -> np.ndarray:
        """Keep the merges below a height: clusters int32 (n,), numbered from 0."""
        return self.cut(1 + int(np.count_nonzero(self.heights >= threshold)))


_latest: dict[bytes, WardTree] = {}


def ward_tree(X: np.ndarray) -> WardTree:
    """Make the tree, or give the one that was made last where it is of the same numbers.

    Agglomerative clustering with and without the number of classes cut the same tree.

    Parameters
    ----------
    X
        float (n, d), n ≥ 2.
    """
    from zsc_utils import loops
    from zsc_utils.compiled import kept

    start = time.perf_counter()  # when all is loaded
    name = hashlib.blake2b(np.ascontiguousarray(X)).digest() + repr((X.shape, X.dtype)).encode()
    if name not in _latest:
        with kept("zsc_utils"):
            pairs, squares = loops.ward_merges(np.array(X, dtype=np.float64, order="C"))
        order = np.argsort(squares, kind="stable")
        tree = WardTree(pairs[order], np.sqrt(squares[order]), time.perf_counter() - start)
        _latest.clear()
        _latest[name] = tree
    return _latest[name]
