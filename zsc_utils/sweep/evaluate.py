"""One embedding, one recipe: reduce, cluster, score. What fails is a row that says so."""

from __future__ import annotations

import traceback
from dataclasses import asdict, replace

import numpy as np
import pandas as pd

from zsc_utils.cache import fingerprint
from zsc_utils.clustering import CLUSTERERS, Task, clusterer_settings, degeneracy, run_clusterer
from zsc_utils.errors import StorageError, ZscError
from zsc_utils.metrics import (
    adjusted_mutual_information,
    cluster_counts,
    scores_settings,
    silhouette,
    truth_scores,
    why_undefined,
)
from zsc_utils.recipes import SILHOUETTE_REDUCTION, SILHOUETTE_SEED, Recipe, Reduction
from zsc_utils.reduction import Memo, ReductionError, reduce, reducer_settings


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
                reducer_settings(recipe.reduction.method),
                clusterer_settings(recipe.clusterer),
                reducer_settings(SILHOUETTE_REDUCTION.method),
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
    nearest_recipe: bool = False,
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
        Smallest cluster that HDBSCAN and EVoC may make.
    n_classes
        Number of classes that clusterers are told, where there are no labels.
    memo
        Where reductions of these embeddings are kept and looked up.
    nearest_recipe
        Where there are too few samples for the recipe's UMAP, or that of the silhouettes, take one
        of fewer dimensions instead of failing.

    Returns
    -------
    row
        `status` (`ok`, `not_converged`, `degenerate`, `failed` or `skipped`), `reason`, the
        `recipe` that was followed, sizes, scores (NaN or absent where they are undefined),
        `ami_by_level` and `seconds` of the clusterer alone.
    clusters
        int32 (n,), or None where there are none: `degenerate` embeddings, all the same or fewer
        different ones than clusters asked for, could be parted in any way.
    """
    memo = {} if memo is None else memo
    known_classes = 0 if label is None else labels[label].nunique()
    n_classes = n_classes or known_classes
    asked, space = recipe.reduction, SILHOUETTE_REDUCTION
    if nearest_recipe:
        recipe = replace(recipe, reduction=asked.nearest(len(X)))
        space = space.nearest(len(X))
    row = {
        "clusterer": recipe.clusterer,
        "seed": seed,
        "status": "ok",
        "reason": "",
        "recipe": recipe.as_dict(),
        "n_samples": len(X),
        "n_classes": known_classes or None,
    }
    if not n_classes and CLUSTERERS[recipe.clusterer].facts.told_n_classes:
        return row | {"status": "skipped", "reason": "must be told the number of classes"}, None
    task = Task(len(X), n_classes, min_cluster_size, seed)
    found, clusters = attempt(X, recipe, task, memo)
    if clusters is None:
        return row | found, None
    reasons = [found["reason"], _in_place_of(asked, recipe.reduction, "recipe with")]
    row |= found | cluster_counts(clusters)
    if label is not None:
        row |= truth_scores(labels[label], clusters)
        others = [level for level in labels.columns if level != label]
        by_level = {level: adjusted_mutual_information(labels[level], clusters) for level in others}
        row["ami_by_level"] = {level: by_level.get(level, row["ami"]) for level in labels.columns}
        if why := why_undefined(labels[label]):
            reasons.append(f"AMI is undefined: {why}")
    row["silhouette_original"] = silhouette(X, clusters)
    try:
        umap_space = reduce(X, space, seed=SILHOUETTE_SEED, memo=memo)
        row["silhouette_umap"] = silhouette(umap_space, clusters)
        if row["silhouette_umap"] == row["silhouette_umap"]:
            reasons.append(_in_place_of(SILHOUETTE_REDUCTION, space, "silhouette in"))
    except ReductionError as error:
        row["silhouette_umap"] = float("nan")
        reasons.append(f"no silhouette in UMAP: {error}")
    return row | {"reason": "; ".join(filter(None, reasons))}, clusters


def attempt(
    X: np.ndarray, recipe: Recipe, task: Task, memo: Memo
) -> tuple[dict, np.ndarray | None]:
    """Reduce and cluster, as every analysis does.

    Returns
    -------
    found
        `status` and `reason`, `n_dims` and `seconds` of what was clustered: part of a row.
    clusters
        int32 (n,), or None where there are none.

    Raises
    ------
    StorageError
        A reduction cannot be kept.
    """
    if reason := degeneracy(X, recipe.clusterer, task):
        return {"status": "degenerate", "reason": reason}, None
    try:
        reduced = reduce(X, recipe.reduction, seed=task.seed, memo=memo)
        found = run_clusterer(reduced, recipe.clusterer, task, dict(recipe.settings))
    # A full disk is no fault of the cell, whose row would keep it.
    except StorageError:
        raise
    except ZscError as error:
        return {"status": "failed", "reason": str(error)}, None
    # One cell's failure, of whatever kind, must not end the sweep; its row keeps what happened.
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return {"status": "failed", "reason": reason, "traceback": traceback.format_exc()}, None
    facts = {name: getattr(found, name) for name in ("status", "reason", "seconds")}
    return {"n_dims": reduced.shape[1]} | facts, found.labels


def _in_place_of(asked: Reduction, taken: Reduction, what: str) -> str:
    """Say what reduction was taken in place of another; empty where it is the same."""
    if taken == asked:
        return ""
    less = f"{taken.n_components}" if taken.method == "umap" else "none"
    return f"{what} UMAP to {less} in place of {asked.n_components} dimensions"
