"""What a sweep will do, how long it will take and what it will leave out; and how far it is."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from zsc_utils.clustering import CLUSTERERS
from zsc_utils.recipes import Reduction
from zsc_utils.reduction import array_name, pca_name
from zsc_utils.sweep.cells import Job, Size, reductions, reductions_memo
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
    side_by_side,
    silhouettes_cost,
    speeds,
    start_cost,
)
from zsc_utils.sweep.results import survey

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
    rows, left = survey(planned, build, memory, retry_failed)
    to_embed = [job for job in left if not job.is_embedded(build)]
    cells = sum(len(job.cells) for job in left)
    lines = [
        f"compute {cells} of {sum(len(job.cells) for job in planned)} cells and "
        f"{len(to_embed)} embeddings ({sum(len(job.dataset) for job in to_embed)} images)"
    ]
    if left:
        to_reduce = not_reduced(left, build)
        lines.append(written_steps(table_of_steps(left, to_reduce)))
        if to_embed:
            lines.append(written_embeddings(to_embed))
        seconds = clustering_seconds(left, to_reduce, memory, n_jobs)
        processes = f"{n_jobs} process{'es' if n_jobs > 1 else ''}"
        lines.append(f"all else, in {processes} at most: {minutes(seconds)}")
        lines.append(f"disk: about {in_words(disk_bytes(to_embed, to_reduce))}")
    lacking = absent(planned)
    if lacking["datasets"]:
        lines.append(f"datasets that are absent: {listed(lacking['datasets'])}")
    if lacking["encoders"]:
        lines.append(
            f"encoders without weights: {listed(lacking['encoders'])}; their cells are not in "
            "these numbers, and are computed once `zsc weights` or a sweep could fetch them"
        )
    skipped = skipped_cells(rows)
    if len(skipped):
        lines.append(f"skipped: {skipped['cells'].sum()} cells")
        lines.append(skipped.to_string(index=False))
    return "\n".join(lines)


def table_of_steps(left: list[Job], to_reduce: list[tuple[Size, Reduction]]) -> pd.DataFrame:
    """Sum up the steps still to be done.

    Returns
    -------
    DataFrame
        A row for each clusterer, the silhouettes and each reduction: `times`, `seconds` of one
        core, and `bytes`, the most that a process holds.
    """
    steps = [*cell_steps(left), *reduction_steps(to_reduce)]
    table = pd.DataFrame([(step, *cost) for step, cost in steps], columns=["step", *Cost._fields])
    summed = table.groupby("step", sort=False, as_index=False)
    return summed.agg(times=("seconds", "size"), seconds=("seconds", "sum"), bytes=("bytes", "max"))


def cell_steps(left: list[Job]) -> Iterator[tuple[str, Cost]]:
    """List clusterers and silhouettes of the cells still to be computed, with what they take.

    Bytes are the most that a process holds; those of a clusterer are those of its cell: the most
    that any of its steps holds.
    """
    clusterers = CLUSTERERS.facts()
    for job in left:
        for cell, recipe in job.cells:
            seconds = clusterer_cost(recipe, job.size).seconds
            yield clusterers[cell.clusterer].display, Cost(seconds, peak_bytes(recipe, job.size))
        # Once for all cells of an embedding.
        silhouettes = silhouettes_cost(job.size)
        yield "silhouettes", Cost(silhouettes.seconds, held_bytes(silhouettes, job.size))


def reduction_steps(to_reduce: list[tuple[Size, Reduction]]) -> Iterator[tuple[str, Cost]]:
    """List the reductions still to be made, likewise."""
    for size, reduction in to_reduce:
        cost = reduction_cost(reduction, size)
        yield METHODS[reduction.method], Cost(cost.seconds, held_bytes(cost, size))


def not_reduced(left: list[Job], build: Path) -> list[tuple[Size, Reduction]]:
    """List the reductions that cells need and that are not kept yet, each once, with their sizes.

    PCA is one decomposition for any number of components.
    """
    found = []
    for job in left:
        wanted = {kept_name(one, seed): one for one, seed in reductions(job.cells)}
        known = reductions_memo(build, job.key)
        found += [(job.size, one) for name, one in wanted.items() if name not in known]
    return found


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
    left: list[Job], to_reduce: list[tuple[Size, Reduction]], memory: float, n_jobs: int
) -> float:
    """Predict how long all but the embeddings takes, in as many processes as fit into memory."""
    seconds = sum(cost.seconds for _, cost in reduction_steps(to_reduce)) / min(n_jobs, len(left))
    for n, part in side_by_side(left, memory, n_jobs):
        of_cells = sum(cost.seconds for _, cost in cell_steps(part))
        # A process takes all cells of one dataset and encoder.
        start = start_cost(max(job.size.n for job in part))
        seconds += start.seconds + of_cells / min(n, len(part))
    return seconds


def disk_bytes(to_embed: list[Job], to_reduce: list[tuple[Size, Reduction]]) -> int:
    """Predict the size of the embeddings and reductions still to be made."""
    numbers = sum(job.size.n * job.size.d for job in to_embed)
    for size, reduction in to_reduce:
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
    rows, left = survey(planned, build, memory_available())
    to_embed = [job for job in left if not job.is_embedded(build)]
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
