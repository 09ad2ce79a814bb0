"""One embedding: how the work on its cells is parted, and each is reduced, clustered and scored.

What fails is a row that says so. Silhouettes come last: one pass over the distances serves all
clusterings of an embedding, which are kept until then.
"""

from __future__ import annotations

import tempfile
import traceback
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.cache import ArrayFolder, held
from zsc_utils.clustering import CLUSTERERS, Task, degeneracy, run_clusterer
from zsc_utils.errors import StorageError, ZscError
from zsc_utils.metrics import (
    adjusted_mutual_information,
    cluster_counts,
    silhouettes,
    truth_scores,
    why_undefined,
)
from zsc_utils.recipes import SILHOUETTE_REDUCTION, SILHOUETTE_SEED, Recipe, Reduction
from zsc_utils.reduction import Memo, ReductionError, reduce
from zsc_utils.sweep.cells import Cell, Job, Size, reductions, reductions_memo
from zsc_utils.sweep.costs import clusterer_cost, peak_bytes
from zsc_utils.sweep.results import SILHOUETTES, read_result, read_row, skipped_row, write_row
from zsc_utils.sweep.workers import in_processes


def stages(jobs: list[Job], build: Path, n: int) -> Iterator[list[tuple]]:
    """Part jobs into calls for n processes: each list when the one before is done.

    Where jobs are many each is one call. Where they are few their reductions come first, side by
    side, then their cells, and then the silhouettes.
    """
    jobs = [job.light() for job in jobs]
    if n == 1 or len(jobs) >= 2 * n:
        yield [(compute_cells, job, build) for job in jobs]
        return
    yield [
        (compute_reduction, job, build, *asked)
        for job in jobs
        for asked in slow_reductions(job.cells)
    ]
    yield [
        (cluster_cells, replace(job, cells=cells), build)
        for job in jobs
        for cells in parts(job.cells, job.size)
    ]
    yield [(score_cells, job, build) for job in jobs]


def slow_reductions(cells: Iterable[tuple[Cell, Recipe]]) -> list[tuple[Reduction, int]]:
    """UMAPs that cells share, with their seeds."""
    return [(one, seed) for one, seed in reductions(cells) if one.method == "umap"]


def parts(
    cells: Iterable[tuple[Cell, Recipe]], size: Size
) -> list[tuple[tuple[Cell, Recipe], ...]]:
    """Part cells so that those that cut the same tree stay together; the longest part first."""
    found = defaultdict(list)
    for cell, recipe in cells:
        kind = "agglomerative" if cell.clusterer.startswith("ac_") else cell.clusterer
        found[kind, recipe.reduction, cell.seed].append((cell, recipe))
    longest = {
        kind: sum(clusterer_cost(recipe, size).seconds for _, recipe in part)
        for kind, part in found.items()
    }
    return [tuple(found[kind]) for kind in sorted(found, key=longest.get, reverse=True)]


def compute_reduction(job: Job, build: Path, reduction: Reduction, seed: int) -> int:
    """Compute a reduction of embeddings on disk and keep it."""
    reduce_into(job.read(build).array, reduction, seed, reductions_memo(build, job.key))
    return 0


def reduce_into(X: np.ndarray, reduction: Reduction, seed: int, memo: Memo) -> None:
    """Reduce embeddings for cells to come; where it fails, these will say why."""
    with one_thread(), suppress(Exception):
        reduce(X, reduction, seed=seed, memo=memo)


def compute_cells(job: Job, build: Path) -> int:
    """Compute the cells of a job from embeddings on disk, one file each; count them."""
    cluster_cells(job, build)
    return score_cells(job, build)


def cluster_cells(job: Job, build: Path) -> int:
    """Cluster embeddings on disk as cells say; what lacks nothing but silhouettes is kept."""
    embeddings, facts = job.read(build), job.dataset.facts
    at_hand = embeddings.array, embeddings.labels, facts.label
    memo = reductions_memo(build, job.key)
    settings = {"min_cluster_size": facts.min_cluster_size, "memo": memo}
    with one_thread():
        for cell, recipe in job.cells:
            with held(build, cell.key):
                known = read_result(cell, build)
                # Another sweep may have been faster; what failed is asked for to be tried again.
                if (known and known[0]["status"] != "failed") or read_row(cell.draft(build)):
                    continue
                row, clusters = evaluate_cell(cell, recipe, *at_hand, **settings)
                row |= {"n_skipped": len(embeddings.skipped)}
                path = cell.path(build) if clusters is None else cell.draft(build)
                write_row(path, row, clusters)
    return 0


def score_cells(job: Job, build: Path) -> int:
    """Add the silhouettes to what `cluster_cells` kept; count the cells."""
    with held(build, job.key), one_thread():
        kept = {cell: pair for cell, _ in job.cells if (pair := read_row(cell.draft(build)))}
        X, memo = job.read(build).array, reductions_memo(build, job.key)
        rows = with_silhouettes(X, list(kept.values()), memo)
        for (cell, (_, clusters)), row in zip(kept.items(), rows, strict=True):
            write_row(cell.path(build), row, clusters)
            cell.draft(build).unlink()
    return len(job.cells)


def evaluate_cell(
    cell: Cell, recipe: Recipe, X: np.ndarray, labels: pd.DataFrame, label: str, **settings
) -> tuple[dict, np.ndarray | None]:
    """Evaluate a cell: its whole row but for silhouettes, and its clusters."""
    level = label if label in labels else None
    row, clusters = evaluate(X, labels, level, recipe, seed=cell.seed, **settings)
    return {"dataset": cell.dataset, "encoder": cell.encoder} | row, clusters


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
    """Reduce and cluster embeddings as a recipe says, and compare the clusters with classes.

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
        Where there are too few samples for a UMAP take one of fewer dimensions.

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
    asked = recipe.reduction
    if nearest_recipe:
        recipe = replace(recipe, reduction=asked.nearest(len(X)))
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
    return row | {"reason": "; ".join(filter(None, reasons))}, clusters


def with_silhouettes(
    X: np.ndarray,
    clustered: list[tuple[dict, np.ndarray]],
    memo: Memo,
    nearest_recipe: bool = False,
) -> list[dict]:
    """Complete the rows of clusterings of the same embeddings by their silhouettes.

    Parameters
    ----------
    X
        float32 (n, d) embeddings.
    clustered
        Rows and clusters, as `evaluate` gives them.
    memo, nearest_recipe
        As for `evaluate`.
    """
    if not clustered:
        return []
    labelings = [clusters for _, clusters in clustered]
    space = SILHOUETTE_REDUCTION.nearest(len(X)) if nearest_recipe else SILHOUETTE_REDUCTION
    why = _in_place_of(SILHOUETTE_REDUCTION, space, "silhouette in")
    found = [silhouettes(X, labelings)]
    try:
        found.append(silhouettes(reduce(X, space, seed=SILHOUETTE_SEED, memo=memo), labelings))
    except ReductionError as error:
        found.append([None] * len(labelings))
        why = f"no silhouette in UMAP: {error}"
    rows = []
    for (row, _), *scores in zip(clustered, *found, strict=True):
        # Of a silhouette that is undefined anyhow there is nothing to say.
        said = "" if scores[1] != scores[1] else why
        reason = "; ".join(filter(None, [row["reason"], said]))
        scores = (float("nan") if score is None else score for score in scores)
        rows.append(row | dict(zip(SILHOUETTES, scores, strict=True)) | {"reason": reason})
    return rows


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


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit every thread pool to one thread.

    Sums in another order would make numbers depend on how many jobs run.
    """
    import hdbscan  # noqa: F401
    import sklearn.cluster  # noqa: F401
    import umap  # noqa: F401  (all three load pools, and only loaded ones can be limited)
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def evaluate_side_by_side(
    X: np.ndarray,
    labels: pd.DataFrame,
    cells: Mapping[Cell, Recipe],
    *,
    jobs: int,
    memory: float,
    n_classes: int | None = None,
    nearest_recipe: bool = False,
) -> Iterator[tuple[Cell, dict]]:
    """Evaluate cells of embeddings at hand, and yield their rows as they come.

    What was clustered comes once more at the end, with its silhouettes.

    Parameters
    ----------
    X, labels
        float32 (n, d) embeddings, and their `class` where there are classes.
    cells
        Each with its recipe. Those that need more memory than there is have rows that say so.
    jobs
        Processes at once; fewer where memory has no room for so many.
    memory
        Bytes that are available.
    n_classes, nearest_recipe
        As for `evaluate`.
    """
    known = labels["class"].nunique() if "class" in labels else n_classes
    size = Size(*X.shape, known or 1)
    left = []
    for cell, recipe in cells.items():
        if row := skipped_row(cell, recipe, size, memory):
            yield cell, row
        else:
            left.append((cell, recipe))
    # Not even the silhouettes' UMAP is made where nothing fits.
    if not left:
        return
    most = max(peak_bytes(recipe, size) for _, recipe in left)
    jobs = max(1, min(jobs, int(memory // most)))
    with tempfile.TemporaryDirectory(prefix="zsc-") as folder:
        memo = ArrayFolder(folder)
        asked = slow_reductions(left)
        if nearest_recipe:
            asked = [(reduction.nearest(len(X)), seed) for reduction, seed in asked]
        for _ in in_processes([(reduce_into, X, *one, memo) for one in asked], jobs):
            pass
        settings = {"memo": memo, "n_classes": n_classes, "nearest_recipe": nearest_recipe}
        clustered = {}
        calls = [(evaluate_part, X, labels, part, settings) for part in parts(left, size)]
        for done in in_processes(calls, jobs):
            for cell, row, clusters in done:
                yield cell, row
                clustered |= {} if clusters is None else {cell: (row, clusters)}
        rows = with_silhouettes(X, list(clustered.values()), memo, nearest_recipe)
        yield from zip(clustered, rows, strict=True)


def evaluate_part(X: np.ndarray, labels: pd.DataFrame, cells, settings: dict) -> list[tuple]:
    """Evaluate cells of the same embeddings: each with its row and its clusters."""
    with one_thread():
        return [
            (cell, *evaluate_cell(cell, recipe, X, labels, "class", **settings))
            for cell, recipe in cells
        ]
