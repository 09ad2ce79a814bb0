"""Encoders before and after fine-tuning, with MAE picked out."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.analysis import datasets_of_group
from zsc_utils.plots.style import (
    dodge,
    dodged,
    legend_outside,
    nothing,
    points,
    reference_panels,
)

# The method of which the study says that it stands out once fine-tuned.
PICKED = "MAE"


def gains_by_group(gains: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw what fine-tuning adds to AMI, mean over the datasets of a group ± 1 SE.

    Parameters
    ----------
    gains
        As `analysis.fine_tuning_gains` gives it; thin lines are its 95 % intervals. MAE stands on a
        band of its colour.
    styles
        As `encoder_styles` gives it.
    """
    if gains.empty:
        return nothing("no encoder has results from before and after fine-tuning")
    names = {g: f"{g}\n({count})" for g, count in datasets_of_group(gains).items()}
    figure, axes = plt.subplots(figsize=(2.4 + 1.3 * len(names), 3), layout="constrained")
    rows = gains.assign(group=gains["group"].map(names))
    dodged(rows, "group", list(names.values()), styles, axes)
    _pick_out(axes, [name for name in styles if name in set(rows["encoder"])], len(names), styles)
    axes.axhline(0, color="0.4", linewidth=0.8, zorder=0)
    axes.set_ylabel("AMI after − before fine-tuning\n(points, mean over datasets ± 1 SE)")
    legend_outside(figure, axes)
    _write_bold(figure.legends[0])
    sns.despine(figure)
    return figure


def before_and_after(
    differences: pd.DataFrame, pairs: dict[str, str], styles: dict[str, dict]
) -> Figure:
    """Draw distances to the supervised encoder before and after fine-tuning, pair beside pair.

    Parameters
    ----------
    differences
        As `analysis.group_differences` gives it: a panel for each reference, mean ± 1 SE.
    pairs
        As `analysis.fine_tuned_pairs` gives it: fine-tuned encoders and what they were. A line
        leads from before (filled) to after (hollow); MAE's is thick, on a band of its colour.
    styles
        As `encoder_styles` gives it.
    """
    here = set(differences["encoder"])
    pairs = {after: before for after, before in pairs.items() if {after, before} <= here}
    rows = differences[differences["encoder"].isin([*pairs, *pairs.values()])]
    if rows.empty:
        return nothing("no encoder but the reference has results from before and after fine-tuning")
    figure, panels, names = reference_panels(rows, styles)
    for reference, axes in panels.items():
        part = rows[rows["reference"] == reference].set_index("encoder")
        there = {after: before for after, before in pairs.items() if after in part.index}
        _draw_pairs(axes, part, there, list(names), styles)
        _pick_out(axes, list(there), len(names), styles)
        axes.set_xticks(range(len(names)), names.values())
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
        _write_bold(axes.get_legend())
    sns.despine(figure)
    return figure


def _draw_pairs(axes, rows: pd.DataFrame, pairs: dict, groups: list, styles: dict) -> None:
    """Draw each pair at its place beside the middle of each group: after a little to the right."""
    for i, (after, before) in enumerate(pairs.items()):
        found = [rows.loc[[name]].set_index("group") for name in (before, after)]
        aside = 0.15 / len(pairs)
        thick = styles[after]["method"].startswith(PICKED)
        for name, part, side in zip((before, after), found, (-aside, aside), strict=True):
            x = [groups.index(group) + dodge(i, len(pairs)) + side for group in part.index]
            points(axes, x, part.drop(columns=["low", "high"]), styles[name])
        for group in found[0].index.intersection(found[1].index):
            middle = groups.index(group) + dodge(i, len(pairs))
            axes.plot(
                [middle - aside, middle + aside],
                [part.loc[group, "mean"] for part in found],
                color=styles[after]["color"],
                linewidth=3 if thick else 0.8,
                alpha=0.4 if thick else 1,
                zorder=1,
            )
    for edge in range(1, len(groups)):
        axes.axvline(edge - 0.5, color="0.85", linewidth=0.8, zorder=0)


def _pick_out(axes, encoders: list[str], n_groups: int, styles: dict) -> None:
    """Lay a band behind the picked method at its place in each group."""
    half = 0.35 / len(encoders)
    for i, name in enumerate(encoders):
        if styles[name]["method"].startswith(PICKED):
            for middle in range(n_groups):
                x = middle + dodge(i, len(encoders))
                color = styles[name]["color"]
                axes.axvspan(x - half, x + half, color=color, alpha=0.15, linewidth=0, zorder=0)


def _write_bold(legend) -> None:
    for text in legend.get_texts():
        text.set_fontweight("bold" if text.get_text().startswith(PICKED) else "normal")
