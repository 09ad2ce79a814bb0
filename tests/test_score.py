import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score

from zsc_utils.score import (
    adjusted_mutual_information,
    cluster_counts,
    silhouette,
    truth_scores,
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
    scores = truth_scores(["a", "b"], np.array([-1, -1]))
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


def test_no_classes_no_scores():
    assert truth_scores([None, None], np.array([0, 1])) == {}
    assert np.isnan(adjusted_mutual_information([None, None], np.array([0, 1])))


@pytest.mark.parametrize(
    "labels", [np.zeros(6, int), np.full(6, -1), np.arange(6), np.array([0, 0, 0, -1, -1, -1])]
)
def test_silhouette_is_undefined(labels):
    assert np.isnan(silhouette(np.random.default_rng(0).normal(size=(6, 2)), labels))
