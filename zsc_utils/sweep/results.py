"""Results: what became of the cells of a plan, as a table, and their embeddings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from zsc_utils.cache import ArrayFolder, build_folder
from zsc_utils.clustering import CLUSTERERS
from zsc_utils.embedding import Embeddings
from zsc_utils.errors import EmbeddingsError
from zsc_utils.recipes import Recipe
from zsc_utils.sweep.cells import (
    Cell,
    Job,
    embeddings_size,
    fitting,
    read_result,
    reductions_memo,
    results_folder,
)
from zsc_utils.sweep.costs import Size, cell_lacks, memory_available

ROW = ("dataset", "encoder", "clusterer", "seed", "status", "reason", "n_skipped")
SCORES = ("ami", "ami_by_level", "silhouette_original", "silhouette_umap", "n_clusters")


def results(planned: list[Job], build: Path, memory: float | None = None) -> pd.DataFrame:
    """Read the results of a plan as a tidy table.

    Parameters
    ----------
    planned
        As `plan` gives it.
    build
        Folder of caches and results.
    memory
        Bytes that are available; asked of the system by default.

    Returns
    -------
    DataFrame
        One row a finished cell: what `evaluate` gives, and the facts of dataset, encoder and
        clusterer that figures need (`group`, `dataset_name`, `encoder_name`, `backbone`, `method`,
        `labels`, `fine_tuned_from`, `clusterer_name`). Two kinds of cells have rows without scores,
        which are not stored: those of datasets and encoders that are absent, of status `absent`,
        and those that were not computed as they need more memory than there is, of status
        `skipped`. Rows stand in the order of the plan.
    """
    memory = memory_available() if memory is None else memory
    clusterers = CLUSTERERS.facts()
    rows = []
    for job in planned:
        size = None if job.absent else embeddings_size(job, build)
        for cell, recipe in job.cells:
            if job.absent:
                row = row_without_scores(cell, "absent", job.absent)
            elif found := read_result(cell, results_folder(build)):
                row, _ = found
            else:
                row = skipped_row(cell, recipe, size, memory)
            if row:
                name = {"clusterer_name": clusterers[cell.clusterer].display}
                rows.append(row | job.facts | name)
    table = pd.DataFrame(rows)
    # Columns are there even if every cell failed.
    return table.reindex(columns=list(dict.fromkeys([*table.columns, *ROW, *SCORES])))


def skipped_row(cell: Cell, recipe: Recipe, size: Size, memory: float) -> dict | None:
    """Make the row of a cell that needs more memory than there is; None where it fits."""
    reason = cell_lacks(recipe, size, memory)
    return row_without_scores(cell, "skipped", reason) if reason else None


def row_without_scores(cell: Cell, status: str, reason: str) -> dict:
    """Make the row of a cell that cannot be computed here."""
    place = {name: getattr(cell, name) for name in ("dataset", "encoder", "clusterer", "seed")}
    return place | {"status": status, "reason": reason, "n_skipped": 0}


def read_embeddings(
    planned: list[Job], build: Path | None = None
) -> Iterator[tuple[Job, Embeddings, ArrayFolder]]:
    """Read the embeddings of a plan, in its order, and open their reductions.

    Datasets that are absent are passed over, and those of which no cell fits into memory.
    Embeddings that are damaged are computed again.

    Raises
    ------
    EmbeddingsError
        They were not computed yet.
    """
    build = build or build_folder()
    for job in planned:
        if job.absent:
            continue
        if not job.embeddings_folder(build).is_dir():
            if not fitting([job], build, memory_available()):
                continue
            raise EmbeddingsError(
                f"no embeddings of {job.dataset.facts.name} by {job.encoder.name}: sweep first"
            )
        # Which reads what is there, and computes it again where it is damaged.
        yield job, job.embed(build, skip_unreadable=True), reductions_memo(build, job.key)
