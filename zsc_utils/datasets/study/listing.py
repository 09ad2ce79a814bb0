"""Files found, listed and named by their content: what every reader of the study's data shares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.cache import readable, versions
from zsc_utils.datasets.base import ArrayImages
from zsc_utils.datasets.decoding import READER_VERSION
from zsc_utils.datasets.folder import FileImages, image_files
from zsc_utils.datasets.study.tables import place, sources_table
from zsc_utils.errors import DatasetAbsentError, DatasetIncompleteError, ImageFolderError


def locate(name: str, root: Path, *places: str) -> tuple[Path, Path]:
    """Find the first of several places that is there.

    Parameters
    ----------
    name
        The dataset: its own folder is searched after the data root.
    root
        The data root.
    places
        Relative paths, the preferred ones first.

    Returns
    -------
    base, found
        The folder that holds the place, and the place itself.

    Raises
    ------
    DatasetAbsentError
        None is there.
    """
    bases = dict.fromkeys([root, root / sources_table().loc[name, "folder"]])
    for relative in places:
        for base in bases:
            if (base / relative).exists():
                return base, base / relative
    more = f" or {len(places) - 1} other places" if len(places) > 1 else ""
    raise DatasetAbsentError(name, f"no {places[0]}{more} in {root}", place(name, root))


def strings(columns: dict[str, Iterable]) -> pd.DataFrame:
    """Make a labels table: every value a string, or missing."""
    table = pd.DataFrame(columns, dtype=object)
    return table.map(str, na_action="ignore")


def sha256(text: str | bytes | np.ndarray) -> str:
    """SHA-256 of a text or of an array's bytes, in hexadecimal."""
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()


def reading(labels: pd.DataFrame) -> dict:
    """Settings that name the labels and what reads the images."""
    return {
        "labels": sha256(labels.to_csv(index=False)),
        "reader": READER_VERSION,
        **versions("pillow"),
    }


def file_size(path: Path) -> int | None:
    """Size of a file in bytes; None where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def from_files(
    name: str, root: Path, base: Path, paths: Sequence[str | Path], labels: pd.DataFrame
):
    """Make a builder's result of image files below a folder.

    The content is named by relative paths and sizes, not by a million files' bytes.

    Raises
    ------
    DatasetIncompleteError
        The dataset lists no files, or some that are missing.
    """
    paths = [Path(path) for path in paths]
    if not paths:
        raise DatasetIncompleteError(name, f"no images are listed in {base}", place(name, root))
    sizes = [file_size(path) for path in paths]
    missing = [path for path, size in zip(paths, sizes, strict=True) if size is None]
    if missing:
        reason = f"{len(missing):,} of {len(paths):,} images are missing, the first {missing[0]}"
        raise DatasetIncompleteError(name, reason, place(name, root))
    listing = "\n".join(
        f"{path.relative_to(base).as_posix()} {size}"
        for path, size in zip(paths, sizes, strict=True)
    )
    content = {"files": len(paths), "listing": sha256(listing), **reading(labels)}
    return FileImages(tuple(paths)), labels, None, content


def from_array(array: np.ndarray, labels: pd.DataFrame):
    """Make a builder's result of pixels in memory, uint8 (n, h, w) or (n, h, w, 3)."""
    array = np.ascontiguousarray(array)
    return (
        ArrayImages(array),
        labels,
        min(array.shape[1:3]),
        reading(labels) | {"pixels": sha256(array)},
    )


def listed_images(name: str, root: Path, folder: Path) -> list[Path]:
    """List the images below a folder, sorted.

    Raises
    ------
    DatasetIncompleteError
        There are none, or a folder below cannot be read.
    """
    try:
        files = image_files(folder)
    except ImageFolderError as error:
        raise DatasetIncompleteError(name, str(error), place(name, root)) from error
    if not files:
        raise DatasetIncompleteError(name, f"no images in {folder}", place(name, root))
    return files


def in_class_folders(name: str, root: Path, folder: Path) -> tuple[list[Path], list[str]]:
    """List the images of class folders, sorted, and the class folder of each.

    Images that lie in the folder itself belong to no class and are left out.

    Raises
    ------
    DatasetIncompleteError
        There are no images, or all lie in the folder itself.
    """
    found = listed_images(name, root, folder)
    files = [file for file in found if file.parent != folder]
    if not files:
        reason = f"the {len(found):,} images in {folder} lie in no folders of classes"
        raise DatasetIncompleteError(name, reason, place(name, root))
    return files, [readable(file.relative_to(folder).parts[0]) for file in files]


def check_files(name: str, root: Path, base: Path, files: Sequence[str]) -> None:
    """Check that files below a folder are there: torchvision would not say which are not.

    Raises
    ------
    DatasetIncompleteError
        Some are missing.
    """
    missing = [file for file in files if not (base / file).is_file()]
    if missing:
        reason = f"{len(missing)} of {len(files)} files are missing: {', '.join(missing)}"
        raise DatasetIncompleteError(name, reason, place(name, root))
