"""Clusters of someone's own images: which to look at first, and what is in each."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from zsc_utils.cache import atomic_path
from zsc_utils.datasets import load_dataset
from zsc_utils.datasets.base import Images
from zsc_utils.own.command import Written
from zsc_utils.own.report.content import View
from zsc_utils.own.report.curves import TICKS
from zsc_utils.own.results import expectation_in_words
from zsc_utils.own.sorting import Sorted
from zsc_utils.study import maps
from zsc_utils.study.base import LEFT_OUT, bullets
from zsc_utils.study.figures import categorical_colors, image_grid, nothing

# Photographs that come with the installation stand in where no folder is named.
EXAMPLE = "textures"
# What a row of images can show of one: a photograph has fifty times as many pixels.
SIDE = 160


def example(folder: Path, most: int | None = None) -> tuple[Path, Path]:
    """Write the example as a folder of images, in no order, and a file of their labels.

    Parameters
    ----------
    folder
        Where both go; what is there already stays.
    most
        Images at most.

    Returns
    -------
    images, labels
        The folder of images, and the CSV file.
    """
    place = folder / f"{EXAMPLE}-{most or 'all'}"
    if not place.exists():
        dataset = load_dataset(EXAMPLE).subset(most)
        order = np.random.default_rng(0).permutation(len(dataset))
        names = [f"{number:03d}.png" for number in range(len(order))]
        classes = dataset.labels[dataset.facts.label].to_numpy(str)[order]
        with atomic_path(place) as draft:
            (draft / "images").mkdir(parents=True)
            for name, i in zip(names, order, strict=True):
                dataset.images[i].save(draft / "images" / name)
            labels = pd.DataFrame({"path": names, "label": classes})
            labels.to_csv(draft / "labels.csv", index=False)
    return place / "images", place / "labels.csv"


def names_shown(rows: pd.DataFrame, found: Sorted) -> pd.Series:
    """Write encoder and clusterer of each row as they are read."""
    names = [found.displayed(row) for _, row in rows.iterrows()]
    return pd.Series([f"{clusterer} of {encoder}" for encoder, clusterer in names], rows.index)


def ranking_table(found: Sorted, ranked: pd.DataFrame) -> pd.DataFrame:
    """Prepare the ranking to be read: a row for each encoder and clusterer.

    Parameters
    ----------
    found
        What was sorted.
    ranked
        As `own.results.ranking` gives it.

    Returns
    -------
    DataFrame
        By falling score: `clustering`, `n_clusters`, `as_good` (other numbers), `left_out` (percent
        of the images), `score`, both silhouettes, the expected AMI and its interval, `ami`
        (percent; only where there are labels), `status`, `reason`.
    """
    rows = ranked[ranked["proposed"] | ranked["score"].isna()]
    columns = (
        *("n_clusters", "as_good", "left_out", "score", "silhouette_umap", "silhouette_original"),
        *("expected_low", "expected_ami", "expected_high", "ami", "status", "reason"),
    )
    return rows.filter(columns).set_index(names_shown(rows, found).rename("clustering"))


def plot_numbers(found: Sorted, tolerance: float) -> Figure:
    """Draw score and silhouette in UMAP space against the number of clusters.

    A panel each; a line for each encoder and clusterer that is told the number, its numbers that
    are as good as the best in bold.

    Parameters
    ----------
    found
        What was sorted.
    tolerance
        As of `Calibration`.
    """
    told = found.table.dropna(subset=["told", "score"]).sort_values("told")
    if told.empty:
        return nothing("no clusterer was told a number of clusters")
    panels = {"score": "score", "silhouette_umap": "S in UMAP space"}
    figure, both = plt.subplots(1, len(panels), figsize=(7, 2.6), layout="constrained")
    told = told.assign(name=names_shown(told, found))
    lines = told.groupby(["clusterer", "encoder"], sort=False)
    for axes, (column, label) in zip(both, panels.items(), strict=True):
        for color, (_, rows) in zip(categorical_colors() * 9, lines, strict=False):
            axes.plot(rows["told"], rows[column], color=color, lw=0.8)
            good = rows["told"].where(rows["score"] >= rows["score"].max() - tolerance)
            look = {"color": color, "lw": 3, "ms": 4, "label": rows["name"].iloc[0]}
            axes.plot(good, rows[column], "o-", **look)
        axes.set(xscale="log", xlabel="number of clusters", ylabel=label)
        ticks = [number for number in TICKS if number <= told["told"].max()]
        axes.set_xticks(ticks, ticks)
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*both[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def sizes(clusters: np.ndarray) -> pd.Series:
    """Count the images of each cluster, largest first, of one size by number; left out come last.

    Parameters
    ----------
    clusters
        int (n,), −1 = left out.
    """
    counts = pd.Series(maps.cluster_names(np.sort(clusters))).value_counts(sort=False)
    by_size = np.lexsort((-counts, counts.index == LEFT_OUT))
    return counts.iloc[by_size].rename("images")


def typical_rows(view: View, each: int) -> dict[str, np.ndarray]:
    """Choose the images of each cluster that lie closest to its medoid, which comes first.

    Parameters
    ----------
    view
        A clustering, as the report shows it.
    each
        Images of a cluster at most.

    Returns
    -------
    dict
        In the order of `sizes`, positions (k,); of what was left out, the first.
    """
    names = maps.cluster_names(view.clusters)
    chosen = {}
    for name in sizes(view.clusters).index:
        rows = np.flatnonzero(names == name)
        chosen[name] = rows[np.argsort(view.to_medoid[rows], kind="stable")[:each]]
    return chosen


def plot_cluster_sizes(counts: pd.Series) -> Figure:
    """Draw the sizes of clusters as bars, largest first; what was left out is grey.

    Parameters
    ----------
    counts
        As `sizes` gives it.
    """
    if counts.empty:
        return nothing("no clusters")
    figure, axes = plt.subplots(figsize=(5.5, 2), layout="constrained")
    colors = ["0.7" if name == LEFT_OUT else categorical_colors()[0] for name in counts.index]
    axes.bar(np.arange(len(counts)), counts, color=colors)
    few = len(counts) <= 25
    shown = counts.index if few else []
    axes.set_xticks(range(len(shown)), shown, rotation=90 if LEFT_OUT in shown else 0)
    axes.set(xlabel="cluster" if few else f"{len(counts)} clusters", ylabel="images")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_image_rows(
    images: Images, chosen: dict[str, np.ndarray], counts: pd.Series, most: int = 15
) -> Figure:
    """Show a row of images of each cluster, with its name and size.

    Parameters
    ----------
    images
        All images that were clustered.
    chosen
        Positions by cluster, as `typical_rows` gives them.
    counts
        As `sizes` gives it.
    most
        Rows at most: the largest clusters, and what was left out, which comes last.
    """
    if not chosen:
        return nothing("no clusters")
    names = list(chosen)[:most]
    if LEFT_OUT in chosen and LEFT_OUT not in names:
        names[-1] = LEFT_OUT
    columns = max(len(chosen[name]) for name in names)
    rows = [[maps.small(images[i], SIDE) for i in chosen[name]] for name in names]
    figure, all_axes = image_grid(rows, columns, (1.1 + 0.55 * columns, 0.58 * len(names)))
    for name, axes in zip(names, all_axes[:, 0], strict=True):
        axes.text(
            *(-0.2, 0.5, f"{name}\n{counts[name]}"),
            ha="right",
            va="center",
            fontsize=8,
            transform=axes.transAxes,
        )
    return figure


def explore(found: Sorted, written: Written, max_points: int = 1000) -> None:
    """Show a map of the images with a menu of clusterings; the menu needs a kernel, the map none.

    Parameters
    ----------
    found, written
        What was sorted, and what `own.command.write_results` gave.
    max_points
        Images to show at most, by a seeded random choice.
    """
    content = written.shown
    views = {f"{view.clusterer_name} of {view.encoder_name}": view for view in content.views}
    n = len(found.collection)
    rows = np.random.default_rng(0).permutation(n)[:max_points]
    labels = np.full(n, "") if content.labels is None else content.labels
    classes = np.where(labels == "", maps.NO_CLASS, labels)

    def draw(clustering: str) -> str:
        view = views[clustering]
        plane = content.spaces[view.encoder].plane
        points = maps.points_at(rows, plane, classes, view.clusters)
        drawn = maps.as_html(maps.plot_embedding_map(points, found.collection.images), clustering)
        return drawn + maps.sentence(f"{clustering}: {len(rows)} of {n} images")

    maps.explore_by({"clustering": [(name, name) for name in views]}, draw)


def say_ranking(found: Sorted, ranked: pd.DataFrame, counts: pd.Series) -> str:
    """Say which clustering to look at first, what it holds, and how far to trust it.

    Parameters
    ----------
    found
        What was sorted.
    ranked
        As `own.results.ranking` gives it.
    counts
        As `sizes` gives it, of the first of them.
    """
    best, names = ranked.iloc[0], names_shown(ranked, found)
    clusters = counts.drop(LEFT_OUT, errors="ignore")
    sentences = [
        f"**{names.iloc[0]}** is ranked first: {len(clusters)} clusters of {clusters.min()} to "
        f"{clusters.max()} images; {best['left_out']:.0f} % of the images are left out.",
        expectation_in_words(best),
    ]
    sentences += [
        f"Next comes {names[i]}, with {row['n_clusters']} clusters."
        for i, row in ranked[ranked["proposed"]].iloc[1:2].iterrows()
    ]
    if "ami" in ranked and ranked["ami"].notna().any():
        i = ranked["ami"].idxmax()
        most = ranked.loc[i]
        sentences.append(
            f"By the labels, its AMI is {best['ami']:.1f} %; the highest of all that were tried is "
            f"that of {names[i]} with {most['n_clusters']} clusters, {most['ami']:.1f} %."
        )
    sentences += [
        f"**{names[i]}** gave no clusters: {row['reason']}."
        for i, row in ranked[ranked["score"].isna()].iterrows()
    ]
    return bullets(sentences)
