"""An image file as a person sees it: RGB, upright, tones to scale, whatever the format."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pillow_heif
from PIL import Image, ImageOps, UnidentifiedImageError

from zsc_utils.cache import readable
from zsc_utils.errors import UnreadableImageError

pillow_heif.register_heif_opener()

# What is decoded, by content: pictures of pixels alone. EPS, PDF and the like would run an
# interpreter. AVIF stands before HEIF, which takes it for its own but lacks the decoder.
FORMATS = (
    *("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "AVIF", "HEIF", "JPEG2000", "PPM", "PCX"),
    *("SGI", "QOI"),
)
# TGA has no mark at its beginning: a name or the mark at the end, which newer files have, tells.
TARGA_SUFFIXES = {".tga", ".icb", ".vda", ".vst"}
TARGA_END = b"TRUEVISION-XFILE.\0"
# Formats in which alpha that is zero everywhere was never meant: viewers ignore it too.
UNUSED_ALPHA = ("BMP", "TGA")

# Raised with any change to what is read from an image file: it is part of results' names.
READER_VERSION = 1

# A file may claim any size; what would fill memory when decoded is refused from its header alone.
MAX_PIXELS = 100_000_000

# Tags of TIFF.
NEW_SUBFILE_TYPE, IMAGE_WIDTH, IMAGE_LENGTH, BITS_PER_SAMPLE = 254, 256, 257, 258
PHOTOMETRIC, STRIP_BYTES = 262, 279
SAMPLE_FORMAT, DNG_VERSION = 339, 50706
SIGNED = 2

NO_RANGE = "pixels are signed or 32-bit numbers, of no agreed range: save it with 8 or 16 bits"


def read_image(path: str | Path) -> Image.Image:
    """Decode an image file as RGB.

    It is turned upright where its EXIF tags say how. What is transparent is composed over white.
    Grey of more than 8 bits is scaled by what the file says is white. Of several frames or pages
    the first is taken.

    Raises
    ------
    UnreadableImageError
        The file is no image of a known format, is cut short, or has more than 100 million pixels.
    """
    return decode_image(Path(path), readable(path))


def decode_image(source: Path | BinaryIO, name: str) -> Image.Image:
    """Decode an image as `read_image` does; `name` is what errors call it."""
    try:
        if isinstance(source, Path):
            # Pillow maps a file that it opens itself, and turns some TIFF files wrongly then.
            with open(source, "rb") as stream:
                return decode_stream(stream, source.suffix)
        return decode_stream(source)
    # Decoders raise many kinds of error on broken files; all mean that this image is unreadable.
    except Exception as error:
        raise UnreadableImageError(name, reason_for(error)) from error


def decode_stream(stream: BinaryIO, suffix: str = "") -> Image.Image:
    """Decode an image from an open file."""
    with warnings.catch_warnings():
        # Of large images, which are refused below, and of damaged EXIF, which is passed over.
        warnings.simplefilter("ignore")
        with open_image(stream, suffix) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise ValueError(f"{width} x {height} pixels are more than {MAX_PIXELS:,}")
            if image.format == "TIFF":
                mend_tiff(image)
            if image.format == "PNG":
                mend_png(image)
            # In place, as a copy would not know its format any more.
            ImageOps.exif_transpose(image, in_place=True)
            return to_rgb(image)


def open_image(stream: BinaryIO, suffix: str = "") -> Image.Image:
    """Read an image's header; pixels are decoded when they are asked for.

    Raises
    ------
    UnidentifiedImageError
        The content is of no format that is read; the message says what it is.
    """
    try:
        return Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError as error:
        end = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, end - len(TARGA_END)))
        if suffix.lower() in TARGA_SUFFIXES or stream.read() == TARGA_END:
            with suppress(UnidentifiedImageError):
                return Image.open(stream, formats=("TGA",))
        stream.seek(0)
        raise UnidentifiedImageError(describe(stream.read(16))) from error


def describe(head: bytes) -> str:
    """Say what a file holds that is no image, by its first bytes."""
    if not head:
        return "the file is empty"
    if head.startswith(b"%PDF"):
        return "it holds PDF, which is not read: save it as PNG or JPEG"
    Image.init()
    head = head.ljust(16, b"\0")
    kinds = [name for name, (_, accept) in Image.OPEN.items() if accept and accept(head) is True]
    known = [kind for kind in kinds if kind in FORMATS]
    if known:
        return (
            f"it begins as {known[0]} does, but is cut short, damaged or of a variety that cannot "
            "be decoded: save it as PNG, grey or RGB"
        )
    if kinds:
        return f"it holds {kinds[0]}, which is not read: save it as PNG or JPEG"
    return f"no image of a known format ({', '.join(FORMATS)}, TGA)"


def reason_for(error: Exception) -> str:
    """Say why an image could not be decoded, in one line."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return readable(said) or type(error).__name__


def mend_tiff(image: Image.Image) -> None:
    """Refuse what Pillow would decode wrongly without a word, or set it right; before decoding.

    Raises
    ------
    ValueError
        The pixels are signed numbers, or the file is a camera's raw one, of which only a thumbnail
        would be seen.
    """
    tags = image.tag_v2
    if tags.get(NEW_SUBFILE_TYPE, 0) & 1 or DNG_VERSION in tags:
        raise ValueError("it holds a camera's raw data behind a thumbnail: develop it first")
    if SIGNED in tags.get(SAMPLE_FORMAT, ()):
        raise ValueError(NO_RANGE)
    bits = tags.get(BITS_PER_SAMPLE, (1,))
    if image.tile[0].codec_name != "raw":
        return
    # As stored: the size of a turned image is that of the upright one.
    width, height = tags[IMAGE_WIDTH], tags[IMAGE_LENGTH]
    # The standard packs 12 bits densely; some write each into two bytes.
    if bits == (12,) and width > 1 and sum(tags.get(STRIP_BYTES, ())) >= 2 * width * height:
        image.tile = [tile._replace(args=("I;16", *tile.args[1:])) for tile in image.tile]
    # Where planes lie apart, Pillow takes each for one of 8 bits.
    if set(bits) == {16} and image.tile[0].args[0] in ("R", "C"):
        order = "L" if tags.prefix == b"II" else "B"
        image.tile = [
            tile._replace(args=(f"{tile.args[0]};16{order}", *tile.args[1:])) for tile in image.tile
        ]


def mend_png(image: Image.Image) -> None:
    """Scale the colour that counts as transparent as the pixels will be; before decoding."""
    key, raw = image.info.get("transparency"), image.tile[0].args if image.tile else ""
    if raw in ("L;2", "L;4") and isinstance(key, int):
        image.info["transparency"] = key * {"L;2": 85, "L;4": 17}[raw]
    if raw == "RGB;16B" and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert a PIL image to RGB; deep grey is scaled to 8 bits, not clipped.

    Raises
    ------
    ValueError
        The pixels are 32-bit numbers, which have no agreed range.
    """
    # Pillow has scaled a PPM file's own maximum to 16 bits, and calls them 32.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        image = eight_bits(image)
    if image.mode in ("I", "F"):
        raise ValueError(NO_RANGE)
    if image.has_transparency_data or image.mode == "La":
        return over_white(image)
    return image.convert("RGB")


def eight_bits(image: Image.Image) -> Image.Image:
    """Scale grey of 16 bits, or of as many as a TIFF file says, to 8."""
    tags = getattr(image, "tag_v2", {})
    white = 2 ** tags.get(BITS_PER_SAMPLE, (16,))[0] - 1
    values = np.asarray(image).astype(np.uint32)
    # Of deep grey that begins at white, Pillow gives the numbers as they are.
    upright = white - values if image.format == "TIFF" and not tags.get(PHOTOMETRIC, 0) else values
    scaled = Image.fromarray((upright * 255 // white).astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):
        scaled.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return scaled


def over_white(image: Image.Image) -> Image.Image:
    """Compose an image over white: what hides under transparent pixels is nothing to see."""
    if image.mode == "La":
        image = image.convert("LA")
    rgba = image.convert("RGBA")
    alpha = rgba.getchannel("A")
    pixels = rgba.convert("RGB")
    if image.format in UNUSED_ALPHA and alpha.getextrema() == (0, 0):
        return pixels
    white = Image.new("RGB", image.size, "white")
    white.paste(pixels, mask=alpha)
    return white
