"""The package's face: what a notebook needs for one cell, without loading what it does not need."""

import inspect
import re
import subprocess
import sys

import numpy as np
import pytest

import zsc_utils
from zsc_utils import FACE
from zsc_utils.clustering import ClusteringError, Task, run_clusterer
from zsc_utils.embedding import compute
from zsc_utils.sweep.run import sweep

# What takes no array and gives none.
WITHOUT_ARRAYS = {"Reduction", "load_profile", "sweep"}


def test_importing_the_package_loads_neither_torch_nor_pandas():
    code = "import sys, zsc_utils; dir(zsc_utils); print(*{'torch', 'pandas'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", FACE)
def test_names_of_the_face_say_what_they_take_and_give(name):
    found = getattr(zsc_utils, name)
    assert name in dir(zsc_utils)
    text = inspect.getdoc(sweep if name == "sweep" else found)
    assert re.search(r"^Parameters\n-+$", text, re.M)
    if inspect.isfunction(found):
        assert re.search(r"^Returns\n-+$", text, re.M)
        assert found.__name__ == name
    if name not in WITHOUT_ARRAYS:
        assert re.search(r"\(n,|\bn `images`", text)


def test_sweep_can_be_called_whatever_was_imported_before():
    code = "from zsc_utils import sweep; sweep(None)"
    for before in ("", "import zsc_utils.sweep.run; ", "from zsc_utils.sweep.run import sweep; "):
        done = subprocess.run(
            [sys.executable, "-c", before + code], capture_output=True, text=True, check=False
        )
        assert "'NoneType' object has no attribute 'encoders'" in done.stderr


def test_no_other_name_is_there():
    with pytest.raises(AttributeError, match="no attribute 'klusters'"):
        _ = zsc_utils.klusters


def test_one_cell_by_the_face_is_what_the_rooms_give():
    images = zsc_utils.load_dataset("digits").subset(60)
    encoder = zsc_utils.load_encoder("raw_pixels")
    X = zsc_utils.embed(images, encoder, progress=False)
    assert np.array_equal(X, compute(images, encoder, progress=False)[0])
    Z = zsc_utils.reduce(X, zsc_utils.Reduction("pca", n_components=5))
    clusters = zsc_utils.cluster(Z, "kmeans", n_classes=10, seed=3)
    assert np.array_equal(clusters, run_clusterer(Z, "kmeans", Task(60, 10, seed=3)).labels)
    found = zsc_utils.scores(images.labels["digit"], clusters, Z)
    ami = zsc_utils.adjusted_mutual_information(images.labels["digit"], clusters)
    assert found["ami"] == ami > 0.3 and found["n_clusters"] == 10
    assert found["silhouette"] == zsc_utils.silhouette(Z, clusters) > 0
    assert "silhouette" not in zsc_utils.scores(images.labels["digit"], clusters)


def test_clusterers_take_settings_by_name_and_must_be_told():
    X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    by_linkage = [zsc_utils.cluster(X, "ac_with_c", 4, linkage=how) for how in ("ward", "average")]
    assert not np.array_equal(*by_linkage)
    assert len(set(zsc_utils.cluster(X, "hdbscan", min_cluster_size=20))) <= 3
    with pytest.raises(ClusteringError, match="kmeans must be told how many clusters"):
        zsc_utils.cluster(X, "kmeans")
