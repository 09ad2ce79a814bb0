"""Clusterings of own images: every clusterer, at several numbers of clusters where one is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from zsc_utils.cache import fingerprint
from zsc_utils.clustering import CLUSTERERS, Task, clusterer_settings, study_clusterers
from zsc_utils.metrics import cluster_counts, partition_agreement, silhouettes
from zsc_utils.recipes import SILHOUETTE_REDUCTION, SILHOUETTE_SEED, Recipe, recipe_for
from zsc_utils.reduction import Memo, ReductionError, reduce, reducer_settings
from zsc_utils.sweep.evaluate import attempt, one_thread

SEED = 1
MIN_CLUSTER_SIZE = 5
# Numbers of clusters that are tried: each about a quarter more than the one before.
NUMBERS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)
# These are tried at every number. Others that must be told one get those that looked best.
QUICK = ("kmeans", "ac_with_c")


@dataclass(frozen=True)
class Clustering:
    """What one clusterer made of the embeddings of one encoder.

    Parameters
    ----------
    encoder, clusterer
        Their names.
    told
        How many clusters the clusterer was told to make; None where it finds the number itself.
    status, reason
        As in results of a sweep.
    clusters
        int32 (n,), −1 = left out; None where there are none.
    """

    encoder: str
    clusterer: str
    told: int | None
    status: str
    reason: str
    clusters: np.ndarray | None


def numbers_to_try(n: int) -> list[int]:
    """List the numbers of clusters that are tried for n images: down to five images each."""
    return [number for number in NUMBERS if number <= max(2, n // 5)]


def is_told(clusterer: str) -> bool:
    """Whether a clusterer must be told a number of clusters."""
    return CLUSTERERS[clusterer].facts.told_n_classes


def own_recipe(encoder: str, family: str | None, clusterer: str, n: int) -> Recipe:
    """Look up the study's recipe; of few images UMAP takes fewer dimensions.

    Raw pixels, whose family is none, have rows of their own.
    """
    recipe = recipe_for(encoder, clusterer, family)
    return replace(recipe, reduction=recipe.reduction.nearest(n))


def cluster_each(
    X: np.ndarray, encoder: str, recipe: Recipe, numbers: Iterable[int | None], memo: Memo
) -> list[Clustering]:
    """Cluster embeddings by one recipe, at each of some numbers of clusters.

    Parameters
    ----------
    X
        float32 (n, d).
    encoder
        Its name.
    recipe
        As `own_recipe` gives it.
    numbers
        What the clusterer is told, one after the other; None for one that is not told.
    memo
        Where reductions are kept and looked up.
    """
    found = []
    with one_thread():
        for number in numbers:
            task = Task(len(X), number or 0, MIN_CLUSTER_SIZE, SEED)
            name = clusters_name(recipe, task)
            if name in memo and f"{name}-status" in memo:
                said, clusters = memo[f"{name}-status"].tolist(), memo[name]
            else:
                facts, clusters = attempt(X, recipe, task, memo)
                said = [facts["status"], facts["reason"]]
                if clusters is not None:
                    memo[f"{name}-status"] = np.array(said)
                    memo[name] = clusters
            found.append(Clustering(encoder, recipe.clusterer, number, *said, clusters))
    return found


def clusters_name(recipe: Recipe, task: Task) -> str:
    """Name by which a memo holds clusters."""
    settings = {
        "recipe": recipe.as_dict(),
        "task": asdict(task),
        "versions": [
            reducer_settings(recipe.reduction.method),
            clusterer_settings(recipe.clusterer),
        ],
    }
    return f"clusters-{recipe.clusterer}-{fingerprint(settings)}"


def umap_space(X: np.ndarray, memo: Memo) -> np.ndarray:
    """Bring embeddings to the space in which the study measures silhouettes."""
    return reduce(X, SILHOUETTE_REDUCTION.nearest(len(X)), seed=SILHOUETTE_SEED, memo=memo)


def describe(X: np.ndarray, clusterings: list[Clustering], memo: Memo) -> pd.DataFrame:
    """Describe clusterings of the embeddings of one encoder, without labels.

    Parameters
    ----------
    X
        float32 (n, d).
    clusterings
        All that gave clusters.
    memo
        Where reductions are kept and looked up.

    Returns
    -------
    DataFrame
        One row a clustering: `encoder`, `clusterer`, `told`, `n_clusters`, `fraction_clustered`,
        `largest` (share of the images that the largest cluster has), `silhouette_umap` and
        `silhouette_original` (NaN where undefined).
    """
    labelings = [one.clusters for one in clusterings]
    names = pd.DataFrame(map(vars, clusterings), columns=["encoder", "clusterer", "told"])
    table = names.join(pd.DataFrame(map(cluster_counts, labelings)))
    sizes = [np.bincount(clusters[clusters >= 0], minlength=1) for clusters in labelings]
    table["largest"] = [found.max() / len(X) for found in sizes]
    try:
        table["silhouette_umap"] = silhouettes(umap_space(X, memo), labelings)
    except ReductionError:
        table["silhouette_umap"] = np.nan
    table["silhouette_original"] = silhouettes(X, labelings)
    return table


def agreements(table: pd.DataFrame, clusters: list[np.ndarray]) -> pd.DataFrame:
    """Measure how far clusterings agree with what others made of the same images, by AMI.

    Parameters
    ----------
    table
        As `describe` gives it, of one encoder or several.
    clusters
        int (n,) each, in the order of the table.

    Returns
    -------
    DataFrame
        `agreement_clusterers`: mean over the study's other clusterers that find the number of
        clusters themselves, of the same embeddings. `agreement_encoders`: mean over the other
        encoders, of the same clusterer told the same number. NaN where there is no other.
    """
    encoder, clusterer, told = (table[name].to_numpy() for name in ("encoder", "clusterer", "told"))
    free, of_study = pd.isna(told), np.isin(clusterer, study_clusterers())
    rows = []
    for i in range(len(table)):
        here = encoder == encoder[i]
        others = here & (clusterer != clusterer[i]) & free & of_study
        twins = ~here & (clusterer == clusterer[i]) & ((told == told[i]) | (free & free[i]))
        rows.append(
            {
                "agreement_clusterers": _mean_agreement(clusters, i, others),
                "agreement_encoders": _mean_agreement(clusters, i, twins),
            }
        )
    return pd.DataFrame(rows, table.index)


def _mean_agreement(clusters: list[np.ndarray], i: int, others: np.ndarray) -> float:
    found = [partition_agreement(clusters[i], clusters[j]) for j in np.flatnonzero(others)]
    return pd.Series(found, dtype=float).mean()
