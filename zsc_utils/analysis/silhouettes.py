"""Does the silhouette tell good clusterings from bad ones? Figure 4 of the study."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zsc_utils.analysis.base import SPACES, pretrained_only, with_interval, with_score
from zsc_utils.analysis.uncertainty import percentile_interval, resampled_clusters


def spearman(ami: np.ndarray, silhouette: np.ndarray) -> np.ndarray:
    """Spearman's ρ along the last axis; NaN for fewer than three points, or without two ranks.

    Parameters
    ----------
    ami, silhouette
        float (..., n).

    Returns
    -------
    ndarray
        float (...).
    """
    from scipy.stats import rankdata

    if ami.shape[-1] < 3:
        return np.full(np.broadcast_shapes(ami.shape[:-1], silhouette.shape[:-1]), np.nan)
    a, b = (rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2 for values in (ami, silhouette))
    with np.errstate(invalid="ignore"):
        return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))


def silhouette_correlation(
    table: pd.DataFrame, *, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Spearman's ρ between AMI and silhouette over datasets × encoders (figure 4 of the study).

    Parameters
    ----------
    table
        Results.
    resamples
        Bootstrap resamples for the confidence interval.
    seed
        Random state of the bootstrap.

    Returns
    -------
    DataFrame
        One row for each clusterer and space: `rho`, `low` and `high` (95 % percentile bootstrap
        over datasets, whose points hang together), `n` points. NaN where fewer than three points
        have a silhouette.
    """
    rng = np.random.default_rng(seed)
    columns = ["space", "space_name", "clusterer", "clusterer_name", "rho", "low", "high", "n"]
    rows = []
    for space, space_name in SPACES.items():
        for (clusterer, name), part in pretrained_only(with_score(table)).groupby(
            ["clusterer", "clusterer_name"], sort=False
        ):
            known = part[part[space].notna()]
            ami, silhouette = known[["ami", space]].to_numpy(float).T
            resampled = [
                spearman(ami[chosen], silhouette[chosen])
                for chosen in resampled_clusters(known["dataset"], resamples, rng)
            ]
            low, high = percentile_interval(resampled)
            facts = (space, space_name, clusterer, name)
            rows.append((*facts, float(spearman(ami, silhouette)), low, high, len(ami)))
    return pd.DataFrame(rows, columns=columns)


def written_correlation(correlation: pd.DataFrame) -> pd.DataFrame:
    """Write ρ and its interval as text: a row a clusterer, a column a space.

    Parameters
    ----------
    correlation
        As `silhouette_correlation` or `correlation_by_supervision` gives it: where its rows are
        told apart by `trained`, that stands over the spaces.
    """
    texts = with_interval(*(correlation[name] for name in ("rho", "low", "high")), decimals=2)
    columns = [name for name in ("trained", "space_name") if name in correlation]
    order = correlation["clusterer_name"].unique()
    wide = correlation.assign(text=texts).pivot(
        index="clusterer_name", columns=columns, values="text"
    )
    names = correlation.drop_duplicates(columns)[columns]
    wanted = pd.MultiIndex.from_frame(names) if len(columns) > 1 else names["space_name"]
    return wide.reindex(index=order, columns=wanted).rename_axis(index="clusterer")


def correlation_by_supervision(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman's ρ apart for encoders that were trained with labels and for those without.

    Returns
    -------
    DataFrame
        Rows as `silhouette_correlation` gives them, twice, told apart by `trained`: `with labels`
        (supervised or fine-tuned) and `without labels` (self-supervised; raw pixels too). A half
        that has no encoders is left out, and so are encoders of which it is not known.
    """
    halves = {
        "with labels": table[table["labels"].eq(True)],
        "without labels": table[table["labels"].eq(False)],
    }
    parts = [
        silhouette_correlation(half).assign(trained=name)
        for name, half in halves.items()
        if len(pretrained_only(half))
    ]
    columns = silhouette_correlation(table.iloc[:0]).assign(trained="")
    return pd.concat(parts or [columns], ignore_index=True)


def silhouette_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Ranks of AMI and of silhouettes within each clusterer, 1 for the lowest (figure 4).

    Returns
    -------
    DataFrame
        One row for each space and result that has a silhouette there: `space`, the facts of the
        result, `ami_rank`, `silhouette_rank`.
    """
    rows = pretrained_only(with_score(table))
    facts = ["dataset", "dataset_name", "encoder", "encoder_name", "clusterer", "clusterer_name"]
    parts = []
    for space in SPACES:
        part = rows.loc[rows[space].notna(), [*facts, "ami", space]].assign(space=space)
        grouped = part.groupby("clusterer", sort=False)
        parts.append(
            part.assign(ami_rank=grouped["ami"].rank(), silhouette_rank=grouped[space].rank())
        )
    return pd.concat(parts, ignore_index=True)
