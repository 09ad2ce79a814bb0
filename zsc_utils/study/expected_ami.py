"""How well AMI is read off criteria that need no labels, on sets of images whose classes are known.

A curve that other sets gave, and the interval around it, are held against the AMI of each set.
"""

from __future__ import annotations

from math import ceil

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zsc_utils.own import calibration
from zsc_utils.own.calibration import CRITERIA, READ_OFF
from zsc_utils.study.base import bullets
from zsc_utils.study.figures import COLORS, panels
from zsc_utils.study.sums_of_criteria import listed_estimates, mean_of_sets, way_name
from zsc_utils.study.tables import estimate_texts
from zsc_utils.study.without_labels import fully_measured


def learnt_elsewhere(table: pd.DataFrame) -> dict[str, calibration.Calibration]:
    """Learn for every set from all the others.

    Parameters
    ----------
    table
        As `calibration.measured` gives it.
    """
    return {name: calibration.calibrate(others) for name, _, others in calibration.left_out(table)}


def expected(table: pd.DataFrame, elsewhere: dict[str, calibration.Calibration]) -> pd.DataFrame:
    """Read AMI off the silhouettes of every set's proposals, by what the other sets taught.

    Parameters
    ----------
    table
        As `calibration.measured` gives it.
    elsewhere
        As `learnt_elsewhere` gives it.

    Returns
    -------
    DataFrame
        The proposals (of each cut, encoder and clusterer the number of clusters that ranks first)
        with `low`, `middle` and `high` of the AMI to expect, and whether it is `inside`.
    """
    proposals = calibration.proposed_rows(table, calibration.rank_scores(table))
    parts = []
    for name, own in proposals.dropna(subset=[READ_OFF]).groupby("set"):
        low, middle, high = elsewhere[name].interval(own[READ_OFF])
        inside = own["ami"].between(low, high)
        parts.append(own.assign(low=low, middle=middle, high=high, inside=inside))
    return pd.concat(parts)


NO_CRITERION = "no criterion: mean AMI of other sets"


def level_errors(proposals: pd.DataFrame) -> pd.DataFrame:
    """Compare criteria by how well AMI is read off them: distances on sets that were left out.

    Parameters
    ----------
    proposals
        As `expected` gives it; those of cuts of which every criterion was measured count.

    Returns
    -------
    DataFrame
        A row for each criterion (`way`), and one for the mean AMI of the other sets: `mean`
        distance of AMI from a rising curve (isotonic regression, each set alike) of the other sets,
        in points, with `low` and `high` over `n` sets. The best stand first.
    """
    kept = fully_measured(proposals).assign(**{NO_CRITERION: 0.0})
    rows = []
    for way in (*CRITERIA, NO_CRITERION):
        errors = 100 * calibration.errors_left_out(kept, way).abs()
        rows.append({"way": way} | mean_of_sets(errors.groupby(kept["set"]).mean()))
    return pd.DataFrame(rows).sort_values("mean", kind="stable").reset_index(drop=True)


def written_errors(errors: pd.DataFrame) -> pd.DataFrame:
    """Write `level_errors` for a table: a row a criterion."""
    names = errors["way"].map(way_name).rename("read off")
    return estimate_texts(errors).to_frame("error (points)").set_index(names)


def coverage_by_set(proposals: pd.DataFrame) -> pd.DataFrame:
    """Say how often the interval held the AMI of a set that nothing was learnt from.

    Parameters
    ----------
    proposals
        As `expected` gives it.

    Returns
    -------
    DataFrame
        A row a set, the least covered first: how many `clusterings`, `covered` in percent, `width`
        of the interval, mean `error` of its middle and `bias` (AMI less the middle), in points.
    """
    off = 100 * (proposals["ami"] - proposals["middle"])
    numbers = proposals.assign(
        covered=100.0 * proposals["inside"],
        width=100 * (proposals["high"] - proposals["low"]),
        error=off.abs(),
        bias=off,
    )
    by = numbers.groupby("set")
    found = by[["covered", "width", "error", "bias"]].mean()
    found.insert(0, "clusterings", by.size())
    return found.sort_values("covered", kind="stable")


def written_coverage(covered: pd.DataFrame) -> pd.DataFrame:
    """Add to `coverage_by_set` its mean over sets, for a table."""
    mean = covered.mean().to_frame("mean over sets").T
    mean["clusterings"] = covered["clusterings"].sum()
    return pd.concat([covered, mean]).astype({"clusterings": int}).rename_axis("set")


def plot_calibration(
    learnt: calibration.Calibration, proposals: pd.DataFrame, covered: pd.DataFrame
) -> Figure:
    """Draw AMI against the silhouette with the curve and its interval, and coverage beside.

    Parameters
    ----------
    learnt
        From all sets.
    proposals
        As `expected` gives it.
    covered
        As `coverage_by_set` gives it. Sets whose AMI the interval of the others held less often
        than it should have a colour of their own, in both panels.
    """
    figure, ((left, right),) = panels(1, 2, (9.5, 4.2), width_ratios=(1.5, 1))
    palette = [COLORS[i] for i in (3, 1, 2, 4, 5, 8, 9)]
    colors = dict(zip(_failed(covered).index, palette, strict=False))
    grey = proposals[~proposals["set"].isin(colors)]
    left.scatter(grey[READ_OFF], 100 * grey["ami"], s=7, color="0.6", alpha=0.6, linewidth=0)
    for name, color in colors.items():
        rows = proposals[proposals["set"] == name]
        left.scatter(rows[READ_OFF], 100 * rows["ami"], s=10, color=color, linewidth=0, label=name)
    _draw_curve(left, learnt, proposals, linewidth=1.6)
    span = proposals[READ_OFF].min() - 0.02, proposals[READ_OFF].max() + 0.02
    left.set(xlabel="S in UMAP space", ylabel="AMI (%)", xlim=span)
    if colors:
        left.legend(frameon=False, loc="upper left", markerscale=1.6)
    y = np.arange(len(covered))
    looks = [colors.get(name, "0.45") for name in covered.index]
    right.hlines(y, 0, covered["covered"], color=looks, linewidth=1)
    right.scatter(covered["covered"], y, color=looks, s=26, zorder=3)
    right.axvline(100 * calibration.INSIDE, color="0.4", linewidth=0.8, linestyle=":")
    right.set_yticks(y, covered.index)
    right.set(xlim=(0, 103), ylim=(len(y) - 0.5, -0.5))
    right.set_xlabel("AMI inside the interval of the other sets (%)")
    sns.despine(figure)
    return figure


def _failed(covered: pd.DataFrame) -> pd.DataFrame:
    """Keep the sets whose AMI the interval held less often than it promised."""
    return covered[covered["covered"] < 100 * calibration.INSIDE]


def _draw_curve(
    axes: Axes, learnt: calibration.Calibration, proposals: pd.DataFrame, linewidth: float
) -> None:
    """Draw a curve and its interval over the silhouettes of all proposals."""
    span = np.linspace(proposals[READ_OFF].min(), proposals[READ_OFF].max(), 200)
    low, middle, high = (100 * bound for bound in learnt.interval(span))
    axes.fill_between(span, low, high, color=COLORS[0], alpha=0.15, linewidth=0)
    axes.plot(span, middle, color=COLORS[0], linewidth=linewidth)
    axes.set_ylim(-4, 104)


def plot_sets(
    proposals: pd.DataFrame,
    covered: pd.DataFrame,
    elsewhere: dict[str, calibration.Calibration],
) -> Figure:
    """Draw each set with the curve and interval that the other sets gave, the worst first.

    Parameters
    ----------
    proposals, covered, elsewhere
        As `expected`, `coverage_by_set` and `learnt_elsewhere` give them. Orange is outside.
    """
    columns = 4
    lines = ceil(len(covered) / columns)
    shared = {"sharex": True, "sharey": True}
    figure, all_axes = panels(lines, columns, (9.5, 2.1 * lines), used=len(covered), **shared)
    for axes, (name, row) in zip(all_axes.flat, covered.iterrows(), strict=False):
        rows = proposals[proposals["set"] == name]
        _draw_curve(axes, elsewhere[name], proposals, linewidth=1.2)
        for inside, color in ((True, "0.35"), (False, COLORS[3])):
            part = rows[rows["inside"] == inside]
            axes.scatter(part[READ_OFF], 100 * part["ami"], s=7, color=color, linewidth=0)
        axes.set_title(f"{name}: {row['covered']:.0f} % inside", fontsize=8)
    plt.setp(all_axes[-1], xlabel="S in UMAP space")
    plt.setp(all_axes[:, 0], ylabel="AMI (%)")
    sns.despine(figure)
    return figure


def say_coverage(covered: pd.DataFrame, errors: pd.DataFrame) -> str:
    """Say how well AMI is read off, how often its interval held on sets unseen, where it failed.

    Parameters
    ----------
    covered, errors
        As `coverage_by_set` and `level_errors` give them.
    """
    promised = f"{100 * calibration.INSIDE:.0f} %"
    failed = _failed(covered)["covered"]
    listed = ", ".join(f"{name} {share:.0f} %" for name, share in failed.items())
    return bullets(
        [
            f"**How good**, mean distance of AMI from what is read off, in points: "
            f"{listed_estimates(errors)}.",
            f"**The interval** for {promised} of the sets is {covered['width'].mean():.0f} points "
            f"wide. On sets that nothing was learnt from it held AMI in "
            f"{covered['covered'].mean():.0f} % of the clusterings (mean over {len(covered)} sets)."
            f" In {len(failed)} sets it held less than it promised: {listed or 'none'}.",
        ]
    )
