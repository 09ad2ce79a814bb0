"""Encoders before and after fine-tuning, MAE picked out: figure 3 of the study."""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.miniature.encoders import BACKBONES, read_cards
from zsc_utils.study.base import bullets, datasets_of_group, say_intervals, say_points
from zsc_utils.study.encoders import (
    ami_by_group,
    average_by_group,
    group_by_group,
    paired_differences,
    written_differences,
)
from zsc_utils.study.figures import (
    dodge,
    dodged,
    encoder_look,
    group_axis,
    group_names,
    legend_beside,
    legend_outside,
    nothing,
    panels,
    points,
    reference_panels,
)
from zsc_utils.study.tables import number_texts


def learning_curves(encoders: Iterable[str]) -> pd.DataFrame:
    """Read the learning curves of encoders.

    Parameters
    ----------
    encoders
        Names; those without a card, or never trained, are left out. Of two readings of the same
        weights the first is kept.

    Returns
    -------
    DataFrame
        Columns encoder, backbone, stage (`pretraining` or `fine-tuning`), epoch, loss (mean over
        the epoch), `relative_loss` (to the first epoch's: losses of methods have no common scale)
        and `knn` (percent, on the source's test part; NaN for epochs where it was not measured).

    Raises
    ------
    CheckpointError
        A card or its weights are missing or damaged.
    """
    parts = {}
    for row, card in read_cards(encoders):
        if row.file in parts or not card["curve"]:
            continue
        curve = curve_table(card)
        parts[row.file] = curve.assign(
            encoder=row.name,
            backbone=BACKBONES[row.backbone],
            stage="fine-tuning" if row.fine_tuned_from else "pretraining",
            relative_loss=curve["loss"] / curve["loss"].iloc[0],
            knn=100 * curve["knn"],
        )
    columns = ["encoder", "backbone", "stage", "epoch", "loss", "relative_loss", "knn"]
    return pd.concat(parts.values(), ignore_index=True)[columns] if parts else pd.DataFrame()


def source_accuracy(encoders: Iterable[str]) -> pd.DataFrame:
    """Read how well encoders tell the classes of their own source domain.

    Returns
    -------
    DataFrame
        Columns encoder, encoder_name, fine_tuned_from, `knn` (k = 20) and `linear`: accuracy on the
        source's test part in percent.

    Raises
    ------
    CheckpointError
        A card or its weights are missing or damaged.
    """
    rows = []
    for row, card in read_cards(encoders):
        found = [row.name, row.display, row.fine_tuned_from]
        for measure in ("knn_accuracy", "linear_accuracy"):
            # A card of weights that are read in two ways names the second reading.
            found.append(100 * card.get(f"{measure}_{row.pool}", card[measure]))
        rows.append(found)
    columns = ["encoder", "encoder_name", "fine_tuned_from", "knn", "linear"]
    return pd.DataFrame(rows, columns=columns)


def accuracy_before_and_after(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Set each fine-tuned encoder beside what it was before.

    Parameters
    ----------
    accuracy
        As `source_accuracy` gives it.

    Returns
    -------
    DataFrame
        A row for each pair that is there: `knn before`, `knn after`, `linear before` and `linear
        after`, in percent; the index is the name of the encoder before.
    """
    pairs = accuracy.merge(
        accuracy, left_on="encoder", right_on="fine_tuned_from", suffixes=(" before", " after")
    )
    wanted = ["knn before", "knn after", "linear before", "linear after"]
    return pairs.set_index("encoder_name before")[wanted].rename_axis("encoder")


def curve_table(card: dict) -> pd.DataFrame:
    """Write the learning curve of one card: epoch, loss, seconds and kNN accuracy (a fraction)."""
    return pd.DataFrame(card["curve"]).reindex(columns=["epoch", "loss", "seconds", "knn"])


def fine_tuning_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Compare every fine-tuned encoder with what it was before, group by group.

    Returns
    -------
    DataFrame
        As `average_by_group` gives it; `reference` is the encoder before fine-tuning.
    """
    return average_by_group(paired_differences(table, table["fine_tuned_from"]), table)


def written_gains(gains: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Set AMI before and after fine-tuning beside what it gained.

    Parameters
    ----------
    gains
        As `fine_tuning_gains` gives it.
    table
        Results.

    Returns
    -------
    DataFrame
        Texts but for `p`: a row for each group and encoder (its name before); `before` and `after`
        in percent and `gain` in points, mean ± SE over the datasets, and the gain's `95 %
        interval`. Before and after are over all datasets that each has results of.
    """
    means = ami_by_group(table)
    gains = group_by_group(gains)
    means = means.assign(text=number_texts(means["mean"], means["se"]))
    texts = means.set_index(["group", "encoder"])["text"]
    names = means.drop_duplicates("encoder").set_index("encoder")["encoder_name"]
    before = gains.assign(encoder_name=gains["reference"].map(names))
    written = written_differences(before).rename(columns={"difference": "gain"})
    for column, encoder in (("after", "encoder"), ("before", "reference")):
        written.insert(0, column, gains.join(texts, on=["group", encoder])["text"].to_numpy())
    return written


def fine_tuned_pairs(table: pd.DataFrame) -> dict[str, str]:
    """Give for each fine-tuned encoder the name of what it was before, where that is there too."""
    facts = table.drop_duplicates("encoder").set_index("encoder")["fine_tuned_from"]
    return facts[facts.isin(table["encoder"])].to_dict()


def plot_learning_curves(curves: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw loss and kNN accuracy against epochs: a column for each stage and backbone.

    Parameters
    ----------
    curves
        As `learning_curves` gives it.
    styles
        As `encoder_styles` gives it.
    """
    if curves.empty:
        return nothing("no encoder of this profile has a learning curve")
    columns = list(curves.groupby(["stage", "backbone"], sort=False))
    size = (0.8 + 1.9 * len(columns), 4)
    figure, all_axes = panels(2, len(columns), size, sharex="col", sharey="row")
    for (loss, knn), ((stage, backbone), here) in zip(all_axes.T, columns, strict=True):
        for name, rows in here.groupby("encoder", sort=False):
            style = styles[name]
            loss.plot(rows["epoch"], rows["relative_loss"], color=style["color"])
            measured = rows.dropna(subset="knn")
            look = encoder_look(style) | {"markersize": 4, "label": style["label"]}
            knn.plot(measured["epoch"], measured["knn"], **look)
        loss.set_title(f"{stage},\n{backbone}")
        knn.set_xlabel("epoch")
    all_axes[0, 0].set_ylabel("loss / loss of epoch 1")
    all_axes[1, 0].set_ylabel("kNN accuracy (%)")
    legend_outside(figure, *all_axes[1])
    sns.despine(figure)
    return figure


# The method of which the study says that it stands out once fine-tuned.
PICKED = "MAE"


def plot_gains_by_group(gains: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw what fine-tuning adds to AMI, mean over the datasets of a group ± 1 SE.

    Parameters
    ----------
    gains
        As `fine_tuning_gains` gives it; thin lines are its 95 % intervals. MAE stands on a
        band of its colour.
    styles
        As `encoder_styles` gives it.
    """
    if gains.empty:
        return nothing("no encoder has results from before and after fine-tuning")
    names = group_names(gains)
    figure, axes = plt.subplots(figsize=(2.4 + 1.3 * len(names), 3), layout="constrained")
    dodged(gains, names, styles, axes)
    _pick_out(axes, [name for name in styles if name in set(gains["encoder"])], len(names), styles)
    axes.axhline(0, color="0.4", linewidth=0.8, zorder=0)
    axes.set_ylabel("AMI after − before fine-tuning\n(points, mean over datasets ± 1 SE)")
    legend_outside(figure, axes)
    _write_bold(figure.legends[0])
    sns.despine(figure)
    return figure


def plot_before_and_after(
    differences: pd.DataFrame, pairs: dict[str, str], styles: dict[str, dict]
) -> Figure:
    """Draw distances to the supervised encoder before and after fine-tuning, pair beside pair.

    Parameters
    ----------
    differences
        As `encoders.group_differences` gives it: a panel for each reference, mean ± 1 SE.
    pairs
        As `fine_tuned_pairs` gives it: fine-tuned encoders and what they were. A line
        leads from before (filled) to after (hollow); MAE's is thick, on a band of its colour.
    styles
        As `encoder_styles` gives it.
    """
    here = set(differences["encoder"])
    pairs = {after: before for after, before in pairs.items() if {after, before} <= here}
    rows = differences[differences["encoder"].isin([*pairs, *pairs.values()])]
    if rows.empty:
        return nothing("no encoder but the reference has results from before and after fine-tuning")
    names = group_names(rows)
    figure, parts = reference_panels(rows, styles, names)
    for axes, part in parts:
        there = {after: before for after, before in pairs.items() if after in set(part["encoder"])}
        _draw_pairs(axes, part, there, list(names), styles)
        _pick_out(axes, list(there), len(names), styles)
        group_axis(axes, names)
        legend_beside(axes)
        _write_bold(axes.get_legend())
    sns.despine(figure)
    return figure


def _draw_pairs(axes, rows: pd.DataFrame, pairs: dict, groups: list, styles: dict) -> None:
    """Draw each pair at its place beside the middle of each group: after a little to the right."""
    aside = 0.15 / len(pairs)
    by_encoder = rows.drop(columns=["low", "high"]).set_index("group").groupby("encoder")
    for i, (after, before) in enumerate(pairs.items()):
        middles = pd.Series(range(len(groups)), groups) + dodge(i, len(pairs))
        found = {name: by_encoder.get_group(name) for name in (before, after)}
        for (name, part), side in zip(found.items(), (-aside, aside), strict=True):
            points(axes, middles[part.index] + side, part, styles[name])
        thick = styles[after]["method"].startswith(PICKED)
        width, alpha = (3, 0.4) if thick else (0.8, 1)
        look = {"color": styles[after]["color"], "linewidth": width, "alpha": alpha, "zorder": 1}
        means = pd.concat([part["mean"] for part in found.values()], axis=1).dropna()
        for group, from_to in means.iterrows():
            axes.plot([middles[group] - aside, middles[group] + aside], from_to, **look)


def _pick_out(axes, encoders: list[str], n_groups: int, styles: dict) -> None:
    """Lay a band behind the picked method at its place in each group."""
    half = 0.35 / len(encoders)
    for i, name in enumerate(encoders):
        if styles[name]["method"].startswith(PICKED):
            for middle in range(n_groups):
                x = middle + dodge(i, len(encoders))
                color = styles[name]["color"]
                axes.axvspan(x - half, x + half, color=color, alpha=0.15, linewidth=0, zorder=0)


def _write_bold(legend) -> None:
    for text in legend.get_texts():
        text.set_fontweight("bold" if text.get_text().startswith(PICKED) else "normal")


def say_gains(gains: pd.DataFrame) -> str:
    """Say for each group which encoders fine-tuning helped and which it harmed.

    Parameters
    ----------
    gains
        As `fine_tuning_gains` gives it.
    """
    if gains.empty:
        return "**Undecided**: no encoder has results from before and after fine-tuning."
    count = datasets_of_group(gains)
    return bullets(
        [
            f"**{group}** ({count[group]}): AMI rises for {(rows['mean'] > 0).sum()} of "
            f"{len(rows)} encoders; the mean change is {rows['mean'].mean():.1f} points; "
            f"{say_points(rows)}{say_intervals(rows)}"
            for group, rows in gains.groupby("group", sort=False)
        ]
        + [say_picked_out(gains)]
    )


def say_picked_out(gains: pd.DataFrame, name: str = PICKED) -> str:
    """Say whether one method gains more than all others by fine-tuning, group by group.

    Parameters
    ----------
    gains
        As `fine_tuning_gains` gives it.
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
    listed = ", ".join(f"{group} {lead:+.1f}" for group, lead in margin.items())
    return (
        f"**{name}** gains more than every other fine-tuned encoder in {(margin > 0).sum()} of "
        f"{len(margin)} groups (its gain minus the largest of the others, in points: {listed})."
    )


def say_live_fine_tuning(accuracy: pd.DataFrame, encoder: str, card: dict) -> str:
    """Say what a short fine-tuning did to the accuracy on the source.

    Parameters
    ----------
    accuracy
        As `source_accuracy` gives it.
    encoder
        Name of the encoder before.
    card
        As `miniature.training.pretrain.fine_tune` gives it.
    """
    before = accuracy.set_index("encoder").loc[encoder]
    after = {measure: 100 * card[f"{measure}_accuracy"] for measure in ("knn", "linear")}
    return (
        f"**{before['encoder_name']}**, {card['settings']['epochs']} epochs on {card['n_images']} "
        f"images in {card['seconds']:.0f} s: kNN accuracy from {before['knn']:.1f} % (with "
        f"neighbours from all train images) to {after['knn']:.1f} % (from those trained on), "
        f"linear from {before['linear']:.1f} % to {after['linear']:.1f} %."
    )
