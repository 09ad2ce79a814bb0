"""How clusterers differ."""

from __future__ import annotations

import pandas as pd

from zsc_utils.findings.base import bullets


def clusterers(
    agreement: pd.DataFrame,
    correlation: pd.DataFrame,
    factors: pd.DataFrame,
    out: pd.DataFrame,
    unevenness: pd.DataFrame,
) -> str:
    """Say which clusterers agree, how many clusters they find, and what they leave out.

    Parameters
    ----------
    agreement
        As `analysis.mean_agreement` gives it.
    correlation
        As `analysis.clusterer_correlation` gives it.
    factors
        As `analysis.cluster_factors` gives it.
    out
        As `analysis.left_out` gives it.
    unevenness
        As `analysis.noise_unevenness` gives it.
    """
    return bullets(
        [
            *agreeing(agreement, correlation),
            *(count(row) for _, row in factors.iterrows()),
            *leaving(out, unevenness),
        ]
    )


def agreeing(agreement: pd.DataFrame, correlation: pd.DataFrame) -> list[str]:
    """Say which pairs of clusterers agree most and least, and whether their AMIs go together."""
    if agreement.empty:
        return ["**Agreement** is undecided: no embedding has clusters of two clusterers."]
    sentences = []
    for which, how in (("most", "idxmax"), ("least", "idxmin")):
        row = agreement.loc[agreement["mean"].agg(how)]
        within = "" if pd.isna(row["low"]) else f" [{row['low']:.1f}, {row['high']:.1f}]"
        sentences.append(
            f"Clusters agree {which} between **{row['first_name']}** and **{row['second_name']}**: "
            f"AMI {row['mean']:.1f} %{within}, mean over {row['n']} datasets."
        )
    known = correlation.dropna(subset=["rho", "rho_within"])
    if len(known):
        sentences.append(
            "**AMI with the classes**, clusterer against clusterer: ρ from "
            f"{known['rho'].min():.2f} to {known['rho'].max():.2f} over datasets × encoders "
            f"(median {known['rho'].median():.2f}); within datasets, from "
            f"{known['rho_within'].min():.2f} to {known['rho_within'].max():.2f} (median "
            f"{known['rho_within'].median():.2f}; the 95 % interval lies above zero for "
            f"{(known['low_within'] > 0).sum()} of {len(known)} pairs)."
        )
    return sentences


def count(row: pd.Series) -> str:
    """Say how many clusters one clusterer finds that is not told."""
    text = f"**{row['clusterer_name']}**, not told the number of classes, finds "
    if pd.isna(row["factor"]):
        return f"{text}no cluster at all in any of {row['n']} results."
    interval = "" if pd.isna(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]"
    none = f" {row['none']} have no cluster at all." if row["none"] else ""
    return (
        f"{text}{row['factor']:.2f}{interval} times as many clusters as there are classes "
        f"(geometric mean); too few in {row['too few']:.0f} % and too many in "
        f"{row['too many']:.0f} % of {row['n']} results, between half and twice in "
        f"{row['within 2']:.0f} %.{none}"
    )


def leaving(out: pd.DataFrame, unevenness: pd.DataFrame) -> list[str]:
    """Say how much is left out, what that does to AMI, and whether classes matter."""
    if out.empty:
        return ["**Left out**: nothing by any clusterer that has a result."]
    sentences = []
    for name, rows in out.groupby("clusterer_name", sort=False):
        known = rows[rows["ami_clustered"].notna()]
        text = f"**{name}** leaves out {rows['left_out'].mean():.1f} % of the samples on average"
        if len(known):
            text += (
                f"; where it clusters anything, AMI is {known['ami'].mean():.1f} % with them as "
                f"one more cluster and {known['ami_clustered'].mean():.1f} % over the others alone"
            )
        sentences.append(f"{text}.")
    if len(unevenness):
        sentences.append(
            "**Class** against left out: χ² over its degrees of freedom, 1 on average if classes "
            f"do not matter, is {unevenness['unevenness'].median():.1f} (median over clusterings "
            "with anything left out), and p < 0.05, which chance gives in 5 %, in "
            f"{100 * (unevenness['p'] < 0.05).mean():.0f} % of {len(unevenness)}."
        )
    return sentences
