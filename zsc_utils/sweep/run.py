"""Sweeps: every cell of a profile that has no result yet is computed, whatever became of others."""

from __future__ import annotations

import gc
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache as remember
from pathlib import Path

import pandas as pd
from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm.auto import tqdm

from zsc_utils.cache import build_folder
from zsc_utils.datasets import DatasetFacts
from zsc_utils.edits import LOADED, check_code, guarded, older_than_code
from zsc_utils.embedding import left_some_out, mended, read, stored_embeddings
from zsc_utils.encoders import fetch_weights, load_encoder
from zsc_utils.errors import CacheDamagedError, CheckpointError, WorkerError
from zsc_utils.recipes import too_few_samples
from zsc_utils.sweep.cells import (
    Job,
    missing,
    plan,
    reductions_memo,
    results_folder,
    side_by_side,
)
from zsc_utils.sweep.costs import memory_available
from zsc_utils.sweep.evaluate import evaluate
from zsc_utils.sweep.profile import Profile
from zsc_utils.sweep.results import results
from zsc_utils.sweep.store import write_result

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
    fresh
        Forget what is stored of the profile, embeddings and reductions included, and compute it
        anew: after an edit of the code that raised no version.
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
    memory = memory_available()
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
        embed_jobs(left, build, device, skip_unreadable, progress)
        # Again, as the sizes are known now.
        left = missing(planned, build, memory, retry_failed)
        cluster_jobs(left, build, memory, jobs, progress)
    return results(planned, build, memory)


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
        stored_embeddings(
            job.dataset,
            job.encoder_settings,
            make_encoder,
            cache=build / "cache",
            device=device,
            precision=job.precision,
            skip_unreadable=skip_unreadable,
            progress=progress,
        )


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
                    delayed(guarded)(
                        *(LOADED, run_job, job.embeddings_folder(build)),
                        *(job.dataset.facts, job.key, job.cells, build),
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
