"""How much of a class is its background."""

from __future__ import annotations

import pandas as pd

from zsc_utils.findings.base import bullets


def backgrounds(scores: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """Say how much the background tells, and which encoders lean on it.

    Parameters
    ----------
    scores
        As `analysis.ami_by_variant` gives it.
    gaps
        As `analysis.background_gaps` gives it.
    """
    if scores.empty:
        return "**Nothing**: no dataset has both a result and variants with other backgrounds."
    sentences = []
    for variant, rows in scores.groupby("variant", sort=False):
        low, high = (rows.loc[rows["value"].agg(pick)] for pick in ("idxmin", "idxmax"))
        sentences.append(
            f"**{variant}**: AMI from {low['value']:.1f} % ({low['encoder_name']}) to "
            f"{high['value']:.1f} % ({high['encoder_name']}), mean over {len(rows)} encoders "
            f"{rows['value'].mean():.1f} %."
        )
    for gap, rows in gaps.groupby("gap", sort=False):
        above, below = (rows["low"] > 0).sum(), (rows["high"] < 0).sum()
        most = rows.loc[rows["value"].idxmax()]
        sentences.append(
            f"**{gap}**: mean {rows['value'].mean():.1f} points; the interval over images lies "
            f"above zero for {above} of {len(rows)} encoders and below it for {below}; largest "
            f"for {most['encoder_name']} ({most['value']:.1f} ± {most['se']:.1f})."
        )
    return bullets(sentences)
