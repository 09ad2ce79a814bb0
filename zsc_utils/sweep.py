"""Sweeps: every cell of a profile that has no result yet is computed, whatever became of others."""

from __future__ import annotations

import gc
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache as remember
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm.auto import tqdm

from zsc_utils.cluster import registered as registered_clusterers
from zsc_utils.costs import Size, dimensions, lack_of_memory, memory_available, peak_bytes
from zsc_utils.datasets import DatasetFacts, ImageDataset, load_dataset
from zsc_utils.datasets import registered as registered_datasets
from zsc_utils.embed import Embeddings, embed, embeddings_folder, embeddings_key, read
from zsc_utils.encoders import EncoderFacts, describe_encoder, fetch_weights, load_encoder
from zsc_utils.encoders import registered as registered_encoders
from zsc_utils.errors import (
    CacheDamagedError,
    CheckpointError,
    DatasetAbsentError,
    EmbeddingsError,
    UnknownNameError,
    WeightsMissingError,
    WorkerError,
)
from zsc_utils.evaluate import cell_key, evaluate
from zsc_utils.files import ArrayFolder, build_folder, load_array
from zsc_utils.profiles import Profile
from zsc_utils.recipes import Recipe, recipe_for
from zsc_utils.store import Cell, read_result, write_result

log = logging.getLogger(__name__)

ROW = ("dataset", "encoder", "clusterer", "seed", "status", "reason", "n_skipped")
STATUSES = ("ok", "not_converged", "failed", "absent")
SCORES = ("ami", "ami_by_level", "silhouette_original", "silhouette_umap", "n_clusters")


@dataclass(frozen=True)
class Job:
    """The cells of one dataset and encoder: they share embeddings and reductions.

    Parameters
    ----------
    dataset
        The images.
    encoder
        Facts of the encoder.
    encoder_settings
        Its fingerprint.
    key
        Fingerprint of the embeddings.
    cells
        Each with its recipe.
    absent
        Why the dataset or the encoder is not there: the cells are reported but not computed. Empty
        where both are.
    """

    dataset: ImageDataset
    encoder: EncoderFacts
    encoder_settings: dict
    key: str
    cells: tuple[tuple[Cell, Recipe], ...]
    absent: str = ""

    def embeddings_folder(self, build: Path) -> Path:
        """Folder of the embeddings."""
        return embeddings_folder(
            build / "cache", self.dataset.facts.name, self.encoder.name, self.key
        )


def results_folder(build: Path) -> Path:
    """Folder of the results."""
    return build / "results"


def plan(profile: Profile, data_root: Path | None = None) -> list[Job]:
    """List what a profile asks for, whether there already or not, one job an embedding.

    A dataset that is absent, or not whole, and an encoder without weights (nothing is fetched here)
    have jobs as well: they say so.

    Raises
    ------
    ZscError
        A folder cannot be opened, an encoder is unknown or its weights are damaged, or a recipe is
        missing.
    """
    opened, absent = open_datasets(profile, profile.datasets, data_root)
    displays = Counter(dataset.facts.display for dataset in opened.values())
    for name, dataset in opened.items():
        # Two folders of the same name are told apart by their paths.
        if displays[dataset.facts.display] > 1:
            facts = replace(dataset.facts, display=name.removeprefix("folder:"))
            opened[name] = replace(dataset, facts=facts)
    described, lacking = describe_encoders(profile.encoders)
    return [
        make_job(
            *(profile, opened[dataset], *described[encoder]),
            absent.get(dataset, lacking.get(encoder, "")),
        )
        for encoder in profile.encoders
        for dataset in profile.datasets
    ]


def open_datasets(
    profile: Profile, names: Iterable[str], data_root: Path | None = None
) -> tuple[dict[str, ImageDataset], dict[str, str]]:
    """Open datasets, with as many images as the profile takes.

    Returns
    -------
    opened
        By name; a dataset that is absent has its facts and no images.
    absent
        Why, for those that are absent or not whole.
    """
    opened, absent = {}, {}
    for name in names:
        try:
            opened[name] = load_dataset(name, data_root).subset(profile.max_samples)
        except DatasetAbsentError as error:
            absent[name] = str(error)
            opened[name] = without_images(registered_datasets()[name])
    return opened, absent


def describe_encoders(
    names: Iterable[str],
) -> tuple[dict[str, tuple[EncoderFacts, dict]], dict[str, str]]:
    """Describe encoders.

    Returns
    -------
    described
        Facts and settings by name; of one whose weights are not there the facts alone.
    lacking
        Why, for those whose weights are not there.
    """
    described, lacking = {}, {}
    for name in names:
        try:
            described[name] = describe_encoder(name)
        except WeightsMissingError as error:
            lacking[name] = str(error)
            described[name] = registered_encoders()[name], {"encoder": name, "absent": True}
    return described, lacking


def fetch_what_is_published(names: Iterable[str]) -> None:
    """Fetch weights that are published and not there; what cannot be fetched is reported."""
    for name in names:
        try:
            fetch_weights(name)
        # Without network, or never published: its cells will say so, and the others are computed.
        except CheckpointError as error:
            log.warning("%s", error)


def without_images(facts: DatasetFacts) -> ImageDataset:
    """Stand in for a dataset that is absent: its facts, and nothing else."""
    labels = pd.DataFrame({facts.label: []}, dtype=object)
    return ImageDataset(facts, (), labels, None, {"dataset": facts.name, "absent": True})


def taxonomies(
    profile: Profile, names: Sequence[str] | None = None, data_root: Path | None = None
) -> dict[str, ImageDataset]:
    """Open those datasets of a profile whose label levels nest, and that are there.

    Parameters
    ----------
    profile
        Whose datasets.
    names
        Only these of them.
    data_root
        Folder of the datasets that do not come with the installation.

    Raises
    ------
    UnknownNameError
        A name is none of the profile's datasets that have a taxonomy.
    """
    facts = registered_datasets()
    nested = [name for name in profile.datasets if name in facts and facts[name].taxonomy]
    for name in names or ():
        if name not in nested:
            raise UnknownNameError("dataset with a taxonomy in this profile", name, nested)
    opened, absent = open_datasets(profile, names or nested, data_root)
    return {name: images for name, images in opened.items() if name not in absent}


def make_job(
    profile: Profile, dataset: ImageDataset, encoder: EncoderFacts, settings: dict, absent: str = ""
) -> Job:
    """List the cells of one dataset and encoder."""
    key = embeddings_key(dataset, settings)
    facts = dataset.facts
    cells = []
    for seed in profile.seeds:
        for clusterer in profile.clusterers:
            recipe = recipe_for(encoder.name, clusterer, encoder.family, profile.recipe_table)
            result_key = cell_key(key, recipe, facts.label, facts.min_cluster_size, seed)
            cells.append((Cell(facts.name, encoder.name, clusterer, seed, result_key), recipe))
    return Job(dataset, encoder, settings, key, tuple(cells), absent)


def finished(cell: Cell, results: Path, retry_failed: bool = False) -> bool:
    """Tell whether a cell has a result; a damaged one is reported and counts as missing."""
    found = read_or_warn(cell, results)
    return found is not None and not (retry_failed and found[0]["status"] == "failed")


def read_or_warn(cell: Cell, results: Path):
    """Read a result; a damaged one is reported and counts as missing."""
    try:
        return read_result(cell, results)
    except CacheDamagedError as error:
        log.warning("%s: it counts as missing", error)
        return None


def embeddings_size(job: Job, build: Path) -> Size:
    """Size of the embeddings of a job; where there are none yet, the size to be expected."""
    n_classes = job.dataset.labels[job.dataset.facts.label].nunique()
    try:
        n, d = load_array(job.embeddings_folder(build) / "embeddings.npy").shape
    except CacheDamagedError:
        n, d = len(job.dataset), dimensions(job.encoder.backbone)
    return Size(n, d, n_classes)


def missing(jobs: list[Job], build: Path, memory: float, retry_failed: bool = False) -> list[Job]:
    """Keep of each job the cells that can have a result but have none yet; drop empty jobs.

    Cells that need more than `memory` bytes can have none here.
    """
    results = results_folder(build)
    left = []
    for job in jobs:
        if job.absent:
            continue
        size = embeddings_size(job, build)
        cells = tuple(
            (cell, recipe)
            for cell, recipe in job.cells
            if peak_bytes(recipe, size) <= memory and not finished(cell, results, retry_failed)
        )
        if cells:
            left.append(replace(job, cells=cells))
    return left


def side_by_side(
    jobs: list[Job], build: Path, memory: float, n_jobs: int
) -> list[tuple[int, list[Job]]]:
    """Part cells by how many of their size fit into memory at the same time.

    Returns
    -------
    Numbers of processes, at most `n_jobs`, falling, each with the jobs of the cells that so many
    processes can compute: if each holds the most that any of these needs, all fit.
    """
    parts = defaultdict(list)
    for job in sorted(jobs, key=lambda job: -len(job.dataset)):
        size = embeddings_size(job, build)
        cells = defaultdict(list)
        for cell, recipe in job.cells:
            cells[max(1, min(n_jobs, int(memory // peak_bytes(recipe, size))))].append(
                (cell, recipe)
            )
        for n, pairs in cells.items():
            parts[n].append(replace(job, cells=tuple(pairs)))
    return sorted(parts.items(), reverse=True)


def not_embedded(jobs: list[Job], build: Path) -> list[Job]:
    """Keep the jobs whose embeddings are still to be computed."""
    return [job for job in jobs if not job.embeddings_folder(build).is_dir()]


def embed_jobs(
    jobs: list[Job], build: Path, device: str, skip_unreadable: bool, progress: bool
) -> None:
    """Compute the embeddings that jobs need; each encoder is built at most once."""
    bar = tqdm(jobs, desc="embed", unit="embedding", disable=not progress)
    current, make_encoder = None, None
    for job in bar:
        if job.encoder.name != current:
            current, make_encoder = (
                job.encoder.name,
                remember(lambda j=job: load_encoder(j.encoder.name)),
            )
            gc.collect()
        embed(
            job.dataset,
            job.encoder_settings,
            make_encoder,
            cache=build / "cache",
            device=device,
            skip_unreadable=skip_unreadable,
            progress=progress,
        )


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


def run_job(folder: Path, facts: DatasetFacts, key: str, cells, build: Path) -> int:
    """Compute the cells of one job from its embeddings on disk, one file each; count them."""
    embeddings = read(folder, facts, key)
    memo = reductions_memo(build, key)
    with one_thread():
        for cell, recipe in cells:
            row, clusters = evaluate(
                embeddings.array,
                embeddings.labels,
                embeddings.facts.label,
                recipe,
                seed=cell.seed,
                min_cluster_size=embeddings.facts.min_cluster_size,
                memo=memo,
            )
            place = {"dataset": cell.dataset, "encoder": cell.encoder}
            row = place | row | {"n_skipped": len(embeddings.skipped)}
            write_result(cell, results_folder(build), row, clusters)
    return len(cells)


def sweep(
    profile: Profile,
    *,
    jobs: int = 1,
    build: Path | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    skip_unreadable: bool = False,
    retry_failed: bool = False,
    progress: bool = True,
    announce: Callable[[list[Job], float], None] | None = None,
) -> pd.DataFrame:
    """Compute what is missing of a profile and return its results.

    Weights that are published and not there yet are fetched first: results are named after them.
    Cells that need more memory than there is are left out, and as many are computed at once as fit
    into it; both by prediction (see `costs`).

    Parameters
    ----------
    profile
        What to run.
    jobs
        Processes that cluster at the same time, at most. Results do not depend on it.
    build
        Folder of caches and results.
    data_root
        Folder of the datasets that do not come with the installation.
    device
        Torch device for the embeddings, or `auto`.
    skip_unreadable
        Leave unreadable images out instead of stopping.
    retry_failed
        Compute cells again that failed before.
    progress
        Show progress bars.
    announce
        Called before the work with the plan and the bytes of memory that are available.

    Returns
    -------
    DataFrame
        As `results` gives it.

    Raises
    ------
    WorkerError
        The system ended a process. Other errors of the input are those of `fetch_weights`, `plan`
        and `embed`; a clusterer that fails is none.
    """
    build = build or build_folder()
    fetch_what_is_published(profile.encoders)
    planned = plan(profile, data_root)
    memory = memory_available()
    if announce:
        announce(planned, memory)
    left = missing(planned, build, memory, retry_failed)
    if left:
        embed_jobs(left, build, device, skip_unreadable, progress)
        # Again, as the sizes are known now.
        left = missing(planned, build, memory, retry_failed)
        cluster_jobs(left, build, memory, jobs, progress)
    return results(planned, build, memory)


def cluster_jobs(left: list[Job], build: Path, memory: float, n_jobs: int, progress: bool) -> None:
    """Compute cells, as many at once as memory allows.

    Raises
    ------
    WorkerError
        The system ended a process.
    """
    total = sum(len(job.cells) for job in left)
    with tqdm(total=total, desc="cluster", unit="cell", disable=not progress) as bar:
        try:
            for n, part in side_by_side(left, build, memory, n_jobs):
                calls = [
                    delayed(run_job)(
                        job.embeddings_folder(build), job.dataset.facts, job.key, job.cells, build
                    )
                    for job in part
                ]
                for done in Parallel(n_jobs=n, return_as="generator_unordered")(calls):
                    bar.update(done)
        except TerminatedWorkerError as error:
            raise WorkerError(
                "the system ended a worker process, most likely for want of memory; results "
                "so far are kept: run again with fewer jobs"
            ) from error


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
    clusterers = registered_clusterers()
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
    found = read_or_warn(cell, results_folder(build))
    return found and found[0]


def skipped_row(cell: Cell, recipe: Recipe, size: Size, memory: float) -> dict | None:
    """Make the row of a cell that needs more memory than there is; None where it fits."""
    reason = lack_of_memory(peak_bytes(recipe, size), memory)
    return row_without_scores(cell, "skipped", reason) if reason else None


def row_without_scores(cell: Cell, status: str, reason: str) -> dict:
    """Make the row of a cell that cannot be computed here."""
    place = {name: getattr(cell, name) for name in ("dataset", "encoder", "clusterer", "seed")}
    return place | {"status": status, "reason": reason, "n_skipped": 0}


def reductions_memo(build: Path, key: str) -> ArrayFolder:
    """Open the folder of the reductions of one embedding."""
    return ArrayFolder(build / "cache" / "reductions" / key)


def read_embeddings(
    planned: list[Job], build: Path | None = None
) -> Iterator[tuple[Job, Embeddings, ArrayFolder]]:
    """Read the embeddings of a plan, in its order, and open their reductions.

    Datasets that are absent are passed over, and those of which no cell fits into memory.

    Raises
    ------
    EmbeddingsError
        They were not computed yet.
    """
    build = build or build_folder()
    for job in planned:
        if job.absent:
            continue
        embeddings = read(job.embeddings_folder(build), job.dataset.facts, job.key)
        if embeddings is None:
            size = embeddings_size(job, build)
            if min(peak_bytes(recipe, size) for _, recipe in job.cells) > memory_available():
                continue
            raise EmbeddingsError(
                f"no embeddings of {job.dataset.facts.name} by {job.encoder.name}: sweep first"
            )
        yield job, embeddings, reductions_memo(build, job.key)


def skipped_cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum up the cells that were skipped: dataset, clusterer, cells, reason (that of the first)."""
    skipped = rows[rows["status"] == "skipped"].groupby(["dataset", "clusterer"], sort=False)
    return skipped["reason"].agg(cells="size", reason="first").reset_index()


def progress_report(planned: list[Job], build: Path) -> dict:
    """Count the cells of a plan by what became of them.

    Returns
    -------
    dict
        `total`, `ok`, `not_converged`, `failed`, `absent`, `missing`, `skipped`,
        `embeddings_missing`, `images_missing`; `datasets_absent`, `encoders_absent`: name to
        reason; `cells_skipped`: dataset, clusterer, cells and reason; and `problems`: dataset,
        encoder, clusterer, status and reason of each other cell that is not `ok`.
    """
    memory = memory_available()
    rows = results(planned, build, memory)
    left = missing(planned, build, memory)
    to_embed = not_embedded(left, build)
    total = sum(len(job.cells) for job in planned)
    counts = rows["status"].value_counts()
    columns = ["dataset", "encoder", "clusterer", "seed", "status", "reason"]
    problems = rows.loc[~rows["status"].isin(["ok", "absent", "skipped"]), columns]
    return {
        "total": total,
        **{status: int(counts.get(status, 0)) for status in STATUSES},
        "missing": sum(len(job.cells) for job in left),
        "skipped": int(counts.get("skipped", 0)),
        "embeddings_missing": len(to_embed),
        "images_missing": sum(len(job.dataset) for job in to_embed),
        "datasets_absent": {
            job.dataset.facts.name: job.absent
            for job in planned
            if "absent" in job.dataset.fingerprint
        },
        "encoders_absent": {
            job.encoder.name: job.absent
            for job in planned
            if "absent" in job.encoder_settings and "absent" not in job.dataset.fingerprint
        },
        "cells_skipped": json.loads(skipped_cells(rows).to_json(orient="records")),
        "problems": json.loads(problems.to_json(orient="records")),
    }
