"""Notebook 0: what it shows of someone's own images."""

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

from zsc_utils.encoders import ENCODERS
from zsc_utils.own.collection import Collection
from zsc_utils.own.report.content import View
from zsc_utils.own.sorting import Sorted, Space
from zsc_utils.study import own_images


def test_the_example_is_a_folder_with_labels_and_stays(tmp_path):
    images, labels = own_images.example(tmp_path, 30)
    table = pd.read_csv(labels)
    assert sorted(table["path"]) == sorted(path.name for path in images.iterdir())
    assert len(table) == 30 and table["label"].nunique() > 5
    before = labels.stat().st_mtime_ns
    assert own_images.example(tmp_path, 30) == (images, labels)
    assert labels.stat().st_mtime_ns == before


def test_the_notebook_says_in_one_sentence_what_is_wrong(tmp_path):
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
    assert error["traceback"] == [
        f"error: cannot read the folder of images {tmp_path / 'nowhere'}: No such file or directory"
    ]


CLUSTERS = np.array([0, 1, 1, 1, -1, -1, 0, 1])


def a_view():
    n = len(CLUSTERS)
    return View(
        *("raw_pixels", "kmeans", "Raw image", "K-means", 2, CLUSTERS),
        silhouettes=np.zeros(n),
        to_medoid=np.array([0, 3, 2, 9, np.nan, np.nan, 1, 0]),
        second=np.zeros(n, int),
        expected=None,
        caveat="",
        truth={},
    )


def test_clusters_come_by_size_and_their_images_by_distance_to_the_medoid():
    counts = own_images.sizes(CLUSTERS)
    assert counts.to_dict() == {"1": 4, "0": 2, "left out": 2}
    assert list(counts.index) == ["1", "0", "left out"]
    chosen = own_images.typical_rows(a_view(), each=2)
    assert {name: rows.tolist() for name, rows in chosen.items()} == {
        "1": [7, 2],
        "0": [0, 6],
        "left out": [4, 5],
    }


def test_clusters_of_one_size_come_by_number():
    clusters = np.random.default_rng(0).integers(0, 40, 200)
    counts = own_images.sizes(clusters)
    assert len(set(counts)) < len(counts)
    assert counts.index.tolist() == sorted(counts.index, key=lambda c: (-counts[c], int(c)))


@pytest.fixture
def found():
    """Two clusterers, one told three numbers, another skipped."""
    rows = [("kmeans", n, n, s) for n, s in ((4, 0.9), (2, 0.86), (8, 0.5))]
    rows.insert(1, ("hdbscan", None, 3, 0.88))
    table = pd.DataFrame(rows, columns=["clusterer", "told", "n_clusters", "score"])
    table = table.assign(
        encoder="raw_pixels",
        proposed=[True, True, False, False],
        silhouette_umap=[0.5, 0.4, 0.8, 0.1],
        status="ok",
        reason="",
    )
    lacking = {"clusterer": "spectral", "encoder": "raw_pixels", "proposed": False}
    table.loc[len(table)] = lacking | {"status": "skipped", "reason": "needs 9 GB"}
    table["proposed"] = table["proposed"].astype(bool)
    space = Space(ENCODERS["raw_pixels"].facts, np.zeros((8, 2)), None)
    return Sorted(Collection(ROOT, (), ()), {"raw_pixels": space}, table, [])


def test_the_best_is_named_with_what_to_expect(found):
    expected = {"expected_ami": [50.0, 40, None, None, None]}
    expected |= {"expected_low": [30.0, 20, None, None, None]}
    expected |= {"expected_high": [70.0, 60, None, None, None]}
    ranked = found.table.assign(
        **expected, caveat="", left_out=25.0, as_good="2–4", ami=[30.0, 20, 90, 1, None]
    ).astype({"n_clusters": "Int64"})
    text = own_images.say_ranking(found, ranked, own_images.sizes(CLUSTERS))
    assert "**K-means of Raw image** is ranked first: 2 clusters of 2 to 4 images; 25 %" in text
    assert "of 50 %, and of 30 to 70 % in four folders of five" in text
    assert "Next comes HDBSCAN of Raw image, with 3 clusters" in text
    assert "its AMI is 30.0 %; the highest of all that were tried is that of K-means" in text
    assert "with 2 clusters, 90.0 %" in text
    assert "**Spectral of Raw image** gave no clusters: needs 9 GB." in text
    table = own_images.ranking_table(found, ranked)
    assert table.index.tolist() == [
        "K-means of Raw image",
        "HDBSCAN of Raw image",
        "Spectral of Raw image",
    ]


def test_numbers_that_are_as_good_are_bold(found):
    figure = own_images.plot_numbers(found, tolerance=0.05)
    axes = figure.axes[0]
    thin, bold = axes.lines
    assert thin.get_xdata().tolist() == [2, 4, 8]
    assert bold.get_xdata().tolist()[:2] == [2, 4] and np.isnan(bold.get_xdata()[2])
    plt.close("all")


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
