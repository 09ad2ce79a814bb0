"""Files found, listed and named by their content: what every reader of the study's data shares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.cache import readable, versions
from zsc_utils.datasets.base import ArrayImages
from zsc_utils.datasets.decoding import READER_VERSION
from zsc_utils.datasets.folder import FileImages, image_files
from zsc_utils.datasets.study.tables import Absent, Incomplete, Roots

# A table of labels: levels with a value for each image, or a dictionary of levels for each.
Labels = Mapping[str, Iterable] | Sequence[Mapping] | pd.DataFrame


def locate(roots: Roots, *places: str) -> tuple[Path, Path]:
    """Find the first of several places that is there.

    Parameters
    ----------
    roots
        Where the dataset's files may lie.
    places
        Relative paths, the preferred ones first.

    Returns
    -------
    base, found
        The folder that holds the place, and the place itself.

    Raises
    ------
    Absent
        None is there.
    """
    for relative in places:
        for base in roots:
            if (base / relative).exists():
                return base, base / relative
    more = f" or {len(places) - 1} other places" if len(places) > 1 else ""
    raise Absent(f"no {places[0]}{more} in {roots[0]}")


def strings(labels: Labels) -> pd.DataFrame:
    """Make a labels table: every value a string, or missing."""
    return pd.DataFrame(labels, dtype=object).map(str, na_action="ignore")


def class_names(opened, targets: Iterable[int]) -> list[str]:
    """Names of classes that one of torchvision's datasets numbers."""
    return [opened.classes[target] for target in targets]


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


def from_files(base: Path, paths: Iterable[str | Path], labels: Labels):
    """Make a reader's result of image files below a folder.

    The content is named by relative paths and sizes, not by a million files' bytes.

    Raises
    ------
    Incomplete
        No files are listed, or some that are missing.
    """
    sized = [(path, file_size(path)) for path in map(Path, paths)]
    if not sized:
        raise Incomplete(f"no images are listed in {base}")
    missing = [path for path, size in sized if size is None]
    if missing:
        raise Incomplete(
            f"{len(missing):,} of {len(sized):,} images are missing, the first {missing[0]}"
        )
    listing = "\n".join(f"{path.relative_to(base).as_posix()} {size}" for path, size in sized)
    labels = strings(labels)
    content = {"files": len(sized), "listing": sha256(listing), **reading(labels)}
    return FileImages(tuple(path for path, _ in sized)), labels, None, content


def from_array(array: np.ndarray, labels: Labels):
    """Make a reader's result of pixels in memory, uint8 (n, h, w) or (n, h, w, 3)."""
    array, labels = np.ascontiguousarray(array), strings(labels)
    content = reading(labels) | {"pixels": sha256(array)}
    return ArrayImages(array), labels, min(array.shape[1:3]), content


def listed_images(folder: Path) -> list[Path]:
    """List the images below a folder, sorted.

    Raises
    ------
    Incomplete, ImageFolderError
        There are none; a folder below cannot be read.
    """
    files = image_files(folder)
    if not files:
        raise Incomplete(f"no images in {folder}")
    return files


def in_class_folders(folder: Path) -> tuple[list[Path], list[str]]:
    """List the images of class folders, sorted, and the class folder of each.

    Images that lie in the folder itself belong to no class and are left out.

    Raises
    ------
    Incomplete, ImageFolderError
        There are no images, or all lie in the folder itself; a folder below cannot be read.
    """
    found = listed_images(folder)
    files = [file for file in found if file.parent != folder]
    if not files:
        raise Incomplete(f"the {len(found):,} images in {folder} lie in no folders of classes")
    return files, [readable(file.relative_to(folder).parts[0]) for file in files]


def check_files(base: Path, files: Sequence[str]) -> None:
    """Check that files below a folder are there: torchvision would not say which are not.

    Raises
    ------
    Incomplete
        Some are missing.
    """
    missing = [file for file in files if not (base / file).is_file()]
    if missing:
        raise Incomplete(f"{len(missing)} of {len(files)} files are missing: {', '.join(missing)}")
