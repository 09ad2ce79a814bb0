import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from zsc_utils.datasets import DATASETS
from zsc_utils.study import backgrounds
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.run import sweep


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def scores():
    """Two encoders, four groups left out; the gap of A is 10 ± something, that of B 0 ± nothing."""
    values = {
        ("mixed same", "a"): [50, 51, 49, 50, 50],
        ("mixed random", "a"): [40, 40, 40, 40, 40],
        ("mixed same", "b"): [30, 31, 29, 30, 30],
        ("mixed random", "b"): [30, 31, 29, 30, 30],
    }
    return pd.DataFrame(
        [
            (variant, encoder, encoder.upper(), left_out, float(ami))
            for (variant, encoder), amis in values.items()
            for left_out, ami in zip(range(-1, 4), amis, strict=True)
        ],
        columns=["variant", "encoder", "encoder_name", "left_out", "ami"],
    )


def test_jackknife_of_a_mean_is_its_standard_error():
    sample = np.random.default_rng(0).normal(size=30)
    left = {i: [np.delete(sample, i).mean()] for i in range(30)}
    found = backgrounds.jackknife(pd.DataFrame({-1: [sample.mean()]} | left)).iloc[0]
    assert found["se"] == pytest.approx(sample.std(ddof=1) / np.sqrt(30))
    assert found["value"] == pytest.approx(sample.mean())
    # Student's t of 29 degrees of freedom.
    assert found["high"] - found["value"] == pytest.approx(2.045 * found["se"], rel=1e-3)


def test_groups_without_which_ami_is_undefined_do_not_count():
    """Four groups of which one is undefined are three: by hand, values 1, 2, 3 left out."""
    values = pd.DataFrame({-1: [2.0, np.nan], 0: [1.0, np.nan], 1: [2.0, np.nan], 2: [3.0, np.nan]})
    found = backgrounds.jackknife(values.assign(**{"3": np.nan}))
    assert found.loc[0, "se"] == pytest.approx(np.sqrt(2 / 3 * 2))
    # Student's t of 2 degrees of freedom.
    assert found.loc[0, "high"] - 2 == pytest.approx(4.303 * found.loc[0, "se"], rel=1e-3)
    assert found.loc[1].isna().all()


def test_gaps_by_hand(scores):
    gaps = backgrounds.background_gaps(scores).set_index("encoder")
    # Left out: 11, 9, 10, 10; sum of squares 2, times 3 / 4.
    assert gaps.loc["a", ["value", "se"]].tolist() == pytest.approx([10, np.sqrt(1.5)])
    # The groups are the same for both variants: what they share cancels.
    assert gaps.loc["b", ["value", "se"]].tolist() == pytest.approx([0, 0])
    assert set(gaps["gap"]) == {"background gap"}
    written = backgrounds.written_gaps(gaps.reset_index())
    assert written.loc["B", "background gap"] == "0.0 [0.0, 0.0]"
    assert written.index.tolist() == gaps["encoder_name"].tolist()
    turned = backgrounds.background_gaps(scores.sort_values("encoder", ascending=False))
    assert turned["encoder"].tolist() == ["b", "a"]


def test_families_name_registered_datasets_that_share_their_classes():
    for family in backgrounds.FAMILIES:
        facts = [DATASETS[name].facts for name in family.values()]
        assert len({fact.label for fact in facts}) == 1
        assert backgrounds.background_variants([family["mixed same"], "digits"]) == family
    assert backgrounds.background_variants(["digits"]) == {}
    assert len(backgrounds.background_variants(load_profile("paper").datasets)) >= 6


def test_scores_are_those_of_the_sweep(tmp_path):
    profile = load_profile(
        "smoke", datasets=["mini-in9", "mini-in9-onlybg"], encoders=["raw_pixels"]
    )
    profile = profile.model_copy(update={"clusterers": ("kmeans", "ac_with_c")})
    table = sweep(profile, build=tmp_path, progress=False)
    variants = backgrounds.background_variants(profile.datasets)
    scores = backgrounds.background_scores(plan(profile), variants, build=tmp_path, groups=4)
    assert len(scores) == 2 * 5
    whole = scores[scores["left_out"] == -1].set_index("variant")["ami"]
    means = 100 * table.groupby("dataset")["ami"].mean()
    assert whole["original"] == pytest.approx(means["mini-in9"])
    assert whole["only background"] == pytest.approx(means["mini-in9-onlybg"])
    assert scores["ami"].nunique() == 10
    again = backgrounds.background_scores(plan(profile), variants, build=tmp_path, groups=4)
    assert again.equals(scores)
    # Where a clusterer has no result for one variant, it counts for none.
    (lost,) = [
        cell
        for job in plan(profile)
        for cell, _ in job.cells
        if (cell.dataset, cell.clusterer) == ("mini-in9-onlybg", "ac_with_c")
    ]
    lost.path(tmp_path).unlink()
    scores = backgrounds.background_scores(plan(profile), variants, build=tmp_path, groups=4)
    whole = scores[scores["left_out"] == -1].set_index("variant")["ami"]
    means = 100 * table[table["clusterer"] == "kmeans"].groupby("dataset")["ami"].mean()
    assert whole["original"] == pytest.approx(means["mini-in9"])


def test_figures_and_findings(scores):
    by_variant, gaps = backgrounds.ami_by_variant(scores), backgrounds.background_gaps(scores)
    axes = backgrounds.plot_ami_by_variant(
        by_variant, ["original", "mixed random", "mixed same"]
    ).axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["mixed random", "mixed same"]
    assert [text.get_text() for text in axes.texts] == ["40", "50", "30", "30"]
    look = {"color": "k", "face": "k", "marker": "o"}
    (axes,) = backgrounds.plot_background_gaps(
        gaps, {n: look | {"label": n.upper()} for n in "ab"}
    ).axes
    assert [t.get_text() for t in axes.get_yticklabels()] == ["A", "B"]
    low, high = axes.containers[0].lines[2][0].get_segments()[0][:, 0]
    assert (low + high) / 2 == pytest.approx(10) and high > low
    text = backgrounds.say_gaps(by_variant, gaps)
    assert "**mixed same**: AMI from 30.0 % (B) to 50.0 % (A)" in text
    assert "mean 5.0 points" in text and "for 1 of 2 encoders" in text


def test_no_family(scores):
    none = scores[scores["variant"] == "original"]
    by_variant, gaps = backgrounds.ami_by_variant(none), backgrounds.background_gaps(none)
    assert backgrounds.say_gaps(by_variant, gaps).startswith("**Nothing**")
    for figure in (
        backgrounds.plot_ami_by_variant(by_variant, []),
        backgrounds.plot_background_gaps(gaps, {}),
    ):
        assert figure.axes[0].texts[0].get_text().startswith("no dataset")
