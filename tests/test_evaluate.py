from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zsc_utils import cluster as cluster_room
from zsc_utils.evaluate import cell_key, evaluate
from zsc_utils.recipes import Recipe, Reduction, recipe_for


@pytest.fixture
def labels(blobs):
    _, y = blobs
    return pd.DataFrame({"half": np.where(y == 0, "left", "right"), "class": y.astype(str)})


KMEANS = Recipe("kmeans", Reduction("pca", n_components=3))


def test_a_row_has_sizes_scores_and_levels(blobs, labels):
    X, _ = blobs
    row, clusters = evaluate(X, labels, "class", KMEANS)
    assert row["status"] == "ok" and row["reason"] == ""
    assert (row["n_samples"], row["n_classes"], row["n_dims"]) == (90, 3, 3)
    assert row["ami"] == row["ami_by_level"]["class"] == 1
    assert 0.5 < row["ami_by_level"]["half"] < 1
    assert row["n_clusters"] == 3 and row["fraction_clustered"] == 1
    assert row["silhouette_original"] > 0.6 and row["silhouette_umap"] > 0.6
    assert clusters.shape == (90,) and row["seconds"] > 0


def test_a_failure_is_a_row_that_says_so(blobs, labels, monkeypatch):
    def explode(*args):
        raise MemoryError("17 GiB")

    monkeypatch.setitem(
        cluster_room._MAKERS, "kmeans", (cluster_room.registered()["kmeans"], explode)
    )
    row, clusters = evaluate(blobs[0], labels, "class", KMEANS)
    assert clusters is None and row["status"] == "failed"
    assert row["reason"] == "MemoryError: 17 GiB" and "explode" in row["traceback"]
    assert "ami" not in row


def test_too_few_samples_for_umap(blobs, labels):
    X, some = blobs[0][::3], labels.iloc[::3]
    row, _ = evaluate(X, some, "class", Recipe("kmeans", Reduction("umap", n_components=50)))
    assert row["status"] == "failed" and "more than 51 samples, not 30" in row["reason"]
    # A clusterer that does without UMAP has a result; its silhouette there is missing, and why.
    row, _ = evaluate(X, some, "class", KMEANS)
    assert row["status"] == "ok" and row["ami"] == 1 and np.isnan(row["silhouette_umap"])
    assert "no silhouette in UMAP" in row["reason"]


def test_without_labels(blobs):
    X, _ = blobs
    none = pd.DataFrame(index=range(90))
    row, clusters = evaluate(X, none, None, KMEANS)
    assert row["status"] == "skipped" and clusters is None
    row, _ = evaluate(X, none, None, KMEANS, n_classes=3)
    assert row["status"] == "ok" and "ami" not in row and row["n_clusters"] == 3
    row, _ = evaluate(X, none, None, recipe_for("xent_resnet50", "affinity_propagation"))
    assert row["status"] == "ok"


def test_every_setting_makes_another_key():
    base = ("embedding", KMEANS, "class", 5, 1)
    others = [
        ("other", KMEANS, "class", 5, 1),
        ("embedding", Recipe("kmeans", Reduction("pca", n_components=4)), "class", 5, 1),
        ("embedding", Recipe("ac_with_c", KMEANS.reduction), "class", 5, 1),
        ("embedding", Recipe("kmeans", KMEANS.reduction, (("damping", 0.5),)), "class", 5, 1),
        ("embedding", KMEANS, "half", 5, 1),
        ("embedding", KMEANS, "class", 2, 1),
        ("embedding", KMEANS, "class", 5, 2),
    ]
    assert cell_key(*base) == cell_key(*base)
    assert len({cell_key(*settings) for settings in [base, *others]}) == len(others) + 1


@pytest.mark.parametrize(
    ("room", "name"), [("reduce", "UMAP_NEIGHBORS = 30"), ("score", '"arithmetic"')]
)
def test_changed_code_of_a_room_makes_another_key(room, name, tmp_path, monkeypatch):
    import importlib

    from zsc_utils import files

    module = importlib.import_module(f"zsc_utils.{room}")
    source = Path(module.__file__).read_text()
    assert name in source
    before = cell_key("embedding", KMEANS, "class", 5, 1)
    changed = tmp_path / "changed.py"
    changed.write_text(source.replace(name, name.replace("30", "31").replace("arith", "geo")))
    monkeypatch.setattr(module, "__file__", str(changed))
    files.code_fingerprint.cache_clear()
    after = cell_key("embedding", KMEANS, "class", 5, 1)
    files.code_fingerprint.cache_clear()
    assert before != after
