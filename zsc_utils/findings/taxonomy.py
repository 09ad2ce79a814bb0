"""At which label level clusters agree best."""

from __future__ import annotations

import pandas as pd

from zsc_utils.findings.base import bullets


def levels(means: dict[str, pd.DataFrame]) -> str:
    """Say for each dataset at which level of its tree clusters agree best with the labels.

    Parameters
    ----------
    means
        By the dataset's name to print: `analysis.ami_by_level` of the tree's levels, coarse to
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
