import errno
import io
import json
import pickle
import re
import shutil
import zipfile
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from zsc_utils import embedding
from zsc_utils.cache import ArrayFolder, atomic_path, fingerprint
from zsc_utils.datasets import load_dataset, open_folder
from zsc_utils.embedding import (
    choose_device,
    choose_precision,
    compute,
    embeddings_key,
    file_name,
    stored_embeddings,
)
from zsc_utils.encoders import find_encoder, load_encoder
from zsc_utils.errors import DeviceError, EmbeddingsError, StorageError, UnreadableImageError
from zsc_utils.narrow import check_embeddings
from zsc_utils.npz import load_npz, save_npz
from zsc_utils.precision import Precision


@pytest.fixture
def cached(tmp_path):
    """Embed digits by raw pixels into a cache; count how often the encoder is built."""
    calls = []

    found = find_encoder("raw_pixels")

    def build():
        calls.append(1)
        return found.builder()

    dataset = load_dataset("digits").subset(40)

    def run(**options):
        """Embed as a process does that has built nothing yet."""
        return stored_embeddings(
            dataset, replace(found, builder=build), cache=tmp_path, progress=False, **options
        )

    return run, calls, dataset, tmp_path


def embeddings_file(cache, name="embeddings.npy"):
    return next(cache.rglob(name))


def test_batches_do_not_change_embeddings():
    dataset = load_dataset("textures").subset(20)
    encoder = load_encoder("efficientnet_lite0")
    array, kept, errors = compute(dataset, encoder, progress=False)
    assert array.shape == (20, 1280) and array.dtype == np.float32
    assert kept.tolist() == list(range(20)) and errors == []
    with torch.inference_mode():
        for i in (0, 7, 19):
            alone = encoder.module(encoder.transform(32)(dataset.images[i])[None])[0].numpy()
            assert np.allclose(array[i], alone, atol=1e-4)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "mini_dino_vit", "mini_xent_resnet"])
def test_threads_and_the_number_of_images_do_not_change_a_bit(name):
    dataset, found = load_dataset("textures").subset(24), []
    before = torch.get_num_threads()
    for threads, n in ((1, 24), (2, 24), (2, 19)):
        torch.set_num_threads(threads)
        try:
            images = replace(dataset, images=[dataset.images[i] for i in range(n)])
            found.append(compute(images, load_encoder(name), progress=False)[0])
        finally:
            torch.set_num_threads(before)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0][:19], found[2])


@pytest.mark.parametrize("room", [3, 0])
def test_batches_are_as_large_as_the_memory_of_a_gpu_allows(room):
    """Of one that has room for so many images."""
    dataset, asked = load_dataset("digits").subset(40), []
    encoder = load_encoder("raw_pixels")

    class OnGpu(torch.nn.Module):
        def forward(self, pixels):
            asked.append(len(pixels))
            if len(pixels) > room:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return encoder.module(pixels)

    small = replace(encoder, builder=lambda: (OnGpu(), encoder.transform))
    if room:
        array, kept, _ = compute(dataset, small, progress=False)
        assert np.array_equal(array, compute(dataset, encoder, progress=False)[0])
        assert asked == [16, 8, 4, *[2] * 20] and kept.tolist() == list(range(40))
    else:
        with pytest.raises(DeviceError, match="no memory for a single image of this network"):
            compute(dataset, small, progress=False)


@pytest.mark.parametrize("libc", ["own", "without mallopt"])
def test_memory_that_is_kept_changes_no_bit(libc, monkeypatch):
    images, encoder = load_dataset("digits").subset(20), find_encoder("efficientnet_lite0")
    kept, _, _ = compute(images, encoder, progress=False)
    if libc == "own":
        monkeypatch.setattr(embedding, "memory_kept", nullcontext)
    else:
        monkeypatch.setattr(embedding.ctypes, "CDLL", lambda _: object())
    plain, _, _ = compute(images, encoder, progress=False)
    assert np.array_equal(kept, plain)


def test_embeddings_are_computed_once(cached):
    run, calls, dataset, _ = cached
    first, second = run(), run()
    assert len(calls) == 1
    assert isinstance(second.array, np.memmap)
    assert np.array_equal(first.array, second.array)
    assert second.labels.equals(dataset.labels)
    assert second.facts == dataset.facts


def test_a_cut_short_cache_file_is_named_and_computed_again(cached, caplog):
    run, calls, _, cache = cached
    before = np.array(run().array)
    path = embeddings_file(cache)
    path.write_bytes(path.read_bytes()[:1000])
    again = run()
    assert len(calls) == 2 and np.array_equal(again.array, before)
    assert str(path) in caplog.text and "cut short" in caplog.text


@pytest.mark.parametrize("name", ["labels.csv", "meta.json"])
def test_a_damaged_table_is_computed_again(cached, caplog, name):
    run, calls, dataset, cache = cached
    run()
    path = embeddings_file(cache, name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert run().labels.equals(dataset.labels)
    assert len(calls) == 2 and "computing them again" in caplog.text


def test_other_settings_have_other_keys():
    digits = load_dataset("digits")
    raw = find_encoder("raw_pixels").fingerprint
    random = find_encoder("random_resnet50").fingerprint
    keys = {
        embeddings_key(digits, raw),
        embeddings_key(digits.subset(40), raw),
        embeddings_key(digits.subset(40, seed=1), raw),
        embeddings_key(load_dataset("faces"), raw),
        embeddings_key(digits, random),
        embeddings_key(digits, raw | {"torch": "0.0"}),
    }
    assert len(keys) == 6


def test_precision_is_in_the_key_where_it_is_not_full():
    digits = load_dataset("digits")
    raw = find_encoder("raw_pixels").fingerprint
    assert embeddings_key(digits, raw) == embeddings_key(digits, raw, Precision.fp32)
    assert embeddings_key(digits, raw) != embeddings_key(digits, raw, Precision.bf16)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("name", ["random_resnet50", "random_vitb16"])
def test_bf16_embeddings_are_near_those_in_full_precision(name, fast, monkeypatch, caplog):
    monkeypatch.setattr("zsc_utils.embedding.bfloat16_is_fast", lambda device: fast)
    dataset = load_dataset("textures").subset(2)
    encoder = load_encoder(name)
    run = partial(compute, dataset, encoder, device="cpu", progress=False)
    full, rounded = run()[0], run(precision=Precision.bf16)[0]
    assert rounded.dtype == np.float32 and not np.array_equal(full, rounded)
    norms = np.linalg.norm(full, axis=1) * np.linalg.norm(rounded, axis=1)
    assert ((full * rounded).sum(axis=1) / norms).min() > 0.999
    assert ("bf16 gains no time on device cpu" in caplog.text) is not fast


@pytest.mark.parametrize("fast", [True, False])
def test_precision_is_rounded_by_itself_only_where_that_gains_time(fast, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "zsc_utils.embedding.bfloat16_is_fast", lambda device: asked.append(device) or fast
    )
    assert choose_precision("auto", "cpu") is (Precision.bf16 if fast else Precision.fp32)
    assert choose_precision("fp32", "cpu") is Precision.fp32
    assert choose_precision("bf16", "cpu") is Precision.bf16
    assert asked == ["cpu"]


def test_precisions_are_cached_apart(cached):
    run, calls, _, cache = cached
    run()
    run(precision=Precision.bf16)
    run(precision=Precision.bf16)
    assert len(calls) == 2
    metas = [json.loads(path.read_text()) for path in cache.rglob("meta.json")]
    assert sorted(meta["precision"] for meta in metas) == ["bf16", "fp32"]


def test_unreadable_images_stop_or_are_left_out(class_folders, tmp_path):
    bad = class_folders / "pears" / "2.png"
    bad.write_text("not an image")
    dataset = open_folder(class_folders)
    run = partial(
        stored_embeddings,
        dataset,
        find_encoder("raw_pixels"),
        cache=tmp_path / "cache",
        progress=False,
    )
    with pytest.raises(UnreadableImageError, match=r"pears/2\.png"):
        run()
    result = run(skip_unreadable=True)
    assert result.array.shape == (11, 3 * 32 * 32)
    assert result.labels["class"].to_list() == ["apples"] * 6 + ["pears"] * 5
    assert [path for path, _ in result.skipped] == [str(bad)]
    # What was left out once is not silently missing later.
    with pytest.raises(UnreadableImageError, match=r"pears/2\.png"):
        run()


def test_a_run_that_was_killed_goes_on_from_its_last_shard(cached, monkeypatch):
    run, _, _, cache = cached
    whole = run().array.copy()
    shutil.rmtree(cache / "embeddings")
    monkeypatch.setattr(embedding, "SHARD", 16)
    forward, asked = embedding._forward, []

    def counted(module, images, here, *args):
        asked.append(here.start)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return forward(module, images, here, *args)

    monkeypatch.setattr(embedding, "_forward", counted)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert len(list(cache.rglob("*.parts/*.npy"))) == 2
    damaged = next(cache.rglob("*.parts/16.npy"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    assert np.array_equal(run().array, whole)
    assert asked == [0, 16, 32, 16, 32]
    assert not list(cache.rglob("*.parts"))


def test_a_shard_with_an_unreadable_image_is_not_kept(class_folders, monkeypatch):
    (class_folders / "apples" / "0.png").write_text("no")
    dataset, shards = open_folder(class_folders), {}
    monkeypatch.setattr(embedding, "SHARD", 4)
    ask = {"skip_unreadable": True, "progress": False, "shards": shards}
    array, kept, errors = compute(dataset, load_encoder("raw_pixels"), **ask)
    assert sorted(shards) == ["4", "8"] and len(errors) == 1
    assert kept.tolist() == list(range(1, 12)) and array.shape[0] == 11
    again = compute(dataset, load_encoder("raw_pixels"), **ask)
    assert np.array_equal(again[0], array) and again[1].tolist() == kept.tolist()


def test_nothing_readable(tmp_path):
    (tmp_path / "a.png").write_text("no")
    dataset = open_folder(tmp_path, need_classes=False)
    with pytest.raises(EmbeddingsError, match="none of the 1 images"):
        compute(dataset, load_encoder("raw_pixels"), skip_unreadable=True, progress=False)


def test_npz_round_trip(class_folders, tmp_path):
    dataset = open_folder(class_folders)
    array, kept, _ = compute(dataset, load_encoder("raw_pixels"), progress=False)
    out = tmp_path / "out.npz"
    save_npz(out, array, dataset, kept)
    with np.load(out) as file:
        assert file["embeddings"].dtype == np.float32
        assert file["paths"][0] == "apples/0.png"
        assert file["class_names"][file["y_true"]].tolist() == dataset.labels["class"].to_list()
    embeddings, y_true = load_npz(out)
    assert np.array_equal(embeddings, array) and y_true.tolist() == [0] * 6 + [1] * 6


def test_npz_of_images_without_classes(class_folders, tmp_path):
    dataset = open_folder(class_folders / "pears", need_classes=False)
    array, kept, _ = compute(dataset, load_encoder("raw_pixels"), progress=False)
    save_npz(tmp_path / "out.npz", array, dataset, kept)
    with np.load(tmp_path / "out.npz") as file:
        assert sorted(file.files) == ["embeddings", "paths"]
    assert load_npz(tmp_path / "out.npz")[1] is None


def test_bad_embeddings_files(tmp_path):
    path = tmp_path / "e.npz"

    def refused(match, **content):
        np.savez(path, **content)
        with pytest.raises(EmbeddingsError, match=match):
            load_npz(path)

    good = np.ones((4, 3), np.float32)
    dates = np.array(["2024-01-01"] * 4, "datetime64[D]")
    words = np.array(["a", "b", "c", "d"])
    hole = good.copy()
    hole[2, 1] = np.nan
    refused("1 of 4 embeddings hold NaN or infinities, the first in row 2", embeddings=hole)
    refused(r"'y_true' must be of shape \(4,\)", embeddings=good, y_true=np.arange(3))
    refused(r"not \(4, 1\)", embeddings=good, y_true=np.zeros((4, 1)))
    refused("'y_true' must be numbers or text, not dates", embeddings=good, y_true=dates)
    refused("'y_true' holds objects, such as text", embeddings=good, y_true=words.astype(object))
    refused("no array named 'embeddings'", features=good)
    refused(r"shape \(n, d\)", embeddings=good[0])
    refused(r"numbers, not text \(<U1\)", embeddings=words[:, None])
    refused(r"numbers, not text \(\|S1\)", embeddings=words[:, None].astype("S"))
    refused("'embeddings' holds objects, such as text", embeddings=words[:, None].astype(object))
    refused("not booleans", embeddings=good > 0)
    refused("not complex numbers", embeddings=good + 1j)
    refused("not dates", embeddings=dates[:, None])
    refused("not records", embeddings=np.zeros((4, 2), [("a", "f4"), ("b", "f4")]))
    refused(r"not \(\)", embeddings=np.float32(3))
    refused(r"not \(2, 2, 1\)", embeddings=np.ones((2, 2, 1)))
    refused(r"not \(4, 0\)", embeddings=np.ones((4, 0)))
    refused(r"shape \(n, d\)", embeddings=np.ones((0, 3)))
    ragged = np.empty(2, object)
    ragged[:] = [np.ones(3), np.ones(4)]
    refused("rows of unequal lengths", embeddings=ragged)
    with pytest.raises(EmbeddingsError, match="rows of unequal lengths"):
        check_embeddings(ragged, "array")
    np.savez(path, embeddings=np.ones((400, 30)))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(EmbeddingsError, match="cut short"):
        load_npz(path)
    with pytest.raises(EmbeddingsError, match="does not exist"):
        load_npz(tmp_path / "absent.npz")
    # A header that claims more than any memory holds.
    header = io.BytesIO()
    claim = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 10)}
    np.lib.format.write_array_header_1_0(header, claim)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("embeddings.npy", header.getvalue())
    with pytest.raises(EmbeddingsError, match="does not fit into memory"):
        load_npz(path)
    np.save(tmp_path / "plain.npy", good)
    with pytest.raises(EmbeddingsError, match="one array without a name: save with np.savez"):
        load_npz(tmp_path / "plain.npy")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("embeddings.npy", "1,2\n3,4\n")
    with pytest.raises(EmbeddingsError, match="'embeddings' is no array but a file"):
        load_npz(path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(EmbeddingsError, match="no .npz file: save"):
        load_npz(path)


def test_labels_survive_the_cache_as_strings(tmp_path):
    names = ["01", "nan", "NA", "a,b", "", "é"]
    folder = tmp_path / "images"
    for name in filter(None, names):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / name / "x.png")
    dataset = open_folder(folder)
    found = stored_embeddings(dataset, load_encoder("raw_pixels"), cache=tmp_path, progress=False)
    assert found.labels["class"].to_list() == sorted(filter(None, names))


def test_file_names():
    assert file_name("digits") == "digits"
    assert file_name("folder:/some/where/my photos") == "folder_my_photos"
    assert file_name("timm:resnet18.a1_in1k") == "timm_resnet18.a1_in1k"


def test_atomic_path_leaves_the_old_content_when_writing_fails(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space is left"),
        (OSError("11520 requested and 10208 written"), "no space is left"),
        (OSError(errno.EROFS, "Read-only file system"), "name another one; "),
        (OSError(errno.EIO, "Input/output error"), None),
    ],
)
def test_what_cannot_be_written_says_what_to_do(error, says, tmp_path):
    with pytest.raises(OSError) as caught, atomic_path(tmp_path / "rows.csv"):
        raise error
    if says:
        assert isinstance(caught.value, StorageError)
        assert re.search(f"cannot write .*rows.csv: .*{says}", str(caught.value))
        again = pickle.loads(pickle.dumps(caught.value))
        assert str(again) == str(caught.value)
    else:
        assert caught.value is error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["ZSC_BUILD", "DATA_ROOT"])
def test_what_names_the_folder_that_cannot_be_written_to_is_said(name, tmp_path, monkeypatch):
    monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(StorageError, match=f"another one .{name}"), atomic_path(tmp_path / "a.npy"):
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.parametrize("place", ["", "out", "out/rows.csv", "out/.rows.csv.abc/rows.csv"])
def test_what_cannot_be_read_is_no_error_of_writing(place, tmp_path):
    with pytest.raises(StorageError), atomic_path(tmp_path / "out" / "rows.csv"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / place))
    image = PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "in" / "0.png"))
    with pytest.raises(OSError) as caught, atomic_path(tmp_path / "out" / "rows.csv"):
        raise image
    assert caught.value is image
    # A link that cannot be made is of two paths: that of the image comes first.
    with pytest.raises(StorageError), atomic_path(tmp_path / "out") as draft:
        raise PermissionError(errno.EPERM, "not permitted", image.filename, None, str(draft))


def test_array_folder_is_a_mapping(tmp_path):
    arrays = ArrayFolder(tmp_path / "arrays")
    assert "a" not in arrays and len(arrays) == 0
    arrays["a"] = np.arange(3)
    assert list(arrays) == ["a"] and np.array_equal(arrays["a"], [0, 1, 2])
    del arrays["a"]
    with pytest.raises(KeyError):
        arrays["a"]


def test_fingerprint_does_not_depend_on_order():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_devices_that_are_not_there():
    for name in ("gpu", "meta", "cuda:99"):
        with pytest.raises(DeviceError, match=f"device '{name}' cannot be used"):
            choose_device(name)
    assert choose_device("cpu") == "cpu"


def test_two_writers_of_the_same_folder(tmp_path):
    target = tmp_path / "folder"
    with atomic_path(target) as slow:
        slow.mkdir()
        (slow / "who").write_text("slow")
        with atomic_path(target) as fast:
            fast.mkdir()
            (fast / "who").write_text("fast")
    assert (target / "who").read_text() == "fast"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_meta_names_the_settings(cached):
    run, _, dataset, cache = cached
    run()
    meta = json.loads(embeddings_file(cache, "meta.json").read_text())
    assert meta["dataset"] == dataset.fingerprint
    assert meta["encoder"]["torch"] and meta["device"] == "cpu"
    assert pd.read_csv(embeddings_file(cache, "labels.csv")).shape[0] == 40
