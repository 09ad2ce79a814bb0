"""Small images beside a report, each made once: a file that is there is not made again."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

from PIL import Image, ImageOps
from tqdm.auto import tqdm

from zsc_utils.cache import fingerprint, versions
from zsc_utils.datasets.decoding import MAX_PIXELS, READER_VERSION, open_image, read_image, to_rgb
from zsc_utils.datasets.folder import file_stamp
from zsc_utils.errors import UnreadableImageError

log = logging.getLogger(__name__)

# Where a folder of results has what its report shows, and the thumbnails in there.
BESIDE, THUMBNAILS = "report", "thumbnails"
SIDE = 192
QUALITY = 80
# What is smaller is enlarged, its pixels left as they are: browsers would blur them.
TINY = 64


def make_thumbnails(paths: Sequence[Path], out: Path) -> list[Path | None]:
    """Make the thumbnails of images that are not in a folder of results yet.

    Parameters
    ----------
    paths
        The images.
    out
        The folder.

    Returns
    -------
    list
        (n,) the thumbnails; None for an image that cannot be read any more.
    """
    folder = out / BESIDE / THUMBNAILS
    folder.mkdir(parents=True, exist_ok=True)
    # Threads do: Pillow lets others run while it decodes and encodes. A draft takes the place of
    # its file whole, as of `atomic_path`, but all of them share one folder.
    with (
        tempfile.TemporaryDirectory(prefix=".drafts.", dir=folder) as drafts,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        closing(pool.map(partial(thumbnail, folder, Path(drafts)), paths)) as made,
    ):
        bar = {"desc": "thumbnails", "unit": "image", "leave": False}
        return list(tqdm(made, total=len(paths), **bar))


def thumbnail(folder: Path, drafts: Path, path: Path) -> Path | None:
    """Make the thumbnail of an image where there is none; `drafts` lies beside those there are."""
    # Named by all that it depends on, without reading the image.
    content = {"file": os.path.abspath(path), "stamp": file_stamp(path)}
    content |= {"side": SIDE, "quality": QUALITY, "tiny": TINY}
    content |= {"reader": READER_VERSION, **versions("pillow", "pillow-heif")}
    place = folder / f"{fingerprint(content)}.jpg"
    try:
        if not place.exists():
            draft = drafts / place.name
            shrunk(read_small(path)).save(draft, quality=QUALITY)
            os.replace(draft, place)
        return place
    except UnreadableImageError as error:
        log.warning("no thumbnail: %s", error)
        return None


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


def shrunk(image: Image.Image) -> Image.Image:
    """Bring an RGB image to `SIDE` pixels at most; a tiny one is enlarged."""
    if max(image.size) < TINY:
        image = ImageOps.scale(image, SIDE // max(image.size), Image.Resampling.NEAREST)
    image.thumbnail((SIDE, SIDE))
    return image
