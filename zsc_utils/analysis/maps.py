"""Embeddings on a plane: where each image lies, and of what class and cluster it is."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zsc_utils.recipes import SILHOUETTE_SEED, Reduction
from zsc_utils.reduction import ReductionError, array_name, reduce
from zsc_utils.sweep.clusterings import Clustering
from zsc_utils.sweep.costs import Size, held_bytes, lack_of_memory, memory_available, reduction_cost

PLANE = Reduction("umap", n_components=2)
LEFT_OUT = "left out"
NO_CLASS = "no class"


def embedding_map(
    clustering: Clustering, max_points: int = 1000, seed: int = SILHOUETTE_SEED
) -> pd.DataFrame:
    """Lay embeddings out on a plane by UMAP, with the study's settings but for two dimensions.

    Parameters
    ----------
    clustering
        What was clustered. Its memo keeps the plane, so that it is computed once.
    max_points
        Images to keep at most, by a seeded random choice; the plane is that of all.
    seed
        Random state of UMAP and of the choice.

    Returns
    -------
    DataFrame
        One row an image: `row` among those of the clustering, `x`, `y` (UMAP's units), and `class`
        and `cluster`, both strings.

    Raises
    ------
    ReductionError
        There are too few images, or too many for the memory that is there.
    """
    X = clustering.embeddings.array
    size = Size(*X.shape)
    lack = lack_of_memory(held_bytes(reduction_cost(PLANE, size), size), memory_available())
    if lack and array_name(PLANE, seed) not in clustering.memo:
        raise ReductionError(f"a map of {size.n} embeddings {lack}")
    plane = reduce(X, PLANE, seed=seed, memo=clustering.memo)
    rows = np.arange(size.n)
    if size.n > max_points:
        rows = np.sort(np.random.default_rng(seed).choice(size.n, max_points, replace=False))
    clusters = clustering.clusters[rows]
    return pd.DataFrame(
        {
            "row": rows,
            "x": plane[rows, 0],
            "y": plane[rows, 1],
            "class": clustering.classes.fillna(NO_CLASS).astype(str).to_numpy()[rows],
            "cluster": np.where(clusters < 0, LEFT_OUT, clusters.astype(str)),
        }
    )


def matched_places(points: pd.DataFrame) -> tuple[dict[str, int], dict[str, int]]:
    """Number classes and clusters so that a class and its cluster have the same number.

    Classes are numbered by falling size. Each is matched with at most one cluster, so that as many
    images as can be are in a matched pair (Kuhn, 1955); other clusters come after the last class.

    Parameters
    ----------
    points
        As `embedding_map` gives it.

    Returns
    -------
    Two dicts, of classes and of clusters: name to number. Images without class or cluster have
    none.
    """
    from scipy.optimize import linear_sum_assignment

    classes, clusters = (
        points.loc[points[column] != none, column].value_counts().sort_index(kind="stable")
        for column, none in (("class", NO_CLASS), ("cluster", LEFT_OUT))
    )
    by_size = list(classes.sort_values(ascending=False, kind="stable").index)
    together = pd.crosstab(points["class"], points["cluster"]).reindex(
        index=by_size, columns=clusters.index, fill_value=0
    )
    pairs = zip(*linear_sum_assignment(-together.to_numpy()), strict=True)
    matched = {clusters.index[j]: int(i) for i, j in pairs if together.iat[i, j]}
    alone = clusters.drop(list(matched)).sort_values(ascending=False, kind="stable").index
    others = {name: len(by_size) + i for i, name in enumerate(alone)}
    return {name: i for i, name in enumerate(by_size)}, matched | others
