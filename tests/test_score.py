from functools import lru_cache
from itertools import product

import numpy as np
import pytest
from mpmath import mp
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score
from sklearn.metrics import silhouette_samples as sklearn_samples
from sklearn.metrics.cluster import contingency_matrix
from sklearn.metrics.cluster import expected_mutual_information as sklearn_expected
from threadpoolctl import threadpool_limits

from zsc_utils.metrics import (
    TRUTH_SCORES,
    adjusted_mutual_information,
    cluster_counts,
    entropy,
    expected_mutual_information,
    partition_agreement,
    silhouette,
    silhouette_samples,
    silhouettes,
    truth_scores,
    why_undefined,
)


def test_known_values():
    y = ["a", "a", "b", "b"]
    same = truth_scores(y, np.array([7, 7, 3, 3]))
    assert same["ami"] == same["ari"] == same["homogeneity"] == same["completeness"] == 1
    merged = truth_scores(y, np.array([0, 0, 0, 0]))
    assert merged["ami"] == merged["ari"] == merged["homogeneity"] == 0
    assert merged["completeness"] == 1
    # Two of four pairs that are together in the clusters are together in the classes, of two.
    assert merged["fowlkes_mallows"] == pytest.approx(np.sqrt(2 / 6 * 2 / 2))


def test_ami_is_scikit_learns_with_arithmetic_normalisation():
    rng = np.random.default_rng(0)
    y, clusters = rng.integers(0, 5, 200), rng.integers(0, 8, 200)
    clusters[:80] = y[:80]
    ours = truth_scores(y, clusters)["ami"]
    assert ours == pytest.approx(adjusted_mutual_info_score(y, clusters))
    assert ours != pytest.approx(adjusted_mutual_info_score(y, clusters, average_method="max"))


@pytest.mark.parametrize(
    ("n", "groups"),
    [(2, (1, 2)), (3, (2, 2)), (7, (3, 6)), (500, (2, 400)), (3000, (40, 900)), (3000, (2, 2))],
)
def test_expected_mutual_information_and_ami_are_scikit_learns(n, groups):
    rng = np.random.default_rng(n)
    for power in (1, 3):  # groups of like sizes, and of very different ones
        one, other = (np.minimum((k * rng.random(n) ** power).astype(int), k - 1) for k in groups)
        other = np.where(rng.random(n) < 0.3, one, other)
        table = contingency_matrix(one, other, sparse=True)
        sizes = np.bincount(one), np.bincount(other)
        ours = expected_mutual_information(*(x[x > 0] for x in sizes))
        assert ours == pytest.approx(sklearn_expected(table, n), abs=1e-10)
        if len(set(one)) > 1 and len(set(other)) > 1 and {len(set(one)), len(set(other))} != {n}:
            expected = adjusted_mutual_info_score(one, other)
            assert partition_agreement(one, other) == pytest.approx(expected, abs=1e-10)
            assert partition_agreement(other, one) == pytest.approx(expected, abs=1e-10)
        if 1 < len(set(one)) < n:
            assert partition_agreement(one, one + 5) == 1


def test_one_group_or_each_its_own_shares_what_chance_gives():
    y = np.repeat([0, 1, 2], 30)
    assert partition_agreement(y, np.zeros(90)) == partition_agreement(y, np.arange(90)) == 0


def test_expected_mutual_information_of_many_small_groups_keeps_its_digits():
    # log n! and log (n − a)! agree in their first digits, which their difference loses.
    rng = np.random.default_rng(0)
    sizes = [np.bincount(rng.integers(0, k, 100_000)) for k in (9_000, 11_000)]
    sizes = [found[found > 0] for found in sizes]
    exact, n = mp.mpf(0), 100_000
    with mp.workdps(40):
        log = lru_cache(lambda k: mp.loggamma(k + 1))
        counted = [np.transpose(np.unique(x, return_counts=True)).tolist() for x in sizes]
        for (a, k), (b, m) in product(*counted):
            for s in range(1, min(a, b) + 1):
                log_p = log(a) + log(b) + log(n - a) + log(n - b) - log(n) - log(s)
                log_p -= log(a - s) + log(b - s) + log(n - a - b + s)
                exact += k * m * mp.mpf(s) / n * mp.log(mp.mpf(n * s) / (a * b)) * mp.exp(log_p)
    assert expected_mutual_information(*sizes) == pytest.approx(float(exact), abs=1e-11)


def test_samples_left_out_count_as_one_more_cluster():
    y = np.repeat(["a", "b", "c"], 4)
    clusters = np.array([0, 0, 0, -1, 1, 1, 1, -1, 2, 2, 2, -1])
    scores = truth_scores(y, clusters)
    relabelled = np.where(clusters < 0, 3, clusters)
    assert scores["ami"] == pytest.approx(adjusted_mutual_info_score(y, relabelled))
    assert scores["ami"] < scores["ami_clustered"] == 1
    assert cluster_counts(clusters) == {"n_clusters": 3, "fraction_clustered": 0.75}


def test_nothing_clustered():
    scores = truth_scores(["a", "a", "b"], np.array([-1, -1, -1]))
    assert scores["ami"] == 0 and np.isnan(scores["ami_clustered"])
    assert cluster_counts(np.array([-1, -1])) == {"n_clusters": 0, "fraction_clustered": 0}


def test_samples_without_class_do_not_count():
    y = np.array(["a", None, "b", "b", float("nan"), "a"], dtype=object)
    clusters = np.array([0, 1, 1, 1, 0, 0])
    assert truth_scores(y, clusters)["ami"] == 1


def test_silhouette_is_scikit_learns(blobs):
    X, y = blobs
    assert silhouette(X, y) == pytest.approx(silhouette_score(X, y))
    with_noise = np.where(np.arange(90) % 7, y, -1)
    assert silhouette(X, with_noise) == pytest.approx(silhouette_score(X, with_noise))


@pytest.mark.parametrize(
    ("y", "why"),
    [
        ([None, None, float("nan"), None], "no sample has a class"),
        (["a", "a", "a", "a"], "there is one class only"),
        (["a", None, "a", None], "there is one class only"),
        ([3.0, float("nan"), float("nan"), float("nan")], "there is one class only"),
        (["a", "b", "c", "d"], "every sample has a class of its own"),
        (["a", None, "c", "d"], "every sample has a class of its own"),
    ],
)
@pytest.mark.parametrize("clusters", [[0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 1, 1], [-1, -1, -1, -1]])
def test_scores_are_undefined_whatever_the_clusters(y, why, clusters):
    """scikit-learn gives 1 for some of these clusters and 0 for others."""
    assert why_undefined(y) == why
    scores = truth_scores(y, np.array(clusters))
    assert list(scores) == list(TRUTH_SCORES) and np.isnan(list(scores.values())).all()
    assert np.isnan(adjusted_mutual_information(y, np.array(clusters)))


def test_one_cluster_of_several_classes_has_0_as_in_the_study():
    y = ["a", "a", "b", "b"]
    assert why_undefined(y) == ""
    assert adjusted_mutual_information(y, np.zeros(4, int)) == 0
    assert adjusted_mutual_information(y, np.full(4, -1)) == 0


def test_ami_over_the_clustered_alone_is_undefined_where_they_have_one_class():
    scores = truth_scores(["a", "a", "a", "b", "b"], np.array([0, 0, 1, -1, -1]))
    assert np.isnan(scores["ami_clustered"]) and 0 < scores["ami"] < 1


def test_agreement_of_partitions():
    one, two, each = np.zeros(4, int), np.array([0, 0, 1, 1]), np.arange(4)
    assert partition_agreement(two, 1 - two) == 1
    assert partition_agreement(one, two) == partition_agreement(two, one) == 0
    assert partition_agreement(one, each) == 0
    assert partition_agreement(each, two) == pytest.approx(0, abs=1e-12)
    # 0 / 0, of which scikit-learn makes 1.
    assert np.isnan(partition_agreement(one, one + 3)) and np.isnan(partition_agreement(each, each))


@pytest.mark.parametrize(
    "labels", [np.zeros(6, int), np.full(6, -1), np.arange(6), np.array([0, 0, 0, -1, -1, -1])]
)
def test_silhouette_is_undefined(labels):
    assert np.isnan(silhouette(np.random.default_rng(0).normal(size=(6, 2)), labels))


@pytest.mark.parametrize("offset", [0, 1e4])
@pytest.mark.parametrize("shape", [(3, 1), (33, 2), (200, 50)])
def test_silhouettes_of_samples_are_scikit_learns(shape, offset):
    rng = np.random.default_rng(0)
    n = len(X := rng.normal(size=shape) + offset)
    X[1] = X[0]
    labelings = [np.arange(n) // 2, rng.integers(-1, 2, n), rng.permutation(n) % (n // 2 + 1)]
    labelings = [labels for labels in labelings if 1 < len(set(labels)) < n]
    for ours, labels in zip(silhouette_samples(X, labelings), labelings, strict=True):
        assert ours == pytest.approx(sklearn_samples(X, labels), abs=1e-6)


def test_silhouettes_do_not_depend_on_threads_nor_on_each_other(blobs):
    X, y = blobs
    labelings = [y, y % 2, np.zeros_like(y), -np.ones_like(y), np.arange(len(y))]
    together = silhouettes(X, labelings)
    assert np.isnan(together[2:]).all() and together[0] > together[1] > -1
    with threadpool_limits(1):
        assert together[:2] == [silhouette(X, labels) for labels in labelings[:2]]


def test_silhouette_of_identical_samples():
    X = np.repeat(np.eye(2, 3, dtype=np.float32), 4, axis=0)
    assert silhouette(X, np.repeat([0, 1], 4)) == 1
    assert silhouette(np.ones((6, 2)), np.repeat([0, 1], 3)) == 0


def test_entropy_is_that_of_scipy_to_the_bit():
    random = np.random.default_rng(0)
    for size in (1, 2, 7, 100, 1000):
        counts = np.sort(random.integers(1, 50, size))
        assert entropy(counts) == scipy_entropy(counts)
