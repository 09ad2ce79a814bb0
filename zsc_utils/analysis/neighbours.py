"""Clusters against nearest neighbours: whether AMI ranks encoders as kNN accuracy does."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis.base import mean_by, on_shared_clusterers, with_score, without_baselines
from zsc_utils.analysis.silhouettes import spearman
from zsc_utils.analysis.uncertainty import mean_interval, sign_flip_p

OTHERS = "other clusterers"


def neighbour_measure(k: int) -> str:
    """Name kNN accuracy as a measure."""
    return f"{k} neighbour{'s' if k > 1 else ''}"


def ami_and_accuracy(table: pd.DataFrame, neighbours: pd.DataFrame) -> pd.DataFrame:
    """Set AMI beside kNN accuracy, for trained encoders and datasets that have both.

    Parameters
    ----------
    table
        Results.
    neighbours
        As `knn.knn_accuracies` gives it.

    Returns
    -------
    DataFrame
        A row for each dataset, encoder, clusterer and k: their facts, `ami` and `accuracy` in
        percent. Raw pixels and random weights are left out: that they are worse by either measure
        is no news, and would count as agreement.
    """
    facts = ["group", "dataset", "dataset_name", "encoder", "encoder_name"]
    rows = without_baselines(with_score(table))
    rows = rows[[*facts, "clusterer", "clusterer_name", "ami"]].assign(ami=100 * rows["ami"])
    known = neighbours.loc[neighbours["accuracy"].notna(), ["dataset", "encoder", "k", "accuracy"]]
    return rows.merge(known.assign(accuracy=100 * known["accuracy"]), on=["dataset", "encoder"])


def rank_agreement(pairs: pd.DataFrame) -> pd.DataFrame:
    """Compare how measures rank the encoders, dataset by dataset.

    Parameters
    ----------
    pairs
        As `ami_and_accuracy` gives it.

    Returns
    -------
    DataFrame
        A row for each dataset, clusterer and measure: Spearman's `rho` over encoders between AMI of
        the clusterer and the measure, which is kNN accuracy at some k; or the mean of ρ with
        AMI of each other clusterer. Rows without ρ (fewer than three encoders, or no two ranks)
        are left out.
    """
    rows = []
    keys = ["dataset", "dataset_name"]
    for (dataset, name), part in pairs.groupby(keys, sort=False):
        ami = part.pivot_table(index="encoder", columns="clusterer_name", values="ami", sort=False)
        accuracy = part.pivot_table(index="encoder", columns="k", values="accuracy", sort=False)
        accuracy = accuracy.reindex(ami.index)
        for clusterer in ami:
            for k in accuracy:
                rho = _rho(ami[clusterer], accuracy[k])
                rows.append((dataset, name, clusterer, neighbour_measure(k), rho))
            # One by one: their mean AMI would have less noise than any single measure has.
            others = [_rho(ami[clusterer], ami[other]) for other in ami if other != clusterer]
            rows.append((dataset, name, clusterer, OTHERS, pd.Series(others, dtype=float).mean()))
    columns = [*keys, "clusterer_name", "measure", "rho"]
    return pd.DataFrame(rows, columns=columns).dropna(subset="rho")


def _rho(one: pd.Series, other: pd.Series) -> float:
    both = pd.DataFrame({"one": one, "other": other}).dropna()
    return float(spearman(*both.to_numpy(float).T))


def agreement_by_clusterer(agreement: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Average `rank_agreement` over datasets.

    Parameters
    ----------
    agreement
        As `rank_agreement` gives it.
    seed
        Random state of the bootstrap.

    Returns
    -------
    DataFrame
        A row for each clusterer and measure: `mean` ρ, `low` and `high` (95 % bootstrap over
        datasets; NaN for one), `n` datasets.
    """
    keys = ["clusterer_name", "measure"]
    rows = [
        (*key, part.mean(), *mean_interval(part, seed=seed), len(part))
        for key, part in agreement.groupby(keys, sort=False)["rho"]
    ]
    return pd.DataFrame(rows, columns=[*keys, "mean", "low", "high", "n"])


def ceiling_gap(agreement: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """By how much clusterers agree better with one another than with kNN accuracy.

    Parameters
    ----------
    agreement
        As `rank_agreement` gives it.
    seed
        Random state.

    Returns
    -------
    DataFrame
        A row for each kNN measure: `ceiling` and `rho`, the mean ρ with the other clusterers and
        with kNN accuracy, averaged over clusterers, then over the `n` datasets that have both;
        `gap` = ceiling − rho, with `low` and `high` (95 % bootstrap over datasets) and `p` (sign
        flips of whole datasets).
    """
    wide = agreement.pivot_table(index="dataset", columns="measure", values="rho", sort=False)
    rows = []
    for measure in [name for name in wide if name != OTHERS and OTHERS in wide]:
        both = wide[[measure, OTHERS]].dropna()
        gap = (both[OTHERS] - both[measure]).to_numpy()
        if len(gap):
            found = {
                "measure": measure,
                "ceiling": both[OTHERS].mean(),
                "rho": both[measure].mean(),
            }
            low, high = mean_interval(gap, seed=seed)
            test = {"gap": gap.mean(), "low": low, "high": high, "p": sign_flip_p(gap, seed=seed)}
            rows.append(found | test | {"n": len(gap)})
    columns = ["measure", "ceiling", "rho", "gap", "low", "high", "p", "n"]
    return pd.DataFrame(rows, columns=columns)


def mean_ami_and_accuracy(pairs: pd.DataFrame, k: int) -> pd.DataFrame:
    """Average AMI over the clusterers that all encoders share, beside kNN accuracy at one k.

    Returns
    -------
    DataFrame
        A row for each dataset and encoder: their facts, accuracy, `mean`, `se` and `n` of AMI.
    """
    facts = ["group", "dataset", "dataset_name", "encoder", "encoder_name", "accuracy"]
    return mean_by(on_shared_clusterers(pairs[pairs["k"] == k]), facts, "ami")


def rank_changes(pairs: pd.DataFrame, k: int, seed: int = 0) -> pd.DataFrame:
    """Which encoders kNN accuracy ranks higher than AMI does, and which lower.

    Parameters
    ----------
    pairs
        As `ami_and_accuracy` gives it.
    k
        Number of neighbours.
    seed
        Random state.

    Returns
    -------
    DataFrame
        A row for each encoder: `by_ami` and `by_knn`, its mean rank over datasets (1 for the best;
        AMI is the mean over clusterers); `gain` = by_ami − by_knn, ranks won when kNN judges, with
        `low`, `high` (95 % bootstrap over datasets), `p` (sign flips) and `n` datasets. Largest
        gain first.
    """
    means = mean_ami_and_accuracy(pairs, k)
    ranks = means.groupby("dataset", sort=False)[["mean", "accuracy"]].rank(ascending=False)
    means = means.assign(by_ami=ranks["mean"], by_knn=ranks["accuracy"])
    means = means.assign(gain=means["by_ami"] - means["by_knn"])
    rows = []
    for (encoder, name), part in means.groupby(["encoder", "encoder_name"], sort=False):
        low, high = mean_interval(part["gain"], seed=seed)
        found = part[["by_ami", "by_knn", "gain"]].mean().to_dict()
        p = sign_flip_p(part["gain"], seed=seed)
        who = {"encoder": encoder, "encoder_name": name}
        rows.append(who | found | {"low": low, "high": high, "p": p, "n": len(part)})
    columns = ["encoder", "encoder_name", "by_ami", "by_knn", "gain", "low", "high", "p", "n"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("gain", ascending=False, kind="stable", ignore_index=True)


def accuracy_matrix(neighbours: pd.DataFrame, k: int) -> pd.DataFrame:
    """KNN accuracy in percent at one k: a row a dataset that has any, a column an encoder."""
    rows = neighbours[(neighbours["k"] == k) & neighbours["accuracy"].notna()]
    wide = rows.pivot(index="dataset_name", columns="encoder_name", values="accuracy")
    order = {axis: rows[f"{axis}_name"].unique() for axis in ("dataset", "encoder")}
    return 100 * wide.reindex(index=order["dataset"], columns=order["encoder"])


def lacking_neighbours(neighbours: pd.DataFrame) -> pd.DataFrame:
    """List the datasets and encoders without kNN accuracy, by reason."""
    bad = neighbours[neighbours["accuracy"].isna()]
    found = bad.groupby(["status", "reason"], sort=False)
    counts = found.agg(datasets=("dataset", "nunique"), encoders=("encoder", "nunique"))
    return counts.reset_index()
