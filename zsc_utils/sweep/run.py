"""Sweeps: every cell of a profile that has no result yet is computed, whatever became of others."""

from __future__ import annotations

import gc
import logging
import platform
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from zsc_utils.cache import build_folder
from zsc_utils.datasets import load_dataset
from zsc_utils.edits import check_code, older_than_code
from zsc_utils.embedding import choose_device, embeddings_key, left_some_out, mended
from zsc_utils.encoders import fetch_weights, find_encoder
from zsc_utils.errors import (
    CacheDamagedError,
    CheckpointError,
    WeightsMissingError,
    WorkerError,
    ZscError,
)
from zsc_utils.recipes import too_few_samples
from zsc_utils.sweep.cells import Job, plan, reductions_memo
from zsc_utils.sweep.costs import fitting, memory_available, side_by_side
from zsc_utils.sweep.evaluate import stages
from zsc_utils.sweep.profile import Profile
from zsc_utils.sweep.results import results, survey
from zsc_utils.sweep.workers import Workers, dask, local

log = logging.getLogger(__name__)

# What a process that embeds may hold: a ViT-B/16, a batch on its way through it, and libraries.
EMBEDDING_BYTES = 2 * 2**30


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
        _, left = survey(planned, build, memory, retry_failed)
        lacking = {}
        if left:
            check_code()
            warn_of_older(planned, build)
            warn_of_few(left)
            how = {"device": device, "skip_unreadable": skip_unreadable, "progress": progress}
            lacking = embed_all(left, build, workers, data_root, how)
            cluster_all([job for job in left if job.key not in lacking], build, workers, progress)
    planned = [replace(job, absent=job.absent or lacking.get(job.key, "")) for job in planned]
    return results(planned, build, memory)


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
            found = job.read(build)
        except CacheDamagedError:
            continue  # which is said where they are computed again
        if mended(job.dataset, found):
            log.warning("%s: images can be read that could not before: computing again", folder)
            places = {cell.path(build).parent for cell, _ in job.cells}
            for place in (folder, reductions_memo(build, job.key).folder, *places):
                shutil.rmtree(place, ignore_errors=True)


def forget(planned: list[Job], build: Path) -> None:
    """Remove the embeddings, the reductions and the results of a plan."""
    for job in planned:
        if not job.absent:
            shutil.rmtree(job.embeddings_folder(build), ignore_errors=True)
            shutil.rmtree(reductions_memo(build, job.key).folder, ignore_errors=True)
            for cell, _ in job.cells:
                for path in (cell.path(build), cell.draft(build)):
                    path.unlink(missing_ok=True)


def warn_of_older(planned: list[Job], build: Path) -> None:
    """Say before new results are stored beside those that older code may have made."""
    older = older_than_code(cell.path(build) for job in planned for cell, _ in job.cells)
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


def embed_all(
    jobs: list[Job], build: Path, workers: Workers, data_root: Path | None, how: dict
) -> dict[str, str]:
    """Compute the embeddings that jobs need, here or in other processes.

    Returns
    -------
    Why embeddings could not be computed for want of weights, by their key.
    """
    new, n = [job for job in jobs if not job.is_embedded(build)], workers.n
    if not workers.remote:
        # A GPU serves one process; on a CPU two of one thread do more than one of two threads.
        on_cpu = choose_device(how["device"]) == "cpu"
        n = max(1, min(n, int(workers.memory // EMBEDDING_BYTES))) if on_cpu else 1
        if n == 1 or len(new) == 1:
            return embed_jobs(jobs, build, how)
    # Workers of other machines fetch weights themselves.
    lacking = {} if workers.remote else lacking_weights(new)
    for job in jobs:
        if job.is_embedded(build):
            job.embed(build, **how)  # is read, and checked as here
    new = [job for job in new if job.key not in lacking]
    parts = [[job] for job in new] if workers.remote else parted_by_dataset(new, n)
    settings = build, data_root, how | {"progress": False}
    calls = [(embed_by_name, [asked_for(job) for job in part], *settings) for part in parts]
    with tqdm(total=len(new), desc="embed", unit="embedding", disable=not how["progress"]) as bar:
        for number, reasons in workers.call(calls, n):
            lacking |= reasons
            bar.update(number)
    for reason in dict.fromkeys(lacking.values()):
        log.warning("%s", reason)
    return lacking


def lacking_weights(jobs: list[Job]) -> dict[str, str]:
    """Build each encoder once: why its weights cannot be had, by the keys of its embeddings."""
    reasons = {}
    for job in by_encoder(jobs):
        if job.encoder.name not in reasons:
            try:
                reasons[job.encoder.name] = ""
                job.source.module  # noqa: B018  (timm's are fetched where they are needed)
            except WeightsMissingError as error:
                reasons[job.encoder.name] = str(error)
    return {job.key: why for job in jobs if (why := reasons[job.encoder.name])}


def parted_by_dataset(jobs: list[Job], n: int) -> list[list[Job]]:
    """Part jobs for n processes: by dataset, which is opened once, and if these are few further."""
    by_dataset = defaultdict(list)
    for job in jobs:
        by_dataset[job.dataset.facts.name].append(job)
    pieces = 1 if len(by_dataset) >= 2 * n else 2 * n
    largest = sorted(by_dataset.values(), key=lambda part: -len(part[0].dataset))
    return [part[i::pieces] for part in largest for i in range(pieces) if part[i::pieces]]


def embed_jobs(jobs: list[Job], build: Path, how: dict) -> dict[str, str]:
    """Compute the embeddings that jobs need; each encoder is built at most once.

    Weights that timm names are fetched where they are needed. Those that cannot be had are asked
    for once, and reported as they are of other encoders. `how` are settings of `Job.embed`.

    Returns
    -------
    Why embeddings could not be computed for want of weights, by their key.
    """
    reasons, lacking = {}, {}
    for job in by_encoder(tqdm(jobs, "embed", unit="embedding", disable=not how["progress"])):
        name = job.encoder.name
        if name not in reasons or job.is_embedded(build):
            try:
                job.embed(build, **how)
                continue
            except WeightsMissingError as error:
                reasons[name] = str(error)
                log.warning("%s", error)
        lacking[job.key] = reasons[name]
    return lacking


def by_encoder(jobs: Iterable[Job]) -> Iterator[Job]:
    """Go through jobs, and let the network of each encoder go after the last that needs it."""
    for _, of_one in groupby(jobs, key=lambda job: id(job.source)):
        for job in of_one:
            yield job
        job.source.release()
        gc.collect()


def asked_for(job: Job) -> tuple:
    """Name what a job embeds: dataset, partition, images, encoder, key, precision."""
    dataset = job.dataset
    partition = dataset.fingerprint.get("partition", "test")
    return dataset.facts.name, partition, len(dataset), job.encoder.name, job.key, job.precision


def embed_by_name(
    asked: list[tuple], build: Path, data_root: Path | None, how: dict
) -> tuple[int, dict[str, str]]:
    """Embed the first images of datasets, where they and the encoders are those of a key.

    Returns
    -------
    number
        How many embeddings were asked for.
    reasons
        Why not, by the key, where the encoder's weights cannot be fetched.

    Raises
    ------
    WorkerError
        Images or weights are other ones here.
    """
    opened, reasons = {}, {}
    for dataset, partition, n, encoder, key, precision in asked:
        try:
            if dataset not in opened:
                some = {"partition": partition, "skip_unreadable": how["skip_unreadable"]}
                opened[dataset] = load_dataset(dataset, data_root, **some).subset(n)
            images, source = opened[dataset], find_encoder(encoder)
        except ZscError as error:
            raise WorkerError(f"worker on {platform.node()}: {error}") from error
        if embeddings_key(images, source.fingerprint, precision) != key:
            raise WorkerError(
                f"the worker on {platform.node()} has other images of {dataset}, or other weights "
                f"of {encoder}, than the machine that asks for them"
            )
        try:
            Job(images, source, key, (), precision).embed(build, **how)
        except WeightsMissingError as error:
            reasons[key] = str(error)
    return len(asked), reasons


def cluster_all(jobs: list[Job], build: Path, workers: Workers, progress: bool) -> None:
    """Compute the cells of jobs that are embedded, as many at once as fit into memory."""
    # Sizes were guessed before; now they are known.
    left = fitting(jobs, build, workers.most)
    total = sum(len(job.cells) for job in left)
    with tqdm(total=total, desc="cluster", unit="cell", disable=not progress) as bar:
        for n, part in side_by_side(left, workers.memory, workers.n):
            # Workers of other machines get a whole job each: its embeddings are read once.
            for calls in stages(part, build, 1 if workers.remote else n):
                for done in workers.call(calls, n):
                    bar.update(done)
