import shutil
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from zsc_utils.encoders.base import EncoderFacts
from zsc_utils.errors import EmbeddingsError, RecipeError
from zsc_utils.recipes import Recipe, Reduction
from zsc_utils.reduction import reduce
from zsc_utils.study import reductions
from zsc_utils.sweep.cells import Cell, plan
from zsc_utils.sweep.comparison import (
    COLUMNS,
    Setting,
    compare_one,
    compare_reductions,
    compared_encoders,
)
from zsc_utils.sweep.comparison import (
    reductions as asked,
)
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.run import embed_jobs

SMALL = {"pca": [2, 70], "pacmap": [2], "tsne": [2]}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def small():
    """Two datasets, 60 images each, as they are."""
    profile = load_profile("smoke", datasets=["digits", "mini-inat"], encoders=["raw_pixels"])
    return profile.model_copy(update={"max_samples": 60})


@pytest.fixture(scope="module")
def compared(small, tmp_path_factory):
    """Their comparison, and the folder that holds it."""
    build = tmp_path_factory.mktemp("compared")
    with pytest.raises(EmbeddingsError, match="sweep first"):
        compare_reductions(small, build=build)
    embed_jobs(plan(small), build, {"device": "cpu", "progress": False})
    return compare_reductions(small, jobs=2, build=build, dimensions=SMALL, progress=False), build


@pytest.mark.parametrize("name", ["pacmap", "tsne"])
def test_manifold_methods_repeat_and_keep_neighbours(name, blobs):
    X, y = blobs
    reduction = Reduction(name, n_components=2)
    memo = {}
    first = reduce(X, reduction, seed=3, memo=memo)
    assert first.shape == (90, 2) and first.dtype == np.float32
    np.testing.assert_array_equal(first, reduce(X, reduction, seed=3))
    # What the memo holds is not computed again.
    (key,) = memo
    memo[key] = marked = np.zeros((90, 2), np.float32)
    assert reduce(X, reduction, seed=3, memo=memo) is marked
    centres = np.array([first[y == c].mean(axis=0) for c in range(3)])
    nearest = ((first[:, None] - centres) ** 2).sum(-1).argmin(1)
    assert (nearest == y).mean() > 0.95


def test_pacmap_does_not_depend_on_threads(blobs):
    import numba

    X, _ = blobs
    before = numba.get_num_threads()
    found = []
    for n in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(n)
        found.append(reduce(X, Reduction("pacmap", n_components=3)))
        assert numba.get_num_threads() == n
    numba.set_num_threads(before)
    np.testing.assert_array_equal(*found)


def test_one_embedding(blobs):
    """Eight dimensions: all reductions find the blobs, and none gives more dimensions than that."""
    X, y = blobs
    setting = Setting(asked({"pca": (2, 9), "pacmap": (2,)}), ("kmeans", "ac_with_c"), (1, 2))
    rows = compare_one(X, pd.Series(y), 5, setting, {})
    assert len(rows) == 2 * 4 * 2
    failed = rows[rows["n_components"] == 9]
    assert set(failed["status"]) == {"failed"} and failed["ami"].isna().all()
    assert failed["reason"].str.contains("8 dimensions cannot be reduced to 9").all()
    ok = rows.drop(failed.index)
    assert (ok.loc[ok["clusterer"] == "ac_with_c", "ami"] == 1).all()
    assert ok.loc[ok["reduction"] == "none", "n_components"].isna().all()


def test_comparison_is_complete(compared, small):
    table, _ = compared
    assert list(table.columns) == list(COLUMNS)
    assert set(table["dataset"]) == set(small.datasets)
    # None, PCA twice, PaCMAP, t-SNE; three clusterers; two datasets.
    assert len(table) == 5 * 3 * 2
    failed = table["n_components"] == 70
    assert table.loc[failed, "ami"].isna().all()
    assert table.loc[~failed, "ami"].between(-0.5, 1).all()
    assert table.loc[~failed, "reason"].eq("").all()
    assert "6 of them have no AMI" in reductions.say_comparison(table)


def test_comparison_is_read_again_and_resumed(compared, small):
    """What is there is read; what is damaged is computed again, to the same bit in one process."""
    table, build = compared
    files = sorted((build / "reductions_compared").rglob("*.csv"))
    assert len(files) == 2
    files[0].write_text("cut sho")
    shutil.rmtree(build / "cache" / "reductions")
    kept = files[1].stat().st_mtime_ns
    again = compare_reductions(small, build=build, dimensions=SMALL, progress=False)
    pd.testing.assert_frame_equal(again, table)
    assert files[1].stat().st_mtime_ns == kept and len(files[0].read_text()) > 100


def test_clusterers_without_memory_are_skipped(compared, small, monkeypatch):
    _, build = compared
    monkeypatch.setattr("zsc_utils.sweep.comparison.memory_available", lambda: 1e6)
    table = compare_reductions(small, build=build, dimensions=SMALL, progress=False)
    assert set(table["status"]) == {"skipped"} and len(table) == 30
    assert table["reason"].str.contains("1 MB are there").all()


def test_clusterer_without_common_settings(small):
    with pytest.raises(RecipeError, match="ac_without_c"):
        compare_reductions(small, clusterers=["ac_without_c"])


def job(name, backbone, method, labels=False, fine_tuned_from=None, absent=""):
    facts = EncoderFacts(name, name.title(), backbone, None, method, labels, fine_tuned_from)
    return SimpleNamespace(encoder=facts, absent=absent)


def test_encoders_are_chosen_by_facts():
    roster = [
        job("raw", "none", "none"),
        job("rand", "A", "random"),
        job("sup", "A", "X-Ent", True),
        job("tuned", "A", "DINO", True, "dino"),
        job("anyhow", "A", "unknown", None),
        job("vicreg", "A", "VICReg"),
        job("dino", "A", "DINO"),
        job("other", "B", "DINO"),
        job("away", "B", "X-Ent", True, absent="no weights"),
    ]
    assert compared_encoders(roster, ["sup"]) == ["sup", "vicreg"]
    assert compared_encoders(roster, ["sup", "away"]) == ["sup", "vicreg"]
    assert compared_encoders(roster, ["away"]) == ["raw"]
    assert compared_encoders(roster[-1:], ["away"]) == []


# Two datasets, one encoder, one clusterer; AMI in percent, by hand.
AMIS = {
    ("none", None): (20, 40),
    ("pca", 2): (10, 10),
    ("pca", 50): (25, 35),
    ("umap", 50): (40, 50),
    ("pacmap", 50): (20, np.nan),
}


@pytest.fixture
def comparison():
    rows = [
        {
            "dataset": dataset,
            "dataset_name": dataset.upper(),
            "group": group,
            "encoder": "e",
            "encoder_name": "E",
            "clusterer": clusterer,
            "clusterer_name": clusterer.upper(),
            "reduction": reduction,
            "n_components": n,
            "seed": 1,
            "ami": (amis[i] + shift) / 100,
            "status": "ok",
            "reason": "" if amis[i] == amis[i] else "too few samples",
        }
        for (reduction, n), amis in AMIS.items()
        for i, (dataset, group) in enumerate([("a", "Near"), ("b", "Far")])
        for clusterer, shift in (("k", 0), ("h", 10))
    ]
    return pd.DataFrame(rows)


def test_curves(comparison):
    curves = reductions.reduction_curves(comparison)
    at = curves.set_index(["clusterer", "reduction", "n_components"])["mean"]
    assert at["k", "umap", 50] == pytest.approx(45) and at["h", "umap", 50] == pytest.approx(55)
    assert at["all", "umap", 50] == pytest.approx(50)
    none = curves[(curves["reduction"] == "none") & (curves["clusterer"] == "k")].iloc[0]
    # 20 and 40: a standard error of 10; t of one degree of freedom at 97.5 % is 12.706205.
    expected = [30, 30 - 127.06205, 30 + 127.06205, 2]
    assert none[["mean", "low", "high", "n"]].tolist() == pytest.approx(expected)
    # Where one dataset has no AMI, the mean is over the other.
    assert set(curves.loc[curves["reduction"] == "pacmap", "n"]) == {1}
    written = reductions.written_curves(curves)
    assert written.index.tolist() == ["none", "PCA 2", "PCA 50", "UMAP 50", "PaCMAP 50"]
    assert written.loc["UMAP 50", "K"] == "45.0 [−18.5, 108.5]"
    assert written.loc["PaCMAP 50", "all clusterers"] == "25.0"


def test_a_dataset_counts_only_where_all_its_embeddings_do(comparison):
    other = comparison.assign(encoder="f", ami=comparison["ami"] + 0.2)
    lost = (other["reduction"] == "umap") & (other["dataset"] == "b")
    both = pd.concat([comparison, other[~lost]], ignore_index=True)
    curves = reductions.reduction_curves(both).set_index(["clusterer", "reduction", "n_components"])
    # Mean of 40 and 60 on dataset a; b would compare one encoder with two.
    assert curves.loc[("k", "umap", 50), ["mean", "n"]].tolist() == pytest.approx([50, 1])


def test_differences(comparison):
    differences = reductions.dataset_differences(comparison)
    one = differences[differences["clusterer"] == "k"].set_index(["pair", "dataset"])["difference"]
    assert one["UMAP 50 − none", "a"] == pytest.approx(20)
    assert one["UMAP 50 − PCA 50", "b"] == pytest.approx(15)
    means = reductions.reduction_differences(differences)
    row = means[(means["pair"] == "UMAP 50 − none") & (means["clusterer"] == "all")].iloc[0]
    expected = [15, 15 - 63.53102, 15 + 63.53102, 2, 2]
    assert row[["mean", "low", "high", "n", "above"]].tolist() == pytest.approx(expected)
    # Of four ways to flip two signs, two lie as far from zero.
    assert row["p"] == pytest.approx(0.5)
    pacmap = means[means["pair"] == "PaCMAP 50 − none"]
    assert set(pacmap["n"]) == {1} and pacmap["p"].isna().all()
    assert "t-SNE 2 − none" not in set(means["pair"])
    assert reductions.dataset_differences(comparison.iloc[:0]).empty


def test_curves_are_drawn(comparison):
    figure = reductions.plot_reduction_curves(reductions.reduction_curves(comparison))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["K", "H", "all clusterers"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        *("none", "PCA", "UMAP", "PaCMAP")
    ]
    axes = figure.axes[0]
    assert axes.get_xscale() == "log" and axes.get_xticks().tolist() == [2, 50]
    lines = {line.get_label(): line for line in axes.lines}
    assert set(lines["none"].get_ydata()) == {30}
    umap = next(c for c in axes.containers if c.get_label() == "UMAP")
    ((_, low), (_, high)) = umap.lines[2][0].get_segments()[0]
    assert umap.lines[0].get_ydata() == pytest.approx([45])
    assert (low, high) == pytest.approx((45 - 63.53102, 45 + 63.53102))


def test_a_reduction_has_one_marker_in_all_panels(comparison):
    """PCA is lacking after H: UMAP is drawn there as it is after K."""
    lost = comparison["clusterer"].eq("h") & comparison["reduction"].eq("pca")
    figure = reductions.plot_reduction_curves(reductions.reduction_curves(comparison[~lost]))
    umap = [c.lines[0] for axes in figure.axes for c in axes.containers if c.get_label() == "UMAP"]
    assert len(umap) == 3
    assert {(line.get_marker(), line.get_linestyle()) for line in umap} == {("s", "--")}


def test_differences_are_drawn(comparison):
    differences = reductions.dataset_differences(comparison)
    means = reductions.reduction_differences(differences)
    figure = reductions.plot_reduction_differences(differences, means)
    axes = figure.axes[0]
    pairs = [label.get_text() for label in axes.get_yticklabels()]
    assert pairs[::-1] == [
        "UMAP 50 − none",
        "UMAP 50 − PCA 50",
        "PCA 50 − none",
        "PaCMAP 50 − none",
    ]
    (diamonds,) = axes.containers
    assert diamonds.lines[0].get_xdata() == pytest.approx([15, 15, 0, 0])
    texts = {t.get_text() for t in figure.legends[0].get_texts()}
    assert texts == {"Near", "Far", "mean, 95 % interval"}
    dots = np.concatenate([c.get_offsets()[:, 0] for c in axes.collections[:2]])
    assert len(dots) == 7 and dots.max() == pytest.approx(20)


def recipe_jobs():
    cells = [
        ("kmeans", Reduction("umap", n_components=50), ()),
        ("ac_with_c", Reduction("pca", variance=0.8, zscore=True), (("linkage", "ward"),)),
        ("hdbscan", Reduction(zscore=True), ()),
    ]
    return [
        SimpleNamespace(
            encoder=SimpleNamespace(display=name.title()),
            cells=[(Cell("d", name, c, 1, "key"), Recipe(c, r, s)) for c, r, s in cells],
        )
        for name in ("one", "two")
    ]


def test_recipes_are_listed_counted_and_drawn():
    choices = reductions.recipe_choices(recipe_jobs() * 2)
    assert len(choices) == 6
    row = choices.set_index(["encoder", "clusterer"]).loc[("one", "ac_with_c")]
    assert row[["kind", "reduction", "settings"]].tolist() == ["PCA", "PCA 80%", "linkage ward"]
    counts = reductions.count_choices(choices)
    assert counts.columns.tolist() == ["z-score", "PCA", "UMAP"]
    assert counts.loc["K-means"].tolist() == [0, 0, 2]
    assert counts.loc["all clusterers"].tolist() == [2, 2, 2]
    figure = reductions.plot_recipe_grid(choices)
    assert [t.get_text() for t in figure.axes[0].texts[:3]] == ["UMAP 50", "PCA 80%", "z-score"]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["One", "Two"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["z-score", "PCA", "UMAP"]


def test_trials_are_read_and_averaged(tmp_path):
    assert reductions.read_trials(tmp_path / "no.csv") is None
    reducers = [("none", None, None, False), ("pca", None, 0.8, True), ("umap", 50, None, False)]
    rows = [
        ("kmeans", encoder, *reducer, step, ami)
        for encoder, shift in (("a", 0), ("b", 0.2))
        for reducer, ami in zip(reducers, (0.1 + shift, 0.3 + shift, 0.2 + shift), strict=True)
        for step in ("reduction", "settings")
    ]
    columns = ["clusterer", "encoder", "reducer", "n_components", "pca_variance", "zscore"]
    frame = pd.DataFrame(rows, columns=[*columns, "step", "ami"])
    frame.loc[frame["step"] == "settings", "ami"] = 0
    frame.to_csv(tmp_path / "trials.csv", index=False)
    means = reductions.search_curves(reductions.read_trials(tmp_path / "trials.csv"))
    assert means["K-means"].to_dict() == pytest.approx({"none": 20, "PCA 80%": 40, "UMAP 50": 30})
    bold = [t.get_fontweight() for t in reductions.plot_search_heatmap(means).axes[0].texts]
    assert bold == ["normal", "bold", "normal"]


def test_findings(comparison):
    curves = reductions.reduction_curves(comparison)
    means = reductions.reduction_differences(reductions.dataset_differences(comparison))
    counts = reductions.count_choices(reductions.recipe_choices(recipe_jobs()))
    text = reductions.say_reductions(curves, means, counts)
    assert (
        "**UMAP 50 − none**: +15.0 points on average over 2 datasets, 95 % interval [-48.5, 78.5], "
        "p = 0.5; above zero on 2 of them; the interval holds zero." in text
    )
    assert "**PCA 50 − none**" in text and "the interval holds zero" in text
    assert "one dataset tells nothing about others" in text and "nan" not in text
    assert "Dimensions, PCA: mean AMI from 15.0 % (at 2) to 35.0 % (at 50)." in text
    assert "Of 6 recipes of this profile, by reduction: 2 z-score, 2 PCA, 2 UMAP." in text
    nothing = reductions.say_reductions(curves.iloc[:0], means.iloc[:0], counts)
    assert "**Undecided**" in nothing
    assert "**Nothing** was compared" in reductions.say_comparison(comparison.iloc[:0])


def test_nothing_to_compare_is_drawn_as_such(comparison):
    empty = comparison.iloc[:0]
    curves = reductions.reduction_curves(empty)
    differences = reductions.dataset_differences(empty)
    means = reductions.reduction_differences(differences)
    for figure in (
        reductions.plot_reduction_curves(curves),
        reductions.plot_reduction_differences(differences, means),
    ):
        assert figure.axes[0].texts[0].get_text().startswith("no ")
    assert reductions.written_curves(curves).empty


@pytest.mark.parametrize(
    ("same", "classes", "status", "reason"),
    [
        (True, "xyz", "degenerate", "all 90 embeddings are the same"),
        (False, "x", "ok", "AMI is undefined: there is one class only"),
    ],
)
def test_what_no_number_is_right_for_has_none_and_says_why(blobs, same, classes, status, reason):
    X, y = blobs
    truth = pd.Series([classes[i % len(classes)] for i in y])
    setting = Setting(asked({"pca": [2]}), ("kmeans", "hdbscan"), (1,))
    found = compare_one(np.ones_like(X) if same else X, truth, 5, setting, {})
    assert found["ami"].isna().all() and len(found) == 4
    assert set(found["status"]) == {status} and set(found["reason"]) == {reason}
