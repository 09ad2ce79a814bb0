"""Any folder of images, or of class folders, as a dataset: `folder:<path>`."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from zsc_utils.datasets.base import DatasetFacts, ImageDataset
from zsc_utils.errors import ImageFolderError, UnreadableImageError
from zsc_utils.files import ROOT, versions

# Formats that Pillow decodes by itself: no EPS, which would run an interpreter.
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".avif"),
    *(".gif", ".ppm", ".pgm", ".pbm"),
}

# Raised with any change to what is read from an image file: it is part of results' names.
READER_VERSION = 1

# A file may claim any size; what would fill memory when decoded is refused from its header alone.
MAX_PIXELS = 100_000_000


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a PIL image to RGB; 16-bit grey is scaled to 8 bits, not clipped.

    Raises
    ------
    ValueError
        The pixels are 32-bit numbers, which have no agreed range.
    """
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image).astype(np.uint16) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("pixels are 32-bit numbers, of no agreed range: save it with 8 or 16 bits")
    if image.mode in ("P", "LA", "PA"):
        image = image.convert("RGBA")
    return image.convert("RGB")


def read_image(path: Path) -> Image.Image:
    """Decode an image file as RGB, turned upright where its EXIF tags say how.

    Raises
    ------
    UnreadableImageError
        The file is no image, is cut short, or has more than 100 million pixels.
    """
    return decode_image(path, str(path))


def decode_image(source: Path | BinaryIO, name: str) -> Image.Image:
    """Decode an image as `read_image` does; `name` is what errors call it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise UnreadableImageError(
                        name, f"{width} x {height} pixels are more than {MAX_PIXELS:,}"
                    )
                return to_rgb(ImageOps.exif_transpose(image))
    except UnreadableImageError:
        raise
    # Decoders raise many kinds of error on broken files; all mean that this image is unreadable.
    except Exception as error:
        raise UnreadableImageError(name, str(error) or type(error).__name__) from error


@dataclass(frozen=True)
class FileImages:
    """Images by path."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Image.Image:
        return read_image(self.paths[index])


def image_files(folder: Path) -> list[Path]:
    """Image files below a folder, by suffix whatever its case, sorted.

    Hidden files and folders are left out; links are followed, each folder once.
    """
    found, seen = [], set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found += [
            Path(parent, name)
            for name in names
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith(".")
        ]
    return sorted(found)


def file_stamp(path: Path) -> list[int]:
    """Size and time of a file; nothing for a link that leads nowhere, which is unreadable later."""
    return [path.stat().st_size, path.stat().st_mtime_ns] if path.exists() else []


def open_folder(path: str | Path, *, need_classes: bool = True) -> ImageDataset:
    """Open a folder of class folders or, where classes are not needed, a folder of images.

    Parameters
    ----------
    path
        The folder; relative to the working folder or, where it is not there, to the project. Each
        folder directly below it that holds images, at any depth, is a class.
    need_classes
        Whether a folder that holds images directly is refused.

    Raises
    ------
    ImageFolderError
        The folder does not exist, holds no images, mixes images and class folders, or has one
        class only.
    """
    folder = Path(path).expanduser()
    # Notebooks run in a folder of their own, where a profile's relative path leads nowhere.
    if not folder.exists() and (ROOT / folder).exists():
        folder = ROOT / folder
    if not str(path) or not folder.is_dir():
        raise ImageFolderError(f"{str(path) or 'an empty path'} is not a folder")
    files = image_files(folder)
    if not files:
        raise ImageFolderError(
            f"no images in {folder} (looked for {', '.join(sorted(SUFFIXES))}, also below it)"
        )
    flat = [file for file in files if file.parent == folder]
    classes = [file.relative_to(folder).parts[0] for file in files if file.parent != folder]
    if flat and classes:
        raise ImageFolderError(
            f"{folder} holds both images ({flat[0].name}, …) and class folders ({classes[0]}, …): "
            "keep one kind"
        )
    if flat and need_classes:
        raise ImageFolderError(f"{folder} holds images but no class folders, so nothing to score")
    if len(set(classes)) == 1:
        raise ImageFolderError(
            f"{folder} has only one class folder, {classes[0]!r}: there is nothing to tell apart; "
            f"for images without labels, name the folder {folder / classes[0]} itself"
        )
    return ImageDataset(
        facts=DatasetFacts(
            name=f"folder:{path}",
            display=folder.resolve().name,
            group="Own images",
            label="class",
            source=str(folder),
        ),
        images=FileImages(tuple(files)),
        labels=pd.DataFrame({"class": classes} if classes else {}, index=range(len(files))),
        size=None,
        fingerprint={
            "reader": READER_VERSION,
            "folder": str(folder.resolve()),
            "files": [[str(file.relative_to(folder)), *file_stamp(file)] for file in files],
            **versions("pillow"),
        },
    )
