"""Sweeps: every cell of a profile that has no result yet is computed, whatever became of others."""

from __future__ import annotations

import gc
import logging
import platform
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from zsc_utils.cache import ArrayFolder, build_folder
from zsc_utils.datasets import DatasetFacts, load_dataset
from zsc_utils.edits import check_code, older_than_code
from zsc_utils.embedding import embeddings_key, left_some_out, mended, read, stored_embeddings
from zsc_utils.encoders import fetch_weights, find_encoder
from zsc_utils.errors import (
    CacheDamagedError,
    CheckpointError,
    WeightsMissingError,
    WorkerError,
    ZscError,
)
from zsc_utils.precision import Precision
from zsc_utils.recipes import (
    SILHOUETTE_REDUCTION,
    SILHOUETTE_SEED,
    Recipe,
    Reduction,
    too_few_samples,
)
from zsc_utils.reduction import Memo, reduce
from zsc_utils.sweep.cells import (
    Job,
    embeddings_size,
    fitting,
    missing,
    not_embedded,
    plan,
    reductions_memo,
    results_folder,
    side_by_side,
)
from zsc_utils.sweep.costs import Size, clusterer_cost, memory_available
from zsc_utils.sweep.evaluate import evaluate
from zsc_utils.sweep.profile import Profile
from zsc_utils.sweep.results import results
from zsc_utils.sweep.store import Cell, write_result
from zsc_utils.sweep.workers import Workers, dask, in_processes, local

log = logging.getLogger(__name__)


def sweep(
    profile: Profile,
    *,
    jobs: int = 1,
    build: Path | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    skip_unreadable: bool = False,
    retry_failed: bool = False,
    fresh: bool = False,
    scheduler: str | None = None,
    progress: bool = True,
    announce: Callable[[list[Job], float], None] | None = None,
) -> pd.DataFrame:
    """Compute what is missing of a profile and return its results.

    Weights that are published and not there yet are fetched first: results are named after them.
    Those of timm's models are fetched when they are needed. What cannot be fetched ends nothing:
    its cells are `absent`.
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
    fresh
        Forget what is stored of the profile, embeddings and reductions included, and compute it
        anew: after an edit of the code that raised no version.
    scheduler
        Address of a Dask scheduler, whose workers embed and cluster in place of this machine; they
        see the build folder by the same path (see docs/cluster.md). `jobs` then does not count.
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
    CodeChangedError
        There is something to compute, and the code was edited since this process loaded it.
    WorkerError
        The system ended a process. Other errors of the input are those of `fetch_weights`, `plan`
        and `stored_embeddings`; a clusterer that fails is none.
    """
    build = build or build_folder()
    fetch_what_is_published(profile.encoders)
    planned = plan(profile, data_root, skip_unreadable)
    forget_mended(planned, build)
    with dask(scheduler, build) if scheduler else local(jobs, memory_available()) as workers:
        memory = workers.most
        if announce:
            announce(planned, memory)
        if fresh:
            check_code()
            forget(planned, build)
        left = missing(planned, build, memory, retry_failed)
        if left:
            check_code()
            warn_of_older(planned, build)
            warn_of_few(left)
        lacking = run(
            *(left, build, workers),
            data_root=data_root,
            device=device,
            skip_unreadable=skip_unreadable,
            progress=progress,
        )
    planned = [replace(job, absent=job.absent or lacking.get(job.key, "")) for job in planned]
    return results(planned, build, memory)


def run(
    left: list[Job],
    build: Path,
    workers: Workers,
    *,
    data_root: Path | None = None,
    device: str = "auto",
    skip_unreadable: bool = False,
    progress: bool = True,
) -> dict[str, str]:
    """Compute the cells that are left of a plan, as many at once as fit into memory.

    Returns
    -------
    Why embeddings could not be computed for want of weights, by their key.
    """
    if not left:
        return {}
    check_code()
    if workers.remote:
        lacking = embed_remotely(left, build, workers, data_root, device, skip_unreadable, progress)
    else:
        lacking = embed_jobs(left, build, device, skip_unreadable, progress)
    left = [job for job in left if job.key not in lacking]
    # Again, as the sizes are known now.
    left = fitting(left, build, workers.most)
    total = sum(len(job.cells) for job in left)
    with tqdm(total=total, desc="cluster", unit="cell", disable=not progress) as bar:
        for n, part in side_by_side(left, build, workers.memory, workers.n):
            # Workers of other machines get a whole job each: its embeddings are read once.
            whole = [[cells_call(job, build) for job in part]]
            for calls in whole if workers.remote else stages(part, build, n):
                for done in workers.call(calls, n):
                    bar.update(done)
    return lacking


def stages(jobs: list[Job], build: Path, n: int) -> Iterator[list[tuple]]:
    """Part jobs into calls for n processes: each list when the one before is done.

    Where jobs are many each is one call. Where they are few their reductions come first, side by
    side, and then their cells.
    """
    if n == 1 or len(jobs) >= 2 * n:
        yield [cells_call(job, build) for job in jobs]
        return
    yield [
        (compute_reduction, job.embeddings_folder(build), job.dataset.facts, job.key, build, *asked)
        for job in jobs
        for asked in slow_reductions(job.cells)
    ]
    yield [
        cells_call(replace(job, cells=cells), build)
        for job in jobs
        for cells in parts(job.cells, embeddings_size(job, build))
    ]


def slow_reductions(cells: Iterable[tuple[Cell, Recipe]]) -> list[tuple[Reduction, int]]:
    """UMAPs that cells share, with their seeds; that of the silhouettes first."""
    asked = {(SILHOUETTE_REDUCTION, SILHOUETTE_SEED): None}
    asked |= {(recipe.reduction, cell.seed): None for cell, recipe in cells}
    return [pair for pair in asked if pair[0].method == "umap"]


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


def forget(planned: list[Job], build: Path) -> None:
    """Remove the embeddings, the reductions and the results of a plan."""
    for job in planned:
        if not job.absent:
            shutil.rmtree(job.embeddings_folder(build), ignore_errors=True)
            shutil.rmtree(reductions_memo(build, job.key).folder, ignore_errors=True)
            for cell, _ in job.cells:
                cell.path(results_folder(build)).unlink(missing_ok=True)


def warn_of_older(planned: list[Job], build: Path) -> None:
    """Say before new results are stored beside those that older code may have made."""
    results = results_folder(build)
    older = older_than_code(cell.path(results) for job in planned for cell, _ in job.cells)
    if older:
        log.warning(
            "of the results that are there, %s; new ones are stored beside them. If you changed "
            "what they are made by and raised no version, compute all anew: fresh=True (--fresh)",
            older,
        )


def warn_of_few(left: list[Job]) -> None:
    """Warn before the work, once a dataset, of recipes that its samples are too few for."""
    recipes = {}
    for job in left:
        name = job.dataset.facts.name, len(job.dataset)
        recipes.setdefault(name, []).extend(recipe for _, recipe in job.cells)
    for (name, n), asked in recipes.items():
        if few := too_few_samples(asked, n):
            log.warning("%s: %s; a profile can name other recipes (`recipes`)", name, few)


def fetch_what_is_published(names: Iterable[str]) -> None:
    """Fetch weights that are published and not there; what cannot be fetched is reported."""
    for name in names:
        try:
            fetch_weights(name)
        # Without network, or never published: its cells will say so, and the others are computed.
        except CheckpointError as error:
            log.warning("%s", error)


def forget_mended(planned: list[Job], build: Path) -> None:
    """Remove what was computed without images that can be read by now.

    All results of such a dataset and encoder go, as their names do not tell which rest on what.
    """
    for job in planned:
        folder = job.embeddings_folder(build)
        if job.absent or not left_some_out(folder):
            continue
        try:
            found = read(folder, job.dataset.facts, job.key)
        except CacheDamagedError:
            continue  # which is said where they are computed again
        if mended(job.dataset, found):
            log.warning("%s: images can be read that could not before: computing again", folder)
            places = {cell.path(results_folder(build)).parent for cell, _ in job.cells}
            for place in (folder, reductions_memo(build, job.key).folder, *places):
                shutil.rmtree(place, ignore_errors=True)


def embed_jobs(
    jobs: list[Job], build: Path, device: str, skip_unreadable: bool, progress: bool
) -> dict[str, str]:
    """Compute the embeddings that jobs need; each encoder is built at most once.

    Weights that timm names are fetched where they are needed. Those that cannot be had are asked
    for once, and reported as they are of other encoders.

    Returns
    -------
    Why embeddings could not be computed for want of weights, by their key.
    """
    current, new = None, {job.key for job in not_embedded(jobs, build)}
    reasons, lacking = {}, {}
    for job in tqdm(jobs, desc="embed", unit="embedding", disable=not progress):
        if current and current is not job.source:
            current.release()
            gc.collect()
        current = job.source
        name = job.encoder.name
        if name not in reasons or job.key not in new:
            try:
                job.embed(build, device, skip_unreadable, progress)
                continue
            except WeightsMissingError as error:
                reasons[name] = str(error)
                log.warning("%s", error)
        lacking[job.key] = reasons[name]
    if current:
        current.release()
    return lacking


def embed_remotely(
    jobs: list[Job],
    build: Path,
    workers: Workers,
    data_root: Path | None,
    device: str,
    skip_unreadable: bool,
    progress: bool,
) -> dict[str, str]:
    """Have workers compute the embeddings that jobs need; each opens dataset and encoder itself.

    Returns
    -------
    Why embeddings could not be computed for want of weights, by their key.
    """
    settings = {"data_root": data_root, "device": device, "skip_unreadable": skip_unreadable}
    new = not_embedded(jobs, build)
    for job in jobs:
        if job not in new:
            job.embed(build, device, skip_unreadable, progress)  # is read, and checked as here
    calls = [
        (
            *(embed_by_name, job.dataset.facts.name, len(job.dataset), job.encoder.name),
            *(job.key, job.precision, build, settings),
        )
        for job in new
    ]
    lacking = {}
    done = workers.call(calls, workers.n)
    for reasons in tqdm(done, "embed", len(calls), unit="embedding", disable=not progress):
        lacking |= reasons
    for reason in dict.fromkeys(lacking.values()):
        log.warning("%s", reason)
    return lacking


def embed_by_name(
    dataset: str, n: int, encoder: str, key: str, precision: Precision, build: Path, settings: dict
) -> dict[str, str]:
    """Embed the first n images of a dataset, where they and the encoder are those of a key.

    Returns
    -------
    Why not, by the key, where the encoder's weights cannot be fetched; else nothing.

    Raises
    ------
    WorkerError
        Images or weights are other ones here.
    """
    settings = dict(settings)
    root, skip = settings.pop("data_root"), settings["skip_unreadable"]
    try:
        images = load_dataset(dataset, root, skip_unreadable=skip).subset(n)
        source = find_encoder(encoder)
    except ZscError as error:
        raise WorkerError(f"worker on {platform.node()}: {error}") from error
    if embeddings_key(images, source.fingerprint, precision) != key:
        raise WorkerError(
            f"the worker on {platform.node()} has other images of {dataset}, or other weights of "
            f"{encoder}, than the machine that asks for them"
        )
    place = {"cache": build / "cache", "precision": precision, "progress": False}
    try:
        stored_embeddings(images, source, **place, **settings)
    except WeightsMissingError as error:
        return {key: str(error)}
    return {}


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


def cells_call(job: Job, build: Path) -> tuple:
    """Call for the cells of a job, without its images, which another process does not need."""
    place = job.embeddings_folder(build), job.dataset.facts, job.key
    return compute_cells, *place, job.cells, build


def compute_reduction(
    folder: Path, facts: DatasetFacts, key: str, build: Path, reduction: Reduction, seed: int
) -> int:
    """Compute a reduction of embeddings on disk and keep it."""
    reduce_into(read(folder, facts, key).array, reduction, seed, reductions_memo(build, key))
    return 0


def evaluate_side_by_side(
    X: np.ndarray,
    labels: pd.DataFrame,
    label: str,
    cells: list[tuple[Cell, Recipe]],
    *,
    folder: Path,
    jobs: int,
    told: int | None = None,
    nearest: bool = False,
) -> Iterator[tuple[Cell, dict, np.ndarray | None]]:
    """Evaluate cells of embeddings at hand in several processes; reductions go to a folder."""
    memo = ArrayFolder(folder)
    first = [(reduce_into, X, *asked, memo) for asked in slow_reductions(cells)]
    for _ in in_processes(first, jobs):
        pass
    settings = {"memo": memo, "told": told, "nearest": nearest}
    known = labels[label].nunique() if label in labels else told
    size = Size(*X.shape, known or 1)
    calls = [(evaluate_all, X, labels, label, part, settings) for part in parts(cells, size)]
    for done in in_processes(calls, jobs):
        yield from done


def evaluate_all(X, labels, label, cells, settings: dict) -> list:
    """Evaluate cells as `evaluate_each` does, and give them when all are done."""
    return list(evaluate_each(X, labels, label, cells, **settings))


def reduce_into(X: np.ndarray, reduction: Reduction, seed: int, memo: Memo) -> None:
    """Reduce embeddings for cells to come; where it fails, these will say why."""
    with one_thread(), suppress(Exception):
        reduce(X, reduction, seed=seed, memo=memo)


def compute_cells(folder: Path, facts: DatasetFacts, key: str, cells, build: Path) -> int:
    """Compute cells from embeddings on disk, one file each; count them."""
    embeddings = read(folder, facts, key)
    done = evaluate_each(
        *(embeddings.array, embeddings.labels, facts.label, cells),
        min_cluster_size=facts.min_cluster_size,
        memo=reductions_memo(build, key),
    )
    for cell, row, clusters in done:
        row |= {"n_skipped": len(embeddings.skipped)}
        write_result(cell, results_folder(build), row, clusters)
    return len(cells)


def evaluate_each(
    X: np.ndarray,
    labels: pd.DataFrame,
    label: str,
    cells: Iterable[tuple[Cell, Recipe]],
    *,
    memo: Memo,
    min_cluster_size: int = 5,
    told: int | None = None,
    nearest: bool = False,
) -> Iterator[tuple[Cell, dict, np.ndarray | None]]:
    """Evaluate cells of the same embeddings, one after the other: row and clusters of each."""
    with one_thread():
        for cell, recipe in cells:
            row, clusters = evaluate(
                *(X, labels, label if label in labels else None, recipe),
                seed=cell.seed,
                min_cluster_size=min_cluster_size,
                n_classes=told,
                memo=memo,
                nearest_recipe=nearest,
            )
            yield cell, {"dataset": cell.dataset, "encoder": cell.encoder} | row, clusters
