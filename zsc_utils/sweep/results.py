"""Results: a file for each cell; all of a plan as a table, what is missing, and the embeddings."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.cache import ArrayFolder, atomic_path, build_folder, read_if_whole
from zsc_utils.clustering import CLUSTERERS
from zsc_utils.embedding import Embeddings
from zsc_utils.errors import EmbeddingsError
from zsc_utils.recipes import Recipe
from zsc_utils.sweep.cells import Cell, Job, Size, reductions_memo
from zsc_utils.sweep.costs import cell_lacks, embeddings_size, fitting, memory_available

SILHOUETTES = ("silhouette_original", "silhouette_umap")
ROW = ("dataset", "encoder", "clusterer", "seed", "status", "reason", "n_skipped")
SCORES = ("ami", "ami_by_level", *SILHOUETTES, "n_clusters")


def read_result(cell: Cell, build: Path) -> tuple[dict, np.ndarray | None] | None:
    """Read one result; None where it is not there yet."""
    return read_row(cell.path(build), SILHOUETTES)


def read_row(path: Path, scores: tuple[str, ...] = ()) -> tuple[dict, np.ndarray | None] | None:
    """Read a row and its clusters; None where there are none.

    A file that is cut short or not what was written is warned of and counts as not there. Where
    there are clusters the row must have `scores`, besides others.
    """

    def read(path: Path) -> tuple[dict, np.ndarray | None]:
        content = json.loads(path.read_text())
        row, text = content["row"], content["clusters"]
        missing = fields_of(row, text is not None, scores) - row.keys()
        if missing:
            raise ValueError(f"no {', '.join(sorted(missing))}")
        return row, None if text is None else unpack_clusters(text)

    damaged = "result %s is cut short or damaged (%s): it counts as missing"
    return read_if_whole(path, read, damaged)


def fields_of(row: dict, clustered: bool, scores: tuple[str, ...]) -> set[str]:
    """Fields that a row must have; code of another day may have written fewer."""
    fields = {"dataset", "encoder", "clusterer", "seed", "status", "reason"}
    fields |= {"n_clusters", *scores} if clustered else set()
    return fields | ({"ami", "ami_by_level"} if clustered and row.get("n_classes") else set())


def unpack_clusters(text: str) -> np.ndarray:
    """Read what `pack_clusters` wrote."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), "<i4")


def write_row(path: Path, row: dict, clusters: np.ndarray | None) -> None:
    """Write a row, and the clusters where there are any.

    NaN is written as null, so that the file is JSON to any reader.
    """
    content = {
        "row": without_nan(row),
        "clusters": None if clusters is None else pack_clusters(clusters),
    }
    with atomic_path(path) as draft:
        draft.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))


def without_nan(row: dict) -> dict:
    """Put None in place of NaN, also in dicts inside."""
    return {
        key: without_nan(value) if isinstance(value, dict) else None if value != value else value
        for key, value in row.items()
    }


def pack_clusters(clusters: np.ndarray) -> str:
    """Write int32 clusters as text that a JSON file can hold."""
    return base64.b85encode(zlib.compress(np.asarray(clusters, "<i4").tobytes())).decode()


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
    table, _ = survey(planned, build, memory_available() if memory is None else memory)
    return table


def survey(
    planned: list[Job], build: Path, memory: float, retry_failed: bool = False
) -> tuple[pd.DataFrame, list[Job]]:
    """Read what is there of a plan, and find what is missing.

    Returns
    -------
    table
        As `results` gives it.
    left
        Jobs of the cells that can have a result but have none yet, with the sizes of their
        embeddings; with `retry_failed`, those that failed are among them. Cells that need more
        than `memory` bytes can have none here.
    """
    clusterers = CLUSTERERS.facts()
    rows, left = [], []
    for job in planned:
        size = None if job.absent else embeddings_size(job, build)
        asked = []
        for cell, recipe in job.cells:
            if job.absent:
                row = row_without_scores(cell, "absent", job.absent)
            else:
                row, _ = read_result(cell, build) or (None, None)
                if row is None or (retry_failed and row["status"] == "failed"):
                    lacking = skipped_row(cell, recipe, size, memory)
                    asked += [] if lacking else [(cell, recipe)]
                    row = row or lacking
            if row:
                name = {"clusterer_name": clusterers[cell.clusterer].display}
                rows.append(row | job.facts | name)
        left += [replace(job, cells=tuple(asked), size=size)] if asked else []
    table = pd.DataFrame(rows)
    # Columns are there even if every cell failed.
    return table.reindex(columns=list(dict.fromkeys([*table.columns, *ROW, *SCORES]))), left


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
        if not job.is_embedded(build):
            if not fitting([job], build, memory_available()):
                continue
            raise EmbeddingsError(
                f"no embeddings of {job.dataset.facts.name} by {job.encoder.name}: sweep first"
            )
        # Which reads what is there, and computes it again where it is damaged.
        yield job, job.embed(build, skip_unreadable=True), reductions_memo(build, job.key)
