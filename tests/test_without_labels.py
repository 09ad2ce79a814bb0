"""Criteria without labels: on made-up tables with known answers, and on the table that is shipped.

Of the shipped one nothing is held that more sets or cuts would change by themselves.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from zsc_utils.book import ledger as ledger_of_the_book
from zsc_utils.own import calibration
from zsc_utils.own.calibration import CRITERIA
from zsc_utils.study import claims, expected_ami, sums_of_criteria, tables, without_labels
from zsc_utils.study.ledger import CLAIMS
from zsc_utils.study.sums_of_criteria import SHIPPED
from zsc_utils.study.without_labels import ELSEWHERE, RANDOM

S, AGREEMENT = "silhouette_umap", "agreement_clusterers"


def row(name, clusterer, told, ami, encoder="e", cut="all", **criteria):
    facts = {"set": name, "cut": cut, "n": 100, "n_classes": 4, "encoder": encoder}
    facts |= {"clusterer": clusterer, "told": told, "n_clusters": told or 5}
    return facts | dict.fromkeys(CRITERIA, 0.5) | criteria | {"ami": ami}


def regret(found, question, name, way):
    here = found[(found["question"] == question) & (found["dataset"] == name)]
    return here.set_index("way").at[way, "regret"]


@pytest.fixture(scope="module")
def shipped():
    return without_labels.fully_measured(calibration.measured())


@pytest.fixture(scope="module")
def sums(shipped):
    return sums_of_criteria.nested_choice(shipped)


@pytest.fixture(scope="module")
def elsewhere():
    return expected_ami.learnt_elsewhere(calibration.measured())


@pytest.fixture(scope="module")
def proposals(elsewhere):
    return expected_ami.expected(calibration.measured(), elsewhere)


@pytest.fixture(scope="module")
def covered(proposals):
    return expected_ami.coverage_by_set(proposals)


def test_cuts_that_lack_a_criterion_are_left_out():
    rows = [row("a", "k", 2, 0.1), row("a", "k", 4, 0.2, dbcv=np.nan)]
    rows += [row("a", "k", told, 0.3, cut="4000 images", stability=np.nan) for told in (2, 4)]
    assert without_labels.fully_measured(pd.DataFrame(rows))["ami"].tolist() == [0.1, 0.2]


def test_the_number_told_nearest_the_classes_is_kept_and_what_is_not_told_stays():
    # Of 4: 3 is nearer than 6 by the ratio (3/4 and 4/6), 5 is nearer than 3.
    table = pd.DataFrame(
        [row("a", "k", told, 0.1 * told) for told in (2, 3, 6)]
        + [row("a", "h", None, 0.7)]
        + [row("b", "k", told, 0.1 * told) for told in (3, 5)]
    )
    found = without_labels.nearest_to_classes(table)
    assert found["told"].tolist() == pytest.approx([3, np.nan, 5], nan_ok=True)


@pytest.fixture
def two_sets():
    """On a the silhouette takes 2 groups, on b 4; agreement the best but for the encoder of a."""
    rows = []
    for name, amis in {"a": (0.2, 0.6), "b": (0.3, 0.5)}.items():
        for encoder, less in (("e", 0.0), ("f", 0.1)):
            for told, ami in zip((2, 4), amis, strict=True):
                high = {"a": 2, "b": 4}[name] == told
                criteria = {S: 0.9 if high else 0.1, AGREEMENT: ami}
                rows.append(row(name, "k", told, ami - less, encoder=encoder, **criteria))
    return pd.DataFrame(rows)


def test_regrets_by_hand(two_sets):
    two_sets.loc[two_sets["encoder"] == "f", S] += 0.01
    found = without_labels.regrets(two_sets, [S, AGREEMENT])
    # Of the encoders, at 4 groups, f has the higher silhouette and 10 points less.
    for name in ("a", "b"):
        assert regret(found, "which encoder", name, S) == pytest.approx(10)
        assert regret(found, "which encoder", name, RANDOM) == pytest.approx(5)
        # e was the best on the other set.
        assert regret(found, "which encoder", name, ELSEWHERE) == pytest.approx(0)
    assert regret(found, "how many clusters", "a", S) == pytest.approx(40)
    assert regret(found, "how many clusters", "b", S) == pytest.approx(0)
    assert regret(found, "how many clusters", "b", AGREEMENT) == pytest.approx(0)
    assert regret(found, "how many clusters", "b", RANDOM) == pytest.approx(10)
    # Both at once: f with 2 groups has 10 %, e with 4 has 60 %.
    assert regret(found, "all at once", "a", S) == pytest.approx(50)
    assert regret(found, "all at once", "a", RANDOM) == pytest.approx(60 - (20 + 60 + 10 + 50) / 4)
    # One clusterer leaves nothing to choose.
    assert "which clusterer" not in set(found["question"])


def test_a_criterion_that_is_undefined_has_no_regret(two_sets):
    table = two_sets.assign(dbcv=np.nan)
    table.loc[table["set"] == "b", "dbcv"] = [np.nan, 0.1, np.nan, np.nan]
    found = without_labels.regrets(table, ["dbcv"])
    here = found[(found["question"] == "all at once") & (found["way"] == "dbcv")]
    assert here.set_index("dataset")["regret"].to_dict() == pytest.approx({"b": 0})


def test_regrets_all_at_once_are_those_of_the_calibration(shipped):
    found = without_labels.regrets(shipped, [S, SHIPPED])
    for way in (S, SHIPPED):
        scores = calibration.rank_scores(shipped) if way == SHIPPED else shipped[way]
        expected = 100 * sums_of_criteria.regrets(shipped, scores)["regret"]
        here = found[(found["question"] == "all at once") & (found["way"] == way)]
        assert here.set_index("dataset")["regret"].to_dict() == pytest.approx(expected.to_dict())


def test_sums_have_the_weights_and_the_regrets_of_the_calibration(shipped, sums):
    found, _ = sums
    assert len(sums_of_criteria.SUMS) == 63 and sums_of_criteria.criteria_of(SHIPPED) == list(
        calibration.RANKED_BY
    )
    for way in (SHIPPED, " + ".join(CRITERIA[:3])):
        scores = calibration.rank_scores(shipped)
        if way != SHIPPED:
            scores = sums_of_criteria.scores_left_out(shipped, way.split(" + "))
        expected = 100 * sums_of_criteria.regrets(shipped, scores)["regret"]
        assert found[way].to_dict() == pytest.approx(expected.to_dict(), abs=1e-6)


def test_the_simplest_sum_within_one_standard_error_of_the_difference():
    # c + d is best; c loses 1 ± 0.5 more on average, d 0.2 ± 0.3, a + b 0.1 ± 0.3 more.
    best, turns = np.array([5.0, 9.0, 20.0, 2.0]), np.array([1, -1, 1, -1])
    regrets = pd.DataFrame(
        {
            "a + b": best + 0.1 + 0.52 * turns,
            "c": best + 1 + 0.9 * turns,
            "c + d": best,
            "d": best + 0.2 + 0.52 * turns,
        }
    )
    compared = sums_of_criteria.compare_sums(regrets)
    assert compared.index.tolist() == ["c + d", "a + b", "d", "c"]
    assert compared["more"].tolist() == pytest.approx([0, 0.1, 0.2, 1])
    assert compared["more_se"].tolist() == pytest.approx([0, 0.3, 0.3, 0.52], abs=0.01)
    assert compared["near"].tolist() == [True, True, True, False]
    assert sums_of_criteria.choose_sum(regrets) == ("c + d", "d")


def test_the_choice_is_made_without_the_set_that_it_is_judged_on():
    """S ranks as AMI does on five sets and takes the worst on the sixth, where DBCV is right."""
    rows = []
    for i in range(6):
        for told, ami in ((2, 0.1), (3, 0.4), (4, 0.9)):
            right, wrong = (ami, 1 - ami)[:: 1 if i < 5 else -1]
            rows.append(row(f"set{i}", "k", told, ami, **{S: right, "dbcv": wrong}))
    found, choices = sums_of_criteria.nested_choice(pd.DataFrame(rows))
    assert found[S].tolist() == pytest.approx([0, 0, 0, 0, 0, 80])
    assert found["dbcv"].tolist() == pytest.approx([80, 80, 80, 80, 80, 0])
    assert set(choices["best"]) == set(choices["simplest"]) == {S}
    assert choices["best_regret"].tolist() == pytest.approx([0, 0, 0, 0, 0, 80])


def test_the_shipped_sum_is_among_the_simplest_that_are_as_good_as_the_best(sums):
    compared = sums_of_criteria.compare_sums(sums[0])
    near = compared[compared["near"]]
    assert SHIPPED in near.index
    assert near["criteria"].min() == near.at[SHIPPED, "criteria"]


def test_sums_and_choices_are_written_by_their_parts(sums):
    found, choices = sums
    compared = sums_of_criteria.compare_sums(found)
    written = sums_of_criteria.written_sums(compared)
    for place, marks in written.iterrows():
        inside = [name for name in CRITERIA if marks[sums_of_criteria.SHORT[name]] == "+"]
        assert sorted(inside) == sorted(sums_of_criteria.criteria_of(compared.index[place - 1]))
    assert len(written) >= 8
    table = sums_of_criteria.written_choices(choices)
    assert table.loc["mean", ("best", "regret")] == pytest.approx(choices["best_regret"].mean())
    assert sums_of_criteria.short_name(SHIPPED) == SHIPPED
    assert sums_of_criteria.short_name(AGREEMENT) == "agreement of clusterers"


def test_an_honest_choice_is_no_better_than_the_sum_that_looks_best(sums):
    found, choices = sums
    assert choices["best_regret"].mean() >= found.mean().min()
    assert (choices["best_regret"] >= 0).all() and choices["best"].isin(sums_of_criteria.SUMS).all()


def test_correlations_by_hand():
    """Within sets S orders as AMI does; between them it is the reverse; of raw pixels all turn."""
    rows = []
    for i, name in enumerate("abcd"):
        for told in (2, 4, 8):
            within = 0.01 * told
            facts = {S: within - 0.2 * i, AGREEMENT: 0.2 * i - within}
            rows.append(row(name, "k", told, 0.2 * i + within, **facts))
            turned = {way: -value for way, value in facts.items()}
            raw = {"encoder": "raw_pixels", "agreement_encoders": np.nan}
            rows.append(row(name, "k", told, 0.2 * i + within, **raw, **turned))
        # Not of the whole set.
        rows.append(row(name, "k", 2, 0.9, cut="300 images", **{S: -i}))
    found = without_labels.correlations(pd.DataFrame(rows), resamples=20)
    rho = found.set_index(["of", "place", "way"])["rho"]
    trained, raw = without_labels.TRAINED, without_labels.RAW
    within, between = without_labels.WITHIN, without_labels.BETWEEN
    assert rho[trained, within, S] == rho[trained, between, AGREEMENT] == pytest.approx(1)
    assert rho[trained, between, S] == rho[trained, within, AGREEMENT] == pytest.approx(-1)
    assert rho[raw, within, S] == pytest.approx(-1) and rho[raw, between, S] == pytest.approx(1)
    # The same value everywhere, or none, has no rank.
    assert np.isnan(rho[trained, within, "dbcv"])
    assert np.isnan(rho[raw, between, "agreement_encoders"])
    text = without_labels.say_correlations(found)
    assert "nan" not in text and "S in UMAP space 1.00" in text


def test_coverage_is_counted_set_by_set(covered, elsewhere):
    table = calibration.measured()
    for name, learnt in elsewhere.items():
        rows = table[table["set"] == name]
        own = calibration.proposed_rows(rows, calibration.rank_scores(rows)).dropna(subset=[S])
        low, middle, high = (100 * bound for bound in learnt.interval(own[S].to_numpy()))
        ami = 100 * own["ami"].to_numpy()
        inside = (low <= ami) & (ami <= high)
        assert covered.at[name, "covered"] == pytest.approx(100 * inside.mean())
        assert covered.at[name, "width"] == pytest.approx((high - low).mean())
        assert covered.at[name, "error"] == pytest.approx(abs(ami - middle).mean())


def test_coverage_on_left_out_sets_is_about_what_is_promised(covered):
    assert covered["covered"].mean() >= 70
    assert covered["covered"].is_monotonic_increasing
    written = expected_ami.written_coverage(covered)
    assert written.loc["mean over sets", "covered"] == pytest.approx(covered["covered"].mean())


def test_errors_of_reading_off_by_hand():
    """AMI is S itself; agreement is the same everywhere, as good as no criterion."""
    amis = {"a": 0.2, "b": 0.5, "c": 0.8}
    rows = [
        row(name, "k", told, ami, **{S: ami, AGREEMENT: 0.5})
        for name, ami in amis.items()
        for told in (2, 4)
    ]
    errors = expected_ami.level_errors(pd.DataFrame(rows)).set_index("way")["mean"]
    # Beyond the other sets the curve stays as it was: 20 is read as 50, 80 as 50, 50 in the middle.
    assert errors[S] == pytest.approx((30 + 0 + 30) / 3)
    without = errors[expected_ami.NO_CRITERION]
    assert errors[AGREEMENT] == without == pytest.approx((45 + 0 + 45) / 3)


@pytest.fixture(scope="module")
def ledger():
    """A ledger of no results at all, and the claim on real images in it."""
    empty = pd.DataFrame(
        columns=[
            *("dataset", "dataset_name", "group", "encoder", "encoder_name", "clusterer"),
            *("seed", "ami", "method"),
        ]
    )
    return without_labels.with_real_images(
        claims.claims_ledger(empty, pd.DataFrame(), pd.DataFrame())
    )


def test_the_claim_on_real_images_stands_below_that_of_the_profile(ledger):
    keys = ledger["key"].tolist()
    assert keys[keys.index("C7b") + 1 :] == ["C7ra", "C7rb", "C8"]
    assert set(ledger.loc[ledger["id"] == "C7", "claim_verdict"]) == {"undecided"}
    real = ledger[ledger["id"] == "C7r"]
    assert real["statistic"].tolist() == [one.name for one in CLAIMS["C7"].statistics]
    assert (real["n"] == calibration.measured()["set"].nunique()).all()
    assert (real["low"] < real["estimate"]).all() and (real["estimate"] < real["high"]).all()
    assert real["encoders"].str.contains("Raw image").all()
    text = claims.say_verdicts(ledger, "none", "nothing")
    assert "of 8 claims" in text and "C7r, on" in text.replace("**", "")
    # No claim of the profile.
    assert not [line for line in text.splitlines() if "of 8 claims" in line and "C7r" in line]


def test_the_claim_on_real_images_is_that_of_the_reference(ledger):
    kept = pd.read_csv(ROOT / "docs" / "reference" / "mini" / "ledger.csv", index_col="key")
    found = ledger.set_index("key")
    for key in ("C7ra", "C7rb"):
        assert found.at[key, "verdict"] == kept.at[key, "verdict"]
        for number in ("estimate", "low", "high"):
            assert found.at[key, number] == pytest.approx(kept.at[key, number], abs=0.002)


def test_the_claim_on_real_images_is_printed_wherever_the_ledger_is(ledger, tmp_path):
    written = claims.written_claims(ledger)
    assert "real images (ρ, > 0)" in written.loc["C7r", "statistic"]
    assert "real images" in claims.show_claims(written).as_raw_html()
    tables.save(written, "11_claims", tmp_path)
    page = ledger_of_the_book(tmp_path / "11_claims.csv")
    assert "| C7r" in page and "C7r is on real images" in page
    rho = claims.plot_claims_ledger(ledger).axes[-1]
    labels = [label.get_text() for label in rho.get_yticklabels()]
    assert [label.split()[0] for label in labels] == ["C7a", "C7b", "C7ra", "C7rb", "C8"]
    assert "(real images)" in labels[2]
    plt.close("all")


def test_figures_have_a_row_for_each_way_and_a_panel_for_each_set(
    shipped, proposals, covered, elsewhere
):
    by_set = without_labels.regrets(shipped, [S, AGREEMENT, SHIPPED])
    ways = without_labels.regrets_by_question(by_set)
    figure = without_labels.plot_regrets(by_set, ways)
    assert [axes.get_title() for axes in figure.axes] == list(without_labels.QUESTIONS)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    means = ways[ways["question"] == "all at once"].set_index("way")["mean"]
    assert names == [sums_of_criteria.short_name(way) for way in means.sort_values().index]
    panels = expected_ami.plot_sets(proposals, covered, elsewhere).axes
    titles = [axes.get_title().split(":")[0] for axes in panels if axes.get_title()]
    assert titles == covered.index.tolist()
    left, right = expected_ami.plot_calibration(elsewhere[titles[0]], proposals, covered).axes
    named = [text.get_text() for text in left.get_legend().get_texts()]
    assert named == covered.index[covered["covered"] < 80].tolist()
    assert [label.get_text() for label in right.get_yticklabels()] == covered.index.tolist()
    plt.close("all")


def test_sentences_have_every_number(shipped, sums, proposals, covered):
    by_set = without_labels.regrets(shipped, [S, AGREEMENT, SHIPPED])
    ways = without_labels.regrets_by_question(by_set)
    said = [
        without_labels.say_measured(calibration.measured(), shipped),
        without_labels.say_regrets(by_set, ways),
        sums_of_criteria.say_sums(*sums),
        expected_ami.say_coverage(covered, expected_ami.level_errors(proposals)),
    ]
    assert not [text for text in said if "nan" in text]
    mean = ways.query("question == 'all at once'").set_index("way").at[SHIPPED, "mean"]
    assert f"{mean:.1f} [" in said[1]
    assert f"{sums[0][SHIPPED].mean():.1f} points" in said[2]
    assert f"{covered.index[0]} {covered['covered'].iloc[0]:.0f} %" in said[3]


def test_sets_are_written_with_their_sizes_and_sources():
    table = without_labels.written_sets(calibration.measured())
    assert len(table) == 16 and table.notna().all(axis=None)
    assert table.loc["gtsrb43", "classes"] == 43 and table.loc["mnist", "images"] == 10_000
