"""What clusters of someone's own images look like from outside."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis import LEFT_OUT
from zsc_utils.findings.base import bullets


def own_images(ranked: pd.DataFrame, counts: pd.Series) -> str:
    """Say which clustering to look at first, what it holds, and what could not be clustered.

    Parameters
    ----------
    ranked
        As `analysis.rank_by_silhouette` gives it.
    counts
        As `analysis.sizes` gives it, of the first of them.
    """
    lacking = ranked[ranked["silhouette_umap"].isna()]
    without = [
        f"**{row.clusterer_name}** has no silhouette"
        + (
            ": it found fewer than two clusters."
            if row.n_clusters < 2
            else f" in UMAP space: {row.reason.removeprefix('no silhouette in UMAP: ')}."
        )
        for row in lacking.itertuples()
    ]
    scored = ranked.drop(lacking.index)
    if scored.empty:
        return bullets(["**Undecided**: no clustering has a silhouette in UMAP space.", *without])
    best = scored.iloc[0]
    clusters = counts.drop(LEFT_OUT, errors="ignore")
    sentences = [
        f"**{best['clusterer_name']}** has the highest silhouette in UMAP space, S = "
        f"{best['silhouette_umap']:.2f}: {len(clusters)} clusters of {clusters.min()} to "
        f"{clusters.max()} images; {best['left_out']:.0f} % of the images are left out."
    ]
    if len(scored) > 1:
        following = scored.iloc[1]
        sentences.append(
            f"Next comes {following['clusterer_name']}, S = {following['silhouette_umap']:.2f}, "
            f"with {following['n_clusters']:.0f} clusters."
        )
    if "ami" in scored:
        most = scored.loc[scored["ami"].idxmax()]
        sentences.append(
            f"By the labels, its AMI is {best['ami']:.1f} %; the highest is that of "
            f"{most['clusterer_name']}, {most['ami']:.1f} %."
        )
    return bullets(sentences + without)
