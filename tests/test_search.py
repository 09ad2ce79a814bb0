from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from zsc_utils.datasets import load_dataset
from zsc_utils.embedding import Embeddings
from zsc_utils.errors import ProfileError, RecipeError
from zsc_utils.precision import Precision
from zsc_utils.recipes import Recipe, Reduction, recipe_for, trials_file
from zsc_utils.sweep import search as room
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.search import Trial, best, chosen_recipes, search


@pytest.fixture(scope="module")
def tiny():
    """A profile whose one encoder is searched on two small sets of train images."""
    profile = load_profile("smoke", encoders=["raw_pixels"])
    return profile.model_copy(update={"search_on": {"mini-imagenette": 80, "mini-imagewoof": 80}})


@pytest.fixture(scope="module")
def found(tiny, tmp_path_factory):
    """The report of a search over few choices, and its build folder."""
    build = tmp_path_factory.mktemp("search")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            room, "REDUCTIONS", (Reduction(), Reduction("pca", n_components=10, zscore=True))
        )
        patch.setattr(room, "THRESHOLDS", (0.5, 5.0))
        yield search(tiny, build=build, progress=False), build


def test_search_sets_are_train_images():
    ten = load_dataset("mini-imagenette", partition="train")
    woof = load_dataset("mini-imagewoof", partition="train")
    for dataset, families in ((ten, 10), (woof, 2)):
        assert len(dataset) == 600
        assert dataset.labels["species"].value_counts().tolist() == [60] * 10
        assert dataset.labels["family"].nunique() == families
    train = load_dataset("mini-imagenet", partition="train")
    shown = dict(zip(train.labels["species"][:50], range(50), strict=True))
    first = shown[ten.labels["species"][0]]
    assert np.array_equal(np.asarray(ten.images[0]), np.asarray(train.images[first]))


def test_search_embeds_in_the_precision_of_the_profile(tiny, tmp_path):
    narrow = {"search_on": {"mini-imagenette": 20}, "encoders": ("mini_vicreg_resnet",)}
    keys = {}
    for precision in Precision:
        profile = tiny.model_copy(update=narrow | {"precision": precision})
        ((_, (found,)),) = room.search_embeddings(profile, tmp_path, None, "cpu", False)
        keys[found.key] = found.array
    full, half = keys.values()
    assert full.shape == half.shape and not np.array_equal(full, half)


def test_stratified_subset_keeps_the_shares():
    part = load_dataset("mini-imagewoof", partition="train").subset(100, stratify=True)
    assert part.labels["species"].value_counts().tolist() == [10] * 10


def test_every_clusterer_is_searched_in_two_steps(found):
    report, _ = found
    steps = report.groupby("clusterer")["step"].value_counts().unstack(fill_value=0)
    assert (steps.drop("ac_without_c")["reduction"] == 2).all()
    assert steps.loc["ac_without_c"].to_dict() == {"reduction": 0, "settings": 2}
    assert steps.loc["spectral", "settings"] == 4 and steps.loc["hdbscan", "settings"] == 4
    sets = report[["ami_mini-imagenette", "ami_mini-imagewoof"]]
    assert np.allclose(report["ami"], sets.mean(axis=1))


def test_the_chosen_recipes_are_the_best_and_can_be_read(found, tmp_path):
    report, _ = found
    table = chosen_recipes(report)
    path = tmp_path / "own.csv"
    table.to_csv(path, index=False)
    for clusterer in room.COMMON.keys() | {"ac_without_c"}:
        recipe = recipe_for("raw_pixels", clusterer, path=path)
        rows = report[(report["clusterer"] == clusterer) & (report["step"] == "settings")]
        winner = rows.loc[rows["ami"].idxmax()]
        assert recipe.reduction.method == winner["reducer"]
        assert dict(recipe.settings).get("damping") == (
            winner["damping"] if clusterer == "affinity_propagation" else None
        )
    with_c = recipe_for("raw_pixels", "ac_with_c", path=path)
    without_c = recipe_for("raw_pixels", "ac_without_c", path=path)
    assert with_c.reduction == without_c.reduction
    assert dict(with_c.settings).items() < dict(without_c.settings).items()


def test_a_finished_search_is_read(found, tiny, monkeypatch):
    report, build = found
    monkeypatch.setattr(room, "search_encoder", None)
    again = search(tiny, build=build, progress=False)
    pd.testing.assert_frame_equal(again, report)


def test_best_of_equals_is_the_first():
    first, second = Recipe("kmeans", Reduction()), Recipe("kmeans", Reduction(zscore=True))
    trials = [Trial("e", "reduction", r, {"a": 0.2, "b": 0.4}) for r in (first, second)]
    assert best(trials) is first
    better = Trial("e", "reduction", second, {"a": 0.6, "b": 0.1})
    assert best([*trials, better]) is second
    failed = Trial("e", "reduction", first, {"a": float("nan"), "b": 0.9})
    assert best([failed, better]) is second
    with pytest.raises(RecipeError, match="no recipe of kmeans works with e"):
        best([failed])


def test_a_recipe_that_fails_is_not_chosen(blobs):
    X, y = blobs
    labels = pd.DataFrame({"species": y.astype(str)})
    facts = load_dataset("mini-imagenette", partition="train").facts
    one = room.SearchSet(Embeddings(X, labels, facts, "key", np.arange(len(X))), {})
    assert np.isnan(one.ami(Recipe("kmeans", Reduction("umap", n_components=100))))
    assert one.ami(Recipe("kmeans", Reduction())) == 1


def test_a_profile_that_names_nothing_to_search_on(tiny):
    with pytest.raises(ProfileError, match="search_on"):
        search(tiny.model_copy(update={"search_on": {}}))


def digits_embeddings(name, X, y):
    facts = replace(load_dataset("digits").facts, name=name, label="digit")
    return Embeddings(X, pd.DataFrame({"digit": y.astype(str)}), facts, name, np.arange(len(X)))


def test_what_does_not_fit_into_memory_has_no_part_and_says_so(
    blobs, tmp_path, monkeypatch, caplog
):
    X, y = blobs
    small, large = digits_embeddings("small", X, y), digits_embeddings("large", X, y)
    n_large = 50_000
    sizes = {"small": (len(X), 2048), "large": (n_large, 2048)}
    # Needs of sizes that no test has memory for: predicted, as for real ones.
    lying = [
        replace(one, array=np.broadcast_to(np.float32(0), sizes[one.facts.name]))
        for one in (small, large)
    ]
    lacks = room.lacks_of_memory(lying, 20e9)
    assert set(lacks) == {"ac_with_c", "affinity_propagation"}
    assert all(set(names) == {"large"} for names in lacks.values())
    assert lacks["affinity_propagation"]["large"].endswith("of memory; 20.0 GB are there")
    assert room.lacks_of_memory(lying, 1e15) == {}

    monkeypatch.setattr(room, "REDUCTIONS", (Reduction(),))
    monkeypatch.setattr(room, "THRESHOLDS", (5.0,))
    monkeypatch.setattr(room, "lacks_of_memory", lambda embeddings, memory: lacks)
    _, report = room.run_search("xent_resnet50", [small, large], tmp_path, 20e9)
    left_out = report[report["clusterer"].isin(["ac_with_c", "ac_without_c"])]
    assert left_out["ami_large"].isna().all() and left_out["ami_small"].notna().all()
    assert left_out["ami"].equals(left_out["ami_small"])
    assert left_out["reason"].str.startswith("large needs about").all()
    others = report[report["clusterer"].isin(["kmeans", "hdbscan", "spectral"])]
    assert others["ami_large"].notna().all() and others["reason"].isna().all()
    assert set(chosen_recipes(report)["clusterer"]) == {*room.COMMON, "ac_without_c"}

    # It is read where it is whole, and made again where it is not.
    (file,) = (tmp_path / "search").glob("*.csv")
    file.write_text(file.read_text()[:2000])
    _, again = room.run_search("xent_resnet50", [small, large], tmp_path, 20e9)
    assert f"{file} is damaged" in caplog.text and again.equals(report)

    # Of a clusterer that fits nowhere there is no recipe; with more memory it is searched again.
    nowhere = {"kmeans": {"small": "needs more", "large": "needs more"}}
    monkeypatch.setattr(room, "lacks_of_memory", lambda embeddings, memory: nowhere)
    _, again = room.run_search("xent_resnet50", [small, large], tmp_path, 1e9)
    assert set(again["clusterer"]) == {*room.COMMON, "ac_without_c"} - {"kmeans"}
    assert room.table_of_trials([]).columns.tolist()[:2] == ["clusterer", "encoder"]


def test_encoders_without_weights_do_not_end_a_search(tiny, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("WEIGHTS_ROOT", str(tmp_path / "empty"))
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    narrow = {"search_on": {"mini-imagenette": 20}}
    lacking = ("dino_vitb16_ft", "vicreg_resnet50_ft")
    profile = tiny.model_copy(update=narrow | {"encoders": (lacking[0], "raw_pixels", lacking[1])})
    found = room.search_embeddings(profile, tmp_path, None, "cpu", False)
    assert [name for name, _ in found] == ["raw_pixels"]
    assert f"not searched, for want of their weights: {', '.join(lacking)}" in caplog.text
    nothing = profile.model_copy(update={"encoders": lacking})
    with pytest.raises(ProfileError, match="no weights are there for any encoder"):
        search(nothing, build=tmp_path, progress=False)


def test_the_shipped_recipes_are_the_best_of_the_shipped_trials():
    """So do the numbers that notebook 6 shows belong to the recipes that the profile uses."""
    table = load_profile("mini").recipe_table
    trials = pd.read_csv(trials_file(table))
    keys = ["clusterer", "encoder"]
    picked, shipped = (
        frame.set_index(keys).sort_index() for frame in (chosen_recipes(trials), pd.read_csv(table))
    )
    pd.testing.assert_frame_equal(picked, shipped, check_dtype=False)


def test_datasets_that_choose_nothing_are_refused_before_the_work(tiny):
    each_its_own = tiny.model_copy(update={"search_on": {"mini-imagenette": 10}})
    match = "mini-imagenette .10 images.: AMI is undefined, as every sample has a class of its own"
    with pytest.raises(ProfileError, match=match):
        search(each_its_own)


def test_degenerate_embeddings_choose_nothing(blobs, caplog):
    X, y = np.ones_like(blobs[0]), blobs[1]
    one = room.SearchSet(digits_embeddings("same", X, y), {})
    assert np.isnan(one.ami(Recipe("kmeans", Reduction())))
    assert "has no result on same: all 90 embeddings are the same" in caplog.text
    few = room.SearchSet(digits_embeddings("few", blobs[0][:3], np.arange(3)), {})
    assert np.isnan(few.ami(Recipe("spectral", Reduction())))
    assert "3 clusters need 4 samples or more in spectral clustering, not 3" in caplog.text
