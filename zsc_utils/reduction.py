"""Reductions: z-score, PCA and UMAP, each computed once for an embedding and then shared."""

from __future__ import annotations

import logging
import warnings
from collections.abc import MutableMapping
from dataclasses import dataclass

import numpy as np

from zsc_utils.cache import fingerprint, versions
from zsc_utils.compiled import kept, one_numba_thread
from zsc_utils.errors import ZscError
from zsc_utils.recipes import Reduction
from zsc_utils.registry import Registry

# The study's UMAP (Lowe et al., clustering section); its metric is euclidean.
UMAP_NEIGHBORS = 30
UMAP_MIN_DIST = 0.0
# Fewer samples than this get exact neighbours from UMAP, more of them approximate ones.
UMAP_EXACT_BELOW = 4096
# t-SNE's fast gradient (Barnes-Hut) exists up to as many dimensions.
BARNES_HUT = 3

Memo = MutableMapping[str, np.ndarray]


@dataclass(frozen=True)
class ReducerFacts:
    """What is known of a reducer.

    Parameters
    ----------
    name
        The name that a `Reduction` has it by.
    version
        Raised by whoever changes what the reducer's code gives: it is part of results' names.
    libraries
        Packages that do its work, beside those that all need: their versions are as well.
    """

    name: str
    version: int = 1
    libraries: tuple[str, ...] = ()


class ReductionError(ZscError):
    """Embeddings that a reduction cannot take."""


# A reducer takes array, reduction, seed and memo; it gives the reduced array.
REDUCERS: Registry[ReducerFacts] = Registry("reducer", ReducerFacts)
reducer = REDUCERS.register


def reducer_settings(name: str) -> dict:
    """Settings that name a method: its version, and those of the libraries that do its work."""
    libraries = versions("numpy", "scipy", "scikit-learn", *REDUCERS[name].facts.libraries)
    return {"method": name, "version": REDUCERS[name].facts.version, **libraries}


def pca_name(zscored: bool) -> str:
    """Name by which a memo holds a decomposition: `<name>-scores` and `<name>-ratio`."""
    return f"pca{'-zscore' if zscored else ''}-{fingerprint(reducer_settings('pca'))}"


def array_name(reduction: Reduction, seed: int) -> str:
    """Name by which a memo holds what a method with random numbers gave."""
    scaled = "-zscore" if reduction.zscore else ""
    settings = fingerprint(reducer_settings(reduction.method))
    return f"{reduction.method}{reduction.n_components}{scaled}-seed{seed}-{settings}"


def zscore(X: np.ndarray) -> np.ndarray:
    """Bring each dimension to zero mean and unit variance; one of zero variance becomes 0."""
    from sklearn.preprocessing import StandardScaler

    return StandardScaler().fit_transform(X)


def pca_scores(X: np.ndarray, zscored: bool, memo: Memo) -> tuple[np.ndarray, np.ndarray]:
    """Decompose embeddings once; every PCA of them is a slice of the result.

    Parameters
    ----------
    X
        float32 (n, d).
    zscored
        Whether to z-score first.
    memo
        Arrays that were computed before, by name.

    Returns
    -------
    scores
        float32 (n, min(n, d)): all principal components, by falling variance.
    ratio
        float (min(n, d),): fraction of the total variance that each explains.
    """
    from sklearn.decomposition import PCA

    name = pca_name(zscored)
    if f"{name}-scores" not in memo or f"{name}-ratio" not in memo:
        # The full solver needs no seed; scikit-learn's default is random for some shapes.
        pca = PCA(svd_solver="full")
        memo[f"{name}-scores"] = pca.fit_transform(zscore(X) if zscored else X)
        memo[f"{name}-ratio"] = pca.explained_variance_ratio_
    return memo[f"{name}-scores"], memo[f"{name}-ratio"]


def components_for_variance(ratio: np.ndarray, variance: float) -> int:
    """Count the leading components that together explain more than a fraction of the variance."""
    return min(int(np.searchsorted(np.cumsum(ratio), variance, side="right")) + 1, len(ratio))


@reducer("none", version=1)
def no_reduction(X: np.ndarray, reduction: Reduction, seed: int, memo: Memo) -> np.ndarray:
    """Embeddings as they are, or z-scored."""
    return zscore(X) if reduction.zscore else np.asarray(X)


@reducer("pca", version=1)
def pca(X: np.ndarray, reduction: Reduction, seed: int, memo: Memo) -> np.ndarray:
    """Leading principal components, by number (at most min(n, d)) or by explained variance."""
    scores, ratio = pca_scores(X, reduction.zscore, memo)
    n_components = reduction.n_components or components_for_variance(ratio, reduction.variance)
    return np.ascontiguousarray(scores[:, :n_components])


def exact_neighbors(X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest neighbours of each row, itself among them, as UMAP does for few samples.

    UMAP has scikit-learn call its distance from Python for each pair. The same distance in a
    compiled loop gives the same numbers; `benchmarks/bench_umap.py` measures what that saves.

    Parameters
    ----------
    X
        float32 (n, d), n ≥ k.
    k
        How many neighbours.

    Returns
    -------
    indices
        int32 (n, k), by rising distance.
    distances
        float32 (n, k).
    """
    from umap.utils import fast_knn_indices

    from zsc_utils.loops import all_distances

    distances = all_distances(np.ascontiguousarray(X, np.float32))
    indices = fast_knn_indices(distances, k)
    return indices, np.take_along_axis(distances, indices, axis=1)


@reducer("umap", version=1, libraries=("umap-learn", "pynndescent", "numba"))
def umap(X: np.ndarray, reduction: Reduction, seed: int, memo: Memo) -> np.ndarray:
    """UMAP (McInnes et al., 2018) with the study's settings, single-threaded under a seed."""
    if len(X) < reduction.fewest_samples:
        raise ReductionError(
            f"UMAP to {reduction.n_components} dimensions needs {reduction.fewest_samples} samples "
            f"or more, not {len(X)}"
        )
    name = array_name(reduction, seed)
    if name not in memo:
        from umap import UMAP

        from zsc_utils import loops  # noqa: F401  (kept are loops that are imported)

        points = zscore(X) if reduction.zscore else np.asarray(X)
        known = UMAP_NEIGHBORS < len(X) < UMAP_EXACT_BELOW
        with kept("umap", "pynndescent", "zsc_utils"):
            neighbors = exact_neighbors(points, UMAP_NEIGHBORS) if known else (None, None)
        reducer = UMAP(
            n_components=reduction.n_components,
            n_neighbors=UMAP_NEIGHBORS,
            min_dist=UMAP_MIN_DIST,
            metric="euclidean",
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(*neighbors, None),
        )
        with warnings.catch_warnings(), kept("umap", "pynndescent"):
            # Few samples: UMAP says that it takes all of them as neighbours, which is meant.
            warnings.filterwarnings("ignore", message="n_neighbors is larger than the dataset")
            # Neighbours that are given cannot be searched for those of new samples: none will come.
            warnings.filterwarnings("ignore", message="precomputed_knn.* is not an NNDescent")
            reduced = reducer.fit_transform(points)
        if not np.isfinite(reduced).all():
            raise ReductionError("UMAP gave NaN or infinities")
        memo[name] = reduced
    return memo[name]


def remembered(name: str, memo: Memo, make) -> np.ndarray:
    """Look an array up under a name; make it where it is not there."""
    if name not in memo:
        array = np.asarray(make(), np.float32)
        if not np.isfinite(array).all():
            raise ReductionError(f"{name} holds NaN or infinities")
        memo[name] = array
    return memo[name]


@reducer("pacmap", version=1, libraries=("pacmap", "faiss-cpu", "numba"))
def pacmap(X: np.ndarray, reduction: Reduction, seed: int, memo: Memo) -> np.ndarray:
    """PaCMAP (Wang et al., 2021) with its authors' settings, single-threaded under a seed."""

    def make():
        from pacmap import PaCMAP

        # It warns of every seed, and of dimensions other than two.
        logging.getLogger("pacmap").setLevel(logging.ERROR)
        model = PaCMAP(n_components=reduction.n_components, random_state=seed)
        with one_numba_thread(), kept("pacmap"):
            return model.fit_transform(np.array(X))

    return remembered(array_name(reduction, seed), memo, make)


@reducer("tsne", version=1)
def tsne(X: np.ndarray, reduction: Reduction, seed: int, memo: Memo) -> np.ndarray:
    """t-SNE (van der Maaten & Hinton, 2008) with scikit-learn's settings: perplexity 30."""

    def make():
        from sklearn.manifold import TSNE

        fast = reduction.n_components <= BARNES_HUT
        return TSNE(
            n_components=reduction.n_components,
            method="barnes_hut" if fast else "exact",
            random_state=seed,
            n_jobs=1,
        ).fit_transform(np.asarray(X))

    return remembered(array_name(reduction, seed), memo, make)


def reduce(
    X: np.ndarray, reduction: Reduction, *, seed: int = 1, memo: Memo | None = None
) -> np.ndarray:
    """Reduce embeddings.

    Parameters
    ----------
    X
        float32 (n, d).
    reduction
        What to do.
    seed
        Random state (UMAP alone uses it).
    memo
        Where results for these embeddings are kept and looked up: a dict, or an `ArrayFolder`.

    Returns
    -------
    ndarray
        float32 (n, d').

    Raises
    ------
    ReductionError
        There are too few samples for UMAP, or it gave numbers that are not finite.
    """
    memo = {} if memo is None else memo
    return REDUCERS[reduction.method].make(X, reduction, seed, memo)
