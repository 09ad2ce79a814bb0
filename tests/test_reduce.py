import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from umap import UMAP

from zsc_utils import reduction as room
from zsc_utils.datasets import load_dataset
from zsc_utils.recipes import REDUCTION_METHODS, Reduction
from zsc_utils.reduction import (
    ReductionError,
    components_for_variance,
    exact_neighbors,
    reduce,
    zscore,
)


@pytest.fixture(scope="module")
def digits():
    dataset = load_dataset("digits").subset(300)
    pixels = [np.asarray(dataset.images[i], np.float32).ravel() for i in range(len(dataset))]
    return np.stack(pixels) / 255


def test_recipe_tables_may_name_what_is_registered_here():
    """Tables are read by a room that cannot know this one; other rooms may register more."""
    assert set(REDUCTION_METHODS) <= set(room.REDUCERS)


def test_zscore_gives_unit_variance_and_zero_where_there_is_none(digits):
    scaled = zscore(digits)
    constant = digits.std(axis=0) == 0
    assert constant.any()
    assert np.all(scaled[:, constant] == 0)
    assert np.allclose(scaled.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(scaled[:, ~constant].std(axis=0), 1, atol=1e-4)


def test_no_reduction(digits):
    assert np.array_equal(reduce(digits, Reduction()), digits)
    assert np.array_equal(reduce(digits, Reduction(zscore=True)), zscore(digits))


@pytest.mark.parametrize(
    "size", [{"variance": v} for v in (0.7, 0.85, 0.95)] + [{"n_components": 10}]
)
def test_pca_is_scikit_learns(digits, size):
    """A slice of one shared decomposition equals a decomposition made for the purpose."""
    ours = reduce(digits, Reduction("pca", zscore=True, **size))
    k = size.get("n_components") or size["variance"]
    theirs = PCA(k, svd_solver="full").fit_transform(StandardScaler().fit_transform(digits))
    assert ours.shape == theirs.shape
    assert np.allclose(ours, theirs, atol=1e-4)


def test_pca_of_more_dimensions_than_there_are(digits):
    assert reduce(digits, Reduction("pca", n_components=200)).shape == (300, 64)
    assert reduce(digits[:20], Reduction("pca", n_components=200)).shape == (20, 20)


def test_components_for_variance():
    ratio = np.array([0.5, 0.25, 0.125, 0.125])
    assert [components_for_variance(ratio, f) for f in (0.4, 0.5, 0.6, 0.75, 1.0)] == [
        1,
        2,
        2,
        3,
        4,
    ]


def studys_umap(X, n_components):
    """UMAP as it stands in its package, which finds the neighbours itself."""
    look = {"n_neighbors": 30, "min_dist": 0, "metric": "euclidean"}
    return UMAP(n_components=n_components, random_state=3, n_jobs=1, **look).fit_transform(X)


def test_umap_is_the_studys_and_repeats(digits):
    reduction = Reduction("umap", n_components=50)
    ours = reduce(digits, reduction, seed=3)
    assert ours.shape == (300, 50)
    assert np.array_equal(ours, studys_umap(digits, n_components=50))
    assert not np.array_equal(ours, reduce(digits, reduction, seed=4))


@pytest.mark.parametrize("n", [29, 30, 31, 200])
@pytest.mark.parametrize("groups", [1, 4])
def test_umap_of_given_neighbours_is_that_of_its_own(n, groups):
    """For few samples all others are neighbours; of groups far apart the graph falls to pieces."""
    rng = np.random.default_rng(n)
    X = rng.normal(size=(n, 300)) + 100 * (np.arange(n) % groups)[:, None]
    X = X.astype(np.float32)
    ours = reduce(X, Reduction("umap", n_components=5), seed=3)
    assert np.array_equal(ours, studys_umap(X, n_components=5))


def test_neighbours_are_as_many_as_asked_for_and_the_nearest(digits):
    indices, distances = exact_neighbors(digits, 4)
    among_all = np.linalg.norm(digits[:, None] - digits[None], axis=2)
    assert indices.shape == distances.shape == (300, 4)
    assert np.array_equal(indices[:, 0], np.arange(300)) and not distances[:, 0].any()
    assert np.allclose(distances, np.sort(among_all, axis=1)[:, :4], atol=1e-5)


def test_many_samples_get_umaps_approximate_neighbours(monkeypatch, digits):
    monkeypatch.setattr(room, "UMAP_EXACT_BELOW", 300)
    monkeypatch.setattr(room, "exact_neighbors", None)
    assert reduce(digits, Reduction("umap", n_components=5)).shape == (300, 5)


def test_umap_of_too_few_samples(digits):
    with pytest.raises(ReductionError, match="needs 52 samples or more, not 40"):
        reduce(digits[:40], Reduction("umap", n_components=50))


def test_reductions_are_computed_once_and_shared(digits, monkeypatch):
    calls = {"pca": 0, "umap": 0}
    fit_pca, fit_umap = PCA.fit_transform, UMAP.fit_transform

    def count(kind, function):
        def counted(self, *args, **kwargs):
            calls[kind] += 1
            return function(self, *args, **kwargs)

        return counted

    monkeypatch.setattr(PCA, "fit_transform", count("pca", fit_pca))
    monkeypatch.setattr(UMAP, "fit_transform", count("umap", fit_umap))
    memo = {}
    for _ in range(2):
        for fraction in (0.7, 0.8, 0.9):
            reduce(digits, Reduction("pca", variance=fraction, zscore=True), memo=memo)
        for seed in (1, 42):
            reduce(digits, Reduction("umap", n_components=5), seed=seed, memo=memo)
    assert calls == {"pca": 1, "umap": 2}
    reduce(digits, Reduction("pca", variance=0.9), memo=memo)
    assert calls["pca"] == 2
