import errno
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from zsc_utils import cache, clustering, metrics, reduction
from zsc_utils.errors import StorageError
from zsc_utils.metrics import TRUTH_SCORES
from zsc_utils.recipes import Recipe, Reduction, recipe_for
from zsc_utils.registry import Entry
from zsc_utils.sweep.cells import cell_key
from zsc_utils.sweep.evaluate import evaluate, with_silhouettes


@pytest.fixture
def labels(blobs):
    _, y = blobs
    return pd.DataFrame({"half": np.where(y == 0, "left", "right"), "class": y.astype(str)})


KMEANS = Recipe("kmeans", Reduction("pca", n_components=3))
UMAP = Recipe("kmeans", Reduction("umap", n_components=3))


def scored(X, labels, recipe, **settings):
    """A row with its silhouettes, and its clusters."""
    memo = {}
    row, clusters = evaluate(X, labels, "class", recipe, memo=memo, **settings)
    (row,) = with_silhouettes(X, [(row, clusters)], memo, **settings)
    return row, clusters


def test_a_row_has_sizes_scores_and_levels(blobs, labels):
    X, _ = blobs
    row, clusters = scored(X, labels, KMEANS)
    assert row["status"] == "ok" and row["reason"] == ""
    assert (row["n_samples"], row["n_classes"], row["n_dims"]) == (90, 3, 3)
    assert row["ami"] == row["ami_by_level"]["class"] == 1
    assert 0.5 < row["ami_by_level"]["half"] < 1
    assert row["n_clusters"] == 3 and row["fraction_clustered"] == 1
    assert row["silhouette_original"] > 0.6 and row["silhouette_umap"] > 0.6
    assert clusters.shape == (90,) and row["seconds"] > 0


def test_a_full_disk_is_no_failure_of_a_cell(blobs, labels, tmp_path, monkeypatch):
    """A row that says so would be kept, and the cell would count as computed."""

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(StorageError, match="umap.*no space is left.*run again.*is kept"):
        evaluate(*blobs[:1], labels, "class", UMAP, memo=cache.ArrayFolder(tmp_path))


def test_a_failure_is_a_row_that_says_so(blobs, labels, monkeypatch):
    def explode(*args):
        raise MemoryError("17 GiB")

    monkeypatch.setitem(
        clustering.CLUSTERERS.entries,
        "kmeans",
        Entry(clustering.CLUSTERERS["kmeans"].facts, explode),
    )
    row, clusters = evaluate(blobs[0], labels, "class", KMEANS)
    assert clusters is None and row["status"] == "failed"
    assert row["reason"] == "MemoryError: 17 GiB" and "explode" in row["traceback"]
    assert "ami" not in row


def test_too_few_samples_for_umap(blobs, labels):
    X, some = blobs[0][::3], labels.iloc[::3]
    row, _ = evaluate(X, some, "class", Recipe("kmeans", Reduction("umap", n_components=50)))
    assert row["status"] == "failed" and "needs 52 samples or more, not 30" in row["reason"]
    # A clusterer that does without UMAP has a result; its silhouette there is missing, and why.
    row, _ = scored(X, some, KMEANS)
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
    ("registry", "name"),
    [
        (reduction.REDUCERS, "pca"),
        (reduction.REDUCERS, "umap"),
        (clustering.CLUSTERERS, "kmeans"),
    ],
)
def test_a_raised_version_makes_another_key(registry, name, monkeypatch):
    before = cell_key("embedding", KMEANS, "class", 5, 1)
    facts, make = registry[name]
    raised = Entry(replace(facts, version=facts.version + 1), make)
    monkeypatch.setitem(registry.entries, name, raised)
    assert cell_key("embedding", KMEANS, "class", 5, 1) != before


def test_other_scores_make_another_key(monkeypatch):
    before = cell_key("embedding", KMEANS, "class", 5, 1)
    monkeypatch.setattr(metrics, "SCORES_VERSION", metrics.SCORES_VERSION + 1)
    assert cell_key("embedding", KMEANS, "class", 5, 1) != before


def test_other_libraries_make_another_key_where_they_do_the_work(monkeypatch):
    hdbscan = Recipe("hdbscan", KMEANS.reduction)
    before = [cell_key("embedding", recipe, "class", 5, 1) for recipe in (KMEANS, hdbscan)]
    found = cache._version
    monkeypatch.setattr(
        cache, "_version", lambda package: "99" if package == "hdbscan" else found(package)
    )
    after = [cell_key("embedding", recipe, "class", 5, 1) for recipe in (KMEANS, hdbscan)]
    assert before[0] == after[0] and before[1] != after[1]


CLUSTERERS = list(clustering.CLUSTERERS)


@pytest.mark.parametrize("clusterer", CLUSTERERS)
@pytest.mark.parametrize("noise", [0, 1e-7])
def test_embeddings_that_are_all_the_same_have_no_clusters(labels, clusterer, noise):
    """Also where they differ in their last bits, as in batches of other sizes."""
    row_of_all = np.array([0.0, 1, -3, 1e-8, 1e6, 0.1, 7, 2])
    X = row_of_all * (1 + noise * np.random.default_rng(0).choice([-1, 0, 1], (90, 8)))
    row, clusters = evaluate(
        X.astype(np.float32), labels, "class", recipe_for("xent_resnet50", clusterer)
    )
    assert clusters is None and row["status"] == "degenerate"
    assert row["reason"] == "all 90 embeddings are the same"
    assert not {*TRUTH_SCORES, "silhouette_umap", "n_clusters"} & set(row)


def test_fewer_different_embeddings_than_clusters_asked_for(labels):
    X = np.repeat(np.eye(2, 8), [30, 60], axis=0).astype(np.float32)
    X[0] *= -1  # -0 is 0
    X[0, 0] = 1
    for clusterer in CLUSTERERS:
        recipe = Recipe(clusterer, Reduction(), recipe_for("xent_vitb16", clusterer).settings)
        row, clusters = evaluate(X, labels, "class", recipe)
        if clustering.CLUSTERERS[clusterer].facts.told_n_classes:
            reason = "90 embeddings, of which 2 differ, cannot make 3 clusters"
            assert (row["status"], row["reason"], clusters) == ("degenerate", reason, None)
        else:
            assert row["status"] in ("ok", "not_converged") and len(clusters) == 90
    row, _ = evaluate(X, labels, "half", KMEANS)
    assert row["status"] == "ok" and row["n_clusters"] == 2 and row["ami"] == 1


@pytest.mark.parametrize(
    ("clusterer", "n_classes", "reason"),
    [
        ("kmeans", 5, "5 clusters need 5 samples or more, not 3"),
        ("ac_with_c", 5, "5 clusters need 5 samples or more, not 3"),
        ("spectral", 3, "3 clusters need 4 samples or more in spectral clustering, not 3"),
    ],
)
def test_more_clusters_than_samples_in_one_sentence(blobs, clusterer, n_classes, reason):
    X, none = blobs[0][::30], pd.DataFrame(index=range(3))
    recipe = Recipe(clusterer, Reduction())
    row, clusters = evaluate(X, none, None, recipe, n_classes=n_classes)
    assert (row["status"], row["reason"], clusters) == ("failed", reason, None)


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        (["a"] * 90, "there is one class only"),
        ([None] * 45 + ["a"] * 45, "there is one class only"),
        ([str(i) for i in range(90)], "every sample has a class of its own"),
        ([None] * 90, "no sample has a class"),
    ],
)
@pytest.mark.parametrize("clusterer", CLUSTERERS)
def test_labels_that_no_ami_is_defined_for(blobs, classes, why, clusterer):
    labels = pd.DataFrame({"class": classes, "third": blobs[1].astype(str)}, dtype=object)
    recipe = Recipe(clusterer, Reduction(), recipe_for("xent_vitb16", clusterer).settings)
    row, clusters = evaluate(blobs[0], labels, "class", recipe)
    if clusters is None:
        # Told nothing, or asked to make as many clusters as samples.
        assert row["status"] in ("skipped", "failed") and "ami" not in row
        return
    assert f"AMI is undefined: {why}" in row["reason"] and row["status"] == "ok"
    assert np.isnan([row[score] for score in TRUTH_SCORES]).all()
    assert np.isnan(row["ami_by_level"]["class"]) and 0 <= row["ami_by_level"]["third"] <= 1


def test_the_nearest_recipe_names_what_it_took(blobs, labels):
    X, some = blobs[0][::3], labels.iloc[::3]
    recipe = recipe_for("dino_vitb16", "kmeans")
    assert recipe.reduction == Reduction("umap", n_components=50)
    row, _ = scored(X, some, recipe, nearest_recipe=True)
    assert row["ami"] == 1 and row["recipe"]["reduction"]["n_components"] == row["n_dims"] == 28
    assert row["silhouette_umap"] > 0.5 and row["reason"] == (
        "recipe with UMAP to 28 in place of 50 dimensions; "
        "silhouette in UMAP to 28 in place of 50 dimensions"
    )
    enough, _ = scored(blobs[0], labels, recipe, nearest_recipe=True)
    assert enough["recipe"] == recipe.as_dict() and enough["reason"] == ""


def test_clusterings_that_are_scored_together_have_the_silhouettes_of_each_alone(blobs, labels):
    recipes = [recipe_for("dino_vitb16", name) for name in ("kmeans", "ac_with_c", "hdbscan")]
    memo = {}
    found = [evaluate(blobs[0], labels, "class", one, memo=memo) for one in recipes]
    found[1][1][:] = 0  # one cluster has no silhouette
    together = with_silhouettes(blobs[0], found, memo)
    alone = [with_silhouettes(blobs[0], [pair], memo)[0] for pair in found]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_equal(one, other)
    assert np.isnan(together[1]["silhouette_umap"]) and together[1]["reason"] == ""
