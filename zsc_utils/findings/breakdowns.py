"""What clusters are of, if not of the classes."""

from __future__ import annotations

import pandas as pd

from zsc_utils.findings.base import bullets


def breakdowns(counts: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Say how often the official level is the one that clusters agree with best.

    Parameters
    ----------
    counts
        As `analysis.best_level_counts` gives it.
    differences
        As `analysis.level_differences` gives it.
    """
    if counts.empty:
        return "**Nothing**: no dataset has both a result and two label levels to compare."
    sentences = []
    for trained, rows in counts.groupby("trained", sort=False):
        won, asked = rows["official best"].sum(), rows["encoders"].sum()
        elsewhere = rows[rows["most often best"] != rows["official"]]
        listed = ", ".join(
            f"{row.dataset_name} ({row._6} before {row.official})" for row in elsewhere.itertuples()
        )
        sentences.append(
            f"Encoders trained **{trained}**: clusters agree best with the official level in {won} "
            f"of {asked} cases (dataset × encoder), over {len(rows)} datasets. Another level is "
            f"best more often on: {listed or 'none'}."
        )
    for row in differences[differences["mean"] < 0].itertuples():
        sentences.append(
            f"Trained {row.trained}, AMI is higher at **{row.level}** than at the official level "
            f"by {-row.mean:.1f} points on average of {row.n} datasets (95 % interval "
            f"{-row.high:.1f} to {-row.low:.1f}, p = {row.p:.3f})."
        )
    return bullets(sentences)
