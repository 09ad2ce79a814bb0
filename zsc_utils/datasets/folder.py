"""Any folder of images, or of class folders, as a dataset: `folder:<path>`."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from zsc_utils.datasets.base import DatasetFacts, ImageDataset
from zsc_utils.errors import ImageFolderError, UnreadableImageError
from zsc_utils.files import code_fingerprint

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm"}

# A file may claim any size; what would fill memory when decoded is refused from its header alone.
MAX_PIXELS = 100_000_000


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any PIL image to RGB; 16-bit grey is scaled to 8 bits, not clipped."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        top = 65535 if values.max(initial=0) > 255 else 255
        image = Image.fromarray(np.clip(values * (255 / top), 0, 255).astype(np.uint8))
    if image.mode in ("P", "LA", "PA"):
        image = image.convert("RGBA")
    return image.convert("RGB")


def read_image(path: Path) -> Image.Image:
    """Decode an image file as RGB.

    Raises
    ------
    UnreadableImageError
        The file is no image, is cut short, or has more than 100 million pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise UnreadableImageError(
                        str(path), f"{width} x {height} pixels are more than {MAX_PIXELS:,}"
                    )
                return to_rgb(image)
    except UnreadableImageError:
        raise
    # Decoders raise many kinds of error on broken files; all mean that this image is unreadable.
    except Exception as error:
        raise UnreadableImageError(str(path), str(error) or type(error).__name__) from error


@dataclass(frozen=True)
class FileImages:
    """Images by path."""

    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Image.Image:
        return read_image(self.paths[index])


def image_files(folder: Path) -> list[Path]:
    """Image files below a folder, by suffix whatever its case, sorted; hidden ones left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    )


def open_folder(path: str | Path, *, need_classes: bool = True) -> ImageDataset:
    """Open a folder of class folders or, where classes are not needed, a folder of images.

    Parameters
    ----------
    path
        The folder. Each folder directly below it that holds images, at any depth, is a class.
    need_classes
        Whether a folder that holds images directly is refused.

    Raises
    ------
    ImageFolderError
        The folder does not exist, holds no images, mixes images and class folders, or has one
        class only.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ImageFolderError(f"{folder} is not a folder")
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
    stats = [(str(file.relative_to(folder)), file.stat()) for file in files]
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
            "code": code_fingerprint(sys.modules[__name__]),
            "folder": str(folder.resolve()),
            "files": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats],
        },
    )
