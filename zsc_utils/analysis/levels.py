"""The same clusters against several label levels: figure 2 of the study."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from zsc_utils.analysis.base import mean_by, on_shared_clusterers, with_score


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
    wide = means.pivot(index="encoder_name", columns="level", values="mean")
    order = means["encoder_name"].unique(), means["level"].unique()
    return wide.reindex(index=order[0], columns=order[1]).rename_axis(index="encoder")
