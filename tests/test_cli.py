import json
import os

import numpy as np
import pandas as pd
import pytest
import typer
import yaml
from paper_trees import TREES
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from zsc_utils import embedding
from zsc_utils.cli import app
from zsc_utils.cli.base import Commands
from zsc_utils.cli.embedding import RESULT_COLUMNS
from zsc_utils.errors import CheckpointError, ZscError
from zsc_utils.sweep import evaluate
from zsc_utils.sweep.profile import PROFILES

COLUMNS = "clusterer ami ari n_clusters fraction_clustered silhouette_original silhouette_umap"


@pytest.fixture
def zsc(tmp_path, monkeypatch):
    """Call the command line; return exit code, output and error output."""
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path / "build"))

    def call(*args):
        result = CliRunner().invoke(app, [str(arg) for arg in args])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return call


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("encoders", "efficientnet_lite2"),
        ("datasets", "glyphs"),
        ("clusterers", "hdbscan"),
        ("profiles", "mini"),
    ],
)
def test_list(zsc, kind, name):
    code, out, _ = zsc("list", kind)
    assert code == 0 and name in out
    code, out, _ = zsc("list", kind, "--json")
    assert code == 0 and name in [row["name"] for row in json.loads(out)]


@pytest.mark.parametrize("name", list(get_command(app).commands))
def test_every_command_and_option_says_what_it_is(name):
    command = get_command(app).commands[name]
    assert command.help
    assert [one.name for one in command.params if not one.help] == []


def test_sheet(zsc, class_folders, tmp_path):
    out = tmp_path / "sheet.png"
    code, _, _ = zsc("sheet", f"folder:{class_folders}", "--out", out, "--columns", 4, "--rows", 2)
    width, height = Image.open(out).size
    assert code == 0 and width > height > 50


def test_embed_and_cluster(zsc, class_folders, tmp_path):
    out = tmp_path / "own.npz"
    code, printed, _ = zsc(
        "embed", "--encoder", "raw_pixels", "--images", class_folders, "--out", out
    )
    assert code == 0 and "12 embeddings of 3072 dimensions" in printed
    rounded = tmp_path / "rounded.npz"
    zsc(
        *("embed", "--encoder", "efficientnet_lite0", "--images", class_folders, "--out", rounded),
        *("--precision", "bf16"),
    )
    assert np.load(rounded)["embeddings"].dtype == np.float32
    csv = tmp_path / "results.csv"
    code, printed, _ = zsc(
        "cluster-embeddings", out, "--recipe", "raw_pixels", "--clusterers", "kmeans,ac_with_c",
        "--out", csv,
    )  # fmt: skip
    assert code == 0
    table = pd.read_csv(csv)
    assert list(table.columns) == RESULT_COLUMNS
    assert RESULT_COLUMNS[:9] == [*COLUMNS.split(), "seconds", "status"]
    assert table["clusterer"].tolist() == ["kmeans", "ac_with_c"]
    assert (table["ami"] == 1).all() and (table["status"] == "ok").all()


def test_embedding_that_was_killed_goes_on(zsc, class_folders, tmp_path, monkeypatch):
    words = ("embed", "--encoder", "raw_pixels", "--images", class_folders, "--out")
    assert zsc(*words, tmp_path / "whole.npz")[0] == 0
    monkeypatch.setattr(embedding, "SHARD", 5)
    forward, begun = embedding._forward, []

    def failing(module, images, here, *arguments):
        begun.append(here.start)
        if len(begun) == 2:
            raise ZscError("killed")
        return forward(module, images, here, *arguments)

    monkeypatch.setattr(embedding, "_forward", failing)
    assert zsc(*words, tmp_path / "again.npz")[0] == 2
    assert not (tmp_path / "again.npz").exists()
    assert zsc(*words, tmp_path / "again.npz")[0] == 0 and begun == [0, 5, 5, 10]
    whole, again = (np.load(tmp_path / name)["embeddings"] for name in ("whole.npz", "again.npz"))
    assert np.array_equal(whole, again)
    assert not list((tmp_path / "build").rglob("*.npy"))


def test_cluster_embeddings_of_any_origin(zsc, blobs, tmp_path):
    X, y = blobs
    path = tmp_path / "mine.npz"
    np.savez(path, embeddings=X, y_true=y)
    csv = tmp_path / "results.csv"
    code, _, _ = zsc("cluster-embeddings", path, "--recipe", "dino_vitb16", "--out", csv)
    table = pd.read_csv(csv).set_index("clusterer")
    assert code == 0 and len(table) == 6
    assert table.loc["kmeans", "ami"] == 1
    first = table.drop(columns="seconds")
    zsc("cluster-embeddings", path, "--recipe", "dino_vitb16", "--out", csv)
    again = pd.read_csv(csv).set_index("clusterer").drop(columns="seconds")
    pd.testing.assert_frame_equal(first, again)


def test_evoc_is_asked_for_by_name_and_is_not_among_all(zsc, blobs, tmp_path):
    path, csv = tmp_path / "any.npz", tmp_path / "table.csv"
    np.savez(path, embeddings=blobs[0], y_true=blobs[1])
    command = ("cluster-embeddings", path, "--recipe", "xent_resnet50", "--out", csv)
    assert zsc(*command, "--clusterers", "evoc")[0] == 0
    (row,) = pd.read_csv(csv).itertuples()
    assert (row.clusterer, row.status) == ("evoc", "ok") and row.ami > 0.5
    np.savez(path, embeddings=blobs[0][::9])
    code, _, err = zsc(*command, "--clusterers", "evoc")
    assert code == 1 and "failed of 1; evoc: EVoC needs 15 samples or more, not 10" in err
    np.savez(path, embeddings=blobs[0], y_true=blobs[1])
    assert zsc(*command)[0] == 0
    assert "evoc" not in set(pd.read_csv(csv)["clusterer"])
    _, out, _ = zsc("list", "clusterers", "--json")
    in_study = {row["name"]: row["in_study"] for row in json.loads(out)}
    assert not in_study.pop("evoc") and all(in_study.values()) and len(in_study) == 6


def test_clusterers_that_need_more_memory_than_there_is_are_passed_over(
    zsc, blobs, tmp_path, monkeypatch
):
    path, csv = tmp_path / "mine.npz", tmp_path / "results.csv"
    np.savez(path, embeddings=blobs[0], y_true=blobs[1])
    command = ("cluster-embeddings", path, "--recipe", "xent_resnet50", "--clusterers", "kmeans")
    monkeypatch.setattr("zsc_utils.sweep.costs.memory_available", lambda: 1e6)
    begun = []
    monkeypatch.setattr("zsc_utils.sweep.evaluate.in_processes", lambda *call: begun.append(call))
    code, _, _ = zsc(*command, "--out", csv)
    assert not begun
    (row,) = pd.read_csv(csv).to_dict("records")
    assert code == 0 and row["status"] == "skipped" and "MB are there" in row["reason"]


def test_a_reader_that_has_seen_enough_is_no_error():
    def printing():
        raise BrokenPipeError("head was satisfied")

    two = typer.Typer(cls=Commands)
    two.command()(printing)
    two.command("other")(printing)
    assert isinstance(CliRunner().invoke(two, ["other"]).exception, BrokenPipeError)


def test_clusterings_of_embeddings_that_are_stopped_leave_the_rows_that_are_finished(
    zsc, blobs, tmp_path, monkeypatch
):
    path, csv = tmp_path / "mine.npz", tmp_path / "results.csv"
    np.savez(path, embeddings=blobs[0], y_true=blobs[1])
    whole = evaluate.evaluate_side_by_side

    def stopped(*arguments, **settings):
        yield next(iter(whole(*arguments, **settings)))
        raise ZscError("stopped")

    monkeypatch.setattr(evaluate, "evaluate_side_by_side", stopped)
    code, _, err = zsc("cluster-embeddings", path, "--recipe", "raw_pixels", "--out", csv)
    assert code == 2 and "stopped" in err
    assert pd.read_csv(csv)["ami"].notna().sum() == 1


def test_cluster_embeddings_without_labels(zsc, blobs, tmp_path):
    path, csv = tmp_path / "mine.npz", tmp_path / "results.csv"
    np.savez(path, embeddings=blobs[0])
    clusterers = ("--recipe", "xent_resnet50", "--clusterers", "kmeans,ac_without_c")
    zsc("cluster-embeddings", path, *clusterers, "--out", csv)
    table = pd.read_csv(csv).set_index("clusterer")
    assert table["status"].to_dict() == {"kmeans": "skipped", "ac_without_c": "ok"}
    assert table["ami"].isna().all() and table.loc["ac_without_c", "silhouette_umap"] > 0
    np.savez(tmp_path / "labelled.npz", embeddings=blobs[0], y_true=blobs[1])
    code, _, err = zsc(
        "cluster-embeddings", tmp_path / "labelled.npz", *clusterers, "--n-classes", 3
    )
    assert code == 2 and "no --n-classes" in err
    zsc("cluster-embeddings", path, *clusterers, "--n-classes", 3, "--out", csv)
    assert pd.read_csv(csv)["n_clusters"].iloc[0] == 3


def test_few_embeddings_are_clustered_by_the_nearest_recipes(zsc, blobs, tmp_path):
    path, csv = tmp_path / "mine.npz", tmp_path / "results.csv"
    np.savez(path, embeddings=blobs[0][::3], y_true=blobs[1][::3])
    command = ("cluster-embeddings", path, "--recipe", "dino_vitb16", "--out", csv)
    _, _, err = zsc(*command, "--clusterers", "kmeans,spectral")
    few = "30 samples: too few for UMAP to 50 dimensions, which needs 52 (for kmeans, silhouettes)"
    assert err.startswith(f"{few}; --nearest-recipe takes fewer dimensions\n")
    assert pd.read_csv(csv)["status"].tolist() == ["failed", "ok"]
    code, _, err = zsc(*command, "--clusterers", "kmeans,spectral", "--nearest-recipe")
    table = pd.read_csv(csv)
    assert code == 0 and err.startswith(f"{few}\n") and table["ami"][0] == 1
    assert table["reason"][0].startswith("recipe with UMAP to 28 in place of 50 dimensions")


def test_what_the_nearest_recipes_share_is_reduced_once(zsc, blobs, tmp_path, monkeypatch):
    path, made, reduce = tmp_path / "mine.npz", [], evaluate.reduce_into
    np.savez(path, embeddings=blobs[0][::3], y_true=blobs[1][::3])

    def noted(X, reduction, seed, memo):
        before = len(memo)
        reduce(X, reduction, seed, memo)
        made.append((reduction.n_components, len(memo) > before))

    monkeypatch.setattr(evaluate, "reduce_into", noted)
    command = ("cluster-embeddings", path, "--recipe", "dino_vitb16", "--jobs", 1)
    assert zsc(*command, "--clusterers", "kmeans,ac_with_c", "--nearest-recipe")[0] == 0
    assert made and all(one == (28, True) for one in made)


@pytest.mark.parametrize(
    ("content", "summary"),
    [
        (
            {"embeddings": np.ones((60, 3)), "y_true": np.arange(60) % 2},
            "error: no result: 2 degenerate of 2; kmeans: all 60 embeddings are the same\n",
        ),
        (
            {"embeddings": np.eye(9), "y_true": np.arange(9) % 2},
            "error: no result: 2 failed of 2; kmeans: UMAP to 50 dimensions needs 52 samples or "
            "more, not 9\n",
        ),
        (
            {"embeddings": np.eye(9)},
            "error: no result: 1 failed of 2; hdbscan: UMAP to 50 dimensions needs 52 samples or "
            "more, not 9\n",
        ),
    ],
)
def test_no_result_at_all_ends_with_1(zsc, tmp_path, content, summary):
    path, csv = tmp_path / "mine.npz", tmp_path / "results.csv"
    np.savez(path, **content)
    clusterers = ("--recipe", "dino_vitb16", "--clusterers", "kmeans,hdbscan")
    code, _, err = zsc("cluster-embeddings", path, *clusterers, "--out", csv)
    assert code == 1 and err.endswith(summary) and len(pd.read_csv(csv)) == 2


def test_more_clusters_than_embeddings_is_said_before_the_work(zsc, tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, embeddings=np.eye(5))
    code, _, err = zsc("cluster-embeddings", path, "--recipe", "dino_vitb16", "--n-classes", 6)
    assert code == 2 and err == f"error: {path} holds 5 embeddings, too few for 6 clusters\n"
    # Labels that are all missing tell no number.
    np.savez(path, embeddings=np.eye(5), y_true=np.full(5, np.nan))
    told = ("--recipe", "xent_resnet50", "--clusterers", "ac_with_c", "--n-classes", 2)
    assert zsc("cluster-embeddings", path, *told, "--nearest-recipe")[0] == 0


def test_a_sweep_without_any_result_ends_with_1(zsc, tmp_path):
    folders = {"black": (0, 0, 0), "dark": (0, 0, 0)}
    for name, colour in folders.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(30):
            Image.new("RGB", (8, 8), colour).save(tmp_path / "images" / name / f"{i}.png")
    narrow = ("--encoders", "raw_pixels", "--datasets", f"folder:{tmp_path / 'images'}")
    for _ in range(2):  # computed, and read
        code, out, err = zsc(
            "sweep", "--profile", "smoke", *narrow, "--clusterers", "kmeans,hdbscan"
        )
        assert code == 1 and "2 cells: 2 degenerate" in out
        said = "no result: 2 degenerate of 2; kmeans: all 60 embeddings are the same"
        assert err.endswith(f"error: {said}\n")


def test_classes_of_one_image_each_have_no_ami_and_status_says_why(zsc, tmp_path):
    for i in range(60):
        (tmp_path / "images" / f"c{i}").mkdir(parents=True)
        Image.new("RGB", (8, 8), (4 * i, i, 0)).save(tmp_path / "images" / f"c{i}" / "0.png")
    fields = yaml.safe_load((PROFILES / "smoke.yaml").read_text()) | {
        "datasets": [f"folder:{tmp_path / 'images'}"],
        "encoders": ["raw_pixels"],
        "reference": "raw_pixels",
        "clusterers": ["ac_with_c", "hdbscan"],
    }
    profile = tmp_path / "own.yaml"
    profile.write_text(yaml.safe_dump(fields))
    code, out, _ = zsc("sweep", "--profile", profile)
    assert code == 0 and "2 cells: 2 ok\nAMI is undefined in 2 of them" in out
    code, out, _ = zsc("status", "--profile", profile)
    why = "ok: AMI is undefined: every sample has a class of its own"
    assert code == 0 and out.count(why) == 2


def test_skip_unreadable(zsc, class_folders, tmp_path):
    (class_folders / "pears" / "2.png").write_text("no image")
    command = (
        "embed",
        "--encoder",
        "raw_pixels",
        "--images",
        class_folders,
        "--out",
        tmp_path / "o.npz",
    )
    code, _, err = zsc(*command)
    assert code == 2 and "pears/2.png" in err and not (tmp_path / "o.npz").exists()
    code, out, err = zsc(*command, "--skip-unreadable")
    assert code == 0 and "1 unreadable images left out" in out and "pears/2.png" in err


@pytest.mark.parametrize("kind", ["folder", "below a file", "read-only"])
def test_out_is_checked_before_the_work(zsc, class_folders, tmp_path, kind, monkeypatch):
    def work(*args, **kwargs):
        raise AssertionError("embedding began")

    monkeypatch.setattr("zsc_utils.embedding.compute", work)
    out = {"folder": tmp_path, "below a file": class_folders / "apples" / "0.png" / "o.npz"}
    if kind == "read-only":
        monkeypatch.setattr("os.access", lambda path, mode: mode != os.W_OK)
    command = ("embed", "--encoder", "raw_pixels", "--images", class_folders, "--out")
    code, _, err = zsc(*command, out.get(kind, tmp_path / "o.npz"))
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("embed --encoder efficientnet --images {images} --out o.npz", "did you mean efficientnet"),
        ("embed --encoder raw_pixels --images /absent --out o.npz", "/absent is not a folder"),
        ("embed --encoder raw_pixels --images {images} --out o.npz --checkpoint x", "takes no"),
        ("cluster-embeddings absent.npz --recipe raw_pixels", "does not exist"),
        ("cluster-embeddings absent.npz --recipe dino_vitb61", "did you mean dino_vitb16"),
        (
            "cluster-embeddings absent.npz --recipe raw_pixels --clusterers kmean",
            "did you mean kmeans",
        ),
        ("cluster-embeddings absent.npz --recipe raw_pixels --clusterers ,", "no names given"),
        (
            "embed --encoder raw_pixels --images {images} --out o.npz --device gpu",
            "device 'gpu' cannot be used",
        ),
        ("embed --encoder timm: --images {images} --out o.npz", "unknown timm model ''"),
        ("sweep --profile minni", "did you mean mini"),
        ("sweep --profile smoke --datasets digts", "did you mean digits"),
        ("status --profile minni", "did you mean mini"),
        ("sheet digits --out a.xyz", "unknown kind of picture '.xyz'"),
    ],
)
def test_mistakes_get_one_line_and_no_traceback(
    zsc, class_folders, command, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    parts = [part.format(images=class_folders) for part in command.split(" ")]
    code, _, err = zsc(*parts)
    assert code == 2
    assert err.startswith("error: ") and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "seed"),
    [("cluster-embeddings a.npz --recipe raw_pixels", 2**32), ("pretrain --methods none", -1)],
)
def test_seeds_that_numpy_does_not_take(zsc, command, seed):
    code, _, err = zsc(*command.split(" "), "--seed", seed)
    assert code == 2 and err.startswith("Usage") and "--seed" in err


def test_sweep_dry_run_and_status(zsc, tmp_path):
    narrow = ("--encoders", "raw_pixels", "--datasets", "digits", "--clusterers", "kmeans")
    code, out, _ = zsc("sweep", "--profile", "smoke", *narrow, "--dry-run")
    assert code == 0 and "would compute 1 of 1 cells and 1 embeddings (80 images)" in out
    file = tmp_path / "new" / "results.csv"
    code, out, _ = zsc("sweep", "--profile", "smoke", *narrow, "--out", file)
    assert code == 0 and "1 cells: 1 ok" in out
    (row,) = pd.read_csv(file).to_dict("records")
    assert (row["dataset"], row["encoder"], row["clusterer"]) == ("digits", "raw_pixels", "kmeans")
    assert 0.2 < row["ami"] < 1 and row["n_clusters"] == row["n_classes"] == 10
    assert out.startswith("will compute 1 of 1 cells and 1 embeddings (80 images)\n")
    code, out, _ = zsc("sweep", "--profile", "smoke", *narrow, "--dry-run")
    assert code == 0 and out == "would compute 0 of 1 cells and 0 embeddings (0 images)\n"
    code, out, _ = zsc("status", "--profile", "smoke", "--json")
    report = json.loads(out)
    assert code == 0 and (report["total"], report["ok"], report["missing"]) == (72, 1, 71)
    code, out, _ = zsc("status", "--profile", "smoke")
    assert (
        "72 cells: 1 ok, 0 not converged, 0 degenerate, 0 failed, 0 absent, 71 missing, 0 skipped"
        in out
    )


def test_what_does_not_fit_is_said_before_and_after(zsc, monkeypatch):
    monkeypatch.setattr("zsc_utils.sweep.costs.memory_available", lambda: 1000)
    for room in ("run", "results", "forecast"):
        monkeypatch.setattr(f"zsc_utils.sweep.{room}.memory_available", lambda: 1000)
    narrow = ("--encoders", "raw_pixels", "--datasets", "digits", "--clusterers", "kmeans,hdbscan")
    for option, said in ((("--dry-run",), "would"), ((), "will")):
        code, out, _ = zsc("sweep", "--profile", "smoke", *narrow, *option)
        assert code == 0 and f"{said} compute 0 of 2 cells and 0 embeddings" in out
        assert "skipped: 2 cells" in out and "MB of memory; 0 MB are there" in out
    assert "2 cells: 2 skipped" in out
    code, out, _ = zsc("status", "--profile", "smoke")
    assert "0 missing, 72 skipped" in out and "digits / hdbscan: 4 skipped: needs about" in out


def test_absent_datasets_are_counted(zsc, tmp_path):
    narrow = ("--encoders", "raw_pixels", "--datasets", "dtd,lsun", "--clusterers", "kmeans")
    code, out, _ = zsc("sweep", "--profile", "smoke", *narrow, "--data-root", tmp_path)
    assert code == 0 and "2 cells: 2 absent" in out and "left out" not in out
    assert "datasets that are absent: 2 (dtd, lsun)" in out
    fields = yaml.safe_load((PROFILES / "smoke.yaml").read_text()) | {"datasets": ["dtd", "digits"]}
    profile = tmp_path / "own.yaml"
    profile.write_text(yaml.safe_dump(fields))
    code, out, _ = zsc("status", "--profile", profile, "--data-root", tmp_path)
    assert (
        code == 0
        and "48 cells: 0 ok, 0 not converged, 0 degenerate, 0 failed, 24 absent, 24 missing" in out
    )
    assert "1 of 2 datasets are absent" in out
    assert out.count("dataset dtd is absent: no dtd/dtd/images in") == 1


def test_data_says_what_is_there(zsc, tmp_path):
    TREES["dtd"][0](tmp_path)
    code, out, _ = zsc("data", "dtd", "nabirds", "digits", "--data-root", tmp_path)
    assert code == 0 and "need no data: digits" in out
    assert "0 of 2 datasets are complete" in out
    assert "dtd is incomplete: 6 of 1,880 images" in out
    assert "nabirds is absent" in out and "https://dl.allaboutbirds.org/nabirds" in out
    assert f"in {tmp_path}: nabirds/images/<class>/*.jpg" in out
    code, out, _ = zsc("data", "--profile", "smoke", "--data-root", tmp_path)
    assert code == 0 and out.strip() == "need no data: digits, mini-inat, mini-bioscan"
    code, out, _ = zsc("data", "--data-root", tmp_path)
    assert code == 0 and "0 of 33 datasets are complete" in out
    # Of all that is absent too, where to ask and where files go.
    assert "imagenet is absent" in out and "https://www.image-net.org/download.php" in out
    assert f"in {tmp_path}: imagenet/val/<wnid>/*.JPEG" in out
    code, _, err = zsc("data", "dtdd", "--data-root", tmp_path)
    assert code == 2 and "did you mean dtd" in err


def test_weights_are_fetched_whatever_became_of_others(zsc, tmp_path, monkeypatch):
    from zsc_utils.encoders import weights

    monkeypatch.setenv("WEIGHTS_ROOT", str(tmp_path / "root"))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))

    def serve(url, file):
        if "dino_resnet50" in url:
            raise CheckpointError(f"cannot fetch {url}: no such file")
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"weights")

    monkeypatch.setattr(weights, "download", serve)
    code, out, err = zsc("weights", "dino_resnet50,dino_vitb16,raw_pixels,dino_vitb16_ft")
    assert code == 1 and err.count("error: ") == err.count("\n") == 2
    assert "dino_resnet50_pretrain.pth: no such file" in err and "was never published" in err
    fetched = tmp_path / "root" / "dino_vitbase16_pretrain.pth"
    assert out == f"dino_vitb16: {fetched}\nraw_pixels: nothing to fetch beforehand\n"
    code, out, err = zsc("weights", "dino_vitb16,dino_resnet05")
    assert code == 2 and out == "" and "did you mean dino_resnet50" in err


def test_data_downloads_end_with_1_where_one_fails(zsc, tmp_path, monkeypatch):
    from zsc_utils.datasets.study import fetch
    from zsc_utils.errors import DownloadError

    asked = []

    def refuse(name, root):
        asked.append(name)
        raise DownloadError(f"cannot download {name}")

    monkeypatch.setattr(fetch, "fetch", refuse)
    names = ("dtd", "nabirds", "imagenet-o")
    code, out, err = zsc("data", *names, "--download", "--data-root", tmp_path)
    assert code == 1 and asked == ["dtd", "imagenet-o"]
    assert "error: cannot download dtd" in err and "nabirds is absent" in out
