"""Encoders against others, pair by pair: figures 1 and 3 of the study."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis.base import mean_by, with_asked, with_score


def paired_differences(table: pd.DataFrame, other: pd.Series) -> pd.DataFrame:
    """AMI of each encoder minus AMI of another, clusterer by clusterer, then averaged.

    Parameters
    ----------
    table
        Results.
    other
        For each row of the table the encoder to compare with; missing where there is none.

    Returns
    -------
    DataFrame
        One row for each dataset and encoder: their facts, `reference` (the other encoder) and
        `difference` in percentage points. Only clusterers that have a result for both count.
    """
    keys = ["dataset", "clusterer"]
    rows = with_score(table.assign(reference=other))
    rows = rows[rows["reference"].notna() & (rows["reference"] != rows["encoder"])]
    base = with_score(table)[[*keys, "encoder", "ami"]]
    base = base.rename(columns={"encoder": "reference", "ami": "base"})
    rows = rows.merge(base, on=[*keys, "reference"])
    rows = rows.assign(difference=100 * (rows["ami"] - rows["base"]))
    facts = ["group", "dataset", "dataset_name", "encoder", "encoder_name", "reference"]
    return rows.groupby(facts, sort=False)["difference"].mean().reset_index()


def average_by_group(differences: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Average differences over the datasets of each group.

    Returns
    -------
    DataFrame
        Columns group, encoder, encoder_name, reference, `mean` and `se` over datasets in percentage
        points (`se` NaN where a group has one dataset), `n` datasets, `asked`: how many the profile
        names.
    """
    keys = ["group", "encoder", "encoder_name", "reference"]
    return with_asked(mean_by(differences, keys, "difference"), table)


def group_differences(table: pd.DataFrame, reference: str | dict[str, str]) -> pd.DataFrame:
    """Compare every encoder with a supervised one, group by group (figure 1 of the study).

    Parameters
    ----------
    table
        Results.
    reference
        The encoder to compare with, or one for each backbone: encoders on other backbones are left
        out.

    Returns
    -------
    DataFrame
        As `average_by_group` gives it.
    """
    if isinstance(reference, str):
        other = pd.Series(reference, index=table.index)
    else:
        other = table["backbone"].map(reference)
    return average_by_group(paired_differences(table, other), table)


def fine_tuning_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Compare every fine-tuned encoder with what it was before, group by group.

    Returns
    -------
    DataFrame
        As `average_by_group` gives it; `reference` is the encoder before fine-tuning.
    """
    return average_by_group(paired_differences(table, table["fine_tuned_from"]), table)
