"""The images of a folder and of those in it, each known by its content."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from zsc_utils.cache import file_sha256, readable
from zsc_utils.datasets import DatasetFacts, FileImages, ImageDataset
from zsc_utils.datasets.folder import find_images
from zsc_utils.errors import ImageFolderError, ZscError

# Of two images no two groups say more than that they are two.
FEWEST = 3
LABEL = "label"


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
        images = self.images
        return [images.name(i) for i in range(len(images))]

    def dataset(self, rows: Sequence[int]) -> ImageDataset:
        """Some of the images as a dataset without labels."""
        facts = DatasetFacts(
            name=readable(self.folder.name), display="", group="Own images", label=LABEL
        )
        images = FileImages(tuple(self.paths[i] for i in rows), self.folder)
        return ImageDataset(facts, images, pd.DataFrame(index=range(len(rows))), None, {})

    def without(self, reasons: dict[int, str]) -> Collection:
        """Leave images out, each by its position with the reason.

        Raises
        ------
        ImageFolderError
            Fewer than three are left.
        """
        kept = [i for i in range(len(self)) if i not in reasons]
        names = self.names
        smaller = replace(
            self,
            paths=tuple(self.paths[i] for i in kept),
            digests=tuple(self.digests[i] for i in kept),
            left_out=(*self.left_out, *((names[i], why) for i, why in reasons.items())),
        )
        check_number(len(smaller), self.folder, smaller.left_out)
        return smaller

    def copies(self) -> list[list[int]]:
        """Positions of images of the same content, where there are two or more."""
        by_digest: dict[str, list[int]] = {}
        for i, digest in enumerate(self.digests):
            by_digest.setdefault(digest, []).append(i)
        return [group for group in by_digest.values() if len(group) > 1]


def check_number(n: int, folder: Path, left_out: Sequence = ()) -> None:
    """Raise where there are too few images to group.

    Raises
    ------
    ImageFolderError
        With their number, and what is wrong with the first that is left out.
    """
    if n < FEWEST:
        why = f"; left out: {left_out[0][0]} ({left_out[0][1]})" if left_out else ""
        raise ImageFolderError(
            f"{readable(folder)} holds {n or 'no'} image{'s' * (n != 1)} that can be read, too few "
            f"to group, which takes {FEWEST}{why}"
        )


def collect(
    folder: Path, out: Path | None = None, most: int | None = None, progress: bool = True
) -> Collection:
    """Find the images of a folder, at any depth; hidden files and links are left alone.

    Parameters
    ----------
    folder
        The folder.
    out
        A folder that may lie in it and is no part of it: that of results.
    most
        Take a random sample of so many, the same every time.
    progress
        Show a progress bar.

    Raises
    ------
    ImageFolderError
        It is no folder, or holds fewer than three images.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        raise ImageFolderError(f"{readable(folder)} is not a folder of images")
    found = find_images(folder, follow_links=False, but=out and out.resolve())
    if not found.files and found.left_out:
        raise ImageFolderError(
            f"no images in {readable(folder)}, nor below it (but {found.sentence()})"
        )
    files = found.files
    if most is not None and most < len(files):
        chosen = np.random.default_rng(0).choice(len(files), most, replace=False)
        files = [files[i] for i in np.sort(chosen)]
    with ThreadPoolExecutor() as threads:
        reading = threads.map(_digest, files)
        bar = tqdm(reading, "read", len(files), unit="file", leave=False, disable=not progress)
        digests, reasons = zip(*bar, strict=True) if files else ((), ())
    left_out = [
        (readable(file.relative_to(folder).as_posix()), why)
        for file, why in zip(files, reasons, strict=True)
        if why
    ]
    good = [i for i, why in enumerate(reasons) if not why]
    check_number(len(good), folder, left_out)
    return Collection(
        folder,
        tuple(files[i] for i in good),
        tuple(digests[i] for i in good),
        tuple(left_out),
        found.sentence(),
    )


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
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise LabelsError(f"cannot read the labels {file}: {error}") from error
    if lacking := [name for name in ("path", LABEL) if name not in table]:
        raise LabelsError(f"{file} lacks the column {' and '.join(lacking)}: path,label are needed")
    known = table.drop_duplicates(["path", LABEL]).set_index("path")[LABEL]
    if known.index.has_duplicates:
        twice = known.index[known.index.duplicated()][0]
        raise LabelsError(f"{file} gives {twice} two labels")
    names = collection.names
    labels = known.reindex(names).replace("", None).to_numpy(object)
    labels[pd.isna(labels)] = None
    if all(label is None for label in labels):
        raise LabelsError(
            f"{file} has a label for none of the {len(names)} images: paths begin at "
            f"{readable(collection.folder)}, such as {names[0]}"
        )
    return labels, sorted(set(known.index) - set(names))
