"""From images to clusters: embed by every encoder, cluster in every way, judge and rank."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from zsc_utils.cache import ArrayFolder, fingerprint
from zsc_utils.encoders import EncoderFacts, find_encoder
from zsc_utils.errors import EmbeddingsError
from zsc_utils.metrics import truth_scores
from zsc_utils.own.calibration import rank_scores
from zsc_utils.own.clusterings import (
    QUICK,
    SEED,
    Clustering,
    agreements,
    cluster_each,
    describe,
    is_told,
    numbers_to_try,
    own_recipe,
)
from zsc_utils.own.collection import Collection
from zsc_utils.own.contents import embed_contents
from zsc_utils.precision import Precision
from zsc_utils.recipes import SILHOUETTE_REDUCTION, SILHOUETTE_SEED, Recipe, Reduction
from zsc_utils.sweep.costs import Size, lack_of_memory, memory_available, peak_bytes
from zsc_utils.sweep.evaluate import reduce_into
from zsc_utils.sweep.workers import in_processes

FEWEST_GROUPS = 2
# Numbers of clusters that slow clusterers are told: those that look best with the quick ones.
FEW = 3
PLANE = Reduction("umap", n_components=2)


@dataclass(frozen=True)
class Space:
    """Embeddings of a collection by one encoder.

    Parameters
    ----------
    encoder
        What is known of it.
    X
        float32 (n, d).
    memo
        Where reductions of them, and clusters, are kept.
    """

    encoder: EncoderFacts
    X: np.ndarray
    memo: ArrayFolder


@dataclass(frozen=True)
class Sorted:
    """A collection and all its clusterings.

    Parameters
    ----------
    collection
        The images; those that could not be read are left out of it.
    spaces
        By name of the encoder.
    table
        One row a clustering, best first: what `clusterings.describe` and `agreements` say, `score`,
        `proposed` (the best number of clusters of its encoder and clusterer), status and, where
        labels are known, the scores against them. What could not be clustered stands at the end.
    clusterings
        Those of the rows that have clusters, in their order.
    """

    collection: Collection
    spaces: dict[str, Space]
    table: pd.DataFrame
    clusterings: list[Clustering]


@dataclass(frozen=True)
class Effort:
    """What to compute with.

    Parameters
    ----------
    cache
        Folder of what was computed.
    device
        Torch device, or `auto`.
    precision
        Of the forward pass.
    jobs
        Processes at once.
    progress
        Show progress bars.
    """

    cache: Path
    device: str = "auto"
    precision: Precision = Precision.fp32
    jobs: int = 1
    progress: bool = True


def embed_all(
    collection: Collection, encoders: Iterable[str], effort: Effort
) -> tuple[Collection, dict[str, Space]]:
    """Embed the images by every encoder; those that cannot be read are left out.

    Raises
    ------
    ImageFolderError
        Fewer than three images could be read.
    """
    arrays, reasons = {}, {}
    for name in encoders:
        source = find_encoder(name)
        array, bad = embed_contents(
            *(collection, source),
            cache=effort.cache,
            device=effort.device,
            precision=effort.precision,
            progress=effort.progress,
        )
        source.release()
        arrays[name] = source, array
        reasons |= bad
    smaller = collection.without(reasons) if reasons else collection
    kept = [i for i in range(len(collection)) if i not in reasons]
    place = effort.cache / "clusterings" / fingerprint({"contents": smaller.digests})
    # Of images as they were before, only the embeddings are of use.
    for earlier in place.parent.glob("*"):
        if earlier != place:
            shutil.rmtree(earlier, ignore_errors=True)
    spaces = {}
    for source, array in arrays.values():
        settings = {"encoder": source.fingerprint, "precision": effort.precision}
        memo = ArrayFolder(place / fingerprint(settings))
        # From the file, so that processes share it.
        memo["embeddings"] = array[kept]
        spaces[source.facts.name] = Space(source.facts, memo["embeddings"], memo)
    return smaller, spaces


def _call(calls: list[tuple], what: str, effort: Effort, jobs: int) -> Iterator:
    """Call functions in processes, with a progress bar."""
    bar = {"desc": what, "total": len(calls), "leave": False}
    yield from tqdm(in_processes(calls, jobs), **bar, disable=not (effort.progress and calls))


def _reduce_all(spaces: dict[str, Space], recipes: Iterable[Recipe], effort: Effort, jobs) -> None:
    """Compute side by side every UMAP that is to come."""
    calls = []
    for space in spaces.values():
        n = len(space.X)
        wanted = {
            (SILHOUETTE_REDUCTION.nearest(n), SILHOUETTE_SEED): None,
            **{(recipe.reduction, SEED): None for recipe in recipes},
            (PLANE, SILHOUETTE_SEED): None,
        }
        calls += [
            (reduce_into, space.X, *one, space.memo) for one in wanted if one[0].method == "umap"
        ]
    for _ in _call(calls, "reduce", effort, jobs):
        pass


@dataclass
class Work:
    """Clusterings as they come.

    Parameters
    ----------
    recipes
        By encoder and clusterer, those that fit into memory.
    skipped
        Of the others, why they do not.
    done
        Clusterings so far.
    """

    recipes: dict[tuple[str, str], Recipe] = field(default_factory=dict)
    skipped: list[Clustering] = field(default_factory=list)
    done: list[Clustering] = field(default_factory=list)


def _what_fits(spaces: dict[str, Space], clusterers: list[str], memory: float) -> tuple[Work, int]:
    """Find recipes that fit into memory, and how many fit at once."""
    work, most = Work(), 1.0
    for name, space in spaces.items():
        n, d = space.X.shape
        for clusterer in clusterers:
            recipe = own_recipe(name, space.encoder.family, clusterer, n)
            size = Size(n, d, max(numbers_to_try(n)) if is_told(clusterer) else 1)
            needed = peak_bytes(recipe, size)
            if why := lack_of_memory(needed, memory):
                work.skipped.append(Clustering(name, clusterer, None, "skipped", why, None))
            else:
                work.recipes[name, clusterer] = recipe
                most = max(most, needed)
    return work, max(1, int(memory // most))


def _cluster_all(
    spaces: dict[str, Space],
    work: Work,
    told: dict[str, list[int]],
    chosen: list[str],
    effort: Effort,
    jobs: int,
) -> None:
    """Cluster by some of the clusterers, told the numbers that each encoder's embeddings need."""
    calls = [
        (
            *(cluster_each, spaces[encoder].X, encoder, recipe),
            told[encoder] if is_told(clusterer) else [None],
            spaces[encoder].memo,
        )
        for (encoder, clusterer), recipe in work.recipes.items()
        if clusterer in chosen
    ]
    for found in _call(calls, "cluster", effort, jobs):
        work.done += found


def _describe(
    spaces: dict[str, Space], found: list[Clustering], known: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Describe clusterings of all encoders, in their order, but for those known: the first ones."""
    parts = [] if known is None else [known]
    first = 0 if known is None else len(known)
    for name, space in spaces.items():
        rows = [i for i, one in enumerate(found) if i >= first and one.encoder == name]
        if rows:
            table = describe(space.X, [found[i] for i in rows], space.memo)
            parts.append(table.set_axis(rows).assign(n=len(space.X)))
    return pd.concat(parts).sort_index()


def _scored(described: pd.DataFrame, found: list[Clustering]) -> pd.DataFrame:
    """Compare clusterings with each other, and score them."""
    table = described.join(agreements(described, [one.clusters for one in found]))
    return table.assign(score=rank_scores(table))


def cluster_everything(
    spaces: dict[str, Space],
    clusterers: list[str],
    effort: Effort,
) -> tuple[pd.DataFrame, list[Clustering]]:
    """Cluster embeddings by every clusterer, at the numbers of clusters that look best.

    Parameters
    ----------
    spaces
        As `embed_all` gives them.
    clusterers
        Their names.
    effort
        What to compute with.

    Returns
    -------
    table
        As in `Sorted`, without labels.
    clusterings
        As in `Sorted`.

    Raises
    ------
    EmbeddingsError
        No clusterer gave clusters.
    """
    memory = memory_available()
    work, at_once = _what_fits(spaces, clusterers, memory)
    jobs = min(effort.jobs, at_once)
    _reduce_all(spaces, work.recipes.values(), effort, jobs)
    slow = [name for name in clusterers if is_told(name) and name not in QUICK]
    numbers = numbers_to_try(len(next(iter(spaces.values())).X))
    first = [name for name in clusterers if name not in slow]
    _cluster_all(spaces, work, dict.fromkeys(spaces, numbers), first, effort, jobs)
    found = [one for one in work.done if one.clusters is not None]
    told = dict.fromkeys(spaces, numbers)
    described = _describe(spaces, found) if found else None
    if slow and found:
        best = _scored(described, found).dropna(subset="told")
        best = best.sort_values("score", ascending=False)
        for name, rows in best.groupby("encoder"):
            told[name] = [int(number) for number in rows["told"].unique()[:FEW]]
    _cluster_all(spaces, work, told, slow, effort, jobs)
    found = [one for one in work.done if one.clusters is not None]
    if not found:
        reasons = [one.reason for one in (*work.done, *work.skipped)]
        raise EmbeddingsError(
            f"no clusterer gave clusters: {reasons[0] if reasons else 'none asked'}"
        )
    table = _scored(_describe(spaces, found, described), found)
    table["status"] = [one.status for one in found]
    table["reason"] = [one.reason for one in found]
    # All in one cluster, or all left out: criteria say nothing of that.
    clustered = table["n_clusters"] >= FEWEST_GROUPS
    nothing = [
        replace(one, status="degenerate", reason=_no_clusters(one.clusters), clusters=None)
        for one, well in zip(found, clustered, strict=True)
        if not well
    ]
    if not clustered.any():
        raise EmbeddingsError(f"no clusterer gave clusters: {nothing[0].reason}")
    table = table[clustered].sort_values("score", ascending=False, kind="stable")
    clusterings = [found[i] for i in table.index]
    table = table.reset_index(drop=True)
    table["proposed"] = ~table.duplicated(["encoder", "clusterer"])
    failed = [one for one in (*work.done, *work.skipped) if one.clusters is None] + nothing
    columns = ("encoder", "clusterer", "told", "status", "reason")
    rest = pd.DataFrame(
        [{name: getattr(one, name) for name in columns} | {"proposed": False} for one in failed]
    )
    return (pd.concat([table, rest], ignore_index=True) if failed else table), clusterings


def _no_clusters(clusters: np.ndarray) -> str:
    """Say what clusters are that are no clusters."""
    n = len(clusters)
    if not (clusters >= 0).any():
        return f"all {n} images are left out"
    gone = (clusters < 0).sum()
    return f"one cluster of {n - gone} images" + (f", {gone} left out" if gone else "")


def add_truth(
    table: pd.DataFrame, clusterings: list[Clustering], labels: np.ndarray
) -> pd.DataFrame:
    """Score clusterings against labels, (n,), None where an image has none."""
    rows = [truth_scores(labels, one.clusters) for one in clusterings]
    scores = pd.DataFrame(rows)[["ami", "ari"]]
    return table.join(scores)
