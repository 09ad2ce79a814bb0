"""Whether the silhouette goes along with AMI."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis import SPACES
from zsc_utils.findings.base import bullets


def silhouettes(correlation: pd.DataFrame, split: pd.DataFrame) -> str:
    """Say in which space the silhouette goes along with AMI, and how surely.

    Parameters
    ----------
    correlation
        As `analysis.silhouette_correlation` gives it.
    split
        As `analysis.correlation_by_supervision` gives it.
    """
    if correlation["rho"].isna().all():
        return "**Undecided**: no clusterer has three results with a silhouette."
    sentences = []
    for space, rows in correlation.groupby("space", sort=False):
        rhos = rows["rho"].dropna()
        if rhos.empty:
            sentences.append(f"**Silhouette in the {SPACES[space]}**: undecided, without any ρ.")
            continue
        surely = int((rows["low"] > 0).sum())
        sentences.append(
            f"**Silhouette in the {SPACES[space]}**: median ρ = {rhos.median():.2f} over "
            f"{len(rhos)} clusterers ({rhos.min():.2f} to {rhos.max():.2f}); the 95 % interval "
            f"lies above zero for {surely} of them."
        )
    wide = correlation.pivot(index="clusterer_name", columns="space", values="rho").dropna()
    better = (wide["silhouette_umap"] > wide["silhouette_original"]).sum()
    sentences.append(
        f"ρ is higher in the UMAP space than in the original for {better} of {len(wide)}"
        " clusterers."
    )
    known = split[split["rho"].notna()]
    for (trained, space), rows in known.groupby(["trained", "space"], sort=False):
        sentences.append(
            f"Encoders trained {trained}, {SPACES[space]}: median ρ = {rows['rho'].median():.2f}."
        )
    return bullets(sentences)
