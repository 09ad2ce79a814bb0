"""Loops that numba compiles; to be called where `compiled.kept` keeps what it makes.

They are functions of a module, as numba keeps none that closes over another. Importing this takes
as long as importing UMAP.
"""

import numpy as np
from numba import njit
from umap.distances import euclidean


@njit
def all_distances(X):
    """UMAP's own euclidean distance of all pairs of rows: float32 (n, d) to (n, n)."""
    found = np.zeros((len(X), len(X)), np.float32)
    for i in range(len(X)):
        for j in range(i):
            found[i, j] = found[j, i] = euclidean(X[i], X[j])
    return found


# Only the order of sums is left to the compiler, which needs it to use vector instructions.
@njit(fastmath={"reassoc", "contract"})
def squared_distance(one, other):
    """Squared euclidean distance of two rows, float64 (d,)."""
    total = 0.0
    for k in range(len(one)):
        difference = one[k] - other[k]
        total += difference * difference
    return total


@njit
def ward_merges(centres):
    """Merge n samples by a chain of nearest neighbours: pairs (n − 1, 2) and squared heights.

    `centres`, float64 (n, d), is written over.
    """
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
                least = size * squared_distance(centres[tip], centres[nearest])
                before = nearest
            for row in range(left):
                if row != tip:
                    size = sizes[tip] * sizes[row] / (sizes[tip] + sizes[row])
                    found = size * squared_distance(centres[tip], centres[row])
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


@njit
def exchange_messages(similarity, damping, most, patience):
    """Affinity propagation's messages between n samples, until exemplars stay for some rounds.

    Takes float (n, n) with the preference as its diagonal; gives bool (n,), who is an exemplar, and
    whether that was settled after `most` rounds.
    """
    n, new = len(similarity), 1 - damping
    availability, responsibility = np.zeros((n, n)), np.zeros((n, n))
    exemplars = np.zeros(n, np.bool_)
    steady = 0
    for turn in range(most):
        support = np.zeros(n)
        for i in range(n):
            best, second, at = -np.inf, -np.inf, 0
            for j in range(n):
                found = availability[i, j] + similarity[i, j]
                if found > best:
                    best, second, at = found, best, j
                elif found > second:
                    second = found
            for j in range(n):
                rival = second if j == at else best
                found = responsibility[i, j] * damping + (similarity[i, j] - rival) * new
                responsibility[i, j] = found
                support[j] += found if i == j else max(found, 0.0)
        steady += 1
        for i in range(n):
            for j in range(n):
                found = responsibility[i, j]
                if i != j:
                    found = max(max(found, 0.0) - support[j], 0.0)
                else:
                    found -= support[j]
                availability[i, j] = availability[i, j] * damping - found * new
            chosen = availability[i, i] + responsibility[i, i] > 0
            if chosen != exemplars[i]:
                exemplars[i], steady = chosen, 1
        if turn >= patience and steady >= patience and exemplars.any():
            return exemplars, True
    return exemplars, False
