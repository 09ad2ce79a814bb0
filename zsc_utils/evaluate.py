"""One embedding, one recipe: reduce, cluster, score. What fails is a row that says so."""

from __future__ import annotations

import traceback
from dataclasses import asdict

import numpy as np
import pandas as pd

from zsc_utils.cluster import Task, cluster, clusterer_settings, registered
from zsc_utils.files import fingerprint
from zsc_utils.recipes import SILHOUETTE_REDUCTION, SILHOUETTE_SEED, Recipe
from zsc_utils.reduce import Memo, ReductionError, method_settings, reduce
from zsc_utils.score import (
    adjusted_mutual_information,
    cluster_counts,
    scores_settings,
    silhouette,
    truth_scores,
)


def cell_key(
    embeddings_key: str, recipe: Recipe, label: str, min_cluster_size: int, seed: int
) -> str:
    """Fingerprint of everything one result depends on."""
    return fingerprint(
        {
            "embeddings": embeddings_key,
            "recipe": recipe.as_dict(),
            "label": label,
            "min_cluster_size": min_cluster_size,
            "seed": seed,
            "silhouette": [asdict(SILHOUETTE_REDUCTION), SILHOUETTE_SEED],
            "versions": [
                method_settings(recipe.reduction.method),
                clusterer_settings(recipe.clusterer),
                method_settings(SILHOUETTE_REDUCTION.method),
                scores_settings(),
            ],
        }
    )


def evaluate(
    X: np.ndarray,
    labels: pd.DataFrame,
    label: str | None,
    recipe: Recipe,
    *,
    seed: int = 1,
    min_cluster_size: int = 5,
    n_classes: int | None = None,
    memo: Memo | None = None,
) -> tuple[dict, np.ndarray | None]:
    """Reduce and cluster embeddings as a recipe says, and score the clusters.

    Parameters
    ----------
    X
        float32 (n, d) embeddings.
    labels
        One row an embedding, one column a label level; may have no columns.
    label
        The level that counts as the classes; None where there is none.
    recipe
        Reduction, clusterer and settings.
    seed
        Random state of UMAP and of the clusterer.
    min_cluster_size
        Smallest cluster that HDBSCAN may make.
    n_classes
        Number of classes that clusterers are told, where there are no labels.
    memo
        Where reductions of these embeddings are kept and looked up.

    Returns
    -------
    row
        `status` (`ok`, `not_converged`, `failed` or `skipped`), `reason`, sizes, scores (NaN or
        absent where they are undefined), `ami_by_level` and `seconds` of the clusterer alone.
    clusters
        int32 (n,), or None where there are none.
    """
    memo = {} if memo is None else memo
    known_classes = 0 if label is None else labels[label].nunique()
    n_classes = n_classes or known_classes
    row = {
        "clusterer": recipe.clusterer,
        "seed": seed,
        "status": "ok",
        "reason": "",
        "recipe": recipe.as_dict(),
        "n_samples": len(X),
        "n_classes": known_classes or None,
    }
    if not n_classes and registered()[recipe.clusterer].told_n_classes:
        return row | {"status": "skipped", "reason": "must be told the number of classes"}, None
    task = Task(len(X), n_classes, min_cluster_size, seed)
    try:
        reduced = reduce(X, recipe.reduction, seed=seed, memo=memo)
        row["n_dims"] = reduced.shape[1]
        clustering = cluster(reduced, recipe.clusterer, task, dict(recipe.settings))
    # One cell's failure, of whatever kind, must not end the sweep; its row keeps what happened.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return row | {
            "status": "failed",
            "reason": reason,
            "traceback": traceback.format_exc(),
        }, None
    row |= {
        "status": clustering.status,
        "reason": clustering.reason,
        "seconds": clustering.seconds,
        **cluster_counts(clustering.labels),
    }
    if label is not None:
        row |= truth_scores(labels[label], clustering.labels)
        row["ami_by_level"] = {
            level: adjusted_mutual_information(labels[level], clustering.labels)
            for level in labels.columns
        }
    row["silhouette_original"] = silhouette(X, clustering.labels)
    try:
        umap_space = reduce(X, SILHOUETTE_REDUCTION, seed=SILHOUETTE_SEED, memo=memo)
        row["silhouette_umap"] = silhouette(umap_space, clustering.labels)
    except ReductionError as error:
        row["silhouette_umap"] = float("nan")
        row["reason"] = "; ".join(filter(None, [row["reason"], f"no silhouette in UMAP: {error}"]))
    return row, clustering.labels
