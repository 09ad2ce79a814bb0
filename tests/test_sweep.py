import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import timm
import yaml
from conftest import run_zsc
from made_up import quick, result_files

from zsc_utils.clustering import study_clusterers
from zsc_utils.embedding import embeddings_key
from zsc_utils.encoders import find_encoder
from zsc_utils.errors import ProfileError, UnknownNameError, WeightsMissingError
from zsc_utils.precision import Precision
from zsc_utils.recipes import SILHOUETTE_SEED, STUDY_TABLE
from zsc_utils.study import base, encoders
from zsc_utils.sweep import evaluate, run
from zsc_utils.sweep.cells import Cell, plan, taxonomies
from zsc_utils.sweep.costs import embeddings_size, fitting, side_by_side
from zsc_utils.sweep.evaluate import stages
from zsc_utils.sweep.forecast import progress_report
from zsc_utils.sweep.profile import PROFILES, load_profile, profile_names
from zsc_utils.sweep.results import (
    pack_clusters,
    read_embeddings,
    read_result,
    unpack_clusters,
    write_row,
)
from zsc_utils.sweep.run import sweep
from zsc_utils.sweep.workers import local


def test_profiles_that_come_with_the_project():
    assert {"smoke", "mini", "laptop", "paper", "modern"} == set(profile_names())
    for name in profile_names():
        profile = load_profile(name)
        assert set(profile.references) <= set(profile.encoders)
        # What is not of the study has no part in its means.
        assert list(profile.clusterers) == study_clusterers()


def test_timm_has_weights_for_the_encoders_of_the_modern_profile():
    chosen = load_profile("modern")
    models = [name.removeprefix("timm:") for name in chosen.encoders if name != chosen.reference]
    assert len(models) == 10 and set(models) <= set(timm.list_pretrained())
    for method in ("DINOv2", "DINOv3", "texts", "CLIP's features", "FCMAE"):
        facts = [find_encoder(f"timm:{model}").facts for model in models]
        assert method in {one.method for one in facts}


def test_profile_errors(tmp_path):
    with pytest.raises(UnknownNameError, match="unknown profile 'smok'; did you mean smoke"):
        load_profile("smok")
    fields = yaml.safe_load((PROFILES / "smoke.yaml").read_text())
    path = tmp_path / "own.yaml"

    def refused(error, match, **changes):
        path.write_text(yaml.safe_dump(fields | changes))
        with pytest.raises(error, match=match):
            load_profile(str(path))

    refused(UnknownNameError, "unknown dataset 'digit'; did you mean digits", datasets=["digit"])
    refused(UnknownNameError, "unknown encoder 'raw'", encoders=["raw"])
    refused(UnknownNameError, "unknown clusterer 'hdbscn'; .*hdbscan", clusterers=["hdbscn"])
    refused(ProfileError, "own.yaml: datset: Extra inputs", datset=["digits"])
    refused(ProfileError, "max_samples", max_samples="many")
    refused(ProfileError, "precision: Input should be 'fp32' or 'bf16'", precision="fp16")
    refused(ProfileError, "encoders", encoders=[])
    refused(ProfileError, "seeds", seeds=[-1])
    refused(ProfileError, "1 named more than once", seeds=[1, 1])
    refused(ProfileError, "digits named more than once", datasets=["digits", "digits"])
    refused(UnknownNameError, "unknown encoder 'lite'", reference="lite")
    for content in (b"- just\n- a list\n", b"", b"name: \xff\xfe", b"a: [b"):
        path.write_bytes(content)
        with pytest.raises(ProfileError, match=r"own\.yaml"):
            load_profile(str(path))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("seeds: [1]\nseeds: [2]\n", "'seeds' is given twice"),
        ("search_on: {mini-imagenet: 9, mini-imagenet: 10}\n", "'mini-imagenet' is given twice"),
        ("seeds: [010]\n", "010 would be read as 8: write plain digits"),
        ("seeds: [1_0]\n", "1_0 would be read as 10: write plain digits"),
        ("seeds: [0x10]\n", "0x10 would be read as 16: write plain digits"),
        ("seeds: [1:30]\n", "1:30 would be read as 90: write plain digits"),
        ("max_samples: 0b11\n", "0b11 would be read as 3: write plain digits"),
        ("seeds: [yes]\n", "seeds.0: Input should be a valid integer"),
        ("seeds: ['010']\n", "seeds.0: Input should be a valid integer"),
        ("seeds: [08]\n", "seeds.0: Input should be a valid integer"),
        ("seeds: [1e3]\n", "seeds.0: Input should be a valid integer"),
        (f"seeds: [{'9' * 5000}]\n", "Exceeds the limit"),
        (f"seeds: {'[' * 1000}{']' * 1000}\n", "nested too deep"),
        (f"seeds: {'{a: ' * 1000}{'}' * 1000}\n", "nested too deep"),
        ("max_samples: &a [*a]\n", "max_samples"),
        ("max_samples: 2024-99-99\n", "month must be in 1..12"),
        ("datasets: [no]\n", "datasets.0: Input should be a valid string"),
        ("2: 3\n", "keywords must be strings"),
        ("? [a]\n: b\n", "unhashable key"),
        ("seeds: !!python/object/apply:os.getcwd []\n", "could not determine a constructor"),
        ("---\nname: two\n", "expected a single document"),
        ("name: a\0b\n", "special characters are not allowed"),
    ],
)
def test_profiles_that_say_something_else_than_they_seem_to(tmp_path, text, match):
    fields = yaml.safe_load((PROFILES / "smoke.yaml").read_text())
    key = text.split(":")[0]
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in fields.items() if k != key}) + text)
    with pytest.raises(ProfileError, match=match) as caught:
        load_profile(str(path))
    assert "own.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_profile_of_aliases_of_aliases_takes_no_time(tmp_path):
    """Nine levels of ten aliases each: a thousand million names."""
    lines = ["a0: &a0 [x]"] + [
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)
    ]
    path = tmp_path / "own.yaml"
    path.write_text("\n".join(lines) + "\ndatasets: *a9\n")
    start = time.perf_counter()
    with pytest.raises(ProfileError, match="datasets.0: Input should be a valid string") as caught:
        load_profile(str(path))
    assert time.perf_counter() - start < 10 and len(str(caught.value)) < 5000


def test_few_samples_are_warned_of_once_a_dataset_before_the_work(tmp_path, monkeypatch, caplog):
    profile = quick(clusterers=["kmeans", "hdbscan"], encoders=["raw_pixels", "mini_random_vit"])
    monkeypatch.setattr("zsc_utils.sweep.run.embed_jobs", lambda *args: {})
    monkeypatch.setattr("zsc_utils.sweep.workers.in_processes", lambda *args: ())
    sweep(profile.model_copy(update={"max_samples": 20}), build=tmp_path, progress=False)
    (record,) = caplog.records
    assert "digits: 20 samples: too few for UMAP to 50 dimensions" in record.getMessage()


def test_clusters_survive_the_file():
    clusters = np.array([-1, 0, 5, 100_000], np.int32)
    assert np.array_equal(unpack_clusters(pack_clusters(clusters)), clusters)


def test_store(tmp_path, caplog):
    cell = Cell("folder:/a/b", "timm:resnet18", "kmeans", 1, "abc")
    assert read_result(cell, tmp_path) is None
    names = ("dataset", "encoder", "clusterer", "seed", "status", "reason")
    facts = dict.fromkeys(names, "here") | {"n_classes": 2, "ami_by_level": {}, "n_clusters": 2}
    facts |= {"silhouette_original": 0.5, "silhouette_umap": 0.5}
    write_row(cell.path(tmp_path), facts | {"ami": float("nan"), "ari": 0.5}, np.array([0, 1]))
    row, clusters = read_result(cell, tmp_path)
    assert row == facts | {"ami": None, "ari": 0.5} and clusters.tolist() == [0, 1]
    path = cell.path(tmp_path)
    place = "results/folder_b/timm_resnet18/kmeans-seed1-abc.json"
    assert path.relative_to(tmp_path).as_posix() == place
    whole = path.read_text()
    for damage in (
        whole[:40],
        "[]",
        "{}",
        '{"row": {}}',
        '{"row": [], "clusters": null}',
        '{"row": {}, "clusters": null}',
        whole.replace('"clusters": "', '"clusters": "!'),
        whole.replace('"clusters": "', '"clusters": 3, "was": "'),
        whole.replace('"status"', '"state"'),
        # A row of code that did not yet compute it.
        whole.replace('"ami"', '"nmi"'),
        whole.replace('"silhouette_umap"', '"silhouette"'),
        "\0" * 64,
    ):
        assert damage != whole
        path.write_text(damage)
        caplog.clear()
        assert read_result(cell, tmp_path) is None
        assert f"result {path} is cut short or damaged" in caplog.text
    path.write_bytes(b"\xff\xfe" + whole.encode()[2:])
    assert read_result(cell, tmp_path) is None


def test_smoke_is_complete(smoke):
    profile = load_profile("smoke")
    planned = plan(profile)
    report = progress_report(planned, smoke)
    assert report["total"] == 72 and report["missing"] == 0 and report["failed"] == 0
    table = sweep(profile, build=smoke, progress=False)
    assert len(table) == 72
    assert not table.duplicated(["dataset", "encoder", "clusterer", "seed"]).any()
    labelled = table.groupby("encoder", sort=False)["labels"].unique().map(list).to_dict()
    assert labelled == {
        "raw_pixels": [False],
        "mini_xent_resnet": [True],
        "mini_vicreg_resnet": [False],
        "mini_vicreg_resnet_ft": [True],
    }
    told = table["clusterer"].isin(["kmeans", "spectral", "ac_with_c"])
    assert (table.loc[told, "n_clusters"] == table.loc[told, "n_classes"]).all()
    assert table["ami"].between(-0.1, 1).all()
    digits = table[(table["dataset"] == "digits") & (table["encoder"] == "raw_pixels")]
    assert digits["ami"].mean() > 0.4


def test_taxonomies_are_those_of_the_profile():
    profile = load_profile("smoke")
    trees = taxonomies(profile)
    assert list(trees) == ["mini-inat", "mini-bioscan"]
    images = trees["mini-inat"]
    assert len(images) == 80 and images.facts.taxonomy[-1] == "species"
    for one in trees.values():
        levels = one.labels[list(one.facts.taxonomy)]
        # Each level refines the one before.
        for coarse, fine in zip(levels, levels.columns[1:], strict=False):
            assert levels.groupby(fine)[coarse].nunique().max() == 1
    assert list(taxonomies(profile, ["mini-bioscan"])) == ["mini-bioscan"]
    with pytest.raises(UnknownNameError, match="dataset with a taxonomy"):
        taxonomies(profile, ["digits"])


def test_number_of_jobs_does_not_change_results(smoke, tmp_path):
    profile = load_profile("smoke", datasets=["digits"], encoders=["raw_pixels"])
    alone = sweep(profile, jobs=1, build=tmp_path, progress=False)
    together = sweep(profile, build=smoke, progress=False)
    pd.testing.assert_frame_equal(alone.drop(columns="seconds"), together.drop(columns="seconds"))


def test_embeddings_and_reductions_are_shared(smoke):
    planned = plan(load_profile("smoke"))
    assert len(planned) == 12
    for job in planned:
        assert job.embeddings_folder(smoke).is_dir()
        folder = smoke / "cache" / "reductions" / job.key
        names = [path.name.split("-")[0] for path in folder.iterdir()]
        # PCA scores and ratios at most once; UMAP once for each of the seeds 1 and 42.
        assert names.count("umap50") == 2
        assert names.count("pca") <= 2


def test_second_sweep_computes_nothing(tmp_path):
    profile = quick()
    sweep(profile, build=tmp_path, progress=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    sweep(profile, build=tmp_path, progress=False)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert before == after


def test_changed_settings_do_not_read_stale_results(tmp_path):
    sweep(quick(), build=tmp_path, progress=False)
    table = pd.read_csv(STUDY_TABLE)
    chosen = (table["clusterer"] == "kmeans") & (table["encoder"] == "raw_pixels")
    table.loc[chosen, "pca_variance"] = 0.5
    own = tmp_path / "recipes.csv"
    table.to_csv(own, index=False)
    changed = quick().model_copy(update={"recipes": own})
    assert progress_report(plan(changed), tmp_path)["missing"] == 1
    rows = sweep(changed, build=tmp_path, progress=False).set_index("clusterer")
    plain = sweep(quick(), build=tmp_path, progress=False).set_index("clusterer")
    assert rows.loc["kmeans", "n_dims"] < plain.loc["kmeans", "n_dims"]
    assert rows.loc["ac_with_c", "ami"] == plain.loc["ac_with_c", "ami"]
    for other in (quick(seeds=[2]), quick().model_copy(update={"max_samples": 70})):
        assert progress_report(plan(other), tmp_path)["missing"] == 2


def test_a_damaged_result_is_computed_again(tmp_path, caplog):
    before = sweep(quick(), build=tmp_path, progress=False)
    path = result_files(tmp_path)[0]
    path.write_text(path.read_text()[:50])
    assert progress_report(plan(quick()), tmp_path)["missing"] == 1
    after = sweep(quick(), build=tmp_path, progress=False)
    assert str(path) in caplog.text
    assert after["ami"].tolist() == before["ami"].tolist()


@pytest.mark.parametrize(
    "name", ["embeddings.npy", "labels.csv", "meta.json", "pca*-scores.npy", "umap50-*.npy"]
)
def test_what_is_damaged_is_computed_again_wherever_it_is_read(name, tmp_path, caplog):
    """Of the sweep's arrays and tables, by whoever reads them: a notebook, or a later cell."""
    recipes = tmp_path / "recipes.csv"
    recipes.write_text(
        "clusterer,encoder,reducer,n_components,pca_variance,zscore,metric,linkage,"
        "distance_threshold,damping,n_neighbors\n"
        "kmeans,raw_pixels,pca,10,,True,,,,,\n"
    )
    profile = quick(clusterers=["kmeans"]).model_copy(
        update={"recipes": recipes, "max_samples": 80}
    )
    before = sweep(profile, build=tmp_path, progress=False)
    (_, embeddings, memo), *_ = read_embeddings(plan(profile), tmp_path)
    first, arrays = np.array(embeddings.array), {key: np.array(memo[key]) for key in memo}
    (file,) = (tmp_path / "cache").rglob(name)
    whole = file.read_bytes()
    for damage in (b"", whole[: len(whole) // 2], b"\0" * len(whole)):
        file.write_bytes(damage)
        for result in result_files(tmp_path):
            result.unlink()
        caplog.clear()
        after = sweep(profile, build=tmp_path, progress=False)
        assert "damaged" in caplog.text
        assert after.drop(columns="seconds").equals(before.drop(columns="seconds"))
        file.write_bytes(damage)
        (_, embeddings, memo), *_ = read_embeddings(plan(profile), tmp_path)
        assert np.array_equal(embeddings.array, first)
        for key, array in arrays.items():
            # Whoever wants a reduction looks it up, and makes it where it is not there.
            assert key not in memo or np.array_equal(memo[key], array)


def test_a_failed_cell_does_not_end_the_sweep_and_can_be_retried(tmp_path, monkeypatch):
    from zsc_utils.clustering import CLUSTERERS
    from zsc_utils.registry import Entry

    maker = CLUSTERERS["kmeans"]

    def explode(*args):
        raise ValueError("on purpose")

    monkeypatch.setitem(CLUSTERERS.entries, "kmeans", Entry(maker.facts, explode))
    table = sweep(quick(), build=tmp_path, progress=False).set_index("clusterer")
    assert table.loc["kmeans", "status"] == "failed"
    assert table.loc["kmeans", "reason"] == "ValueError: on purpose"
    assert table.loc["ac_with_c", "status"] == "ok"
    report = progress_report(plan(quick()), tmp_path)
    assert report["failed"] == 1 and report["missing"] == 0
    assert report["problems"][0]["reason"] == "ValueError: on purpose"
    monkeypatch.setitem(CLUSTERERS.entries, "kmeans", maker)
    kept = sweep(quick(), build=tmp_path, progress=False).set_index("clusterer")
    assert kept.loc["kmeans", "status"] == "failed"
    again = sweep(quick(), build=tmp_path, retry_failed=True, progress=False)
    assert (again["status"] == "ok").all()


def test_a_killed_sweep_resumes(tmp_path):
    """Kill a sweep once some results are there: they are kept, and the rest is computed."""
    code = "from zsc_utils.cli import main; main()"
    narrow = ["--encoders", "raw_pixels", "--datasets", "digits,mini-inat", "--seed", "7"]
    arguments = ["sweep", "--profile", "smoke", *narrow]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"ZSC_BUILD": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while len(result_files(tmp_path)) < 2 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in result_files(tmp_path)}
    assert 2 <= len(finished) < 12
    run_zsc(*arguments, build=tmp_path)
    files = result_files(tmp_path)
    assert len(files) == 12
    assert all(path.stat().st_mtime_ns == time for path, time in finished.items())
    chosen = {"encoders": ["raw_pixels"], "datasets": ["digits", "mini-inat"], "seeds": [7]}
    table = sweep(load_profile("smoke", **chosen), build=tmp_path, progress=False)
    assert (table["status"] == "ok").all() and len(table) == 12


def test_a_killed_worker_is_reported_without_a_traceback(tmp_path):
    code = (
        "import contextlib, signal, time, threading, psutil\n"
        "def kill():\n"
        "    while True:\n"
        "        for child in psutil.Process().children(recursive=True):\n"
        # A child may end between being listed and being looked at.
        "            with contextlib.suppress(psutil.Error):\n"
        "                if 'LokyProcess' in ' '.join(child.cmdline()):\n"
        "                    child.send_signal(signal.SIGKILL)\n"
        "        time.sleep(0.05)\n"
        "threading.Thread(target=kill, daemon=True).start()\n"
        "from zsc_utils.cli import main\n"
        "main()"
    )
    arguments = ["sweep", "--profile", "smoke", "--encoders", "raw_pixels", "--jobs", "2"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"ZSC_BUILD": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "error: the system ended a worker process" in done.stderr
    assert "Traceback" not in done.stderr


def test_all_cells_failed(class_folders, tmp_path):
    profile = quick(datasets=[f"folder:{class_folders}"], clusterers=["hdbscan"])
    table = sweep(profile, build=tmp_path, progress=False)
    assert table["status"].tolist() == ["failed"] and "52 samples" in table["reason"][0]
    assert base.with_score(table).empty and len(base.unscored(table)) == 1
    assert "1 of hdbscan (failed)" in base.say_cells(table)


def test_a_dataset_that_is_absent_has_rows_that_say_so(tmp_path):
    profile = quick(datasets=["dtd", "digits"])
    places = {"build": tmp_path / "build", "data_root": tmp_path, "progress": False}
    table = sweep(profile, **places)
    assert len(table) == 4 and table["status"].tolist() == ["absent"] * 2 + ["ok"] * 2
    absent = table[table["dataset"] == "dtd"]
    assert absent[["ami", "ami_by_level", "silhouette_umap", "n_clusters"]].isna().all(axis=None)
    assert absent["reason"].str.contains("dataset dtd is absent").all()
    assert set(absent["group"]) == {"Far-OOD"} and set(absent["dataset_name"]) == {"DTD"}
    assert set(encoders.ami_by_encoder(table)["dataset"]) == {"digits"}
    planned = plan(profile, tmp_path)
    report = progress_report(planned, places["build"])
    counts = ("total", "ok", "absent", "failed", "missing", "embeddings_missing")
    assert [report[what] for what in counts] == [4, 2, 2, 0, 0, 0]
    assert list(report["datasets_absent"]) == ["dtd"] and report["problems"] == []
    read = [job.dataset.facts.name for job, *_ in read_embeddings(planned, places["build"])]
    assert read == ["digits"]
    # Nothing of it is kept that could pass for a result when the dataset has come.
    assert not list(tmp_path.rglob("*dtd*"))


def test_timm_models_without_weights_are_absent_and_end_nothing(tmp_path, monkeypatch, caplog):
    asked = []

    def refuse(name, *args, pretrained=False, **settings):
        if pretrained:
            asked.append(name)
            raise OSError("no network")
        return create(name, *args, **settings)

    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", refuse)
    profile = quick(
        datasets=["digits", "mini-inat"], encoders=["timm:test_vit", "raw_pixels"]
    ).model_copy(update={"max_samples": 60})
    table = sweep(profile, build=tmp_path, progress=False)
    by = table.set_index("encoder")[["status", "reason"]]
    assert set(by.loc["raw_pixels", "status"]) == {"ok"} and len(by.loc["raw_pixels"]) == 4
    assert set(by.loc["timm:test_vit", "status"]) == {"absent"} and len(by) == 8
    reason = "no pretrained weights for timm model test_vit: no network"
    assert by.loc["timm:test_vit", "reason"].str.startswith(reason).all()
    # Asked for once, said once; and once more in the next sweep, which computes nothing else.
    assert asked == ["test_vit"]
    assert [one.getMessage()[: len(reason)] for one in caplog.records] == [reason]
    again = sweep(profile, build=tmp_path, progress=False)
    assert asked == ["test_vit"] * 2 and again["status"].tolist() == table["status"].tolist()


def test_a_dataset_that_comes_later_is_computed(tmp_path):
    from paper_trees import TREES

    profile = quick(datasets=["fashionmnist"])
    places = {"build": tmp_path / "build", "data_root": tmp_path, "progress": False}
    assert set(sweep(profile, **places)["status"]) == {"absent"}
    # An image that is listed but not there: incomplete, not wrong.
    TREES["fashionmnist"][0](tmp_path)
    images = tmp_path / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    whole = images.read_bytes()
    images.unlink()
    reasons = sweep(profile, **places)["reason"]
    assert reasons.str.contains("dataset fashionmnist is incomplete").all()
    images.write_bytes(whole)
    table = sweep(profile, **places)
    assert set(table["status"]) == {"ok"} and table["ami"].notna().all()


@pytest.fixture
def needs(monkeypatch):
    """Let each cell need as many bytes as its clusterer is given, and set what is available."""

    def need(available, **by_clusterer):
        needed = by_clusterer.__getitem__
        patched = "zsc_utils.sweep.costs.peak_bytes"
        monkeypatch.setattr(patched, lambda recipe, size: needed(recipe.clusterer))
        for room in ("run", "results", "forecast"):
            monkeypatch.setattr(f"zsc_utils.sweep.{room}.memory_available", lambda: available)

    return need


def test_what_cannot_fit_into_memory_is_skipped_and_computed_where_it_fits(tmp_path, needs):
    needs(2e9, kmeans=1e9, ac_with_c=5e9)
    table = sweep(quick(), build=tmp_path, progress=False)
    assert table["clusterer"].tolist() == ["kmeans", "ac_with_c"]
    assert table["status"].tolist() == ["ok", "skipped"]
    assert table["reason"][1] == "needs about 5.0 GB of memory; 2.0 GB are there"
    assert table.loc[1, ["ami", "silhouette_umap", "n_clusters"]].isna().all()
    assert table["dataset_name"].tolist() == ["Digits"] * 2
    assert "1 of ac_with_c (skipped)" in base.say_cells(table)
    report = progress_report(plan(quick()), tmp_path)
    counts = ("total", "ok", "skipped", "missing", "failed", "embeddings_missing")
    assert [report[what] for what in counts] == [2, 1, 1, 0, 0, 0]
    assert report["problems"] == []
    assert report["cells_skipped"] == [
        {"dataset": "digits", "clusterer": "ac_with_c", "cells": 1, "reason": table["reason"][1]}
    ]
    # Nothing is kept that would pass for a result where there is more memory.
    assert len(result_files(tmp_path)) == 1
    needs(6e9, kmeans=1e9, ac_with_c=5e9)
    assert progress_report(plan(quick()), tmp_path)["missing"] == 1
    later = sweep(quick(), build=tmp_path, progress=False)
    assert later["status"].tolist() == ["ok", "ok"]
    # A result that is there is there, whatever it needed.
    needs(2e9, kmeans=1e9, ac_with_c=5e9)
    pd.testing.assert_frame_equal(sweep(quick(), build=tmp_path, progress=False), later)


def test_where_no_cell_fits_nothing_is_embedded(tmp_path, needs):

    needs(2e9, kmeans=3e9, ac_with_c=5e9)
    assert set(sweep(quick(), build=tmp_path, progress=False)["status"]) == {"skipped"}
    assert not list(tmp_path.iterdir())
    assert list(read_embeddings(plan(quick()), tmp_path)) == []


def test_no_more_cells_run_at_once_than_fit(tmp_path, needs, monkeypatch):
    from zsc_utils.sweep import workers as room

    profile = quick(datasets=["digits", "mini-inat"], clusterers=["kmeans", "ac_with_c", "hdbscan"])
    needs(10e9, kmeans=1e9, ac_with_c=3.4e9, hdbscan=9e9)
    jobs = fitting(plan(profile), tmp_path, 10e9)
    parts = side_by_side(jobs, 10e9, 4)
    assert [n for n, _ in parts] == [4, 2, 1]
    clusterers = [{cell.clusterer for job in part for cell, _ in job.cells} for _, part in parts]
    assert clusterers == [{"kmeans"}, {"ac_with_c"}, {"hdbscan"}]
    cells = [cell for _, part in parts for job in part for cell, _ in job.cells]
    assert sorted(cells) == sorted(cell for job in jobs for cell, _ in job.cells)
    # All fit: one part, and each embedding's cells stay together.
    assert side_by_side(jobs, 100e9, 4) == [(4, sorted(jobs, key=lambda job: -len(job.dataset)))]
    asked, parallel = [], room.Parallel

    def alone(n_jobs, **settings):
        asked.append(n_jobs)
        return parallel(n_jobs=1, **settings)

    monkeypatch.setattr(room, "Parallel", alone)
    together = sweep(profile, jobs=4, build=tmp_path / "parts", progress=False)
    # Embeddings; then of few jobs reductions, cells and silhouettes.
    assert asked == [4, 4, 4, 4, 2, 2, 2, 1]
    order = ["dataset", "clusterer"]
    wanted = [(job.dataset.facts.name, cell.clusterer) for job in jobs for cell, _ in job.cells]
    assert list(together[order].itertuples(index=False, name=None)) == wanted
    assert set(together["status"]) == {"ok"}


def test_few_jobs_are_parted_and_many_are_not(tmp_path):
    names = {"clusterers": ["ac_with_c", "affinity_propagation", "ac_without_c"], "seeds": [1, 2]}
    jobs = plan(
        load_profile("smoke", datasets=["digits"], encoders=["efficientnet_lite0"], **names)
    )
    jobs = fitting(jobs, tmp_path, 100e9)
    first, then, last = stages(jobs, tmp_path, 2)
    # The silhouettes' UMAP and that of each seed, once for all that share it.
    assert sorted(call[-1] for call in first) == [1, 2, SILHOUETTE_SEED]
    assert {call[-2].method for call in first} == {"umap"}
    parted = [[(cell.clusterer, cell.seed) for cell, _ in call[1].cells] for call in then]
    # One tree serves both agglomerative clusterers; what takes longest comes first.
    trees = [[("ac_with_c", seed), ("ac_without_c", seed)] for seed in (1, 2)]
    longest = [[("affinity_propagation", seed)] for seed in (1, 2)]
    assert sorted(parted[:2]) == longest and sorted(parted[2:]) == trees
    assert [call[1].cells for call in last] == [jobs[0].cells]
    (whole,) = stages(jobs * 4, tmp_path, 2)
    assert [call[1].cells for call in whole] == [jobs[0].cells] * 4
    assert len(list(stages(jobs, tmp_path, 1))) == 1


def test_parted_jobs_give_the_same_results(tmp_path):
    profile = quick(datasets=["digits"], encoders=["efficientnet_lite0"])
    one, two = (sweep(profile, jobs=n, build=tmp_path / str(n), progress=False) for n in (1, 2))
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), two.drop(columns="seconds"))


def test_embeddings_are_parted_by_dataset_and_those_of_few_further(tmp_path):
    names = ["raw_pixels", "mini_random_vit", "mini_dino_vit", "efficientnet_lite0"]
    jobs = plan(load_profile("smoke", encoders=names, datasets=["digits", "mini-inat"]))

    def parted(n):
        return [
            sorted((job.dataset.facts.name, names.index(job.encoder.name)) for job in part)
            for part in run.parted_by_dataset(jobs, n)
        ]

    whole = [[(name, i) for i in range(4)] for name in ("digits", "mini-inat")]
    assert sorted(parted(1)) == whole
    assert sorted(parted(2)) == [[pair] for part in whole for pair in part]
    # In processes of their own they are what they are here.
    profile = load_profile("smoke", datasets=["digits", "mini-inat"], clusterers=["kmeans"])
    for n in (1, 2):
        sweep(profile, build=tmp_path / str(n), jobs=n, progress=False)
    for job in plan(profile):
        folders = [job.embeddings_folder(tmp_path / str(n)) for n in (1, 2)]
        np.testing.assert_array_equal(*(np.load(folder / "embeddings.npy") for folder in folders))


def test_weights_that_cannot_be_had_are_asked_for_once_before_processes_embed(
    tmp_path, monkeypatch, caplog
):
    asked = []

    def unknown():
        asked.append(1)
        raise WeightsMissingError("no weights of this one")

    jobs = plan(load_profile("smoke", datasets=["digits", "mini-inat"], encoders=["raw_pixels"]))
    facts = replace(jobs[0].encoder, name="unpublished")
    source = replace(jobs[0].source, builder=unknown, facts=facts)
    lacking = [replace(job, source=source, key=f"{i}") for i, job in enumerate(jobs)]
    with local(2, 1e12) as workers:
        how = {"device": "cpu", "skip_unreadable": False, "progress": False}
        found = run.embed_all([*jobs, *lacking], tmp_path, workers, None, how)
    assert found == dict.fromkeys("01", "no weights of this one") and len(caplog.records) == 1
    assert len(list(tmp_path.rglob("embeddings.npy"))) == 2 and len(asked) == 1


def test_a_sweep_that_is_stopped_before_the_silhouettes_clusters_nothing_again(
    tmp_path, monkeypatch
):
    undisturbed = sweep(quick(), build=tmp_path / "other", progress=False)
    whole = evaluate.with_silhouettes

    def stopped(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "with_silhouettes", stopped)
    with pytest.raises(KeyboardInterrupt):
        sweep(quick(), build=tmp_path, progress=False)
    # Nobody reads what is not scored.
    assert progress_report(plan(quick()), tmp_path)["missing"] == 2
    monkeypatch.setattr(evaluate, "with_silhouettes", whole)
    monkeypatch.setattr(evaluate, "evaluate", stopped)
    found = sweep(quick(), build=tmp_path, progress=False)
    pd.testing.assert_frame_equal(*(t.drop(columns="seconds") for t in (found, undisturbed)))
    assert not list(tmp_path.rglob("*.clustered"))


def test_what_one_sweep_computes_the_other_waits_for(tmp_path):
    """Of two that begin at once, in an empty folder."""
    log = tmp_path / "evaluated"
    script = (
        "import sys; from pathlib import Path\n"
        "from zsc_utils import embedding; from zsc_utils.sweep import evaluate as room, run\n"
        "from zsc_utils.sweep.profile import load_profile\n"
        "def noted(what, whole):\n"
        "    def called(*arguments, **settings):\n"
        "        with open(sys.argv[2], 'a') as file: file.write(what + chr(10))\n"
        "        return whole(*arguments, **settings)\n"
        "    return called\n"
        "room.evaluate = noted('cell', room.evaluate)\n"
        "embedding.compute = noted('embedding', embedding.compute)\n"
        "room.with_silhouettes = noted('silhouettes', room.with_silhouettes)\n"
        "names = {'datasets': ['digits', 'mini-inat'], 'encoders': ['raw_pixels']}\n"
        "profile = load_profile('smoke', **names)\n"
        "table = run.sweep(profile, build=Path(sys.argv[1]), progress=False)\n"
        "table.drop(columns='seconds').to_json(sys.argv[3])\n"
    )
    tables = [tmp_path / f"{i}.json" for i in range(2)]
    both = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path / "build", log, table])
        for table in tables
    ]
    assert [process.wait() for process in both] == [0, 0]
    cells = sum(
        len(job.cells)
        for job in plan(
            load_profile("smoke", datasets=["digits", "mini-inat"], encoders=["raw_pixels"])
        )
    )
    done = log.read_text().split()
    assert done.count("cell") == cells and done.count("embedding") == 2
    assert tables[0].read_text() == tables[1].read_text()


def test_sizes_are_guessed_before_embeddings_are_there_and_known_after(tmp_path):
    from zsc_utils.sweep.costs import Size

    (job,) = plan(quick(clusterers=["kmeans"]))
    assert embeddings_size(job, tmp_path) == Size(80, 3072, 10)
    sweep(quick(clusterers=["kmeans"]), build=tmp_path, progress=False)
    assert embeddings_size(job, tmp_path) == Size(80, 192, 10)


def test_precision_is_part_of_the_key_and_reaches_the_forward_pass(tmp_path):
    plain = quick(encoders=["mini_vicreg_resnet"], clusterers=["kmeans"])
    rounded = plain.model_copy(update={"precision": Precision.bf16})
    (job,), (other,) = plan(plain), plan(rounded)
    # Of full precision nothing is said: embeddings from before it could be chosen are still found.
    assert job.key == embeddings_key(job.dataset, job.source.fingerprint) != other.key
    assert {cell.key for cell, _ in job.cells}.isdisjoint(cell.key for cell, _ in other.cells)
    for profile in (plain, rounded):
        sweep(profile, build=tmp_path, progress=False)
    (_, full, _), (_, half, _) = read_embeddings([job, other], tmp_path)
    assert full.array.shape == half.array.shape and not np.array_equal(full.array, half.array)
    assert np.allclose(full.array, half.array, atol=0.05 * np.abs(full.array).max())
    meta = json.loads((other.embeddings_folder(tmp_path) / "meta.json").read_text())
    assert meta["precision"] == "bf16"


def test_folders_of_the_same_name_are_told_apart(class_folders, tmp_path):
    import shutil

    other = tmp_path / "elsewhere" / class_folders.name
    shutil.copytree(class_folders, other)
    profile = quick(datasets=[f"folder:{class_folders}", f"folder:{other}", "digits"])
    displays = [job.dataset.facts.display for job in plan(profile)]
    assert displays == [str(class_folders), str(other), "Digits"]


def test_folder_of_own_images(class_folders, tmp_path):
    profile = quick(datasets=[f"folder:{class_folders}"])
    table = sweep(profile, build=tmp_path, progress=False)
    assert (table["ami"] > 0.9).all() and (table["group"] == "Own images").all()
    assert table["silhouette_umap"].isna().all()
    assert table["reason"].str.contains("needs 52 samples or more").all()
