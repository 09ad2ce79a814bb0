"""The images of a folder and of those in it, each known by its content."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.contrib.concurrent import thread_map

from zsc_utils.cache import file_sha256, readable
from zsc_utils.datasets import DatasetFacts, FileImages, ImageDataset
from zsc_utils.datasets.base import ChosenImages
from zsc_utils.datasets.folder import find_images
from zsc_utils.errors import ImageFolderError, ZscError

# Of two images no two clusters say more than that they are two.
FEWEST = 3
LABEL = "label"
# A folder with this file in it holds results of an earlier run, and no images of anyone's.
MARK = ".zsc-cluster"
# Of what stands in a file of someone's, errors show so many characters.
MOST_SHOWN = 80


class LabelsError(ZscError):
    """A file of labels that cannot be read, or is of other images."""


@dataclass(frozen=True)
class Collection:
    """Images of one folder.

    Parameters
    ----------
    folder
        The folder, absolute.
    paths
        The images, sorted.
    digests
        SHA-256 of each file's content.
    left_out
        Files that are not among them: name and reason.
    sentence
        What else lies there and is no image, in one line.
    """

    folder: Path
    paths: tuple[Path, ...]
    digests: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    sentence: str = ""

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def images(self) -> FileImages:
        """The images by position."""
        return FileImages(self.paths, self.folder)

    @property
    def names(self) -> list[str]:
        """Paths below the folder that can be printed."""
        return [self.images.name(i) for i in range(len(self))]

    def dataset(self, rows: Sequence[int]) -> ImageDataset:
        """Some of the images as a dataset without labels."""
        facts = DatasetFacts(
            name=readable(self.folder.name), display="", group="Own images", label=LABEL
        )
        no_labels = pd.DataFrame(index=range(len(rows)))
        return ImageDataset(facts, ChosenImages(self.images, rows), no_labels, None, {})

    def without(self, reasons: dict[int, str]) -> Collection:
        """Leave images out, each by its position with the reason.

        Raises
        ------
        ImageFolderError
            Fewer than three are left: it says how many, and what is wrong with the first of those
            that are left out.
        """
        kept = [i for i in range(len(self)) if i not in reasons]
        names, n = self.names, len(kept)
        left_out = (*self.left_out, *((names[i], why) for i, why in reasons.items()))
        if n < FEWEST:
            first = "; left out: {} ({})".format(*left_out[0]) if left_out else ""
            raise ImageFolderError(
                f"{readable(self.folder)} holds {n or 'no'} image{'s' * (n != 1)} that can be "
                f"read, too few to cluster, which takes {FEWEST}{first}"
            )
        paths, digests = (tuple(all_[i] for i in kept) for all_ in (self.paths, self.digests))
        return replace(self, paths=paths, digests=digests, left_out=left_out)


@contextmanager
def said_as(kind: type[ZscError], what: str) -> Iterator[None]:
    """Raise what is wrong with a path as an error of some kind: what cannot be done, and why."""
    try:
        yield
    # Of links in a circle, by the version of Python.
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or "its links lead in a circle"
        raise kind(f"{what}: {why}") from error


def find_folder(folder: Path) -> Path:
    """Find a folder of images, absolute and without links.

    Raises
    ------
    ImageFolderError
        It is none, or holds results.
    """
    shown = readable(folder)
    with said_as(ImageFolderError, f"cannot read the folder of images {shown}"):
        found = folder.resolve(strict=True)
    if not found.is_dir():
        raise ImageFolderError(f"{shown} is not a folder of images")
    if os.path.exists(found / MARK):
        raise ImageFolderError(f"{shown} holds results of zsc cluster: name a folder of images")
    return found


def collect(folder: Path, most: int | None = None) -> Collection:
    """Find the images of a folder, at any depth; hidden files and links are left alone.

    So are folders of results.

    Parameters
    ----------
    folder
        As `find_folder` gives it.
    most
        Take a random sample of so many, the same every time.

    Raises
    ------
    ImageFolderError
        It holds fewer than three images.
    """
    found = find_images(folder, follow_links=False, but=lambda inner: os.path.exists(inner / MARK))
    if not found.files and found.sentence():
        raise ImageFolderError(
            f"no images in {readable(folder)}, nor below it (but {found.sentence()})"
        )
    files = found.files
    if most is not None and most < len(files):
        chosen = np.random.default_rng(0).choice(len(files), most, replace=False)
        files = [files[i] for i in np.sort(chosen)]
    bar = {"desc": "read", "unit": "file", "leave": False, "disable": not files}
    reading = thread_map(_digest, files, **bar)
    digests = tuple(digest for digest, _ in reading)
    whole = Collection(folder, tuple(files), digests, sentence=found.sentence())
    return whole.without({i: why for i, (_, why) in enumerate(reading) if why})


def _digest(file: Path) -> tuple[str, str]:
    """SHA-256 of a file, or nothing and why it cannot be read."""
    try:
        return (file_sha256(file), "") if file.stat().st_size else ("", "the file is empty")
    except OSError as error:
        return "", error.strerror or str(error)


def read_labels(file: Path, collection: Collection) -> tuple[np.ndarray, list[str]]:
    """Read the labels of images from a CSV file: the columns `path` and `label`.

    Parameters
    ----------
    file
        Paths in it begin at the folder of the images, as those of `clusters.csv` do. An image that
        it lacks, or whose label is empty, has none.
    collection
        The images.

    Returns
    -------
    labels
        object (n,), None where there is none.
    strangers
        Paths in the file that are of no image.

    Raises
    ------
    LabelsError
        The file cannot be read, lacks a column, says two labels of one image, or is of none of
        them.
    """
    known: dict[str, str] = {}
    for path, label in _label_rows(file):
        if known.setdefault(path, label) != label:
            raise LabelsError(f"{readable(file)} gives {shortened(path)} two labels")
    names = collection.names
    labels = np.array([known.get(name) or None for name in names], object)
    if all(label is None for label in labels):
        raise LabelsError(
            f"{readable(file)} has a label for none of the {len(names)} images: paths begin at "
            f"{readable(collection.folder)}, such as {names[0]}"
        )
    return labels, sorted(known.keys() - set(names))


def shortened(text: str) -> str:
    """Write down a piece of a file that may be anything."""
    return readable(text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…")


def _label_rows(file: Path) -> Iterator[tuple[str, str]]:
    """Read path and label of every row of a CSV file; empty lines are passed over."""
    shown = readable(file)
    try:
        # Spreadsheets put a mark before the first name.
        with (
            said_as(LabelsError, f"cannot read the labels {shown}"),
            open(file, encoding="utf-8-sig", newline="") as stream,
        ):
            lines = csv.reader(stream)
            rows = filter(None, lines)
            header = next(rows, [])
            if lacking := [name for name in ("path", LABEL) if name not in header]:
                found = f"not {shortened(','.join(header))}" if header else "and it is empty"
                raise LabelsError(
                    f"{shown} lacks the column {' and '.join(lacking)}: its first line has to be "
                    f"path,{LABEL}, {found}"
                )
            path, label = header.index("path"), header.index(LABEL)
            for row in rows:
                if len(row) != len(header):
                    raise LabelsError(
                        f"{shown}, line {lines.line_num}: {len(row)} fields, where the first line "
                        f"has {len(header)}; a field with a comma needs quotes"
                    )
                yield row[path], row[label]
    except UnicodeDecodeError as error:
        raise LabelsError(f"cannot read the labels {shown}: it is no text in UTF-8") from error
    except csv.Error as error:
        raise LabelsError(f"cannot read the labels {shown}: {error}") from error
