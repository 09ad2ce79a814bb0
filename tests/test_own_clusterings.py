"""Clusterings and what is said of them without labels, against plain references."""

import sys

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score

from zsc_utils.own import clusterings
from zsc_utils.own.clusterings import (
    Clustering,
    agreements,
    cluster_each,
    describe,
    numbers_to_try,
    own_recipe,
)
from zsc_utils.recipes import SILHOUETTE_REDUCTION, SILHOUETTE_SEED, Recipe, Reduction
from zsc_utils.reduction import array_name

sys.path.append(str(ROOT / "benchmarks"))
from criteria import density_validity, stability

PLAIN = Recipe(clusterer="kmeans", reduction=Reduction(), settings=())


def made(clusters, clusterer="kmeans", told=3, encoder="raw_pixels"):
    return Clustering(encoder, clusterer, told, "ok", "", np.asarray(clusters, np.int32))


def test_numbers_are_tried_down_to_five_images_each():
    assert numbers_to_try(3) == numbers_to_try(14) == [2]
    assert numbers_to_try(15) == [2, 3]
    assert numbers_to_try(40) == [2, 3, 4, 5, 6, 8]
    assert numbers_to_try(500) == list(clusterings.NUMBERS) == numbers_to_try(10**6)


def test_silhouettes_are_scikit_learns_in_both_spaces(blobs):
    X, y = blobs
    Z = np.random.default_rng(1).normal(size=(90, 4)).astype(np.float32) + y[:, None]
    reduction = SILHOUETTE_REDUCTION.nearest(90)
    memo = {array_name(reduction, SILHOUETTE_SEED): Z}
    some = np.where(np.arange(90) % 9 == 0, -1, y)
    one, nobody = np.where(np.arange(90) < 30, 0, -1), np.full(90, -1)
    table = describe(X, [made(c) for c in (y, some, one, nobody)], memo)
    for column, space in (("silhouette_original", X), ("silhouette_umap", Z)):
        found = table[column].to_numpy()
        assert found[0] == pytest.approx(silhouette_score(space, y), abs=1e-6)
        # What is left out counts as one more cluster.
        assert found[1] == pytest.approx(silhouette_score(space, some), abs=1e-6)
        assert np.isnan(found[2:]).all()
    assert table["n_clusters"].tolist() == [3, 3, 1, 0]
    np.testing.assert_allclose(table["fraction_clustered"], [1, 80 / 90, 1 / 3, 0])
    np.testing.assert_allclose(table["largest"], [1 / 3, 27 / 90, 1 / 3, 0], atol=1e-9)


def test_agreements_are_means_of_scikit_learns_ami():
    rng = np.random.default_rng(0)
    rows = [
        ("a", "kmeans", 2), ("a", "kmeans", 3), ("a", "hdbscan", None), ("a", "ac_without_c", None),
        ("b", "kmeans", 3), ("b", "hdbscan", None), ("c", "kmeans", 3),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["encoder", "clusterer", "told"])
    base = rng.integers(0, 3, 80)
    clusters = [np.where(rng.random(80) < 0.3, rng.integers(-1, 4, 80), base) for _ in rows]

    def mean(i, *others):
        found = [adjusted_mutual_info_score(clusters[i], clusters[j]) for j in others]
        return pytest.approx(np.mean(found), abs=1e-9)

    found = agreements(table, clusters)
    by_clusterers = found["agreement_clusterers"].tolist()
    assert by_clusterers[0] == mean(0, 2, 3) and by_clusterers[1] == mean(1, 2, 3)
    assert by_clusterers[2] == mean(2, 3) and by_clusterers[4] == mean(4, 5)
    assert np.isnan(by_clusterers[5]) and np.isnan(by_clusterers[6]), "there is no other"
    by_encoders = found["agreement_encoders"].tolist()
    assert np.isnan(by_encoders[0]) and np.isnan(by_encoders[3])
    assert by_encoders[1] == mean(1, 4, 6) and by_encoders[6] == mean(6, 1, 4)
    assert by_encoders[2] == mean(2, 5)


def test_stability_is_agreement_with_what_subsamples_give(blobs):
    X, y = blobs
    assert stability(X, PLAIN, made(y), {}) == 1
    noise = np.random.default_rng(3).normal(size=(90, 8)).astype(np.float32)
    whole = KMeans(4, n_init=1, max_iter=1000, random_state=1).fit_predict(noise)
    random, expected = np.random.default_rng(1), []
    for _ in range(2):
        rows = np.sort(random.choice(90, 72, replace=False))
        again = KMeans(4, n_init=1, max_iter=1000, random_state=1).fit_predict(noise[rows])
        expected.append(adjusted_mutual_info_score(again, whole[rows]))
    found = stability(noise, PLAIN, made(whole, told=4), {})
    assert found == pytest.approx(np.mean(expected), abs=1e-6) and found < 0.8
    # More clusters than a subsample has images.
    assert np.isnan(stability(X[:5], PLAIN, made(range(5), told=5), {}))


def test_density_validity_is_hdbscans_whatever_the_unit(blobs):
    from hdbscan.validity import validity_index

    X, y = blobs
    some = np.where(np.arange(90) % 9 == 0, -1, y)
    centred = X - X.mean(axis=0, dtype=float)
    scaled = centred / np.linalg.norm(centred, axis=1).mean()
    for clusters in (y, some):
        expected = validity_index(scaled, clusters.astype(np.intp))
        for unit in (1, 1e-3, 1e3):
            assert density_validity(unit * X, clusters) == pytest.approx(expected, abs=1e-4)
    assert density_validity(X, y) > 0.5 > density_validity(X, np.arange(90) % 3)
    for nothing in (np.zeros(90, int), np.full(90, -1)):
        assert np.isnan(density_validity(X, nothing))


def test_clusters_are_kept_and_so_is_what_went_wrong(blobs, monkeypatch):
    X, _ = blobs
    memo = {}
    first = cluster_each(X, "raw_pixels", PLAIN, [2, 3, 100], memo)
    assert [one.status for one in first] == ["ok", "ok", "failed"]
    assert "100 clusters need 100 samples" in first[2].reason

    def stopped(X, recipe, task, memo):
        found = {"status": "not_converged", "reason": f"stopped at {task.n_classes}"}
        return found, np.zeros(len(X), np.int32)

    monkeypatch.setattr(clusterings, "attempt", stopped)
    for _ in range(2):
        found = cluster_each(X, "raw_pixels", PLAIN, [2, 3, 4], memo)
        assert [one.status for one in found] == ["ok", "ok", "not_converged"]
        assert found[2].reason == "stopped at 4" and found[2].told == 4
        np.testing.assert_array_equal(found[1].clusters, first[1].clusters)
        monkeypatch.setattr(clusterings, "attempt", None)


def test_of_few_images_umap_takes_fewer_dimensions():
    assert own_recipe("timm:any", "ViT", "kmeans", 20).reduction.n_components == 18
    assert own_recipe("timm:any", "ViT", "kmeans", 52).reduction.n_components == 50
    for family in ("ViT", "ResNet"):
        for clusterer in ("kmeans", "spectral", "hdbscan"):
            assert own_recipe("timm:any", family, clusterer, 400).clusterer == clusterer
