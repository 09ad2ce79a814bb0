"""What is learnt of criteria and AMI, on made-up tables whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from sklearn.isotonic import IsotonicRegression

from zsc_utils.errors import UnknownNameError
from zsc_utils.own import calibration
from zsc_utils.own.calibration import calibrate, quantile_over_sets
from zsc_utils.study import expected_ami, sums_of_criteria
from zsc_utils.study.sums_of_criteria import regrets

BOTH = ("agreement_clusterers", "silhouette_original")


def made_up(n_sets=6, cuts=2, numbers=(2, 4, 8), offset=0.1, noise=0.0, seed=0):
    """Sets whose AMI is a sum of criteria, and of what a cut adds to all its clusterings."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n_sets):
        for cut in range(cuts):
            added = rng.normal(0, offset)
            for encoder in ("a", "b"):
                for clusterer, told in (("kmeans", numbers), ("hdbscan", (None,))):
                    for number in told:
                        agreement, silhouette = rng.uniform(0, 1), rng.uniform(0, 0.5)
                        ami = 0.2 + added + 0.5 * agreement + 0.3 * silhouette
                        rows.append(
                            {
                                "set": f"s{i}", "cut": cut, "n": 100 * (i + 1),
                                "encoder": encoder, "clusterer": clusterer, "told": number,
                                "n_clusters": number or 5, "silhouette_umap": silhouette,
                                "silhouette_original": silhouette,
                                "agreement_clusterers": agreement,
                                "ami": ami + rng.normal(0, noise),
                            }
                        )  # fmt: skip
    return pd.DataFrame(rows)


def test_weights_are_recovered_whatever_a_cut_adds():
    weights = sums_of_criteria.ranking_weights(made_up(offset=5), BOTH)
    assert list(weights.index) == list(BOTH)
    np.testing.assert_allclose(weights, [0.5, 0.3], atol=1e-9)


def test_every_set_weighs_the_same():
    # One set says 1, with a hundred cuts; another says 0, with one.
    many, few = made_up(1, cuts=100), made_up(1, cuts=1, seed=1)
    many["ami"], few["ami"] = many["agreement_clusterers"], 0.0
    few["set"] = "few"
    weights = sums_of_criteria.ranking_weights(pd.concat([many, few], ignore_index=True), BOTH)
    assert 0.3 < weights["agreement_clusterers"] < 0.7


def test_an_undefined_criterion_counts_nothing():
    weights = pd.Series({"agreement_clusterers": 2.0, "silhouette_original": 1.0})
    table = pd.DataFrame({"agreement_clusterers": [1.0, np.nan], "silhouette_original": [1.0, 3.0]})
    assert sums_of_criteria.weighted_sum(table, weights).tolist() == [3, 3]
    assert sums_of_criteria.weighted_sum(table[["silhouette_original"]], weights).tolist() == [1, 3]


def test_the_score_is_agreement_times_the_root_of_the_silhouette():
    table = pd.DataFrame(
        {"silhouette_umap": [0.25, -0.2, np.nan, 0.04], "agreement_clusterers": [0.6, 1, 1, np.nan]}
    )
    assert calibration.rank_scores(table).tolist() == pytest.approx([0.3, 0, 0, 0.2])


def test_quantiles_count_each_set_once():
    values = pd.Series([1.0, 2, 3, 4, 10, 20])
    sets = pd.Series(["a"] * 4 + ["b", "c"])
    # A third for each set: 1/12, 2/12, 3/12, 4/12, 8/12, 1.
    for share, expected in ((0, 1), (0.1, 2), (0.3, 4), (0.5, 10), (0.7, 20), (1, 20), (1.2, 20)):
        assert quantile_over_sets(values, sets, share) == expected
    shuffled = values.sample(frac=1, random_state=0)
    assert quantile_over_sets(shuffled, sets[shuffled.index], 0.3) == 4
    assert quantile_over_sets(values, sets, -0.1) == 1


def test_the_level_is_an_isotonic_regression_of_sets_alike():
    rows = made_up(noise=0.1)
    rows.loc[::7, "silhouette_umap"] = np.nan
    rows = rows[(rows["set"] != "s0") | (rows["cut"] == 0)]
    known = rows.dropna(subset=["silhouette_umap"])
    weights = 1 / rows.groupby("set")["ami"].transform("size")[known.index]
    plain = IsotonicRegression().fit(known["silhouette_umap"], known["ami"], weights)
    at = np.linspace(known["silhouette_umap"].min(), known["silhouette_umap"].max(), 50)
    level = calibration.read_off(rows).predict(at)
    np.testing.assert_allclose(level, plain.predict(at))
    assert (np.diff(level) >= 0).all()


def test_regret_by_hand():
    table = pd.DataFrame(
        {
            "set": ["s", "s", "s", "s", "t", "t"],
            "cut": [0, 0, 1, 1, 0, 0],
            "ami": [0.9, 0.5, 0.2, 0.3, 0.6, 0.8],
        },
        index=[10, 11, 12, 13, 14, 15],
    )
    scores = pd.Series([1.0, 2, 3, np.nan, 5, 6], index=table.index)
    found = regrets(table, scores)
    # 0.4 of the first cut, 0.1 of the second.
    assert found.loc["s", "regret"] == pytest.approx(0.25)
    assert found.loc["t", "regret"] == 0 and found.loc["t", "rho"] == pytest.approx(1)


def new_set(rng, name, rows, between, within):
    silhouette = rng.uniform(0, 1, rows)
    ami = 0.2 + 0.5 * silhouette + rng.normal(0, between) + rng.normal(0, within, rows)
    return pd.DataFrame({"set": name, "silhouette_umap": silhouette, "ami": ami})


@pytest.mark.parametrize("n_sets", [9, 16])
@pytest.mark.parametrize("between, within", [(1, 0), (1, 0.5), (0.3, 1)])
def test_intervals_hold_as_many_new_sets_as_they_say(n_sets, between, within, monkeypatch):
    # Errors themselves, as of sets whose level is known.
    monkeypatch.setattr(calibration, "errors_left_out", lambda rows: rows["ami"])
    rng, covered = np.random.default_rng(0), []
    sets = pd.Series(np.repeat(np.arange(n_sets), 5))
    for _ in range(700):
        errors = rng.normal(0, between, n_sets + 1)[:, None]
        errors = errors + rng.normal(0, within, (n_sets + 1, 5))
        known = pd.DataFrame({"set": sets, "ami": errors[:-1].ravel()})
        covered.append((abs(errors[-1]) <= calibration.margin(known)).mean())
    spread = np.std(covered) / np.sqrt(len(covered))
    assert calibration.INSIDE - spread < np.mean(covered) < 0.93


def test_intervals_hold_new_sets_whose_level_is_learnt_too():
    rng, covered = np.random.default_rng(0), []
    for _ in range(40):
        known = pd.concat([new_set(rng, i, 6, 0.1, 0.05) for i in range(16)], ignore_index=True)
        margin = calibration.margin(known)
        new = new_set(rng, "new", 6, 0.1, 0.05)
        error = new["ami"] - calibration.read_off(known).predict(new["silhouette_umap"])
        covered.append(error.abs().le(margin).mean())
    spread = np.std(covered) / np.sqrt(len(covered))
    assert np.mean(covered) > calibration.INSIDE - 2 * spread


def test_coverage_learns_nothing_of_the_set_that_it_counts(monkeypatch):
    seen = []
    monkeypatch.setattr(
        calibration,
        "calibrate",
        lambda table, known=calibrate: seen.append(set(table["set"])) or known(table),
    )
    table = made_up(noise=0.05)
    elsewhere = expected_ami.learnt_elsewhere(table)
    assert [6 - len(names) for names in seen] == [1] * 6
    assert all(name not in names for name, names in zip(elsewhere, seen, strict=True))
    found = expected_ami.coverage_by_set(expected_ami.expected(table, elsewhere))
    assert found["covered"].between(0, 100).all() and (found["width"] > 0).all()


def test_nothing_is_said_outside_of_what_was_measured():
    learnt = calibrate(made_up(noise=0.05))
    row = pd.Series({"n": 300, "n_clusters": 4, "silhouette_umap": 0.3})
    assert learnt.caveat(row) == ""
    for changed, words in (
        ({"n": 99}, "99 images are outside what was measured, sets of 100 to 600"),
        ({"n": 601}, "601 images are outside"),
        ({"n_clusters": 9}, "9 clusters are outside what was measured, 2 to 8"),
        ({"silhouette_umap": 0.99}, "a silhouette of 0.99 is outside what was measured"),
        ({"silhouette_umap": np.nan}, "it has no silhouette"),
    ):
        caveat = learnt.caveat(pd.Series({**row, **changed}))
        assert caveat.startswith(words)


def test_intervals_stay_between_chance_and_the_same_groups():
    learnt = calibrate(made_up(noise=0.3))
    low, middle, high = learnt.interval([0.0, 0.25, 0.5])
    assert (low <= middle).all() and (middle <= high).all()
    assert low.min() >= 0 and high.max() <= 1
    assert (np.diff(middle) >= 0).all()


def test_a_set_can_be_left_out_by_name():
    table = made_up()
    table.loc[table["set"] == "s0", "ami"] = 0.0
    whole, without = calibrate(table), calibrate(table, without="s0")
    assert whole.interval([0.5])[1] < without.interval([0.5])[1]
    assert without.seen.loc["min", "n"] == 200
    with pytest.raises(UnknownNameError, match="did you mean s0"):
        calibrate(table, without="s00")


def test_tolerance_is_what_the_best_number_lacks_in_four_sets_of_five():
    rows = []
    for i in range(5):
        for number, ami in ((2, 0.1), (4, 0.9), (8, 0.5)):
            rows.append({"set": i, "cut": 0, "encoder": "a", "clusterer": "kmeans"})
            rows[-1] |= {"told": number, "ami": ami}
    table = pd.DataFrame(rows)
    # Eight clusters have a higher score than the best, by 0, 0.1, 0.2, 0.3, 0.4.
    scores = pd.Series([s for i in range(5) for s in (0, 1 - 0.1 * i, 1.0)])
    assert calibration.tolerance(table, scores) == pytest.approx(0.3)


def test_what_was_measured_is_learnt_from():
    table = calibration.measured()
    assert calibration.BASELINE not in set(table["encoder"])
    assert (table["n_clusters"] >= 2).all() and table["set"].nunique() == 16
    learnt = calibrate(without="flowers5")
    assert 0 < learnt.margin < 1
    assert learnt.tolerance > 0


def test_every_set_that_was_measured_has_a_source():
    sources = pd.read_csv(calibration.SOURCES)
    assert sources["set"].tolist() == sorted(calibration.measured()["set"].unique())
    assert sources.notna().all(axis=None)
