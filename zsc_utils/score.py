"""Scores of a clustering: against the truth, and without it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zsc_utils.files import versions

# Raised with any change to what a score is, or to how reduction, clusters and scores make one row:
# it is part of results' names.
SCORES_VERSION = 1


def scores_settings() -> dict:
    """Settings that name the scores: their version, and that of the library behind them."""
    return {"scores": SCORES_VERSION, **versions("scikit-learn")}


def adjusted_mutual_information(y_true, y_pred) -> float:
    """AMI with arithmetic normalisation (Vinh et al., 2010); samples without class do not count.

    Parameters
    ----------
    y_true
        (n,) classes, missing ones None or NaN.
    y_pred
        (n,) clusters; −1, left out, counts as one more cluster.

    Returns
    -------
    float
        NaN where no sample has a class.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    known = np.asarray(pd.notna(y_true))
    if not known.any():
        return float("nan")
    truth = pd.factorize(np.asarray(y_true, dtype=object)[known])[0]
    return float(
        adjusted_mutual_info_score(truth, np.asarray(y_pred)[known], average_method="arithmetic")
    )


def truth_scores(y_true, y_pred: np.ndarray) -> dict[str, float]:
    """Compare clusters with classes; samples without class do not count.

    Parameters
    ----------
    y_true
        (n,) classes, missing ones None or NaN.
    y_pred
        int (n,) clusters; −1, left out, counts as one more cluster.

    Returns
    -------
    dict
        `ami`, `ari`, `fowlkes_mallows`, `homogeneity`, `completeness`, and `ami_clustered`: AMI
        over the clustered samples alone, NaN where there are none. Empty where no sample has a
        class.
    """
    from sklearn import metrics

    known = np.asarray(pd.notna(y_true))
    if not known.any():
        return {}
    truth = pd.factorize(np.asarray(y_true, dtype=object)[known])[0]
    clusters = np.asarray(y_pred)[known]
    clustered = clusters >= 0
    return {
        "ami": adjusted_mutual_information(truth, clusters),
        "ari": float(metrics.adjusted_rand_score(truth, clusters)),
        "fowlkes_mallows": float(metrics.fowlkes_mallows_score(truth, clusters)),
        "homogeneity": float(metrics.homogeneity_score(truth, clusters)),
        "completeness": float(metrics.completeness_score(truth, clusters)),
        "ami_clustered": adjusted_mutual_information(truth[clustered], clusters[clustered])
        if clustered.any()
        else float("nan"),
    }


def cluster_counts(y_pred: np.ndarray) -> dict[str, float]:
    """Count the clusters (`n_clusters`, −1 not among them) and the `fraction_clustered`."""
    clusters = np.unique(y_pred)
    return {
        "n_clusters": int((clusters >= 0).sum()),
        "fraction_clustered": float((np.asarray(y_pred) >= 0).mean()),
    }


def silhouette(X: np.ndarray, y_pred: np.ndarray) -> float:
    """Mean silhouette (Rousseeuw, 1987), euclidean.

    Samples that were left out count as one more cluster, as in AMI, where there are two or more.

    Parameters
    ----------
    X
        float (n, d).
    y_pred
        int (n,).

    Returns
    -------
    float
        NaN where it is undefined: fewer than two clusters (−1 is none), or as many clusters as
        samples.
    """
    from sklearn.metrics import silhouette_score

    labels = np.unique(y_pred)
    if (labels >= 0).sum() < 2 or len(labels) >= len(X):
        return float("nan")
    return float(silhouette_score(X, y_pred, metric="euclidean"))
