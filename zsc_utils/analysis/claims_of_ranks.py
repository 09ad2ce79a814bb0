"""Claims C7 and C8 of the study: what ranks clusterings, or encoders, as AMI does."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from zsc_utils.analysis.base import pretrained_only, with_score
from zsc_utils.analysis.claims_of_ami import over_datasets, scored
from zsc_utils.analysis.ledger import Estimate, Evidence, claim
from zsc_utils.analysis.silhouettes import spearman
from zsc_utils.analysis.uncertainty import cluster_bootstrap_se

C7 = claim("C7", "S in UMAP space ranks clusterings nearly as AMI does, S in the original less so.")


@C7.statistic(
    "ρ(AMI, S), UMAP − original space",
    side=1,
    unit="ρ",
    needs="three clusterings with S in both spaces",
)
def rho_umap_minus_original(evidence: Evidence) -> Estimate:
    """Spearman's ρ of AMI and S in UMAP space minus in the original, mean over clusterers.

    Over datasets × encoders, raw pixels among them, as in figure 4 of the study; a clustering
    without S in one of the spaces counts in neither.
    """

    def statistic(ami, original, umap):
        differences = []
        for a, o, u in zip(ami, original, umap, strict=True):
            known = ~np.isnan(a + o + u)
            by_original, by_umap = spearman(a[known], np.array([o, u])[:, known])
            differences.append(by_umap - by_original)
        return _mean(differences)

    return _of_pooled(evidence.table, statistic)


@C7.statistic(
    "ρ(AMI, S in UMAP space) − ½ ρ(AMI, AMI of another clusterer)",
    side=1,
    unit="ρ",
    needs="three clusterings with S, and two clusterers",
)
def rho_umap_minus_half_of_ami(evidence: Evidence) -> Estimate:
    """Spearman's ρ of AMI and S in UMAP space minus half of what AMI itself would reach.

    What AMI would reach is ρ between the AMI of a clusterer and that of another one, on the same
    datasets and encoders, mean over those others that have an AMI there. The half is where "nearly
    as AMI does" begins: above it ρ lies nearer to AMI's own than to zero.
    """

    def statistic(ami, _, umap):
        differences = []
        for i, (a, u) in enumerate(zip(ami, umap, strict=True)):
            known = ~np.isnan(a + u)
            by_umap, *by_others = spearman(
                a[known], np.array([u, *np.delete(ami, i, axis=0)])[:, known]
            )
            differences.append(by_umap - _mean(by_others) / 2)
        return _mean(differences)

    return _of_pooled(evidence.table, statistic)


def _mean(values: list[float]) -> float:
    """Mean of what is no NaN; NaN where nothing is."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else np.nan


def _of_pooled(table: pd.DataFrame, statistic) -> Estimate:
    """Compute a statistic of all datasets × encoders; whole datasets are resampled for its error.

    The statistic takes AMI, S in the original and S in the UMAP space, each (clusterers, points).
    """
    cells = pretrained_only(with_score(table))
    cells = cells[cells.groupby("dataset")["silhouette_umap"].transform("count") > 0]
    wide = cells.pivot(
        index=["dataset", "encoder"],
        columns="clusterer",
        values=["ami", "silhouette_original", "silhouette_umap"],
    ).astype(float)
    n_clusterers = wide.shape[1] // 3
    arrays = wide.to_numpy().T.reshape(3, n_clusterers, len(wide))
    value = statistic(*arrays)
    if np.isnan(value):
        return Estimate()
    datasets = wide.index.get_level_values("dataset").to_series()
    return Estimate(
        value=value,
        se=cluster_bootstrap_se(lambda chosen: statistic(*arrays[..., chosen]), datasets),
        n=datasets.nunique(),
        encoders=tuple(dict.fromkeys(cells["encoder_name"])),
    )


C8 = claim("C8", "AMI and kNN accuracy rank encoders differently.")


@C8.statistic(
    "ρ over encoders, AMI with AMI of other clusterers − AMI with kNN accuracy",
    side=1,
    unit="ρ",
    needs="three trained encoders with AMI by two clusterers and kNN accuracy",
)
def noise_ceiling_minus_knn(evidence: Evidence) -> Estimate:
    """Spearman's ρ over encoders, AMI with AMI minus AMI with kNN accuracy, dataset by dataset.

    AMI is the mean over half of the clusterers. How well the halves agree is the ceiling: rankings
    by AMI differ that much by the choice of clusterers alone. Only where kNN accuracy agrees less
    with either half than they with each other does it rank encoders differently. As the halves hold
    different clusterers, not the same ones again, the ceiling is low and the test a strict one.
    """
    ami = scored(evidence.table)
    names = dict(ami[["encoder", "encoder_name"]].to_numpy())
    gaps, ranked = {}, set()
    for name, here in evidence.knn.groupby("dataset_name", sort=False):
        accuracy = here.astype({"accuracy": float}).pivot_table(
            index="encoder", columns="k", values="accuracy"
        )
        cells = ami[ami["dataset_name"] == name]
        by_clusterer = cells.pivot(index="encoder", columns="clusterer", values="value").dropna()
        known = by_clusterer.index.intersection(accuracy.dropna().index)
        gap = ceiling_minus_agreement(
            by_clusterer.loc[known].to_numpy().T, accuracy.loc[known].to_numpy().T
        )
        if not np.isnan(gap):
            gaps[name] = gap
            ranked |= set(known)
    encoders = pd.Series([name for encoder, name in names.items() if encoder in ranked])
    return over_datasets(pd.Series(gaps, dtype=float), encoders)


def ceiling_minus_agreement(ami: np.ndarray, accuracy: np.ndarray) -> float:
    """Subtract the agreement of AMI with kNN accuracy from that of AMI with itself.

    Parameters
    ----------
    ami
        float (clusterers, encoders).
    accuracy
        float (numbers of neighbours, encoders).

    Returns
    -------
    float
        Mean over all ways to draw two halves of the clusterers (one is left out of an odd number)
        of Spearman's ρ between their mean AMI, minus the mean over both halves and all numbers of
        neighbours of ρ with the accuracy. NaN for one clusterer, fewer than three encoders or no
        accuracy.
    """
    if len(ami) < 2 or ami.shape[1] < 3 or not len(accuracy):
        return np.nan
    half = len(ami) // 2
    drawn = combinations(range(len(ami)), half)
    splits = [(a, b) for a, b in combinations(drawn, 2) if not set(a) & set(b)]
    gaps = []
    for split in splits:
        first, second = (ami[list(part)].mean(axis=0) for part in split)
        agreement = [spearman(part, scores) for part in (first, second) for scores in accuracy]
        gaps.append(spearman(first, second) - np.mean(agreement))
    return float(np.mean(gaps))
