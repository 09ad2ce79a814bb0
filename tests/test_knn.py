"""Nearest neighbours: blocks give what the whole gives, and what scikit-learn gives."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from zsc_utils import metrics
from zsc_utils.datasets import load_dataset
from zsc_utils.errors import EmbeddingsError
from zsc_utils.metrics import KS, accuracy_by_k, nearest, vote
from zsc_utils.precision import Precision
from zsc_utils.sweep import neighbours as knn
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.neighbours import knn_accuracies
from zsc_utils.sweep.profile import load_profile


@pytest.fixture
def points():
    """Embeddings of four overlapping classes: train, y_train, test, y_test."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 500)
    X = (rng.normal(size=(4, 12))[y] + 1.5 * rng.normal(size=(500, 12))).astype(np.float32)
    return X[:350], y[:350], X[350:], y[350:]


def naive(train, test):
    unit = [a / np.linalg.norm(a, axis=1, keepdims=True) for a in (test, train)]
    return unit[0] @ unit[1].T


@pytest.mark.parametrize("rows", [1, 7, 349, 350, 1000])
@pytest.mark.parametrize("k", [1, 20, 350])
def test_blocks_give_what_the_whole_gives(points, rows, k, monkeypatch):
    train, _, test, _ = points
    monkeypatch.setattr(metrics, "TEST_ROWS", 64)
    similarity, which = nearest(train, test, k, rows=rows)
    everything = naive(train, test)
    np.testing.assert_allclose(similarity, -np.sort(-everything, axis=1)[:, :k], atol=1e-6)
    np.testing.assert_allclose(np.take_along_axis(everything, which, 1), similarity, atol=1e-6)
    assert all(len(set(row)) == k for row in which)


def test_accuracy_is_scikit_learns(points, monkeypatch):
    from sklearn.neighbors import KNeighborsClassifier

    train, y_train, test, y_test = points
    monkeypatch.setattr(metrics, "VOTES", 64)
    found = accuracy_by_k(train, y_train, test, y_test)
    for k in KS:
        theirs = KNeighborsClassifier(
            k, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07)
        )
        assert found[k] == theirs.fit(train, y_train).score(test, y_test)
    assert 0.3 < found[1] < found[20] < 1


def test_near_neighbours_outvote_more_distant_ones():
    """One neighbour at similarity 1 weighs exp(1 / 0.07), two at 0.97 together 1.3 times that."""
    classes = np.array([[0, 1, 1]])
    assert vote(np.array([[1.0, 0.97, 0.97]], np.float32), classes, 2, k=3).tolist() == [1]
    assert vote(np.array([[1.0, 0.97, 0.97]], np.float32), classes, 2, k=2).tolist() == [0]
    assert vote(np.array([[1.0, 0.94, 0.94]], np.float32), classes, 2, k=3).tolist() == [0]


def test_a_class_that_train_lacks_is_never_right(points):
    train, y_train, test, _ = points
    assert accuracy_by_k(train, y_train, test, np.full(len(test), 9), [5]) == {5: 0.0}


def test_more_neighbours_than_images_are_all_images(points):
    train, y_train, test, y_test = points
    found = accuracy_by_k(train[:30], y_train[:30], test, y_test, [30, 200])
    assert found[30] == found[200]


def test_images_without_a_class_are_left_out():
    train, test = (load_dataset("faces").labels for _ in range(2))
    train.loc[:9, "content"] = None

    def embeddings(labels):
        facts = load_dataset("faces").facts
        array = np.ones((len(labels), 2), np.float32)
        return knn.Embeddings(array, labels, facts, "key", np.arange(len(labels)))

    found = knn.classes_of(embeddings(train), embeddings(test))
    assert [len(part) for part in found] == [190, 190, 200, 200]
    assert found[1].min() == found[3].min() == 0


@pytest.mark.parametrize(
    ("train", "test", "why"),
    [
        (["a", "b"], ["b", "b"], ""),
        (["a", "a", None], ["a", "a"], "all train images have one class, so every vote is for it"),
        (["a", "b"], ["c", "d"], "no test image has a class of the train images"),
        ([None, None], ["a", "b"], "no train image has a class"),
        (["a", "b"], [None, float("nan")], "no test image has a class"),
    ],
)
def test_accuracies_that_are_known_beforehand_are_none(train, test, why):
    assert knn.why_no_accuracy(pd.Series(train), pd.Series(test)) == why


def test_a_dataset_of_one_class_is_skipped_and_says_so(monkeypatch, tmp_path):
    profile = load_profile("smoke", datasets=["textures"], encoders=["raw_pixels"])
    original = knn.load_dataset

    def one_photograph(*args, **kwargs):
        dataset = original(*args, **kwargs)
        return replace(dataset, labels=dataset.labels.assign(photograph="brick"))

    monkeypatch.setattr(knn, "load_dataset", one_photograph)
    table = knn_accuracies(profile, build=tmp_path, progress=False)
    assert set(table["status"]) == {"skipped"} and table["accuracy"].isna().all()
    assert set(table["reason"]) == {
        "dataset textures: all train images have one class, so every vote is for it"
    }


def test_a_profile_gets_a_row_for_all_that_it_asks_for(smoke, tmp_path):
    profile = load_profile("smoke", datasets=["digits", "mini-inat", "dtd"])
    few = profile.model_copy(update={"encoders": ("raw_pixels", "dino_resnet50_ft")})
    table = knn_accuracies(few, build=smoke, data_root=tmp_path, progress=False)
    assert len(table) == 3 * 2 * len(KS)
    states = table.groupby(["dataset", "encoder"])["status"].unique().str.join(" ").to_dict()
    assert states["mini-inat", "raw_pixels"] == "ok"
    assert states["digits", "raw_pixels"] == "skipped"
    assert set(table.loc[table["dataset"] == "digits", "reason"]) == {
        "dataset digits has no train partition"
    }
    assert states["dtd", "raw_pixels"] == states["mini-inat", "dino_resnet50_ft"] == "absent"
    assert table.loc[table["status"] != "ok", "accuracy"].isna().all()
    scored = table[table["status"] == "ok"]
    assert (scored["n_train"] == 80).all() and (scored["n_test"] == 80).all()
    assert scored["accuracy"].between(0.02, 1).all()


def test_images_are_embedded_in_the_precision_of_the_profile(tmp_path):
    few = {"max_samples": 20, "precision": Precision.bf16, "encoders": ("mini_vicreg_resnet",)}
    rounded = load_profile("smoke", datasets=["mini-inat"]).model_copy(update=few)
    table = knn_accuracies(rounded, build=tmp_path, progress=False)
    assert set(table["status"]) == {"ok"}
    metas = [json.loads(file.read_text()) for file in tmp_path.rglob("meta.json")]
    assert [meta["precision"] for meta in metas] == ["bf16", "bf16"]
    (job,) = plan(rounded)
    assert job.embeddings_folder(tmp_path).is_dir(), "those of the sweep, not others"


def test_results_are_read_and_test_embeddings_not_computed_again(smoke, monkeypatch):
    profile = load_profile("smoke", datasets=["mini-inat"])
    one = profile.model_copy(update={"encoders": ("raw_pixels",)})
    first = knn_accuracies(one, build=smoke, n_train=40, progress=False)
    embedded = {p.name for p in (smoke / "cache" / "embeddings" / "mini-inat").glob("raw_*")}
    # The sweep's, and those of 40 and (from the other test, if it ran) 80 train images.
    assert len(embedded) in (2, 3)
    again = lambda *args, **settings: pytest.fail("computed again")  # noqa: E731
    monkeypatch.setattr("zsc_utils.sweep.cells.stored_embeddings", again)
    assert knn_accuracies(one, build=smoke, n_train=40, progress=False).equals(first)


def test_damaged_results_are_measured_again_and_failures_are_rows(smoke, monkeypatch):
    profile = load_profile("smoke", datasets=["mini-bioscan"])
    one = profile.model_copy(update={"encoders": ("raw_pixels",)})
    first = knn_accuracies(one, build=smoke, n_train=30, progress=False)
    for file in (smoke / "knn" / "mini-bioscan").glob("raw_pixels*.json"):
        if json.loads(file.read_text())["n_train"] == 30:
            file.write_text("{")
    assert knn_accuracies(one, build=smoke, n_train=30, progress=False).equals(first)

    def broken(*args, **settings):
        raise EmbeddingsError("NaN in row 3")

    monkeypatch.setattr("zsc_utils.sweep.cells.stored_embeddings", broken)
    failed = knn_accuracies(one, build=smoke, n_train=20, progress=False)
    assert set(failed["status"]) == {"failed"} and set(failed["reason"]) == {"NaN in row 3"}
