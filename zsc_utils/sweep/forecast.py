"""What a sweep will do, how long it will take and what it will leave out; and how far it is."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from zsc_utils.clustering import CLUSTERERS
from zsc_utils.recipes import SILHOUETTE_REDUCTION, SILHOUETTE_SEED, Reduction
from zsc_utils.reduction import array_name, pca_name
from zsc_utils.sweep.cells import (
    Job,
    embeddings_size,
    missing,
    not_embedded,
    reductions_memo,
    side_by_side,
)
from zsc_utils.sweep.costs import (
    FLOAT_BYTES,
    Cost,
    clusterer_cost,
    embedding_step,
    held_bytes,
    in_words,
    memory_available,
    peak_bytes,
    reduction_cost,
    silhouettes_cost,
    speeds,
    start_cost,
)
from zsc_utils.sweep.results import results

METHODS = {"umap": "UMAP", "pca": "PCA"}
STATUSES = ("ok", "not_converged", "degenerate", "failed", "absent")


def forecast(
    planned: list[Job], build: Path, memory: float, n_jobs: int, retry_failed: bool = False
) -> str:
    """Say what a sweep will compute, what that will take, and what it leaves out and why.

    Parameters
    ----------
    planned
        As `cells.plan` gives it.
    build
        Folder of caches and results.
    memory
        Bytes that are available.
    n_jobs
        Processes that cluster at the same time, at most.
    retry_failed
        Whether cells that failed are computed again.

    Returns
    -------
    str
        Lines, of which the first goes on after "will" or "would".
    """
    left = missing(planned, build, memory, retry_failed)
    to_embed = not_embedded(left, build)
    parts = side_by_side(left, build, memory, n_jobs)
    cells = sum(len(job.cells) for job in left)
    lines = [
        f"compute {cells} of {sum(len(job.cells) for job in planned)} cells and "
        f"{len(to_embed)} embeddings ({sum(len(job.dataset) for job in to_embed)} images)"
    ]
    if left:
        lines.append(written_steps(table_of_steps(left, build)))
        if to_embed:
            lines.append(written_embeddings(to_embed))
        seconds = clustering_seconds(left, parts, build, n_jobs)
        processes = f"{n_jobs} process{'es' if n_jobs > 1 else ''}"
        lines.append(f"all else, in {processes} at most: {minutes(seconds)}")
        lines.append(f"disk: about {in_words(disk_bytes(left, to_embed, build))}")
    lacking = absent(planned)
    if lacking["datasets"]:
        lines.append(f"datasets that are absent: {listed(lacking['datasets'])}")
    if lacking["encoders"]:
        lines.append(
            f"encoders without weights: {listed(lacking['encoders'])}; their cells are not in "
            "these numbers, and are computed once `zsc weights` or a sweep could fetch them"
        )
    skipped = skipped_cells(results(planned, build, memory))
    if len(skipped):
        lines.append(f"skipped: {skipped['cells'].sum()} cells")
        lines.append(skipped.to_string(index=False))
    return "\n".join(lines)


def table_of_steps(left: list[Job], build: Path) -> pd.DataFrame:
    """Sum up the steps still to be done.

    Returns
    -------
    DataFrame
        A row for each clusterer, the silhouettes and each reduction: `times`, `seconds` of one
        core, and `bytes`, the most that a process holds.
    """
    steps = [*cell_steps(left, build), *reduction_steps(left, build)]
    table = pd.DataFrame([(step, *cost) for step, cost in steps], columns=["step", *Cost._fields])
    summed = table.groupby("step", sort=False, as_index=False)
    return summed.agg(times=("seconds", "size"), seconds=("seconds", "sum"), bytes=("bytes", "max"))


def cell_steps(left: list[Job], build: Path) -> Iterator[tuple[str, Cost]]:
    """List clusterers and silhouettes of the cells still to be computed, with what they take.

    Bytes are the most that a process holds; those of a clusterer are those of its cell: the most
    that any of its steps holds.
    """
    clusterers = CLUSTERERS.facts()
    for job in left:
        size = embeddings_size(job, build)
        for cell, recipe in job.cells:
            seconds = clusterer_cost(recipe, size).seconds
            yield clusterers[cell.clusterer].display, Cost(seconds, peak_bytes(recipe, size))
        # Once for all cells of an embedding.
        silhouettes = silhouettes_cost(size)
        yield "silhouettes", Cost(silhouettes.seconds, held_bytes(silhouettes, size))


def reduction_steps(left: list[Job], build: Path) -> Iterator[tuple[str, Cost]]:
    """List the reductions still to be made, likewise."""
    for job in left:
        size = embeddings_size(job, build)
        for reduction in reductions(job, build):
            cost = reduction_cost(reduction, size)
            yield METHODS[reduction.method], Cost(cost.seconds, held_bytes(cost, size))


def reductions(job: Job, build: Path) -> list[Reduction]:
    """List the reductions that the cells of a job need and that are not kept yet, each once.

    PCA is one decomposition for any number of components; it is listed without one.
    """
    wanted = {}
    for cell, recipe in job.cells:
        for reduction, seed in (
            (recipe.reduction, cell.seed),
            (SILHOUETTE_REDUCTION, SILHOUETTE_SEED),
        ):
            if reduction.method != "none":
                wanted.setdefault(kept_name(reduction, seed), reduction)
    return [
        reduction
        for name, reduction in wanted.items()
        if name not in reductions_memo(build, job.key)
    ]


def kept_name(reduction: Reduction, seed: int) -> str:
    """Name that a reduction is kept by; PCA keeps the scores of all components."""
    if reduction.method == "pca":
        return f"{pca_name(reduction.zscore)}-scores"
    return array_name(reduction, seed)


def written_steps(table: pd.DataFrame) -> str:
    """Write the table of steps for people."""
    shown = table.assign(seconds=table["seconds"].map(minutes), bytes=table["bytes"].map(in_words))
    titles = {"seconds": "time on one core", "bytes": "memory at most"}
    return shown.rename(columns=titles).to_string(index=False)


def written_embeddings(jobs: list[Job]) -> str:
    """Say how long embeddings take; of backbones that were not measured, that it is unknown."""
    seconds, unknown = 0.0, []
    for job in jobs:
        each = seconds_per_image(job.encoder.backbone)
        if each is None:
            unknown.append(job.encoder.name)
        else:
            seconds += each * len(job.dataset)
    known = minutes(seconds) if len(unknown) < len(jobs) else ""
    names = f"unknown for {', '.join(dict.fromkeys(unknown))}" if unknown else ""
    return f"embeddings, on one CPU core: {'; '.join(filter(None, [known, names]))}"


def seconds_per_image(backbone: str) -> float | None:
    """Seconds of one core that a backbone takes for an image; None where it was not measured."""
    rows = speeds()[speeds()["step"] == embedding_step(backbone)]
    return None if rows.empty else float((rows["seconds"] / rows["n"]).iloc[-1])


def minutes(seconds: float) -> str:
    """Write a time in minutes, and in hours where those are many."""
    if seconds < 60:
        return "less than 1 min"
    hours = f" ({seconds / 3600:,.0f} h)" if seconds > 3 * 3600 else ""
    return f"about {seconds / 60:,.0f} min{hours}"


def clustering_seconds(
    left: list[Job], parts: list[tuple[int, list[Job]]], build: Path, n_jobs: int
) -> float:
    """Predict how long all but the embeddings takes, in as many processes as fit into memory.

    `parts` are those of `side_by_side`.
    """
    seconds = sum(cost.seconds for _, cost in reduction_steps(left, build)) / min(n_jobs, len(left))
    for n, part in parts:
        largest = max(embeddings_size(job, build).n for job in part)
        of_cells = sum(cost.seconds for _, cost in cell_steps(part, build))
        # A process takes all cells of one dataset and encoder.
        seconds += start_cost(largest).seconds + of_cells / min(n, len(part))
    return seconds


def disk_bytes(left: list[Job], to_embed: list[Job], build: Path) -> int:
    """Predict the size of the embeddings and reductions still to be made."""
    sizes = [embeddings_size(job, build) for job in to_embed]
    numbers = sum(size.n * size.d for size in sizes)
    for job in left:
        size = embeddings_size(job, build)
        for reduction in reductions(job, build):
            # Of PCA, all components are kept.
            d = min(size.n, size.d) if reduction.method == "pca" else reduction.n_components
            numbers += size.n * d
    return FLOAT_BYTES * numbers


def absent(planned: list[Job]) -> dict[str, dict[str, str]]:
    """Collect the `datasets` and the `encoders` of a plan that are not there: name to reason."""
    datasets, encoders = {}, {}
    for job in planned:
        if "absent" in job.dataset.fingerprint:
            datasets[job.dataset.facts.name] = job.absent
        elif "absent" in job.source.fingerprint:
            encoders[job.encoder.name] = job.absent
    return {"datasets": datasets, "encoders": encoders}


def listed(names: Collection[str]) -> str:
    """Write names with their number."""
    return f"{len(names)} ({', '.join(names)})"


def skipped_cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum up the cells that were skipped: dataset, clusterer, cells, reason (that of the first)."""
    skipped = rows[rows["status"] == "skipped"].groupby(["dataset", "clusterer"], sort=False)
    return skipped["reason"].agg(cells="size", reason="first").reset_index()


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
    computed = rows[~rows["status"].isin(["absent", "skipped"])]
    bad = computed[computed["status"].ne("ok") | computed["ami"].isna()]
    problems = bad[["dataset", "encoder", "clusterer", "seed", "status", "reason"]]
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
