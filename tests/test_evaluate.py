from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from zsc_utils import cluster as cluster_room
from zsc_utils import files, reduce, score
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
    ("register", "name"),
    [(reduce._METHODS, "pca"), (reduce._METHODS, "umap"), (cluster_room._MAKERS, "kmeans")],
)
def test_a_raised_version_makes_another_key(register, name, monkeypatch):
    before = cell_key("embedding", KMEANS, "class", 5, 1)
    if register is cluster_room._MAKERS:
        facts, maker = register[name]
        raised = (replace(facts, version=facts.version + 1), maker)
    else:
        raised = replace(register[name], version=register[name].version + 1)
    monkeypatch.setitem(register, name, raised)
    assert cell_key("embedding", KMEANS, "class", 5, 1) != before


def test_other_scores_make_another_key(monkeypatch):
    before = cell_key("embedding", KMEANS, "class", 5, 1)
    monkeypatch.setattr(score, "SCORES_VERSION", score.SCORES_VERSION + 1)
    assert cell_key("embedding", KMEANS, "class", 5, 1) != before


def test_other_libraries_make_another_key_where_they_do_the_work(monkeypatch):
    hdbscan = Recipe("hdbscan", KMEANS.reduction)
    before = [cell_key("embedding", recipe, "class", 5, 1) for recipe in (KMEANS, hdbscan)]
    found = files._version
    monkeypatch.setattr(
        files, "_version", lambda package: "99" if package == "hdbscan" else found(package)
    )
    after = [cell_key("embedding", recipe, "class", 5, 1) for recipe in (KMEANS, hdbscan)]
    assert before[0] == after[0] and before[1] != after[1]
