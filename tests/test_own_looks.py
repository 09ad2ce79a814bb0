"""What each image is to its cluster, against plain loops over all pairs."""

import numpy as np
import pytest

from zsc_utils.own import looks


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 5)).astype(np.float32)
    clusters = rng.integers(-1, 4, 60).astype(np.int32)
    # One cluster of a single image.
    clusters[clusters == 3] = 2
    clusters[7] = 3
    return X, clusters


def pairs(X):
    X = X.astype(float)
    return np.sqrt(((X[:, None] - X) ** 2).sum(axis=2))


def test_medoids_are_nearest_to_all_of_their_cluster(points):
    X, clusters = points
    distances, found = pairs(X), looks.distances_to_medoids(X, clusters)
    assert np.isnan(found[clusters < 0]).all()
    for name in range(4):
        rows = np.flatnonzero(clusters == name)
        medoid = min(rows, key=lambda i: sum(distances[i, j] ** 2 for j in rows))
        assert found[medoid] == 0
        np.testing.assert_allclose(found[rows], distances[rows, medoid], atol=1e-5)
    assert found[7] == 0 and found.dtype == np.float32


def test_the_second_cluster_is_the_nearest_other(points, monkeypatch):
    monkeypatch.setattr(looks, "ROWS", 7)
    X, clusters = points
    distances = pairs(X)
    found = looks.distances_to_clusters(X, clusters)
    assert found.names.tolist() == [0, 1, 2, 3]
    means, second = found.means, found.second
    for i in range(len(X)):
        expected = {}
        for name in range(4):
            others = [j for j in np.flatnonzero(clusters == name) if j != i]
            expected[name] = np.mean([distances[i, j] for j in others]) if others else np.nan
            assert means[i, name] == pytest.approx(expected[name], abs=1e-5, nan_ok=True)
        rest = {name: d for name, d in expected.items() if name != clusters[i]}
        assert second[i] == min(rest, key=rest.get)


@pytest.mark.parametrize("only", [0, -1])
def test_where_there_is_no_other_cluster_there_is_no_second(points, only):
    X, _ = points
    clusters = np.full(len(X), only, np.int32)
    second = looks.distances_to_clusters(X, clusters).second
    assert second.tolist() == [-1] * len(X)


def test_neighbours_are_the_nearest_by_cosine_and_never_oneself(points):
    X, _ = points
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -np.inf)
    found = looks.nearest_images(X, 8)
    np.testing.assert_array_equal(found, np.argsort(-similarity, axis=1)[:, :8])
    assert looks.nearest_images(X[:4], 8).shape == (4, 3), "as many as there are"
    alike = looks.nearest_images(np.ones((12, 3), np.float32), 5)
    assert alike.shape == (12, 5)
    assert all(i not in row and len({*row}) == 5 for i, row in enumerate(alike.tolist()))


def test_silhouettes_are_those_of_the_images_that_are_in_clusters(points):
    from sklearn.metrics import silhouette_samples

    X, clusters = points
    found = looks.distances_to_clusters(X, clusters).silhouettes
    inside = clusters >= 0
    assert np.isnan(found[~inside]).all()
    # What is left out is no cluster: it is as though it were not there.
    expected = silhouette_samples(X[inside], clusters[inside])
    np.testing.assert_allclose(found[inside], expected, atol=1e-5)
    assert found[7] == 0, "alone in its cluster"
    one = np.zeros(len(X), np.int32)
    assert np.isnan(looks.distances_to_clusters(X, one).silhouettes).all()
