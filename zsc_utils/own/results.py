"""What is written of sorted images: two tables, a report, a tree of folders."""

from __future__ import annotations

import os
import shutil
import unicodedata
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from zsc_utils.cache import readable, save_table
from zsc_utils.errors import ZscError
from zsc_utils.own.calibration import READ_OFF, Calibration
from zsc_utils.own.clusterings import Clustering, umap_space
from zsc_utils.own.collection import MARK, said_as
from zsc_utils.own.copies import sets_of_copies
from zsc_utils.own.looks import distances_to_clusters, distances_to_medoids, nearest_images
from zsc_utils.own.report.content import Content, View
from zsc_utils.own.report.content import Space as ShownSpace
from zsc_utils.own.report.thumbnails import make_thumbnails
from zsc_utils.own.sorting import PLANE, Sorted, Space
from zsc_utils.recipes import SILHOUETTE_SEED, Reduction
from zsc_utils.reduction import ReductionError, reduce

CACHE = "cache"
NEIGHBORS = 8
TREE = "clusters"
# Bytes of a name that file systems take.
LONGEST = 255


class OutputError(ZscError):
    """A folder that results cannot be written to."""


def find_out(folder: Path, out: Path) -> Path:
    """Find the folder of results, as it is or will be; nothing is written.

    Parameters
    ----------
    folder
        That of the images, as `find_folder` gives it. Results may lie in it, where they count as no
        images, but not it in them.
    out
        The folder of results.

    Raises
    ------
    OutputError
        It holds other files, or the images, or cannot be written to.
    """
    with said_as(OutputError, f"cannot write to {readable(out)}"):
        out = out.resolve()
        shown = readable(out)
        if folder.is_relative_to(out):
            raise OutputError(f"{shown} holds the images: name another folder with --out")
        if out.exists() and not out.is_dir():
            raise OutputError(f"{shown} is a file: name a folder with --out")
        if out.is_dir() and not (out / MARK).exists() and any(out.iterdir()):
            raise OutputError(f"{shown} holds other files: name a new folder with --out")
        there = next(place for place in (out, *out.parents) if place.exists())
        if not there.is_dir():
            raise OutputError(f"{shown} cannot be: {readable(there)} is a file")
        if not os.access(there, os.W_OK | os.X_OK):
            raise OutputError(f"cannot write to {readable(there)}: name a folder with --out")
    return out


def make_out(out: Path) -> None:
    """Make the folder of results, and mark it.

    Raises
    ------
    OutputError
        It cannot be written to.
    """
    with said_as(OutputError, f"cannot write to {readable(out)}"):
        out.mkdir(parents=True, exist_ok=True)
        (out / MARK).touch()


def expectations(table: pd.DataFrame, calibration: Calibration) -> pd.DataFrame:
    """Say of every proposal what AMI to expect.

    Parameters
    ----------
    table
        As in `Sorted`.
    calibration
        What knows.

    Returns
    -------
    DataFrame
        `expected_ami`, `expected_low` and `expected_high` in percent, NaN where nothing can be
        said; `caveat` says why.
    """
    proposed = table[table["proposed"]]
    caveats = proposed.apply(calibration.caveat, axis=1)
    numbers = calibration.interval(proposed[READ_OFF].fillna(0))
    columns = ("expected_low", "expected_ami", "expected_high")
    found = 100 * pd.DataFrame(dict(zip(columns, numbers, strict=True)), proposed.index)
    found = found[caveats == ""].reindex(table.index)
    return found.assign(caveat=caveats.reindex(table.index, fill_value=""))


def numbers_as_good(table: pd.DataFrame, tolerance: float) -> pd.Series:
    """Write down for every proposal the numbers of clusters that are as good: `4–12`.

    Parameters
    ----------
    table
        As in `Sorted`.
    tolerance
        Scores no further than this from the best are as good.

    Returns
    -------
    Series
        First and last of those around the best, up to a gap; empty where the clusterer finds the
        number itself.
    """
    words = pd.Series("", table.index)
    for _, rows in table.dropna(subset=["told", "score"]).groupby(["encoder", "clusterer"]):
        rows = rows.sort_values("told")
        good = rows["score"] >= rows["score"].max() - tolerance
        # Numbers in one run with the best: what lies beyond a gap is another matter.
        run = good.ne(good.shift()).cumsum()
        told = rows.loc[run == run[rows["score"].idxmax()], "told"].astype(int)
        span = f"{told.min()}" if told.min() == told.max() else f"{told.min()}–{told.max()}"
        words[rows.index[rows["proposed"].astype(bool)]] = span
    return words


def ranking(found: Sorted, calibration: Calibration) -> pd.DataFrame:
    """Make the table of all clusterings, best first, as `ranking.csv` has it."""
    table = found.table.join(expectations(found.table, calibration))
    table["as_good"] = numbers_as_good(found.table, calibration.tolerance)
    table["left_out"] = 100 * (1 - table["fraction_clustered"])
    truth = table.columns.intersection(["ami", "ari"])
    table[truth] *= 100
    columns = [
        *("encoder", "clusterer", "n_clusters", "as_good", "left_out", "proposed", "score"),
        *("expected_ami", "expected_low", "expected_high", "caveat"),
        *("silhouette_umap", "silhouette_original"),
        *("agreement_clusterers", "agreement_encoders", "ami", "ari", "status", "reason"),
    ]
    return table.filter(columns).astype({"n_clusters": "Int64", "proposed": bool})


def looks(space: Space, clusters: np.ndarray) -> dict[str, np.ndarray]:
    """Say what each image is to its cluster: `silhouettes`, `to_medoid`, `second` of a `View`."""
    try:
        Z = umap_space(space.X, space.memo)
    except ReductionError:
        Z = space.X
    distances = distances_to_clusters(Z, clusters)
    return {
        "silhouettes": distances.silhouettes,
        "to_medoid": distances_to_medoids(space.X, clusters),
        "second": distances.second,
    }


def numbers_tried(table: pd.DataFrame, one: Clustering) -> tuple[tuple[int, float, float], ...]:
    """List the numbers that an encoder's clusterer was told: each with score and silhouette."""
    mine = table["encoder"].eq(one.encoder) & table["clusterer"].eq(one.clusterer)
    rows = table[mine].dropna(subset=["told", "score"]).sort_values("told")
    numbers = rows[["told", "score", READ_OFF]].astype({"told": int})
    return tuple(numbers.itertuples(index=False, name=None))


def write_clusters(found: Sorted, view: View, path: Path) -> None:
    """Write the clusters of a view: path, cluster, silhouette and distance to medoid by image."""
    table = pd.DataFrame(
        {
            "path": found.collection.names,
            "cluster": view.clusters,
            "silhouette": view.silhouettes,
            "distance_to_medoid": view.to_medoid,
        }
    )
    save_table(table, path, float_format="%.4f")


def plane(space: Space) -> np.ndarray:
    """Bring embeddings to two dimensions, float32 (n, 2); of very few images, two components."""
    try:
        return reduce(space.X, PLANE, seed=SILHOUETTE_SEED, memo=space.memo)
    except ReductionError:
        return reduce(space.X, Reduction("pca", n_components=2), memo=space.memo)


def view_of(found: Sorted, row: pd.Series, one: Clustering) -> View:
    """Put together what the report shows of a proposal.

    Parameters
    ----------
    found
        What was sorted.
    row
        Of the ranking.
    one
        The clustering of that row.
    """
    encoder_name, clusterer_name = found.displayed(row)
    expected = tuple(row[["expected_low", "expected_ami", "expected_high"]])
    return View(
        encoder=one.encoder,
        clusterer=one.clusterer,
        encoder_name=encoder_name,
        clusterer_name=clusterer_name,
        n_clusters=int(row["n_clusters"]),
        clusters=one.clusters,
        expected=None if row["caveat"] else expected,
        caveat=row["caveat"],
        truth={name: row[name] for name in ("ami", "ari") if name in row},
        numbers=numbers_tried(found.table, one),
        **looks(found.spaces[one.encoder], one.clusters),
    )


def content(found: Sorted, ranked: pd.DataFrame, labels: np.ndarray | None, out: Path) -> Content:
    """Put together what the report shows: the proposals as views, the best first."""
    collection = found.collection
    proposed = np.flatnonzero(ranked["proposed"])
    spaces = {
        name: ShownSpace(plane(space), nearest_images(space.X, NEIGHBORS))
        for name, space in found.spaces.items()
    }
    thumbnails = make_thumbnails(collection.paths, out)
    small = (path and Image.open(path) for path in thumbnails)
    neighbors = spaces[ranked["encoder"].iloc[0]].neighbors
    duplicates = sets_of_copies(collection.digests, neighbors, small)
    return Content(
        source=readable(collection.folder),
        names=collection.names,
        paths=collection.paths,
        thumbnails=thumbnails,
        views=[view_of(found, ranked.iloc[at], found.clusterings[at]) for at in proposed],
        spaces=spaces,
        ranking=pd.concat([ranked[ranked["proposed"]], failures(ranked)]),
        duplicates=duplicates,
        left_out=list(collection.left_out),
        labels=None if labels is None else np.where(pd.isna(labels), "", labels).astype(str),
        paragraphs=paragraphs(found, ranked, duplicates),
    )


def paragraphs(found: Sorted, ranked: pd.DataFrame, duplicates: list[list[int]]) -> list[str]:
    """Say in words what was found, a sentence or two each."""
    best = ranked.iloc[0]
    encoder, clusterer = found.displayed(best)
    numbers = best["as_good"]
    said = [
        f"{len(found.collection)} images. Ranked first are the {best['n_clusters']} clusters of "
        f"{clusterer} from the embeddings of {encoder}"
        + (f"; {numbers} clusters would be as good." if "–" in numbers else "."),
        expectation_in_words(best),
    ]
    if found.collection.sentence:
        said.append(f"Also in the folder, and left alone: {found.collection.sentence}.")
    if duplicates:
        said.append(copies_in_words(duplicates) + ".")
    return said


def copies_in_words(duplicates: list[list[int]]) -> str:
    """Say how many images are copies."""
    n, sets = sum(map(len, duplicates)), len(duplicates)
    together = "1 set" if sets == 1 else f"{sets} sets"
    return f"{n} images are copies of one another, exact or near: {together}"


def failures(ranked: pd.DataFrame) -> pd.DataFrame:
    """Of every encoder and clusterer that gave no clusters at all, keep one row that says why."""
    pair = ["encoder", "clusterer"]
    done = ranked.groupby(pair)["proposed"].transform("any")
    return ranked[~done].drop_duplicates(pair)


def expectation_in_words(best: pd.Series) -> str:
    """Say what agreement with a person's own labels to expect of a clustering."""
    if pd.isna(best["expected_ami"]):
        return (
            f"How far clusters would agree with labels of yours cannot be said: {best['caveat']}."
        )
    return (
        "If someone labelled the images, clusters and labels would be expected to agree by an AMI "
        f"(adjusted mutual information) of {best['expected_ami']:.0f} %, and of "
        f"{best['expected_low']:.0f} to {best['expected_high']:.0f} % in four folders of five, "
        "judging by sets of other images whose classes are known. 0 % is chance, 100 % the same "
        "clusters."
    )


def write_tree(found: Sorted, clusters: np.ndarray, out: Path) -> Path:
    """Write a tree of folders, a folder for each cluster, with links to the images, or copies.

    Copies are taken where the file system has no links. Names are those of the images, with their
    folders in front where two would be the same, and a number where these would.
    """
    draft_tree = out / f".{TREE}"
    shutil.rmtree(draft_tree, ignore_errors=True)
    width = len(str(clusters.max()))
    taken: set[tuple[str, str]] = set()
    place_file = os.symlink
    for path, cluster in zip(found.collection.paths, clusters, strict=True):
        name = f"cluster_{cluster:0{width}d}" if cluster >= 0 else "left_out"
        folder = draft_tree / name
        folder.mkdir(parents=True, exist_ok=True)
        for called in _names_in_tree(path.relative_to(found.collection.folder)):
            # File systems may hold names for the same that differ by case, or by how accents
            # are written.
            key = name, unicodedata.normalize("NFC", called).casefold()
            if key not in taken:
                break
        taken.add(key)
        try:
            place_file(path, folder / called)
        except OSError:
            if place_file is _copy:
                raise
            place_file = _copy
            place_file(path, folder / called)
    tree = out / TREE
    shutil.rmtree(tree, ignore_errors=True)
    os.replace(draft_tree, tree)
    return tree


def _copy(path: Path, place: Path) -> None:
    """Copy an image to where nothing is: what a link leads to would be overwritten."""
    with open(path, "rb") as source, open(place, "xb") as target:
        shutil.copyfileobj(source, target)
    shutil.copystat(path, place)


def _names_in_tree(path: Path) -> Iterator[str]:
    """Names that an image may have in a tree, by its path below the folder of images."""
    yield path.name
    yield _cut("__".join(path.parts), path.suffix)
    for number in count(2):
        yield _cut(f"{number}_{path.name}", path.suffix)


def _cut(name: str, suffix: str) -> str:
    """Cut a name to what file systems take, and keep its suffix."""
    if len(os.fsencode(name)) <= LONGEST:
        return name
    end = os.fsencode(suffix)
    return os.fsencode(name)[: LONGEST - len(end)].decode(errors="ignore") + suffix
