"""Which encoders are best, and what fine-tuning does."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis import datasets_of_group
from zsc_utils.findings.base import NO_RESULT, bullets, points


def encoders(means: pd.DataFrame, ranks: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Say which encoders are best, and how the groups compare with the reference.

    Parameters
    ----------
    means
        As `analysis.ami_by_group` gives it.
    ranks
        As `analysis.mean_ranks` gives it.
    differences
        As `analysis.group_differences` gives it.
    """
    if ranks.empty:
        return NO_RESULT
    first = ranks.index[0]
    sentences = [
        f"Over all datasets **{first}** ranks best: {ranks['mean rank'].iloc[0]:.1f} on average "
        f"among {len(ranks)} encoders, highest AMI on {ranks['best on'].iloc[0]} datasets."
        + _not_told_apart(ranks)
    ]
    count = datasets_of_group(means)
    for group, rows in means.groupby("group", sort=False):
        ranked = rows.sort_values("mean", ascending=False)
        best = "; ".join(
            f"{row.encoder_name} {row.mean:.1f} %"
            for row in ranked[["encoder_name", "mean"]].head(3).itertuples(name="Row", index=False)
        )
        sentences.append(f"**{group}** ({count[group]}): highest mean AMI: {best}.")
    display = means.drop_duplicates("encoder").set_index("encoder")["encoder_name"]
    for (group, reference), rows in differences.groupby(["group", "reference"], sort=False):
        sentences.append(
            f"**{group}** ({count[group]}): above {display[reference]} "
            f"on average: {points(rows[rows['mean'] > 0])}{_intervals(rows)}"
        )
    return bullets(sentences)


def _intervals(rows: pd.DataFrame) -> str:
    """Say how many differences have an interval that lies on one side of zero."""
    known = rows["low"].notna().sum()
    if not known:
        return " There is no interval, with one dataset."
    above, below = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
    return f" The 95 % interval lies above zero for {above} and below for {below} of {known}."


def _not_told_apart(ranks: pd.DataFrame) -> str:
    """Say how many encoders' intervals of the mean rank reach that of the first."""
    if len(ranks) < 2:
        return " There is no other encoder to compare it with."
    if ranks["high"].isna().iloc[0]:
        return " That is one dataset: how sure the order is cannot be told."
    reach = int((ranks["low"].iloc[1:] <= ranks["high"].iloc[0]).sum())
    return (
        f" Of the {len(ranks) - 1} others, {reach} have a mean rank whose 95 % interval overlaps "
        "with its own."
    )


def fine_tuning(gains: pd.DataFrame) -> str:
    """Say for each group which encoders fine-tuning helped and which it harmed.

    Parameters
    ----------
    gains
        As `analysis.fine_tuning_gains` gives it.
    """
    if gains.empty:
        return "**Undecided**: no encoder has results from before and after fine-tuning."
    count = datasets_of_group(gains)
    return bullets(
        [
            f"**{group}** ({count[group]}): AMI rises for {(rows['mean'] > 0).sum()} of "
            f"{len(rows)} encoders; the mean change is {rows['mean'].mean():.1f} points; "
            f"{points(rows)}{_intervals(rows)}"
            for group, rows in gains.groupby("group", sort=False)
        ]
        + [picked_out(gains)]
    )


def picked_out(gains: pd.DataFrame, name: str = "MAE") -> str:
    """Say whether one method gains more than all others by fine-tuning, group by group.

    Parameters
    ----------
    gains
        As `analysis.fine_tuning_gains` gives it.
    name
        How the display names of the method's encoders begin.
    """
    picked = gains["encoder_name"].str.startswith(name)
    if picked.all() or not picked.any():
        lacking = "no encoder of it" if not picked.any() else "no other encoder"
        return f"**{name}**: whether it stands out cannot be said: {lacking} was fine-tuned."
    best = gains[picked].groupby("group", sort=False)["mean"].max()
    others = gains[~picked].groupby("group", sort=False)["mean"].max()
    margin = (best - others).dropna()
    listed = ", ".join(f"{group} {points:+.1f}" for group, points in margin.items())
    return (
        f"**{name}** gains more than every other fine-tuned encoder in {(margin > 0).sum()} of "
        f"{len(margin)} groups (its gain minus the largest of the others, in points: {listed})."
    )


def live_fine_tuning(accuracy: pd.DataFrame, encoder: str, card: dict) -> str:
    """Say what a short fine-tuning did to the accuracy on the source.

    Parameters
    ----------
    accuracy
        As `cards.source_accuracy` gives it.
    encoder
        Name of the encoder before.
    card
        As `training.pretrain.fine_tune` gives it.
    """
    before = accuracy.set_index("encoder").loc[encoder]
    after = {measure: 100 * card[f"{measure}_accuracy"] for measure in ("knn", "linear")}
    return (
        f"**{before['encoder_name']}**, {card['settings']['epochs']} epochs on {card['n_images']} "
        f"images in {card['seconds']:.0f} s: kNN accuracy from {before['knn']:.1f} % (with "
        f"neighbours from all train images) to {after['knn']:.1f} % (from those trained on), "
        f"linear from {before['linear']:.1f} % to {after['linear']:.1f} %."
    )
