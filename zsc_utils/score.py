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


def why_undefined(y_true) -> str:
    """Say why no clustering can agree with classes, or disagree; empty where one can.

    With one class, and with a class of its own for each sample, mutual information and what chance
    gives of it are the same number for every clustering: what adjustment leaves is 0 / 0 or 0.

    Parameters
    ----------
    y_true
        (n,) classes, missing ones None or NaN.
    """
    known = pd.Series(np.asarray(y_true, dtype=object)).dropna()
    n_classes = known.nunique()
    if n_classes < 2:
        return "there is one class only" if n_classes else "no sample has a class"
    return "every sample has a class of its own" if n_classes == len(known) else ""


def partition_agreement(one, other) -> float:
    """AMI of two partitions, with arithmetic normalisation (Vinh et al., 2010).

    Parameters
    ----------
    one, other
        (n,) groups, of any kind.

    Returns
    -------
    float
        NaN where it is 0 / 0: both have one group, or as many groups as samples.
    """
    from sklearn.metrics import adjusted_mutual_info_score

    numbers = {len(np.unique(groups)) for groups in (one, other)}
    if numbers in ({1}, {len(one)}, {0}):
        return float("nan")
    return float(adjusted_mutual_info_score(one, other, average_method="arithmetic"))


def adjusted_mutual_information(y_true, y_pred) -> float:
    """AMI of clusters with classes; samples without class do not count.

    Parameters
    ----------
    y_true
        (n,) classes, missing ones None or NaN.
    y_pred
        (n,) clusters; −1, left out, counts as one more cluster.

    Returns
    -------
    float
        NaN where `why_undefined` says why. One cluster of several classes has 0.
    """
    if why_undefined(y_true):
        return float("nan")
    known = np.asarray(pd.notna(y_true))
    truth = pd.factorize(np.asarray(y_true, dtype=object)[known])[0]
    return partition_agreement(truth, np.asarray(y_pred)[known])


TRUTH_SCORES = ("ami", "ari", "fowlkes_mallows", "homogeneity", "completeness", "ami_clustered")


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
        `TRUTH_SCORES`, all NaN where `why_undefined` says why. `ami_clustered` is AMI over the
        clustered samples alone, NaN where they have no class, one, or each its own.
    """
    from sklearn import metrics

    if why_undefined(y_true):
        return dict.fromkeys(TRUTH_SCORES, float("nan"))
    known = np.asarray(pd.notna(y_true))
    truth = pd.factorize(np.asarray(y_true, dtype=object)[known])[0]
    clusters = np.asarray(y_pred)[known]
    clustered = clusters >= 0
    scores = (
        adjusted_mutual_information(truth, clusters),
        float(metrics.adjusted_rand_score(truth, clusters)),
        float(metrics.fowlkes_mallows_score(truth, clusters)),
        float(metrics.homogeneity_score(truth, clusters)),
        float(metrics.completeness_score(truth, clusters)),
        adjusted_mutual_information(truth[clustered], clusters[clustered]),
    )
    return dict(zip(TRUTH_SCORES, scores, strict=True))


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
