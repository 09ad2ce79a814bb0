"""Clusterers, each with the settings that all encoders share and those of a recipe.

Settings: Lowe et al. (arXiv 2406.02465), section on clustering and its appendix. EVoC came after
the study and is none of its six: nothing takes it that is not asked to by name.
"""

from __future__ import annotations

import sys
import time
import warnings
from dataclasses import dataclass

import numpy as np

from zsc_utils.cache import versions
from zsc_utils.compiled import kept, one_numba_thread
from zsc_utils.errors import ZscError
from zsc_utils.registry import Registry
from zsc_utils.ward import ward_tree


class ClusteringError(ZscError):
    """Samples too few, or of too few dimensions, for what a clusterer is to make of them."""


@dataclass(frozen=True)
class ClustererFacts:
    """What is known of a clusterer.

    Parameters
    ----------
    name
        The name it is asked for by.
    display
        The name that figures print.
    told_n_classes
        Whether it is told how many classes there are.
    version
        Raised by whoever changes what the clusterer's code gives: it is part of results' names.
    libraries
        Packages that do its work, beside those that all need: their versions are as well.
    in_study
        Whether it is one of the study's, which `all` and the profiles of the project mean.
    fewest_samples
        How many it needs, whatever it is told.
    """

    name: str
    display: str
    told_n_classes: bool
    version: int = 1
    libraries: tuple[str, ...] = ()
    in_study: bool = True
    fewest_samples: int = 1


@dataclass(frozen=True)
class Task:
    """What a clusterer is told beside the data.

    Parameters
    ----------
    n_samples
        Number of rows.
    n_classes
        Number of classes, for the clusterers that are told.
    min_cluster_size
        Smallest cluster that HDBSCAN and EVoC may make.
    seed
        Random state.
    """

    n_samples: int
    n_classes: int
    min_cluster_size: int = 5
    seed: int = 1


@dataclass(frozen=True)
class Clustering:
    """What a clusterer gave.

    Parameters
    ----------
    labels
        int32 (n,): a cluster for each sample, −1 for one left out.
    status
        `ok` or `not_converged`.
    reason
        Why the status is not `ok`; empty otherwise.
    seconds
        Wall time of the clusterer alone.
    """

    labels: np.ndarray
    status: str
    reason: str
    seconds: float


# A maker takes a task and settings, and returns an estimator. They stand in the study's order;
# what is not of the study comes last.
CLUSTERERS: Registry[ClustererFacts] = Registry("clusterer", ClustererFacts)
clusterer = CLUSTERERS.register


def study_clusterers() -> list[str]:
    """Names of the study's six, in its order."""
    return [name for name, facts in CLUSTERERS.facts().items() if facts.in_study]


def make_clusterer(name: str, task: Task, settings: dict | None = None):
    """Make the estimator that a recipe names; its `fit_predict` gives the clusters.

    Raises
    ------
    UnknownNameError
        No clusterer has this name.
    """
    return CLUSTERERS[name].make(task, settings or {})


@clusterer("kmeans", version=1, display="K-means", told_n_classes=True)
def kmeans(task: Task, settings: dict):
    """K-means++ from one initialisation, at most 1000 iterations."""
    from sklearn.cluster import KMeans

    return KMeans(
        n_clusters=task.n_classes,
        init="k-means++",
        n_init=1,
        max_iter=1000,
        random_state=task.seed,
    )


@clusterer("spectral", version=1, display="Spectral", told_n_classes=True)
def spectral(task: Task, settings: dict):
    """Spectral clustering of the nearest-neighbour graph, labelled by pivoted QR."""
    from sklearn.cluster import SpectralClustering

    return SpectralClustering(
        n_clusters=task.n_classes,
        affinity="nearest_neighbors",
        n_neighbors=min(settings.get("n_neighbors", 10), task.n_samples),
        assign_labels="cluster_qr",
        random_state=task.seed,
    )


class Ward:
    """Ward's tree, cut where it leaves some number of clusters or at a height.

    Parameters
    ----------
    n_clusters
        How many to leave.
    threshold
        Height instead, in the scale that `scale_for_threshold` brings samples to.
    """

    def __init__(self, n_clusters: int | None = None, threshold: float | None = None):
        self.n_clusters, self.threshold = n_clusters, threshold

    def fit_predict(self, X: np.ndarray) -> np.ndarray:
        """Cut the tree of float (n, d): clusters int32 (n,)."""
        tree = ward_tree(X)
        self.seconds_ = tree.seconds
        if self.threshold is None:
            return tree.cut(self.n_clusters)
        return tree.cut_at(self.threshold * threshold_scale(X))


def is_ward(settings: dict) -> bool:
    """Tell whether settings ask for Ward's linkage, which is defined for euclidean distances."""
    return settings.get("linkage", "ward") == "ward"


@clusterer("ac_with_c", version=2, display="AC w/ C", told_n_classes=True, libraries=("numba",))
def ac_with_c(task: Task, settings: dict):
    """Agglomerative clustering, cut where it leaves as many clusters as there are classes."""
    from sklearn.cluster import AgglomerativeClustering

    if is_ward(settings):
        return Ward(n_clusters=task.n_classes)
    return AgglomerativeClustering(
        n_clusters=task.n_classes,
        linkage=settings["linkage"],
        metric=settings.get("metric", "euclidean"),
    )


def threshold_scale(X: np.ndarray, metric: str = "euclidean") -> float:
    """Number to divide embeddings by, so that one distance threshold serves all of them.

    The mean over dimensions of their standard deviations, times the length that a vector of ones
    has under the metric (√d; d for L1; 1 for Chebyshev). Without any variance: that length.
    """
    n_dims = X.shape[1]
    length = {"l1": n_dims, "manhattan": n_dims, "cityblock": n_dims, "chebyshev": 1}
    spread = X.std(axis=0).mean()
    return (spread or 1) * length.get(metric, np.sqrt(n_dims))


def scale_for_threshold(X: np.ndarray, metric: str = "euclidean") -> np.ndarray:
    """Centre embeddings and divide them by their `threshold_scale`."""
    return (X - X.mean(axis=0)) / threshold_scale(X, metric)


@clusterer(
    "ac_without_c", version=2, display="AC w/o C", told_n_classes=False, libraries=("numba",)
)
def ac_without_c(task: Task, settings: dict):
    """Agglomerative clustering of scaled embeddings, cut at a distance threshold."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    if is_ward(settings):
        return Ward(threshold=settings["distance_threshold"])
    metric = settings.get("metric", "euclidean")
    return make_pipeline(
        FunctionTransformer(scale_for_threshold, kw_args={"metric": metric}),
        AgglomerativeClustering(
            n_clusters=None,
            distance_threshold=settings["distance_threshold"],
            linkage=settings["linkage"],
            metric=metric,
        ),
    )


@clusterer("affinity_propagation", version=1, display="Affinity Prop.", told_n_classes=False)
def affinity_propagation(task: Task, settings: dict):
    """Affinity propagation: 15 iterations without change count as convergence, at most 1000."""
    from zsc_utils.affinity import AffinityPropagation

    return AffinityPropagation(
        damping=settings.get("damping", 0.5),
        max_iter=1000,
        convergence_iter=15,
        random_state=task.seed,
    )


@clusterer(
    "hdbscan",
    version=2,
    display="HDBSCAN",
    told_n_classes=False,
    libraries=("hdbscan",),
)
def hdbscan(task: Task, settings: dict):
    """HDBSCAN with excess of mass and no cluster above a fifth of the samples.

    Labels are those of scikit-learn's implementation, which the study used. Its core distance
    counts the sample itself and that of the `hdbscan` package does not: hence `min_samples` one
    below the minimum cluster size. And it finds the spanning tree as Prim did: many mutual
    reachabilities are the same core distance, and Borůvka's algorithm, which the package takes
    by itself, orders these ties otherwise and so gives other clusters. `arccos` is the euclidean
    metric on unit vectors.
    """
    from hdbscan import HDBSCAN
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    metric = settings.get("metric", "euclidean")
    estimator = HDBSCAN(
        min_cluster_size=task.min_cluster_size,
        min_samples=task.min_cluster_size - 1,
        # 0 would mean any size.
        max_cluster_size=max(1, int(0.2 * task.n_samples)),
        cluster_selection_method="eom",
        metric="euclidean" if metric == "arccos" else metric,
        algorithm="prims_kdtree",
        core_dist_n_jobs=1,
    )
    return make_pipeline(Normalizer(), estimator) if metric == "arccos" else estimator


# Neighbours that EVoC finds of each sample, itself among them, and dimensions that it embeds their
# graph in: its defaults. Of fewer samples or dimensions than that it fails, or goes on with
# neighbours that are none.
EVOC_NEIGHBORS, EVOC_DIMENSIONS = 15, 4


class Evoc:
    """EVoC in one thread, its compiled code kept on disk.

    Parameters
    ----------
    min_cluster_size
        Smallest cluster of the finest layer.
    seed
        Random state.
    """

    def __init__(self, min_cluster_size: int, seed: int):
        # All of it is compiled when it is imported, unless it is kept by then.
        with kept("evoc"):
            from evoc import EVoC

        self.estimator = EVoC(
            base_min_cluster_size=min_cluster_size,
            n_neighbors=EVOC_NEIGHBORS,
            node_embedding_dim=EVOC_DIMENSIONS,
            random_state=seed,
        )

    def fit_predict(self, X: np.ndarray) -> np.ndarray:
        """Cluster (n, d): clusters int64 (n,), −1 for what is left out."""
        if X.shape[1] < EVOC_DIMENSIONS:
            raise ClusteringError(
                f"EVoC needs {EVOC_DIMENSIONS} dimensions or more, not {X.shape[1]}"
            )
        import numba

        # Whole numbers would be other metrics, and its loops take no array that is read-only.
        points = np.array(X, np.float32, order="C")
        with one_numba_thread(), kept("evoc"):
            # On macOS, where that is all that numba has, EVoC does without nested loops.
            if numba.threading_layer() == "workqueue" and sys.platform != "darwin":
                raise ClusteringError(
                    "EVoC nests parallel loops, at which numba's thread layer `workqueue` would "
                    "end the process: NUMBA_THREADING_LAYER=omp takes another"
                )
            return self.estimator.fit_predict(points)


@clusterer(
    "evoc",
    version=1,
    display="EVoC",
    told_n_classes=False,
    libraries=("evoc", "numba"),
    in_study=False,
    fewest_samples=EVOC_NEIGHBORS,
)
def evoc(task: Task, settings: dict):
    """EVoC (McInnes et al., the `evoc` package): the graph of neighbours by cosine, then density.

    It takes embeddings as they are, embeds the graph of their neighbours in few dimensions, as UMAP
    would, and cuts a tree of densities, as HDBSCAN does, at several sizes. Of these layers the one
    of the most persistent clusters is taken. The same seed gives the same labels, also in another
    process: its searches are parted by threads, hence the one thread. Among few samples another
    seed may well give other clusters. Its loops are compiled for
    the processor without care for the last bits, so across machines labels may differ. The first
    use on a machine compiles them all, which takes minutes.
    """
    return Evoc(task.min_cluster_size, task.seed)


def clusterer_settings(name: str) -> dict:
    """Settings that name a clusterer: its version, and those of the libraries that do its work."""
    facts = CLUSTERERS[name].facts
    libraries = versions("numpy", "scipy", "scikit-learn", *facts.libraries)
    return {"clusterer": name, "version": facts.version, **libraries}


def all_alike(X: np.ndarray) -> bool:
    """Tell whether all rows are the same, but for the last bits of their numbers.

    A network that gives every image one embedding rounds it differently in batches of other sizes.
    """
    low, high = X.min(axis=0), X.max(axis=0)
    with np.errstate(over="ignore"):
        return bool((high - low <= 4 * np.spacing(np.maximum(abs(low), abs(high)))).all())


def count_distinct(X: np.ndarray, enough: int) -> int:
    """Count the different rows, at most `enough` of them."""
    # Adding zero makes -0 a plain 0, whose bytes are others.
    seen = set()
    for row in X:
        seen.add((row + 0).tobytes())
        if len(seen) == enough:
            break
    return len(seen)


def degeneracy(X: np.ndarray, name: str, task: Task) -> str:
    """Say why whatever a clusterer made of embeddings would be arbitrary; empty where it is not.

    Parameters
    ----------
    X
        Embeddings before they are reduced: UMAP draws apart what is the same.
    name
        Name of the clusterer.
    task
        What it is told.
    """
    if len(X) == 1:
        return "there is one embedding only"
    if all_alike(X):
        return f"all {len(X)} embeddings are the same"
    wanted = task.n_classes if CLUSTERERS[name].facts.told_n_classes else 0
    if wanted <= len(X) and (found := count_distinct(X, wanted or 1)) < wanted:
        return f"{len(X)} embeddings, of which {found} differ, cannot make {wanted} clusters"
    return ""


def check_number(name: str, task: Task) -> None:
    """Raise where there are too few samples for a clusterer, or for the clusters it is to make.

    Raises
    ------
    ClusteringError
        With both numbers.
    """
    facts = CLUSTERERS[name].facts
    if task.n_samples < facts.fewest_samples:
        raise ClusteringError(
            f"{facts.display} needs {facts.fewest_samples} samples or more, not {task.n_samples}"
        )
    if not facts.told_n_classes:
        return
    # The graph of n samples has fewer than n vectors to part them by.
    spare = name == "spectral"
    if task.n_classes + spare > task.n_samples:
        raise ClusteringError(
            f"{task.n_classes} clusters need {task.n_classes + spare} samples or more"
            + (" in spectral clustering" if spare else "")
            + f", not {task.n_samples}"
        )


def run_clusterer(X: np.ndarray, name: str, task: Task, settings: dict | None = None) -> Clustering:
    """Cluster an array, and say how it went.

    Parameters
    ----------
    X
        float32 (n, d), reduced as the recipe says.
    name
        Name of the clusterer.
    task
        What it is told.
    settings
        The recipe's settings.

    Raises
    ------
    UnknownNameError
        No clusterer has this name.
    ClusteringError
        There are too few samples or dimensions.
    Exception
        Whatever the clusterer itself raises.
    """
    from sklearn.exceptions import ConvergenceWarning

    check_number(name, task)
    estimator = make_clusterer(name, task, settings)
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = estimator.fit_predict(X)
    # A tree that is cut a second time is not made again, and its time counts nonetheless.
    seconds = max(time.perf_counter() - start, getattr(estimator, "seconds_", 0))
    reasons = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
    # K-means alone stops at its last iteration without a word.
    if name == "kmeans" and estimator.n_iter_ >= estimator.max_iter:
        reasons.append(f"stopped after {estimator.n_iter_} iterations")
    status = "not_converged" if reasons else "ok"
    return Clustering(labels.astype(np.int32), status, "; ".join(reasons), seconds)


def cluster(
    X: np.ndarray,
    name: str,
    n_classes: int | None = None,
    *,
    min_cluster_size: int = 5,
    seed: int = 1,
    **settings,
) -> np.ndarray:
    """Cluster an array.

    Parameters
    ----------
    X
        float32 (n, d).
    name
        `kmeans`, `spectral`, `ac_with_c`, `ac_without_c`, `affinity_propagation` or `hdbscan`; or
        `evoc`, which is not of the study: it compares by cosine and wants embeddings that are not
        reduced.
    n_classes
        Number of clusters, which the first three must be told; the others find their own.
    min_cluster_size
        Smallest cluster that HDBSCAN and EVoC may make.
    seed
        Random state.
    settings
        The clusterer's own, as in a table of recipes: `metric`, `linkage`, `distance_threshold`,
        `damping`, `n_neighbors`.

    Returns
    -------
    ndarray
        int32 (n,): a cluster for each row, −1 for one left out.

    Raises
    ------
    UnknownNameError
        No clusterer has this name.
    ClusteringError
        The clusterer must be told the number of clusters and is not, or there are too few rows: as
        many as clusters (spectral clustering: one more), and for EVoC 15, of 4 dimensions. Rows
        that are all the same are no error: whoever is told makes that many clusters of them, EVoC
        one.
    """
    if CLUSTERERS[name].facts.told_n_classes and n_classes is None:
        raise ClusteringError(f"{name} must be told how many clusters to make: n_classes")
    task = Task(len(X), n_classes or 0, min_cluster_size, seed)
    return run_clusterer(X, name, task, settings).labels
