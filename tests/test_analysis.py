import numpy as np
import pandas as pd
import pytest
from made_up import rows
from scipy.stats import spearmanr

from zsc_utils.study import (
    base,
    encoders,
    figures,
    fine_tuning,
    silhouettes,
    stats,
    taxonomy,
    variance,
)


def test_ami_by_encoder(table):
    means = encoders.ami_by_encoder(table).set_index(["dataset", "encoder"])
    assert means.loc[("a", "ref"), ["mean", "n"]].tolist() == pytest.approx([30, 2])
    # Sample standard deviation of 20 and 40, over the square root of two.
    assert means.loc[("a", "ref"), "se"] == pytest.approx(10)
    assert means.loc[("c", "good"), ["mean", "n"]].tolist() == pytest.approx([20, 1])
    assert np.isnan(means.loc[("c", "good"), "se"])


def test_means_are_over_clusterers_that_all_encoders_share():
    """The second clusterer failed for one encoder on one dataset, the third for all of them."""
    table = pd.DataFrame(
        rows("a", "Near", "ref", [0.2, 0.8, np.nan])
        + rows("a", "Near", "good", [0.3, np.nan, np.nan])
        + rows("a", "Near", "rand", [np.nan] * 3)
        + rows("b", "Near", "ref", [0.2, 0.8, 0.5])
        + rows("b", "Near", "good", [0.3, 0.7, 0.2])
    )
    table["ami_by_level"] = [{"class": ami, "genus": ami / 2} for ami in table["ami"]]
    means = encoders.ami_by_encoder(table).set_index(["dataset", "encoder"])["mean"]
    by_hand = {("a", "ref"): 20, ("a", "good"): 30, ("b", "ref"): 50, ("b", "good"): 40}
    assert means.to_dict() == pytest.approx(by_hand)
    assert encoders.mean_ranks(table).loc["Reference", "best on"] == 1
    levels = taxonomy.ami_by_level(table, "a").set_index(["encoder", "level"])["mean"]
    assert levels["ref", "genus"] == pytest.approx(10) and levels["good", "class"] == 30
    alone = encoders.ami_matrices(table)["c1", "C1"]
    assert alone.loc[("Near", "A"), "Reference"] == pytest.approx(80)


def test_ami_tables(table):
    matrix = encoders.ami_matrix(table)
    assert matrix.columns.tolist() == ["Reference", "Good"]
    assert matrix.index.tolist() == [("Near", "A"), ("Near", "B"), ("Far", "C")]
    assert matrix.loc[("Near", "B")].tolist() == pytest.approx([10, 50])
    by_clusterer = encoders.ami_by_clusterer(table)
    assert by_clusterer.loc["Reference"].tolist() == pytest.approx([30, 110 / 3])


def test_differences_pair_clusterers(table):
    found = encoders.paired_differences(table, pd.Series("ref", index=table.index))
    assert set(found["encoder"]) == {"good"} and set(found["reference"]) == {"ref"}
    found = found.set_index("dataset")["difference"]
    # In c one clusterer of the other encoder has no score: the pair does not count.
    assert found.to_dict() == pytest.approx({"a": 10, "b": 40, "c": -40})


def test_group_differences(table):
    found = encoders.group_differences(table, "ref").set_index("group")
    assert found.loc["Near", ["mean", "se", "n"]].tolist() == pytest.approx([25, 15, 2])
    assert found.loc["Far", ["mean", "n"]].tolist() == pytest.approx([-40, 1])
    assert np.isnan(found.loc["Far", "se"])


def test_seeds_are_averaged_first(table):
    table["ami_by_level"] = [{"coarse": ami, "fine": 2 * ami} for ami in table["ami"]]
    table[list(base.SPACES)] = 0.5
    again = table.assign(seed=2, ami=table["ami"] + 0.1)
    both = pd.concat([table, again], ignore_index=True)
    means = encoders.ami_by_encoder(both).set_index(["dataset", "encoder"])
    # As many results as clusterers, not as clusterers and seeds.
    assert means.loc[("a", "ref"), ["mean", "se", "n"]].tolist() == pytest.approx([35, 10, 2])
    assert taxonomy.ami_by_level(both, "a", ["coarse", "fine"])["n"].eq(2).all()
    found = encoders.group_differences(both, "ref").set_index("group")
    assert found.loc["Near", "mean"] == pytest.approx(25)


def test_one_reference_for_each_backbone(table):
    table.loc[table["dataset"] == "c", "backbone"] = "other net"
    found = encoders.group_differences(table, {"net": "ref"})
    assert found["group"].tolist() == ["Near"] and found["mean"].tolist() == pytest.approx([25])


def test_fine_tuning_gains(table):
    table.loc[table["encoder"] == "good", "fine_tuned_from"] = "ref"
    gains = fine_tuning.fine_tuning_gains(table)
    assert gains["encoder"].tolist() == ["good", "good"]
    assert gains["mean"].tolist() == pytest.approx([25, -40])
    text = fine_tuning.say_gains(gains)
    assert (
        "**Near** (2 datasets): AMI rises for 1 of 1 encoders; the mean change is 25.0 points"
        in text
    )
    assert "Good by -40.0 points." in text


def test_nothing_fine_tuned(table):
    assert fine_tuning.fine_tuning_gains(table).empty


def test_unscored(table):
    table.loc[0, ["status", "reason"]] = ["not_converged", "too few steps"]
    assert len(base.unscored(table)) == 2
    assert len(base.with_score(table)) == 11
    sentence = base.say_cells(table)
    assert "12 results: 3 datasets × 2 encoders × 2 clusterers" in sentence
    assert "1 of c0 (not converged)" in sentence


def test_ami_by_level():
    levels = [{"fine": 0.4, "coarse": 0.2, "place": 0}, {"fine": 0.5, "coarse": 0.4, "place": 0}]
    table = pd.DataFrame(rows("a", "Near", "ref", [0.4, 0.5], ami_by_level=levels))
    means = taxonomy.ami_by_level(table, "a", ["coarse", "fine"])
    assert means["level"].tolist() == ["coarse", "fine"]
    assert means["mean"].tolist() == pytest.approx([30, 45])
    assert means["se"].tolist() == pytest.approx([10, 5])
    assert taxonomy.ami_by_level(table, "a")["level"].tolist() == ["fine", "coarse", "place"]
    text = taxonomy.say_best_levels({"A": means})
    assert "**A**: of 1 encoders AMI is highest at fine for 1." in text
    assert "45.0 % (Reference, fine)" in text
    assert "From coarse to fine AMI rises for 1 of them; the median change is 15.0 points." in text
    assert "no dataset" in taxonomy.say_best_levels({})


def test_ami_by_group(table):
    found = encoders.ami_by_group(table).set_index(["group", "encoder"])
    # Near: means over clusterers 30 and 10 of the reference, 40 and 50 of the other.
    assert found.loc[("Near", "ref"), ["mean", "se", "n"]].tolist() == pytest.approx([20, 10, 2])
    assert found.loc[("Near", "good"), ["mean", "se"]].tolist() == pytest.approx([45, 5])
    assert np.isnan(found.loc[("Far", "ref"), "se"])
    written = encoders.written_by_group(found.reset_index())
    assert written.columns.tolist() == ["Near (2 datasets)", "Far (1 dataset)"]
    assert written.loc["Reference"].tolist() == ["20.0 ± 10.0", "60.0"]


def test_absent_datasets_are_counted(table):
    absent = table[table["dataset"] == "c"].assign(dataset="d", dataset_name="D", ami=np.nan)
    both = pd.concat([table, absent.assign(status="absent")], ignore_index=True)
    found = encoders.group_differences(both, "ref")
    assert found["n"].tolist() == [2, 1] and found["asked"].tolist() == [2, 2]
    assert base.say_cells(both).startswith("12 results: 3 datasets")
    assert "1 of 4 datasets are absent: D." in base.say_cells(both)
    written = base.datasets_of_group(found)
    assert written == {"Near": "2 datasets", "Far": "1 of 2 datasets"}
    assert (
        encoders.written_by_group(encoders.ami_by_group(both)).columns[1].endswith("of 2 datasets)")
    )


def test_mean_ranks(table):
    ranks = encoders.mean_ranks(table)
    assert ranks.index.tolist() == ["Good", "Reference"]
    assert ranks["mean rank"].tolist() == pytest.approx([4 / 3, 5 / 3])
    assert ranks["best on"].tolist() == [2, 1]


def test_best_by_dataset(table):
    best = encoders.best_by_dataset(table)
    found = best[["dataset_name", "encoder_name", "clusterer_name"]].to_numpy().tolist()
    assert found == [["A", "Good", "C0"], ["B", "Good", "C1"], ["C", "Reference", "C0"]]
    assert best["ami"].tolist() == pytest.approx([50, 70, 60])


def test_who_is_compared(table):
    table.loc[table["dataset"] == "a", "method"] = "random"
    table.loc[table["dataset"] == "b", "method"] = "none"
    assert set(base.without_baselines(table)["dataset"]) == {"c"}
    table.loc[table["dataset"] == "b", "fine_tuned_from"] = "ref"
    assert set(base.not_fine_tuned(table)["dataset"]) == {"a", "c"}


def test_typical_curves():
    def curve(dataset, variance):
        dims = np.arange(1, len(variance) + 1)
        columns = {"dims": dims, "relative": dims / 4, "variance": variance}
        return pd.DataFrame(columns).assign(encoder="ref", dataset_name=dataset)

    curves = pd.concat([curve("A", [0.5, 0.8, 1.0]), curve("B", [0.7, 1.0])], ignore_index=True)
    found = variance.typical_curves(curves)
    # In B two components are all there are: its third point is 1.
    assert found["median"].tolist() == pytest.approx([0.6, 0.9, 1.0])
    assert found["low"].tolist() == pytest.approx([0.55, 0.85, 1.0])
    assert found["relative"].tolist() == pytest.approx([0.25, 0.5, 0.75])


def test_variance_curve():
    curve = variance.variance_curve(np.array([0.6, 0.3, 0.1]), n_dims=6)
    assert curve["dims"].tolist() == [1, 2, 3]
    assert curve["relative"].tolist() == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert curve["variance"].tolist() == pytest.approx([0.6, 0.9, 1.0])
    curves = curve.assign(encoder="ref", encoder_name="Reference", dataset_name="A")
    dims = variance.dims_for_variance(curves, (0.5, 0.9, 0.95))
    assert dims["dims"].tolist() == [1, 2, 3]
    assert "90% of the variance in 2 dimensions" in variance.say_dims(dims)


def test_silhouette_correlation(following):
    found = silhouettes.silhouette_correlation(following, resamples=200)
    found = found.set_index(["space", "clusterer"])
    umap = found.loc["silhouette_umap"]
    assert umap["rho"].tolist() == pytest.approx([1, -1])
    assert umap.loc["c0", ["low", "high"]].tolist() == pytest.approx([1, 1])
    assert umap["n"].tolist() == [8, 8]
    mine = following.query("encoder == 'ref' and clusterer == 'c0'")
    expected = spearmanr(mine["ami"], mine["silhouette_original"]).statistic
    original = found.loc[("silhouette_original", "c0")]
    assert original["rho"] == pytest.approx(expected)
    assert -1 <= original["low"] < original["rho"] < original["high"] <= 1
    again = silhouettes.silhouette_correlation(following, resamples=200)
    assert again.equals(found.reset_index()[again.columns])


def test_spearman_is_scipys_row_by_row():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 6, (5, 12)).astype(float), rng.normal(size=(5, 12))
    expected = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    assert np.allclose(stats.spearman(a, b), expected)
    assert np.isnan(stats.spearman(np.ones(5), np.arange(5.0)))


def test_bootstrap_draws_whole_datasets():
    datasets = pd.Series(["a", "b", "a", "c", "b"], index=[9, 8, 7, 6, 5])
    rng = np.random.default_rng(0)
    for chosen in stats.resampled_clusters(datasets, 20, rng):
        counts = np.bincount(chosen, minlength=5)
        # As often one row of a dataset as the other; three datasets in all.
        assert counts[0] == counts[2] and counts[1] == counts[4]
        assert counts[0] + counts[1] + counts[3] == 3
    assert list(stats.resampled_clusters(datasets.iloc[:0], 3, rng)) == []


def test_silhouette_correlation_of_too_little(following):
    few = following[following["dataset"].isin(["d0", "d1"])]
    correlations = (
        silhouettes.silhouette_correlation(few),
        silhouettes.correlation_by_supervision(few),
    )
    assert "Undecided" in silhouettes.say_correlation(*correlations)
    assert silhouettes.silhouette_correlation(few, resamples=20)["rho"].isna().all()
    following["silhouette_umap"] = np.nan
    found = silhouettes.silhouette_correlation(following, resamples=20)
    assert found.loc[found["space"] == "silhouette_umap", "n"].eq(0).all()


def test_silhouette_ranks(following):
    ranks = silhouettes.silhouette_ranks(following)
    assert set(ranks["encoder"]) == {"ref"}
    chosen = ranks[(ranks["space"] == "silhouette_umap") & (ranks["clusterer"] == "c1")]
    assert chosen["ami_rank"].tolist() == list(range(1, 9))
    assert chosen["silhouette_rank"].tolist() == list(range(8, 0, -1))


def test_correlation_by_supervision(following):
    without = following[following["encoder"] == "ref"].assign(
        encoder="good", method="DINO", labels=False, silhouette_umap=lambda t: -t["silhouette_umap"]
    )
    tuned = without.assign(encoder="tuned", labels=True, fine_tuned_from="good")
    unknown = without.assign(encoder="any", labels=None)
    found = silhouettes.correlation_by_supervision(pd.concat([following, without, tuned, unknown]))
    umap = found[found["space"] == "silhouette_umap"].set_index(["trained", "clusterer"])
    assert umap.loc[("without labels", "c0"), ["rho", "n"]].tolist() == pytest.approx([-1, 8])
    # The supervised and the fine-tuned encoder, whose ranks run against each other.
    assert umap.loc[("with labels", "c0"), "n"] == 16
    assert abs(umap.loc[("with labels", "c0"), "rho"]) < 0.9


def test_sentences_about_encoders(table):
    text = encoders.say_encoders(
        encoders.ami_by_group(table),
        encoders.mean_ranks(table),
        encoders.group_differences(table, "ref"),
    )
    assert "**Good** ranks best: 1.3 on average among 2 encoders, highest AMI on 2 datasets" in text
    assert "**Near** (2 datasets): highest mean AMI: Good 45.0 %; Reference 20.0 %." in text
    assert "**Near** (2 datasets): above Reference on average: Good by 25.0 ± 15.0 points." in text
    assert "**Far** (1 dataset): above Reference on average: none." in text


def test_sentences_about_silhouettes(following):
    correlation = silhouettes.silhouette_correlation(following, resamples=200)
    split = silhouettes.correlation_by_supervision(following)
    text = silhouettes.say_correlation(correlation, split)
    assert "Encoders trained with labels, UMAP space: median ρ = 0.00." in text
    assert "without labels" not in text
    assert "**Silhouette in the UMAP space**: median ρ = 0.00 over 2 clusterers" in text
    assert "above zero for 1 of them" in text


def test_where_all_is_absent_the_reasons_are_said():
    rows = pd.DataFrame(
        {"dataset": "digits", "status": "absent", "reason": ["no weights of A", "no weights of B"]}
    )
    text = base.say_cells(rows)
    assert text.startswith("**No results**: all 2 cells are absent.")
    assert "- no weights of A\n- no weights of B" in text
    assert "digits" not in text and "converged" not in text


def test_undefined_ami_is_no_part_of_means_and_counted(table):
    """Dataset b has one class only: stored results have None for every AMI of it."""
    table.loc[table["dataset"] == "b", "ami"] = np.nan
    table.loc[table["dataset"] == "b", "reason"] = "AMI is undefined: there is one class only"
    by_group = encoders.ami_by_group(table).set_index(["group", "encoder"])
    near = by_group.loc[("Near", "ref")]
    assert (near["mean"], near["n"], near["asked"]) == (pytest.approx(30), 1, 2)
    assert encoders.ami_by_encoder(table)["dataset"].unique().tolist() == ["a", "c"]
    assert encoders.ami_by_clusterer(table).loc["Reference", "C0"] == pytest.approx(100 * 0.8 / 2)
    lacking = base.unscored(table[table["dataset"] == "b"])
    assert lacking["status"].tolist() == ["undefined"] * 4
    assert "2 of c0 (undefined)" in base.say_cells(table)
    alone = base.say_few_datasets(by_group.head(0).reset_index(), table[table["dataset"] == "b"])
    assert (
        "**Near**: nothing to compare; none of its 1 datasets has a result (1 of undefined AMI)"
        in alone
    )


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_level_without_ami_is_empty_and_said(table, seeds):
    levels = [{"kingdom": None, "species": ami, "BIN": 0.5} for ami in table["ami"]]
    table = table.assign(ami_by_level=levels)
    table = pd.concat([table.assign(seed=seed) for seed in range(1, seeds + 1)])
    means = taxonomy.ami_by_level(table, "a", ["kingdom", "species", "BIN"])
    found = means.set_index(["encoder", "level"])
    assert found.loc[("ref", "kingdom"), "n"] == 0 and np.isnan(
        found.loc[("ref", "kingdom"), "mean"]
    )
    assert found.loc[("ref", "species"), ["mean", "n"]].tolist() == pytest.approx([30, 2])
    text = taxonomy.say_best_levels({"A": means})
    assert "**A**: AMI is undefined at kingdom" in text and "From species to BIN" in text
    nothing = table.assign(ami_by_level=[{"kingdom": None}] * len(table))
    means = taxonomy.ami_by_level(nothing, "a", ["kingdom"])
    assert taxonomy.say_best_levels({"A": means}).count("**A**") == 1
    assert len(taxonomy.plot_ami_levels({"A": means}, figures.encoder_styles(table)).axes) == 1
