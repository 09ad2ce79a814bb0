"""Whether reducing embeddings helps, and what the recipes do."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis import ALL_CLUSTERERS, REDUCTION_NAMES
from zsc_utils.findings.base import FEW, bullets


def comparison(rows: pd.DataFrame) -> str:
    """Say what was compared, and what could not be.

    Parameters
    ----------
    rows
        As `reductions_compared.compare_reductions` gives it.
    """
    if rows.empty:
        return "**Nothing** was compared: no encoder and dataset of this profile is there."
    text = (
        f"{len(rows)} clusterings: {rows['dataset'].nunique()} datasets × "
        f"{rows['encoder'].nunique()} encoders ({', '.join(rows['encoder_name'].unique())}) × "
        f"{rows['clusterer'].nunique()} clusterers."
    )
    lacking = rows[rows["ami"].isna()]
    if lacking.empty:
        return text
    reasons = lacking["reason"].value_counts()
    return (
        f"{text} {len(lacking)} of them have no AMI, most often because: {reasons.index[0]} "
        f"({reasons.iloc[0]} times)."
    )


def reductions(curves: pd.DataFrame, means: pd.DataFrame, counts: pd.DataFrame) -> str:
    """Say what each reduction does to AMI, how surely, and which ones the recipes use.

    Parameters
    ----------
    curves
        As `analysis.reduction_curves` gives it.
    means
        As `analysis.reduction_differences` gives it.
    counts
        As `analysis.count_choices` gives it.
    """
    sentences = [difference(row) for _, row in means[means["clusterer"] == "all"].iterrows()]
    for _, row in means[means["clusterer"] != "all"].iterrows():
        if row["pair"] == means["pair"].iloc[0]:
            sentences.append(f"{row['clusterer_name']} alone: {difference(row)}")
    if means.empty:
        sentences.append("**Undecided**: no dataset has two reductions to compare.")
    sentences += [*flatness(curves), recipes(counts)]
    return bullets(sentences)


def difference(row: pd.Series) -> str:
    """Say one paired difference, and whether its interval leaves its sign open."""
    text = f"**{row['pair']}**: {row['mean']:+.1f} points on average over {row['n']} dataset"
    text += "s" if row["n"] != 1 else ""
    if pd.isna(row["low"]):
        return f"{text}; one dataset tells nothing about others."
    verdict = "the interval holds zero"
    if row["low"] > 0 or row["high"] < 0:
        verdict = f"the interval lies {'above' if row['low'] > 0 else 'below'} zero"
    if row["n"] < FEW:
        verdict += ", and of so few datasets a bootstrap's is too narrow"
    return (
        f"{text}, 95 % interval [{row['low']:.1f}, {row['high']:.1f}], p = {row['p']:.3g}; above "
        f"zero on {row['above']} of them; {verdict}."
    )


def flatness(curves: pd.DataFrame) -> list[str]:
    """Say for each reduction between what its mean AMI lies over all dimensions."""
    rows = curves[(curves["clusterer_name"] == ALL_CLUSTERERS) & curves["n_components"].notna()]
    sentences = []
    for name, part in rows.groupby("reduction", sort=False):
        if len(part) > 1:
            low, high = (part.loc[part["mean"].agg(f)] for f in ("idxmin", "idxmax"))
            sentences.append(
                f"Dimensions, {REDUCTION_NAMES[name]}: mean AMI from {low['mean']:.1f} % (at "
                f"{low['n_components']:.0f}) to {high['mean']:.1f} % (at "
                f"{high['n_components']:.0f})."
            )
    return sentences


def recipes(counts: pd.DataFrame) -> str:
    """Say how many of the recipes use each kind of reduction."""
    total = counts.loc[ALL_CLUSTERERS]
    parts = [f"{n} {kind}" for kind, n in total.items()]
    return f"Of {total.sum()} recipes of this profile, by reduction: {', '.join(parts)}."
