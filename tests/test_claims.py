"""The ledger: every claim on tables worked out by hand, the rule, and how it is written."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from zsc_utils.study import claims, tables
from zsc_utils.study.ledger import (
    VERDICTS,
    Estimate,
    Evidence,
    Statistic,
    joint_verdict,
    verdict,
)

# method, whether trained with labels, what it was fine-tuned from, backbone
FACTS = {
    "raw": ("none", False, None, "none"),
    "rand": ("random", False, None, "net"),
    "xent": ("X-Ent", True, None, "net"),
    "alone": ("X-Ent", True, None, "third net"),
    "dino": ("DINO", False, None, "net"),
    "dino_ft": ("DINO", True, "dino", "net"),
    "mae": ("MAE (avg)", False, None, "net"),
    "mae_ft": ("MAE (avg)", True, "mae", "net"),
    "moco": ("MoCo-v3", False, None, "other net"),
    "moco_ft": ("MoCo-v3", True, "moco", "other net"),
}
CLUSTERERS = ("c0", "c1")
FAR = ("dtd", "svhn", "mnist")
NEAR = ("in", "inv2", "cifar")
NO_REDUCTIONS = NO_KNN = pd.DataFrame()


def facts(dataset, encoder):
    method, labels, tuned, backbone = FACTS[encoder]
    return {
        "dataset": dataset,
        "dataset_name": dataset.upper(),
        "group": "In-domain" if dataset in NEAR else "Far-OOD",
        "encoder": encoder,
        "encoder_name": encoder.title(),
        "method": method,
        "labels": labels,
        "fine_tuned_from": tuned,
        "backbone": backbone,
    }


def cell(dataset, encoder, clusterer, ami, original=np.nan, umap=np.nan):
    """One result; AMI in percent."""
    scores = {"ami": ami / 100, "silhouette_original": original, "silhouette_umap": umap}
    status = {"status": "ok", "reason": "", "seed": 1}
    names = {"clusterer": clusterer, "clusterer_name": clusterer.upper()}
    return facts(dataset, encoder) | names | scores | status


def table_of(amis):
    """Results: the same AMI by both clusterers, from dataset to encoder to percent."""
    return pd.DataFrame(
        [
            cell(dataset, encoder, clusterer, ami)
            for dataset, by_encoder in amis.items()
            for encoder, ami in by_encoder.items()
            for clusterer in CLUSTERERS
        ]
    )


def knn_of(accuracies, k=1):
    return pd.DataFrame(
        [
            facts(dataset, encoder)
            | {"k": k, "accuracy": accuracy, "n_train": 9, "n_test": 9, "status": "ok"}
            for dataset, by_encoder in accuracies.items()
            for encoder, accuracy in by_encoder.items()
        ]
    )


def reductions_of(amis, n_components=50):
    """AMI by reduction: from dataset to reduction to percent, of the encoder dino."""
    rows = []
    for dataset, by_reduction in amis.items():
        for reduction, ami in by_reduction.items():
            dims = {"n_components": np.nan if reduction == "none" else n_components}
            where = cell(dataset, "dino", "c0", ami) | dims | {"reduction": reduction}
            rows.append({k: where[k] for k in where if k not in ("method", "backbone", "labels")})
    return pd.DataFrame(rows)


def judge(table, reductions=NO_REDUCTIONS, knn=NO_KNN):
    return claims.claims_ledger(table, reductions, knn).set_index("id")


def statistic(ledger, id, i=0):
    return ledger.loc[[id]].iloc[i]


# What each claim is about, from one number a dataset in points.
def by_supervision(datasets, values):
    pairs = zip(datasets, values, strict=True)
    return table_of({d: {"xent": 50 + v, "dino": 50} for d, v in pairs}), NO_REDUCTIONS


def by_tuning(datasets, values):
    pairs = zip(datasets, values, strict=True)
    return table_of({d: {"dino_ft": 50 + v, "dino": 50} for d, v in pairs}), NO_REDUCTIONS


def by_mae(datasets, values):
    pairs = zip(datasets, values, strict=True)
    amis = {d: {"mae_ft": 50 + v, "dino_ft": 50, "mae": 40, "dino": 40} for d, v in pairs}
    return table_of(amis), NO_REDUCTIONS


def by_reduction(datasets, values):
    pairs = list(zip(datasets, values, strict=True))
    reductions = reductions_of({d: {"umap": 50 + v, "pca": 50, "none": 50} for d, v in pairs})
    return table_of({d: {"dino": 50} for d, _ in pairs}), reductions


IN_POINTS = [
    ("C1", by_supervision, NEAR, 1),
    ("C2", by_supervision, FAR, -1),
    ("C3", by_tuning, NEAR, 1),
    ("C4", by_tuning, FAR, -1),
    ("C5", by_mae, NEAR, 1),
    ("C6", by_reduction, FAR, 1),
]


@pytest.mark.parametrize(("id", "make", "datasets", "side"), IN_POINTS)
def test_claims_about_points(id, make, datasets, side):
    """Values 10, 12, 14: mean 12, and t of 2 degrees of freedom × 2 / √3 = 4.968."""
    for sign, expected in ((side, "supported"), (-side, "contradicted")):
        ledger = judge(*make(datasets, [sign * value for value in (10, 12, 14)]))
        for row in ledger.loc[[id]].itertuples():
            assert (row.estimate, row.side, row.unit) == (pytest.approx(12 * sign), side, "points")
            assert sorted(abs(bound) for bound in (row.low, row.high)) == pytest.approx(
                [12 - 4.968, 12 + 4.968], abs=0.001
            )
            assert row.p == pytest.approx(2 / 8) and row.reason == ""
            assert (row.n, row.asked) == (3, 3)
            assert row.verdict == row.claim_verdict == expected
            by_dataset = [sign * value for value in row.by_dataset.values()]
            assert by_dataset == pytest.approx([10, 12, 14])
    ledger = judge(*make(datasets, [10, -10, 1]))
    assert set(ledger.loc[[id], "claim_verdict"]) == {"undecided"}
    assert set(ledger.loc[[id], "reason"]) == {"the interval holds zero"}


@pytest.mark.parametrize(("id", "make", "datasets", "side"), IN_POINTS)
def test_one_dataset_decides_nothing(id, make, datasets, side):
    row = statistic(judge(*make(datasets[:1], [20 * side])), id)
    assert row["estimate"] == pytest.approx(20 * side) and np.isnan(row["low"])
    assert (row["verdict"], row["reason"]) == ("undecided", "one dataset has no spread")


def test_kinds_are_averaged_on_each_backbone_before_datasets():
    """The net: 60 − (50 + 30) / 2 = 20; the other: 45 − 41 = 4; both: 12."""
    amis = {"xent": 60, "dino": 50, "mae": 30, "moco": 41, "raw": 1, "rand": 2, "alone": 99}
    table = table_of({"in": amis | {"dino_ft": 99}})
    other = table_of({"in": {"xent": 45}}).assign(backbone="other net", encoder="xent2")
    row = statistic(judge(pd.concat([table, other], ignore_index=True)), "C1")
    assert row["estimate"] == pytest.approx(12)
    # Raw pixels, random weights, what is alone on its backbone or fine-tuned: none counts.
    assert set(row["encoders"].split(", ")) == {"Xent", "Dino", "Mae", "Moco"}


def test_encoders_of_unknown_training_are_on_no_side():
    table = table_of({"in": {"xent": 60, "dino": 50}})
    # As of a timm model whose tag does not say it.
    unknown = table[table["encoder"] == "dino"].assign(encoder="any", labels=None, ami=0.99)
    both = pd.concat([table, unknown], ignore_index=True)
    assert statistic(judge(both), "C1")["estimate"] == pytest.approx(10)


def test_only_cells_with_a_result_on_both_sides_count():
    """By c0 60 − 50; by c1 one side failed."""
    table = table_of({"in": {"xent": 60, "dino": 50}})
    failed = (table["encoder"] == "dino") & (table["clusterer"] == "c1")
    table.loc[table["clusterer"] == "c1", "ami"] = 0.1
    table.loc[failed, ["ami", "status"]] = [np.nan, "failed"]
    assert statistic(judge(table), "C1")["estimate"] == pytest.approx(10)


def test_seeds_are_averaged():
    table = table_of({"in": {"xent": 60, "dino": 50}})
    again = table.assign(seed=2)
    again.loc[again["encoder"] == "xent", "ami"] += 0.1
    found = statistic(judge(pd.concat([table, again], ignore_index=True)), "C1")
    assert found["estimate"] == pytest.approx(15)


def test_mae_beside_all_where_it_is_alone_on_its_backbone():
    amis = {"mae": 30, "mae_ft": 60, "moco": 40, "moco_ft": 55}
    rows = judge(table_of({"in": amis})).loc["C5"]
    # After fine-tuning 60 − 55; the gains 30 and 15.
    assert rows["estimate"].tolist() == pytest.approx([5, 15])
    # With another on its own backbone, that one alone: 60 − 50; the gains 30 and 5.
    rows = judge(table_of({"in": amis | {"dino": 45, "dino_ft": 50}})).loc["C5"]
    assert rows["estimate"].tolist() == pytest.approx([10, 25])


def test_an_mae_that_was_ahead_before_does_not_stand_out_once_fine_tuned():
    values = [10, 12, 14]
    amis = {
        d: {"mae_ft": 60 + v, "mae": 50 + v, "dino_ft": 60, "dino": 50 + v / 5}
        for d, v in zip(NEAR, values, strict=True)
    }
    ledger = judge(table_of(amis))
    # Ahead by 10, 12, 14 after, but by 8, 9.6, 11.2 before: of that 2, 2.4, 2.8 came by it.
    assert ledger.loc["C5", "verdict"].tolist() == ["supported", "supported"]
    amis = {d: by | {"dino": 50} for d, by in amis.items()}
    ledger = judge(table_of(amis))
    assert ledger.loc["C5", "verdict"].tolist() == ["supported", "undecided"]
    assert set(ledger.loc["C5", "claim_verdict"]) == {"undecided"}


def test_umap_is_compared_at_the_dimension_of_the_study_and_both_must_hold():
    low = reductions_of({d: {"umap": 99, "pca": 1} for d in FAR}, n_components=2)
    values = zip(FAR, (10, 12, 14), strict=True)
    high = reductions_of({d: {"umap": 50 + v, "pca": 60 + 2 * v, "none": 50} for d, v in values})
    table = table_of({d: {"dino": 50} for d in FAR})
    rows = judge(table, pd.concat([low, high], ignore_index=True)).loc["C6"]
    assert rows["estimate"].tolist() == pytest.approx([12, -22])
    assert rows["verdict"].tolist() == ["supported", "contradicted"]
    assert set(rows["claim_verdict"]) == {"contradicted"}
    # Without 50 for both, the nearest to it that both have.
    umap_only = high[high["reduction"] != "pca"]
    rows = judge(table, pd.concat([low, umap_only], ignore_index=True)).loc["C6"]
    assert rows["estimate"].tolist() == pytest.approx([49, 98])


def test_reductions_that_failed_or_lack_pca():
    table = table_of({d: {"dino": 50} for d in FAR})
    some = reductions_of({d: {"umap": 60, "none": 50} for d in FAR})
    some.loc[some["dataset"] == "dtd", "ami"] = np.nan
    rows = judge(table, some).loc["C6"]
    assert rows["n"].tolist() == [2, 0] and rows["asked"].tolist() == [3, 3]
    assert rows["reason"].iloc[1] == (
        "no dataset has results of a trained encoder with UMAP and with PCA"
    )
    # A statistic that is supported does not carry a claim of two.
    assert rows["claim_verdict"].tolist() == ["undecided"] * 2


ENCODERS = ("xent", "dino", "mae", "moco")


def silhouettes(original, umap, amis=((1, 2, 3, 4), (1, 2, 3, 4))):
    """Results on three datasets; for each of them the silhouettes of four encoders."""
    return pd.DataFrame(
        [
            cell(dataset, encoder, clusterer, scores[j], original[i][j], umap[i][j])
            for i, dataset in enumerate(FAR)
            for clusterer, scores in zip(CLUSTERERS, amis, strict=True)
            for j, encoder in enumerate(ENCODERS)
        ]
    )


RISING, FALLING = (1, 2, 3, 4), (4, 3, 2, 1)
ALMOST_RISING, ALMOST_FALLING = (1, 2, 4, 3), (4, 3, 1, 2)


def test_silhouette_claims():
    rows = judge(silhouettes([FALLING] * 3, [RISING] * 3)).loc["C7"]
    # ρ is 1 in the UMAP space, −1 in the original; between the clusterers it is 1.
    assert rows["estimate"].tolist() == pytest.approx([2, 0.5])
    # Three datasets that are all the same do not say how much a fourth would differ.
    assert set(rows["reason"]) == {"the spread over 3 datasets cannot be told"}
    assert rows["p"].isna().all() and rows["unit"].eq("ρ").all() and rows["n"].eq(3).all()
    rows = judge(silhouettes([FALLING] * 3, [RISING, RISING, ALMOST_RISING])).loc["C7"]
    assert set(rows["claim_verdict"]) == {"supported"}
    rows = judge(silhouettes([RISING] * 3, [FALLING] * 3)).loc["C7"]
    assert rows["estimate"].tolist() == pytest.approx([-2, -1.5])
    rows = judge(silhouettes([RISING] * 3, [FALLING, FALLING, ALMOST_FALLING])).loc["C7"]
    assert set(rows["claim_verdict"]) == {"contradicted"}
    rows = judge(silhouettes([RISING, FALLING, RISING], [FALLING, RISING, RISING])).loc["C7"]
    assert rows["estimate"].iloc[0] == pytest.approx(0)
    assert rows["low"].iloc[0] < -0.5 and rows["high"].iloc[0] > 0.5
    assert set(rows["claim_verdict"]) == {"undecided"}


def test_silhouette_half_way_to_ami_of_another_clusterer():
    # Between the clusterers 1 − 6 · 4 / 60 = 0.6; S ranks as c0 does: (1 + 0.6) / 2 − 0.6 / 2.
    amis = (1, 2, 3, 4), (2, 1, 4, 3)
    rows = judge(silhouettes([FALLING] * 3, [RISING] * 3, amis)).loc["C7"]
    assert rows["estimate"].iloc[1] == pytest.approx(0.5)


def test_silhouette_of_few_points():
    table = silhouettes([FALLING] * 3, [RISING, RISING, ALMOST_RISING])
    one_clusterer = table[table["clusterer"] == "c0"]
    rows = judge(one_clusterer).loc["C7"]
    assert rows["verdict"].tolist() == ["supported", "undecided"]
    assert "two clusterers" in rows["reason"].iloc[1]
    table.loc[table["dataset"] != "dtd", "silhouette_umap"] = np.nan
    rows = judge(table).loc["C7"]
    assert rows["n"].tolist() == [1, 1] and set(rows["reason"]) == {"one dataset has no spread"}
    two_points = table[(table["dataset"] == "dtd") & table["encoder"].isin(["xent", "dino"])]
    assert judge(two_points).loc["C7", "n"].tolist() == [0, 0]
    rows = judge(table.assign(silhouette_umap=np.nan)).loc["C7"]
    assert "three clusterings with S" in rows["reason"].iloc[0]


def test_ceiling_minus_agreement_by_hand():
    # ρ between the halves 0.6; with (1.5, 1.5, 3.5, 3.5) each half has 4 / √(5 · 4).
    ami = np.array([(1.0, 2, 3, 4), (2.0, 1, 4, 3)])
    between = np.array([(1.5, 1.5, 3.5, 3.5)])
    found = claims.ceiling_minus_agreement(ami, between)
    assert found == pytest.approx(0.6 - 4 / np.sqrt(20))
    # Mean over numbers of neighbours: one agrees as above, one is reversed.
    reversed_too = np.vstack([between, 5 - between])
    assert claims.ceiling_minus_agreement(ami, reversed_too) == pytest.approx(0.6)
    assert np.isnan(claims.ceiling_minus_agreement(ami[:1], between))
    assert np.isnan(claims.ceiling_minus_agreement(ami[:, :2], between[:, :2]))


def test_halves_of_the_clusterers():
    """Of four there are three splits; the means of halves, not single clusterers, are ranked."""
    ami = np.array([(1.0, 2, 3), (3.0, 2, 1), (1.0, 2, 3), (3.1, 2, 1)])
    # Means: 0+1 tie (2, 2, 2) has no ranks, so neither has ρ.
    with np.errstate(invalid="ignore"):
        assert np.isnan(claims.ceiling_minus_agreement(ami, ami[:1]))
    ami = np.array([(1.0, 2, 3), (1.0, 3, 2), (2.0, 1, 3), (1.0, 2, 4)])
    # 01|23: (2, 5, 5) with (3, 3, 7): ½; 02|13: (3, 3, 6) with (2, 5, 6): √¾; 03|12: (2, 4, 7)
    # with (3, 4, 5): 1. The accuracy 1, 2, 3: √¾ with a tie of two, else 1.
    ceiling = np.mean([0.5, np.sqrt(0.75), 1])
    agreement = np.mean([np.sqrt(0.75), np.sqrt(0.75), np.sqrt(0.75), 1, 1, 1])
    found = claims.ceiling_minus_agreement(ami, np.array([(1.0, 2, 3)]))
    assert found == pytest.approx(ceiling - agreement)


def knn_case(accuracies, second=RISING):
    table = silhouettes([RISING] * 3, [RISING] * 3, (RISING, second))
    by_dataset = zip(FAR, accuracies, strict=True)
    knn = knn_of({d: dict(zip(ENCODERS, a, strict=True)) for d, a in by_dataset})
    return table, NO_REDUCTIONS, knn


def test_knn_claim():
    # The halves agree (1); kNN accuracy reverses the ranks: 1 − (−1), and once 1 − (−0.8).
    row = statistic(judge(*knn_case([FALLING, FALLING, ALMOST_FALLING])), "C8")
    assert row["estimate"] == pytest.approx(5.8 / 3) and row["verdict"] == "supported"
    assert row["encoders"] == "Xent, Dino, Mae, Moco" and (row["n"], row["asked"]) == (3, 3)
    # The halves agree less with each other than with what lies between them.
    between = [(1.5, 1.5, 3.5, 3.5)] * 2 + [(1.5, 1.5, 3, 4)]
    row = statistic(judge(*knn_case(between, second=(2, 1, 4, 3))), "C8")
    agreement = [4 / np.sqrt(20), 4 / np.sqrt(20), (4.5 + 3.5) / 2 / np.sqrt(5 * 4.5)]
    assert row["estimate"] == pytest.approx(0.6 - np.mean(agreement))
    assert row["verdict"] == "contradicted"
    row = statistic(judge(*knn_case([RISING, RISING, FALLING])), "C8")
    assert row["estimate"] == pytest.approx(2 / 3) and row["verdict"] == "undecided"


def test_knn_of_few_datasets_and_encoders():
    table, none, knn = knn_case([FALLING] * 3)
    row = statistic(judge(table, none, knn[knn["dataset"] == "dtd"]), "C8")
    assert (row["n"], row["asked"], row["reason"]) == (1, 3, "one dataset has no spread")
    row = statistic(judge(table, none, knn[knn["encoder"].isin(["xent", "dino"])]), "C8")
    assert row["n"] == 0 and "three trained encoders" in row["reason"]
    row = statistic(judge(table, none, knn.assign(accuracy=np.nan)), "C8")
    assert row["n"] == 0 and "kNN accuracy" in row["reason"]
    # What failed has no accuracy and no rank.
    knn.loc[knn["encoder"] == "xent", "accuracy"] = np.nan
    row = statistic(judge(table, none, knn), "C8")
    assert row["estimate"] == pytest.approx(2) and "Xent" not in row["encoders"]


def test_the_rule():
    assert verdict(0.1, 3, 1) == verdict(-3, -0.1, -1) == "supported"
    assert verdict(-3, -0.1, 1) == verdict(0.1, 3, -1) == "contradicted"
    for interval in ((-1, 1), (0, 1), (-1, 0), (np.nan, np.nan)):
        assert verdict(*interval, 1) == verdict(*interval, -1) == "undecided"
    yes, no, open_ = VERDICTS
    assert joint_verdict(pd.Series([yes, yes])) == yes
    assert joint_verdict(pd.Series([yes, no])) == joint_verdict(pd.Series([open_, no])) == no
    assert joint_verdict(pd.Series([yes, open_])) == joint_verdict(pd.Series([open_])) == open_


def test_a_missing_interval_is_not_said_to_hold_zero():
    def judge_one(se):
        estimate = Estimate(value=0.5, se=se, n=2)
        one = Statistic(lambda evidence: estimate, "made up", 1, "anything")
        table = pd.DataFrame({"group": "Near", "dataset": ["a", "b"]})
        return one.judge(Evidence(table, table, table))

    unknown = judge_one(np.nan)
    assert unknown["verdict"] == "undecided"
    assert unknown["reason"] == "the spread over 2 datasets cannot be told"
    assert judge_one(0.01)["verdict"] == "supported"
    assert judge_one(0.3)["reason"] == "the interval holds zero"


BAD_TABLES = {
    "no Far-OOD dataset": table_of({d: {"xent": 60, "dino": 50} for d in NEAR}),
    "one encoder": table_of({d: {"dino": 50} for d in (*NEAR, *FAR)}),
    "raw pixels alone": table_of({"dtd": {"raw": 50}}),
    "all absent": table_of({d: {"xent": np.nan, "dino_ft": np.nan} for d in NEAR}).assign(
        status="absent", labels=True
    ),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_profiles_are_undecided_with_the_reason(name):
    ledger = claims.claims_ledger(BAD_TABLES[name], NO_REDUCTIONS, NO_KNN)
    assert list(dict.fromkeys(ledger["id"])) == [f"C{i}" for i in range(1, 9)]
    computed = ledger["n"] > 1
    assert (ledger.loc[~computed, "verdict"] == "undecided").all()
    assert (ledger.loc[~computed, "reason"] != "").all() and (~computed).sum() >= 9
    text = claims.say_verdicts(ledger, "bad", "")
    assert "nan" not in text


def test_reasons():
    def reasons(name):
        return judge(BAD_TABLES[name])["reason"]

    assert reasons("no Far-OOD dataset")["C2"] == "no Far-OOD dataset in this profile"
    kinds = "no dataset has results of a supervised and a self-supervised encoder on one backbone"
    assert reasons("one encoder")["C1"] == reasons("all absent")["C1"] == kinds
    assert "before and after" in reasons("one encoder")["C3"]


@pytest.fixture
def ledger():
    """C1 supported; C6 half, half not; C8 on one dataset; all else without results."""
    amis = {d: {"xent": 50 + v, "dino": 50} for d, v in zip(NEAR, (10, 12, 14), strict=True)}
    reductions = reductions_of({d: {"umap": 60 + i, "none": 50} for i, d in enumerate(NEAR)})
    return claims.claims_ledger(table_of(amis), reductions, NO_KNN)


def test_written_claims(ledger):
    written = claims.written_claims(ledger)
    assert written.index.tolist() == [f"C{i}" for i in range(1, 9)]
    assert written.loc["C1", "statistic"] == (
        "AMI, supervised − self-supervised, In-domain (points, > 0)"
    )
    assert written.loc["C1"].tolist()[2:] == ["12.0 [7.0, 17.0]", "0.25", "3 of 3", "supported"]
    assert written.loc["C2"].tolist()[2:] == [
        *("–", "–", "0 of 0"),
        "undecided (no Far-OOD dataset in this profile)",
    ]
    # Two statistics: 10, 11, 12 over nothing, nothing over PCA.
    assert written.loc["C6", "estimate [95 % interval]"] == "11.0 [8.5, 13.5]; –"
    assert written.loc["C6", "datasets"] == "3 of 3; 0 of 3"
    assert written.loc["C6", "verdict"].startswith("undecided (no dataset has results of a trained")


def test_written_numbers_have_the_decimals_of_their_unit_and_a_true_minus(ledger):
    ledger = ledger.copy()
    ledger.loc[ledger["key"] == "C8", ["estimate", "low", "high"]] = -0.125, -0.5, 0.25
    ledger.loc[ledger["key"] == "C2", "estimate"] = -1.25
    written = claims.written_claims(ledger)["estimate [95 % interval]"]
    assert written["C8"] == "−0.12 [−0.50, 0.25]" and written["C2"] == "−1.2"


def test_findings(ledger):
    text = claims.say_verdicts(ledger, "tiny", "Three datasets.")
    assert text.startswith("On the profile `tiny` (Three datasets):")
    assert "- **supported**: 1 of 8 claims (C1)." in text
    assert "- **contradicted**: 0 of 8 claims.\n" in text
    assert "- **undecided**: 7 of 8 claims (C2, C3, C4, C5, C6, C7, C8)." in text


KEYS = ["C1", "C2", "C3", "C4", "C5a", "C5b", "C6a", "C6b", "C7a", "C7b", "C8"]


@pytest.fixture
def figure(ledger):
    yield claims.plot_claims_ledger(ledger)
    plt.close("all")


def intervals(axes):
    """Row, estimate and both ends of each interval."""
    found = []
    for container in axes.containers:
        (x,), (y,) = container.lines[0].get_data()
        ends = container.lines[2][0].get_segments()[0][:, 0] if container.lines[2] else (x, x)
        found.append((y, x, *ends))
    return found


def test_figure_has_a_panel_for_each_unit_and_a_row_for_each_statistic(figure):
    points, rho = figure.axes
    labels = [label.get_text() for label in points.get_yticklabels()]
    assert [label.split()[0] for label in labels] == KEYS[:8]
    assert labels[0] == "C1  AMI, supervised − self-supervised\n(In-domain)"
    assert [label.get_text().split()[0] for label in rho.get_yticklabels()] == KEYS[8:]
    assert "percentage points" in points.get_xlabel() and "ρ" in rho.get_xlabel()
    # The first row on top, zero in the middle.
    assert points.get_ylim() == (7.5, -0.5)
    assert points.get_xlim()[0] == -points.get_xlim()[1]


def test_figure_shows_estimates_intervals_and_single_datasets(figure):
    points, rho = figure.axes
    c1, c6 = intervals(points)
    assert c1 == pytest.approx((0, 12, 12 - 4.968, 12 + 4.968), abs=0.001)
    assert c6 == pytest.approx((6, 11, 11 - 2.484, 11 + 2.484), abs=0.001)
    assert points.get_xlim()[1] == pytest.approx(1.08 * 16.968, abs=0.01)
    dots = points.collections[0].get_offsets()
    assert dots[:, 0].tolist() == pytest.approx([10, 12, 14])
    assert intervals(rho) == []


def test_figure_shades_the_predicted_side(figure):
    shaded = [(patch.get_y() + 0.42, patch.get_width() > 0) for patch in figure.axes[0].patches]
    assert [row for row, _ in shaded] == pytest.approx(list(range(8)))
    # C2 and C4 predict numbers below zero.
    assert [right for _, right in shaded] == [True, False, True, False] + [True] * 4


def test_figure_says_the_verdict_in_words_and_by_marker(figure):
    points = figure.axes[0]
    texts = [text.get_text() for text in points.texts]
    assert texts[0] == "supported\n3 of 3 datasets"
    assert texts[1] == "undecided\nno Far-OOD dataset in this profile"
    assert max(len(line) for text in texts for line in text.splitlines()) <= 48
    faces = {
        verdict: style.get("markerfacecolor", style["color"])
        for verdict, style in claims.VERDICT_STYLES.items()
    }
    assert len(set(map(str, faces.values()))) == 3
    marker = points.containers[0].lines[0]
    assert marker.get_markerfacecolor() == faces["supported"] and marker.get_marker() == "o"


def test_figure_of_one_dataset_has_no_interval():
    ledger = claims.claims_ledger(table_of({"in": {"xent": 60, "dino": 50}}), *[NO_KNN] * 2)
    axes = claims.plot_claims_ledger(ledger).axes[0]
    assert intervals(axes) == [pytest.approx((0, 10, 10, 10))]
    assert axes.texts[0].get_text() == "undecided\n1 of 1 dataset"
    plt.close("all")


def test_table_of_claims(ledger):
    html = claims.show_claims(claims.written_claims(ledger)).as_raw_html()
    assert html.count("<tr") == 9 and "12.0 [7.0, 17.0]" in html
    assert html.count("font-weight: bold") >= 8


def test_files_of_the_ledger(ledger, tmp_path):
    tables.save(claims.written_claims(ledger), "11_claims", tmp_path)
    markdown = (tmp_path / "11_claims.md").read_text()
    assert len(markdown.splitlines()) == 2 + 8 and "12.0 [7.0, 17.0]" in markdown
    tables.save(claims.claim_numbers(ledger), "11_statistics", tmp_path)
    numbers = pd.read_csv(tmp_path / "11_statistics.csv")
    assert numbers["key"].tolist() == KEYS
    assert numbers.loc[0, "estimate"] == pytest.approx(12)
    assert numbers.loc[0, "encoders"] == "Xent, Dino"


def test_values_by_dataset(ledger):
    values = claims.claim_values(ledger)
    assert values.index.tolist() == ["IN", "INV2", "CIFAR"]
    assert values.columns.tolist()[:2] == ["C1", "C6a"] and len(values.columns) == 2
    assert values["C1"].tolist() == pytest.approx([10, 12, 14])
    # In the order of the statistic with most datasets, whatever stands first in the ledger.
    amis = {d: {"dino": 50, "dino_ft": 60} for d in ("dtd", "in", "svhn")}
    reductions = reductions_of({d: {"umap": 60, "none": 50} for d in amis})
    values = claims.claim_values(claims.claims_ledger(table_of(amis), reductions, NO_KNN))
    assert values.index.tolist() == ["DTD", "IN", "SVHN"]
    assert values.columns.tolist() == ["C3", "C4", "C6a"]
    assert values["C3"].isna().tolist() == [True, False, True]
