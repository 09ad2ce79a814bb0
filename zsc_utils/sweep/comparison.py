"""Reductions compared: the same embeddings and clusterers, and only the reduction differs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from zsc_utils.cache import build_folder, fingerprint, load_table, save_table
from zsc_utils.clustering import CLUSTERERS, Task, clusterer_settings, degeneracy
from zsc_utils.datasets import DatasetFacts
from zsc_utils.edits import check_code
from zsc_utils.errors import CacheDamagedError, RecipeError
from zsc_utils.metrics import adjusted_mutual_information, scores_settings, why_undefined
from zsc_utils.recipes import Recipe, Reduction
from zsc_utils.reduction import Memo, reducer_settings
from zsc_utils.sweep.cells import Job, plan, reductions_memo
from zsc_utils.sweep.costs import cell_lacks, embeddings_size, memory_available
from zsc_utils.sweep.evaluate import attempt, one_thread
from zsc_utils.sweep.profile import Profile
from zsc_utils.sweep.results import read_embeddings
from zsc_utils.sweep.search import COMMON
from zsc_utils.sweep.workers import in_processes

# Dimensions to reduce to. 50 is the study's for UMAP. What takes longer has fewer: for 400 samples
# UMAP takes half a second of a core whatever the dimensions, PaCMAP a tenth to a third. t-SNE
# stops at 2: its fast gradient (Barnes-Hut) exists up to 3 dimensions, of which the third doubles
# the time, and the exact one grows with the square of the samples.
DIMENSIONS: dict[str, tuple[int, ...]] = {
    "pca": (2, 5, 10, 20, 50, 100),
    "umap": (2, 10, 50),
    "pacmap": (2, 5, 10, 20, 50),
    "tsne": (2,),
}
# As in the study's search: z-scored before PCA, as they are before all else.
ZSCORED = {"pca"}
COMPARED = ("kmeans", "ac_with_c", "hdbscan")

RESULT = ("clusterer", "reduction", "n_components", "seed", "ami", "status", "reason")
COLUMNS = (
    *("dataset", "dataset_name", "group", "encoder", "encoder_name"),
    *("clusterer", "clusterer_name", *RESULT[1:]),
)


@dataclass(frozen=True)
class Setting:
    """What is compared on one embedding: reductions × clusterers × seeds."""

    reductions: tuple[Reduction, ...]
    clusterers: tuple[str, ...]
    seeds: tuple[int, ...]

    def key(self, embeddings_key: str, facts: DatasetFacts) -> str:
        """Fingerprint of everything the results of one embedding depend on."""
        return fingerprint(
            {
                "embeddings": embeddings_key,
                "label": facts.label,
                "min_cluster_size": facts.min_cluster_size,
                "reductions": [[r.method, r.n_components, r.zscore] for r in self.reductions],
                "clusterers": {name: COMMON[name] for name in self.clusterers},
                "seeds": self.seeds,
                "versions": [
                    *(reducer_settings(r.method) for r in self.reductions),
                    *(clusterer_settings(name) for name in self.clusterers),
                    scores_settings(),
                ],
            }
        )


def reductions(dimensions: Mapping[str, Sequence[int]]) -> tuple[Reduction, ...]:
    """List reductions: none, and each method to each number of dimensions."""
    return (
        Reduction(),
        *(
            Reduction(name, n_components=n, zscore=name in ZSCORED)
            for name, numbers in dimensions.items()
            for n in numbers
        ),
    )


def compared_encoders(planned: list[Job], references: Iterable[str]) -> list[str]:
    """Choose encoders by what is known of them: two for each backbone that has a reference.

    The supervised reference, and the first self-supervised encoder of the plan on the same
    backbone. Where none of them is there, the first encoder that is.
    """
    facts = {job.encoder.name: job.encoder for job in planned if not job.absent}
    chosen = [name for name in references if name in facts]
    for backbone in dict.fromkeys(facts[name].backbone for name in chosen):
        chosen += [
            name
            for name, one in facts.items()
            if one.backbone == backbone
            and one.labels is False
            and one.fine_tuned_from is None
            and one.method not in ("none", "random")
        ][:1]
    return chosen or list(facts)[:1]


def compare_one(
    X: np.ndarray, truth: pd.Series, min_cluster_size: int, setting: Setting, memo: Memo
) -> pd.DataFrame:
    """Compare reductions on one embedding: one row for each reduction, clusterer and seed."""
    rows = []
    for seed in setting.seeds:
        task = Task(len(X), truth.nunique(), min_cluster_size, seed)
        for reduction in setting.reductions:
            for name in setting.clusterers:
                place = (name, reduction.method, reduction.n_components, seed)
                rows.append((*place, *score(X, truth, reduction, name, task, memo)))
    return pd.DataFrame(rows, columns=RESULT)


def score(
    X: np.ndarray, truth: pd.Series, reduction: Reduction, clusterer: str, task: Task, memo: Memo
) -> tuple[float, str, str]:
    """Reduce, cluster and compare with the classes: AMI, status, and the reason of what fails."""
    if (reduction.n_components or 0) > min(X.shape) and not degeneracy(X, clusterer, task):
        reason = (
            f"{len(X)} embeddings of {X.shape[1]} dimensions cannot be reduced to "
            f"{reduction.n_components}"
        )
        return np.nan, "failed", reason
    recipe = Recipe(clusterer, reduction, tuple(COMMON[clusterer].items()))
    found, clusters = attempt(X, recipe, task, memo)
    if clusters is None:
        return np.nan, found["status"], found["reason"]
    why = why_undefined(truth)
    reasons = [found["reason"], f"AMI is undefined: {why}" if why else ""]
    ami = adjusted_mutual_information(truth, clusters)
    return ami, found["status"], "; ".join(filter(None, reasons))


def result_file(build: Path, job: Job, setting: Setting) -> Path:
    """File of the comparison on one embedding."""
    key = setting.key(job.key, job.dataset.facts)
    return job.file(build / "reductions_compared", f"{key}.csv")


def read_comparison(build: Path, job: Job, setting: Setting) -> pd.DataFrame | None:
    """Read the comparison on one embedding; None where there is none, or a damaged one."""
    found = load_table(result_file(build, job, setting), RESULT)
    return found if found is None else found[list(RESULT)].assign(reason=found["reason"].fillna(""))


def run_comparison(build: Path, job: Job, setting: Setting) -> None:
    """Compare reductions on embeddings on disk, and write what came of it as one file."""
    embeddings, facts = job.read(build), job.dataset.facts
    if embeddings is None:
        raise CacheDamagedError(f"embeddings {job.embeddings_folder(build)} are no longer there")
    with one_thread():
        rows = compare_one(
            embeddings.array,
            embeddings.labels[facts.label],
            facts.min_cluster_size,
            setting,
            reductions_memo(build, job.key),
        )
    save_table(rows, result_file(build, job, setting))


def compare_reductions(
    profile: Profile,
    *,
    jobs: int = 1,
    build: Path | None = None,
    data_root: Path | None = None,
    progress: bool = True,
    encoders: Sequence[str] | None = None,
    clusterers: Sequence[str] = COMPARED,
    dimensions: Mapping[str, Sequence[int]] | None = None,
) -> pd.DataFrame:
    """Compare reductions on the embeddings of a sweep: none, PCA, UMAP, PaCMAP and t-SNE.

    Each reduction is followed by the same clusterers with the same settings, those of the first
    step of the study's search (`search.COMMON`), so that only the reduction differs. What was
    computed before is read.

    Parameters
    ----------
    profile
        Whose datasets, encoders and seeds; swept before.
    jobs
        Embeddings that are worked on at the same time. Results do not depend on it.
    build
        Folder of caches and results.
    data_root
        Folder of the datasets that do not come with the installation.
    progress
        Show a progress bar.
    encoders
        Some encoders of the profile; by default those of `compared_encoders`.
    clusterers
        Names; of those that have common settings.
    dimensions
        For each reduction the numbers of dimensions; by default `DIMENSIONS`.

    Returns
    -------
    DataFrame
        One row for each dataset, encoder, clusterer, reduction and seed: `COLUMNS`. `reduction` is
        `none`, `pca`, `umap`, `pacmap` or `tsne`; `n_components` is NaN for none; `ami` is a
        fraction, NaN where it is undefined, and where the embeddings are degenerate, the clusterer
        failed or was skipped for want of memory; `reason` says which. Absent datasets and
        encoders have no rows.

    Raises
    ------
    RecipeError
        A clusterer has no common settings.
    EmbeddingsError
        The profile was not swept yet.
    """
    unknown = [name for name in clusterers if name not in COMMON]
    if unknown:
        raise RecipeError(f"no common settings for {', '.join(unknown)}: only for {list(COMMON)}")
    build = build or build_folder()
    planned = plan(profile, data_root)
    chosen = encoders or compared_encoders(planned, profile.references)
    planned = [job for job in planned if job.encoder.name in chosen]
    memory = memory_available()
    asked = Setting(reductions(dimensions or DIMENSIONS), tuple(clusterers), profile.seeds)
    work = [
        (job, *fitting(job, asked, build, memory)) for job, _, _ in read_embeddings(planned, build)
    ]
    compute_missing([(job, setting) for job, setting, _ in work], build, jobs, progress)
    parts = [
        with_facts(job, rows)
        for job, setting, skipped in work
        for rows in (read_comparison(build, job, setting), skipped)
        if len(rows)
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def fitting(job: Job, asked: Setting, build: Path, memory: float) -> tuple[Setting, pd.DataFrame]:
    """Keep the clusterers that fit into memory; the others have rows that say what is lacking."""
    size = embeddings_size(job, build)
    lacks = {name: cell_lacks(Recipe(name, Reduction()), size, memory) for name in asked.clusterers}
    rows = [
        (name, one.method, one.n_components, seed, np.nan, "skipped", lacks[name])
        for name in asked.clusterers
        if lacks[name]
        for one in asked.reductions
        for seed in asked.seeds
    ]
    kept = tuple(name for name in asked.clusterers if not lacks[name])
    return replace(asked, clusterers=kept), pd.DataFrame(rows, columns=RESULT)


def compute_missing(
    work: list[tuple[Job, Setting]], build: Path, jobs: int, progress: bool
) -> None:
    """Compare reductions on the embeddings that have no comparison yet."""
    calls = [
        (run_comparison, build, job.light(), setting)
        for job, setting in work
        if read_comparison(build, job, setting) is None
    ]
    if not calls:
        return
    check_code()
    done = in_processes(calls, jobs)
    for _ in tqdm(done, "reduce", len(calls), unit="embedding", disable=not progress):
        pass


def with_facts(job: Job, rows: pd.DataFrame) -> pd.DataFrame:
    """Add what figures print of dataset, encoder and clusterer."""
    displays = {name: facts.display for name, facts in CLUSTERERS.facts().items()}
    names = rows["clusterer"].map(displays)
    return rows.assign(**job.facts, clusterer_name=names)[list(COLUMNS)]
