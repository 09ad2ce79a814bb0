"""Encoders against others, pair by pair: figures 1 and 3 of the study."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis.base import plus_minus, with_asked, with_interval, with_score
from zsc_utils.analysis.encoders import ami_by_group
from zsc_utils.analysis.uncertainty import sure_mean_by


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
        points (`se` NaN where a group has one dataset), `n` datasets, `low` and `high` (95 %
        bootstrap over the datasets), `p` (sign flips of the datasets' differences), `asked`: how
        many datasets the profile names.
    """
    keys = ["group", "encoder", "encoder_name", "reference"]
    return with_asked(sure_mean_by(differences, keys, "difference"), table)


def references(reference: str | dict[str, str] | None) -> list[str]:
    """List the encoders that a profile compares with."""
    if isinstance(reference, dict):
        return list(dict.fromkeys(reference.values()))
    return [reference] if reference else []


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


def before_and_after(gains: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Set AMI before and after fine-tuning beside what it gained.

    Parameters
    ----------
    gains
        As `fine_tuning_gains` gives it.
    table
        Results.

    Returns
    -------
    DataFrame
        Texts but for `p`: a row for each group and encoder (its name before); `before` and `after`
        in percent and `gain` in points, mean ± SE over the datasets, and the gain's `95 %
        interval`. Before and after are over all datasets that each has results of.
    """
    means = ami_by_group(table)
    groups = list(dict.fromkeys(gains["group"]))
    gains = gains.sort_values("group", key=lambda names: names.map(groups.index), kind="stable")
    keys = pd.MultiIndex.from_frame(means[["group", "encoder"]])
    texts = pd.Series(plus_minus(means["mean"], means["se"]).to_numpy(), keys)
    names = means.drop_duplicates("encoder").set_index("encoder")["encoder_name"]
    written = written_differences(gains).rename(columns={"difference": "gain"})
    for column, encoder in (("after", "encoder"), ("before", "reference")):
        wanted = pd.MultiIndex.from_frame(gains[["group", encoder]])
        written.insert(0, column, texts.reindex(wanted).to_numpy())
    before = gains["reference"].map(names)
    written.index = pd.MultiIndex.from_arrays(
        [written.index.get_level_values(0), before], names=["group", "encoder"]
    )
    return written


def fine_tuned_pairs(table: pd.DataFrame) -> dict[str, str]:
    """Give for each fine-tuned encoder the name of what it was before, where that is there too."""
    facts = table.drop_duplicates("encoder").set_index("encoder")["fine_tuned_from"].dropna()
    return {after: before for after, before in facts.items() if before in set(table["encoder"])}


def written_differences(differences: pd.DataFrame) -> pd.DataFrame:
    """Write differences by group for a table.

    Parameters
    ----------
    differences
        As `average_by_group` gives it.

    Returns
    -------
    DataFrame
        A row for each group and encoder, group by group: `difference` (mean ± SE) and its `95 %
        interval`, both texts in points, `p`, and `datasets`. What one dataset cannot tell is
        missing.
    """
    groups = list(dict.fromkeys(differences["group"]))
    index = [differences["group"].rename("group"), differences["encoder_name"].rename("encoder")]
    intervals = with_interval(differences["mean"], differences["low"], differences["high"])
    columns = {
        "difference": plus_minus(differences["mean"], differences["se"]),
        "95 % interval": intervals.str.extract(r"(\[.*\])", expand=False),
        "p": differences["p"],
        "datasets": differences["n"],
    }
    found = pd.DataFrame(columns)
    found.index = pd.MultiIndex.from_arrays(index)
    return found.iloc[differences["group"].map(groups.index).argsort(kind="stable")]
