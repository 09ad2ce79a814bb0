"""Nearest neighbours: how well the train images next to a test image tell its class."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from zsc_utils.cache import atomic_path, build_folder, fingerprint, read_if_whole, versions
from zsc_utils.datasets import ImageDataset, load_dataset
from zsc_utils.edits import check_code
from zsc_utils.embedding import Embeddings, choose_device, embeddings_key
from zsc_utils.errors import DatasetAbsentError, ZscError
from zsc_utils.metrics import KS, NEIGHBOURS_VERSION, accuracy_by_k
from zsc_utils.sweep.cells import Job, plan
from zsc_utils.sweep.costs import memory_available
from zsc_utils.sweep.profile import Profile
from zsc_utils.sweep.run import by_encoder, embed_all
from zsc_utils.sweep.workers import local

MEASURED = ("status", "reason", "n_train", "n_test", "accuracy")
COLUMNS = (
    *("dataset", "dataset_name", "group", "encoder", "encoder_name", "method", "backbone"),
    *("k", "accuracy", "n_train", "n_test", "status", "reason"),
)


def train_parts(
    planned: list[Job], n_train: int | None, data_root: Path | None = None
) -> tuple[dict[str, ImageDataset], dict[str, dict]]:
    """Open the train partitions of the datasets of a plan.

    Returns
    -------
    opened
        By name of the dataset, at most `n_train` images of each.
    lacking
        Status and reason of those that have none, or whose train images are not there.
    """
    opened, lacking = {}, {}
    for facts in {job.dataset.facts.name: job.dataset.facts for job in planned}.values():
        if "train" not in facts.partitions:
            reason = f"dataset {facts.name} has no train partition"
            lacking[facts.name] = {"status": "skipped", "reason": reason}
            continue
        try:
            whole = load_dataset(facts.name, data_root, partition="train")
            opened[facts.name] = whole.subset(n_train)
        except DatasetAbsentError as error:
            lacking[facts.name] = {"status": "absent", "reason": str(error)}
    return opened, lacking


def classes_of(
    train: Embeddings, test: Embeddings
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return embeddings and classes, from 0; images without a class are left out.

    Returns
    -------
    train, y_train, test, y_test
        As `accuracy_by_k` takes them.
    """
    level = train.facts.label
    both = pd.concat([train.labels[level], test.labels[level]])
    codes, _ = pd.factorize(both)
    found = []
    for embeddings, y in ((train, codes[: len(train.labels)]), (test, codes[len(train.labels) :])):
        # A memory map is copied for want of a label only.
        known = y >= 0
        array = embeddings.array if known.all() else embeddings.array[known]
        found += [array, y[known]]
    return tuple(found)


def why_no_accuracy(train: pd.Series, test: pd.Series) -> str:
    """Say why the accuracy of any vote is known beforehand; empty where it is not.

    Parameters
    ----------
    train, test
        Classes of images, missing ones None or NaN.
    """
    train, test = set(train.dropna()), set(test.dropna())
    for name, classes in (("train", train), ("test", test)):
        if not classes:
            return f"no {name} image has a class"
    if len(train) == 1:
        return "all train images have one class, so every vote is for it"
    return "" if train & test else "no test image has a class of the train images"


def with_gallery(job: Job, gallery: ImageDataset) -> Job:
    """Job of the train images in place of the test images."""
    key = embeddings_key(gallery, job.source.fingerprint, job.precision)
    return replace(job, dataset=gallery, key=key)


def measured_file(job: Job, train: Job, ks: Sequence[int], build: Path) -> Path:
    """File of what is measured of one dataset and encoder."""
    settings = {
        "test": job.key,
        "train": train.key,
        "label": job.dataset.facts.label,
        "ks": list(ks),
        "version": NEIGHBOURS_VERSION,
        "versions": versions("torch", "numpy"),
    }
    return job.file(build / "knn", f"{fingerprint(settings)}.json")


def read_measured(file: Path) -> dict:
    """Read what `measured` wrote."""
    found = json.loads(file.read_text())
    return {field: found[field] for field in MEASURED}


def measured(
    job: Job,
    gallery: Job,
    ks: Sequence[int],
    build: Path,
    device: str = "auto",
    progress: bool = True,
) -> dict:
    """Classify the test images of one dataset as one encoder sees them; or read what is there.

    Returns
    -------
    dict
        `status`, `reason`, `n_train`, `n_test` and `accuracy`: fractions by k, as text.
    """
    file = measured_file(job, gallery, ks, build)
    if found := read_if_whole(file, read_measured, "%s is damaged (%s): measuring it again"):
        return found
    check_code()
    train, test = (each.embed(build, device=device, progress=progress) for each in (gallery, job))
    arrays = classes_of(train, test)
    accuracy = accuracy_by_k(*arrays, ks, choose_device(device))
    found = {
        "status": "ok",
        "reason": "",
        "n_train": len(arrays[0]),
        "n_test": len(arrays[2]),
        "accuracy": {str(k): value for k, value in accuracy.items()},
    }
    with atomic_path(file) as draft:
        draft.write_text(json.dumps(found, indent=1))
    return found


def knn_accuracies(
    profile: Profile,
    *,
    ks: Sequence[int] = KS,
    n_train: int | None = None,
    jobs: int = 1,
    build: Path | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    progress: bool = True,
) -> pd.DataFrame:
    """Classify the test images of a profile by their nearest train images.

    Embeddings are read where there are any and computed where not; results likewise. No weights
    are fetched.

    Parameters
    ----------
    profile
        Whose datasets and encoders.
    ks
        Numbers of neighbours; where there are fewer train images, all of them vote.
    n_train
        Train images to take of each dataset at most, by a seeded random choice; as many as the
        profile takes of the test images by default.
    jobs
        Processes that embed at the same time, at most.
    build
        Folder of caches and results.
    data_root
        Folder of the datasets that do not come with the installation.
    device
        Torch device, or `auto`.
    progress
        Show a progress bar.

    Returns
    -------
    DataFrame
        A row for each dataset, encoder and k: dataset, dataset_name, group, encoder, encoder_name,
        method, backbone, k, `accuracy` (fraction), n_train, n_test, `status` and `reason`. There is
        no accuracy for datasets without a train partition, or with classes that make it known
        beforehand (`skipped`), datasets and encoders that are absent (`absent`), and where
        something went wrong (`failed`).

    Raises
    ------
    ZscError
        As for `cells.plan`.
    """
    build = build or build_folder()
    planned = plan(profile, data_root)
    galleries, lacking = train_parts(planned, n_train or profile.max_samples, data_root)
    known = {job.key: why_unmeasured(job, galleries, lacking) for job in planned}
    left = [
        (job, with_gallery(job, galleries[job.dataset.facts.name]))
        for job in planned
        if not known[job.key]
    ]
    how = {"device": device, "skip_unreadable": False, "progress": progress}
    # Side by side; whatever fails there fails again below, in a row of its own.
    with suppress(ZscError), local(jobs, memory_available()) as workers:
        new = [train for job, train in left if not measured_file(job, train, ks, build).exists()]
        embed_all(new, build, workers, data_root, how)
    trains = {job.key: train for job, train in left}
    rows = []
    for job in by_encoder(tqdm(planned, "neighbours", unit="embedding", disable=not progress)):
        found = known[job.key]
        if not found:
            try:
                found = measured(job, trains[job.key], ks, build, device, progress)
            except ZscError as error:
                found = {"status": "failed", "reason": str(error)}
        rows += rows_of(job, ks, found)
    return pd.DataFrame(rows, columns=COLUMNS)


def why_unmeasured(
    job: Job, galleries: dict[str, ImageDataset], lacking: dict[str, dict]
) -> dict | None:
    """Status and reason where nothing can be measured; None where something can.

    `galleries` and `lacking` are those of `train_parts`.
    """
    name, level = job.dataset.facts.name, job.dataset.facts.label
    if job.absent or name in lacking:
        return lacking.get(name) or {"status": "absent", "reason": job.absent}
    if why := why_no_accuracy(galleries[name].labels[level], job.dataset.labels[level]):
        return {"status": "skipped", "reason": f"dataset {name}: {why}"}
    return None


def rows_of(job: Job, ks: Sequence[int], found: dict) -> list[dict]:
    """Make the rows of one dataset and encoder, one for each k, from what `measured` gives."""
    accuracy = found.get("accuracy", {})
    rest = job.facts | {"n_train": 0, "n_test": 0} | found
    return [rest | {"k": k, "accuracy": accuracy.get(str(k), np.nan)} for k in ks]
