from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import rows
from PIL import Image

from zsc_utils.study import clusterers, samples
from zsc_utils.sweep.cells import Cell, plan
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.results import results, write_row
from zsc_utils.sweep.run import embed_jobs

KINDS = ("kmeans", "ac_without_c", "hdbscan")
DISPLAY = dict(zip(KINDS, ("K-means", "AC w/o C", "HDBSCAN"), strict=True))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def clustering(dataset, clusterer, clusters, classes, encoder="e", X=None, seed=1):
    """A finished cell whose image i is of brightness i."""
    shades = [Image.new("RGB", (4, 4), (i, i, i)) for i in range(len(clusters))]
    return SimpleNamespace(
        cell=Cell(dataset, encoder, clusterer, seed, "key"),
        job=SimpleNamespace(
            dataset=SimpleNamespace(facts=SimpleNamespace(display=dataset.title())),
            encoder=SimpleNamespace(display=encoder.title()),
        ),
        clusters=np.array(clusters),
        classes=pd.Series(classes, dtype=object),
        embeddings=SimpleNamespace(array=X),
        images=shades,
    )


def frame(results):
    """Results of (dataset, encoder, clusterer, ami, n_clusters, fraction, ami_clustered)."""
    parts = []
    for dataset, encoder, clusterer, ami, n_clusters, fraction, ami_clustered in results:
        (row,) = rows(dataset, "Near" if dataset == "a" else "Far", encoder, [ami])
        parts.append(
            row
            | {"clusterer": clusterer, "clusterer_name": DISPLAY[clusterer], "n_classes": 10}
            | {"n_clusters": n_clusters, "fraction_clustered": fraction}
            | {"ami_clustered": ami_clustered, "seconds": n_clusters / 10}
        )
    return pd.DataFrame(parts)


@pytest.fixture
def table():
    """Two datasets, two encoders, three clusterers, of which the last leaves samples out."""
    return frame(
        [
            ("a", "ref", "kmeans", 0.9, 10, 1, 0.9),
            ("a", "ref", "ac_without_c", 0.8, 40, 1, 0.8),
            ("a", "ref", "hdbscan", 0.5, 5, 0.5, 0.7),
            ("a", "good", "kmeans", 0.8, 10, 1, 0.8),
            ("a", "good", "ac_without_c", 0.9, 10, 1, 0.9),
            ("a", "good", "hdbscan", 0.4, 20, 0.7, 0.6),
            ("b", "ref", "kmeans", 0.3, 10, 1, 0.3),
            ("b", "ref", "ac_without_c", 0.1, 20, 1, 0.1),
            ("b", "ref", "hdbscan", 0.2, 40, 0.9, 0.3),
            ("b", "good", "kmeans", 0.2, 10, 1, 0.2),
            ("b", "good", "ac_without_c", 0.2, 80, 1, 0.2),
            ("b", "good", "hdbscan", 0.0, 0, 0.0, np.nan),
        ]
    )


@pytest.fixture
def clusterings():
    y = list("aabb")
    return [
        clustering("a", "kmeans", [0, 0, 1, 1], y),
        clustering("a", "ac_without_c", [5, 5, 2, 2], y),
        clustering("a", "hdbscan", [0, 1, 0, 1], y),
        clustering("b", "kmeans", [0, 0, 1, 1], y),
        clustering("b", "ac_without_c", [0, 0, 0, 0], y),
        clustering("b", "kmeans", [0, 1, 0, 1], y, seed=2),
    ]


def test_agreement_is_of_the_same_embedding(clusterings):
    """Names of clusters do not count; neither do seeds of different cells."""
    pairs = clusterers.pair_agreement(clusterings)
    assert len(pairs) == 4
    at = pairs.set_index(["dataset", "first", "second"])["agreement"]
    assert at["a", "kmeans", "ac_without_c"] == pytest.approx(100)
    # Four samples in crossed halves share less than chance would give.
    assert at["a", "kmeans", "hdbscan"] == pytest.approx(-50)
    means = clusterers.mean_agreement(pairs)
    row = means.set_index(["first", "second"]).loc[("kmeans", "ac_without_c")]
    assert row[["mean", "low", "high", "n"]].tolist() == pytest.approx(
        # 100 and 0: a standard error of 50; t of one degree of freedom at 97.5 % is 12.706205.
        [50, 50 - 635.31024, 50 + 635.31024, 2]
    )
    square = clusterers.square(means, "mean", 100, list(DISPLAY.values()))
    assert np.diag(square).tolist() == [100] * 3
    pd.testing.assert_frame_equal(square, square.T)
    assert square.loc["AC w/o C", "K-means"] == pytest.approx(50)


def test_correlation_within_datasets_leaves_their_difficulty_out(table):
    found = clusterers.clusterer_correlation(table).set_index(["first", "second"])
    both = found.loc[("kmeans", "ac_without_c")]
    # Ranks 4 3 2 1 against 3 4 1 2: hard datasets are hard for both …
    assert both["rho"] == pytest.approx(0.6) and both["n"] == 4
    # … but on each dataset the other encoder is better.
    assert both["rho_within"] == pytest.approx(-1)
    assert both["low"] <= 0.6 <= both["high"]
    # Whatever datasets are drawn, ρ within them is the same; of one drawn twice it is, too.
    assert both[["low_within", "high_within"]].tolist() == pytest.approx([-1, -1])
    one = table[table["clusterer"] == "kmeans"]
    assert clusterers.clusterer_correlation(one).empty


def test_pairs_are_written_with_their_intervals(table, clusterings):
    agreement = clusterers.mean_agreement(clusterers.pair_agreement(clusterings))
    written = clusterers.written_pairs(agreement, clusterers.clusterer_correlation(table))
    row = written.loc[("K-means", "AC w/o C")]
    assert row["agreement"] == "50.0 [−585.3, 685.3]"
    assert row["ρ of AMI"].startswith("0.60 [")
    assert row["ρ within datasets"] == "−1.00 [−1.00, −1.00]"
    lacking = clusterers.written_pairs(agreement, clusterers.clusterer_correlation(table.iloc[:0]))
    assert lacking["ρ of AMI"].isna().all() and len(lacking) == len(written)


def test_a_pair_stands_the_same_way_round_where_a_first_result_failed(table):
    first = (table["clusterer"] == "kmeans") & (table["dataset"] == table["dataset"].iloc[0])
    without = table.assign(ami=table["ami"].mask(first))
    pairs = clusterers.clusterer_correlation(without)[["first", "second"]]
    pd.testing.assert_frame_equal(
        pairs, clusterers.clusterer_correlation(table)[["first", "second"]]
    )


def test_clusters_found_against_classes(table):
    found = clusterers.clusters_found(table)
    # K-means is told.
    assert set(found["clusterer"]) == {"ac_without_c", "hdbscan"}
    factors = clusterers.cluster_factors(found).set_index("clusterer_name")
    # Factors 4 and 1 on a, 2 and 8 on b: geometric means 2 and 4.
    ac = factors.loc["AC w/o C"]
    assert ac["factor"] == pytest.approx(np.sqrt(8))
    # The logarithms of 2 and 4 differ by log 2; t of one degree of freedom at 97.5 % is 12.706205.
    reach = np.exp(12.706205 * np.log(2) / 2)
    assert ac[["low", "high"]].tolist() == pytest.approx([np.sqrt(8) / reach, np.sqrt(8) * reach])
    assert ac[["too few", "too many", "within 2", "none", "n"]].tolist() == [0, 75, 50, 0, 4]
    # Half, twice and four times as many, and once none: 1 on a, 4 on b.
    hdbscan = factors.loc["HDBSCAN"]
    assert hdbscan["factor"] == pytest.approx(2)
    assert hdbscan[["too few", "too many", "within 2", "none", "n"]].tolist() == [50, 50, 50, 1, 4]


def test_left_out(table):
    out = clusterers.left_out(table)
    assert set(out["clusterer_name"]) == {"HDBSCAN"} and len(out) == 4
    assert out["left_out"].tolist() == pytest.approx([50, 30, 10, 100])
    assert out["ami_clustered"].iloc[0] == pytest.approx(70) and out["ami"].iloc[0] == 50
    assert clusterers.left_out(table[table["clusterer"] == "kmeans"]).empty


def test_noise_may_come_from_some_classes():
    y = ["x"] * 20 + ["y"] * 20
    only_x = clustering("a", "hdbscan", [-1] * 20 + [0] * 20, y)
    # χ² of a 2 × 2 table with all on the diagonal is n.
    found = clusterers.noise_unevenness([only_x]).iloc[0]
    assert found["unevenness"] == pytest.approx(40) and found["p"] < 1e-6
    assert found[["most", "least"]].tolist() == ["x", "y"]
    assert found[["most_left_out", "least_left_out"]].tolist() == pytest.approx([100, 0])
    both = clustering("a", "hdbscan", ([-1] * 5 + [0] * 15) * 2, y)
    none = clustering("a", "kmeans", [0, 1] * 20, y)
    unlabelled = clustering("a", "hdbscan", [-1, 0], [None, None])
    found = clusterers.noise_unevenness([both, none, unlabelled])
    assert len(found) == 1
    assert found["unevenness"].iloc[0] == pytest.approx(0) and found["p"].iloc[0] == 1


def test_left_out_by_dataset(table):
    y = ["x"] * 20 + ["y"] * 20
    uneven = clusterers.noise_unevenness([clustering("a", "hdbscan", [-1] * 20 + [0] * 20, y)])
    by_dataset = clusterers.left_out_by_dataset(clusterers.left_out(table), uneven)
    a, b = (row for _, row in by_dataset.iterrows())
    assert a[["dataset_name", "most"]].tolist() == ["A", "x"]
    assert a[["left_out", "ami", "ami_clustered", "unevenness"]].tolist() == pytest.approx(
        [40, 45, 65, 40]
    )
    assert b["left_out"] == pytest.approx(55) and pd.isna(b["unevenness"])


def test_times(table):
    times = clusterers.clusterer_times(table)
    assert times.loc["K-means"].tolist() == pytest.approx([1, 1, 4, 4])
    assert clusterers.clusterer_times(table.drop(columns="seconds")).empty


def test_matrices_are_drawn():
    names = ["A", "B"]
    percent = pd.DataFrame([[100, 40], [40, 100]], names, names)
    figure = clusterers.plot_clusterer_matrices({"agreement": percent, "ρ": percent / 100})
    assert [axes.get_title() for axes in figure.axes] == ["agreement", "ρ"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names
    assert [label.get_text() for label in figure.axes[1].get_xticklabels()] == names
    assert [text.get_text() for text in figure.axes[0].texts] == ["100", "40", "40", "100"]
    assert [text.get_text() for text in figure.axes[1].texts] == ["1.00", "0.40", "0.40", "1.00"]
    alone = clusterers.plot_clusterer_matrices({"agreement": percent.iloc[:1, :1]})
    assert "no two clusterers" in alone.axes[0].texts[0].get_text()


def test_clusters_found_are_drawn(table):
    figure = clusterers.plot_clusters_found(clusterers.clusters_found(table))
    assert [axes.get_title() for axes in figure.axes] == ["AC w/o C", "HDBSCAN"]
    axes = figure.axes[1]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    figure.canvas.draw()
    ticks = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert {"5", "10", "50"} <= ticks and "10.0" not in ticks
    dots = np.concatenate([c.get_offsets() for c in axes.collections])
    # The result without clusters has no place.
    assert sorted(dots[:, 1]) == [5, 20, 40] and set(dots[:, 0]) == {10}
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["Near", "Far"]
    told = clusterers.clusters_found(table[table["clusterer"] == "kmeans"])
    assert "told" in clusterers.plot_clusters_found(told).axes[0].texts[0].get_text()


def test_a_group_has_one_marker_in_all_panels(table):
    """Near has no result of HDBSCAN: Far is drawn there as it is for the other clusterer."""
    lost = table["clusterer"].eq("hdbscan") & table["group"].eq("Near")
    panels = clusterers.plot_clusters_found(clusterers.clusters_found(table[~lost])).axes
    far = [dots for axes in panels for dots in axes.collections if dots.get_label() == "Far"]
    assert len(far) == 2
    vertices = [dots.get_paths()[0].vertices for dots in far]
    np.testing.assert_array_equal(*vertices)


def test_clusterers_that_part_nothing_are_undecided(clusterings):
    pairs = clusterers.pair_agreement(clusterings).assign(agreement=np.nan)
    means = clusterers.mean_agreement(pairs)
    assert means["mean"].isna().all() and len(means)
    (sentence,) = clusterers.say_agreement(means, means.iloc[:0])
    assert "undecided" in sentence


def test_left_out_is_drawn(table):
    axes, bar = clusterers.plot_left_out(clusterers.left_out(table)).axes
    dots = axes.collections[0]
    assert dots.get_offsets().tolist() == [
        pytest.approx(point) for point in ([50, 70], [40, 60], [20, 30])
    ]
    assert dots.get_array().tolist() == pytest.approx([50, 30, 10])
    assert "left out" in bar.get_ylabel()


def test_findings(table, clusterings):
    uneven = clusterers.noise_unevenness(
        [clustering("a", "hdbscan", [-1] * 20 + [0] * 20, ["x"] * 20 + ["y"] * 20)]
    )
    agreement = clusterers.mean_agreement(clusterers.pair_agreement(clusterings))
    text = clusterers.say_clusterers(
        agreement,
        clusterers.clusterer_correlation(table),
        clusterers.cluster_factors(clusterers.clusters_found(table)),
        clusterers.left_out(table),
        uneven,
    )
    assert (
        "agree most between **K-means** and **AC w/o C**: AMI 50.0 % [-585.3, 685.3], mean over 2"
        in text
    )
    assert "**AC w/o C**, not told the number of classes, finds 2.83 [0.03, 231.22] times" in text
    assert "between half and twice in 50 %. 1 have no cluster at all." in text
    assert "**HDBSCAN** leaves out 47.5 % of the samples on average" in text
    assert "AMI is 36.7 % with them as one more cluster and 53.3 % over the others alone" in text
    assert "p < 0.05, which chance gives in 5 %, in 100 % of 1." in text and "nan" not in text


def test_findings_say_for_how_many_pairs_the_interval_is_off_zero(table):
    pairs = clusterers.clusterer_correlation(table[table["clusterer"] != "hdbscan"])
    (sentence,) = clusterers.say_clusterers(
        clusterers.mean_agreement(clusterers.pair_agreement([]))
        .reindex([0])
        .assign(mean=50.0, n=2, first_name="K-means", second_name="AC w/o C"),
        pairs,
        *(clusterers.cluster_factors(clusterers.clusters_found(table.iloc[:0])),),
        *(clusterers.left_out(table.iloc[:0]), clusterers.noise_unevenness([])),
    ).splitlines()[2:3]
    assert "within datasets, from -1.00 to -1.00" in sentence
    assert "the 95 % interval lies above zero for 0 of 1 pairs" in sentence


def test_findings_of_one_clusterer_that_is_told(table):
    told = table[table["clusterer"] == "kmeans"]
    text = clusterers.say_clusterers(
        clusterers.mean_agreement(clusterers.pair_agreement([])),
        clusterers.clusterer_correlation(told),
        clusterers.cluster_factors(clusterers.clusters_found(told)),
        clusterers.left_out(told),
        clusterers.noise_unevenness([]),
    )
    assert "**Agreement** is undecided" in text and "**Left out**: nothing by any" in text


# Three clusters on a line: {0 … 5} pure, {6 … 11} half and half, two samples far away.
LINE = np.array([*np.linspace(0, 1, 6), *np.linspace(9, 13, 6), 50, 51, 25])[:, None]
CLUSTERS = [0] * 6 + [1] * 6 + [2] * 2 + [-1]
CLASSES = ["p"] * 6 + ["q", "q", "q", "q", "p", "p"] + ["r", None] + ["q"]


def test_clusters_are_described():
    found = samples.cluster_profile(np.array(CLUSTERS), pd.Series(CLASSES, dtype=object), LINE)
    found = found.set_index("cluster")
    assert found["size"].to_dict() == {-1: 1, 0: 6, 1: 6, 2: 2}
    assert found["main_class"].to_dict() == {-1: "q", 0: "p", 1: "q", 2: "r"}
    # A sample without class does not count.
    assert found["purity"].to_dict() == pytest.approx({-1: 1, 0: 1, 1: 4 / 6, 2: 1})
    assert found["silhouette"].idxmax() == 2 and found.loc[0, "silhouette"] > 0.9
    unlabelled = pd.Series([None] * 15, dtype=object)
    found = samples.cluster_profile(np.zeros(15, int), unlabelled, LINE)
    assert found["purity"].isna().all() and found["silhouette"].isna().all()
    assert found["main_class"].tolist() == [""]


def test_best_and_worst_clusters_and_noise_are_picked():
    one = clustering("a", "hdbscan", CLUSTERS, CLASSES, X=LINE)
    picked = samples.pick_clusters(one, "purity").clusters
    # The cluster of two is too small to be judged.
    assert picked[["role", "cluster"]].to_numpy().tolist() == [
        ["best", 0],
        ["worst", 1],
        ["left out", -1],
    ]
    small = clustering("a", "kmeans", [0, 0, 1], ["p", "q", "p"], X=LINE[:3])
    picked = samples.pick_clusters(small, "purity", n=2).clusters
    assert picked[["role", "cluster"]].to_numpy().tolist() == [["best", 1], ["best", 0]]
    assert samples.pick_clusters(None) is None


def test_images_of_clusters_are_drawn():
    one = clustering("a", "hdbscan", CLUSTERS, CLASSES, X=LINE)
    picked = samples.pick_clusters(one, "purity")
    figure = samples.plot_images(picked, columns=4, seed=0)
    lines = np.array(figure.axes).reshape(3, 4)
    texts = [line[0].get_ylabel() for line in lines]
    assert texts[0] == "best: 6 images\nmostly p (100%)"
    assert texts[1] == "worst: 6 images\nmostly q (67%)"
    assert texts[2] == "left out: 1 image\nmostly q (100%)"

    assert figure.get_suptitle() == "A, E, HDBSCAN; by purity"

    def shown(figure):
        return [int(a.images[0].get_array()[0, 0, 0]) for a in figure.axes if a.images]

    # Image i has brightness i: each row shows members of its own cluster, each once.
    drawn = shown(figure)
    assert [CLUSTERS[i] for i in drawn] == [0] * 4 + [1] * 4 + [-1]
    assert len(set(drawn)) == 9
    assert shown(samples.plot_images(picked, columns=4, seed=0)) == drawn
    assert shown(samples.plot_images(picked, columns=4, seed=1)) != drawn
    by_silhouette = samples.pick_clusters(one, "silhouette")
    label = samples.plot_images(by_silhouette, columns=2).axes[0].get_ylabel()
    assert label.startswith("best: 6 images, S = 0.9")
    assert "no clustering" in samples.plot_images(None).axes[0].texts[0].get_text()


def test_typical_dataset(table):
    assert samples.typical_dataset(table) == "a"
    assert samples.typical_dataset(table[:0]) is None


def test_best_clustering_is_read(class_folders, tmp_path, monkeypatch):
    """One seed of two, of the encoder and clusterer whose AMI is highest."""
    name = f"folder:{class_folders}"
    names = {"datasets": [name], "encoders": ["raw_pixels"], "seeds": [1, 2]}
    chosen = load_profile("smoke", **names, clusterers=["kmeans", "hdbscan"])
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path))
    planned = plan(chosen)
    embed_jobs(planned, tmp_path, {"device": "cpu", "progress": False})
    (job,) = planned
    for (cell, _), ami in zip(job.cells, (0.2, 0.3, 0.5, 0.4), strict=True):
        clusters = np.full(12, cell.seed)
        row = {"dataset": name, "encoder": "raw_pixels", "clusterer": cell.clusterer}
        row |= {"seed": cell.seed, "ami": ami, "status": "ok", "reason": "", "n_clusters": 1}
        row |= {"silhouette_original": None, "silhouette_umap": None}
        write_row(cell.path(tmp_path), row, clusters)
    table = results(planned, tmp_path)
    best = samples.best_clustering(chosen, table, name)
    assert (best.cell.clusterer, best.cell.seed, best.row["ami"]) == ("kmeans", 2, 0.5)
    assert best.clusters.tolist() == [2] * 12 and len(best.images) == 12
    assert samples.best_clustering(chosen, table, name, "hdbscan").row["ami"] == 0.4
    assert samples.best_clustering(chosen, table, "another") is None
    assert samples.best_clustering(chosen, table, None) is None


def test_partitions_that_part_nothing_agree_neither_way():
    """Of dataset a, HDBSCAN leaves all out and AC makes one cluster: 0 / 0 is no agreement."""
    a = [
        clustering("a", name, [c] * 4, list("xxyy")) for name, c in (("hdbscan", -1), ("kmeans", 0))
    ]
    b = [clustering("b", name, [0, 0, 1, 1], list("xxyy")) for name in ("hdbscan", "kmeans")]
    pairs = clusterers.pair_agreement([*a, *b])
    assert np.isnan(pairs["agreement"][0]) and pairs["agreement"][1] == pytest.approx(100)
    (mean,) = clusterers.mean_agreement(pairs).to_dict("records")
    assert (mean["mean"], mean["n"]) == (pytest.approx(100), 1)
    (empty,) = clusterers.mean_agreement(pairs[:1]).to_dict("records")
    assert np.isnan(empty["mean"]) and empty["n"] == 0
