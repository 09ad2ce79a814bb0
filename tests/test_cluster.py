import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from scipy.cluster.hierarchy import ward as scipy_ward
from sklearn.cluster import HDBSCAN as SklearnHDBSCAN
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from zsc_utils.clustering import (
    CLUSTERERS,
    ClusteringError,
    Task,
    cluster,
    make_clusterer,
    run_clusterer,
    scale_for_threshold,
    study_clusterers,
)
from zsc_utils.errors import UnknownNameError
from zsc_utils.recipes import Reduction, recipe_for
from zsc_utils.reduction import reduce
from zsc_utils.ward import ward_tree

TASK = Task(n_samples=90, n_classes=3, min_cluster_size=5, seed=1)


def params(name, settings=None, task=TASK):
    return make_clusterer(name, task, settings).get_params()


def subset_of(expected, found):
    return expected.items() <= found.items()


def test_six_clusterers_and_which_are_told_the_number_of_classes():
    told = {name for name, facts in CLUSTERERS.facts().items() if facts.told_n_classes}
    assert told == {"kmeans", "spectral", "ac_with_c"}
    untold = ["ac_without_c", "affinity_propagation", "hdbscan"]
    assert study_clusterers() == ["kmeans", "spectral", "ac_with_c", *untold]
    assert list(CLUSTERERS) == [*study_clusterers(), "evoc"]


def test_kmeans_settings():
    expected = {
        "n_clusters": 3,
        "init": "k-means++",
        "n_init": 1,
        "max_iter": 1000,
        "random_state": 1,
    }
    assert subset_of(expected, params("kmeans"))


def test_spectral_settings():
    expected = {
        "n_clusters": 3,
        "affinity": "nearest_neighbors",
        "n_neighbors": 30,
        "assign_labels": "cluster_qr",
        "random_state": 1,
    }
    assert subset_of(expected, params("spectral", {"n_neighbors": 30}))
    # Never more neighbours than samples.
    assert params("spectral", {"n_neighbors": 50}, Task(20, 3))["n_neighbors"] == 20


def test_ac_with_c_settings():
    settings = dict(recipe_for("raw_pixels", "ac_with_c").settings)
    expected = {
        "n_clusters": 3,
        "linkage": "average",
        "metric": "cosine",
        "distance_threshold": None,
    }
    assert subset_of(expected, params("ac_with_c", settings))


def test_ac_without_c_settings():
    settings = dict(recipe_for("random_resnet50", "ac_without_c").settings)
    pipeline = make_clusterer("ac_without_c", TASK, settings)
    expected = {"n_clusters": None, "linkage": "average", "metric": "chebyshev"}
    assert subset_of(expected | {"distance_threshold": 10.0}, pipeline[-1].get_params())
    assert pipeline[0].func is scale_for_threshold
    assert pipeline[0].kw_args == {"metric": "chebyshev"}


def test_affinity_propagation_settings():
    expected = {"damping": 0.85, "max_iter": 1000, "convergence_iter": 15, "random_state": 1}
    found = params("affinity_propagation", {"damping": 0.85})
    assert subset_of(expected | {"preference": None, "affinity": "euclidean"}, found)


@pytest.mark.parametrize("size", [5, 2])
def test_hdbscan_settings(size):
    expected = {
        "min_cluster_size": size,
        "min_samples": size - 1,
        "max_cluster_size": 20,
        "cluster_selection_method": "eom",
        "metric": "chebyshev",
        "algorithm": "prims_kdtree",
    }
    found = params("hdbscan", {"metric": "chebyshev"}, Task(104, 3, min_cluster_size=size))
    assert subset_of(expected, found)


@pytest.mark.parametrize(
    ("metric", "length"),
    [("euclidean", 4), ("cosine", 4), ("l1", 16), ("manhattan", 16), ("chebyshev", 1)],
)
def test_scaling_before_the_threshold(metric, length):
    rng = np.random.default_rng(0)
    X = rng.normal(5, rng.uniform(0.5, 3, 16), (200, 16))
    scaled = scale_for_threshold(X, metric)
    # One scalar for all dimensions: the mean of their standard deviations.
    expected = (X - X.mean(axis=0)) / np.std(X, axis=0).mean() / length
    assert np.allclose(scaled, expected)
    # What thresholds rely on: neither the scale of the embeddings nor their origin matters.
    assert np.allclose(scale_for_threshold(100 * X - 3, metric), scaled)


def test_scaling_of_embeddings_without_variance():
    assert np.array_equal(scale_for_threshold(np.ones((5, 3))), np.zeros((5, 3)))


def test_ac_without_c_finds_the_classes(blobs):
    X, y = blobs
    settings = {"linkage": "ward", "metric": "euclidean", "distance_threshold": 2.0}
    for factor in (0.01, 1, 100):
        labels = run_clusterer(factor * X, "ac_without_c", TASK, settings).labels
        assert adjusted_rand_score(y, labels) == 1


@pytest.mark.parametrize("name", ["kmeans", "spectral", "ac_with_c", "affinity_propagation"])
def test_clusterers_find_separated_classes(blobs, name):
    X, y = blobs
    result = run_clusterer(X, name, TASK, {"n_neighbors": 10, "damping": 0.9})
    assert adjusted_rand_score(y, result.labels) == 1
    assert result.status == "ok" and result.reason == "" and result.seconds > 0
    assert result.labels.dtype == np.int32


def test_hdbscan_leaves_outliers_out():
    # Ten small classes, none above a fifth of the samples, and three samples far from everything:
    # too few for a cluster.
    rng = np.random.default_rng(1)
    classes = np.repeat(np.arange(10), 20)
    points = np.concatenate(
        [30 * np.eye(10)[classes] + rng.normal(size=(200, 10)), rng.uniform(500, 5000, (3, 10))]
    )
    result = run_clusterer(points, "hdbscan", Task(203, 10), {"metric": "euclidean"})
    assert (result.labels[-3:] == -1).all()
    clustered = result.labels[:200] >= 0
    assert clustered.mean() > 0.8
    assert adjusted_rand_score(classes[clustered], result.labels[:200][clustered]) == 1


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    return load_digits().data[:600]


@pytest.mark.parametrize("metric", ["euclidean", "l1", "chebyshev"])
def test_hdbscan_is_scikit_learns_to_the_label(digits, metric):
    doubled = np.repeat(digits[:300], 2, axis=0)  # which makes many ties
    in_umap = reduce(digits, Reduction("umap", n_components=50))
    for X in (digits, doubled, in_umap):
        ours = run_clusterer(X, "hdbscan", Task(600, 10), {"metric": metric}).labels
        reference = SklearnHDBSCAN(
            min_cluster_size=5, min_samples=5, max_cluster_size=120, metric=metric, copy=True
        ).fit_predict(X)
        assert ours.max() > 3 and np.array_equal(ours, reference)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3), (61, 1), (600, 50), (300, 400)])
def test_ward_is_scipys_and_cuts_are_scikit_learns(shape, dtype):
    X = np.random.default_rng(0).normal(size=shape).astype(dtype)
    tree, reference = ward_tree(X), scipy_ward(X)
    assert np.allclose(tree.heights, reference[:, 2], rtol=1e-12)
    n = len(X)
    for k in {1, 2, n // 3 or 1, n - 1, n}:
        ours = run_clusterer(X, "ac_with_c", Task(n, k), {"linkage": "ward"}).labels
        theirs = AgglomerativeClustering(k).fit_predict(X)
        assert len(set(ours)) == k and adjusted_rand_score(ours, theirs) == 1
    for threshold in (0.5, 1.0, 2.0):
        ours = run_clusterer(X, "ac_without_c", Task(n, 1), {"distance_threshold": threshold})
        theirs = AgglomerativeClustering(None, distance_threshold=threshold)
        assert adjusted_rand_score(ours.labels, theirs.fit_predict(scale_for_threshold(X))) == 1


def test_ward_puts_together_what_is_the_same_first():
    X = np.repeat(np.random.default_rng(0).normal(size=(20, 4)), 3, axis=0)
    tree = ward_tree(X)
    assert (tree.heights[:40] == 0).all() and (tree.heights[40:] > 0).all()
    assert adjusted_rand_score(tree.cut(20), np.repeat(np.arange(20), 3)) == 1


def test_both_agglomerative_clusterers_cut_one_tree(blobs):
    X, _ = blobs
    first = run_clusterer(X, "ac_with_c", TASK)
    tree = ward_tree(X)
    again = run_clusterer(X, "ac_without_c", TASK, {"distance_threshold": 2.0})
    assert ward_tree(X) is tree
    # The second is said to take as long as if it had made the tree.
    assert again.seconds >= tree.seconds and first.seconds >= tree.seconds
    assert ward_tree(X + 1) is not tree


def test_ward_takes_memory_for_samples_not_for_pairs():
    X = np.random.default_rng(0).normal(size=(2000, 8))
    ward_tree(X[:10])  # compiled by now
    tracemalloc.start()
    ward_tree(X).cut(10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Distances of all pairs are 16 MB.
    assert X.nbytes < peak < 6 * X.nbytes


def test_hdbscan_arccos_ignores_length():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6)) + 8 * np.eye(6)[rng.integers(0, 6, 200)]
    lengths = rng.uniform(0.1, 10, (200, 1))
    task = Task(200, 6)
    one = run_clusterer(X, "hdbscan", task, {"metric": "arccos"}).labels
    other = run_clusterer(X * lengths, "hdbscan", task, {"metric": "arccos"}).labels
    assert adjusted_rand_score(one, other) > 0.99
    assert len(set(one)) > 3


def test_same_seed_same_clusters(blobs):
    X, _ = blobs
    noise = np.random.default_rng(2).normal(size=X.shape).astype(np.float32)
    for name in ("kmeans", "spectral", "affinity_propagation"):
        runs = [run_clusterer(noise, name, TASK, {"n_neighbors": 10}).labels for _ in range(2)]
        assert np.array_equal(*runs)


def test_evoc_settings():
    found = make_clusterer("evoc", Task(90, 3, min_cluster_size=2, seed=7)).estimator.get_params()
    assert subset_of({"base_min_cluster_size": 2, "random_state": 7, "n_neighbors": 15}, found)
    # It is told no number of clusters, by either of its names for that.
    assert found["approx_n_clusters"] is None and found["base_n_clusters"] is None


def test_evoc_finds_separated_classes_whatever_their_length():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 8, 400)
    X = 30 * np.eye(8, 32)[y] + rng.normal(size=(400, 32))
    for lengths in (1, rng.uniform(0.1, 10, (400, 1))):
        points = (lengths * X).astype(np.float32)
        found = [run_clusterer(points, "evoc", Task(400, 8, seed=seed)) for seed in range(1, 5)]
        # Some seeds stop at a layer of few clusters.
        assert np.mean([adjusted_rand_score(y, one.labels) for one in found]) > 0.5
        for one in found:
            assert (one.status, one.reason) == ("ok", "") and one.labels.dtype == np.int32


def test_evoc_gives_the_same_labels_again_and_in_another_process(tmp_path):
    noise = np.random.default_rng(3).normal(size=(300, 16)).astype(np.float32)
    np.save(tmp_path / "noise.npy", noise)
    noise = np.load(tmp_path / "noise.npy", mmap_mode="r")  # read-only, as embeddings on disk are
    before = noise.copy()
    first = cluster(noise, "evoc", seed=5)
    assert np.array_equal(first, cluster(noise, "evoc", seed=5))
    assert not np.array_equal(first, cluster(noise, "evoc", seed=6))
    assert np.array_equal(noise, before)
    code = (
        "import sys, numba, numpy as np; from zsc_utils.clustering import cluster; "
        "assert numba.get_num_threads() == 2; "
        "np.save(sys.argv[2], cluster(np.load(sys.argv[1]), 'evoc', seed=5))"
    )
    files = [str(tmp_path / name) for name in ("noise.npy", "labels.npy")]
    # With more threads than here, maybe.
    environment = os.environ | {"NUMBA_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code, *files], check=True, env=environment)
    assert np.array_equal(np.load(files[1]), first)


@pytest.mark.parametrize("n", [1, 3, 10, 14])
def test_evoc_of_few_samples_says_how_many_it_needs(n):
    X = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    with pytest.raises(ClusteringError, match=f"EVoC needs 15 samples or more, not {n}$"):
        cluster(X, "evoc")


@pytest.mark.parametrize("n", [15, 16, 40])
def test_evoc_of_as_many_samples_as_it_needs(n):
    X = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    labels = cluster(X, "evoc")
    assert labels.shape == (n,) and labels.min() >= -1


def test_evoc_of_few_dimensions_says_how_many_it_needs():
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    with pytest.raises(ClusteringError, match="EVoC needs 4 dimensions or more, not 3$"):
        cluster(X, "evoc")


def test_evoc_under_a_thread_layer_that_would_end_the_process():
    code = (
        "import numpy as np; from zsc_utils.clustering import ClusteringError, cluster\n"
        "try: cluster(np.ones((20, 8), np.float32), 'evoc')\n"
        "except ClusteringError as error: print(error)"
    )
    environment = os.environ | {"NUMBA_THREADING_LAYER": "workqueue"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, env=environment, capture_output=True, text=True)
    assert sys.platform == "darwin" or "NUMBA_THREADING_LAYER=omp takes another" in done.stdout


@pytest.mark.parametrize("value", [0, 1])
def test_evoc_of_rows_that_are_all_the_same_makes_one_cluster(value):
    assert set(cluster(np.full((50, 8), value, np.float32), "evoc")) == {0}


def test_what_does_not_converge_says_so():
    X = np.random.default_rng(0).normal(size=(60, 5))
    # So much damping that a thousand iterations do not raise one exemplar.
    result = run_clusterer(X, "affinity_propagation", Task(60, 3), {"damping": 0.999})
    assert result.status == "not_converged" and "did not converge" in result.reason
    assert set(result.labels) == {-1}
    twins = np.repeat(np.eye(2), 5, axis=0)
    result = run_clusterer(twins, "kmeans", Task(10, 3))
    assert result.status == "not_converged" and "duplicate points" in result.reason


def test_kmeans_that_runs_out_of_iterations(monkeypatch, blobs):
    from sklearn.cluster import KMeans

    fit = KMeans.fit_predict

    def exhausted(self, X):
        labels = fit(self, X)
        self.n_iter_ = self.max_iter
        return labels

    monkeypatch.setattr(KMeans, "fit_predict", exhausted)
    result = run_clusterer(blobs[0], "kmeans", TASK)
    assert result.status == "not_converged" and "1000 iterations" in result.reason


def test_unknown_clusterer():
    with pytest.raises(UnknownNameError, match="did you mean kmeans"):
        make_clusterer("kmean", TASK)
