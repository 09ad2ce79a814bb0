"""AMI at label levels."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.plots.style import dashes_in_row, nothing, points, rows_by_backbone


def ami_levels(means: dict[str, pd.DataFrame], styles: dict[str, dict]) -> Figure:
    """Draw AMI against label level, one line an encoder, ± 1 standard error over clusterers.

    Parameters
    ----------
    means
        For each dataset, by the name to print, `analysis.ami_by_level` of its nested levels, coarse
        to fine: a column of panels. A backbone that encoders share has a row.
    styles
        As `encoder_styles` gives it.
    """
    means = {name: table for name, table in means.items() if len(table)}
    if not means:
        return nothing("no dataset that has results has label levels that nest")
    rows = rows_by_backbone(styles)
    levels = {name: list(dict.fromkeys(table["level"])) for name, table in means.items()}
    figure, all_axes = plt.subplots(
        len(rows),
        len(means),
        figsize=(1 + 0.62 * sum(map(len, levels.values())), 0.6 + 2.3 * len(rows)),
        width_ratios=[len(names) for names in levels.values()],
        sharey="row",
        sharex="col",
        squeeze=False,
        layout="constrained",
    )
    for line, (backbone, encoders) in zip(all_axes, rows.items(), strict=True):
        for axes, (dataset, table) in zip(line, means.items(), strict=True):
            for name in encoders:
                found = table[table["encoder"] == name].set_index("level").reindex(levels[dataset])
                dashes = dashes_in_row(styles[name], backbone)
                points(axes, range(len(found)), found, styles[name], dashes)
            axes.set_xticks(range(len(levels[dataset])), levels[dataset], rotation=30, ha="right")
        line[0].set_ylabel(f"{backbone}\nAMI (%), ± 1 SE over clusterers".strip())
        line[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    for axes, dataset in zip(all_axes[0], means, strict=True):
        axes.set_title(dataset)
    sns.despine(figure)
    return figure
