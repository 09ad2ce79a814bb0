"""The same clusters against several label levels: figure 2 of the study."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.study.base import bullets, mean_by, on_shared_clusterers, pivoted, with_score
from zsc_utils.study.figures import (
    dashes_in_row,
    legend_beside,
    nothing,
    panels,
    points,
    rows_by_backbone,
)


def ami_by_level(
    table: pd.DataFrame, dataset: str, levels: Sequence[str] | None = None
) -> pd.DataFrame:
    """AMI of the same clusters against several label levels of a dataset (figure 2 of the study).

    Parameters
    ----------
    table
        Results.
    dataset
        Name of the dataset.
    levels
        Some of the label levels it has; all by default.

    Returns
    -------
    DataFrame
        Columns encoder, encoder_name, level, `mean` and `se` over clusterers in percent (NaN of a
        level that has one class, or one for each image), `n`; only clusterers count that have a
        result for every encoder.
        Levels stand in the order in which they were asked for.
    """
    rows = on_shared_clusterers(with_score(table))
    rows = rows[rows["dataset"] == dataset]
    # Undefined ones are None in stored results.
    scores = pd.DataFrame(rows["ami_by_level"].tolist(), index=rows.index, dtype=float)
    scores = scores.reindex(columns=list(levels or scores.columns))
    named = rows[["encoder", "encoder_name"]].join(100 * scores)
    tidy = named.melt(["encoder", "encoder_name"], var_name="level", value_name="ami")
    return mean_by(tidy, ["encoder", "encoder_name", "level"], "ami")


def level_matrix(means: pd.DataFrame) -> pd.DataFrame:
    """AMI in percent, mean over clusterers: a row for each encoder, a column for each level.

    Parameters
    ----------
    means
        As `ami_by_level` gives it.
    """
    return pivoted(means, "encoder_name", "level", "mean").rename_axis(index="encoder")


def plot_ami_levels(means: dict[str, pd.DataFrame], styles: dict[str, dict]) -> Figure:
    """Draw AMI against label level, one line an encoder, ± 1 standard error over clusterers.

    Parameters
    ----------
    means
        For each dataset, by the name to print, `ami_by_level` of its nested levels, coarse
        to fine: a column of panels. A backbone that encoders share has a row.
    styles
        As `encoder_styles` gives it.
    """
    means = {name: table for name, table in means.items() if len(table)}
    if not means:
        return nothing("no dataset that has results has label levels that nest")
    rows = rows_by_backbone(styles)
    levels = {name: list(dict.fromkeys(table["level"])) for name, table in means.items()}
    widths = [len(names) for names in levels.values()]
    size = (1 + 0.62 * sum(widths), 0.6 + 2.3 * len(rows))
    shared = {"sharex": "col", "sharey": "row"}
    figure, all_axes = panels(len(rows), len(means), size, width_ratios=widths, **shared)
    for line, (backbone, encoders) in zip(all_axes, rows.items(), strict=True):
        for axes, (dataset, table) in zip(line, means.items(), strict=True):
            for name in encoders:
                found = table[table["encoder"] == name].set_index("level").reindex(levels[dataset])
                dashes = dashes_in_row(styles[name], backbone)
                points(axes, range(len(found)), found, styles[name], dashes)
            axes.set_xticks(range(len(levels[dataset])), levels[dataset], rotation=30, ha="right")
        line[0].set_ylabel(f"{backbone}\nAMI (%), ± 1 SE over clusterers".strip())
        legend_beside(line[-1])
    for axes, dataset in zip(all_axes[0], means, strict=True):
        axes.set_title(dataset)
    sns.despine(figure)
    return figure


def say_best_levels(means: dict[str, pd.DataFrame]) -> str:
    """Say for each dataset at which level of its tree clusters agree best with the labels.

    Parameters
    ----------
    means
        By the dataset's name to print: `ami_by_level` of the tree's levels, coarse to
        fine.
    """
    if not means:
        return "**Nothing**: no dataset that is there has label levels that nest."
    sentences = []
    for dataset, scores in means.items():
        if scores.empty:
            sentences.append(f"**{dataset}**: undecided, no cell has a result.")
            continue
        asked = list(dict.fromkeys(scores["level"]))
        wide = scores.pivot(index="encoder_name", columns="level", values="mean")[asked]
        wide = wide.dropna(axis="columns", how="all")
        levels = list(wide)
        undefined = ", ".join(level for level in asked if level not in levels)
        if undefined:
            sentences.append(
                f"**{dataset}**: AMI is undefined at {undefined}, where the images have one class, "
                "or each its own."
            )
        if not levels:
            continue
        best = wide.idxmax(axis=1).value_counts().reindex(levels).dropna().astype(int)
        counts = ", ".join(f"at {level} for {n}" for level, n in best.items())
        name, level = wide.stack().idxmax()
        change = wide[levels[-1]] - wide[levels[0]]
        sentences.append(
            f"**{dataset}**: of {len(wide)} encoders AMI is highest {counts}. The highest of all: "
            f"{wide.loc[name, level]:.1f} % ({name}, {level}). From {levels[0]} to {levels[-1]} "
            f"AMI rises for {(change > 0).sum()} of them; the median change is "
            f"{change.median():.1f} points."
        )
    return bullets(sentences)
