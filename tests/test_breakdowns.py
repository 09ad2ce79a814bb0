import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import rows

from zsc_utils.datasets import DatasetFacts, ImageDataset
from zsc_utils.study import base, label_levels


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def opened(name, **labels):
    frame = pd.DataFrame(labels)
    facts = DatasetFacts(name, name.title(), "Near", "kind")
    return ImageDataset(facts, list(range(len(frame))), frame, 8, {})


@pytest.fixture
def levels():
    """Two datasets with a level beside the class; in each also one that says nothing."""
    kind, scene = list("aabb"), list("xyxy")
    return label_levels.label_levels(
        {
            "a": opened("a", kind=kind, scene=scene, serial=list("1234")),
            "b": opened("b", kind=kind, scene=scene, planet=["earth"] * 4),
            "c": opened("c", kind=kind),
        }
    )


@pytest.fixture
def table():
    """Reference is trained with labels, Good without; AMI of two clusterers."""

    def made(dataset, encoder, kind, scene, method):
        by_level = [
            {"kind": k, "scene": s, "serial": 0.9, "planet": 0.0}
            for k, s in zip(kind, scene, strict=True)
        ]
        return rows(dataset, "Near", encoder, kind, method, ami_by_level=by_level)

    return pd.DataFrame(
        made("a", "ref", [0.6, 0.8], [0.1, 0.1], "X-Ent")
        + made("a", "good", [0.2, 0.2], [0.3, 0.5], "DINO")
        + made("b", "ref", [0.5, 0.5], [0.2, 0.2], "X-Ent")
        + made("b", "good", [0.4, 0.4], [0.5, 0.5], "DINO")
        + made("c", "ref", [0.5, 0.5], [0.2, 0.2], "X-Ent")
    )


def test_levels_that_say_nothing_are_told(levels):
    why_not = levels.set_index(["dataset", "level"])["why_not"].to_dict()
    assert why_not["a", "serial"] == "unique to each image"
    assert why_not["b", "planet"] == "one class"
    assert why_not["a", "kind"] == why_not["b", "scene"] == ""
    partly = {"serial": ["1", None, "2", "3"], "empty": [None] * 4, "planet": [None, "earth"] * 2}
    partly = label_levels.label_levels({"d": opened("d", **partly)}).set_index("level")["why_not"]
    assert partly.to_dict() == {
        "serial": "unique to each image",
        "empty": "no labels",
        "planet": "one class",
    }


def test_levels_of_stored_results_that_are_undefined_do_not_count(table, levels):
    """One of two clusterers has no AMI for the scene: the other is the mean, of one."""
    table.at[0, "ami_by_level"] = table.at[0, "ami_by_level"] | {"scene": None}
    found = label_levels.level_scores(table, levels).set_index(["dataset", "encoder", "level"])
    assert found.loc[("a", "ref", "scene"), ["mean", "n"]].tolist() == pytest.approx([10, 1])
    assert found.loc[("a", "ref", "kind"), "n"] == 2
    assert levels.loc[levels["official"], "level"].tolist() == ["kind"] * 3


def test_scores_by_hand(table, levels):
    scores = label_levels.level_scores(table, levels)
    # Dataset c has one level; the levels that say nothing are left out.
    assert set(scores["dataset"]) == {"a", "b"} and set(scores["level"]) == {"kind", "scene"}
    found = scores.set_index(["dataset", "encoder", "level"])
    assert found.loc[("a", "ref", "kind"), ["mean", "se", "n"]].tolist() == pytest.approx(
        [70, 10, 2]
    )
    assert found.loc[("a", "good", "scene"), "trained"] == "without labels"
    untrained = label_levels.level_scores(table.assign(method="random"), levels)
    assert set(untrained["trained"]) == {"not at all"}
    unknown = label_levels.level_scores(table.assign(labels=None), levels)
    assert set(unknown["trained"]) == {"in a way that is not known"}


def test_best_levels(table, levels):
    scores = label_levels.level_scores(table, levels)
    counts = label_levels.best_level_counts(scores).set_index(["dataset_name", "trained"])
    assert counts.loc[("A", "with labels")].tolist() == ["kind", 1, 1, "kind"]
    assert counts.loc[("B", "without labels")].tolist() == ["kind", 1, 0, "scene"]


def test_differences_are_over_datasets(table, levels):
    differences = label_levels.level_differences(label_levels.level_scores(table, levels))
    found = differences.set_index("trained")
    # With labels 70 − 10 and 50 − 20; without 20 − 40 and 40 − 50.
    # A standard error of 15; t of one degree of freedom at 97.5 % is 12.706205.
    expected = [45, 45 - 190.59307, 45 + 190.59307, 0.5, 2]
    columns = ["mean", "low", "high", "p", "n"]
    assert found.loc["with labels", columns].tolist() == pytest.approx(expected)
    assert found.loc["without labels", "mean"] == pytest.approx(-15)
    one = label_levels.level_scores(table[table["dataset"] == "a"], levels)
    assert label_levels.level_differences(one).empty


def test_figures(table, levels):
    scores = label_levels.level_scores(table, levels)
    axes = label_levels.plot_level_heatmap(scores[scores["dataset"] == "a"]).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["kind", "scene"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Reference", "Good"]
    weights = {text.get_text(): text.get_fontweight() for text in axes.texts}
    assert weights == {"70": "bold", "10": "normal", "20": "normal", "40": "bold"}
    differences = label_levels.level_differences(scores)
    (axes,) = label_levels.plot_level_differences(differences).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["scene (2)"]
    ends = [c.lines[2][0].get_segments()[0][:, 0].tolist() for c in axes.containers]
    assert ends[0] == pytest.approx([45 - 190.59307, 45 + 190.59307])
    assert ends[1] == pytest.approx([-15 - 63.53102, -15 + 63.53102])


def test_long_lists_of_levels_are_cut():
    levels = [f"level {i}" for i in range(20)]
    scores = pd.DataFrame({"level": levels, "mean": np.arange(20.0)})
    scores = scores.assign(
        official=scores["level"] == "level 0", encoder_name="E", dataset_name="D"
    )
    axes = label_levels.plot_level_heatmap(scores).axes[0]
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert shown[:2] == ["level 0", "level 19"] and len(shown) == 12


def test_absent_datasets_are_named():
    assert base.say_absent({}) == "All datasets are there."
    assert base.say_absent({"a": "no a", "b": "no b"}) == "- no a\n- no b"


def test_findings(table, levels):
    scores = label_levels.level_scores(table, levels)
    text = label_levels.say_best_levels(
        label_levels.best_level_counts(scores), label_levels.level_differences(scores)
    )
    assert "trained **with labels**: clusters agree best with the official level in 2 of 2" in text
    assert "A (scene before kind), B (scene before kind)" in text
    assert "AMI is higher at **scene** than at the official level by 15.0 points" in text


def test_no_dataset_is_there(table):
    scores = label_levels.level_scores(table.assign(ami=np.nan), label_levels.label_levels({}))
    counts, differences = (
        label_levels.best_level_counts(scores),
        label_levels.level_differences(scores),
    )
    assert counts.empty and differences.empty
    assert label_levels.say_best_levels(counts, differences).startswith("**Nothing**")


def test_nothing_to_compare(table, levels):
    scores = label_levels.level_scores(table[table["dataset"] == "c"], levels)
    assert scores.empty
    counts, differences = (
        label_levels.best_level_counts(scores),
        label_levels.level_differences(scores),
    )
    assert label_levels.say_best_levels(counts, differences).startswith("**Nothing**")
    for figure in (
        label_levels.plot_level_heatmap(scores),
        label_levels.plot_level_differences(differences),
    ):
        assert figure.axes[0].texts[0].get_text().startswith("no ")
