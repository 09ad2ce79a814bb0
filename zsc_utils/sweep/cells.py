"""Cells: those that a profile asks for, the file of each result, which lack one, and which fit."""

from __future__ import annotations

import base64
import json
import logging
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.cache import ArrayFolder, atomic_path, fingerprint, load_array
from zsc_utils.clustering import clusterer_settings
from zsc_utils.datasets import DATASETS, DatasetFacts, ImageDataset, load_dataset
from zsc_utils.embedding import (
    Embeddings,
    embeddings_folder,
    embeddings_key,
    file_name,
    stored_embeddings,
)
from zsc_utils.encoders import ENCODERS, Encoder, EncoderFacts, find_encoder
from zsc_utils.errors import (
    CacheDamagedError,
    DatasetAbsentError,
    UnknownNameError,
    WeightsMissingError,
)
from zsc_utils.metrics import scores_settings
from zsc_utils.precision import Precision
from zsc_utils.recipes import SILHOUETTE_REDUCTION, SILHOUETTE_SEED, Recipe, recipe_for
from zsc_utils.reduction import reducer_settings
from zsc_utils.sweep.costs import Size, cell_lacks, dimensions, peak_bytes
from zsc_utils.sweep.profile import Profile

log = logging.getLogger(__name__)

SILHOUETTES = ("silhouette_original", "silhouette_umap")


@dataclass(frozen=True, order=True)
class Cell:
    """One result to be had: dataset × encoder × clusterer × seed, and the key of its settings."""

    dataset: str
    encoder: str
    clusterer: str
    seed: int
    key: str

    def path(self, results: Path) -> Path:
        """File of the result below the folder of results."""
        name = f"{self.clusterer}-seed{self.seed}-{self.key}.json"
        return results / file_name(self.dataset) / file_name(self.encoder) / name

    def draft(self, results: Path) -> Path:
        """File of the result as long as it lacks the silhouettes."""
        return self.path(results).with_suffix(".clustered")


@dataclass(frozen=True)
class Job:
    """The cells of one dataset and encoder: they share embeddings and reductions.

    Parameters
    ----------
    dataset
        The images.
    source
        The encoder; its network is built by who needs it.
    key
        Fingerprint of the embeddings.
    cells
        Each with its recipe.
    precision
        Numbers that the encoder computes with.
    absent
        Why the dataset or the encoder is not there: the cells are reported but not computed. Empty
        where both are.
    """

    dataset: ImageDataset
    source: Encoder
    key: str
    cells: tuple[tuple[Cell, Recipe], ...]
    precision: Precision = Precision.fp32
    absent: str = ""

    @property
    def encoder(self) -> EncoderFacts:
        """Facts of the encoder."""
        return self.source.facts

    @property
    def facts(self) -> dict:
        """What tables and figures say of dataset and encoder."""
        dataset, encoder = self.dataset.facts, self.encoder
        return {
            "dataset": dataset.name,
            "encoder": encoder.name,
            "group": dataset.group,
            "dataset_name": dataset.display,
            "encoder_name": encoder.display,
            "backbone": encoder.backbone,
            "method": encoder.method,
            "labels": encoder.labels,
            "fine_tuned_from": encoder.fine_tuned_from,
        }

    def embed(self, build: Path, **settings) -> Embeddings:
        """Embed the images, or read what is there: settings are `stored_embeddings`' others."""
        place = {"cache": build / "cache", "precision": self.precision}
        return stored_embeddings(self.dataset, self.source, **place, **settings)

    def embeddings_folder(self, build: Path) -> Path:
        """Folder of the embeddings."""
        return embeddings_folder(
            build / "cache", self.dataset.facts.name, self.encoder.name, self.key
        )


def plan(
    profile: Profile, data_root: Path | None = None, skip_unreadable: bool = False
) -> list[Job]:
    """List what a profile asks for, whether there already or not, one job an embedding.

    A dataset that is absent, or not whole, and an encoder without weights (nothing is fetched here)
    have jobs as well: they say so. `skip_unreadable` is for `open_datasets`.

    Raises
    ------
    ZscError
        A folder cannot be opened, an encoder is unknown or its weights are damaged, or a recipe is
        missing.
    """
    opened, absent = open_datasets(profile, profile.datasets, data_root, skip_unreadable)
    displays = Counter(dataset.facts.display for dataset in opened.values())
    for name, dataset in opened.items():
        # Two folders of the same name are told apart by their paths.
        if displays[dataset.facts.display] > 1:
            facts = replace(dataset.facts, display=name.removeprefix("folder:"))
            opened[name] = replace(dataset, facts=facts)
    found, lacking = find_encoders(profile.encoders)
    return [
        make_job(
            *(profile, opened[dataset], found[encoder]),
            absent=absent.get(dataset, lacking.get(encoder, "")),
        )
        for encoder in profile.encoders
        for dataset in profile.datasets
    ]


def open_datasets(
    profile: Profile,
    names: Iterable[str],
    data_root: Path | None = None,
    skip_unreadable: bool = False,
) -> tuple[dict[str, ImageDataset], dict[str, str]]:
    """Open datasets, with as many images as the profile takes.

    With `skip_unreadable`, folders that cannot be read are left out of those of one's own images.

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
            found = load_dataset(name, data_root, skip_unreadable=skip_unreadable)
            opened[name] = found.subset(profile.max_samples)
        except DatasetAbsentError as error:
            absent[name] = str(error)
            opened[name] = without_images(DATASETS[name].facts)
    return opened, absent


def without_images(facts: DatasetFacts) -> ImageDataset:
    """Stand in for a dataset that is absent: its facts, and nothing else."""
    labels = pd.DataFrame({facts.label: []}, dtype=object)
    return ImageDataset(facts, (), labels, None, {"dataset": facts.name, "absent": True})


def find_encoders(names: Iterable[str]) -> tuple[dict[str, Encoder], dict[str, str]]:
    """Find encoders.

    Returns
    -------
    found
        By name; one whose weights are not there has its facts and cannot be built.
    lacking
        Why, for those whose weights are not there.
    """
    found, lacking = {}, {}
    for name in names:
        try:
            found[name] = find_encoder(name)
        except WeightsMissingError as error:
            lacking[name] = str(error)
            settings = {"encoder": name, "absent": True}
            found[name] = Encoder(ENCODERS[name].facts, settings, find_encoder)
    return found, lacking


def make_job(profile: Profile, dataset: ImageDataset, source: Encoder, absent: str = "") -> Job:
    """List the cells of one dataset and encoder."""
    key = embeddings_key(dataset, source.fingerprint, profile.precision)
    facts, encoder = dataset.facts, source.facts
    cells = []
    for seed in profile.seeds:
        for clusterer in profile.clusterers:
            recipe = recipe_for(encoder.name, clusterer, encoder.family, profile.recipe_table)
            name = cell_key(key, recipe, facts.label, facts.min_cluster_size, seed)
            cells.append((Cell(facts.name, encoder.name, clusterer, seed, name), recipe))
    return Job(dataset, source, key, tuple(cells), profile.precision, absent)


def cell_key(
    embeddings_key: str, recipe: Recipe, label: str, min_cluster_size: int, seed: int
) -> str:
    """Fingerprint of everything one result depends on."""
    return fingerprint(
        {
            "embeddings": embeddings_key,
            "recipe": recipe.as_dict(),
            "label": label,
            "min_cluster_size": min_cluster_size,
            "seed": seed,
            "silhouette": [asdict(SILHOUETTE_REDUCTION), SILHOUETTE_SEED],
            "versions": [
                reducer_settings(recipe.reduction.method),
                clusterer_settings(recipe.clusterer),
                reducer_settings(SILHOUETTE_REDUCTION.method),
                scores_settings(),
            ],
        }
    )


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
    facts = DATASETS.facts()
    nested = [name for name in profile.datasets if name in facts and facts[name].taxonomy]
    for name in names or ():
        if name not in nested:
            raise UnknownNameError("dataset with a taxonomy in this profile", name, nested)
    opened, absent = open_datasets(profile, names or nested, data_root)
    return {name: images for name, images in opened.items() if name not in absent}


def results_folder(build: Path) -> Path:
    """Folder of the results."""
    return build / "results"


def reductions_memo(build: Path, key: str) -> ArrayFolder:
    """Open the folder of the reductions of one embedding."""
    return ArrayFolder(build / "cache" / "reductions" / key)


def missing(jobs: list[Job], build: Path, memory: float, retry_failed: bool = False) -> list[Job]:
    """Keep of each job the cells that can have a result but have none yet; drop empty jobs.

    Cells that need more than `memory` bytes can have none here.
    """
    results = results_folder(build)
    left = [
        replace(job, cells=tuple(c for c in job.cells if not finished(c[0], results, retry_failed)))
        for job in jobs
        if not job.absent
    ]
    return fitting([job for job in left if job.cells], build, memory)


def finished(cell: Cell, results: Path, retry_failed: bool = False) -> bool:
    """Tell whether a cell has a result."""
    found = read_result(cell, results)
    return found is not None and not (retry_failed and found[0]["status"] == "failed")


def read_result(cell: Cell, results: Path) -> tuple[dict, np.ndarray | None] | None:
    """Read one result; None where it is not there yet."""
    return read_row(cell.path(results), SILHOUETTES)


def read_row(path: Path, scores: tuple[str, ...] = ()) -> tuple[dict, np.ndarray | None] | None:
    """Read a row and its clusters; None where there are none.

    A file that is cut short or not what was written is warned of and counts as not there. Where
    there are clusters the row must have `scores`, besides others.
    """
    try:
        content = json.loads(path.read_text())
        row, text = content["row"], content["clusters"]
        missing = fields_of(row, text is not None, scores) - row.keys()
        if missing:
            raise ValueError(f"no {', '.join(sorted(missing))}")
        return row, None if text is None else unpack_clusters(text)
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError, zlib.error, OSError) as error:
        log.warning("result %s is cut short or damaged (%s): it counts as missing", path, error)
        return None


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


def fitting(jobs: list[Job], build: Path, memory: float) -> list[Job]:
    """Keep of each job the cells that need no more than so many bytes; drop empty jobs."""
    left = []
    for job in jobs:
        size = embeddings_size(job, build)
        cells = tuple(pair for pair in job.cells if not cell_lacks(pair[1], size, memory))
        left += [replace(job, cells=cells)] if cells else []
    return left


def embeddings_size(job: Job, build: Path) -> Size:
    """Size of the embeddings of a job; where there are none yet, the size to be expected."""
    labels, level = job.dataset.labels, job.dataset.facts.label
    n_classes = labels[level].nunique() if level in labels else 1
    try:
        n, d = load_array(job.embeddings_folder(build) / "embeddings.npy").shape
    except CacheDamagedError:
        n, d = len(job.dataset), dimensions(job.encoder.backbone)
    return Size(n, d, n_classes)


def not_embedded(jobs: list[Job], build: Path) -> list[Job]:
    """Keep the jobs whose embeddings are still to be computed."""
    return [job for job in jobs if not job.embeddings_folder(build).is_dir()]


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
            n = max(1, min(n_jobs, int(memory // peak_bytes(recipe, size))))
            cells[n].append((cell, recipe))
        for n, pairs in cells.items():
            parts[n].append(replace(job, cells=tuple(pairs)))
    return sorted(parts.items(), reverse=True)
