"""Scores: of a clustering against the truth and without it, of embeddings by their neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pandas as pd

from zsc_utils.cache import versions

# Raised with any change to what a score is, or to how reduction, clusters and scores make one row:
# it is part of results' names.
SCORES_VERSION = 1
# Raised with any change to how neighbours vote: it is part of results' names.
NEIGHBOURS_VERSION = 1

KS = (1, 10, 20, 100, 200)
TEMPERATURE = 0.07
# Similarities held at once: 4096 x 16384 of four bytes are a quarter of a gigabyte.
TEST_ROWS, TRAIN_ROWS = 4096, 16384
# Samples whose distances to all others are held at once.
SILHOUETTE_ROWS = 32
# Votes held at once, test images x classes.
VOTES = 2**24


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


def expected_mutual_information(sizes: np.ndarray, other_sizes: np.ndarray) -> float:
    """Mutual information that chance gives two partitions of such sizes (Vinh et al., 2010).

    Groups of the same size contribute the same: each pair of different sizes is summed once. Where
    one group has a of n samples and another b, they share s with the hypergeometric probability
    a! b! / (s! (a − s)! (b − s)!) · (n − a)! (n − b)! / (n! (n − a − b + s)!). Its second factor is
    made of sums of log n, log (n − 1), …: logarithms of n! and (n − a)! are large and nearly the
    same, and their difference loses the digits that matter among many small groups.

    Parameters
    ----------
    sizes, other_sizes
        int (k,) and (l,): samples in each group; both sum to n.

    Returns
    -------
    float
        In nats.
    """
    from scipy.special import gammaln

    n = int(np.sum(sizes))
    factorial = gammaln(np.arange(n + 1) + 1.0)  # log k!
    falling = np.concatenate([[0.0], np.cumsum(np.log(np.arange(n, 0, -1.0)))])  # log n!/(n − k)!
    counted = (np.unique(found, return_counts=True) for found in (sizes, other_sizes))
    few, (b, times) = sorted(counted, key=lambda pair: len(pair[0]))
    total = 0.0
    for a, of_size_a in zip(*few, strict=True):
        least = np.maximum(1, a + b - n)
        numbers = np.minimum(a, b) - least + 1  # how many values of s, by b
        ends = np.cumsum(numbers)
        shared = np.arange(ends[-1]) - np.repeat(ends - numbers - least, numbers)
        size = np.repeat(b, numbers)
        log_p = np.repeat(factorial[a] + factorial[b] - falling[a] - falling[b], numbers)
        log_p -= factorial[shared] + factorial[a - shared] + factorial[size - shared]
        log_p += falling[a + size - shared]
        information = shared / n * np.log(shared / a * (n / size))
        total += of_size_a * (np.repeat(times, numbers) @ (information * np.exp(log_p)))
    return float(total)


def entropy(counts: np.ndarray) -> float:
    """Entropy of counts, in nats: what `scipy.stats.entropy` does, without its checks.

    For a few hundred samples they take ten times as long as all else.
    """
    from scipy.special import entr

    return entr(counts / counts.sum()).sum()


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
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(one, other, sparse=True)
    numbers = set(table.shape)
    if numbers in ({1}, {len(one)}, {0}):
        return float("nan")
    if numbers & {1, len(one)}:
        return 0.0  # all the information that such a partition shares is what chance gives it
    sizes = [np.ravel(table.sum(axis)) for axis in (0, 1)]
    # Sums in one order, so that identical partitions have an AMI of 1 to the last bit.
    by_one, by_other, by_both = (entropy(np.sort(found)) for found in (*sizes, table.data))
    expected = expected_mutual_information(*sizes)
    return float((by_one + by_other - by_both - expected) / ((by_one + by_other) / 2 - expected))


def with_class(y_true, y_pred) -> tuple[np.ndarray, np.ndarray]:
    """Classes, as whole numbers, and clusters of the samples that have a class."""
    known = np.asarray(pd.notna(y_true))
    return pd.factorize(np.asarray(y_true, dtype=object)[known])[0], np.asarray(y_pred)[known]


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
    return partition_agreement(*with_class(y_true, y_pred))


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
    truth, clusters = with_class(y_true, y_pred)
    clustered = clusters >= 0
    ami = adjusted_mutual_information(truth, clusters)
    homogeneity, completeness, _ = metrics.homogeneity_completeness_v_measure(truth, clusters)
    scores = (
        ami,
        float(metrics.adjusted_rand_score(truth, clusters)),
        float(metrics.fowlkes_mallows_score(truth, clusters)),
        float(homogeneity),
        float(completeness),
        ami
        if clustered.all()
        else adjusted_mutual_information(truth[clustered], clusters[clustered]),
    )
    return dict(zip(TRUTH_SCORES, scores, strict=True))


def cluster_counts(y_pred: np.ndarray) -> dict[str, float]:
    """Count the clusters (`n_clusters`, −1 not among them) and the `fraction_clustered`."""
    clusters = np.unique(y_pred)
    return {
        "n_clusters": int((clusters >= 0).sum()),
        "fraction_clustered": float((np.asarray(y_pred) >= 0).mean()),
    }


@cache
def blas_pools():
    """Find BLAS's pools of threads, NumPy's among them: once, as that takes 5 ms."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def silhouette_samples(X: np.ndarray, labelings: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Silhouettes (Rousseeuw, 1987) of every sample under several labelings, euclidean.

    All labelings share one pass over the distances. Of these no more than a few rows are held at a
    time, by as many threads as BLAS may have; numbers do not depend on how many.

    Parameters
    ----------
    X
        float (n, d).
    labelings
        int (n,) each: clusters, two or more.

    Returns
    -------
    list of ndarray
        float64 (n,) for each labeling. A sample alone in its cluster has 0.
    """
    pools = blas_pools()
    most = max((pool["num_threads"] for pool in pools.info()), default=1)
    with pools.limit(limits=1), ThreadPoolExecutor(most) as threads:
        blocks = list(threads.map(*_silhouette_blocks(np.asarray(X), labelings)))
    return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]


def _silhouette_blocks(X: np.ndarray, labelings: Sequence[np.ndarray]) -> tuple:
    """Function that gives a block's silhouettes under each labeling, and where blocks begin."""
    from scipy.sparse import csr_array

    n = len(X)
    centred = X - X.mean(axis=0, dtype=float)
    squares = np.einsum("ij,ij->i", centred, centred)
    # A row of the one times a row of the other is the squared distance of two samples.
    ones = np.ones(n)
    left, right = (centred, squares, ones), (-2 * centred, ones, squares)
    left, right = np.column_stack(left), np.column_stack(right)
    codes = [np.unique(labels, return_inverse=True)[1] for labels in labelings]
    ends = np.cumsum([code.max() + 1 for code in codes])
    parts = [slice(end - code.max() - 1, end) for code, end in zip(codes, ends, strict=True)]
    sizes = np.concatenate([np.bincount(code) for code in codes])
    rows = np.concatenate([code + part.start for code, part in zip(codes, parts, strict=True)])
    columns = np.tile(np.arange(n), len(codes))
    members = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(sizes), n))

    def block(start: int) -> list[np.ndarray]:
        here = slice(start, min(start + SILHOUETTE_ROWS, n))
        distances = left @ right[here].T
        at = np.arange(distances.shape[1])
        distances[start + at, at] = 0
        np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
        sums = members @ distances
        found = []
        for code, part in zip(codes, parts, strict=True):
            own, size = code[here], sizes[part, None]
            others = size[own, 0] - 1
            within = sums[part][own, at] / np.maximum(others, 1)
            means = sums[part] / size
            means[own, at] = np.inf
            between = means.min(axis=0)
            largest = np.maximum(within, between)
            defined = (others > 0) & (largest > 0)
            found.append(np.where(defined, (between - within) / np.where(defined, largest, 1), 0.0))
        return found

    return block, range(0, n, SILHOUETTE_ROWS)


def silhouettes(X: np.ndarray, labelings: Sequence[np.ndarray]) -> list[float]:
    """Mean silhouette of each of several labelings, euclidean, by one pass over the distances.

    Samples that were left out count as one more cluster, as in AMI, where there are two or more.

    Parameters
    ----------
    X
        float (n, d).
    labelings
        int (n,) each.

    Returns
    -------
    list of float
        NaN where it is undefined: fewer than two clusters (−1 is none), or as many clusters as
        samples.
    """
    found = [np.unique(labels) for labels in labelings]
    defined = [(labels >= 0).sum() > 1 and len(labels) < len(X) for labels in found]
    asked = [labels for labels, ok in zip(labelings, defined, strict=True) if ok]
    means = (samples.mean() for samples in (silhouette_samples(X, asked) if asked else ()))
    return [float(next(means)) if ok else float("nan") for ok in defined]


def silhouette(X: np.ndarray, y_pred: np.ndarray) -> float:
    """Mean silhouette of one clustering, as `silhouettes` has it of several.

    Parameters
    ----------
    X
        float (n, d).
    y_pred
        int (n,), −1 = left out.

    Returns
    -------
    float
        NaN where it is undefined.
    """
    return silhouettes(X, [y_pred])[0]


def scores(y_true, y_pred: np.ndarray, X: np.ndarray | None = None) -> dict[str, float]:
    """Score clusters: against classes, by their number and, given the samples, by their silhouette.

    Parameters
    ----------
    y_true
        (n,) classes, missing ones None or NaN.
    y_pred
        int (n,) clusters, −1 for samples that were left out.
    X
        float (n, d): the space in which distances are measured.

    Returns
    -------
    dict
        `TRUTH_SCORES`, `n_clusters`, `fraction_clustered` and, with `X`, `silhouette`. What is
        undefined is NaN.
    """
    found = truth_scores(y_true, y_pred) | cluster_counts(y_pred)
    return found if X is None else found | {"silhouette": silhouette(X, y_pred)}


def nearest(
    train: np.ndarray, test: np.ndarray, k: int, device: str = "cpu", rows: int = TRAIN_ROWS
) -> tuple[np.ndarray, np.ndarray]:
    """Find the k nearest rows of `train` by cosine, for each row of `test`.

    Rows of `train` are read once, a block after the other, and only the best k so far are kept:
    a memory map of any length will do. Of equally near rows any may be taken.

    Parameters
    ----------
    train, test
        float32 (n, d) and (m, d). A row of zeros has similarity 0 to all.
    k
        Number of neighbours, at most n.
    device
        Torch device that multiplies.
    rows
        Rows of `train` at once.

    Returns
    -------
    similarity, which
        float32 and int64 (m, k): cosines, falling, and positions in `train`.
    """
    import torch
    from torch.nn.functional import normalize

    wanted = normalize(torch.tensor(test), dim=1)
    best = torch.full((len(test), k), -torch.inf)
    which = torch.zeros((len(test), k), dtype=torch.int64)
    for start in range(0, len(train), rows):
        block = normalize(torch.tensor(train[start : start + rows]).to(device), dim=1).T
        for first in range(0, len(test), TEST_ROWS):
            here = slice(first, first + TEST_ROWS)
            similarity = wanted[here].to(device) @ block
            near, place = (x.cpu() for x in similarity.topk(min(k, block.shape[1]), dim=1))
            near, place = (
                torch.cat([best[here], near], 1),
                torch.cat([which[here], start + place], 1),
            )
            best[here], chosen = near.topk(k, dim=1)
            which[here] = place.gather(1, chosen)
    return best.numpy(), which.numpy()


def vote(similarity: np.ndarray, classes: np.ndarray, n_classes: int, k: int) -> np.ndarray:
    """Choose the class with the largest sum of exp(similarity / 0.07) among the k nearest.

    Parameters
    ----------
    similarity
        float32 (m, at least k), falling.
    classes
        int64, likewise: the neighbours' classes, from 0.
    n_classes
        Number of classes.
    k
        Number of neighbours that vote.

    Returns
    -------
    int64 (m,)
    """
    import torch

    weights = torch.tensor(similarity[:, :k]).div(TEMPERATURE).exp()
    classes = torch.tensor(classes[:, :k])
    rows = max(1, VOTES // n_classes)
    parts = [
        torch.zeros(len(weight), n_classes).scatter_add_(1, chosen, weight).argmax(1)
        for weight, chosen in zip(weights.split(rows), classes.split(rows), strict=True)
    ]
    return torch.cat(parts).numpy()


def accuracy_by_k(
    train: np.ndarray,
    y_train: np.ndarray,
    test: np.ndarray,
    y_test: np.ndarray,
    ks: Sequence[int] = KS,
    device: str = "cpu",
) -> dict[int, float]:
    """Accuracy of a weighted vote of the k nearest neighbours by cosine, for several k.

    Weights are exp(similarity / 0.07), as in the study (after Wu et al., arXiv 1805.01978).

    Parameters
    ----------
    train, test
        float32, (n, d) and (m, d).
    y_train, y_test
        int64, (n,) and (m,): classes from 0. A class that `train` lacks is never right.
    ks
        Numbers of neighbours; where there are fewer train images, all of them vote.
    device
        Torch device.

    Returns
    -------
    dict
        Fraction of the test images that get their class, by k.
    """
    most = min(max(ks), len(train))
    similarity, which = nearest(train, test, most, device)
    classes = np.asarray(y_train)[which]
    n_classes = int(np.max(y_train)) + 1
    return {
        k: float((vote(similarity, classes, n_classes, min(k, most)) == y_test).mean()) for k in ks
    }
