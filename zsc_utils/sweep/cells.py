"""Cells that a profile asks for: each with its recipe, its key and the file of its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from zsc_utils.cache import ArrayFolder, fingerprint
from zsc_utils.clustering import clusterer_settings
from zsc_utils.datasets import DATASETS, DatasetFacts, ImageDataset, load_dataset
from zsc_utils.embedding import (
    Embeddings,
    embeddings_folder,
    embeddings_key,
    file_name,
    read,
    stored_embeddings,
)
from zsc_utils.encoders import ENCODERS, Encoder, EncoderFacts, find_encoder
from zsc_utils.errors import DatasetAbsentError, UnknownNameError, WeightsMissingError
from zsc_utils.metrics import scores_settings
from zsc_utils.precision import Precision
from zsc_utils.recipes import SILHOUETTE_REDUCTION, SILHOUETTE_SEED, Recipe, Reduction, recipe_for
from zsc_utils.reduction import reducer_settings
from zsc_utils.sweep.profile import Profile


@dataclass(frozen=True, order=True)
class Cell:
    """One result to be had: dataset × encoder × clusterer × seed, and the key of its settings."""

    dataset: str
    encoder: str
    clusterer: str
    seed: int
    key: str

    def path(self, build: Path) -> Path:
        """File of the result."""
        name = f"{self.clusterer}-seed{self.seed}-{self.key}.json"
        return build / "results" / file_name(self.dataset) / file_name(self.encoder) / name

    def draft(self, build: Path) -> Path:
        """File of the result as long as it lacks the silhouettes."""
        return self.path(build).with_suffix(".clustered")


@dataclass(frozen=True)
class Size:
    """What the cost of a step depends on.

    Parameters
    ----------
    n
        Number of samples.
    d
        Number of dimensions.
    n_classes
        Number of classes, which some clusterers are told.
    """

    n: int
    d: int
    n_classes: int = 1


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
    size
        Size of the embeddings, of jobs that are left to do.
    """

    dataset: ImageDataset
    source: Encoder
    key: str
    cells: tuple[tuple[Cell, Recipe], ...]
    precision: Precision = Precision.fp32
    absent: str = ""
    size: Size | None = None

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

    def is_embedded(self, build: Path) -> bool:
        """Whether the embeddings were computed."""
        return self.embeddings_folder(build).is_dir()

    def read(self, build: Path) -> Embeddings | None:
        """Read the embeddings that are there; see `embedding.read`."""
        return read(self.embeddings_folder(build), self.dataset.facts, self.key)

    def file(self, folder: Path, ending: str) -> Path:
        """File below a folder of what is kept of this dataset and encoder."""
        name = f"{file_name(self.encoder.name)}-{ending}"
        return folder / file_name(self.dataset.facts.name) / name

    def light(self) -> Job:
        """Return itself without images and network, which other processes do not need."""
        source = Encoder(self.encoder, {}, find_encoder)
        return replace(self, dataset=without_images(self.dataset.facts), source=source)


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


def reductions_memo(build: Path, key: str) -> ArrayFolder:
    """Open the folder of the reductions of one embedding."""
    return ArrayFolder(build / "cache" / "reductions" / key)


def reductions(cells: Iterable[tuple[Cell, Recipe]]) -> list[tuple[Reduction, int]]:
    """List the reductions of cells and of their silhouettes, each once, with their seeds."""
    silhouettes = SILHOUETTE_REDUCTION, SILHOUETTE_SEED
    asked = [pair for cell, one in cells for pair in ((one.reduction, cell.seed), silhouettes)]
    return [pair for pair in dict.fromkeys(asked) if pair[0].method != "none"]
