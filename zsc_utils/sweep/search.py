"""Hyperparameter search: the recipes of a set of encoders, chosen on training images alone.

For each encoder and clusterer, in two steps, as in the study: first the reduction, with the
clusterer at common settings; then, with the best reduction, the clusterer's own settings. A choice
is judged by AMI, averaged over the search's datasets. A dataset on which some recipe of a clusterer
would need more memory than there is takes no part in the choice of that clusterer's recipe.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from zsc_utils.cache import ArrayFolder, build_folder, fingerprint, load_table, save_table
from zsc_utils.clustering import Task, clusterer_settings
from zsc_utils.datasets import load_dataset
from zsc_utils.edits import check_code
from zsc_utils.embedding import Embeddings, stored_embeddings
from zsc_utils.errors import ProfileError, RecipeError
from zsc_utils.metrics import adjusted_mutual_information, scores_settings, why_undefined
from zsc_utils.recipes import (
    COMMON,
    REDUCTION_COLUMNS,
    REDUCTIONS,
    SETTING_COLUMNS,
    SETTINGS,
    THRESHOLDS,
    Recipe,
)
from zsc_utils.reduction import reducer_settings
from zsc_utils.sweep.cells import Size, find_encoders, reductions_memo
from zsc_utils.sweep.costs import (
    clusterer_cost,
    held_bytes,
    lack_of_memory,
    memory_available,
    reduction_cost,
)
from zsc_utils.sweep.evaluate import attempt, one_thread
from zsc_utils.sweep.profile import Profile
from zsc_utils.sweep.run import fetch_what_is_published
from zsc_utils.sweep.workers import in_processes

log = logging.getLogger(__name__)

# Raised with any change to how recipes are chosen: it is part of results' names.
SEARCH_VERSION = 1

# The study's seed for validation, and its seed for the part of the train images it searched on.
SEARCH_SEED = 100
SUBSET_SEED = 0

REPORT = ("clusterer", "encoder", *REDUCTION_COLUMNS, *SETTING_COLUMNS, "step", "ami")


@dataclass(frozen=True)
class Trial:
    """One recipe tried with one encoder.

    Parameters
    ----------
    encoder
        Name of the encoder.
    step
        `reduction` or `settings`.
    recipe
        What was tried.
    ami
        On each dataset of the search; NaN where the recipe failed.
    reason
        Which datasets had no part in it, and why.
    """

    encoder: str
    step: str
    recipe: Recipe
    ami: dict[str, float]
    reason: str = ""

    @property
    def mean(self) -> float:
        """AMI, averaged over the datasets; NaN if the recipe failed on any."""
        return float(np.mean(list(self.ami.values())))

    def as_row(self) -> dict:
        """Return a row in the columns of a hyperparameter table, and the scores."""
        reduction, settings = self.recipe.reduction, dict(self.recipe.settings)
        return {
            "clusterer": self.recipe.clusterer,
            "encoder": self.encoder,
            "reducer": reduction.method,
            "n_components": reduction.n_components,
            "pca_variance": reduction.variance,
            "zscore": reduction.zscore,
            **{name: settings.get(name) for name in SETTING_COLUMNS},
            "step": self.step,
            "ami": self.mean,
            **{f"ami_{dataset}": ami for dataset, ami in self.ami.items()},
            "reason": self.reason,
        }


@dataclass(frozen=True)
class SearchSet:
    """Embeddings to search on, with the reductions made of them so far."""

    embeddings: Embeddings
    memo: ArrayFolder

    def ami(self, recipe: Recipe) -> float:
        """Cluster as a recipe says and score; NaN where nothing can be clustered so."""
        X, labels, facts = (getattr(self.embeddings, name) for name in ("array", "labels", "facts"))
        truth = labels[facts.label]
        task = Task(len(X), truth.nunique(), facts.min_cluster_size, SEARCH_SEED)
        found, clusters = attempt(X, recipe, task, self.memo)
        # Some settings suit no embedding of some encoders; they lose, and the search goes on.
        if clusters is None:
            log.warning("%s has no result on %s: %s", recipe, facts.name, found["reason"])
            return float("nan")
        return adjusted_mutual_information(truth, clusters)


def first_recipes(clusterer: str) -> list[Recipe]:
    """Recipes of the first step: every reduction, the clusterer at common settings."""
    settings = tuple(COMMON[clusterer].items())
    return [Recipe(clusterer, reduction, settings) for reduction in REDUCTIONS]


def lacks_of_memory(embeddings: Iterable[Embeddings], memory: float) -> dict[str, dict[str, str]]:
    """Say on which datasets recipes need more than so many bytes.

    Returns
    -------
    dict
        Clusterer to dataset to what its largest recipe lacks; only those that lack something.
    """
    lacks = {}
    for one in embeddings:
        size = Size(*one.array.shape, one.labels[one.facts.label].nunique())
        for clusterer in COMMON:
            steps = [reduction_cost(reduction, size) for reduction in REDUCTIONS] + [
                clusterer_cost(Recipe(clusterer, reduction, tuple(settings.items())), size)
                for reduction in REDUCTIONS
                for settings in SETTINGS[clusterer]
            ]
            needed = max(held_bytes(step, size) for step in steps)
            if reason := lack_of_memory(needed, memory):
                lacks.setdefault(clusterer, {})[one.facts.name] = reason
    return lacks


def try_all(
    encoder: str, step: str, recipes: Iterable[Recipe], sets: dict[str, SearchSet], reason: str = ""
) -> list[Trial]:
    """Try recipes on every dataset of the search; `reason` says what is not among them."""
    return [
        Trial(encoder, step, recipe, {name: one.ami(recipe) for name, one in sets.items()}, reason)
        for recipe in recipes
    ]


def best(trials: list[Trial]) -> Recipe:
    """Recipe of the highest mean AMI; of equals the first, which is the simpler.

    Raises
    ------
    RecipeError
        Every recipe failed.
    """
    worked = [trial for trial in trials if trial.mean == trial.mean]
    if not worked:
        recipe = trials[0].recipe
        raise RecipeError(f"no recipe of {recipe.clusterer} works with {trials[0].encoder}")
    return max(worked, key=lambda trial: trial.mean).recipe


def search_encoder(
    encoder: str, sets: dict[str, SearchSet], lacks: dict[str, dict[str, str]]
) -> list[Trial]:
    """Search the recipes of one encoder, each clusterer on the datasets that fit into memory.

    Agglomerative clustering without the number of classes takes reduction, linkage and metric of
    the one with it; its threshold is all that is searched.
    """
    trials = []
    for clusterer in COMMON:
        lacking = lacks.get(clusterer, {})
        reason = "; ".join(f"{name} {what}" for name, what in lacking.items())
        fitting = {name: one for name, one in sets.items() if name not in lacking}
        if not fitting:
            log.warning("no recipe of %s for %s: %s", clusterer, encoder, reason)
            continue
        first = try_all(encoder, "reduction", first_recipes(clusterer), fitting, reason)
        reduction = best(first).reduction
        settings = [Recipe(clusterer, reduction, tuple(s.items())) for s in SETTINGS[clusterer]]
        second = try_all(encoder, "settings", settings, fitting, reason)
        trials += first + second
        if clusterer == "ac_with_c":
            chosen = best(second)
            thresholds = [
                Recipe("ac_without_c", reduction, (*chosen.settings, ("distance_threshold", t)))
                for t in THRESHOLDS
            ]
            trials += try_all(encoder, "settings", thresholds, fitting, reason)
    return trials


def table_of_trials(trials: list[Trial]) -> pd.DataFrame:
    """One row a trial; columns are there even if there is none."""
    table = pd.DataFrame([trial.as_row() for trial in trials])
    return table.reindex(columns=list(dict.fromkeys([*REPORT, *table.columns])))


def chosen_recipes(report: pd.DataFrame) -> pd.DataFrame:
    """Pick the best row of each encoder and clusterer, in the columns of a hyperparameter table."""
    rows = report[report["step"] == "settings"]
    picked = rows.loc[rows.groupby(["clusterer", "encoder"], sort=False)["ami"].idxmax()]
    return picked[["clusterer", "encoder", *REDUCTION_COLUMNS, *SETTING_COLUMNS]]


def search_key(embeddings_keys: list[str], lacks: dict[str, dict[str, str]]) -> str:
    """Fingerprint of everything the search of one encoder depends on."""
    return fingerprint(
        {
            "embeddings": embeddings_keys,
            # With more memory, what was left out is searched.
            "left out": {clusterer: sorted(names) for clusterer, names in lacks.items()},
            "space": [[asdict(one) for one in REDUCTIONS], COMMON, SETTINGS, THRESHOLDS],
            "versions": [
                SEARCH_VERSION,
                *(reducer_settings(name) for name in sorted({one.method for one in REDUCTIONS})),
                *(clusterer_settings(name) for name in (*COMMON, "ac_without_c")),
                scores_settings(),
            ],
        }
    )


def run_search(
    encoder: str, embeddings: list[Embeddings], build: Path, memory: float
) -> tuple[str, pd.DataFrame]:
    """Search one encoder, or read the report where that was done before; give its name as well."""
    lacks = lacks_of_memory(embeddings, memory)
    key = search_key([one.key for one in embeddings], lacks)
    file = build / "search" / f"{encoder.replace(':', '_')}-{key}.csv"
    report = load_table(file, REPORT)
    if report is None:
        sets = {
            one.facts.name: SearchSet(one, reductions_memo(build, one.key)) for one in embeddings
        }
        check_code()
        with one_thread():
            trials = search_encoder(encoder, sets, lacks)
        save_table(table_of_trials(trials), file)
        report = load_table(file, REPORT)
    return encoder, report


def search_embeddings(
    profile: Profile, build: Path, data_root: Path | None, device: str, progress: bool
) -> Iterator[tuple[str, list[Embeddings]]]:
    """Embed, for each encoder of a profile, the training images that it is searched on.

    Encoders whose weights are not there are passed over, which a warning says before the work.
    """
    sets = [
        load_dataset(name, data_root, "train").subset(n_images, SUBSET_SEED, stratify=True)
        for name, n_images in profile.search_on.items()
    ]
    for dataset in sets:
        if why := why_undefined(dataset.labels[dataset.facts.label]):
            raise ProfileError(
                f"nothing to choose recipes by on {dataset.facts.name} ({len(dataset)} images): "
                f"AMI is undefined, as {why}"
            )
    fetch_what_is_published(profile.encoders)
    sources, lacking = find_encoders(profile.encoders)
    if lacking:
        log.warning("not searched, for want of their weights: %s", ", ".join(lacking))
    names = [name for name in profile.encoders if name not in lacking]
    for name in tqdm(names, desc="embed", unit="encoder", disable=not progress):
        found = [
            stored_embeddings(
                *(dataset, sources[name]),
                cache=build / "cache",
                device=device,
                precision=profile.precision,
                progress=progress,
            )
            for dataset in sets
        ]
        sources[name].release()
        yield name, found


def search(
    profile: Profile,
    *,
    jobs: int = 1,
    build: Path | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    progress: bool = True,
) -> pd.DataFrame:
    """Search the recipes of a profile's encoders on the training images of `profile.search_on`.

    Parameters
    ----------
    profile
        Whose encoders to search, and on what.
    jobs
        Encoders searched at the same time.
    build
        Folder of caches; a finished encoder is not searched again.
    data_root, device, progress
        As for `sweep.sweep`.

    Returns
    -------
    DataFrame
        Every trial: the columns of a hyperparameter table, `step`, mean `ami` and that of each
        dataset, and `reason`: which datasets did not fit into memory. `chosen_recipes` makes the
        table of it.

    Raises
    ------
    ProfileError
        The profile names nothing to search on, or images whose classes no AMI is defined for; or
        there are weights for none of its encoders.
    DatasetAbsentError
        A dataset to search on is not there: recipes chosen on the others would not be the same.
    RecipeError
        Every recipe of a clusterer fails with an encoder.
    """
    if not profile.search_on:
        raise ProfileError(f"profile {profile.name} names no datasets to search on (search_on)")
    build = build or build_folder()
    ready = list(search_embeddings(profile, build, data_root, device, progress))
    if not ready:
        raise ProfileError(f"no weights are there for any encoder of profile {profile.name}")
    memory = memory_available() / jobs
    calls = [(run_search, name, embeddings, build, memory) for name, embeddings in ready]
    found = in_processes(calls, jobs)
    bar = tqdm(found, total=len(calls), desc="search", unit="encoder", disable=not progress)
    reports = {name: report for name, report in bar}
    return pd.concat([reports[name] for name, _ in ready], ignore_index=True)
