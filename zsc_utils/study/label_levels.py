"""The same clusters against every label level: what they are of, if not of the classes."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.datasets import ImageDataset
from zsc_utils.study.base import bullets, mean_by, on_shared_clusterers, pivoted, with_score
from zsc_utils.study.figures import ami_cells, as_text, intervals, legend_beside, name_rows, nothing
from zsc_utils.study.stats import sure_mean_by

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
    tidy = rows.merge(usable[["dataset", "level", "official"]], on="dataset")
    levels_and_scores = zip(tidy["level"], tidy["ami_by_level"], strict=True)
    ami = pd.Series([scores.get(level) for level, scores in levels_and_scores], dtype=float)
    trained = tidy["labels"].map(TRAINED).fillna(UNKNOWN)
    trained = trained.mask(tidy["method"].isin(["none", "random"]), UNTRAINED)
    # Undefined for the images that were read, AMI is None in stored results.
    tidy = tidy.assign(ami=100 * ami, trained=trained).dropna(subset="ami")
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
    by = best.groupby(["dataset", "dataset_name", "trained"], sort=False)
    counts = by["official"].agg(**{"encoders": "size", "official best": "sum"})
    counts["most often best"] = by["level"].agg(lambda levels: levels.value_counts().idxmax())
    official = scores[scores["official"]].drop_duplicates("dataset").set_index("dataset")["level"]
    counts["official"] = counts.index.get_level_values("dataset").map(official)
    columns = ["dataset_name", "trained", "official", "encoders", "official best"]
    return counts.fillna({"official": ""}).reset_index()[[*columns, "most often best"]]


def level_differences(scores: pd.DataFrame) -> pd.DataFrame:
    """AMI at the official level minus AMI at another, for levels that several datasets share.

    Parameters
    ----------
    scores
        As `level_scores` gives it.

    Returns
    -------
    DataFrame
        A row for each level and `trained`: `mean` difference in points, averaged over the encoders
        of a dataset, then over the `n` datasets; `low` and `high` (95 % over datasets)
        and `p` (sign flips of datasets). Encoders are no independent units: they see the same
        images.
    """
    keys = ["dataset", "encoder", "trained"]
    official = scores[scores["official"]].set_index(keys)["mean"].rename("official_ami")
    others = scores[~scores["official"]].join(official, on=keys)
    others = others.assign(difference=others["official_ami"] - others["mean"])
    by_dataset = others.groupby(["level", "trained", "dataset"], sort=False)["difference"].mean()
    found = sure_mean_by(by_dataset.dropna().reset_index(), ["level", "trained"], "difference")
    found = found.loc[found["n"] > 1, ["level", "trained", "mean", "low", "high", "p", "n"]]
    return found.sort_values("mean", kind="stable", ignore_index=True)


MOST_LEVELS = 12


def _levels_of(scores: pd.DataFrame) -> list[str]:
    """Choose the levels to show: the official one first, then the others by mean AMI."""
    means = scores.groupby(["official", "level"])["mean"].mean().reset_index()
    ordered = means.sort_values(["official", "mean"], ascending=False)["level"]
    return list(ordered)[:MOST_LEVELS]


def plot_level_heatmap(scores: pd.DataFrame) -> Figure:
    """Draw AMI of one dataset's clusters by encoder (row) and level (column); the best is bold.

    Parameters
    ----------
    scores
        Rows of one dataset of `level_scores`. The official level stands first, before a
        line; no more than twelve are shown, those of highest mean.
    """
    if scores.empty:
        return nothing("no dataset has both a result and two label levels to compare")
    levels = _levels_of(scores)
    ami = pivoted(scores, "encoder_name", "level", "mean")[levels]
    size = (2.4 + 0.42 * len(levels), 1.3 + 0.22 * len(ami))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    ami_cells(axes, ami)
    axes.axvline(1, color="white", linewidth=3)
    axes.set_title(as_text(scores["dataset_name"].iloc[0]))
    axes.set_xticklabels(levels, rotation=45, ha="right")
    return figure


def plot_level_differences(differences: pd.DataFrame) -> Figure:
    """Draw AMI at the official level minus AMI at others, mean over datasets.

    Parameters
    ----------
    differences
        As `level_differences` gives it; bars are 95 % intervals over datasets.
        Raw pixels and random weights are not drawn.
    """
    if differences.empty:
        return nothing("no two datasets share a label level beside their official one")
    levels = list(differences["level"].unique())
    figure, axes = plt.subplots(figsize=(5, 0.9 + 0.24 * len(levels)), layout="constrained")
    looks = {"with labels": ("o", -0.15), "without labels": ("s", 0.15)}
    for (trained, (marker, shift)), color in zip(looks.items(), sns.color_palette(), strict=False):
        rows = differences[differences["trained"] == trained]
        y = [levels.index(level) + shift for level in rows["level"]]
        look = {"color": color, "marker": marker, "label": f"trained {trained}"}
        intervals(axes, rows, "mean", y, markersize=4, elinewidth=1, **look)
    # Student's interval of two or three datasets may be wider than AMI can differ.
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -100), min(high, 100))
    counts = differences.groupby("level")["n"].max()
    name_rows(axes, [f"{level} ({counts[level]})" for level in levels])
    axes.set_xlabel(
        "AMI at the official level − AMI at this one\n(points, mean over datasets, 95 %)"
    )
    legend_beside(axes)
    sns.despine(figure)
    return figure


def say_best_levels(counts: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Say how often the official level is the one that clusters agree with best.

    Parameters
    ----------
    counts
        As `best_level_counts` gives it.
    differences
        As `level_differences` gives it.
    """
    if counts.empty:
        return "**Nothing**: no dataset has both a result and two label levels to compare."
    sentences = []
    for trained, rows in counts.groupby("trained", sort=False):
        won, asked = rows["official best"].sum(), rows["encoders"].sum()
        elsewhere = rows[rows["most often best"] != rows["official"]]
        listed = ", ".join(
            f"{row['dataset_name']} ({row['most often best']} before {row['official']})"
            for row in elsewhere.to_dict("records")
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
