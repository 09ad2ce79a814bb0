"""Criteria that were measured and are in no score: stability, and density-based validity."""

from __future__ import annotations

import numpy as np

from zsc_utils.clustering import Task, run_clusterer
from zsc_utils.errors import ZscError
from zsc_utils.metrics import partition_agreement
from zsc_utils.own import clusterings as own
from zsc_utils.recipes import Recipe
from zsc_utils.reduction import Memo, reduce
from zsc_utils.sweep.evaluate import one_thread

# As many subsamples, of such a share of the images.
SUBSAMPLES, SHARE = 2, 0.8


def stability(X: np.ndarray, recipe: Recipe, clustering: own.Clustering, memo: Memo) -> float:
    """Measure how far clusters come again from a part of the images, by AMI.

    Images are drawn after the reduction, without replacement (Lange et al., 2004, in spirit).

    Parameters
    ----------
    X
        float32 (n, d).
    recipe
        What the clustering was made by.
    clustering
        Of all images.
    memo
        Where reductions are kept and looked up.

    Returns
    -------
    float
        Mean over two subsamples; NaN where none could be clustered.
    """
    random, found = np.random.default_rng(own.SEED), []
    with one_thread():
        reduced = reduce(X, recipe.reduction, seed=own.SEED, memo=memo)
        for _ in range(SUBSAMPLES):
            rows = np.sort(random.choice(len(X), max(2, int(SHARE * len(X))), replace=False))
            task = Task(len(rows), clustering.told or 0, own.MIN_CLUSTER_SIZE, own.SEED)
            settings = dict(recipe.settings)
            try:
                again = run_clusterer(reduced[rows], recipe.clusterer, task, settings).labels
            # Of whatever kind: a subsample that cannot be clustered says nothing.
            except (ZscError, ValueError, ArithmeticError):
                continue
            found.append(partition_agreement(again, clustering.clusters[rows]))
    return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")


def density_validity(Z: np.ndarray, clusters: np.ndarray) -> float:
    """Density-based validity of clusters, DBCV (Moulavi et al., 2014).

    Parameters
    ----------
    Z
        float (n, d).
    clusters
        int (n,), −1 = left out.

    Returns
    -------
    float
        From −1 to 1; NaN for fewer than two clusters, or where densities are no numbers.
    """
    from hdbscan.validity import validity_index

    if len(np.unique(clusters[clusters >= 0])) < 2:
        return float("nan")
    centred = Z - Z.mean(axis=0, dtype=float)
    # Densities are powers of distances: these have to be about 1.
    scaled = centred / (np.linalg.norm(centred, axis=1).mean() or 1)
    with np.errstate(all="ignore"):
        try:
            found = float(validity_index(scaled, clusters.astype(np.intp)))
        except (ValueError, ArithmeticError):
            return float("nan")
    return found if abs(found) <= 1 else float("nan")
