"""The house style: colours, markers, legends, groups, images, and figures as files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image

from zsc_utils.datasets import ImageDataset
from zsc_utils.study.base import datasets_of_group, is_best

sns.set_theme(context="paper", style="ticks", palette="colorblind")

COLORS = sns.color_palette("colorblind")

METHOD_COLORS = {
    "none": (0.0, 0.0, 0.0),
    "random": COLORS[7],
    "X-Ent": COLORS[0],
    "MoCo-v3": COLORS[1],
    "DINO": COLORS[2],
    "VICReg": COLORS[3],
    "MAE (CLS)": COLORS[4],
    "MAE (avg)": COLORS[5],
}

OTHER_METHOD = COLORS[8]

MARKERS = "os^Dvp*Xh"

DASHES = ["-", "--", ":", "-."]


def as_text(name: str) -> str:
    """Write a name so that matplotlib takes the dollar signs in it for no formula."""
    return name.replace("$", r"\$")


def categorical_colors() -> list[str]:
    """Write the colours of the palette as HTML does; its grey is left out, which marks absence."""
    return [color for i, color in enumerate(COLORS.as_hex()) if i != 7]


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
        `color`, `face`, `marker`, `linestyle`, `label`, `backbone` and `method` of each encoder.
    """
    facts = table.drop_duplicates("encoder")
    places, _ = pd.factorize(facts["backbone"])
    styles = {}
    for row, place in zip(facts.itertuples(), places, strict=True):
        color = METHOD_COLORS.get(row.method, OTHER_METHOD)
        styles[row.encoder] = {
            "color": color,
            "face": "white" if pd.notna(row.fine_tuned_from) else color,
            "marker": MARKERS[place % len(MARKERS)],
            "linestyle": DASHES[place % len(DASHES)],
            "label": row.encoder_name,
            "backbone": row.backbone,
            "method": row.method,
        }
    return styles


def rows_by_backbone(styles: dict[str, dict]) -> dict[str, list[str]]:
    """Give each backbone that several encoders share a row of panels.

    Encoders that are alone on their backbone, as raw pixels are, are drawn in every row. Where no
    backbone is shared, all stand in one row without name.
    """
    backbones = [style["backbone"] for style in styles.values()]
    alone = {name for name in backbones if backbones.count(name) == 1}
    shared = [name for name in dict.fromkeys(backbones) if name not in alone]
    return {
        row: [name for name, style in styles.items() if style["backbone"] in {row, *alone}]
        for row in shared or [""]
    }


def dashes_in_row(style: dict, backbone: str) -> str:
    """Give the line of an encoder in a row of panels that is for one backbone.

    Dashes tell fine-tuned encoders, and dots those of other backbones.
    """
    if backbone and style["backbone"] != backbone:
        return ":"
    return "--" if style["face"] == "white" else "-"


def panels(
    rows: int, columns: int, size: tuple[float, float], used: int | None = None, **how
) -> tuple[Figure, np.ndarray]:
    """Make a figure of that size in inches; gives its axes, (rows, columns).

    Of them the first `used` are seen; all by default.
    """
    look = {"figsize": size, "squeeze": False, "layout": "constrained"}
    figure, all_axes = plt.subplots(rows, columns, **look, **how)
    for axes in all_axes.flat[used:] if used else ():
        axes.set_axis_off()
    return figure, all_axes


def points(axes, x, rows: pd.DataFrame, style: dict, linestyle: str = "none") -> None:
    """Draw means with a bar of one standard error on both sides.

    A thin line is drawn from `low` to `high` where the rows have an interval.
    """
    interval = {"low", "high"} <= set(rows.columns)
    if interval:
        axes.vlines(x, rows["low"], rows["high"], color=style["color"], linewidth=0.6, zorder=1.5)
    look = encoder_look(style) | {"markersize": 4.5, "elinewidth": 2 if interval else 1}
    line = {"label": style["label"], "linestyle": linestyle, "linewidth": 1}
    axes.errorbar(x, rows["mean"], yerr=rows["se"].fillna(0), capsize=0, **look, **line)


def dodge(i: int, n: int) -> float:
    """Where the i-th of n things stands beside the middle of its category."""
    return 0.7 * ((i + 0.5) / n - 0.5)


def group_names(means: pd.DataFrame) -> dict[str, str]:
    """Write below an axis what each group is, and over how many datasets its means are."""
    return {group: f"{group}\n({count})" for group, count in datasets_of_group(means).items()}


def group_axis(axes, names: dict[str, str]) -> None:
    """Name groups, as `group_names` writes them, below an axis, with lines between them."""
    axes.set_xticks(range(len(names)), names.values())
    for edge in range(1, len(names)):
        axes.axvline(edge - 0.5, color="0.85", linewidth=0.8, zorder=0)
    axes.set_xlim(-0.5, len(names) - 0.5)


def dodged(means: pd.DataFrame, names: dict[str, str], styles: dict, axes) -> None:
    """Draw the encoders of each group side by side; `names` are as `group_names` gives them."""
    encoders = [name for name in styles if name in set(means["encoder"])]
    for i, name in enumerate(encoders):
        rows = means[means["encoder"] == name]
        x = rows["group"].map(list(names).index) + dodge(i, len(encoders))
        points(axes, x, rows, styles[name])
    group_axis(axes, names)


def reference_panels(
    differences: pd.DataFrame, styles: dict[str, dict], names: dict[str, str]
) -> tuple[Figure, list[tuple[plt.Axes, pd.DataFrame]]]:
    """Make a panel for each reference encoder, below each other, all with the same groups.

    `differences` are as `encoders.group_differences` gives them, `names` as `group_names` does.
    Each panel has a line at zero; gives for each reference its axes and its rows.
    """
    parts = list(differences.groupby("reference", sort=False))
    size = (2.4 + 1.3 * len(names), 0.6 + 2.4 * len(parts))
    figure, all_axes = panels(len(parts), 1, size, sharex=True)
    for axes, (reference, _) in zip(all_axes.flat, parts, strict=True):
        axes.axhline(0, color="0.4", linewidth=0.8, zorder=0)
        axes.set_ylabel(f"AMI − AMI of {styles[reference]['label']}\n(points, mean ± 1 SE)")
    return figure, [(axes, rows) for axes, (_, rows) in zip(all_axes.flat, parts, strict=True)]


def ami_cells(axes, wide: pd.DataFrame, *, bold: bool = True, shrink: float = 0.8) -> None:
    """Draw a table of AMI in percent as a heat map with its numbers; NaN stays empty.

    The best of each row is `bold`; `shrink` is the height of the colour bar in that of the axes.
    """
    look = {"cmap": "mako", "vmin": 0, "vmax": 100, "annot_kws": {"fontsize": 7}}
    bar = {"label": "AMI (%), mean over clusterers", "shrink": shrink}
    # Adding zero makes -0 a plain 0.
    sns.heatmap(wide, ax=axes, annot=wide.round() + 0.0, fmt=".0f", cbar_kws=bar, **look)
    best = is_best(wide).to_numpy() & bold
    # The heat map writes a text for each cell that has a number, row by row.
    for text, chosen in zip(axes.texts, best[wide.notna().to_numpy()], strict=True):
        text.set_fontweight("bold" if chosen else "normal")
    axes.set(xlabel="", ylabel="")
    axes.tick_params(length=0)


def intervals(axes, rows: pd.DataFrame, value: str, y, **look) -> None:
    """Draw a column of values at places y, each with a bar from its `low` to its `high`, if any."""
    bars = np.stack([rows[value] - rows["low"], rows["high"] - rows[value]]).astype(float)
    axes.errorbar(rows[value], y, xerr=np.nan_to_num(bars), linestyle="none", **look)


def encoder_look(style: dict) -> dict:
    """Give what matplotlib calls the look of an encoder's marker and bar."""
    return {"color": style["color"], "markerfacecolor": style["face"], "marker": style["marker"]}


def name_rows(axes, names) -> None:
    """Name rows from top to bottom, of differences: a line marks zero."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)


def image_grid(
    rows: Sequence[Sequence[Image.Image]], columns: int, size: tuple[float, float]
) -> tuple[Figure, np.ndarray]:
    """Show rows of images without ticks or frames; gives the axes of each, (rows, columns).

    Where a row is short its end stays empty. `size` is that of the figure, in inches.
    """
    figure, all_axes = panels(len(rows), columns, size)
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.01)
    for line, images in zip(all_axes, rows, strict=True):
        for axes in line:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        for axes, image in zip(line, images, strict=False):
            axes.imshow(image.convert("RGB"))
    return figure, all_axes


def nothing(why: str) -> Figure:
    """Draw a figure that says why there is nothing to see."""
    figure, axes = plt.subplots(figsize=(4, 1))
    axes.text(0.5, 0.5, why, ha="center", va="center")
    axes.set_axis_off()
    return figure


def legend_beside(axes) -> None:
    """Write a legend on the right of its axes."""
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)


def legend_outside(figure: Figure, *all_axes) -> None:
    """Write one legend for several axes; what stands in more than one is named once."""
    handles = {}
    for axes in all_axes:
        handles |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1, 0.5), frameon=False
    )


def group_colors(groups: Iterable[str]) -> dict[str, tuple]:
    """Give each group its colour, in the order in which they come."""
    names = list(dict.fromkeys(groups))
    return dict(zip(names, sns.color_palette("viridis", len(names)), strict=True))


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
    size = (0.65 * columns, (0.85 if titles else 0.65) * rows)
    lines = [[dataset.images[i] for i in line] for line in chosen.reshape(rows, columns)]
    figure, all_axes = image_grid(lines, columns, size)
    for axes, name in zip(all_axes.flat, dataset.labels[level].iloc[chosen], strict=True):
        if titles:
            axes.set_title(as_text(name), fontsize=7, pad=2)
    return figure


def save_figure(figure: Figure, name: str, folder: str | Path) -> list[Path]:
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
