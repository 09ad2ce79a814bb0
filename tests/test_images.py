"""Images as files: what a person sees is what is embedded, and what is left out is said."""

import io
import json
import os
import re
import resource
import struct
import subprocess
import sys
import zlib

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image

from zsc_utils.cache import data_folder, readable
from zsc_utils.datasets import load_dataset, open_folder
from zsc_utils.datasets.decoding import FORMATS, read_image
from zsc_utils.datasets.folder import find_images
from zsc_utils.embedding import stored_embeddings
from zsc_utils.encoders import load_encoder
from zsc_utils.encoders.transforms import cut_ends, image_transform
from zsc_utils.errors import ImageFolderError, UnreadableImageError
from zsc_utils.study import base, encoders, figures, tables
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.run import sweep

WHITE = (255, 255, 255)


def tiff(strips, width, height, bits, photo=1, order="<", compression=1, planes=1, **tags):
    """Write a TIFF file by hand: mark, strips, one directory, what does not fit into it."""
    offsets = np.cumsum([8, *map(len, strips)]).tolist()
    entries = {
        **{256: (4, [width]), 257: (4, [height]), 258: (3, bits), 259: (3, [compression])},
        **{262: (3, [photo]), 273: (4, offsets[:-1]), 277: (3, [len(bits)])},
        **{278: (4, [-(-height // max(1, len(strips) // (len(bits) if planes == 2 else 1)))])},
        **{279: (4, [len(strip) for strip in strips]), 284: (3, [planes])},
        **{int(tag[1:]): (3, [value]) for tag, value in tags.items()},
    }
    pad = offsets[-1] % 2
    directory = offsets[-1] + pad
    after = directory + 2 + 12 * len(entries) + 4
    body, more = b"", b""
    for tag, (kind, values) in sorted(entries.items()):
        raw = b"".join(struct.pack(order + {3: "H", 4: "I"}[kind], value) for value in values)
        if len(raw) > 4:
            raw, more = struct.pack(order + "I", after + len(more)), more + raw
        body += struct.pack(order + "HHI", tag, kind, len(values)) + raw.ljust(4, b"\0")
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", directory)
    count = struct.pack(order + "H", len(entries))
    return mark + b"".join(strips) + b"\0" * pad + count + body + b"\0\0\0\0" + more


def packed_12(values):
    """Pack rows of 12-bit numbers densely, each row to whole bytes."""
    rows = ("".join(f"{value:012b}" for value in row) for row in values)
    filled = (row + "0" * (-len(row) % 8) for row in rows)
    return b"".join(int(row, 2).to_bytes(len(row) // 8, "big") for row in filled)


def png(width, depth, kind, row, *chunks):
    """Write a PNG file of one row by hand."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc(name + data))

    def crc(data):
        return zlib.crc32(data)

    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, 1, depth, kind, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


@pytest.fixture
def seen(tmp_path):
    """Write bytes to a file and give the grey, or RGB, values that are read from it."""

    def see(data, name="image.tif", grey=True):
        (tmp_path / name).write_bytes(data)
        pixels = np.asarray(read_image(tmp_path / name))
        if grey:
            assert (pixels == pixels[..., :1]).all()
            return pixels[..., 0].tolist()
        return pixels.tolist()

    return see


# Transparency


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_colours_under_transparency_are_not_seen(tmp_path, mode, kind):
    """Three icons that look alike: a black bar, and other colours where nothing is seen."""
    looks = []
    for hidden in (0, 90, 255):
        pixels = np.full((8, 8, 4), (hidden, hidden, hidden, 0), np.uint8)
        pixels[3:5] = (0, 0, 0, 255)
        icon = Image.fromarray(pixels)
        if mode == "P":
            icon = icon.quantize(8)
        # Palettes of TIFF are opaque: transparency is a plane of its own.
        icon = icon.convert("PA" if (mode, kind) == ("P", "TIFF") else mode)
        icon.save(tmp_path / "icon", kind, **({"lossless": True} if kind == "WEBP" else {}))
        looks.append(np.asarray(read_image(tmp_path / "icon")))
    for look in looks:
        assert (look[3:5] == 0).all() and (np.delete(look, [3, 4], axis=0) == 255).all()


def test_what_is_half_transparent_is_mixed_with_white(seen):
    # 255 × (255 − 128) / 255 = 127 of white shines through black, 51 and 127 make 25.6 + 127.
    row = bytes([0, 0, 0, 128, 51, 51, 51, 128, 10, 20, 30, 255])
    mixed = [[127] * 3, [153] * 3, [10, 20, 30]]
    assert seen(png(3, 8, 6, row), grey=False) == [mixed]


PALETTE = (b"PLTE", bytes([255, 0, 0, 0, 0, 255]))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # The key is a number of the file's own depth: 1 of 0 to 3, 8 of 0 to 15, and so on.
        (png(4, 2, 0, bytes([0b00011011]), (b"tRNS", b"\0\1")), [0, WHITE, 170, 255]),
        (png(2, 4, 0, bytes([0x87]), (b"tRNS", b"\0\x08")), [WHITE, 119]),
        (png(2, 8, 0, bytes([8, 9]), (b"tRNS", b"\0\x08")), [WHITE, 9]),
        (png(2, 1, 0, bytes([0b01000000]), (b"tRNS", b"\0\0")), [WHITE, 255]),
        # 2000 // 257 = 7
        (
            png(2, 16, 0, struct.pack(">HH", 1000, 2000), (b"tRNS", struct.pack(">H", 1000))),
            [WHITE, 7],
        ),
        (
            png(2, 8, 2, bytes([1, 2, 3, 4, 5, 6]), (b"tRNS", struct.pack(">3H", 1, 2, 3))),
            [WHITE, (4, 5, 6)],
        ),
        (
            png(
                *(2, 16, 2, struct.pack(">6H", 1000, 2000, 3000, 9000, 2000, 3000)),
                (b"tRNS", struct.pack(">3H", 1000, 2000, 3000)),
            ),
            [WHITE, (35, 7, 11)],
        ),
        # Palette entries: red unseen, blue half; 255 × 127 / 255 of white.
        (
            png(2, 8, 3, bytes([0, 1]), PALETTE, (b"tRNS", bytes([0, 128]))),
            [WHITE, (127, 127, 255)],
        ),
    ],
)
def test_keys_of_transparency_in_png(seen, data, expected):
    rgb = [value if isinstance(value, tuple) else (value,) * 3 for value in expected]
    assert [tuple(pixel) for pixel in seen(data, "image.png", grey=False)[0]] == rgb


def test_transparent_gif(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.gif", transparency=0)
    assert np.asarray(read_image(tmp_path / "a.gif")).tolist() == [[[255] * 3, [0, 0, 255]]]


def test_premultiplied_grey_of_tiff(seen):
    # Grey 64 of alpha 128, multiplied already: 127 of white are added; 0 of alpha 0 is white.
    found = seen(tiff([bytes([64, 128, 0, 0, 200, 255])], 3, 1, [8, 8], t338=1))
    assert np.abs(np.array(found) - [[64 + 127, 255, 200]]).max() <= 1


def test_alpha_that_was_never_written_is_none(tmp_path):
    """32-bit TGA whose fourth byte is zero throughout: viewers show the picture."""
    header = struct.pack("<BBBHHBHHHHBB", 0, 0, 2, 0, 0, 0, 0, 0, 2, 1, 32, 0x20)
    (tmp_path / "a.tga").write_bytes(header + bytes([1, 2, 3, 0, 4, 5, 6, 0]) + bytes(26))
    assert np.asarray(read_image(tmp_path / "a.tga")).tolist() == [[[3, 2, 1], [6, 5, 4]]]


# Deep grey

DEEP = np.array([[0, 1, 16, 17, 2048], [100, 1000, 3000, 4094, 4095]], np.uint16)
# v × 255 / 4095, rounded down.
DEEP_8 = [[0, 0, 0, 1, 127], [6, 62, 186, 254, 255]]
LITTLE, BIG = DEEP.astype("<u2"), DEEP.astype(">u2")


@pytest.mark.parametrize(
    "data",
    [
        tiff([packed_12(DEEP)], 5, 2, [12]),
        tiff([packed_12(DEEP[:1]), packed_12(DEEP[1:])], 5, 2, [12]),
        tiff([zlib.compress(packed_12(DEEP))], 5, 2, [12], compression=8),
        tiff([LITTLE.tobytes()], 5, 2, [12]),
        tiff([LITTLE[:1].tobytes(), LITTLE[1:].tobytes()], 5, 2, [12]),
    ],
    ids=["packed", "packed strips", "packed deflate", "words", "words in strips"],
)
def test_12_bits_are_scaled_by_their_bits(seen, data):
    assert seen(data) == DEEP_8


SIXTEEN = np.array([[0, 256, 257, 32896], [65534, 65535, 51400, 1]], np.uint16)
SIXTEEN_8 = [[0, 0, 1, 128], [254, 255, 200, 0]]
# 65535 − v, then v // 257
NEGATIVE_8 = [[255, 254, 254, 127], [0, 0, 55, 254]]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [1, 8])
def test_16_bit_tiff(seen, order, compression):
    data = SIXTEEN.astype(f"{order}u2").tobytes()
    strips = [zlib.compress(data) if compression == 8 else data]
    assert seen(tiff(strips, 4, 2, [16], order=order, compression=compression)) == SIXTEEN_8


@pytest.mark.parametrize("compression", [1, 8])
def test_16_bit_tiff_whose_zero_is_white(seen, compression):
    data = SIXTEEN.astype("<u2").tobytes()
    strips = [zlib.compress(data) if compression == 8 else data]
    assert seen(tiff(strips, 4, 2, [16], photo=0, compression=compression)) == NEGATIVE_8
    assert seen(tiff([bytes([0, 10, 255])], 3, 1, [8], photo=0)) == [[255, 245, 0]]


@pytest.mark.parametrize(("tag", "turns"), [(6, -1), (3, 2), (8, 1)])
@pytest.mark.parametrize("compression", [1, 8])
def test_turned_tiff(seen, tag, turns, compression):
    def written(data, bits):
        strips = [zlib.compress(data) if compression == 8 else data]
        return seen(tiff(strips, 5, 2, [bits], compression=compression, t274=tag))

    assert written(packed_12(DEEP), 12) == np.rot90(np.array(DEEP_8), turns).tolist()
    grey = np.arange(10).reshape(2, 5)
    assert written(grey.astype("u1").tobytes(), 8) == np.rot90(grey, turns).tolist()
    assert written((grey * 257).astype("<u2").tobytes(), 16) == np.rot90(grey, turns).tolist()


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planes", [1, 2])
def test_16_bit_colours_in_planes_or_not(seen, order, planes):
    rgb = np.random.default_rng(0).integers(0, 65536, (3, 4, 5), np.uint16)
    as_stored = rgb.astype(f"{order}u2")
    strips = list(map(np.ndarray.tobytes, as_stored))
    if planes == 1:
        strips = [as_stored.transpose(1, 2, 0).tobytes()]
    found = seen(tiff(strips, 5, 4, [16] * 3, 2, order, planes=planes), grey=False)
    assert found == (rgb.transpose(1, 2, 0) >> 8).tolist()


@pytest.mark.parametrize(
    "data",
    [
        tiff([bytes(8)], 4, 2, [8], t339=2),
        tiff([bytes(16)], 4, 2, [16], t339=2),
        tiff([bytes(32)], 4, 2, [32], t339=3),
    ],
)
def test_numbers_without_an_agreed_range_are_refused(seen, data):
    with pytest.raises(UnreadableImageError, match="signed or 32-bit numbers, of no agreed range"):
        seen(data)


@pytest.mark.parametrize(
    "data",
    [
        tiff([bytes(12)], 4, 2, [10]),
        tiff([packed_12(DEEP)], 5, 2, [12], order=">"),
        tiff([bytes(16)], 4, 2, [16], photo=0, order=">"),
        tiff([packed_12(DEEP)], 5, 2, [12], photo=0),
    ],
)
def test_what_pillow_has_no_decoder_for_is_refused_in_words(seen, data):
    with pytest.raises(UnreadableImageError, match="begins as TIFF does, but .* save it as PNG"):
        seen(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        # 512 / 1023 of 255 is 127.6, 64 / 1023 is 15.95
        (b"P5\n4 1\n1023\n" + np.array([0, 64, 512, 1023], ">u2").tobytes(), [0, 15, 127, 255]),
        (b"P2\n4 1\n1023\n0 64 512 1023\n", [0, 15, 127, 255]),
        (b"P5\n3 1\n65535\n" + np.array([0, 32896, 65535], ">u2").tobytes(), [0, 128, 255]),
        (b"P5\n# by hand\n3 1\n4095\n" + np.array([0, 2048, 4095], ">u2").tobytes(), [0, 127, 255]),
        (b"P5\n3 1\n15\n\x00\x07\x0f", [0, 119, 255]),
        (b"P6\n1 1\n1023\n" + np.array([512, 512, 512], ">u2").tobytes(), [128]),
    ],
)
def test_pgm_is_scaled_by_its_maximum(seen, data, expected):
    assert seen(data, "image.pgm") == [expected]


# Formats

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (EPS, "it holds EPS, which is not read"),
        (b"%PDF-1.7\n", "it holds PDF, which is not read"),
        (b"\xd7\xcd\xc6\x9a" + bytes(40), "it holds WMF, which is not read"),
        (b"8BPS\0\1" + bytes(40), "it holds PSD, which is not read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image of a known format"),
        (b"<!doctype html><title>404</title>", "no image of a known format"),
        (b"", "the file is empty"),
        (b"\xff", "no image of a known format"),
        (b"P7\nWIDTH 1\nHEIGHT 1\n", "no image of a known format"),
        (b"\x89PNG\r\n\x1a\n", "begins as PNG does, but is cut short, damaged"),
    ],
)
def test_what_is_no_picture_of_pixels_is_refused(tmp_path, monkeypatch, data, said):
    def interpreter(*_, **__):
        raise AssertionError("an interpreter was started")

    monkeypatch.setattr(subprocess, "Popen", interpreter)
    (tmp_path / "drawing.jpg").write_bytes(data)
    with pytest.raises(UnreadableImageError, match=said):
        read_image(tmp_path / "drawing.jpg")


def test_no_format_needs_an_interpreter():
    assert not {"EPS", "WMF", "FPX", "MIC", "GRIB", "BUFR", "HDF5"} & set(FORMATS)


KINDS = ("JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "AVIF", "HEIF", "JPEG2000", "PPM", "TGA")


@pytest.mark.parametrize("kind", [*KINDS, "PCX", "SGI", "QOI"])
def test_every_format_is_read_whatever_its_name(tmp_path, kind):
    """A picture of large blocks, that lossy formats keep: told by content."""
    blocks = np.random.default_rng(1).integers(20, 230, (4, 6, 1), np.uint8).repeat(3, axis=2)
    image = Image.fromarray(np.kron(blocks, np.ones((16, 16, 1), np.uint8)))
    for name in ("none", "IMAGE.UPPER", "wrong.txt"):
        image.save(tmp_path / name, kind)
    assert len(find_images(tmp_path).files) == 3
    for path in find_images(tmp_path).files:
        off = np.asarray(read_image(path)).astype(int) - np.asarray(image)
        assert np.abs(off).mean() < 3


def test_heic_in_a_container_of_many_kinds_and_turned(tmp_path):
    left, right = Image.new("RGB", (32, 32), "black"), Image.new("RGB", (64, 32), "white")
    right.paste(left)
    exif = right.getexif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    right.save(stream, "HEIF", exif=exif.tobytes())
    data = stream.getvalue()
    assert data[4:12] == b"ftypheic"
    for brand in (b"heic", b"mif1"):
        (tmp_path / "IMG_0001.HEIC").write_bytes(data[:8] + brand + data[12:])
        image = np.asarray(read_image(tmp_path / "IMG_0001.HEIC")).astype(int)
        # Black lay left; a quarter turn clockwise puts it on top.
        assert image.shape == (64, 32, 3)
        assert image[:28].max() < 12 and image[36:].min() > 243


def test_the_first_frame_counts(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        frames[0].save(tmp_path / "film", kind, save_all=True, append_images=frames[1:])
        red, green, blue = np.asarray(read_image(tmp_path / "film"))[0, 0]
        assert red > 240 and green < 15 and blue < 15


def test_thumbnails_of_raw_files_are_no_images(tmp_path, seen):
    with pytest.raises(UnreadableImageError, match="camera's raw data behind a thumbnail"):
        seen(tiff([bytes(8)], 4, 2, [8], t254=1))
    for name in ("a.NEF", "b.dng", "c.THM"):
        Image.new("RGB", (9, 9)).save(tmp_path / name, "TIFF")
    (tmp_path / "image.tif").unlink()
    found = find_images(tmp_path)
    assert found.files == [] and found.left_out == {".nef": 1, ".dng": 1, ".thm": 1}


def test_metadata_that_is_damaged_does_not_matter(tmp_path):
    path = tmp_path / "a.jpg"
    for exif in (b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x09oops"):
        Image.new("RGB", (8, 4), "white").save(path, exif=exif)
        assert read_image(path).size == (8, 4)


# What is left out


def test_what_is_left_out_is_counted_by_kind(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("a.jpg", "b", "C.PNG"):
        Image.new("RGB", (9, 9)).save(folder / name, "JPEG")
    for name in ("film.MP4", "film2.mp4"):
        (folder / name).write_bytes(b"\0\0\0\x18ftypmp42" + bytes(40))
    for name in ("notes.txt", "Thumbs.db", "drawing.eps", "P1.csv", "Makefile", "._a.jpg"):
        (folder / name).write_bytes(EPS if name.endswith("eps") else b"P1 was the first\n")
    (folder / ".cache").mkdir()
    found = find_images(folder)
    assert [path.name for path in found.files] == ["C.PNG", "a.jpg", "b"]
    assert dict(found.left_out) == {
        **{".mp4": 2, ".txt": 1, ".db": 1, ".eps": 1, ".csv": 1, "without suffix": 1},
        **{"hidden files": 1, "hidden folders": 1},
    }
    dataset = open_folder(folder, need_classes=False)
    assert dataset.left_out.startswith("2 .mp4, ") and "1 hidden files" in dataset.left_out
    assert dataset.subset(2).left_out == dataset.left_out
    for path in folder.iterdir():
        if path not in found.files:
            path.rmdir() if path.is_dir() else path.unlink()
    assert open_folder(folder, need_classes=False).left_out == ""


def test_many_kinds_are_summed_up(tmp_path):
    for i in range(14):
        (tmp_path / f"x.k{i}").write_text("")
    sentence = find_images(tmp_path).sentence()
    assert sentence.count(",") == 10 and sentence.endswith("4 of other kinds")


def test_pipes_are_not_waited_for_and_folders_may_be_named_as_images(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    inner = tmp_path / "x.jpg"
    inner.mkdir()
    Image.new("RGB", (9, 9)).save(inner / "y.jpg")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    assert find_images(tmp_path).files == [tmp_path / "loop.png", inner / "y.jpg"]
    with pytest.raises(UnreadableImageError, match=r"loop\.png"):
        read_image(tmp_path / "loop.png")
    with pytest.raises(UnreadableImageError, match="Is a directory"):
        read_image(inner)


# Permission


@pytest.fixture
def closed(class_folders, monkeypatch):
    """Class folders of which one has a folder that the system does not let be listed."""
    inner = class_folders / "pears" / "more"
    inner.mkdir()
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path) == str(inner):
            raise PermissionError(13, "Permission denied", str(inner))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return class_folders


def test_a_folder_that_cannot_be_read_is_named(closed):
    with pytest.raises(ImageFolderError, match=r"pears/more \(Permission denied\).*--skip-unread"):
        open_folder(closed)
    dataset = open_folder(closed, skip_unreadable=True)
    assert len(dataset) == 12 and "pears/more (Permission denied)" in dataset.left_out
    assert len(load_dataset(f"folder:{closed}", skip_unreadable=True)) == 12


AS_NOBODY = """
import email.parser
import json, os, sys
from PIL import Image
from zsc_utils.datasets import open_folder
from zsc_utils.errors import ZscError
# All that is needed is imported while the installation can still be read.
Image.init()
os.setgid(65534)
os.setuid(65534)
said = []
for skip in (False, True):
    try:
        opened = open_folder(sys.argv[1], skip_unreadable=skip)
        said.append([len(opened), opened.left_out, opened.fingerprint["files"]])
        opened.images[0]
    except ZscError as error:
        said.append(str(error))
print(json.dumps(said))
"""


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="root alone can do so")
def test_as_another_user(tmp_path):
    """Permissions do not bind root, so another user looks."""
    folder = tmp_path / "mine"
    for name in ("a", "b", "b/closed"):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(folder / name / "0.png")
    for parent in (folder, *folder.parents):
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    (folder / "a" / "0.png").chmod(0o000)
    (folder / "b" / "closed").chmod(0o000)
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    (folder / "b" / "closed").chmod(0o755)
    refused, (n, left_out, files), unreadable = json.loads(done.stdout)
    assert "b/closed (Permission denied)" in refused
    assert n == 2 and "b/closed (Permission denied)" in left_out
    # Mended permission alone makes other embeddings.
    assert files[0][0] == "a/0.png" and files[0][-1] == "no permission" and len(files[1]) == 3
    assert unreadable.endswith("0.png: Permission denied")


# Mended images


def test_an_image_that_was_mended_is_read_again(class_folders, tmp_path, caplog):
    """With size and time as before, which the key of the embeddings rests on."""
    bad = class_folders / "pears" / "2.png"
    good, status = bad.read_bytes(), bad.stat()
    bad.write_bytes(b"\0" * len(good))
    os.utime(bad, ns=(status.st_atime_ns, status.st_mtime_ns))
    dataset = open_folder(class_folders)

    def run():
        return stored_embeddings(
            dataset,
            load_encoder("raw_pixels"),
            cache=tmp_path / "cache",
            skip_unreadable=True,
            progress=False,
        )

    assert len(run().array) == 11 and len(run().array) == 11
    bad.write_bytes(good)
    os.utime(bad, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert open_folder(class_folders).fingerprint == dataset.fingerprint
    again = run()
    assert len(again.array) == 12 and again.skipped == ()
    assert "can be read that could not before" in caplog.text


# Shapes


@pytest.mark.parametrize("shape", [(1, 20_000), (20_000, 1)])
def test_extreme_shapes_take_bounded_memory(shape):
    values = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = image_transform(224)(Image.fromarray(values))
    # Resized whole, it would have 224 × 4 480 000 pixels: 3 GB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    # 224 columns of one pixel's width each show one and a bit of the middle: 9 999.5 to 10 000.5.
    middle = values.reshape(-1, 3)[9_998:10_002]
    small = Image.fromarray(middle[None] if shape[0] == 1 else middle[:, None])
    assert (found == image_transform(224)(small)).all()


@pytest.mark.parametrize("size", [(2, 250), (601, 4), (3, 1001)])
def test_the_centre_stays_where_it_is(size):
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    image = Image.fromarray(noise)
    whole, cut = (transform(image) for transform in (image_transform(64), image_transform(64)))
    assert (whole == cut).all()
    from torchvision.transforms import v2

    plain = v2.Compose([v2.Resize(64), v2.CenterCrop(64)])
    off = np.asarray(plain(image)).astype(int) - np.asarray(plain(cut_ends(image)))
    assert np.abs(off).mean() < 2


@pytest.mark.parametrize("size", [(7, 700), (640, 480), (1, 100), (33, 12)])
def test_ordinary_shapes_are_not_touched(size):
    image = Image.new("RGB", size)
    assert cut_ends(image) is image


# Names

NAMES = [
    *(b"caf\xe9", b"\xff\xfe", b'quote"', b"apostrophe'", b"new\nline", b"cr\r", b"tab\t"),
    *(b"comma, semicolon;", b"<script>alert(1)<b>", b"$x_{1", b"pipe|", b"back\\slash", b"-rf"),
    *(
        b"=1+1",
        b"\x1b[31mred",
        "猫".encode(),
        b"n" * 251,
        b"%s%d{}",
        b" ",
        "e\u0301\u202f".encode(),
    ),
]


@pytest.fixture
def oddly_named(tmp_path):
    """Class folders and images whose names other systems write."""
    for i, name in enumerate(NAMES):
        folder = tmp_path / "odd" / os.fsdecode(name)
        folder.mkdir(parents=True)
        Image.new("RGB", (9, 9), (9 * i, 0, 0)).save(folder / os.fsdecode(name + b".png"))
    return tmp_path / "odd"


def test_any_name_is_embedded_and_can_be_written(oddly_named, tmp_path):
    from zsc_utils.npz import save_npz

    dataset = open_folder(oddly_named)
    assert len(dataset) == len(NAMES)
    found = stored_embeddings(dataset, load_encoder("raw_pixels"), cache=tmp_path, progress=False)
    assert found.labels["class"].to_list() == dataset.labels["class"].to_list()
    assert found.labels["class"].nunique() == len(NAMES)
    assert {"caf\\xe9", "new\\nline", "\\x1b[31mred", 'quote"', "猫"} <= set(found.labels["class"])
    table = pd.DataFrame({"image": [dataset.images.name(i) for i in range(len(dataset))]})
    table.to_csv(tmp_path / "names.csv", index=False)
    assert pd.read_csv(tmp_path / "names.csv")["image"].to_list() == table["image"].to_list()
    save_npz(tmp_path / "mine.npz", found.array, dataset, found.positions)
    with np.load(tmp_path / "mine.npz") as file:
        assert file["paths"].tolist() == table["image"].to_list()
        "".join(file["class_names"]).encode()


def test_a_folder_of_any_name_has_results_and_errors_of_one_line(tmp_path, class_folders):
    for name in (b"n" * 255, b"caf\xe9\n<b>"):
        folder = os.path.join(os.fsencode(tmp_path), name).decode(errors="surrogateescape")
        os.rename(class_folders, folder)
        dataset = open_folder(folder)
        readable(dataset.facts.name + dataset.facts.display).encode()
        stored_embeddings(
            dataset,
            load_encoder("raw_pixels"),
            cache=tmp_path / "cache",
            progress=False,
        )
        os.rename(folder, class_folders)
        with pytest.raises(ImageFolderError) as caught:
            open_folder(folder)
        assert "\n" not in str(caught.value) and str(caught.value).encode()


def test_what_cannot_be_printed_is_escaped():
    assert readable("caf\udce9\n\x1b[1m") == r"caf\xe9\n\x1b[1m"
    assert readable("猫 e\u0301\u202f\\") == "猫 e\u0301\u202f\\"


# Paths


@pytest.mark.parametrize("path", ["", "  "])
def test_an_empty_path_is_no_folder(path):
    with pytest.raises(ImageFolderError, match="an empty path is not a folder"):
        open_folder(path)


def test_a_path_has_one_meaning_everywhere(monkeypatch, tmp_path):
    with pytest.raises(ImageFolderError, match="nobody-of-this-name/x is not a folder"):
        open_folder("~nobody-of-this-name/x")
    inside = tmp_path / "photos" / "a"
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "photos" / name / "0.png")
    monkeypatch.setattr("zsc_utils.cache.ROOT", tmp_path)
    monkeypatch.setenv("DATA_ROOT", "data")
    for place in (tmp_path, inside, ROOT / "notebooks"):
        monkeypatch.chdir(place)
        assert data_folder() == tmp_path / "data"
        assert open_folder("photos").facts.source == str(tmp_path / "photos")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA_ROOT", "~/data")
    assert data_folder() == tmp_path / "data"
    assert len(open_folder("~/photos")) == 2


def test_paths_that_are_typed_begin_at_the_working_folder(class_folders, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from zsc_utils.cli import app

    monkeypatch.chdir(class_folders)
    (class_folders / "pears" / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    arguments = ["embed", "--encoder", "raw_pixels", "--out", str(tmp_path / "mine.npz")]

    def run(*more):
        return CliRunner().invoke(app, [*arguments, *more])

    done = run("--images", "pears")
    assert done.exit_code == 0 and "6 embeddings" in done.output
    assert "pears: 1 .mp4, 1 .txt\n" in done.output
    empty = run("--images", "")
    assert empty.exit_code == 2 and "an empty path is not a folder" in empty.output
    nobody = run("--images", "~nobody-of-this-name/x")
    assert nobody.exit_code == 2 and nobody.output.strip().endswith("/x is not a folder")
    assert nobody.output.startswith("error: ") and nobody.output.count("\n") == 1


# Results


def test_results_without_images_that_were_mended_are_computed_again(class_folders, tmp_path):
    bad = class_folders / "pears" / "2.png"
    good, status = bad.read_bytes(), bad.stat()
    profile = load_profile(
        *("smoke",),
        datasets=[f"folder:{class_folders}"],
        encoders=["raw_pixels"],
        clusterers=["kmeans"],
    )

    def swept():
        os.utime(bad, ns=(status.st_atime_ns, status.st_mtime_ns))
        build = tmp_path / "build"
        return sweep(profile, build=build, skip_unreadable=True, progress=False)["n_skipped"]

    bad.write_bytes(b"\0" * len(good))
    assert swept().tolist() == [1] and swept().tolist() == [1]
    bad.write_bytes(good)
    assert swept().tolist() == [0]


# Pages and tables


def test_names_are_neither_html_nor_borders_nor_formulas(oddly_named, tmp_path):
    table = pd.DataFrame(
        {"<i>kind</i>": ["<script>alert(1)</script>", "a|b", "p < 0.05"], "n": [1.0, 2.0, 3.0]},
        index=pd.Index(["<b>", "c|d", "e"], name="class"),
    )
    _, markdown, _ = tables.save(table, "table", tmp_path)
    rows = markdown.read_text().splitlines()
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
    assert re.findall(r"(?<!\\)<\S", "\n".join(rows)) == [] and "p < 0.05" in rows[-1]
    assert base.bullets(["no <script>, p < 0.05"]) == "- no \\<script>, p < 0.05"
    shown = tables.show(table).as_raw_html()
    assert "<script>" not in shown and "<i>" not in shown and "<b>" not in shown
    dataset = open_folder(oddly_named)
    figure = figures.contact_sheet(dataset, columns=len(dataset), rows=1, level="class")
    figure.savefig(tmp_path / "sheet.png")
    assert r"\$x_{1" in {axes.get_title() for axes in figure.axes}
    heat = pd.DataFrame(
        [[50.0]], pd.MultiIndex.from_tuples([("Own", "$x_{1$")], names=["group", "d"]), ["a"]
    )
    encoders.plot_ami_heatmap(heat).savefig(tmp_path / "heat.png")
    plt.close("all")
