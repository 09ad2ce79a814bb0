"""Ward's tree in memory that grows with the samples, not with their pairs.

Ward's distance of two clusters follows from their centres and sizes (Ward, 1963), so that no
distances need be kept: a chain of nearest neighbours (Murtagh & Contreras, arXiv 1105.0121)
measures them anew from the centres.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from functools import cache

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


@cache
def _merges():
    """Compile the chain of nearest neighbours: float64 (n, d) to pairs and squared heights."""
    from numba import njit

    # Only the order of sums is left to the compiler, which needs it to use vector instructions.
    @njit(cache=True, fastmath={"reassoc", "contract"})
    def squared(one, other):
        total = 0.0
        for k in range(len(one)):
            difference = one[k] - other[k]
            total += difference * difference
        return total

    @njit(cache=True)
    def merges(centres):
        n = len(centres)
        sizes = np.ones(n)
        # Clusters that are left stand in the first rows: names by row, and rows by name.
        names, rows = np.arange(n), np.arange(n)
        chain = np.empty(n, np.int64)
        length, left = 0, n
        pairs, heights = np.empty((n - 1, 2), np.int64), np.empty(n - 1)
        for step in range(n - 1):
            if length == 0:
                chain[0], length = names[:left].min(), 1
            while True:
                tip = rows[chain[length - 1]]
                nearest, least = -1, np.inf
                if length > 1:
                    nearest = rows[chain[length - 2]]
                    size = sizes[tip] * sizes[nearest] / (sizes[tip] + sizes[nearest])
                    least = size * squared(centres[tip], centres[nearest])
                    before = nearest
                for row in range(left):
                    if row != tip:
                        size = sizes[tip] * sizes[row] / (sizes[tip] + sizes[row])
                        found = size * squared(centres[tip], centres[row])
                        # Of equally near ones the first by name, unless it is the one before.
                        first = found == least and names[row] < names[nearest]
                        if found < least or (first and not (length > 1 and nearest == before)):
                            nearest, least = row, found
                if length > 1 and nearest == before:
                    break
                chain[length] = names[nearest]
                length += 1
            length -= 2
            # The one of the larger name goes on as both.
            one, other = tip, nearest
            if names[one] > names[other]:
                one, other = other, one
            pairs[step] = names[one], names[other]
            heights[step] = 2 * least
            both = sizes[one] + sizes[other]
            centres[other] = (sizes[one] * centres[one] + sizes[other] * centres[other]) / both
            sizes[other] = both
            left -= 1
            last = names[left]
            centres[one], sizes[one] = centres[left], sizes[left]
            names[one], rows[last] = last, one
        return pairs, heights

    return merges


_latest: dict[bytes, WardTree] = {}


def ward_tree(X: np.ndarray) -> WardTree:
    """Make the tree, or give the one that was made last where it is of the same numbers.

    Agglomerative clustering with and without the number of classes cut the same tree.

    Parameters
    ----------
    X
        float (n, d), n ≥ 2.
    """
    from zsc_utils.compiled import kept

    start = time.perf_counter()
    name = hashlib.blake2b(np.ascontiguousarray(X)).digest() + repr((X.shape, X.dtype)).encode()
    if name not in _latest:
        with kept("zsc_utils"):
            pairs, squares = _merges()(np.array(X, dtype=np.float64, order="C"))
        order = np.argsort(squares, kind="stable")
        tree = WardTree(pairs[order], np.sqrt(squares[order]), time.perf_counter() - start)
        _latest.clear()
        _latest[name] = tree
    return _latest[name]
