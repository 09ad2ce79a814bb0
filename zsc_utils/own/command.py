"""`zsc cluster`: from a folder to the files that are written of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from tabulate import tabulate

from zsc_utils.cache import readable, said_where_it_is_written, save_table
from zsc_utils.clustering import CLUSTERERS, study_clusterers
from zsc_utils.embedding import choose_precision
from zsc_utils.encoders import ENCODERS, fetch_weights, find_encoder
from zsc_utils.encoders.timm_models import fetched_models
from zsc_utils.errors import CheckpointError, WeightsMissingError
from zsc_utils.own.calibration import Calibration, calibrate
from zsc_utils.own.collection import collect, find_folder, read_labels, shortened
from zsc_utils.own.report.content import Content
from zsc_utils.own.report.page import write_report
from zsc_utils.own.results import (
    CACHE,
    TREE,
    content,
    copies_in_words,
    expectation_in_words,
    failures,
    find_out,
    make_out,
    ranking,
    write_clusters,
    write_tree,
)
from zsc_utils.own.sorting import Effort, Sorted, add_truth, cluster_everything, embed_all

# Lines of the summary: files that are left out, rows of the table.
MOST_LEFT_OUT, MOST_ROWS = 10, 12
# Columns of it that hold names.
NAMES = 2


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
    """Name the encoders whose weights are on this machine, timm's among them.

    Baselines that learnt nothing, and the miniature's, have to be asked for.
    """
    found = []
    for name, facts in ENCODERS.facts().items():
        if facts.method in ("none", "random") or name.startswith("mini_"):
            continue
        try:
            find_encoder(name)
        except WeightsMissingError:
            continue
        found.append(name)
    return found + fetched_models()


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
        if names := encoders_at_hand():
            return names
        raise CheckpointError("no weights of any encoder are here: name some, with --download")
    for name in asked.encoders:
        if asked.download:
            fetch_weights(name)
        find_encoder(name)
    return asked.encoders


def sort_images(
    asked: Asked, effort: Effort, say: Callable[[str], None]
) -> tuple[Sorted, Calibration, np.ndarray | None]:
    """Embed and cluster the images of a folder, and rank the clusterings.

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
    clusterers = asked.clusterers or study_clusterers()
    CLUSTERERS.check(clusterers)
    calibration = calibrate(without=asked.without)
    names = find_encoders(asked)
    found = collect(asked.folder, asked.most)
    labels = None
    if asked.labels is not None:
        labels, strangers = read_labels(asked.labels, found)
        if strangers:
            say(strangers_in_words(asked, strangers))
    make_out(asked.out)
    collection, spaces = embed_all(found, names, effort)
    table, clusterings = cluster_everything(spaces, clusterers, effort.jobs)
    if labels is not None:
        kept = set(collection.paths)
        labels = labels[[path in kept for path in found.paths]]
        table = add_truth(table, clusterings, labels)
    return Sorted(collection, spaces, table, clusterings), calibration, labels


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
    labels: np.ndarray | None = None,
    link: bool = False,
) -> Written:
    """Write the tables and the report of sorted images and, where asked for, a tree of folders.

    Parameters
    ----------
    found, calibration, labels
        As `sort_images` gives them.
    out
        A folder, as `find_out` gives it.
    link
        Make the tree.
    """
    ranked = ranking(found, calibration)
    shown = content(found, ranked, labels, out)
    # What takes long comes first: interrupted, it leaves the tables of an earlier run as they were.
    report = write_report(shown, out)
    best = shown.views[0]
    write_clusters(found, best, out / "clusters.csv")
    save_table(ranked, out / "ranking.csv", float_format="%.4f")
    paths = [out / "clusters.csv", out / "ranking.csv"]
    paths += [write_tree(found, best.clusters, out)] if link else []
    return Written(ranked, shown, [*paths, report])


def sort_folder(
    asked: Asked, device: str, precision: str, jobs: int, say: Callable[[str], None]
) -> None:
    """Sort a folder and write what was found; say it in a few lines.

    Parameters
    ----------
    asked
        What is wanted.
    device, precision, jobs
        What to compute with; a precision of `auto` is that which the device is fast in.
    say
        Takes a line.

    Raises
    ------
    ZscError
        Something about the input is wrong, or results find no room.
    """
    folder = find_folder(asked.folder)
    asked = replace(asked, folder=folder, out=find_out(folder, asked.out))
    chosen = choose_precision(precision, device)
    if chosen != precision:
        say(f"embeddings are computed in {chosen}")
    effort = Effort(asked.out / CACHE, device, chosen, jobs)
    with said_where_it_is_written(asked.out):
        found, calibration, labels = sort_images(asked, effort, say)
        written = write_results(found, calibration, asked.out, labels=labels, link=asked.link)
    for line in chain(summary(found, written), places(written, asked.out)):
        say(line)


def places(written: Written, out: Path) -> Iterator[str]:
    """Say where things lie, a line each."""
    yield ""
    yield f"the clusters, image by image   {readable(out / 'clusters.csv')}"
    yield f"all clusterings, ranked        {readable(out / 'ranking.csv')}"
    if out / TREE in written.paths:
        yield f"a folder for each cluster      {readable(out / TREE)}"
    elif (out / TREE).exists():
        yield f"of an earlier run              {readable(out / TREE)} (--link makes it anew)"
    yield f"a report, for a browser        {readable(written.paths[-1])}"


def strangers_in_words(asked: Asked, strangers: list[str]) -> str:
    """Say that a file of labels names what is no image of the folder."""
    n = len(strangers)
    others = "1 path that is" if n == 1 else f"{n} paths that are"
    return (
        f"{readable(asked.labels)} names {others} no image of {readable(asked.folder)}"
        f"{' or of the sample' if asked.most else ''}: {shortened(strangers[0])}"
        + (", …" if n > 1 else "")
    )


def summary(found: Sorted, written: Written) -> Iterator[str]:
    """Say in lines what was found."""
    collection, ranked, duplicates = found.collection, written.ranked, written.shown.duplicates
    yield f"{len(collection)} images of {readable(collection.folder)}"
    if collection.sentence:
        yield f"left alone: {collection.sentence}"
    for name, why in collection.left_out[:MOST_LEFT_OUT]:
        yield f"left out: {name}: {why}"
    if (more := len(collection.left_out) - MOST_LEFT_OUT) > 0:
        yield f"left out: {more} more (report.html names them)"
    if duplicates:
        yield copies_in_words(duplicates)
    yield ""
    rows = ranked[ranked["proposed"]]
    yield from aligned(short_table(rows[:MOST_ROWS], found))
    if len(rows) > MOST_ROWS:
        yield f"and {len(rows) - MOST_ROWS} more (ranking.csv has them)"
    for _, row in failures(ranked).iterrows():
        yield f"{', '.join(found.displayed(row))}: {row['status']}: {row['reason']}"
    yield ""
    yield (
        "The first row is what clusters.csv holds. As good: numbers of clusters that rank about as "
        "high."
    )
    best = ranked.iloc[0]
    yield expectation_in_words(best)
    if pd.notna(best.get("ami")):
        yield (
            "With the labels that are given, the first row agrees by an AMI of "
            f"{best['ami']:.0f} % and an ARI of {best['ari']:.0f} %."
        )


def short_table(rows: pd.DataFrame, found: Sorted) -> list[list[str]]:
    """Write down proposals in few columns, heads first."""
    heads = {
        "n_clusters": "clusters",
        "as_good": "as good",
        "left_out": "left out",
        "expected_ami": "expected AMI",
        "ami": "AMI",
    }
    columns = rows.filter(heads)
    if rows["expected_ami"].isna().all():
        del columns["expected_ami"]
    table = [["encoder", "clusterer", *map(heads.get, columns)]]
    for _, row in rows.iterrows():
        table.append([*found.displayed(row), *(cell(row, name) for name in columns)])
    return table


def cell(row: pd.Series, name: str) -> str:
    """Write down what a column says of a proposal."""
    value = row[name]
    if pd.isna(value) or value == "":
        return "-"
    if name == "expected_ami":
        return f"{value:.0f} % ({row['expected_low']:.0f} to {row['expected_high']:.0f})"
    return str(value) if name in ("n_clusters", "as_good") else f"{value:.0f} %"


def aligned(table: list[list[str]]) -> list[str]:
    """Write a table as lines, names to the left and numbers to the right."""
    sides = ["left"] * NAMES + ["right"] * (len(table[0]) - NAMES)
    how = {"tablefmt": "plain", "colalign": sides, "disable_numparse": True}
    return tabulate(table, **how).splitlines()
