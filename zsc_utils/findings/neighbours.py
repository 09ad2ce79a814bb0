"""Whether clusters and nearest neighbours judge encoders alike."""

from __future__ import annotations

import pandas as pd

from zsc_utils.findings.base import bullets


def neighbours(summary: pd.DataFrame, gap: pd.DataFrame, changes: pd.DataFrame) -> str:
    """Say how well AMI and kNN accuracy agree on which encoders are better.

    Parameters
    ----------
    summary
        As `analysis.agreement_by_clusterer` gives it.
    gap
        As `analysis.ceiling_gap` gives it.
    changes
        As `analysis.rank_changes` gives it.
    """
    if summary.empty:
        return "**Undecided**: no dataset has three encoders with both AMI and kNN accuracy."
    sentences = []
    for measure, rows in summary.groupby("measure", sort=False):
        best, worst = (rows.loc[rows["mean"].agg(pick)] for pick in ("idxmax", "idxmin"))
        sentences.append(
            f"AMI of a clusterer against **{measure}**: mean ρ from {worst['mean']:.2f} "
            f"({worst['clusterer_name']}) to {best['mean']:.2f} ({best['clusterer_name']})."
        )
    for row in gap.itertuples():
        surely = "" if pd.isna(row.low) else f" (95 % interval {row.low:.2f} to {row.high:.2f}"
        surely += "" if pd.isna(row.low) else f", p = {row.p:.3f})"
        sentences.append(
            f"**Against the ceiling**, {row.measure}: clusterers agree with one another at ρ = "
            f"{row.ceiling:.2f}, with kNN at {row.rho:.2f}: {row.gap:.2f} less{surely}, over "
            f"{row.n} dataset{'s' if row.n > 1 else ''}."
        )
    known = changes[(changes["low"] > 0) | (changes["high"] < 0)]
    for side, rows in (("wins", known[known["gain"] > 0]), ("loses", known[known["gain"] < 0])):
        listed = ", ".join(f"{r.encoder_name} ({r.gain:+.1f})" for r in rows.itertuples())
        sentences.append(
            f"By kNN, **{side} ranks** with an interval off zero: {listed or 'none'} "
            f"(of {len(changes)} encoders)."
        )
    return bullets(sentences)
