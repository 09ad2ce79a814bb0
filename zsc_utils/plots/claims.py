"""The ledger of claims, as a figure and as a table."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from zsc_utils.analysis import CONTRADICTED, SUPPORTED, UNDECIDED

if TYPE_CHECKING:
    from great_tables import GT

_COLORS = sns.color_palette("colorblind")

# Told apart by colour, by shape and by the word beside the interval.
VERDICT_STYLES = {
    SUPPORTED: {"color": _COLORS[0], "marker": "o"},
    CONTRADICTED: {"color": _COLORS[3], "marker": "X"},
    UNDECIDED: {"color": "0.35", "marker": "o", "markerfacecolor": "white"},
}

AXIS_LABELS = {"points": "difference in AMI (percentage points)", "ρ": "difference in Spearman's ρ"}


def claims_ledger(ledger: pd.DataFrame) -> Figure:
    """Draw each statistic with its 95 % interval: a panel for each unit, a row for each statistic.

    Grey marks the side of zero that the claim predicts; small dots are single datasets, where the
    statistic is a mean over datasets. What could not be computed keeps its row and says why.

    Parameters
    ----------
    ledger
        As `analysis.claims_ledger` gives it.
    """
    parts = [part for _, part in ledger.groupby("unit", sort=False)]
    heights = [len(part) for part in parts]
    figure, all_axes = plt.subplots(
        len(parts),
        1,
        figsize=(7, 0.42 * sum(heights) + 0.7 * len(parts)),
        height_ratios=heights,
        squeeze=False,
        layout="constrained",
    )
    for axes, part in zip(all_axes[:, 0], parts, strict=True):
        _forest(axes, part.reset_index(drop=True))
        axes.set_xlabel(AXIS_LABELS[part["unit"].iloc[0]], fontsize=8)
    sns.despine(figure, left=True)
    return figure


def _forest(axes: Axes, rows: pd.DataFrame) -> None:
    reach = _reach(rows)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.axvline(0, color="0.4", linewidth=0.8, zorder=1)
    for row in rows.itertuples():
        predicted = Rectangle((0, row.Index - 0.42), row.side * reach, 0.84, zorder=0)
        predicted.set(facecolor="0.93", edgecolor="none")
        axes.add_patch(predicted)
        if row.n:
            _draw(axes, row)
        count = f"{row.n} of {row.asked} dataset{'s' if row.asked != 1 else ''}"
        axes.annotate(
            f"{row.verdict}\n{count if row.n else fill(row.reason, 48)}",
            (1.02, row.Index),
            xycoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=7,
            color=VERDICT_STYLES[row.verdict]["color"],
            annotation_clip=False,
        )
    labels = [_label(row) for row in rows.itertuples()]
    axes.set_yticks(range(len(rows)), labels, fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=7)


def _draw(axes: Axes, row) -> None:
    values = list(row.by_dataset.values())
    axes.scatter(
        *(values, np.full(len(values), row.Index + 0.27)),
        s=5,
        color=VERDICT_STYLES[row.verdict]["color"],
        alpha=0.4,
        linewidth=0,
        zorder=2,
    )
    axes.errorbar(
        row.estimate,
        row.Index,
        xerr=None if np.isnan(row.low) else [[row.estimate - row.low], [row.high - row.estimate]],
        **VERDICT_STYLES[row.verdict],
        markersize=4.5,
        elinewidth=1.2,
        capsize=0,
        zorder=3,
    )


def _label(row) -> str:
    """Break a long name at a comma or before a minus sign."""
    name = row.statistic.replace(" − ", "\n− ") if len(row.statistic) > 40 else row.statistic
    about = "all datasets" if row.group == "all" else row.group
    return f"{row.key}  {name}\n({about})" if "\n" not in name else f"{row.key}  {name} ({about})"


def _reach(rows: pd.DataFrame) -> float:
    """Farthest that anything in a panel lies from zero, and a little more."""
    single = [value for values in rows["by_dataset"] for value in values.values()]
    found = np.abs([*rows[["estimate", "low", "high"]].to_numpy(float).ravel(), *single])
    known = found[np.isfinite(found)]
    return 1.08 * known.max() if known.any() else 1.0


def claims_table(written: pd.DataFrame) -> GT:
    """Print a ledger as a paper would: the verdict in bold, supported or contradicted in colour.

    Parameters
    ----------
    written
        As `analysis.written_claims` gives it.
    """
    from great_tables import GT, loc, style

    table = GT(written.reset_index(), rowname_col="id").tab_options(table_font_size="13px")
    for verdict, look in VERDICT_STYLES.items():
        rows = np.flatnonzero(written["verdict"].str.startswith(verdict)).tolist()
        look = style.text(color=to_hex(look["color"]), weight="bold")
        table = table.tab_style(look, loc.body(columns="verdict", rows=rows))
    return table.cols_align("left")
