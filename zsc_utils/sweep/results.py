"""Results: what became of the cells of a plan, as a table, as counts, and their embeddings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from zsc_utils.cache import ArrayFolder, build_folder
from zsc_utils.clustering import CLUSTERERS
from zsc_utils.embedding import Embeddings, stored_embeddings
from zsc_utils.encoders import load_encoder
from zsc_utils.errors import EmbeddingsError
from zsc_utils.recipes import Recipe
from zsc_utils.sweep.cells import (
    Job,
    embeddings_size,
    missing,
    not_embedded,
    reductions_memo,
    results_folder,
)
from zsc_utils.sweep.costs import Size, lack_of_memory, memory_available, peak_bytes
from zsc_utils.sweep.store import Cell, read_result

ROW = ("dataset", "encoder", "clusterer", "seed", "status", "reason", "n_skipped")
STATUSES = ("ok", "not_converged", "degenerate", "failed", "absent")
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
        facts = {
            "group": job.dataset.facts.group,
            "dataset_name": job.dataset.facts.display,
            "encoder_name": job.encoder.display,
            "backbone": job.encoder.backbone,
            "method": job.encoder.method,
            "labels": job.encoder.labels,
            "fine_tuned_from": job.encoder.fine_tuned_from,
        }
        size = None if job.absent else embeddings_size(job, build)
        for cell, recipe in job.cells:
            if size is None:
                row = row_without_scores(cell, "absent", job.absent)
            else:
                row = finished_row(cell, build) or skipped_row(cell, recipe, size, memory)
            if row:
                name = {"clusterer_name": clusterers[cell.clusterer].display}
                rows.append(row | facts | name)
    table = pd.DataFrame(rows)
    # Columns are there even if every cell failed.
    return table.reindex(columns=list(dict.fromkeys([*table.columns, *ROW, *SCORES])))


def finished_row(cell: Cell, build: Path) -> dict | None:
    """Read the row of a cell; None where there is none yet."""
    found = read_result(cell, results_folder(build))
    return found and found[0]


def skipped_row(cell: Cell, recipe: Recipe, size: Size, memory: float) -> dict | None:
    """Make the row of a cell that needs more memory than there is; None where it fits."""
    reason = lack_of_memory(peak_bytes(recipe, size), memory)
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
            size = embeddings_size(job, build)
            if min(peak_bytes(recipe, size) for _, recipe in job.cells) > memory_available():
                continue
            raise EmbeddingsError(
                f"no embeddings of {job.dataset.facts.name} by {job.encoder.name}: sweep first"
            )
        # Which reads what is there, and computes it again where it is damaged.
        embeddings = stored_embeddings(
            job.dataset,
            job.encoder_settings,
            lambda name=job.encoder.name: load_encoder(name),
            cache=build / "cache",
            precision=job.precision,
            skip_unreadable=True,
        )
        yield job, embeddings, reductions_memo(build, job.key)


def lack_of_results(rows: pd.DataFrame) -> str:
    """Say that every cell failed of those that could be computed here; empty where one did not.

    Absent and skipped cells are none that failed: what they lack is no fault of what is there.

    Parameters
    ----------
    rows
        Columns clusterer, status and reason.
    """
    tried = rows[~rows["status"].isin(["absent", "skipped"])]
    bad = tried[tried["status"].isin(["degenerate", "failed"])]
    if tried.empty or len(bad) < len(tried):
        return ""
    counts = ", ".join(f"{n} {what}" for what, n in bad["status"].value_counts().items())
    first = bad.iloc[0]
    reason = " ".join(str(first["reason"]).split())
    return f"no result: {counts} of {len(rows)}; {first['clusterer']}: {reason}"


def skipped_cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum up the cells that were skipped: dataset, clusterer, cells, reason (that of the first)."""
    skipped = rows[rows["status"] == "skipped"].groupby(["dataset", "clusterer"], sort=False)
    return skipped["reason"].agg(cells="size", reason="first").reset_index()


def absent(planned: list[Job]) -> dict[str, dict[str, str]]:
    """Collect the `datasets` and the `encoders` of a plan that are not there: name to reason."""
    datasets, encoders = {}, {}
    for job in planned:
        if "absent" in job.dataset.fingerprint:
            datasets[job.dataset.facts.name] = job.absent
        elif "absent" in job.encoder_settings:
            encoders[job.encoder.name] = job.absent
    return {"datasets": datasets, "encoders": encoders}


def progress_report(planned: list[Job], build: Path) -> dict:
    """Count the cells of a plan by what became of them.

    Returns
    -------
    dict
        `total`, `ok`, `not_converged`, `degenerate`, `failed`, `absent`, `missing`, `skipped`,
        `embeddings_missing`, `images_missing`; `datasets_absent`, `encoders_absent`: name to
        reason; `cells_skipped`: dataset, clusterer, cells and reason; and `problems`: dataset,
        encoder, clusterer, status and reason of each other cell that is not `ok`, or whose AMI is
        undefined.
    """
    memory = memory_available()
    rows = results(planned, build, memory)
    left = missing(planned, build, memory)
    to_embed = not_embedded(left, build)
    total = sum(len(job.cells) for job in planned)
    counts = rows["status"].value_counts()
    columns = ["dataset", "encoder", "clusterer", "seed", "status", "reason"]
    bad = ~rows["status"].isin(["absent", "skipped"]) & (
        rows["status"].ne("ok") | rows["ami"].isna()
    )
    problems = rows.loc[bad, columns]
    return {
        "total": total,
        **{status: int(counts.get(status, 0)) for status in STATUSES},
        "missing": sum(len(job.cells) for job in left),
        "skipped": int(counts.get("skipped", 0)),
        "embeddings_missing": len(to_embed),
        "images_missing": sum(len(job.dataset) for job in to_embed),
        **{f"{kind}_absent": reasons for kind, reasons in absent(planned).items()},
        "cells_skipped": json.loads(skipped_cells(rows).to_json(orient="records")),
        "problems": json.loads(problems.to_json(orient="records")),
    }
