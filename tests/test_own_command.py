"""`zsc cluster`: a folder of images, from the command to the files that it writes."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from collections import namedtuple
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import run_zsc
from PIL import Image
from typer.testing import CliRunner

from zsc_utils.cli import app
from zsc_utils.encoders import ENCODERS
from zsc_utils.own import clusterings, command, contents, results, sorting
from zsc_utils.own.calibration import calibrate
from zsc_utils.own.collection import MARK
from zsc_utils.own.report import thumbnails

Result = namedtuple("Result", "code out err")
N = 96
QUICK = ("--clusterers", "kmeans,ac_without_c")


def draw(path, i, kind=None, noise=30):
    """A ramp to the right, downwards or to the corner, with noise: three kinds of images."""
    rng = np.random.default_rng(i)
    y, x = np.mgrid[:24, :24] * 8.0
    ramp = (x, y, 184 - (x + y) / 2)[i % 3 if kind is None else kind]
    pixels = ramp[..., None] + rng.normal(0, noise, (24, 24, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, "PNG")


def images(folder, n=N):
    for i in range(n):
        draw(folder / f"{('a', 'b')[i % 2]}" / f"{i:03}.png", i)
    return folder


def cluster(folder, out, *options, encoders="raw_pixels"):
    """Call the command in this process."""
    named = ("--encoders", encoders) if encoders else ()
    arguments = ["cluster", folder, "--out", out, *named, "--jobs", "1", "--device", "cpu"]
    found = CliRunner().invoke(app, [*map(str, arguments), *map(str, options)])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    bars = found.stderr.replace("\r", "\n").splitlines()
    said = [line for line in bars if line.strip() and "%|" not in line]
    return Result(found.exit_code, found.stdout, "\n".join(said))


def files(folder):
    """All below a folder, with what shows a change."""
    return {
        path.relative_to(folder).as_posix(): (os.lstat(path).st_mtime_ns, os.lstat(path).st_size)
        for path in folder.rglob("*")
    }


def read(out):
    return pd.read_csv(out / "clusters.csv"), pd.read_csv(out / "ranking.csv")


@contextmanager
def nothing_computed():
    """Fail where anything is embedded, reduced or clustered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "compute", None)
        patch.setattr(clusterings, "attempt", None)
        yield


@pytest.fixture(scope="module")
def sorted_once(tmp_path_factory):
    """Ninety-six images in two folders, sorted by two encoders; tests copy it to change it."""
    root = tmp_path_factory.mktemp("once")
    folder = images(root / "in")
    shutil.copy(folder / "a" / "000.png", folder / "b" / "copy of 000.png")
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "notes.txt").write_text("no image")
    before = files(folder)
    found = cluster(folder, root / "out", encoders="raw_pixels,mini_vicreg_resnet")
    assert found.code == 0, found
    assert files(folder) == before, "images are only read"
    return root, found


@pytest.fixture
def mine(sorted_once, tmp_path):
    """A copy of it with one encoder's embeddings known."""
    shutil.copytree(sorted_once[0], tmp_path / "mine", symlinks=True)
    return tmp_path / "mine"


def test_what_is_written(sorted_once):
    root, _ = sorted_once
    out = root / "out"
    assert {p.name for p in out.iterdir()} == {
        *("clusters.csv", "ranking.csv", "report.html", "report", "cache", MARK)
    }
    clusters, ranking = read(out)
    assert list(clusters) == ["path", "cluster", "silhouette", "distance_to_medoid"]
    expected = sorted(p.relative_to(root / "in").as_posix() for p in root.glob("in/*/*.png"))
    assert clusters["path"].tolist() == expected and len(expected) == N + 1
    kept = clusters[clusters["cluster"] >= 0]
    assert kept["silhouette"].between(-1, 1).all()
    assert (kept.groupby("cluster")["distance_to_medoid"].min() == 0).all()
    first = ranking.iloc[0]
    assert kept["cluster"].nunique() == first["n_clusters"]
    assert 100 * (1 - len(kept) / len(clusters)) == pytest.approx(first["left_out"], abs=0.01)
    assert not list(out.glob(".*cs*")), "no drafts are left"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "broken.png" in page and "96" in page


def test_the_ranking(sorted_once):
    _, ranking = read(sorted_once[0] / "out")
    assert list(ranking) == [
        *("encoder", "clusterer", "n_clusters", "as_good", "left_out", "proposed", "score"),
        *("expected_ami", "expected_low", "expected_high", "caveat"),
        *("silhouette_umap", "silhouette_original", "agreement_clusterers"),
        *("agreement_encoders", "status", "reason"),
    ]
    done = ranking.dropna(subset="score")
    assert done["score"].is_monotonic_decreasing and (done["n_clusters"] >= 2).all()
    proposed = ranking[ranking["proposed"]]
    assert not proposed.duplicated(["encoder", "clusterer"]).any()
    pairs = done.drop_duplicates(["encoder", "clusterer"])
    assert proposed.index.tolist() == pairs.index.tolist(), "the best of each is proposed"
    told = proposed["clusterer"].isin(["kmeans", "spectral", "ac_with_c"])
    assert (proposed["as_good"].notna() == told).all()
    expected = proposed["expected_ami"].notna()
    assert (expected == proposed["caveat"].isna()).all()
    rows = proposed[expected]
    assert (rows["expected_low"] <= rows["expected_ami"]).all()
    assert (rows["expected_ami"] <= rows["expected_high"]).all()
    assert ranking.loc[~ranking["proposed"], "expected_ami"].isna().all()
    spectral = done[(done["clusterer"] == "spectral") & (done["encoder"] == "raw_pixels")]
    quick = done[(done["clusterer"] == "kmeans") & (done["encoder"] == "raw_pixels")]
    assert len(spectral) <= sorting.FEW < len(quick) == len(clusterings.numbers_to_try(N + 1))


def test_what_to_expect_is_said_in_the_table_the_report_and_the_summary(tmp_path):
    # With less noise the silhouette is beyond all that was measured.
    for i in range(N):
        draw(tmp_path / "in" / f"{i:03}.png", i, noise=150)
    found = cluster(tmp_path / "in", tmp_path / "out", *QUICK)
    assert found.code == 0
    best = read(tmp_path / "out")[1].iloc[0]
    numbers = best[["expected_low", "expected_ami", "expected_high"]].astype(float)
    expected = [100 * x[0] for x in calibrate().interval([best["silhouette_umap"]])]
    assert numbers.tolist() == pytest.approx(expected, abs=0.1) and pd.isna(best["caveat"])
    assert 0 < numbers.iloc[0] < numbers.iloc[1] < numbers.iloc[2] < 100
    low, middle, high = (f"{number:.0f}" for number in numbers)
    assert f"{middle} % ({low} to {high})" in found.out
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"<b>{middle} %</b><span>{low} to {high} %</span>" in page
    sentence = f"of {middle} %, and of {low} to {high} % in four folders of five"
    assert sentence in found.out and sentence in page


def test_the_summary_can_be_read(sorted_once):
    root, (_, out, err) = sorted_once
    lines = out.splitlines()
    assert err == "" and lines[0] == f"{N + 1} images of {root / 'in'}"
    assert lines[1] == "left alone: 1 .txt" and lines[2].startswith(
        "left out: broken.png: no image"
    )
    assert "2 images are copies of one another, exact or near: 1 set" in lines
    head = next(line for line in lines if line.startswith("encoder"))
    assert "K-means" in out and "Raw image" in out and "nan" not in out.lower()
    assert all(len(line) < 100 for line in lines[lines.index(head) :] if "  " in line)
    for name in ("clusters.csv", "ranking.csv", "report.html"):
        assert str(root / "out" / name) in out


def test_again_nothing_is_computed_and_the_same_is_written(mine, monkeypatch):
    before = {name: (mine / "out" / name).read_bytes() for name in ("clusters.csv", "ranking.csv")}
    written, made, real = [], [], thumbnails.thumbnail
    monkeypatch.setattr(thumbnails, "thumbnail", lambda *a: made.append(a) or real(*a))
    with nothing_computed():
        for _ in range(2):
            found = cluster(mine / "in", mine / "out", encoders="raw_pixels,mini_vicreg_resnet")
            assert found.code == 0
            shown = [p for p in (mine / "out").rglob("*") if p.is_file() and "cache" not in p.parts]
            written.append({p: p.read_bytes() for p in shown})
    for name, content in before.items():
        assert (mine / "out" / name).read_bytes() == content
    assert len(made) == 2 * (N + 1), "each once a run"
    # The folder stands in the page, and the first run's was another.
    assert written[0] == written[1]


def test_in_whatever_order_processes_end_the_same_is_written(mine, monkeypatch):
    before = {name: (mine / "out" / name).read_bytes() for name in ("clusters.csv", "ranking.csv")}
    real = sorting.in_processes
    monkeypatch.setattr(sorting, "in_processes", lambda *a: reversed(list(real(*a))))
    assert not cluster(mine / "in", mine / "out", encoders="raw_pixels,mini_vicreg_resnet").code
    for name, content in before.items():
        assert (mine / "out" / name).read_bytes() == content, "also where scores are the same"


def test_elsewhere_the_same_clusters_are_written(sorted_once, tmp_path):
    root, _ = sorted_once
    found = cluster(root / "in", tmp_path / "new", encoders="raw_pixels,mini_vicreg_resnet")
    assert found.code == 0
    for name in ("clusters.csv", "ranking.csv"):
        assert (tmp_path / "new" / name).read_bytes() == (root / "out" / name).read_bytes()


def test_labels_are_scored_and_nothing_else(mine):
    plain, before = read(mine / "out")
    labels = mine / "labels.csv"
    kinds = [Path(path).stem[-3:] for path in plain["path"]]
    table = pd.DataFrame({"path": plain["path"], "label": [f"kind {int(k) % 3}" for k in kinds]})
    table.loc[:4, "label"] = ""
    strange = pd.DataFrame({"path": ["no.png", "nor.png"], "label": ["x", "y"]})
    pd.concat([table, strange]).to_csv(labels, index=False)
    with nothing_computed():
        found = cluster(
            *(mine / "in", mine / "out", "--labels", labels),
            encoders="raw_pixels,mini_vicreg_resnet",
        )
    assert found.code == 0
    scored, ranking = read(mine / "out")
    pd.testing.assert_frame_equal(scored, plain)
    pd.testing.assert_frame_equal(ranking.drop(columns=["ami", "ari"]), before)
    assert ranking.loc[ranking["score"].notna(), "ami"].notna().all()
    from sklearn.metrics import adjusted_mutual_info_score

    known = table["label"] != ""
    expected = 100 * adjusted_mutual_info_score(table["label"][known], plain["cluster"][known])
    assert ranking["ami"][0] == pytest.approx(expected, abs=1e-3)
    assert f"labels.csv names 2 paths that are no image of {mine / 'in'}: no.png, …" in found.out
    assert f"the first row agrees by an AMI of {expected:.0f} %" in found.out


def test_labels_of_images_alone_that_cannot_be_read_are_no_reason_to_stop(mine):
    before = read(mine / "out")[0]
    (mine / "labels.csv").write_text("path,label\nbroken.png,x\n")
    found = cluster(mine / "in", mine / "out", *QUICK, "--labels", mine / "labels.csv")
    clusters, ranking = read(mine / "out")
    assert found.code == 0 and clusters["path"].equals(before["path"])
    assert ranking["ami"].isna().all() and "nan" not in found.out


def test_ten_new_images_cost_ten_embeddings_and_renamed_ones_none(mine, monkeypatch):
    for i in range(10):
        draw(mine / "in" / f"new {i}.png", 200 + i)
    (mine / "in" / "a" / "002.png").rename(mine / "in" / "b" / "renamed.png")
    counted, real = [], contents.compute
    monkeypatch.setattr(
        *(contents, "compute"),
        lambda data, *a, **k: counted.append(len(data)) or real(data, *a, **k),
    )
    found = cluster(mine / "in", mine / "out", *QUICK)
    assert found.code == 0 and counted == [10]
    clusters, _ = read(mine / "out")
    assert len(clusters) == N + 11 and "b/renamed.png" in set(clusters["path"])
    assert len(list((mine / "out" / "cache" / "clusterings").iterdir())) == 1, "of these images"


def test_a_sample(mine):
    found = cluster(mine / "in", mine / "out", *QUICK, "--max-images", "40")
    clusters, ranking = read(mine / "out")
    # One of the forty is the broken one.
    assert found.code == 0 and len(clusters) == 39 and clusters["path"].is_monotonic_increasing
    assert "expected AMI" not in found.out, "they are fewer than was measured"
    assert "39 images are outside what was measured, sets of " in found.out
    assert ranking["expected_ami"].isna().all()
    assert cluster(mine / "in", mine / "out", "--max-images", "2").code == 2


def test_a_tree_of_links(mine):
    found = cluster(mine / "in", mine / "out", *QUICK, "--link")
    assert found.code == 0
    clusters, _ = read(mine / "out")
    tree = mine / "out" / "clusters"
    linked = {os.readlink(p): p.parent.name for p in tree.glob("*/*")}
    assert len(linked) == N + 1 and all(p.is_symlink() for p in tree.glob("*/*"))
    for path, number in zip(clusters["path"], clusters["cluster"], strict=True):
        assert int(linked[str(mine / "in" / path)].removeprefix("cluster_")) == number
    found = cluster(mine / "in", mine / "out", *QUICK)
    assert "of an earlier run" in found.out and tree.is_dir()


@pytest.fixture
def small(tmp_path):
    """Images whose names are the same, nearly the same or long, and what a run says of them."""
    folder = tmp_path / "in"
    names = [
        *("x/same.png", "y/same.png", "z/SAME.png", "same.png", "x__same.png", "2_same.png"),
        *("x/é.png", f"y/{unicodedata.normalize('NFD', 'é')}.png"),
        *(f"{inner}/{'n' * 246}.png" for inner in ("x", "y", "z" * 200)),
    ]
    for i, name in enumerate(names):
        draw(folder / name, 300 + i, kind=0)
    return folder


def tree_of(folder, out):
    collection = command.collect(folder)
    found = sorting.Sorted(collection, {}, pd.DataFrame(), [])
    out.mkdir(exist_ok=True)
    return collection, results.write_tree(found, np.zeros(len(collection), int), out)


@pytest.mark.parametrize("linking", [True, False], ids=["links", "copies"])
def test_in_a_tree_every_image_has_a_name_of_its_own(small, tmp_path, linking, monkeypatch):
    if not linking:

        def none(*_):
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(os, "symlink", none)
    before = {path: path.read_bytes() for path in small.rglob("*.png")}
    for _ in range(2):
        collection, tree = tree_of(small, tmp_path / "out")
        places = list(tree.glob("*/*"))
        assert len(places) == len(collection)
        assert {p.is_symlink() for p in places} == {linking}
        assert sorted(p.read_bytes() for p in places) == sorted(before.values())
        alike = {unicodedata.normalize("NFC", p.name).casefold() for p in places}
        assert len(alike) == len(places), "on any file system"
        assert {p.suffix for p in places} == {".png"}
    assert {path: path.read_bytes() for path in small.rglob("*.png")} == before
    assert not (tmp_path / "out" / ".clusters").exists()


def test_copies_never_overwrite_what_a_link_leads_to(small, tmp_path):
    (tmp_path / "link").symlink_to(small / "same.png")
    before = (small / "same.png").read_bytes()
    with pytest.raises(FileExistsError):
        results._copy(small / "x" / "same.png", tmp_path / "link")
    assert (small / "same.png").read_bytes() == before


def test_one_clusterer_alone(mine):
    for name in ("hdbscan", "kmeans", "affinity_propagation"):
        found = cluster(mine / "in", mine / "out", "--clusterers", name)
        _, ranking = read(mine / "out")
        assert found.code == 0 and set(ranking["clusterer"]) == {name}
        assert ranking["agreement_clusterers"].isna().all()
        assert ranking["agreement_encoders"].isna().all() and "nan" not in found.out


@pytest.mark.parametrize(("fast", "computed"), [(True, "bf16"), (False, "fp32")])
def test_the_precision_can_be_left_to_the_device(mine, monkeypatch, fast, computed):
    before = set((mine / "out" / "cache" / "contents").iterdir())
    monkeypatch.setattr("zsc_utils.embedding.bfloat16_is_fast", lambda device: fast)
    found = cluster(mine / "in", mine / "out", "--clusterers", "hdbscan", "--precision", "auto")
    assert found.code == 0 and f"embeddings are computed in {computed}" in found.out
    assert (set((mine / "out" / "cache" / "contents").iterdir()) != before) is fast


def test_a_clusterer_that_does_not_fit_is_passed_over(mine, monkeypatch):
    needed = sorting.peak_bytes

    def much(recipe, size):
        return 1e15 if recipe.clusterer == "affinity_propagation" else needed(recipe, size)

    monkeypatch.setattr(sorting, "peak_bytes", much)
    found = cluster(mine / "in", mine / "out", "--clusterers", "kmeans,affinity_propagation")
    _, ranking = read(mine / "out")
    assert found.code == 0
    (row,) = ranking[ranking["status"] == "skipped"].to_dict("records")
    assert row["clusterer"] == "affinity_propagation" and "1000000.0 GB" in row["reason"]
    assert ranking.index[ranking["status"] == "skipped"].tolist() == [len(ranking) - 1]
    assert f"Raw image, Affinity Prop.: skipped: {row['reason']}" in found.out
    monkeypatch.setattr(sorting, "memory_available", lambda: 1e6)
    before = (mine / "out" / "clusters.csv").read_bytes()
    found = cluster(mine / "in", mine / "out", "--clusterers", "kmeans,hdbscan")
    assert found.code == 2 and "no clusterer gave clusters: " in found.err and "MB" in found.err
    assert (mine / "out" / "clusters.csv").read_bytes() == before


def test_an_encoder_of_the_installation(tmp_path):
    folder = images(tmp_path / "in", 24)
    found = cluster(folder, tmp_path / "out", *QUICK, encoders="efficientnet_lite0")
    clusters, _ = read(tmp_path / "out")
    assert found.code == 0 and len(clusters) == 24 and "EffNet-Lite0" in found.out


# ---- What people get wrong


def refused(found, words, out=None):
    """One line, no traceback, status 2, and nothing of a result."""
    assert found.code == 2 and found.out == "", found
    assert found.err.startswith("error: ") and "\n" not in found.err
    assert words in found.err
    if out is not None:
        assert not out.exists() or {p.name for p in out.iterdir()} <= {MARK, "cache"}


@pytest.mark.parametrize(
    "n, words", [(0, "no images"), (1, "holds 1 image that"), (2, "holds 2 images that")]
)
def test_too_few(tmp_path, n, words):
    (tmp_path / "in").mkdir()
    for i in range(n):
        draw(tmp_path / "in" / f"{i}.png", i)
    found = cluster(tmp_path / "in", tmp_path / "out")
    refused(found, words)
    assert not (tmp_path / "out").exists(), "nothing is left behind"


@pytest.mark.parametrize("n", [3, 4, 6, 12, 40])
def test_few(tmp_path, n):
    folder = images(tmp_path / "in", n)
    found = cluster(folder, tmp_path / "out")
    clusters, ranking = read(tmp_path / "out")
    assert found.code == 0 and found.err == "" and len(clusters) == n
    assert clusters["cluster"].nunique() >= 2 and ranking["expected_ami"].isna().all()
    assert "cannot be said" in found.out


def test_all_of_one_content(tmp_path):
    draw(tmp_path / "in" / "0.png", 0)
    for i in range(1, 40):
        shutil.copy(tmp_path / "in" / "0.png", tmp_path / "in" / f"{i}.png")
    found = cluster(tmp_path / "in", tmp_path / "out")
    refused(found, "all 40 embeddings are the same", tmp_path / "out")


def test_nothing_but_pairs_of_copies(tmp_path):
    for i in range(8):
        draw(tmp_path / "in" / f"{i}.png", i)
        shutil.copy(tmp_path / "in" / f"{i}.png", tmp_path / "in" / f"{i} again.png")
    found = cluster(tmp_path / "in", tmp_path / "out")
    assert found.code == 0 and "16 images are copies of one another" in found.out
    assert "8 sets" in found.out


def test_embeddings_that_are_nearly_the_same(tmp_path):
    for i in range(40):
        image = Image.new("RGB", (32, 32), (100, 100, 100))
        image.putpixel((i % 32, i // 32), (101, 100, 100))
        (tmp_path / "in").mkdir(exist_ok=True)
        image.save(tmp_path / "in" / f"{i}.png")
    found = cluster(tmp_path / "in", tmp_path / "out")
    assert found.code == 0 and found.err == ""
    assert read(tmp_path / "out")[0]["cluster"].nunique() >= 2


def test_none_can_be_read(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(5):
        (tmp_path / "in" / f"{i}.png").write_bytes(b"no image" * (i + 1))
    found = cluster(tmp_path / "in", tmp_path / "out")
    refused(found, "holds no images that can be read", tmp_path / "out")


def test_no_folder(tmp_path):
    draw(tmp_path / "file.png", 0)
    (tmp_path / "circle").symlink_to("circle")
    out = tmp_path / "out"
    refused(cluster(tmp_path / "missing", out), "No such file or directory")
    refused(cluster(tmp_path / "file.png", out), "is not a folder of images")
    refused(cluster(tmp_path / "circle", out), "links")
    refused(cluster(tmp_path / "missing", tmp_path / "missing" / "out"), "No such file")
    assert {p.name for p in tmp_path.iterdir()} == {"file.png", "circle"}


def test_no_place_for_results(mine):
    folder, other = mine / "in", mine / "other"
    other.mkdir()
    (other / "letter.txt").write_text("dear")
    (mine / "circle").symlink_to("circle")
    before = files(mine)
    refused(cluster(folder, other), "holds other files")
    refused(cluster(folder, other / "letter.txt"), "is a file")
    refused(cluster(folder, other / "letter.txt" / "out"), "is a file")
    refused(cluster(folder, mine / "circle"), "links")
    refused(cluster(folder, folder), "holds the images")
    refused(cluster(folder, mine), "holds the images")
    refused(cluster(mine / "out", mine / "new"), "holds results of zsc cluster")
    refused(cluster(folder, mine / ("x" * 300)), "File name too long")
    assert files(mine) == before


def test_a_folder_that_may_not_be_written_to(mine, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    refused(cluster(mine / "in", mine / "new" / "out"), f"cannot write to {mine}", mine / "new")
    monkeypatch.undo()

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)
    found = cluster(mine / "in", mine / "new")
    refused(found, f"cannot write to {mine / 'new'}: Permission denied")
    monkeypatch.undo()
    monkeypatch.setattr(np, "savez", refuse)
    found = cluster(mine / "in", mine / "new")
    refused(found, "may not be written to: change that, or name another one;")


def test_an_image_that_may_not_be_read_any_more_is_no_error_of_writing(mine, monkeypatch):
    def closed(path, place):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "symlink", closed)
    monkeypatch.setattr(results, "_copy", closed)
    found = cluster(mine / "in", mine / "out", *QUICK, "--link")
    assert found.code == 2 and "cannot write" not in found.err
    assert f"Permission denied: '{mine / 'in'}" in found.err


def test_results_within_the_images_are_no_images(mine):
    folder = mine / "in"
    for _ in range(2):
        found = cluster(folder, folder / "clusters of mine", *QUICK)
        assert found.code == 0 and f"{N + 1} images" in found.out
        assert not [p for p in (folder / "clusters of mine").rglob("*") if p.suffix == ".png"]
    found = cluster(folder, mine / "new", *QUICK)
    assert found.code == 0 and f"{N + 1} images" in found.out, "nor by other runs"


@pytest.mark.parametrize(
    "options, words",
    [
        (("--encoders", "raw_pixel"), "unknown encoder 'raw_pixel'; did you mean raw_pixels?"),
        (("--encoders", "timm:no_such_model"), "no_such_model"),
        (("--encoders", "raw_pixels,,nothing_like_it"), "unknown encoder 'nothing_like_it'"),
        (("--encoders", " , "), "no names given"),
        (("--clusterers", "kmean"), "unknown clusterer 'kmean'; did you mean kmeans?"),
        (("--without", "flower"), "did you mean flowers5?"),
        (("--labels", "nowhere.csv"), "nowhere.csv: No such file"),
        (("--device", "abacus"), "device 'abacus' cannot be used"),
    ],
)
def test_names_that_are_none(mine, options, words):
    before = files(mine / "in")
    found = cluster(mine / "in", mine / "new", *options)
    refused(found, words, mine / "new")
    assert files(mine / "in") == before


def test_labels_that_cannot_be_read_are_said_before_the_work(mine):
    file = mine / "labels.csv"
    for content in (b"", b"a,b\n1,2\n", b"\xff\xfe\0\0", b"path,label\nno.png,x\n"):
        file.write_bytes(content)
        found = cluster(mine / "in", mine / "new", "--labels", file)
        refused(found, str(file))
        assert not (mine / "new").exists()


@pytest.mark.parametrize("at", ["embedding", "clustering", "report", "table"])
def test_a_full_disk_is_said_and_earlier_results_stay(mine, at, monkeypatch):
    before = {p: p.read_bytes() for p in mine.glob("out/*.*")}
    draw(mine / "in" / "one more.png", 999)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    def silent(*_, **__):
        raise OSError("3072 requested and 1024 written")

    if at == "embedding":
        monkeypatch.setattr(np, "savez", full)
    elif at == "clustering":
        monkeypatch.setattr(np, "save", silent)
    elif at == "report":
        monkeypatch.setattr(command, "write_report", full)
    else:
        monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    found = cluster(mine / "in", mine / "out", *QUICK)
    assert found.code == 2 and re.match("error: .*no space is left", found.err)
    assert "\n" not in found.err
    after = {p: p.read_bytes() for p in mine.glob("out/*.*")}
    # Tables come last: the page may be new.
    kept = {p for p in before if at != "table" or p.suffix == ".csv"}
    assert after.keys() == before.keys() and all(after[p] == before[p] for p in kept)
    monkeypatch.undo()
    found = cluster(mine / "in", mine / "out", *QUICK)
    assert found.code == 0 and len(read(mine / "out")[0]) == N + 2


def test_no_weights_at_all(mine, monkeypatch):
    monkeypatch.setattr(command, "encoders_at_hand", list)
    found = cluster(mine / "in", mine / "new", encoders=None)
    refused(found, "no weights of any encoder are here", mine / "new")


def test_by_default_encoders_that_learnt_and_are_here_are_taken(monkeypatch):
    monkeypatch.setattr(command, "fetched_models", lambda: ["timm:resnet18.a1_in1k"])
    *names, fetched = command.encoders_at_hand()
    assert {f"efficientnet_lite{i}" for i in range(3)} <= set(names)
    assert all(ENCODERS[name].facts.method not in ("none", "random") for name in names)
    assert fetched == "timm:resnet18.a1_in1k"


def test_numbers_that_are_as_good_end_at_a_gap():
    scores = [0.49, 0.5, 0.3, 0.47, 0.4]
    table = pd.DataFrame({"told": [20, 2, 6, 8, np.nan], "score": scores})
    table = table.assign(encoder="e", clusterer=["k"] * 4 + ["h"], proposed=[0, 1, 0, 0, 1])
    assert results.numbers_as_good(table, 0.05).tolist() == ["", "2", "", "", ""]
    assert results.numbers_as_good(table, 0.25).tolist() == ["", "2–20", "", "", ""]


# ---- Processes


@pytest.mark.slow
def test_nothing_outside_of_the_folder_of_results_is_written(tmp_path):
    folder = images(tmp_path / "in", 12)
    places = {name: tmp_path / name for name in ("home", "cwd", "tmp")}
    for place in places.values():
        place.mkdir()
    before = files(folder)
    here = Path.cwd()
    os.chdir(places["cwd"])
    try:
        done = run_zsc(
            *("cluster", folder, "--encoders", "raw_pixels", "--jobs", "2", *QUICK),
            build=tmp_path / "build",
            HOME=str(places["home"]),
            TMPDIR=str(places["tmp"]),
            XDG_CACHE_HOME=str(places["home"] / ".cache"),
            PYTHONPATH=f"{here}:{os.environ.get('PYTHONPATH', '')}",
        )
    finally:
        os.chdir(here)
    assert done.returncode == 0, done.stderr
    assert files(folder) == before
    assert {p.name for p in places["cwd"].iterdir()} == {"in-clusters"}
    # torch makes an empty folder for what it would compile.
    left = [p for p in places["tmp"].rglob("*") if not p.name.startswith("torchinductor_")]
    assert left == [] and not (tmp_path / "build").exists()
    # Compiled code is kept for all runs (`compiled.py`).
    kept = [p.relative_to(places["home"]) for p in places["home"].rglob("*") if p.is_file()]
    assert all(path.is_relative_to(".cache/zsc-utils") for path in kept), kept


BARS = ("read:", "raw_pixels on", "reduce:", "cluster:", "thumbnails:")


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment, later",
    [("start", 1), *((bar, 0) for bar in BARS), ("reduce:", 0.3), ("cluster:", 0.3)],
)
def test_interrupted_it_says_so_in_one_line_and_goes_on_the_next_time(moment, later, mine):
    for i in range(150):
        draw(mine / "in" / f"more {i}.png", 500 + i)
    before = {p: p.read_bytes() for p in mine.glob("out/*.*")}
    shutil.rmtree(mine / "out" / "cache")
    arguments = [
        *("cluster", str(mine / "in"), "--out", str(mine / "out"), "--jobs", "2"),
        *("--encoders", "raw_pixels", "--device", "cpu"),
    ]
    # A cluster of processes of its own: Ctrl-C reaches all that belong to a terminal's.
    process = subprocess.Popen(
        [sys.executable, "-c", "from zsc_utils.cli import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=os.environ | {"ZSC_BUILD": str(mine / "build")},
    )
    said = b""
    while moment != "start" and moment.encode() not in said:
        more = os.read(process.stderr.fileno(), 4096)
        assert more, f"it ended without {moment!r}: {said[-500:]}"
        said += more
    # Of a bar: while processes load what they need.
    time.sleep(later)
    os.killpg(process.pid, signal.SIGINT)
    out, rest = process.communicate(timeout=120)
    err = (said + rest).decode().replace("\r", "\n")
    lines = [line for line in err.splitlines() if line.strip() and "%|" not in line]
    assert process.returncode == 130 and out == b"", err
    assert lines == ["stopped; what is finished is kept: run it again to go on"]
    for _ in range(100):
        if not processes_of(process.pid):
            break
        time.sleep(0.1)
    assert processes_of(process.pid) == [], "no process outlives it"
    assert {p: p.read_bytes() for p in mine.glob("out/*.*")} == before
    # A process that is ended may leave a draft in the cache, where nobody reads it.
    left = {p.name for place in ("out", "out/report") for p in (mine / place).glob(".*")}
    assert left == {MARK}, "no drafts"
    found = cluster(mine / "in", mine / "out", *QUICK)
    assert found.code == 0 and len(read(mine / "out")[0]) == N + 151


def processes_of(cluster):
    """List the processes of a cluster that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(pgrp) == cluster and state != "Z":
            found.append(stat.parent.name)
    return found
