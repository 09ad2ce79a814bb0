"""Someone's own images: embedded, clustered by every clusterer, written down image by image."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from zsc_utils.cache import atomic_path, build_folder
from zsc_utils.datasets import FileImages, ImageDataset, load_dataset, open_folder
from zsc_utils.encoders import find_encoder
from zsc_utils.errors import ImageFolderError, ProfileError
from zsc_utils.recipes import too_few_samples
from zsc_utils.sweep.cells import Job, make_job, missing
from zsc_utils.sweep.clusterings import Clustering, read_clusterings
from zsc_utils.sweep.costs import memory_available
from zsc_utils.sweep.profile import Profile
from zsc_utils.sweep.results import results
from zsc_utils.sweep.run import fetch_what_is_published, forget_mended, run
from zsc_utils.sweep.workers import local

# Photographs that come with the installation stand in where no folder is named.
EXAMPLE = "textures"
# Of two images no two clusters say more than that they are two.
FEWEST = 3


def open_images(folder: str | Path | None, max_samples: int | None = None) -> ImageDataset:
    """Open a folder of images or of class folders; where none is named, an example.

    Parameters
    ----------
    folder
        All its images are taken; a relative path begins at the project's folder.
    max_samples
        How many images of the example to take at most.

    Raises
    ------
    ImageFolderError
        The folder does not exist, holds too few images, or is ambiguous.
    """
    if folder is None:
        return load_dataset(EXAMPLE).subset(max_samples)
    # What cannot be read is left out here, folders as well as images; `left_out` says so.
    dataset = open_folder(folder, need_classes=False, skip_unreadable=True)
    _check_number(len(dataset), f"the folder {dataset.facts.source} holds {len(dataset)} images")
    return dataset


def _check_number(n: int, what: str) -> None:
    if n < FEWEST:
        raise ImageFolderError(f"{what}, too few to group, which takes {FEWEST}: add some")


def plan_own(
    dataset: ImageDataset,
    encoder: str,
    profile: Profile,
    n_classes: int | None = None,
    nearest_recipe: bool = False,
) -> Job:
    """Plan the clusterings of some images: the profile's clusterers, recipes and first seed.

    Parameters
    ----------
    dataset
        The images.
    encoder
        Name of an encoder; published weights are fetched.
    profile
        Where clusterers and recipes come from.
    n_classes
        Number of clusters that those clusterers are told that ask, for images without labels.
    nearest_recipe
        Where a recipe's UMAP needs more images than there are, take fewer dimensions. Results are
        kept apart from those of the recipes themselves.

    Raises
    ------
    ProfileError
        The number is below two or above that of the images, or there are labels, which tell it.
    ZscError
        The encoder is unknown, or its weights are not there.
    """
    labelled = dataset.facts.label in dataset.labels
    if n_classes is not None and labelled:
        raise ProfileError("these images have labels, which tell their number: no n_classes")
    if n_classes is not None and not 2 <= n_classes <= len(dataset):
        raise ProfileError(f"n_classes must be 2 to {len(dataset)} (all images), not {n_classes}")
    fetch_what_is_published([encoder])
    one_seed = profile.model_copy(update={"seeds": profile.seeds[:1]})
    return make_job(
        *(one_seed, dataset, find_encoder(encoder)), told=n_classes, nearest=nearest_recipe
    )


def too_few_images(job: Job) -> str:
    """Say which recipes cannot be followed on so few images, and what can be done.

    Parameters
    ----------
    job
        What `plan_own` gave.

    Returns
    -------
    str
        Empty where all can be followed.
    """
    few = too_few_samples([recipe for _, recipe in job.cells], len(job.dataset))
    return few and few + ("" if job.nearest else "; nearest_recipe = True takes fewer dimensions")


def cluster_own(
    job: Job, build: Path | None = None, progress: bool = True
) -> tuple[pd.DataFrame, list[Clustering]]:
    """Embed and cluster images, or read what was computed before with the same settings.

    Unreadable images are left out. What failed is tried again: there are few cells, and someone is
    waiting.

    Parameters
    ----------
    job
        What `plan_own` gave.
    build
        Folder of caches and results.
    progress
        Show progress bars.

    Returns
    -------
    table
        One row a clusterer, as `results.results` gives it. What needs more memory than there is has
        status `skipped`.
    clusterings
        Those that gave clusters.

    Raises
    ------
    ImageFolderError
        Too few images could be read.
    EmbeddingsError
        None could be read.
    """
    build = build or build_folder()
    forget_mended([job], build)
    embeddings = job.embed(build, skip_unreadable=True, progress=progress)
    n = len(embeddings.array)
    _check_number(n, f"only {n} of {len(job.dataset)} images could be read")
    memory = memory_available()
    left = missing([job], build, memory, retry_failed=True)
    with local(1, memory) as workers:
        run(left, build, workers, skip_unreadable=True, progress=progress)
    table = results([job], build, memory).assign(n_skipped=len(embeddings.skipped))
    return table, list(read_clusterings([job], build))


def assignments(clusterings: list[Clustering]) -> pd.DataFrame:
    """Write down for each image its class, where known, and its cluster by each clusterer.

    Parameters
    ----------
    clusterings
        Of the same embeddings, one or more.

    Returns
    -------
    DataFrame
        `image` (a path below the folder, or the number of the image), `class`, and a column named
        after each clusterer, −1 = left out.
    """
    first = clusterings[0]
    dataset, positions = first.job.dataset, first.embeddings.positions
    names = positions
    if isinstance(dataset.images, FileImages):
        names = [dataset.images.name(i) for i in positions]
    known = {} if first.classes.isna().all() else {"class": first.classes}
    found = {one.cell.clusterer: one.clusters for one in clusterings}
    return pd.DataFrame({"image": names} | known | found)


def save_assignments(clusterings: list[Clustering], name: str, folder: str | Path) -> Path | None:
    """Write `assignments` as one CSV file; nothing where there are no clusterings."""
    if not clusterings:
        return None
    path = Path(folder) / f"{name}.csv"
    with atomic_path(path) as draft:
        assignments(clusterings).to_csv(draft, index=False)
    return path
