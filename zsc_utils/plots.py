"""The figures, drawn from the numbers of `analysis`."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.analysis import SPACES
from zsc_utils.datasets import ImageDataset

sns.set_theme(context="paper", style="ticks", palette="colorblind")

_COLORS = sns.color_palette("colorblind")
METHOD_COLORS = {
    "none": (0.0, 0.0, 0.0),
    "random": _COLORS[7],
    "X-Ent": _COLORS[0],
    "MoCo-v3": _COLORS[1],
    "DINO": _COLORS[2],
    "VICReg": _COLORS[3],
    "MAE (CLS)": _COLORS[4],
    "MAE (avg)": _COLORS[5],
}
OTHER_METHOD = _COLORS[8]
MARKERS = "os^Dvp*Xh"
DASHES = ["-", "--", ":", "-."]


def encoder_styles(table: pd.DataFrame) -> dict[str, dict]:
    """Give each encoder its look: colour for the pretraining, marker and line for the backbone.

    The markers of fine-tuned encoders are hollow.

    Parameters
    ----------
    table
        Results.

    Returns
    -------
    dict
        `color`, `face`, `marker`, `linestyle` and `label` of each encoder.
    """
    facts = table.drop_duplicates("encoder")
    backbones = list(dict.fromkeys(facts["backbone"]))
    colors = {method: METHOD_COLORS.get(method, OTHER_METHOD) for method in facts["method"]}
    return {
        row.encoder: {
            "color": colors[row.method],
            "face": "white" if pd.notna(row.fine_tuned_from) else colors[row.method],
            "marker": MARKERS[backbones.index(row.backbone) % len(MARKERS)],
            "linestyle": DASHES[backbones.index(row.backbone) % len(DASHES)],
            "label": row.encoder_name,
        }
        for row in facts.itertuples()
    }


def _points(axes, x: np.ndarray, rows: pd.DataFrame, style: dict) -> None:
    """Draw means with a bar of one standard error on both sides."""
    axes.errorbar(
        x,
        rows["mean"],
        yerr=rows["se"].fillna(0),
        color=style["color"],
        markerfacecolor=style["face"],
        marker=style["marker"],
        label=style["label"],
        linestyle="none",
        markersize=4.5,
        elinewidth=1,
        capsize=0,
    )


def _dodged(means: pd.DataFrame, by: str, categories: list, styles: dict, axes) -> None:
    """Draw the encoders of each category side by side."""
    encoders = [name for name in styles if name in set(means["encoder"])]
    for i, name in enumerate(encoders):
        rows = means[means["encoder"] == name]
        shift = 0.7 * ((i + 0.5) / len(encoders) - 0.5)
        x = np.array([categories.index(category) for category in rows[by]]) + shift
        _points(axes, x, rows, styles[name])
    axes.set_xticks(range(len(categories)), categories)
    for edge in np.arange(0.5, len(categories) - 1):
        axes.axvline(edge, color="0.85", linewidth=0.8, zorder=0)
    axes.set_xlim(-0.5, len(categories) - 0.5)


def _nothing(why: str) -> Figure:
    """Draw a figure that says why there is nothing to see."""
    figure, axes = plt.subplots(figsize=(4, 1))
    axes.text(0.5, 0.5, why, ha="center", va="center")
    axes.set_axis_off()
    return figure


def _legend_outside(figure: Figure, axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)


def ami_by_dataset(means: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw AMI for each dataset and encoder, mean over clusterers ± 1 standard error.

    Parameters
    ----------
    means
        As `analysis.ami_by_encoder` gives it.
    styles
        As `encoder_styles` gives it.
    """
    width = max(4.0, 1.3 * means["dataset"].nunique())
    figure, axes = plt.subplots(figsize=(width, 3), layout="constrained")
    _dodged(means, "dataset_name", list(dict.fromkeys(means["dataset_name"])), styles, axes)
    axes.set(ylabel="AMI (%), mean over clusterers ± 1 SE", ylim=(min(0, axes.get_ylim()[0]), None))
    _legend_outside(figure, axes)
    sns.despine(figure)
    return figure


def difference_by_group(differences: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw differences in AMI, mean over the datasets of a group ± 1 SE.

    Parameters
    ----------
    differences
        As `analysis.group_differences` gives it: a panel for each reference. A group of one dataset
        has no error bar.
    styles
        As `encoder_styles` gives it.
    """
    if differences.empty:
        return _nothing("no encoder but the reference has results")
    references = list(dict.fromkeys(differences["reference"]))
    counts = differences.groupby("group", sort=False)["n"].max()
    figure, all_axes = plt.subplots(
        len(references),
        1,
        figsize=(max(4.0, 1.6 * len(counts)), 0.6 + 2.4 * len(references)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    names = {group: f"{group}\n({n} dataset{'s' if n > 1 else ''})" for group, n in counts.items()}
    for axes, reference in zip(all_axes[:, 0], references, strict=True):
        rows = differences[differences["reference"] == reference]
        rows = rows.assign(group=rows["group"].map(names))
        _dodged(rows, "group", list(names.values()), styles, axes)
        axes.axhline(0, color="0.4", linewidth=0.8, zorder=0)
        axes.set_ylabel(f"AMI − AMI of {styles[reference]['label']}\n(points, mean ± 1 SE)")
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    sns.despine(figure)
    return figure


def gains_by_group(gains: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw what fine-tuning adds to AMI, mean over the datasets of a group ± 1 SE.

    Parameters
    ----------
    gains
        As `analysis.fine_tuning_gains` gives it.
    styles
        As `encoder_styles` gives it.
    """
    if gains.empty:
        return _nothing("no encoder has results from before and after fine-tuning")
    width = max(4.0, 1.6 * gains["group"].nunique())
    figure, axes = plt.subplots(figsize=(width, 3), layout="constrained")
    _dodged(gains, "group", list(dict.fromkeys(gains["group"])), styles, axes)
    axes.axhline(0, color="0.4", linewidth=0.8, zorder=0)
    axes.set_ylabel("AMI after − before fine-tuning\n(points, mean over datasets ± 1 SE)")
    _legend_outside(figure, axes)
    sns.despine(figure)
    return figure


def ami_levels(
    means: pd.DataFrame, styles: dict[str, dict], nested: list[str], apart: list[str] = ()
) -> Figure:
    """Draw AMI against each label level, one line an encoder, ± 1 standard error over clusterers.

    Parameters
    ----------
    means
        As `analysis.ami_by_level` gives it.
    styles
        As `encoder_styles` gives it.
    nested
        Levels of the tree, coarse to fine: joined by lines.
    apart
        Levels that are not part of it: a panel of their own.
    """
    panels = [list(nested), *([list(apart)] if apart else [])]
    figure, all_axes = plt.subplots(
        1,
        len(panels),
        figsize=(4 + 0.8 * len(apart), 3),
        width_ratios=[max(len(levels), 1.2) for levels in panels],
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, levels in zip(all_axes[0], panels, strict=True):
        for name, style in styles.items():
            rows = means[means["encoder"] == name].set_index("level").reindex(levels)
            line = style["linestyle"] if len(levels) > 1 else "none"
            axes.errorbar(
                range(len(levels)),
                rows["mean"],
                yerr=rows["se"].fillna(0),
                color=style["color"],
                markerfacecolor=style["face"],
                marker=style["marker"],
                label=style["label"],
                linestyle=line,
                markersize=4,
                elinewidth=0.8,
            )
        axes.set_xticks(range(len(levels)), levels)
        axes.margins(x=0.15)
    all_axes[0, 0].set_ylabel("AMI (%), mean over clusterers ± 1 SE")
    all_axes[0, 0].set_xlabel("label level, coarse to fine")
    if apart:
        all_axes[0, 1].set_xlabel("apart")
    _legend_outside(figure, all_axes[0, 0])
    sns.despine(figure)
    return figure


def variance_curves(curves: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw the fraction of variance against leading PCA dimensions: absolute, and relative to all.

    Parameters
    ----------
    curves
        `analysis.variance_curve`s with the columns `encoder` and `dataset_name`: a row of panels
        for each dataset.
    styles
        As `encoder_styles` gives it.
    """
    datasets = list(dict.fromkeys(curves["dataset_name"]))
    figure, all_axes = plt.subplots(
        len(datasets),
        2,
        figsize=(5.5, 0.6 + 1.7 * len(datasets)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for row, dataset in zip(all_axes, datasets, strict=True):
        for name, style in styles.items():
            curve = curves[(curves["dataset_name"] == dataset) & (curves["encoder"] == name)]
            line = {key: style[key] for key in ("color", "linestyle", "label")}
            row[0].plot(curve["dims"], curve["variance"], **line)
            row[1].plot(curve["relative"], curve["variance"], **line)
        row[0].set(xscale="log", ylabel=f"{dataset}\nfraction of variance", ylim=(0, 1.02))
    all_axes[-1, 0].set_xlabel("leading dimensions")
    all_axes[-1, 1].set_xlabel("leading dimensions / dimensions")
    _legend_outside(figure, all_axes[0, 0])
    sns.despine(figure)
    return figure


def silhouette_ranks(
    ranks: pd.DataFrame, correlation: pd.DataFrame, styles: dict[str, dict]
) -> Figure:
    """Draw rank of AMI against rank of silhouette: a column a clusterer, a row a space.

    Parameters
    ----------
    ranks
        As `analysis.silhouette_ranks` gives it.
    correlation
        As `analysis.silhouette_correlation` gives it; ρ and its interval are written into each
        panel.
    styles
        As `encoder_styles` gives it.
    """
    clusterers = list(dict.fromkeys(correlation["clusterer"]))
    figure, all_axes = plt.subplots(
        len(SPACES),
        len(clusterers),
        figsize=(max(3.0, 1.5 * len(clusterers)), 3.6),
        squeeze=False,
        sharex="col",
        sharey="col",
        layout="constrained",
    )
    for row, space in zip(all_axes, SPACES, strict=True):
        for axes, clusterer in zip(row, clusterers, strict=True):
            here = ranks[(ranks["space"] == space) & (ranks["clusterer"] == clusterer)]
            for name in dict.fromkeys(here["encoder"]):
                part = here[here["encoder"] == name]
                style = styles[name]
                axes.scatter(
                    part["ami_rank"],
                    part["silhouette_rank"],
                    s=14,
                    edgecolor=style["color"],
                    facecolor=style["face"],
                    marker=style["marker"],
                    label=style["label"],
                )
            chosen = (correlation["space"] == space) & (correlation["clusterer"] == clusterer)
            rho, low, high = correlation.loc[chosen, ["rho", "low", "high"]].iloc[0]
            axes.set_title(f"ρ = {rho:.2f}\n[{low:.2f}, {high:.2f}]", fontsize=8)
            axes.set_box_aspect(1)
        row[0].set_ylabel(f"rank of S,\n{SPACES[space]}")
    for axes, clusterer in zip(all_axes[-1], clusterers, strict=True):
        name = correlation.loc[correlation["clusterer"] == clusterer, "clusterer_name"].iloc[0]
        axes.set_xlabel(f"rank of AMI\n{name}")
    handles = {}
    for axes in all_axes.flat:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1, 0.5), frameon=False
    )
    sns.despine(figure)
    return figure


def contact_sheet(
    dataset: ImageDataset, columns: int, rows: int, level: str, titles: bool = True
) -> Figure:
    """Show images of a dataset, evenly spaced over its sorted classes.

    Parameters
    ----------
    dataset
        The images.
    columns, rows
        How many images to show.
    level
        Label level that names the class.
    titles
        Whether each image stands under its class.
    """
    order = dataset.labels[level].argsort(kind="stable").to_numpy()
    chosen = order[np.linspace(0, len(order) - 1, columns * rows).round().astype(int)]
    figure, all_axes = plt.subplots(
        rows,
        columns,
        figsize=(0.65 * columns, (0.85 if titles else 0.65) * rows),
        squeeze=False,
        layout="constrained",
    )
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01)
    for axes, index in zip(all_axes.flat, chosen, strict=True):
        axes.imshow(dataset.images[index].convert("RGB"))
        if titles:
            axes.set_title(dataset.labels[level].iloc[index], fontsize=7, pad=2)
        axes.set_axis_off()
    return figure


def save_table(table: pd.DataFrame, name: str, folder: str | Path) -> list[Path]:
    """Write a table as CSV, in full precision, and as Markdown, with one decimal.

    Parameters
    ----------
    table
        What to write; its index is written as columns.
    name
        File name without suffix; starts with the number of its notebook.
    folder
        Where to; made if it is not there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.csv", folder / f"{name}.md"]
    flat = table.reset_index()
    flat.to_csv(paths[0], index=False)
    paths[1].write_text(flat.to_markdown(index=False, floatfmt=".1f") + "\n")
    return paths


def save(figure: Figure, name: str, folder: str | Path) -> list[Path]:
    """Write a figure as PDF and as PNG (200 dots an inch), without dates: same figure, same bytes.

    Parameters
    ----------
    figure
        What to write.
    name
        File name without suffix; starts with the number of its notebook.
    folder
        Where to; made if it is not there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.pdf", folder / f"{name}.png"]
    figure.savefig(paths[0], bbox_inches="tight", metadata={"CreationDate": None})
    figure.savefig(paths[1], bbox_inches="tight", dpi=200)
    return paths
