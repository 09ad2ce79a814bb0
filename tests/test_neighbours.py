import made_up
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import rows

from zsc_utils.study import figures, neighbours

AMI = {"x": [0.1, 0.2, 0.3, 0.4], "y": [0.1, 0.2, 0.4, 0.3], "z": [0.4, 0.3, 0.2, 0.1]}
NAMES = {f"e{i}": f"E{i}" for i in range(4)}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def table(monkeypatch):
    """Two datasets, four encoders, three clusterers: X and Y nearly agree, Z is their mirror."""
    monkeypatch.setattr(made_up, "NAMES", NAMES | {"rand": "Random"})
    found = [
        row
        for dataset in ("a", "b")
        for i, encoder in enumerate(NAMES)
        for row in rows(dataset, "Near", encoder, [AMI[c][i] for c in "xyz"])
    ]
    found += rows("a", "Near", "rand", [0.0, 0.0, 0.0], method="random")
    return pd.DataFrame(found)


@pytest.fixture
def knn():
    """In a kNN ranks as X does; in b as Z; there is no more than this."""
    accuracy = {"a": [0.5, 0.6, 0.7, 0.8], "b": [0.8, 0.7, 0.6, 0.5]}
    made = [
        (name, name.title(), encoder, NAMES.get(encoder, "Random"), k, value, "ok", "")
        for name, values in accuracy.items()
        for k in (1, 20)
        for encoder, value in zip([*NAMES, "rand"], [*values, 0.1], strict=True)
    ]
    lacking = [
        ("c", "C", encoder, NAMES[encoder], k, np.nan, "skipped", "no train partition")
        for encoder in NAMES
        for k in (1, 20)
    ]
    columns = ["dataset", "dataset_name", "encoder", "encoder_name", "k", "accuracy"]
    return pd.DataFrame(made + lacking, columns=[*columns, "status", "reason"])


def test_pairs_are_of_trained_encoders_and_in_percent(table, knn):
    pairs = neighbours.ami_and_accuracy(table, knn)
    assert len(pairs) == 2 * 4 * 3 * 2 and "rand" not in set(pairs["encoder"])
    first = pairs.iloc[0]
    assert [first["ami"], first["accuracy"]] == pytest.approx([10, 50])


def test_agreement_by_hand(table, knn):
    pairs = neighbours.ami_and_accuracy(table, knn)
    agreement = neighbours.rank_agreement(pairs)
    found = agreement.set_index(["dataset", "clusterer_name", "measure"])["rho"]
    # Swapping two neighbours among four: 1 − 6 · 2 / (4 · 15) = 0.8.
    assert found["a", "C0", "1 neighbour"] == pytest.approx(1)
    assert found["a", "C1", "20 neighbours"] == pytest.approx(0.8)
    assert found["b", "C0", "20 neighbours"] == pytest.approx(-1)
    # With Y 0.8, with Z -1.
    assert found["a", "C0", neighbours.OTHERS] == pytest.approx(-0.1)
    summary = neighbours.agreement_by_clusterer(agreement).set_index(["clusterer_name", "measure"])
    one = summary.loc[("C0", "1 neighbour")]
    # ρ of 1 and −1: a standard error of 1; t of one degree of freedom at 97.5 % is 12.706205.
    assert one[["mean", "low", "high", "n"]].tolist() == pytest.approx(
        [0, -12.706205, 12.706205, 2]
    )


def test_ceiling_gap_is_paired_by_dataset(table, knn):
    agreement = neighbours.rank_agreement(neighbours.ami_and_accuracy(table, knn))
    gap = neighbours.ceiling_gap(agreement).set_index("measure")
    wide = agreement.groupby(["dataset", "measure"])["rho"].mean().unstack()
    difference = wide[neighbours.OTHERS] - wide["20 neighbours"]
    row = gap.loc["20 neighbours"]
    assert (
        row["gap"] == pytest.approx(difference.mean()) == pytest.approx(row["ceiling"] - row["rho"])
    )
    # In a kNN is 0.8 / 3 = (1 + 0.8 − 1) / 3, in b its negative: the mean is 0.
    assert row["rho"] == pytest.approx(0)
    reach = 12.706205 * abs(difference.iloc[0] - difference.iloc[1]) / 2
    assert [row["low"], row["high"]] == pytest.approx([row["gap"] - reach, row["gap"] + reach])
    assert row["n"] == 2


def test_rank_changes(table, knn):
    changes = neighbours.rank_changes(neighbours.ami_and_accuracy(table, knn), 20)
    found = changes.set_index("encoder")
    # Mean AMI 0.2, 0.233, 0.3, 0.267: ranks 4 3 1 2 in both; kNN ranks 4 3 2 1 and 1 2 3 4.
    assert found.loc["e0", ["by_ami", "by_knn", "gain"]].tolist() == pytest.approx([4, 2.5, 1.5])
    assert found.loc["e2", ["by_ami", "by_knn", "gain"]].tolist() == pytest.approx([1, 2.5, -1.5])
    assert changes["gain"].is_monotonic_decreasing and (changes["n"] == 2).all()
    assert found["gain"].sum() == pytest.approx(0)


def test_tables_of_accuracy_and_of_what_lacks(knn):
    matrix = neighbours.accuracy_matrix(knn, 20)
    assert matrix.index.tolist() == ["A", "B"]
    assert matrix.columns.tolist() == ["E0", "E1", "E2", "E3", "Random"]
    assert matrix.loc["A", "E1"] == pytest.approx(60)
    lacking = neighbours.lacking_neighbours(knn)
    assert lacking.to_numpy().tolist() == [["skipped", "no train partition", 1, 4]]


def test_too_few_encoders_is_undecided(table, knn):
    two = table[table["encoder"].isin(["e0", "e1"])]
    pairs = neighbours.ami_and_accuracy(two, knn)
    agreement = neighbours.rank_agreement(pairs)
    summary, gap = neighbours.agreement_by_clusterer(agreement), neighbours.ceiling_gap(agreement)
    assert agreement.empty and summary.empty and gap.empty
    text = neighbours.say_agreement(summary, gap, neighbours.rank_changes(pairs, 20))
    assert text.startswith("**Undecided**")
    none = neighbours.ami_and_accuracy(two, knn.assign(accuracy=np.nan))
    assert neighbours.rank_changes(none, 20).empty
    for figure in (
        neighbours.plot_rank_agreement(summary, neighbours.OTHERS),
        neighbours.plot_rank_changes(neighbours.rank_changes(none, 20), {}),
        neighbours.plot_ami_against_accuracy(neighbours.mean_ami_and_accuracy(none, 20), {}),
    ):
        assert figure.axes[0].texts[0].get_text().startswith("no ")


def test_figures_show_what_was_measured(table, knn):
    pairs, styles = neighbours.ami_and_accuracy(table, knn), figures.encoder_styles(table)
    panels = neighbours.plot_ami_against_accuracy(
        neighbours.mean_ami_and_accuracy(pairs, 20), styles
    ).axes
    assert [axes.get_title() for axes in panels] == ["A", "B"]
    line = panels[0].containers[0].lines[0]
    assert (line.get_xdata()[0], line.get_ydata()[0]) == pytest.approx((50, 20))

    agreement = neighbours.rank_agreement(pairs)
    summary = neighbours.agreement_by_clusterer(agreement)
    (axes,) = neighbours.plot_rank_agreement(summary, neighbours.OTHERS).axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["1 neighbour", "20 neighbours", neighbours.OTHERS]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C0", "C1", "C2"]
    (low, high) = axes.containers[0].lines[2][0].get_segments()[0][:, 0]
    assert (low, high) == pytest.approx((-12.706205, 12.706205))

    changes = neighbours.rank_changes(pairs, 20)
    (axes,) = neighbours.plot_rank_changes(changes, styles).axes
    assert [t.get_text() for t in axes.get_yticklabels()] == changes["encoder_name"].tolist()
    drawn = [container.lines[0].get_xdata()[0] for container in axes.containers]
    assert drawn == pytest.approx(changes["gain"].tolist())

    text = neighbours.say_agreement(summary, neighbours.ceiling_gap(agreement), changes)
    assert "against **20 neighbours**: mean ρ from" in text
    assert "over 2 datasets" in text and "nan" not in text
