"""The figures, drawn from the numbers of `analysis`."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.analysis import SPACES, datasets_of_group
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
        `color`, `face`, `marker`, `linestyle`, `label` and `backbone` of each encoder.
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
            "backbone": row.backbone,
        }
        for row in facts.itertuples()
    }


def rows_by_backbone(styles: dict[str, dict]) -> dict[str, list[str]]:
    """Give each backbone that several encoders share a row of panels.

    Encoders that are alone on their backbone, as raw pixels are, are drawn in every row. Where no
    backbone is shared, all stand in one row without name.
    """
    backbones = [style["backbone"] for style in styles.values()]
    shared = [name for name in dict.fromkeys(backbones) if backbones.count(name) > 1]
    return {
        row: [
            n
            for n, style in styles.items()
            if style["backbone"] not in shared or style["backbone"] == row
        ]
        for row in shared or [""]
    }


def _points(axes, x, rows: pd.DataFrame, style: dict, linestyle: str = "none") -> None:
    """Draw means with a bar of one standard error on both sides."""
    axes.errorbar(
        x,
        rows["mean"],
        yerr=rows["se"].fillna(0),
        color=style["color"],
        markerfacecolor=style["face"],
        marker=style["marker"],
        label=style["label"],
        linestyle=linestyle,
        linewidth=1,
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


def _legend_outside(figure: Figure, *all_axes) -> None:
    """Write one legend for several axes; what stands in more than one is named once."""
    handles = {}
    for axes in all_axes:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1, 0.5), frameon=False
    )


def ami_heatmap(matrix: pd.DataFrame) -> Figure:
    """Draw AMI of each dataset (row) and encoder (column); the best of a row is bold.

    Parameters
    ----------
    matrix
        As `analysis.ami_matrix` gives it: rows of one group stand together.
    """
    n_rows, n_columns = matrix.shape
    size = (2.6 + 0.38 * n_columns, 1.6 + 0.26 * n_rows)
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    bar = {"label": "AMI (%), mean over clusterers", "shrink": 0.7}
    plain = matrix.reset_index(level="group", drop=True)
    look = {"cmap": "mako", "vmin": 0, "vmax": 100, "annot_kws": {"fontsize": 7}}
    sns.heatmap(plain, ax=axes, annot=True, fmt=".0f", cbar_kws=bar, **look)
    best = (matrix.rank(axis=1, ascending=False, method="min") == 1).to_numpy()
    # The heat map writes a text for each cell that has a number, row by row.
    for text, bold in zip(axes.texts, best[matrix.notna().to_numpy()], strict=True):
        text.set_fontweight("bold" if bold else "normal")
    groups = matrix.index.get_level_values("group")
    for edge in [i for i in range(1, n_rows) if groups[i] != groups[i - 1]]:
        axes.axhline(edge, color="white", linewidth=3)
    axes.set(xlabel="", ylabel="")
    axes.set_yticklabels([f"{name}" for name in plain.index], rotation=0)
    axes.tick_params(length=0)
    for group in dict.fromkeys(groups):
        middle = np.flatnonzero(groups == group).mean() + 0.5
        axes.annotate(
            *(group, (1, middle)),
            xycoords=axes.get_yaxis_transform(),
            xytext=(8, 0),
            textcoords="offset points",
            rotation=270,
            ha="center",
            va="center",
            fontsize=7,
            fontweight="bold",
        )
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
    names = {g: f"{g}\n({count})" for g, count in datasets_of_group(differences).items()}
    figure, all_axes = plt.subplots(
        len(references),
        1,
        figsize=(max(4.0, 1.6 * len(names)), 0.6 + 2.4 * len(references)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
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
    names = {g: f"{g}\n({count})" for g, count in datasets_of_group(gains).items()}
    rows = gains.assign(group=gains["group"].map(names))
    _dodged(rows, "group", list(names.values()), styles, axes)
    axes.axhline(0, color="0.4", linewidth=0.8, zorder=0)
    axes.set_ylabel("AMI after − before fine-tuning\n(points, mean over datasets ± 1 SE)")
    _legend_outside(figure, axes)
    sns.despine(figure)
    return figure


def ami_levels(means: dict[str, pd.DataFrame], styles: dict[str, dict]) -> Figure:
    """Draw AMI against label level, one line an encoder, ± 1 standard error over clusterers.

    Parameters
    ----------
    means
        For each dataset, by the name to print, `analysis.ami_by_level` of its nested levels, coarse
        to fine: a column of panels. A backbone that encoders share has a row.
    styles
        As `encoder_styles` gives it.
    """
    if not means:
        return _nothing("no dataset that is there has label levels that nest")
    rows = rows_by_backbone(styles)
    levels = {name: list(dict.fromkeys(table["level"])) for name, table in means.items()}
    figure, all_axes = plt.subplots(
        len(rows),
        len(means),
        figsize=(1 + 0.62 * sum(map(len, levels.values())), 0.6 + 2.3 * len(rows)),
        width_ratios=[len(names) for names in levels.values()],
        sharey="row",
        sharex="col",
        squeeze=False,
        layout="constrained",
    )
    for line, (backbone, encoders) in zip(all_axes, rows.items(), strict=True):
        for axes, (dataset, table) in zip(line, means.items(), strict=True):
            for name in encoders:
                found = table[table["encoder"] == name].set_index("level").reindex(levels[dataset])
                _points(axes, range(len(found)), found, styles[name], styles[name]["linestyle"])
            axes.set_xticks(range(len(levels[dataset])), levels[dataset], rotation=30, ha="right")
        line[0].set_ylabel(f"{backbone}\nAMI (%), ± 1 SE over clusterers".strip())
        line[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    for axes, dataset in zip(all_axes[0], means, strict=True):
        axes.set_title(dataset)
    sns.despine(figure)
    return figure


def variance_curves(curves: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw the fraction of variance against leading PCA dimensions: absolute, and relative to all.

    Parameters
    ----------
    curves
        As `analysis.typical_curves` gives it: medians are lines, quartiles bands. A backbone that
        encoders share has a row of panels.
    styles
        As `encoder_styles` gives it.
    """
    rows = rows_by_backbone(styles)
    figure, all_axes = plt.subplots(
        len(rows),
        2,
        figsize=(8, 0.6 + 2.3 * len(rows)),
        sharey=True,
        sharex="col",
        squeeze=False,
        layout="constrained",
    )
    for line, (backbone, encoders) in zip(all_axes, rows.items(), strict=True):
        for name in encoders:
            curve, style = curves[curves["encoder"] == name], styles[name]
            # Without markers, dashes tell fine-tuned encoders, and dots those of other backbones.
            dashes = "--" if style["face"] == "white" else "-"
            if backbone and style["backbone"] != backbone:
                dashes = ":"
            for axes, dims in zip(line, ("dims", "relative"), strict=True):
                look = {"color": style["color"], "linestyle": dashes, "label": style["label"]}
                axes.plot(curve[dims], curve["median"], **look)
                axes.fill_between(
                    *(curve[dims], curve["low"], curve["high"]),
                    color=style["color"],
                    alpha=0.1,
                    linewidth=0,
                )
        line[0].set(xscale="log", ylim=(0, 1.02))
        line[0].set_ylabel(f"{backbone}\nfraction of variance".strip())
        line[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    all_axes[-1, 0].set_xlabel("leading dimensions")
    all_axes[-1, 1].set_xlabel("leading dimensions / dimensions")
    sns.despine(figure)
    return figure


def learning_curves(curves: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw loss and kNN accuracy against epochs: a column for each stage and backbone.

    Parameters
    ----------
    curves
        As `cards.learning_curves` gives it.
    styles
        As `encoder_styles` gives it.
    """
    if curves.empty:
        return _nothing("no encoder of this profile has a learning curve")
    columns = list(dict.fromkeys(curves[["stage", "backbone"]].itertuples(index=False, name=None)))
    figure, all_axes = plt.subplots(
        2,
        len(columns),
        figsize=(0.8 + 1.9 * len(columns), 4),
        sharex="col",
        sharey="row",
        squeeze=False,
        layout="constrained",
    )
    for (loss, knn), (stage, backbone) in zip(all_axes.T, columns, strict=True):
        here = curves[(curves["stage"] == stage) & (curves["backbone"] == backbone)]
        for name, rows in here.groupby("encoder", sort=False):
            style = styles[name]
            loss.plot(rows["epoch"], rows["relative_loss"], color=style["color"])
            measured = rows[rows["knn"].notna()]
            knn.plot(
                *(measured["epoch"], measured["knn"]),
                color=style["color"],
                markerfacecolor=style["face"],
                marker=style["marker"],
                markersize=4,
                label=style["label"],
            )
        loss.set_title(f"{stage},\n{backbone}")
        knn.set_xlabel("epoch")
    all_axes[0, 0].set_ylabel("loss / loss of epoch 1")
    all_axes[1, 0].set_ylabel("kNN accuracy (%)")
    _legend_outside(figure, *all_axes[1])
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
                    s=8,
                    linewidth=0.8,
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
    _legend_outside(figure, *all_axes.flat)
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
    """Write a table as CSV, in full precision, and as Markdown, with three digits.

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
    paths[1].write_text(flat.to_markdown(index=False, floatfmt=".3g") + "\n")
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
