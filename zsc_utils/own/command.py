"""`zsc cluster`: from a folder to the files that are written of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from zsc_utils.cache import atomic_path, readable
from zsc_utils.clustering import CLUSTERERS, study_clusterers
from zsc_utils.encoders import ENCODERS, fetch_weights, find_encoder
from zsc_utils.errors import CheckpointError
from zsc_utils.own.calibration import Calibration, calibrate
from zsc_utils.own.collection import collect, read_labels
from zsc_utils.own.report.content import Content
from zsc_utils.own.report.page import write_report
from zsc_utils.own.results import (
    CACHE,
    content,
    expectation_in_words,
    prepare_out,
    ranking,
    write_clusters,
    write_tree,
)
from zsc_utils.own.sorting import Effort, Sorted, add_truth, embed_all, group_everything
from zsc_utils.precision import Precision
from zsc_utils.sweep.profile import check_names


@dataclass(frozen=True)
class Asked:
    """What someone wants of a folder.

    Parameters
    ----------
    folder, out
        Of the images, and of results.
    encoders, clusterers
        Names; None for all encoders that are at hand, and the study's clusterers.
    labels
        A CSV file, for scores alone.
    most
        A random sample of so many images.
    link
        Make a tree of folders.
    download
        Fetch weights.
    without
        A set of the calibration to learn nothing from.
    """

    folder: Path
    out: Path
    encoders: list[str] | None = None
    clusterers: list[str] | None = None
    labels: Path | None = None
    most: int | None = None
    link: bool = False
    download: bool = False
    without: str | None = None


def encoders_at_hand() -> list[str]:
    """Name the encoders that learnt from ImageNet-1k and whose weights are on this machine.

    Baselines that learnt nothing, and the miniature's, have to be asked for.
    """
    found = []
    for name, facts in ENCODERS.facts().items():
        if facts.method in ("none", "random") or name.startswith("mini_"):
            continue
        try:
            find_encoder(name)
        except CheckpointError:
            continue
        found.append(name)
    return found


def find_encoders(asked: Asked) -> list[str]:
    """Name the encoders that are asked for; their weights are there, or fetched.

    Raises
    ------
    UnknownNameError
        There is no such encoder.
    CheckpointError
        Weights are not there, or cannot be fetched.
    """
    if asked.encoders is None:
        return encoders_at_hand()
    for name in asked.encoders:
        if asked.download:
            fetch_weights(name)
        find_encoder(name)
    return asked.encoders


def sort_images(asked: Asked, effort: Effort) -> tuple[Sorted, Calibration, pd.Series | None]:
    """Embed and group the images of a folder, and rank the groupings.

    Returns
    -------
    sorted, calibration
        What was found, and what it was ranked by.
    labels
        object (n,), where a file gives any.

    Raises
    ------
    ZscError
        Something about the folder, the names or the labels is wrong.
    """
    known = list(CLUSTERERS)
    if asked.clusterers:
        check_names("clusterer", asked.clusterers, known, None)
    calibration = calibrate(without=asked.without)
    names = find_encoders(asked)
    found = collect(asked.folder, asked.out, asked.most, effort.progress)
    # Wrong files are said before the work.
    if asked.labels is not None:
        read_labels(asked.labels, found)
    collection, spaces = embed_all(found, names, effort)
    labels = None
    table, groupings = group_everything(
        spaces, asked.clusterers or study_clusterers(), calibration, effort
    )
    if asked.labels is not None:
        labels, _ = read_labels(asked.labels, collection)
        table = add_truth(table, groupings, labels)
    return Sorted(collection, spaces, table, groupings), calibration, labels


@dataclass(frozen=True)
class Written:
    """What was written of sorted images.

    Parameters
    ----------
    ranked
        The table of `ranking.csv`.
    shown
        What the report shows.
    paths
        The files, the report last.
    """

    ranked: pd.DataFrame
    shown: Content
    paths: list[Path]


def write_results(
    found: Sorted,
    calibration: Calibration,
    out: Path,
    *,
    labels: pd.Series | None = None,
    link: bool = False,
    progress: bool = True,
) -> Written:
    """Write the tables and the report of sorted images and, where asked for, a tree of folders.

    Parameters
    ----------
    found, calibration, labels
        As `sort_images` gives them.
    out
        A folder, as `prepare_out` gives it.
    link
        Make the tree.
    progress
        Show progress bars.
    """
    ranked = ranking(found, calibration)
    with atomic_path(out / "ranking.csv") as draft:
        ranked.to_csv(draft, index=False, float_format="%.4f")
    shown = content(found, calibration, ranked, labels, out, progress)
    best = shown.views[0]
    write_clusters(found, best, out / "clusters.csv")
    paths = [out / "clusters.csv", out / "ranking.csv"]
    paths += [write_tree(found, best.clusters, out)] if link else []
    return Written(ranked, shown, [*paths, write_report(shown, out, progress)])


def sort_folder(
    asked: Asked, device: str, precision: Precision, jobs: int, say: Callable[[str], None]
) -> None:
    """Sort a folder and write what was found; say it in a few lines.

    Parameters
    ----------
    asked
        What is wanted.
    device, precision, jobs
        What to compute with.
    say
        Takes a line.
    """
    asked = replace(asked, out=prepare_out(asked.folder, asked.out))
    effort = Effort(asked.out / CACHE, device, precision, jobs)
    found, calibration, labels = sort_images(asked, effort)
    written = write_results(found, calibration, asked.out, labels=labels, link=asked.link)
    for line in summary(found, written.ranked, written.shown.duplicates):
        say(line)
    say("")
    for path in written.paths:
        say(readable(path))


def summary(found: Sorted, ranked: pd.DataFrame, duplicates: list[list[int]]) -> Iterable[str]:
    """Say in lines what was found."""
    collection = found.collection
    yield f"{len(collection)} images of {readable(collection.folder)}"
    if collection.sentence:
        yield f"left alone: {collection.sentence}"
    for name, why in collection.left_out[:10]:
        yield f"left out: {name}: {why}"
    if len(collection.left_out) > 10:
        yield f"left out: {len(collection.left_out) - 10} more (report.html names them)"
    if duplicates:
        yield f"copies, exact or near: {len(duplicates)} sets of images"
    yield ""
    columns = ["encoder", "clusterer", "n_clusters", "as_good", "left_out"]
    columns += ["expected_low", "expected_ami", "expected_high"]
    columns += [name for name in ("ami",) if name in ranked]
    rows = ranked.loc[ranked["proposed"], columns]
    yield rows.to_string(index=False, float_format="%.0f", na_rep="-")
    failed = ranked[ranked["score"].isna()]
    for row in failed.itertuples():
        yield f"{row.encoder} / {row.clusterer}: {row.status}: {row.reason}"
    yield ""
    yield expectation_in_words(ranked.iloc[0])
