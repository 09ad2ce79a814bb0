"""Differences with their uncertainty, regret of choices, spread over seeds: worked out by hand."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import NAMES, rows

from zsc_utils.study import (
    base,
    encoders,
    figures,
    fine_tuning,
    reductions,
    silhouettes,
    tables,
    taxonomy,
    variance,
)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def table():
    """Three datasets near, one far; `good` is `ref` fine-tuned; one clusterer."""
    amis = {"a": (0.2, 0.3), "b": (0.1, 0.3), "c": (0.3, 0.6), "d": (0.6, 0.5)}
    parts = []
    for dataset, (ref, good) in amis.items():
        group = "Far" if dataset == "d" else "Near"
        spaces = {"silhouette_original": [0.9], "silhouette_umap": [0.1]}
        parts += rows(dataset, group, "ref", [ref], **spaces)
        spaces = {"silhouette_original": [0.1], "silhouette_umap": [0.9]}
        parts += rows(dataset, group, "good", [good], **spaces)
    found = pd.DataFrame(parts)
    found.loc[found["encoder"] == "good", "fine_tuned_from"] = "ref"
    return found


def test_differences_say_how_sure_they_are(table):
    found = encoders.group_differences(table, "ref").set_index("group")
    near = found.loc["Near"]
    # 10, 20 and 30 points: SD 10; of the eight ways to give them signs two are as far out.
    assert near[["mean", "se", "n"]].tolist() == pytest.approx([20, 10 / np.sqrt(3), 3])
    assert near["p"] == pytest.approx(2 / 8)
    # t of two degrees of freedom at 97.5 % is 4.302653, the standard error 5.773503.
    assert near[["low", "high"]].tolist() == pytest.approx([20 - 24.84138, 20 + 24.84138])
    assert found.loc["Far", ["se", "low", "high", "p"]].isna().all()
    nothing = encoders.group_differences(table, "absent")
    assert nothing.empty and {"low", "high", "p", "mean"} <= set(nothing)


def test_written_differences(table):
    written = encoders.written_differences(encoders.group_differences(table, "ref"))
    assert written.index.tolist() == [("Near", "Good"), ("Far", "Good")]
    assert written.loc[("Near", "Good")].tolist() == ["20.0 ± 5.8", "[−4.8, 44.8]", 0.25, 3]
    assert written.loc[("Far", "Good"), "difference"] == "−10.0"
    assert written.loc[("Far", "Good"), ["95 % interval", "p"]].isna().all()


def test_before_and_after(table):
    written = fine_tuning.written_gains(fine_tuning.fine_tuning_gains(table), table)
    assert written.index.tolist() == [("Near", "Reference"), ("Far", "Reference")]
    near = written.loc[("Near", "Reference")]
    assert near[["before", "after", "gain"]].tolist() == ["20.0 ± 5.8", "40.0 ± 10.0", "20.0 ± 5.8"]
    assert fine_tuning.fine_tuned_pairs(table) == {"good": "ref"}
    assert fine_tuning.fine_tuned_pairs(table[table["encoder"] == "good"]) == {}


def test_rows_of_one_group_stand_together(table):
    other = table[table["encoder"] == "good"].assign(encoder="tuned", encoder_name="Tuned")
    both = pd.concat([table, other], ignore_index=True)
    for written in (
        encoders.written_differences(encoders.group_differences(both, "ref")),
        fine_tuning.written_gains(fine_tuning.fine_tuning_gains(both), both),
    ):
        groups = written.index.get_level_values(0).tolist()
        assert groups == ["Near", "Near", "Far", "Far"]


def test_ranks_have_intervals(table):
    ranks = encoders.mean_ranks(table)
    # Good is first on three datasets of four.
    assert ranks.loc["Good", ["mean rank", "best on"]].tolist() == pytest.approx([1.25, 3])
    assert ranks.loc["Good", "se"] == pytest.approx(0.25)
    # t of three degrees of freedom at 97.5 % is 3.182446.
    assert ranks.loc["Good", ["low", "high"]].tolist() == pytest.approx([0.4543884, 2.0456116])
    figure = encoders.plot_rank_intervals(ranks, figures.encoder_styles(table))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Good", "Reference"]
    assert axes.containers[0].lines[0].get_xdata() == pytest.approx([1.25])
    assert "no cell" in encoders.plot_rank_intervals(ranks.iloc[:0], {}).axes[0].texts[0].get_text()


def test_matrix_of_each_clusterer(table):
    table.loc[table["dataset"] == "d", ["clusterer", "clusterer_name"]] = ["c1", "Other"]
    found = encoders.ami_matrices(table)
    assert {name: len(matrix) for name, matrix in found.items()} == {
        ("c0", "C0"): 3,
        ("c1", "Other"): 1,
    }
    assert found["c1", "Other"].loc[("Far", "D")].tolist() == pytest.approx([60, 50])


def test_figure_shows_intervals_and_errors(table):
    found = encoders.group_differences(table, "ref")
    axes = encoders.plot_difference_by_group(found, figures.encoder_styles(table)).axes[0]
    thin = [c for c in axes.collections if c.get_linewidth()[0] == pytest.approx(0.6)]
    # The group of one dataset has no interval: nothing is drawn there.
    drawn = [s for lines in thin for s in lines.get_segments() if len(s)]
    assert len(drawn) == 1 and drawn[0][:, 1] == pytest.approx([-4.84138, 44.84138])
    thick = axes.containers[0].lines[2][0]
    assert thick.get_linewidth()[0] == 2
    half = 10 / np.sqrt(3)
    assert thick.get_segments()[0][:, 1] == pytest.approx([20 - half, 20 + half])


def test_mae_is_picked_out(table):
    raw = table[table["encoder"] == "ref"].assign(encoder="raw", encoder_name="Raw", ami=0.0)
    table = pd.concat([table, raw], ignore_index=True)
    tuned = table["encoder"] == "good"
    table.loc[tuned, ["encoder_name", "method"]] = ["MAE [FT]", "MAE (avg)"]
    styles = figures.encoder_styles(table)
    bands = {}
    gains = fine_tuning.fine_tuning_gains(table)
    differences = encoders.group_differences(table, "raw")
    pairs = fine_tuning.fine_tuned_pairs(table)
    for figure in (
        fine_tuning.plot_gains_by_group(gains, styles),
        fine_tuning.plot_before_and_after(differences, pairs, styles),
    ):
        axes = figure.axes[0]
        legend = figure.legends[0] if figure.legends else axes.get_legend()
        weights = {text.get_text(): text.get_fontweight() for text in legend.get_texts()}
        assert weights.pop("MAE [FT]") == "bold" and set(weights.values()) <= {"normal"}
        bands[len(weights)] = len(axes.patches)
    # A band in each of the two groups, in both figures.
    assert bands == {0: 2, 1: 2}
    lines = [line for line in axes.lines if line.get_linewidth() == 3]
    assert lines[0].get_ydata() == pytest.approx([20, 40])
    plain = fine_tuning.plot_gains_by_group(
        gains, {name: style | {"method": "DINO"} for name, style in styles.items()}
    )
    assert not plain.axes[0].patches


def test_nothing_before_or_after(table):
    differences = encoders.group_differences(table, "ref")
    # The reference itself is what was fine-tuned: it has no distance to itself.
    figure = fine_tuning.plot_before_and_after(
        differences, {"good": "ref"}, figures.encoder_styles(table)
    )
    assert "no encoder" in figure.axes[0].texts[0].get_text()


def test_regret_of_choosing_an_encoder(table):
    two = table[table["dataset"].isin(["a", "d"])]
    found = silhouettes.regrets(two, "encoder", ["ref", "not there"])
    wide = found.pivot(index="dataset", columns="way", values="regret")
    # a: 20 and 30 (good is best); d: 60 and 50 (the reference is).
    assert wide["highest S, original space"].tolist() == pytest.approx([10, 0])
    assert wide["highest S, UMAP space"].tolist() == pytest.approx([0, 10])
    assert wide["at random"].tolist() == pytest.approx([5, 5])
    assert wide["best on other datasets"].tolist() == pytest.approx([10, 10])
    assert wide["always Reference"].tolist() == pytest.approx([10, 0])
    hits = found.pivot(index="dataset", columns="way", values="hit")
    assert hits["at random"].tolist() == [0.5, 0.5]
    assert hits["highest S, UMAP space"].tolist() == [1, 0]
    ways = silhouettes.regrets_by_way(silhouettes.regrets_by_dataset(found)).set_index("way")
    umap = ways.loc["highest S, UMAP space"]
    assert umap[["mean", "se", "hits", "saved", "n"]].tolist() == pytest.approx([5, 5, 50, 0, 2])
    assert ways.loc["best on other datasets", "saved"] == pytest.approx(-5)
    assert ways["mean"].is_monotonic_increasing
    assert np.isnan(ways.loc["at random", "saved"])


def test_regret_of_choosing_a_clusterer():
    spaces = {"silhouette_original": [0.5, np.nan, 0.2], "silhouette_umap": [np.nan] * 3}
    table = pd.DataFrame(rows("a", "Near", "ref", [0.2, 0.9, 0.4], **spaces))
    found = silhouettes.regrets(table, "clusterer").set_index("way")
    # The best has no silhouette: it can be missed, not chosen.
    assert found.loc["highest S, original space", "regret"] == pytest.approx(70)
    assert found.loc["at random", "regret"] == pytest.approx(40)
    assert set(found.index) == {"highest S, original space", "at random"}
    assert found["other"].tolist() == ["ref", "ref"]


def test_nothing_to_choose_between(table):
    alone = silhouettes.regrets(table[table["encoder"] == "ref"], "encoder", ["ref"])
    assert alone.empty
    by_dataset = silhouettes.regrets_by_dataset(alone)
    ways = silhouettes.regrets_by_way(by_dataset)
    figure = silhouettes.plot_regrets({"choosing": (by_dataset, ways)})
    assert "no dataset" in figure.axes[0].texts[0].get_text()


def test_regret_figure(table):
    by_dataset = silhouettes.regrets_by_dataset(silhouettes.regrets(table, "encoder"))
    ways = silhouettes.regrets_by_way(by_dataset)
    empty = (by_dataset.iloc[:0], ways.iloc[:0])
    figure = silhouettes.plot_regrets({"choosing the encoder": (by_dataset, ways), "other": empty})
    (axes,) = figure.axes
    assert axes.get_title() == "choosing the encoder" and "regret" in axes.get_xlabel()
    assert [label.get_text() for label in axes.get_yticklabels()] == ways["way"].tolist()
    assert [c.lines[0].get_xdata()[0] for c in axes.containers] == pytest.approx(ways["mean"])
    ticks = [line for line in axes.lines if line.get_marker() == "|"]
    assert [len(line.get_xdata()) for line in ticks] == ways["n"].tolist()


def test_spread_over_seeds(table):
    again = table.assign(seed=2, ami=table["ami"] + np.where(table["dataset"] == "a", 0.1, 0.02))
    again.loc[again["dataset"] == "d", "ami"] = np.nan
    found = base.spread_over_seeds(pd.concat([table, again], ignore_index=True))
    # Two encoders: SD of two values is their distance over √2: 10 points in a, 2 in b and c.
    expected = np.array([(10 + 2 + 2) / 3, 2, 10]) / np.sqrt(2)
    assert found.loc["C0", ["mean", "median", "largest"]].tolist() == pytest.approx(expected)
    assert found["cells"].tolist() == [6]
    assert base.spread_over_seeds(table).empty


def test_correlation_is_written_with_its_interval():
    facts = {"clusterer_name": ["K", "H"], "space_name": ["original", "original"]}
    numbers = {"rho": [0.514, np.nan], "low": [0.2, np.nan], "high": [0.7, np.nan]}
    table = pd.DataFrame(facts | numbers)
    written = silhouettes.written_correlation(table)
    assert written.loc["K", "original"] == "0.51 [0.20, 0.70]"
    assert written.index.tolist() == ["K", "H"] and written["original"].isna().tolist() == [0, 1]
    apart = silhouettes.written_correlation(table.assign(trained="with labels"))
    assert apart.columns.tolist() == [("with labels", "original")]


def test_tables_fold(table):
    shown = {NAMES["ref"] + " <1>": tables.show(encoders.ami_matrix(table))}
    page = tables.fold(shown).data
    assert page.count("<details>") == 1 and "<summary>Reference &lt;1&gt;</summary>" in page


def test_sentences_about_certainty(table):
    found = encoders.group_differences(table, "ref")
    text = base.say_few_datasets(found, table)
    assert "no standard error, interval or p for Far." in text
    assert "0.25 for Near (3). So 0 of 1 groups could show a difference at the 5 % level" in text
    more = found.assign(n=[6, 2])
    assert "0.0312 for Near (6), 0.5 for Far (2). So 1 of 2" in base.say_few_datasets(more, table)
    none = table.assign(ami=np.nan)
    assert "no cell has a result" in base.say_seeds(none, base.spread_over_seeds(none))


def test_sentences_about_one_method_picked_out(table):
    gains = fine_tuning.fine_tuning_gains(table)
    assert "no encoder of it was fine-tuned" in fine_tuning.say_picked_out(gains)
    assert "no other encoder was fine-tuned" in fine_tuning.say_picked_out(gains, "Good")
    # Near: 20 against 5; far: −10 against −4.
    other = gains.assign(encoder="mae", encoder_name="MAE [FT]", mean=[5.0, -4.0])
    text = fine_tuning.say_picked_out(pd.concat([gains, other], ignore_index=True))
    assert "in 1 of 2 groups" in text and "Near -15.0, Far +6.0" in text


def test_sentences_about_choices(table):
    by_dataset = silhouettes.regrets_by_dataset(silhouettes.regrets(table, "encoder"))
    ways = silhouettes.regrets_by_way(by_dataset)
    text = silhouettes.say_regrets({"encoder": ways, "clusterer": ways.iloc[:0]})
    # The reference, which S of the original space takes, loses 10, 20, 30 and 0 points.
    assert "loses 15.0 points in the original space (not surely better than a random" in text
    assert "2.5 points in the UMAP space (" in text and "a random choice loses 8.8" in text
    assert "25 % (original space), 75 % (UMAP space) of cases; chance would in 50 %." in text
    assert "**Choosing the clusterer** by S: undecided" in text


def test_ranks_that_intervals_do_not_tell_apart(table):
    text = encoders.say_encoders(
        encoders.ami_by_group(table),
        encoders.mean_ranks(table),
        encoders.group_differences(table, "ref"),
    )
    assert "Of the 1 others, 1 have a mean rank whose 95 % interval overlaps with its own." in text
    assert "The 95 % interval lies above zero for 0 and below for 0 of 1." in text
    assert (
        "There is no interval: one dataset, or the same difference on each, has no spread." in text
    )


def test_what_is_the_same_on_every_dataset_has_no_interval_and_that_is_said(table):
    same = table[table["dataset"].isin(["a", "c"])].assign(ami=[0.1, 0.4, 0.2, 0.5])
    ranks, found = encoders.mean_ranks(same), encoders.group_differences(same, "ref")
    assert ranks["low"].isna().all() and found["low"].isna().all() and found["n"].tolist() == [2]
    text = encoders.say_encoders(encoders.ami_by_group(same), ranks, found)
    assert "It has one rank on every dataset there is" in text and "nan" not in text
    row = found.iloc[0].rename({"encoder_name": "pair"})
    assert "over 2 datasets; the same on each." in reductions.say_difference(row)


def test_dimensions_are_written_with_their_span():
    curve = variance.variance_curve(np.array([0.6, 0.3, 0.1]), 6)
    steep = variance.variance_curve(np.array([0.9, 0.05, 0.05]), 6)
    names = {"encoder": "ref", "encoder_name": "Reference"}
    curves = [curve.assign(dataset_name="A", **names), steep.assign(dataset_name="B", **names)]
    dims = variance.dims_for_variance(pd.concat(curves, ignore_index=True), (0.5, 0.9))
    written = variance.written_dims(dims)
    assert written.loc["Reference"].to_dict() == {"50%": "1 [1, 1]", "90%": "2 [1, 2]"}
    assert variance.median_dims(dims).loc["Reference"].tolist() == [1, 1.5]
    nothing = variance.typical_curves(variance.variance_curves([]))
    assert "no dataset" in variance.plot_variance_curves(nothing, {}).axes[0].texts[0].get_text()


def test_level_matrix_keeps_its_order():
    levels = [{"fine": 0.4, "coarse": 0.2}]
    parts = [rows("a", "Near", name, [0.4], ami_by_level=levels) for name in ("ref", "good")]
    means = taxonomy.ami_by_level(pd.DataFrame([*parts[0], *parts[1]]), "a", ["fine", "coarse"])
    matrix = taxonomy.level_matrix(means)
    assert matrix.index.tolist() == ["Reference", "Good"]
    assert matrix.columns.tolist() == ["fine", "coarse"]
    assert matrix.loc["Good"].tolist() == pytest.approx([40, 20])


def test_best_of_each_group(table):
    by_group = encoders.ami_by_group(table)
    marks = encoders.best_by_group(by_group)
    assert marks.columns.tolist() == encoders.written_by_group(by_group).columns.tolist()
    assert marks.loc["Good"].tolist() == [True, False]


def test_references_of_a_profile():
    assert encoders.references("a") == ["a"]
    assert encoders.references({"net": "a", "other": "b", "third": "a"}) == ["a", "b"]
