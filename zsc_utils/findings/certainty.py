"""How sure it all is: few datasets, one seed or several."""

from __future__ import annotations

import pandas as pd

from zsc_utils.findings.base import FEW, bullets


def few_datasets(differences: pd.DataFrame, table: pd.DataFrame) -> str:
    """Say what groups lack, and how small a p their datasets allow.

    Parameters
    ----------
    differences
        As `analysis.average_by_group` gives it.
    table
        Results, absent and failed ones among them.
    """
    counts = differences.groupby("group", sort=False)["n"].max()
    sentences = [
        f"**{group}**: nothing to compare; {_why_empty(rows)}."
        for group, rows in table.groupby("group", sort=False)
        if group not in counts
    ]
    alone = ", ".join(counts.index[counts == 1])
    if alone:
        sentences.append(
            f"One dataset alone tells nothing about others: no standard error, interval or p for "
            f"{alone}."
        )
    several = counts[counts > 1]
    if len(several):
        listed = ", ".join(f"{2 / 2**n:.3g} for {group} ({n})" for group, n in several.items())
        reach = int((2 / 2**several <= 0.05).sum())
        sentences.append(
            f"With n datasets no p of sign flips is below 2/2ⁿ: {listed}. So {reach} of "
            f"{len(several)} groups could show a difference at the 5 % level at all."
        )
    if len(several[several < FEW]):
        sentences.append(
            f"Bootstrap intervals over fewer than {FEW} datasets are too narrow: of four or five "
            "they hold the true mean in about 80 % of the cases, not in 95. Notebook 11 judges "
            "claims by Student's."
        )
    return bullets(sentences)


def _why_empty(rows: pd.DataFrame) -> str:
    names = rows["dataset_name"].unique()
    scored = rows.loc[rows["ami"].notna(), "dataset"].nunique()
    if scored:
        return f"{scored} of its {len(names)} datasets have results, but not of two to compare"
    # Clusters without an AMI have classes that none is defined for.
    status = rows["status"].replace("ok", "of undefined AMI")
    kinds = ", ".join(
        f"{count} {what.replace('_', ' ')}"
        for what, count in rows.groupby(status, sort=False)["dataset"].nunique().items()
    )
    return f"none of its {len(names)} datasets has a result ({kinds})"


def seeds(table: pd.DataFrame, spread: pd.DataFrame) -> str:
    """Say how many seeds were run, and how much AMI changes with the seed alone.

    Parameters
    ----------
    table
        Results.
    spread
        As `analysis.spread_over_seeds` gives it.
    """
    ran = sorted(int(seed) for seed in table.loc[table["ami"].notna(), "seed"].unique())
    if len(ran) == 1:
        return (
            f"**One seed** ({ran[0]}) was run: how much the numbers change with the seed is not "
            "known from this profile."
        )
    if not ran:
        return "**Seeds**: no cell has a result of any."
    if spread.empty:
        return "**Seeds**: no cell has results of two seeds."
    mean = (spread["mean"] * spread["cells"]).sum() / spread["cells"].sum()
    most = spread["mean"].idxmax()
    return (
        f"**{len(ran)} seeds** ({', '.join(map(str, ran))}) were run, and all numbers are means "
        f"over them. Within a cell AMI has a standard deviation of {mean:.1f} points over seeds on "
        f"average, most with {most} ({spread.loc[most, 'mean']:.1f}); the largest of all is "
        f"{spread['largest'].max():.1f}."
    )
