"""The miniature: pixels by name, seed and index; labels that nest; relatives that look alike."""

import hashlib
import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from zsc_utils.datasets import DATASETS, load_dataset
from zsc_utils.errors import UnknownNameError
from zsc_utils.miniature.world import rendered_arrays
from zsc_utils.miniature.world.collections import Collection
from zsc_utils.miniature.world.factors import QUARTERS, Nuisances
from zsc_utils.miniature.world.lazy import BATCH
from zsc_utils.miniature.world.phylogeny import RANKS, genome, lineages
from zsc_utils.miniature.world.source import SMALL, SPECIES, TEST, TRAIN

HASHES = json.loads((Path(__file__).parent / "miniworld_hashes.json").read_text())
NAMES = sorted(
    name
    for name, facts in DATASETS.facts().items()
    if facts.source.startswith("rendered") and "test" in facts.partitions
)
TRAIN_HASHES = HASHES.pop("mini-imagenet train")
VARIANTS = [name for name in NAMES if name.startswith("mini-in9")]
FACTORS = {"scene", *QUARTERS, "flipped", "occlusion", "blur"}


def sha256(pixels: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_the_same_on_every_machine(name):
    images = load_dataset(name).images
    hashes = {str(index): sha256(np.asarray(images[index])) for index in (0, 7, 301)}
    assert hashes == HASHES[name]


def test_train_pixels_are_those_that_encoders_learnt_from():
    images = load_dataset("mini-imagenet", partition="train").images
    hashes = {index: sha256(np.asarray(images[int(index)])) for index in TRAIN_HASHES}
    assert hashes == TRAIN_HASHES


@pytest.mark.parametrize("name", NAMES)
def test_an_image_does_not_depend_on_its_batch(name):
    images = load_dataset(name).images
    together = images.render(np.arange(3 * BATCH, 5 * BATCH + 3))
    for index in (0, 5, BATCH, 2 * BATCH + 2):
        alone = images.render(np.array([3 * BATCH + index]))
        np.testing.assert_array_equal(alone[0], together[index])


@pytest.mark.parametrize("name", NAMES)
def test_a_target_set_has_at_most_600_images_and_whole_labels(name):
    dataset = load_dataset(name)
    assert 585 <= len(dataset) == len(dataset.labels) <= 600
    assert not dataset.labels.isna().any().any()
    assert all(isinstance(value, str) for value in dataset.labels.iloc[0])
    assert np.asarray(dataset.images[-1]).shape == (dataset.size, dataset.size, 3)


def test_images_beyond_the_last_are_refused():
    images = load_dataset("mini-cifar").images
    with pytest.raises(IndexError, match="image 600 of 600"):
        images[600]


@pytest.mark.parametrize(
    "name", sorted(set(NAMES) - {"mini-scenes", "mini-signals", "mini-satellite"})
)
def test_ranks_nest(name):
    labels = load_dataset(name).labels
    ranks = [rank for rank in (*RANKS, "BIN") if rank in labels]
    for coarse, fine in itertools.pairwise(ranks):
        assert (labels.groupby(fine)[coarse].nunique() == 1).all(), (coarse, fine)


def test_every_rank_of_inat_tells_something_apart():
    labels = load_dataset("mini-inat").labels
    counts = [labels[rank].nunique() for rank in RANKS]
    assert counts == sorted(counts)
    assert counts[0] > 1
    assert labels["class"].value_counts().iloc[0] > 400


def test_taxa_have_names_of_their_own():
    for name in ("mini-imagenet", "mini-inat", "mini-bioscan", "mini-flora"):
        collection = load_dataset(name).images.render.__self__
        assert lineages(list(collection.paths)).iloc[:, -1].is_unique


def test_every_factor_is_a_column():
    assert set(load_dataset("mini-imagenet").labels) >= FACTORS | set(RANKS)
    assert "art_form" in load_dataset("mini-imagenet-r").labels
    assert all("background" in load_dataset(name).labels for name in VARIANTS)


def test_training_images_are_not_test_images():
    assert TRAIN.name != TEST.name
    train = load_dataset("mini-imagenet", partition="train")
    assert len(train) == 20_000
    assert (train.labels["species"].value_counts() == 400).all()
    assert set(train.labels["species"]) == set(load_dataset("mini-imagenet").labels["species"])
    # The streams differ in their keys; factors drawn from them would coincide if images did.
    columns = [*QUARTERS, "side"]
    drawn = {tuple(row) for row in TRAIN.factors(np.arange(20_000))[columns].to_numpy()}
    others = {tuple(row) for row in TEST.factors(np.arange(600))[columns].to_numpy()}
    assert len(drawn) == 20_000
    assert not drawn & others


WITH_TRAIN = sorted(
    name for name in NAMES if "train" in DATASETS[name].facts.partitions and name != "mini-imagenet"
)


@pytest.mark.parametrize("name", WITH_TRAIN)
def test_train_partitions_show_the_same_classes_in_other_images(name):
    test, train = load_dataset(name), load_dataset(name, partition="train")
    level = test.facts.label
    assert len(train) == len(test) and train.size == test.size
    assert train.labels[level].value_counts().equals(test.labels[level].value_counts())
    shown = [{image.tobytes() for image in part.images.span(0, 48)} for part in (test, train)]
    assert not shown[0] & shown[1] and len(shown[1]) == 48
    names = (test.fingerprint, train.fingerprint)
    differing = {key for key in names[1] if names[1][key] != names[0].get(key)}
    assert {"partition"} < differing <= {"partition", "stream", "first"}


def test_small_train_images_have_factors_of_their_own():
    labels = load_dataset("mini-cifar", partition="train").labels
    assert labels.equals(SMALL.labels(np.arange(600, 1200)))
    shown = load_dataset("mini-cifar", partition="train").images.span(0, 600).mean(axis=(1, 2, 3))
    snow = (labels["scene"] == "snow").to_numpy()
    night = (labels["scene"] == "night").to_numpy()
    assert shown[snow].mean() > shown[night].mean() + 100


def test_train_images_have_the_classes_they_are_said_to_have():
    """On raw pixels: the mean image of a class is most like the class's of the other partition."""
    for name in ("mini-satellite", "mini-signals", "mini-bioscan"):
        means = []
        for partition in ("test", "train"):
            part = load_dataset(name, partition=partition)
            pixels = part.images.span(0, 300).astype(float).mean(axis=3).reshape(300, -1)
            classes = part.labels[part.facts.label].iloc[:300]
            common = classes.value_counts().index[:8].sort_values()
            means.append({c: pixels[(classes == c).to_numpy()].mean(axis=0) for c in common})
        same = [np.corrcoef(means[0][c], means[1][c])[0, 1] for c in means[0] if c in means[1]]
        other = [
            np.corrcoef(means[0][a], means[1][b])[0, 1]
            for a in means[0]
            for b in means[1]
            if a != b
        ]
        assert len(same) > 3 and np.mean(same) > np.mean(other), name


def test_counterparts_of_what_has_no_train_images_have_none():
    for name in ("mini-imagenetv2", "mini-imagenet-r", "mini-imagenet-sketch", "mini-imagenet-o"):
        assert DATASETS[name].facts.partitions == ("test",)


@pytest.mark.parametrize("name", ["mini-imagenet-o", "mini-flora", "mini-inat", "mini-bioscan"])
def test_novel_species_are_not_in_the_source(name):
    source = set(load_dataset("mini-imagenet").labels["species"])
    assert not source & set(load_dataset(name).labels["species"])


def test_most_images_stand_before_the_habitat_of_their_species():
    labels = load_dataset("mini-imagenet", partition="train").labels
    shares = labels.groupby("species")["scene"].agg(lambda s: s.value_counts(normalize=True).max())
    assert 0.7 < shares.mean() < 0.76


def test_variants_of_in9_share_their_creatures():
    ranks = load_dataset("mini-in9").labels.drop(columns="background")
    for name in VARIANTS:
        assert load_dataset(name).labels.drop(columns="background").equals(ranks)
    spans = {name: load_dataset(name).images.span(0, BATCH).astype(int) for name in VARIANTS}
    hidden = (spans["mini-in9"] != spans["mini-in9-onlybg"]).mean(axis=(1, 2, 3))
    assert ((hidden > 0.02) & (hidden < 0.7)).all()
    assert (spans["mini-in9-mixedsame"] != spans["mini-in9-mixedrand"]).any()


def test_mixed_backgrounds_come_from_the_class_or_from_any():
    shares = {}
    for name in ("", "-mixedsame", "-mixedrand"):
        labels = load_dataset(f"mini-in9{name}").labels
        crossed = labels.groupby("family")["background"].agg(
            lambda scenes: scenes.value_counts(normalize=True).max()
        )
        shares[name] = crossed.mean()
    assert shares["-mixedsame"] == pytest.approx(shares[""], abs=0.08)
    assert shares["-mixedrand"] < shares[""] - 0.1


def test_bioscan_has_a_long_tail():
    counts = load_dataset("mini-bioscan").labels["BIN"].value_counts()
    assert counts.iloc[0] > 60
    assert counts.iloc[-1] <= 3
    assert counts.median() < counts.mean()


def portraits(paths) -> np.ndarray:
    """Each species' mean of 4 images in one pose on one ground, (species, pixels)."""
    pose = Nuisances(0.0, 0.0, 0.0, (14, 14), occluded=0, blurred=0, noise=0, light=0)
    subjects = Collection("portraits", 0, tuple(paths), 4 * len(paths), pose)
    layers = [subjects.layers(np.arange(len(paths)) + k * len(paths)) for k in range(4)]
    shown = [layer.creatures * layer.cover[:, None] for layer in layers]
    return np.mean(shown, axis=0).reshape(len(paths), -1)


@pytest.mark.parametrize("describe", [lambda p: np.stack([genome(t) for t in p]), portraits])
def test_siblings_differ_less_than_cousins(describe):
    described = describe(SPECIES)
    distance = np.linalg.norm(described[:, None] - described[None], axis=2)
    shared = np.array(
        [[np.cumprod(np.equal(a, b)).sum() for b in SPECIES] for a in SPECIES], dtype=int
    )
    means = [distance[shared == ranks].mean() for ranks in (6, 5, 4, 0)]
    assert means == sorted(means)
    assert means[0] < 0.75 * means[-1]


def test_arrays_are_rendered_once(tmp_path, monkeypatch):
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path))
    pixels, labels = rendered_arrays("mini-imagenet", "train", stop=20)
    assert pixels.shape == (20, 64, 64, 3)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, TRAIN.render(np.arange(20)))
    assert len(labels) == 20
    (kept,) = tmp_path.rglob("*.npy")
    written = kept.stat().st_mtime_ns
    rendered_arrays("mini-imagenet", "train", stop=20)
    assert kept.stat().st_mtime_ns == written
    with pytest.raises(UnknownNameError):
        rendered_arrays("mini-imagenet", "validation")
