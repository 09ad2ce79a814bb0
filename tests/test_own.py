"""Someone's own images: with and without labels, and what people get wrong."""

import json
import os
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image

from zsc_utils.errors import ImageFolderError, ProfileError, UnknownNameError
from zsc_utils.precision import Precision
from zsc_utils.study import own_images
from zsc_utils.sweep.own import (
    FEWEST,
    assignments,
    cluster_own,
    open_images,
    plan_own,
    save_assignments,
    too_few_images,
)
from zsc_utils.sweep.profile import load_profile


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Sixty images without labels, half dark and half bright, of which one is broken."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(60):
        pixels = np.clip(rng.normal((40, 210)[i % 2], 20, (16, 16, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")
    (folder / "07.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def profile():
    return load_profile("smoke", clusterers=["kmeans", "ac_without_c"])


def test_images_without_labels_are_clustered_and_named(photos, profile, tmp_path):
    planned = plan_own(open_images(photos), "raw_pixels", profile, n_classes=2)
    table, found = cluster_own(planned, tmp_path, progress=False)
    assert table["status"].tolist() == ["ok", "ok"] and (table["n_skipped"] == 1).all()
    assert table["silhouette_umap"].notna().all() and table["ami"].isna().all()
    path = save_assignments(found, "00_clusters", tmp_path)
    written = pd.read_csv(path)
    assert list(written) == ["image", "kmeans", "ac_without_c"]
    assert len(written) == 59 and "07.png" not in set(written["image"])
    bright = written["image"].str[:2].astype(int) % 2
    assert written["kmeans"].groupby(bright).nunique().tolist() == [1, 1]
    assert written["kmeans"].nunique() == 2
    again, _ = cluster_own(planned, tmp_path, progress=False)
    assert again["seconds"].tolist() == table["seconds"].tolist(), "read, not computed again"
    three = plan_own(open_images(photos), "raw_pixels", profile, n_classes=3)
    assert {cell.key for cell, _ in three.cells}.isdisjoint(cell.key for cell, _ in planned.cells)


def test_images_are_embedded_in_the_precision_of_the_profile(photos, profile, tmp_path):
    rounded = profile.model_copy(update={"precision": Precision.bf16})
    planned = plan_own(open_images(photos), "mini_vicreg_resnet", rounded, n_classes=2)
    table, found = cluster_own(planned, tmp_path, progress=False)
    assert table["status"].tolist() == ["ok", "ok"] and len(found) == 2
    (meta,) = (tmp_path / "cache" / "embeddings").glob("*/*/meta.json")
    assert json.loads(meta.read_text())["precision"] == "bf16"


def test_who_must_be_told_is_passed_over_and_memory_is_heeded(
    photos, profile, tmp_path, monkeypatch
):
    planned = plan_own(open_images(photos), "raw_pixels", profile)
    monkeypatch.setattr("zsc_utils.sweep.own.memory_available", lambda: 1e6)
    table, found = cluster_own(planned, build=tmp_path, progress=False)
    assert found == [] and table["status"].tolist() == ["skipped", "skipped"]
    assert save_assignments(found, "00_clusters", tmp_path) is None
    ranked = own_images.rank_by_silhouette(table)
    text = own_images.say_ranking(ranked, own_images.sizes([]))
    assert "**Undecided**" in text and "MB are there" in text
    monkeypatch.undo()
    table, _ = cluster_own(planned, build=tmp_path, progress=False)
    rows = table.set_index("clusterer")
    assert "number of classes" in rows.loc["kmeans", "reason"]
    assert rows.loc["ac_without_c", "status"] == "ok"


def test_a_damaged_result_is_computed_again(photos, profile, tmp_path, caplog):
    planned = plan_own(open_images(photos), "raw_pixels", profile)
    before, _ = cluster_own(planned, build=tmp_path, progress=False)
    (file,) = (tmp_path / "results").rglob("ac_without_c-*.json")
    file.write_text(file.read_text()[:80])
    after, found = cluster_own(planned, build=tmp_path, progress=False)
    assert f"result {file} is cut short or damaged" in caplog.text
    assert after.drop(columns="seconds").equals(before.drop(columns="seconds"))
    assert [one.cell.clusterer for one in found] == ["ac_without_c"]


def test_class_folders_are_labels(photos, profile, tmp_path):
    root = tmp_path / "sorted"
    for i, path in enumerate(sorted(photos.glob("*.png"))):
        folder = root / ("dark", "bright")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).symlink_to(path)
    dataset = open_images(root)
    planned = plan_own(dataset, "raw_pixels", profile)
    table, found = cluster_own(planned, build=tmp_path, progress=False)
    assert table.loc[0, "ami"] == pytest.approx(1)
    assert assignments(found)["class"].value_counts().to_dict() == {"dark": 30, "bright": 29}
    with pytest.raises(ProfileError, match="have labels"):
        plan_own(dataset, "raw_pixels", profile, n_classes=2)


def test_what_people_get_wrong_is_said(photos, profile, tmp_path):
    with pytest.raises(ImageFolderError, match="is not a folder"):
        open_images(tmp_path / "nowhere")
    with pytest.raises(ImageFolderError, match="no images in"):
        open_images(tmp_path)
    few = tmp_path / "few"
    few.mkdir()
    for i in range(FEWEST):
        (few / f"{i}.png").write_bytes(b"no image")
    with pytest.raises(ImageFolderError, match="only 1 of 3 images could be read, too few"):
        Image.new("RGB", (9, 9)).save(few / "0.png")
        cluster_own(plan_own(open_images(few), "raw_pixels", profile), tmp_path, False)
    (few / "0.png").unlink()
    with pytest.raises(ImageFolderError, match="holds 2 images, too few to group, which takes 3"):
        open_images(few)
    with pytest.raises(UnknownNameError, match="raw_pixels"):
        plan_own(open_images(photos), "raw_pixel", profile)
    for n in (1, 61):
        with pytest.raises(ProfileError, match="2 to 60"):
            plan_own(open_images(photos), "raw_pixels", profile, n_classes=n)


@pytest.mark.parametrize("n", [40, 10, 3])
def test_few_images_get_clusters_by_the_nearest_recipes(photos, n, tmp_path):
    profile = load_profile("mini", seeds=[1])
    folder = tmp_path / "few"
    folder.mkdir()
    for path in sorted(photos.glob("*.png"))[8 : 8 + n]:
        (folder / path.name).symlink_to(path)
    dataset = open_images(folder)
    plain = plan_own(dataset, "raw_pixels", profile, 2)
    assert too_few_images(plain) == (
        f"{n} samples: too few for UMAP to 50 dimensions, which needs 52 (for kmeans, "
        "affinity_propagation, hdbscan, silhouettes); nearest_recipe = True takes fewer dimensions"
    )
    nearest = plan_own(dataset, "raw_pixels", profile, 2, nearest_recipe=True)
    assert too_few_images(nearest).endswith("silhouettes)")
    table, found = cluster_own(nearest, tmp_path, progress=False)
    assert (table["status"] == "ok").all() and len(found) == len(assignments(found).columns) - 1
    first = table.iloc[0]
    assert first["recipe"]["reduction"]["n_components"] == n - 2
    assert f"recipe with UMAP to {n - 2} in place of 50 dimensions" in first["reason"]
    assert np.isfinite(first["silhouette_umap"])
    if n > 3:
        bright = assignments(found)["image"].str[:2].astype(int) % 2
        kmeans = pd.Series(found[0].clusters)
        assert kmeans.nunique() == 2 and kmeans.groupby(bright).nunique().tolist() == [1, 1]
    # Under names of their own: without the flag, what could be followed is all there is.
    assert {c.key for c, _ in nearest.cells}.isdisjoint(c.key for c, _ in plain.cells)
    table, found = cluster_own(plain, tmp_path, progress=False)
    rows = table.set_index("clusterer")
    assert (
        rows.loc["kmeans", "reason"] == f"UMAP to 50 dimensions needs 52 samples or more, not {n}"
    )
    assert rows.loc["ac_with_c", "status"] == "ok"
    ranked = own_images.rank_by_silhouette(table)
    assert ranked["silhouette_original"].dropna().is_monotonic_decreasing
    assert ranked["clusterer"].iloc[0] in ("spectral", "ac_with_c", "ac_without_c")
    text = own_images.say_ranking(ranked, own_images.sizes([]))
    assert "**Undecided**: no clustering has a silhouette in UMAP space." in text


def test_the_notebook_says_so_in_one_sentence(tmp_path):
    out = tmp_path / "out.ipynb"
    notebook = ROOT / "notebooks" / "00_own_images.ipynb"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", str(notebook), str(out), "--kernel", "python3"),
            *("-p", "profile", "smoke", "-p", "images", str(tmp_path / "nowhere")),
            *("-p", "figures", str(tmp_path / "figures"), "--no-progress-bar"),
        ],
        env=os.environ | {"ZSC_BUILD": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode
    outputs = [o for c in json.loads(out.read_text())["cells"] for o in c.get("outputs", ())]
    (error,) = [output for output in outputs if output["output_type"] == "error"]
    assert error["traceback"] == [f"error: {tmp_path / 'nowhere'} is not a folder"]


def test_ranking_sizes_and_typical_images_by_hand():
    table = pd.DataFrame(
        {
            "clusterer": ["a", "b", "c"],
            "clusterer_name": ["A", "B", "C"],
            "n_clusters": [2, 3, None],
            "fraction_clustered": [1.0, 0.75, None],
            "silhouette_umap": [0.25, 0.5, None],
            "silhouette_original": [0.1, 0.2, None],
            "ami": [0.9, 0.3, None],
            "status": ["ok", "ok", "failed"],
            "reason": ["", "", "it broke"],
        }
    )
    ranked = own_images.rank_by_silhouette(table)
    assert ranked["clusterer"].tolist() == ["b", "a", "c"]
    assert ranked["left_out"].tolist()[:2] == [25, 0]
    assert ranked["ami"].tolist()[:2] == pytest.approx([30, 90])
    assert "ami" not in own_images.rank_by_silhouette(table.drop(columns="ami"))

    clusters = np.array([0, 1, 1, 1, -1, -1, 0, 1])
    counts = own_images.sizes(clusters)
    assert counts.to_dict() == {"1": 4, "0": 2, "left out": 2}
    assert list(counts.index) == ["1", "0", "left out"]
    X = np.array([[0.0], [0], [1], [5], [0], [9], [1], [2]])
    # Cluster 1 holds 0, 1, 5 and 2, of mean 2.
    chosen = own_images.typical_rows(X, clusters, each=2)
    assert chosen["1"].tolist() == [7, 2] and chosen["left out"].tolist() == [4, 5]

    text = own_images.say_ranking(ranked, counts)
    assert "**B** has the highest silhouette in UMAP space, S = 0.50" in text
    assert "2 clusters of 2 to 4 images; 25 % of the images are left out" in text
    assert "AMI is 30.0 %; the highest is that of A, 90.0 %" in text
    assert "**C** has no silhouette in UMAP space: it broke." in text


def test_figures_of_clusters_have_a_bar_and_a_row_each():
    counts = pd.Series({"1": 4, "0": 2, "left out": 3})
    (axes,) = own_images.plot_cluster_sizes(counts).axes
    assert [bar.get_height() for bar in axes.patches] == [4, 2, 3]
    assert axes.patches[0].get_facecolor() == axes.patches[1].get_facecolor()
    assert axes.patches[2].get_facecolor() != axes.patches[0].get_facecolor()
    images = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in range(5)]
    chosen = {"1": np.array([2, 0]), "0": np.array([1]), "left out": np.array([4])}
    figure = own_images.plot_image_rows(images, chosen, counts, most=2)
    shown = [axes.images[0].get_array()[0, 0, 0] for axes in figure.axes if axes.images]
    assert shown == [2, 0, 4], "the largest, and what was left out"
    assert [axes.texts[0].get_text() for axes in figure.axes if axes.texts] == [
        "1\n4",
        "left out\n3",
    ]
    for empty in (
        own_images.plot_cluster_sizes(own_images.sizes([])),
        own_images.plot_image_rows((), {}, counts),
    ):
        assert empty.axes[0].texts[0].get_text() == "no clusters"
    plt.close("all")
