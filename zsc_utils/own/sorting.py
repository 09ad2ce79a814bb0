"""From images to clusters: embed by every encoder, cluster in every way, judge and rank."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain, groupby, repeat
from operator import attrgetter
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from zsc_utils.cache import ArrayFolder, fingerprint
from zsc_utils.clustering import CLUSTERERS
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

    def displayed(self, row: pd.Series) -> tuple[str, str]:
        """Names of a row's encoder and clusterer, to be read."""
        encoder = self.spaces[row["encoder"]].encoder.display
        return encoder, CLUSTERERS[row["clusterer"]].facts.display


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
    """

    cache: Path
    device: str = "auto"
    precision: Precision = Precision.fp32
    jobs: int = 1


def embed_all(
    collection: Collection, encoders: Iterable[str], effort: Effort
) -> tuple[Collection, dict[str, Space]]:
    """Embed the images by every encoder; those that cannot be read are left out.

    Raises
    ------
    ImageFolderError
        Fewer than three images could be read.
    """
    sources = [find_encoder(name) for name in encoders]
    how = {"cache": effort.cache, "device": effort.device, "precision": effort.precision}
    arrays, reasons = [], {}
    for source in sources:
        array, bad = embed_contents(collection, source, **how)
        source.release()
        arrays.append(array)
        reasons |= bad
    smaller = collection.without(reasons)
    kept = [i for i in range(len(collection)) if i not in reasons]
    place = effort.cache / "clusterings" / fingerprint({"contents": smaller.digests})
    # Of images as they were before, only the embeddings are of use.
    for earlier in place.parent.glob("*"):
        if earlier != place:
            shutil.rmtree(earlier, ignore_errors=True)
    spaces = {}
    for source, array in zip(sources, arrays, strict=True):
        settings = {"encoder": source.fingerprint, "precision": effort.precision}
        memo = ArrayFolder(place / fingerprint(settings))
        # From the file, so that processes share it.
        memo["embeddings"] = array[kept]
        spaces[source.facts.name] = Space(source.facts, memo["embeddings"], memo)
    return smaller, spaces


def _call(calls: list[tuple], what: str, jobs: int) -> list:
    """Call functions in processes, with a progress bar."""
    bar = {"desc": what, "total": len(calls), "leave": False, "disable": not calls}
    return list(tqdm(in_processes(calls, jobs), **bar))


# By encoder and clusterer.
Recipes = dict[tuple[str, str], Recipe]


def _reduce_all(spaces: dict[str, Space], recipes: Recipes, jobs: int) -> None:
    """Compute side by side every UMAP that is to come."""
    calls = []
    for name, space in spaces.items():
        mine = [recipe.reduction for (encoder, _), recipe in recipes.items() if encoder == name]
        silhouettes = SILHOUETTE_REDUCTION.nearest(len(space.X)), SILHOUETTE_SEED
        wanted = [silhouettes, *zip(mine, repeat(SEED)), (PLANE, SILHOUETTE_SEED)]
        umaps = [one for one in dict.fromkeys(wanted) if one[0].method == "umap"]
        calls += [(reduce_into, space.X, *one, space.memo) for one in umaps]
    _call(calls, "reduce", jobs)


def _what_fits(
    spaces: dict[str, Space], clusterers: list[str]
) -> tuple[Recipes, list[Clustering], int]:
    """Find recipes that fit into memory, why others do not, and how many fit at once."""
    memory, most = memory_available(), 1.0
    recipes, skipped = {}, []
    for name, space in spaces.items():
        n, d = space.X.shape
        for clusterer in clusterers:
            recipe = own_recipe(name, space.encoder.family, clusterer, n)
            size = Size(n, d, max(numbers_to_try(n)) if is_told(clusterer) else 1)
            needed = peak_bytes(recipe, size)
            if why := lack_of_memory(needed, memory):
                skipped.append(Clustering(name, clusterer, None, "skipped", why, None))
            else:
                recipes[name, clusterer] = recipe
                most = max(most, needed)
    return recipes, skipped, max(1, int(memory // most))


def _cluster_all(
    spaces: dict[str, Space], recipes: Recipes, told: dict[str, list[int]], jobs: int
) -> list[Clustering]:
    """Cluster by some recipes, told the numbers that each encoder's embeddings need."""
    calls = [
        (
            *(cluster_each, spaces[encoder].X, encoder, recipe),
            told[encoder] if is_told(clusterer) else [None],
            spaces[encoder].memo,
        )
        for (encoder, clusterer), recipe in recipes.items()
    ]
    # They end in any order; where scores are the same, the first comes first.
    order = list(recipes)
    done = chain.from_iterable(_call(calls, "cluster", jobs))
    return sorted(done, key=lambda one: order.index((one.encoder, one.clusterer)))


def _describe(spaces: dict[str, Space], found: list[Clustering]) -> list[pd.DataFrame]:
    """Describe clusterings of all encoders, which come one after the other."""
    parts = groupby(found, key=attrgetter("encoder"))
    return [describe(spaces[name].X, list(part), spaces[name].memo) for name, part in parts]


def _best_numbers(table: pd.DataFrame) -> dict[str, list[int]]:
    """Find the few numbers of clusters that look best, by encoder."""
    best = table.dropna(subset="told").sort_values("score", ascending=False).groupby("encoder")
    return {name: rows["told"].unique()[:FEW].astype(int).tolist() for name, rows in best}


def cluster_everything(
    spaces: dict[str, Space], clusterers: list[str], jobs: int
) -> tuple[pd.DataFrame, list[Clustering]]:
    """Cluster embeddings by every clusterer, at the numbers of clusters that look best.

    Parameters
    ----------
    spaces
        As `embed_all` gives them.
    clusterers
        Their names.
    jobs
        Processes at once.

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
    recipes, skipped, at_once = _what_fits(spaces, clusterers)
    jobs = min(jobs, at_once)
    _reduce_all(spaces, recipes, jobs)
    quick = {one: recipes[one] for one in recipes if one[1] in QUICK or not is_told(one[1])}
    slow = {one: recipes[one] for one in recipes if one not in quick}
    n = len(next(iter(spaces.values())).X)
    told = dict.fromkeys(spaces, numbers_to_try(n))
    done, found, described = [], [], []
    for some in (quick, slow):
        tried = _cluster_all(spaces, some, told, jobs)
        done += tried
        if new := [one for one in tried if one.clusters is not None]:
            found += new
            described += _describe(spaces, new)
            table = pd.concat(described, ignore_index=True).assign(n=n)
            table = table.join(agreements(table, [one.clusters for one in found]))
            table["score"] = rank_scores(table)
            told |= _best_numbers(table)
    failed = [one for one in (*done, *skipped) if one.clusters is None]
    if not found:
        raise EmbeddingsError(f"no clusterer gave clusters: {failed[0].reason}")
    return _ranked(table, found, failed)


def _ranked(
    table: pd.DataFrame, found: list[Clustering], failed: list[Clustering]
) -> tuple[pd.DataFrame, list[Clustering]]:
    """Put the best first, say which are proposed, and at the end which failed.

    Raises
    ------
    EmbeddingsError
        None has two clusters.
    """
    table[["status", "reason"]] = [(one.status, one.reason) for one in found]
    # All in one cluster, or all left out: criteria say nothing of that.
    clustered = table["n_clusters"] >= FEWEST_GROUPS
    nothing = [
        replace(found[i], status="degenerate", reason=_no_clusters(found[i].clusters))
        for i in np.flatnonzero(~clustered)
    ]
    if not clustered.any():
        raise EmbeddingsError(f"no clusterer gave clusters: {nothing[0].reason}")
    table = table[clustered].sort_values("score", ascending=False, kind="stable")
    clusterings = [found[i] for i in table.index]
    table["proposed"] = ~table.duplicated(["encoder", "clusterer"])
    if rest := failed + nothing:
        columns = ["encoder", "clusterer", "told", "status", "reason"]
        rows = pd.DataFrame(map(vars, rest), columns=columns).assign(proposed=False)
        table = pd.concat([table, rows])
    return table.reset_index(drop=True), clusterings


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
