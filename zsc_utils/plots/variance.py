"""Variance by leading dimensions."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, StrMethodFormatter

from zsc_utils.plots.style import dashes_in_row, nothing, rows_by_backbone


def variance_curves(curves: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw the fraction of variance against leading PCA dimensions: absolute, and relative to all.

    Parameters
    ----------
    curves
        As `analysis.typical_curves` gives it: medians are lines, quartiles bands. A backbone that
        encoders share has a row of panels, both axes are logarithmic, and a grey line marks 90 %.
    styles
        As `encoder_styles` gives it.
    """
    if curves.empty:
        return nothing("no dataset has embeddings by any encoder")
    known = set(curves["encoder"])
    rows = rows_by_backbone({name: style for name, style in styles.items() if name in known})
    figure, all_axes = plt.subplots(
        len(rows),
        2,
        figsize=(8, 0.6 + 2.3 * len(rows)),
        sharey=True,
        sharex="col",
        squeeze=False,
        layout="constrained",
    )
    for line, (backbone, encoders) in zip(all_axes, rows.items(), strict=True):
        for name in encoders:
            curve, style = curves[curves["encoder"] == name], styles[name]
            dashes = dashes_in_row(style, backbone)
            for axes, dims in zip(line, ("dims", "relative"), strict=True):
                look = {"color": style["color"], "linestyle": dashes, "label": style["label"]}
                axes.plot(curve[dims], curve["median"], **look)
                axes.fill_between(
                    *(curve[dims], curve["low"], curve["high"]),
                    color=style["color"],
                    alpha=0.1,
                    linewidth=0,
                )
        for axes in line:
            axes.set(xscale="log", ylim=(0, 1.02))
            axes.axhline(0.9, color="0.6", linewidth=0.6, zorder=0)
        line[0].set_ylabel(f"{backbone}\nfraction of variance".strip())
        line[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    all_axes[-1, 0].xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
    all_axes[-1, 1].xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{100 * x:g} %"))
    all_axes[-1, 0].set_xlabel("leading dimensions")
    all_axes[-1, 1].set_xlabel("leading dimensions / dimensions")
    sns.despine(figure)
    return figure
