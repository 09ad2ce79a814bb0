"""Small images beside a report, each made once: a file that is there is not made again."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from PIL import Image, ImageOps
from tqdm.auto import tqdm

from zsc_utils.cache import fingerprint, versions
from zsc_utils.datasets.base import ChosenImages, Images
from zsc_utils.datasets.decoding import MAX_PIXELS, READER_VERSION, open_image, read_image, to_rgb
from zsc_utils.datasets.folder import FileImages, file_stamp
from zsc_utils.errors import UnreadableImageError

log = logging.getLogger(__name__)

SIDE = 192
QUALITY = 80
# What is smaller is enlarged, its pixels left as they are: browsers would blur them.
TINY = 64


def path_of(images: Images, index: int) -> Path | None:
    """Find the file that an image is read from; None where it comes from no file."""
    if isinstance(images, ChosenImages):
        return path_of(images.images, images.indices[index])
    return images.paths[index] if isinstance(images, FileImages) else None


def make_thumbnails(images: Images, folder: Path, progress: bool = True) -> list[str]:
    """Make the thumbnails that are not in a folder yet.

    Parameters
    ----------
    images
        What is made small.
    folder
        Where they lie.
    progress
        Show a progress bar.

    Returns
    -------
    list
        (n,) the names of the files; empty for an image that cannot be read any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Threads do: Pillow lets others run while it decodes and encodes. A draft takes the place of
    # its file whole, as of `atomic_path`, but all of them share one folder.
    with (
        tempfile.TemporaryDirectory(prefix=".drafts.", dir=folder) as drafts,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        closing(
            pool.map(lambda i: thumbnail(images, i, folder, Path(drafts)), range(len(images)))
        ) as made,
    ):
        bar = tqdm(
            made,
            total=len(images),
            desc="thumbnails",
            unit="image",
            leave=False,
            disable=not progress,
        )
        return list(bar)


def thumbnail(images: Images, index: int, folder: Path, drafts: Path) -> str:
    """Make the thumbnail of one image where there is none, and give its name.

    Parameters
    ----------
    images, index
        Which image.
    folder
        Where thumbnails lie.
    drafts
        A folder beside them for what is being written.
    """
    path = path_of(images, index)
    try:
        # An image that comes from no file is named by its pixels.
        image = None if path else images[index]
        name = (file_key(path) if path else pixel_key(image)) + ".jpg"
        if not (folder / name).exists():
            draft = drafts / f"{index}.jpg"
            draft.write_bytes(as_jpeg(image or read_small(path)))
            os.replace(draft, folder / name)
        return name
    except UnreadableImageError as error:
        log.warning("no thumbnail: %s", error)
        return ""


def file_key(path: Path) -> str:
    """Name a file's thumbnail by all that it depends on, without reading the file."""
    content = {"file": os.path.abspath(path), "stamp": file_stamp(path)}
    return fingerprint(content | made_with())


def pixel_key(image: Image.Image) -> str:
    """Name an image's thumbnail by its pixels."""
    pixels = hashlib.sha256(image.tobytes()).hexdigest()
    return fingerprint({"pixels": pixels, "mode": image.mode, "size": image.size} | made_with())


def made_with() -> dict:
    """What thumbnails depend on beside the images."""
    reader = {"reader": READER_VERSION, **versions("pillow", "pillow-heif")}
    return {"side": SIDE, "quality": QUALITY, "tiny": TINY} | reader


def read_small(path: Path) -> Image.Image:
    """Decode an image file for a thumbnail, as `read_image` does.

    Of a JPEG file, no more is decoded than a thumbnail needs: of large photographs a hundredth.
    """
    try:
        with open(path, "rb") as stream, open_image(stream, path.suffix) as image:
            if image.format == "JPEG" and image.width * image.height <= MAX_PIXELS:
                image.thumbnail((SIDE, SIDE))
                ImageOps.exif_transpose(image, in_place=True)
                return to_rgb(image)
    # Whatever it was: the reader of all images finds it again and says it in one way.
    except Exception:
        log.debug("no draft of %s", path, exc_info=True)
    return read_image(path)


def as_jpeg(image: Image.Image) -> bytes:
    """Write an image as a JPEG of `SIDE` pixels at most."""
    small = image.convert("RGB")
    if max(small.size) < TINY:
        small = ImageOps.scale(small, SIDE // max(small.size), Image.Resampling.NEAREST)
    small.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()
