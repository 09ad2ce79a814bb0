"""The images of a folder, whatever lies in it, and the labels that someone gives of them."""

import csv
import hashlib
import os
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from zsc_utils.encoders import find_encoder
from zsc_utils.errors import ImageFolderError
from zsc_utils.own import collection, contents
from zsc_utils.own.collection import MARK, LabelsError, collect, find_folder, read_labels

ODD = [
    *('a "quoted", name.png', "two\nlines.png", "<script>alert(1)</script>.png", "=1+1.png"),
    *("-rf.png", "--out.png", " spaces .png", "$(x) ${y} %41#?.png", "日本.png", "é.png"),
    *("half\udce9.png", "n" * 246 + ".png", "'; drop table.png", "tab\there.png"),
]


def png(path, i=0, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(i)
    Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(path, "PNG")
    return path


def huge_png():
    """A header that claims 20 000 × 20 000 pixels, and next to nothing behind it."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0" * 99)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.fixture
def folder(tmp_path):
    for i in range(4):
        png(tmp_path / "in" / f"{i}.png", i)
    return tmp_path / "in"


def found(folder, **options):
    return collect(find_folder(folder), **options)


def test_images_are_known_by_their_content(folder):
    png(folder / "deeper" / "down" / "copy.png", 2)
    whole = found(folder)
    assert whole.names == ["0.png", "1.png", "2.png", "3.png", "deeper/down/copy.png"]
    for path, digest in zip(whole.paths, whole.digests, strict=True):
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert whole.digests[2] == whole.digests[4]
    smaller = whole.without({0: "it is gone", 2: "so is this"})
    assert smaller.names == ["1.png", "3.png", "deeper/down/copy.png"]
    assert len(set(smaller.digests)) == len(smaller)
    assert smaller.left_out == (("0.png", "it is gone"), ("2.png", "so is this"))
    with pytest.raises(ImageFolderError, match=r"holds 2 images .* left out: 0.png \(gone\)"):
        found(folder).without({i: "gone" for i in range(3)})


def test_what_is_no_image_is_left_alone_and_said(folder, tmp_path):
    (folder / ".hidden.png").write_bytes((folder / "0.png").read_bytes())
    (folder / ".git").mkdir()
    (folder / "notes.txt").write_text("no image")
    (folder / "linked.png").symlink_to(folder / "0.png")
    (folder / "linked folder").symlink_to(tmp_path)
    (folder / "nowhere.png").symlink_to("nothing")
    os.mkfifo(folder / "pipe.png")
    # A PNG by another name is one; text that is named as an image is left out when it is read.
    (folder / "image.txt").write_bytes((folder / "0.png").read_bytes())
    (folder / "text.jpg").write_text("no image")
    (folder / "empty.png").touch()
    whole = found(folder)
    assert whole.names == ["0.png", "1.png", "2.png", "3.png", "image.txt", "text.jpg"]
    assert whole.left_out == (("empty.png", "the file is empty"),)
    assert set(whole.sentence.split(", ")) == {
        *("3 links", "1 hidden files", "1 hidden folders", "1 .txt", "1 .png")
    }


def test_results_are_no_images(folder):
    for name in ("this run's", "an earlier one's"):
        png(folder / name / "report" / "thumbnails" / "0.jpg", 9)
        (folder / name / MARK).touch()
    assert found(folder).names == [f"{i}.png" for i in range(4)]
    with pytest.raises(ImageFolderError, match="holds results of zsc cluster"):
        found(folder / "an earlier one's")


def test_a_sample_is_the_same_every_time(folder):
    for i in range(4, 30):
        png(folder / f"{i}.png", i)
    sample = found(folder, most=7)
    assert len(sample) == 7 and sample.names == sorted(sample.names)
    assert sample == found(folder, most=7) and set(sample.names) < set(found(folder).names)
    assert found(folder, most=30) == found(folder, most=10**9) == found(folder)


@pytest.mark.parametrize(
    "n, words", [(0, "holds no images that"), (1, "holds 1 image that"), (2, "holds 2 images that")]
)
def test_too_few_images(tmp_path, n, words):
    for i in range(n):
        png(tmp_path / f"{i}.png", i)
    with pytest.raises(ImageFolderError, match=words):
        found(tmp_path)


def test_no_folder(folder, tmp_path):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    (tmp_path / "link").symlink_to(folder)
    assert found(tmp_path / "link").names == found(folder).names
    for path, words in (
        (tmp_path / "missing", "No such file or directory"),
        (folder / "0.png", "is not a folder of images"),
        (folder / "0.png" / "x", "Not a directory"),
        (tmp_path / "circle", "links lead in a circle|symbolic links"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(ImageFolderError, match=words) as caught:
            found(path)
        assert "\n" not in str(caught.value)
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "notes.txt").write_text("no image")
    with pytest.raises(
        ImageFolderError, match=r"no images in .*/text, nor below it \(but 1 .txt\)"
    ):
        found(tmp_path / "text")


def test_files_without_permission_are_left_out(folder, monkeypatch):
    (folder / "closed").mkdir()
    real = collection.file_sha256

    def closed(path):
        if path.name == "1.png":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(collection, "file_sha256", closed)
    whole = found(folder)
    assert whole.names == ["0.png", "2.png", "3.png"]
    assert whole.left_out == (("1.png", "Permission denied"),)
    listed = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert found(folder).sentence == f"the folder {folder / 'closed'} (Permission denied)"


def test_odd_names_can_be_printed_and_come_back(folder, tmp_path):
    for i, name in enumerate(ODD):
        png(folder / name, 10 + i)
    whole = found(folder)
    assert len(whole) == len(ODD) + 4
    assert all(name.isprintable() and name.encode() for name in whole.names)
    file = tmp_path / "labels.csv"
    with open(file, "w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([("path", "label"), *((name, f"of {name}") for name in whole.names)])
    labels, strangers = read_labels(file, whole)
    assert labels.tolist() == [f"of {name}" for name in whole.names] and strangers == []


def embed(whole, cache, encoder="raw_pixels"):
    source = find_encoder(encoder)
    return contents.embed_contents(whole, source, cache=cache, device="cpu")


@pytest.fixture
def embedded(monkeypatch):
    """Count the images that are embedded, call by call."""
    calls = []
    real = contents.compute

    def counting(dataset, *args, **kwargs):
        calls.append(len(dataset))
        return real(dataset, *args, **kwargs)

    monkeypatch.setattr(contents, "compute", counting)
    return calls


def test_each_content_is_embedded_once(folder, tmp_path, embedded, monkeypatch):
    png(folder / "copy.png", 2)
    array, reasons = embed(found(folder), tmp_path / "cache")
    assert embedded == [4] and reasons == {} and array.shape[0] == 5
    np.testing.assert_array_equal(array[2], array[4])
    (folder / "2.png").rename(folder / "renamed.png")
    png(folder / "new.png", 7)
    again, _ = embed(found(folder), tmp_path / "cache")
    assert embedded == [4, 1]
    names = found(folder).names
    np.testing.assert_array_equal(again[names.index("renamed.png")], array[2])
    # In many small files, or one of which is damaged.
    monkeypatch.setattr(contents, "MANY_PARTS", 1)
    embed(found(folder), tmp_path / "cache")
    (part,) = (tmp_path / "cache").rglob("*.npz")
    part.write_bytes(part.read_bytes()[:100])
    np.testing.assert_array_equal(embed(found(folder), tmp_path / "cache")[0], again)
    assert embedded == [4, 1, 5]
    # All of many are damaged.
    for damaged in (*part.parent.glob("*.npz"), part.parent / "another.npz"):
        damaged.write_bytes(b"no embeddings")
    np.testing.assert_array_equal(embed(found(folder), tmp_path / "cache")[0], again)


def test_what_cannot_be_read_is_left_out_and_asked_for_no_network(
    folder, tmp_path, embedded, monkeypatch
):
    whole_png = (folder / "0.png").read_bytes()
    bad = {
        "corrupt.png": whole_png[:40] + b"\0" * 40,
        "huge.png": huge_png(),
        "text.jpg": b"no image",
        "truncated.png": whole_png[: len(whole_png) // 2],
        "0 first.png": b"no image either",
    }
    for name, content in bad.items():
        (folder / name).write_bytes(content)
    (folder / "png.txt").write_bytes(whole_png)
    (folder / "same huge.png").write_bytes(huge_png())
    whole = found(folder)
    array, reasons = embed(whole, tmp_path / "cache")
    said = {whole.names[i]: why for i, why in reasons.items()}
    assert set(said) == {*bad, "same huge.png"}
    assert "400000000 pixels" in said["huge.png"]
    assert said["same huge.png"] == said["huge.png"]
    assert "no image of a known format" in said["text.jpg"]
    assert all(why and "\n" not in why for why in said.values())
    bad_rows = np.isnan(array).all(axis=1)
    assert set(np.flatnonzero(bad_rows)) == set(reasons) and np.isfinite(array[~bad_rows]).all()
    # Again: they are tried once more, without a network.
    monkeypatch.setattr(contents, "compute", None)
    assert embed(whole, tmp_path / "cache")[1] == reasons
    for i in range(4):
        (folder / f"{i}.png").unlink()
    (folder / "png.txt").unlink()
    _, reasons = embed(found(folder), tmp_path / "other cache")
    assert len(reasons) == 6


def test_precisions_and_encoders_do_not_mix(folder, tmp_path, embedded):
    embed(found(folder), tmp_path / "cache")
    embed(found(folder), tmp_path / "cache", "mini_vicreg_resnet")
    embed(found(folder), tmp_path / "cache", "mini_vicreg_resnet")
    assert embedded == [4, 4]


def labels_of(tmp_path, whole, content):
    file = tmp_path / "labels.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_labels(file, whole)


def test_labels_by_path(folder, tmp_path):
    whole = found(folder)
    lines = ["\ufeffnote,label,path", "", "x,a,0.png", "y,,1.png", "z,NA,3.png", "x,a,0.png"]
    labels, strangers = labels_of(tmp_path, whole, "\r\n".join([*lines, "x,b,no.png", ""]))
    assert labels.tolist() == ["a", None, None, "NA"] and strangers == ["no.png"]
    assert labels.dtype == object


@pytest.mark.parametrize(
    "content, words",
    [
        ("", "lacks the column path and label: .* and it is empty"),
        ("0.png,a\n1.png,b\n", "lacks the column path and label: .* not 0.png,a"),
        ("path;label\n0.png;a\n", "not path;label"),
        ("path\n0.png\n", "lacks the column label"),
        ("path,label\n0.png,a\n0.png,b\n", "gives 0.png two labels"),
        ("path,label\n0.png,a\n0.png,\n", "gives 0.png two labels"),
        ("path,label\na, b.png,x\n", "line 2: 3 fields, where the first line has 2"),
        ("path,label\n0.png\n", "line 2: 1 fields"),
        ("path,label\n", "has a label for none of the 4 images: .*, such as 0.png"),
        ("path,label\n/somewhere/0.png,a\n", "has a label for none"),
        ("path,label\n0.png,\n", "has a label for none"),
        (b"\x89PNG\r\n\x1a\n\0\xff", "it is no text in UTF-8"),
        (b"path,label\n0.png,caf\xe9\n", "it is no text in UTF-8"),
        (b"\0" * 200_000, "cannot read the labels|lacks the column"),
        (b"path,label\n0.png," + b"x" * 200_000, "field larger than field limit"),
        (b"x" * 100_000 + b"\n", "lacks the column"),
        (b'path,label\n"0.png,a\n' + b"1.png,b\n" * 50, "line 52: 1 fields"),
    ],
)
def test_labels_that_are_wrong_are_said_in_one_line(folder, tmp_path, content, words):
    with pytest.raises(LabelsError, match=words) as caught:
        labels_of(tmp_path, found(folder), content)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_no_file_of_labels(folder, tmp_path):
    for path, words in ((tmp_path / "no.csv", "No such file"), (folder, "Is a directory")):
        with pytest.raises(LabelsError, match=f"cannot read the labels .*: {words}"):
            read_labels(path, found(folder))


def test_what_the_report_exports_is_read(folder, tmp_path):
    """As `asCsv` of the page writes it: every image, those in no cluster without a label."""
    for i, name in enumerate(ODD):
        png(folder / name, 10 + i)
    whole = found(folder)
    given = [("", " cats, mostly", "dogs")[i % 3] for i in range(len(whole))]
    rows = [("path", "label"), *zip(whole.names, given, strict=True)]
    text = "".join(",".join(map(as_field, row)) + "\r\n" for row in rows)
    labels, strangers = labels_of(tmp_path, whole, text)
    assert strangers == [] and labels.tolist() == [label or None for label in given]


def as_field(text):
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if re.search(r'[",\r\n]|^\s|\s$', text) else text
