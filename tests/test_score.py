import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score

from zsc_utils.metrics import (
    TRUTH_SCORES,
    adjusted_mutual_information,
    cluster_counts,
    partition_agreement,
    silhouette,
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
