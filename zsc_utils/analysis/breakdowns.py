"""The same clusters against every label level that a dataset has."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from zsc_utils.analysis.base import mean_by, on_shared_clusterers, with_score
from zsc_utils.analysis.uncertainty import mean_interval, sign_flip_p
from zsc_utils.datasets import ImageDataset

TRAINED = {True: "with labels", False: "without labels"}
UNTRAINED = "not at all"  # raw pixels and random weights
UNKNOWN = "in a way that is not known"  # some of timm's models


def label_levels(opened: Mapping[str, ImageDataset]) -> pd.DataFrame:
    """Describe the label levels of datasets.

    Returns
    -------
    DataFrame
        A row for each dataset and level: dataset, dataset_name, level, `official` (whether it
        counts as the classes), `n_classes`, `why_not`: empty, or why AMI against it says nothing.
    """
    rows = []
    for name, dataset in opened.items():
        for level, labels in dataset.labels.items():
            n_classes, n_known = labels.nunique(), labels.count()
            why_not = "" if n_classes > 1 else "one class" if n_classes else "no labels"
            why_not = "unique to each image" if n_classes == n_known > 1 else why_not
            official = level == dataset.facts.label
            rows.append((name, dataset.facts.display, level, official, n_classes, why_not))
    columns = ["dataset", "dataset_name", "level", "official", "n_classes", "why_not"]
    # Without a dataset, too, `official` must choose rows, not columns.
    return pd.DataFrame(rows, columns=columns).astype({"official": bool})


def level_scores(table: pd.DataFrame, levels: pd.DataFrame) -> pd.DataFrame:
    """AMI against every usable level, for datasets that have two or more.

    Parameters
    ----------
    table
        Results.
    levels
        As `label_levels` gives it.

    Returns
    -------
    DataFrame
        A row for each dataset, encoder and level: their facts, `trained` (with labels, without
        labels, not at all, or in a way that is not known), `official`, `mean` and `se` of AMI over
        clusterers in percent, `n` clusterers: those that have a result for every encoder on the
        dataset.
    """
    usable = levels[levels["why_not"].eq("")]
    usable = usable[usable.groupby("dataset")["level"].transform("size") > 1]
    rows = on_shared_clusterers(with_score(table))
    facts = ["dataset", "dataset_name", "encoder", "encoder_name", "labels", "method"]
    tidy = [
        (*row[:-1], level, 100 * ami)
        for row in rows[[*facts, "ami_by_level"]].itertuples(index=False, name=None)
        for level, ami in row[-1].items()
        # Undefined for the images that were read; None in stored results.
        if pd.notna(ami)
    ]
    tidy = pd.DataFrame(tidy, columns=[*facts, "level", "ami"])
    trained = tidy["labels"].map(TRAINED).fillna(UNKNOWN)
    tidy["trained"] = trained.mask(tidy["method"].isin(["none", "random"]), UNTRAINED)
    tidy = tidy.merge(usable[["dataset", "level", "official"]], on=["dataset", "level"])
    keys = ["dataset", "dataset_name", "encoder", "encoder_name", "trained", "level", "official"]
    return mean_by(tidy, keys, "ami")


def best_levels(scores: pd.DataFrame) -> pd.DataFrame:
    """Find the level that clusters of each encoder agree with best.

    Parameters
    ----------
    scores
        As `level_scores` gives it.

    Returns
    -------
    DataFrame
        The rows of `scores` that are highest for their dataset and encoder.
    """
    highest = scores.groupby(["dataset", "encoder"], sort=False)["mean"].idxmax().dropna()
    return scores.loc[highest].reset_index(drop=True)


def best_level_counts(scores: pd.DataFrame) -> pd.DataFrame:
    """Count how often the official level is the best one, dataset by dataset.

    Returns
    -------
    DataFrame
        A row for each dataset and `trained`: `encoders`, `official best` (how many of them), `most
        often best` (the level) and `official` (the level that counts as the classes).
    """
    best = best_levels(scores)
    official = scores[scores["official"]].drop_duplicates("dataset").set_index("dataset")["level"]
    rows = [
        (name, trained, official.get(dataset, ""), len(part), int(part["official"].sum()), common)
        for (dataset, name, trained), part in best.groupby(
            ["dataset", "dataset_name", "trained"], sort=False
        )
        for common in [part["level"].value_counts().index[0]]
    ]
    columns = ["dataset_name", "trained", "official", "encoders", "official best"]
    return pd.DataFrame(rows, columns=[*columns, "most often best"])


def level_differences(scores: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """AMI at the official level minus AMI at another, for levels that several datasets share.

    Parameters
    ----------
    scores
        As `level_scores` gives it.
    seed
        Random state.

    Returns
    -------
    DataFrame
        A row for each level and `trained`: `mean` difference in points, averaged over the encoders
        of a dataset, then over the `n` datasets; `low` and `high` (95 % bootstrap over datasets)
        and `p` (sign flips of datasets). Encoders are no independent units: they see the same
        images.
    """
    keys = ["dataset", "encoder", "trained"]
    official = scores[scores["official"]].set_index(keys)["mean"].rename("official_ami")
    others = scores[~scores["official"]].join(official, on=keys)
    others = others.assign(difference=others["official_ami"] - others["mean"])
    by_dataset = others.groupby(["level", "trained", "dataset"], sort=False)["difference"].mean()
    rows = []
    for (level, trained), part in by_dataset.dropna().groupby(["level", "trained"], sort=False):
        if len(part) > 1:
            low, high = mean_interval(part, seed=seed)
            p = sign_flip_p(part, seed=seed)
            rows.append((level, trained, part.mean(), low, high, p, len(part)))
    columns = ["level", "trained", "mean", "low", "high", "p", "n"]
    return pd.DataFrame(rows, columns=columns).sort_values("mean", kind="stable", ignore_index=True)
