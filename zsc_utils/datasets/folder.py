"""Any folder of images, or of class folders, as a dataset: `folder:<path>`."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image, UnidentifiedImageError

from zsc_utils.cache import from_project, readable, versions
from zsc_utils.datasets.base import DatasetFacts, ImageDataset
from zsc_utils.datasets.decoding import READER_VERSION, TARGA_SUFFIXES, open_image, read_image
from zsc_utils.errors import ImageFolderError

# What is so named is meant to be an image, and said if it is none. Other files are looked into.
SUFFIXES = {
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".avif"),
    *(".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpf"),
    *TARGA_SUFFIXES,
}
# Cameras' raw files, and thumbnails of films, hold small images that stand for something else.
STAND_INS = {
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef"),
    *(".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2"),
    *(".srf", ".srw", ".thm", ".x3f"),
}


@dataclass(frozen=True)
class FileImages:
    """Images by path; names of those below `folder` are relative to it."""

    paths: tuple[Path, ...]
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Image.Image:
        return read_image(self.paths[index])

    def name(self, index: int) -> str:
        """Name of an image for tables: a path that can be printed."""
        path = self.paths[index]
        return readable((path.relative_to(self.folder) if self.folder else path).as_posix())


@dataclass(frozen=True)
class Found:
    """What there is below a folder.

    Parameters
    ----------
    files
        Images, sorted.
    left_out
        Numbers of other files, by kind.
    closed
        Folders that cannot be read, with the reason.
    """

    files: list[Path]
    left_out: Counter
    closed: list[str]

    def sentence(self) -> str:
        """Say in one line what is left out; nothing where nothing is."""
        # Most files first; of as many, in the order of the alphabet, not of the disk.
        kinds = sorted(self.left_out.items(), key=lambda pair: (-pair[1], pair[0]))[:10]
        parts = [f"{n} {kind}" for kind, n in kinds]
        more = self.left_out.total() - sum(n for _, n in kinds)
        parts += [f"{more} of other kinds"] if more else []
        parts += [f"the folder {folder}" for folder in self.closed]
        return ", ".join(parts)


def find_images(
    folder: Path, *, follow_links: bool = True, but: Callable[[Path], bool] | None = None
) -> Found:
    """Look for images below a folder: by suffix, whatever its case, or else by content.

    Hidden files and folders are left out; links are followed, each folder once.

    Parameters
    ----------
    folder
        Where to look.
    follow_links
        Else links, to files or folders, are left out and counted.
    but
        Says of a folder below whether to leave it alone, without a word.
    """
    files, left_out, errors, seen = [], Counter(), [], set()
    for parent, folders, names in os.walk(folder, followlinks=follow_links, onerror=errors.append):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        left_out["hidden folders"] += sum(name.startswith(".") for name in folders)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if but is not None:
            folders[:] = [name for name in folders if not but(Path(parent, name))]
        if not follow_links:
            links = {name for name in folders + names if Path(parent, name).is_symlink()}
            left_out["links"] += len(links)
            names = [name for name in names if name not in links]
        for name in names:
            path = Path(parent, name)
            if name.startswith("."):
                left_out["hidden files"] += 1
            elif is_image(path):
                files.append(path)
            else:
                known = re.fullmatch(r"\.\w{1,12}", path.suffix, re.ASCII)
                left_out[path.suffix.lower() if known else "without suffix"] += 1
    closed = [f"{readable(error.filename)} ({error.strerror})" for error in errors]
    return Found(sorted(files), +left_out, sorted(closed))


def is_image(path: Path) -> bool:
    """Whether a file has the name of an image, or its content begins like one."""
    suffix = path.suffix.lower()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            # From a pipe one could wait for ever.
            return False
        if suffix in SUFFIXES or suffix in STAND_INS:
            return suffix in SUFFIXES
        with warnings.catch_warnings(), open(path, "rb") as stream:
            warnings.simplefilter("ignore")
            open_image(stream)
            return True
    except UnidentifiedImageError:
        return False
    except OSError:
        # A link that leads nowhere: it is said when it is read.
        return suffix in SUFFIXES
    # Decoders raise many kinds of error on what is no image.
    except Exception:
        return False


def image_files(folder: Path) -> list[Path]:
    """List the images below a folder, as `find_images` does.

    Raises
    ------
    ImageFolderError
        A folder below it cannot be read.
    """
    found = find_images(folder)
    if found.closed:
        raise ImageFolderError(f"cannot read the folder {found.closed[0]}")
    return found.files


def file_stamp(path: Path) -> list[int | str]:
    """Size and time of a file, and that it may not be read, if so; nothing where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return []
    # Permission can be given without a trace in size and time.
    closed = [] if os.access(path, os.R_OK) else ["no permission"]
    return [status.st_size, status.st_mtime_ns, *closed]


def check_found(found: Found, folder: Path, skip_unreadable: bool) -> None:
    """Refuse what was found if it is not all that is there, or nothing."""
    if found.closed and not (skip_unreadable and found.files):
        raise ImageFolderError(
            f"cannot read the folder {found.closed[0]}: allow it, or leave it out with "
            "--skip-unreadable"
        )
    if not found.files:
        but = f" (but {found.sentence()})" if found.left_out else ""
        raise ImageFolderError(f"no images in {readable(folder)}, nor below it{but}")


def classes_of(files: list[Path], folder: Path, need_classes: bool) -> list[str]:
    """Name the class folder of each image; none where all images lie in the folder itself."""
    flat = [file for file in files if file.parent == folder]
    classes = [
        readable(file.relative_to(folder).parts[0]) for file in files if file.parent != folder
    ]
    if flat and classes:
        raise ImageFolderError(
            f"{readable(folder)} holds both images ({readable(flat[0].name)}, …) and class folders "
            f"({classes[0]}, …): keep one kind"
        )
    if flat and need_classes:
        raise ImageFolderError(
            f"{readable(folder)} holds images but no class folders, so nothing to score"
        )
    if len(set(classes)) == 1:
        raise ImageFolderError(
            f"{readable(folder)} has only one class folder, {classes[0]!r}: there is nothing to "
            "tell apart; for images without labels, name the folder "
            f"{readable(folder / classes[0])} itself"
        )
    return classes


def open_folder(
    path: str | Path, *, need_classes: bool = True, skip_unreadable: bool = False
) -> ImageDataset:
    """Open a folder of class folders or, where classes are not needed, a folder of images.

    Parameters
    ----------
    path
        The folder; a relative path begins at the project's folder. Each folder directly below it
        that holds images, at any depth, is a class.
    need_classes
        Whether a folder that holds images directly is refused.
    skip_unreadable
        Leave folders out that cannot be read, instead of raising.

    Raises
    ------
    ImageFolderError
        The folder does not exist, holds no images, mixes images and class folders, has one class
        only, or it or a folder below it cannot be read.
    """
    if not str(path).strip():
        raise ImageFolderError("an empty path is not a folder of images: name one")
    folder = from_project(path)
    if not folder.is_dir():
        begins = "" if os.path.isabs(path) else ": relative paths begin at the project's folder"
        raise ImageFolderError(f"{readable(folder)} is not a folder{begins}")
    found = find_images(folder)
    check_found(found, folder, skip_unreadable)
    files = found.files
    classes = classes_of(files, folder, need_classes)
    return ImageDataset(
        facts=DatasetFacts(
            name=readable(f"folder:{path}"),
            display=readable(folder.resolve().name),
            group="Own images",
            label="class",
            source=readable(folder),
        ),
        images=FileImages(tuple(files), folder),
        labels=pd.DataFrame({"class": classes} if classes else {}, index=range(len(files))),
        size=None,
        fingerprint={
            "reader": READER_VERSION,
            "folder": str(folder.resolve()),
            "files": [[str(file.relative_to(folder)), *file_stamp(file)] for file in files],
            **versions("pillow", "pillow-heif"),
        },
        left_out=found.sentence(),
    )
