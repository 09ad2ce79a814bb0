"""Maps of embeddings: choose a clustering, see its map, see the image of each point on hover.

A map is HTML that needs no network.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from bokeh.embed import file_html
from bokeh.layouts import row
from bokeh.models import ColumnDataSource, HoverTool, LayoutDOM, Legend, LegendItem
from bokeh.plotting import figure
from bokeh.resources import INLINE
from PIL import Image

from zsc_utils.clustering import CLUSTERERS
from zsc_utils.datasets.base import Images
from zsc_utils.errors import ZscError
from zsc_utils.own.sorting import PLANE
from zsc_utils.recipes import SILHOUETTE_SEED
from zsc_utils.reduction import ReductionError, array_name, reduce
from zsc_utils.study.base import LEFT_OUT
from zsc_utils.study.figures import categorical_colors
from zsc_utils.sweep.cells import Job
from zsc_utils.sweep.clusterings import Clustering, read_clusterings
from zsc_utils.sweep.costs import Size, held_bytes, lack_of_memory, memory_available, reduction_cost

NO_CLASS = "no class"


def embedding_map(
    clustering: Clustering, max_points: int = 1000, seed: int = SILHOUETTE_SEED
) -> pd.DataFrame:
    """Lay embeddings out on a plane by UMAP, with the study's settings but for two dimensions.

    Parameters
    ----------
    clustering
        What was clustered. Its memo keeps the plane, so that it is computed once.
    max_points
        Images to keep at most, by a seeded random choice; the plane is that of all.
    seed
        Random state of UMAP and of the choice.

    Returns
    -------
    DataFrame
        One row an image: `row` among those of the clustering, `x`, `y` (UMAP's units), and `class`
        and `cluster`, both strings.

    Raises
    ------
    ReductionError
        There are too few images, or too many for the memory that is there.
    """
    X = clustering.embeddings.array
    size = Size(*X.shape)
    lack = lack_of_memory(held_bytes(reduction_cost(PLANE, size), size), memory_available())
    if lack and array_name(PLANE, seed) not in clustering.memo:
        raise ReductionError(f"a map of {size.n} embeddings {lack}")
    plane = reduce(X, PLANE, seed=seed, memo=clustering.memo)
    rows = np.arange(size.n)
    if size.n > max_points:
        rows = np.sort(np.random.default_rng(seed).choice(size.n, max_points, replace=False))
    classes = clustering.classes.fillna(NO_CLASS).astype(str).to_numpy()
    return points_at(rows, plane, classes, clustering.clusters)


def points_at(
    rows: np.ndarray, plane: np.ndarray, classes: np.ndarray, clusters: np.ndarray
) -> pd.DataFrame:
    """Collect what a map shows of some rows of all images, in the form of `embedding_map`."""
    x, y = plane[rows].T
    named = {"class": classes[rows], "cluster": cluster_names(clusters[rows])}
    return pd.DataFrame({"row": rows, "x": x, "y": y, **named})


def cluster_names(clusters: np.ndarray) -> np.ndarray:
    """Name the cluster of each image, as text."""
    return np.where(clusters < 0, LEFT_OUT, clusters.astype(str))


def matched_places(points: pd.DataFrame) -> tuple[dict[str, int], dict[str, int]]:
    """Number classes and clusters so that a class and its cluster have the same number.

    Classes are numbered by falling size. Each is matched with at most one cluster, so that as many
    images as can be are in a matched pair (Kuhn, 1955); other clusters come after the last class.

    Parameters
    ----------
    points
        As `embedding_map` gives it.

    Returns
    -------
    Two dicts, of classes and of clusters: name to number. Images without class or cluster have
    none.
    """
    from scipy.optimize import linear_sum_assignment

    classes, clusters = (
        points.loc[points[column] != none, column].value_counts().sort_index(kind="stable")
        for column, none in (("class", NO_CLASS), ("cluster", LEFT_OUT))
    )
    by_size = list(classes.sort_values(ascending=False, kind="stable").index)
    together = pd.crosstab(points["class"], points["cluster"]).reindex(
        index=by_size, columns=clusters.index, fill_value=0
    )
    pairs = zip(*linear_sum_assignment(-together.to_numpy()), strict=True)
    matched = {clusters.index[j]: int(i) for i, j in pairs if together.iat[i, j]}
    alone = clusters.drop(list(matched)).sort_values(ascending=False, kind="stable").index
    others = {name: len(by_size) + i for i, name in enumerate(alone)}
    return {name: i for i, name in enumerate(by_size)}, matched | others


THUMBNAIL = 48
# Of a thumbnail as text, at most about. Measured: most photographs take half of it, noise all.
THUMBNAIL_BYTES = 3_000
MARKERS = ("circle", "triangle", "square", "diamond", "inverted_triangle", "star", "plus")
GREY = "#9a9a9a"
# More names than this make a legend that nobody reads; hovering tells them.
MOST_NAMES = 12
HEIGHT = 320

TOOLTIP = """
<div style="text-align: center">
  <img src="@image" width="96" height="96" style="image-rendering: auto; object-fit: contain">
  <div>class: <b>@class</b></div><div>cluster: <b>@cluster</b></div>
</div>
"""


def small(image: Image.Image, side: int) -> Image.Image:
    """Shrink an image to a square of so many pixels at most, in RGB."""
    image = image.convert("RGB")
    image.thumbnail((side, side))
    return image


def thumbnail(image: Image.Image) -> str:
    """Shrink an image to a square of 48 pixels at most and write it as a data URI (JPEG)."""
    stream = io.BytesIO()
    small(image, THUMBNAIL).save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def look(place: int) -> tuple[str, str]:
    """Give a class or cluster its colour and marker by its number: those of seventy differ."""
    colors = categorical_colors()
    return colors[place % len(colors)], MARKERS[place // len(colors) % len(MARKERS)]


def plot_embedding_map(points: pd.DataFrame, images: Images) -> LayoutDOM:
    """Draw a map twice, side by side: coloured by class and by cluster.

    A cluster has the look of the class it is matched with. Hovering shows the image; what is
    selected or hovered in one panel is in the other. Without any class there is one panel.

    Parameters
    ----------
    points
        As `embedding_map` gives it.
    images
        The images that its column `row` points at.
    """
    source = ColumnDataSource(points.drop(columns="row").to_dict("list"))
    source.data["image"] = [thumbnail(images[i]) for i in points["row"]]
    class_places, cluster_places = matched_places(points)
    drawn = []
    for column, places, without in (
        ("class", class_places, "circle"),
        ("cluster", cluster_places, "x"),
    ):
        looks = {name: look(place) for name, place in places.items()}
        of_points = [looks.get(name, (GREY, without)) for name in points[column]]
        source.data[f"{column}_color"] = [color for color, _ in of_points]
        source.data[f"{column}_marker"] = [marker for _, marker in of_points]
        if column == "cluster" or class_places:
            # Panels move together: ranges are shared, and so is the source with its selection.
            ranges = {"x_range": drawn[0].x_range, "y_range": drawn[0].y_range} if drawn else {}
            drawn.append(_panel(source, column, looks, ranges))
    return row(*drawn, sizing_mode="stretch_width")


def _panel(source: ColumnDataSource, column: str, looks: dict, ranges: dict):
    panel = figure(
        frame_height=HEIGHT,
        min_width=250,
        sizing_mode="stretch_width",
        title=f"by {column}",
        tools="pan,wheel_zoom,box_zoom,lasso_select,reset",
        toolbar_location="above",
        **ranges,
    )
    panel.toolbar.logo = None
    panel.axis.visible = False
    panel.grid.visible = False
    color = f"{column}_color"
    points = panel.scatter(
        *("x", "y"),
        source=source,
        size=7,
        marker=f"{column}_marker",
        fill_color=color,
        line_color=color,
        fill_alpha=0.7,
        line_width=1,
        nonselection_alpha=0.1,
        hover_line_color="black",
        hover_fill_color=color,
    )
    panel.add_tools(HoverTool(renderers=[points], tooltips=TOOLTIP))
    names = list(source.data[column])
    shown = [*looks, *(name for name in (LEFT_OUT, NO_CLASS) if name in names)]
    if len(shown) <= MOST_NAMES:
        items = [
            LegendItem(label=name, renderers=[points], index=names.index(name)) for name in shown
        ]
        legend = Legend(items=items, ncols=4, location="center", border_line_alpha=0)
        legend.label_text_font_size = "8pt"
        panel.add_layout(legend, "below")
    return panel


def as_html(layout: LayoutDOM, title: str) -> str:
    """Write a drawing with all that shows it as an HTML element that can stand on any page.

    It is a frame of its own, which may run scripts but cannot reach the page around it: names of
    folders are not to be trusted.
    """
    page = file_html(layout, INLINE, title)
    return (
        f'<iframe sandbox="allow-scripts" title="{html.escape(title)}" '
        f'style="width: 100%; height: {HEIGHT + 150}px; border: 0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
    )


Options = list[tuple[str, str]]


def choices(planned: list[Job]) -> dict[str, Options]:
    """List what can be chosen of a plan: pairs of what is shown and the name.

    Datasets and encoders that are absent are not among them.
    """
    there = [job for job in planned if not job.absent]
    clusterers = CLUSTERERS.facts()
    pairs = {
        "dataset": [(job.dataset.facts.display, job.dataset.facts.name) for job in there],
        "encoder": [(job.encoder.display, job.encoder.name) for job in there],
        "clusterer": [
            (clusterers[cell.clusterer].display, cell.clusterer)
            for job in there
            for cell, _ in job.cells
        ],
    }
    return {what: list(dict.fromkeys(options)) for what, options in pairs.items()}


def page(
    planned: list[Job],
    dataset: str,
    encoder: str,
    clusterer: str,
    max_points: int = 1000,
    build: Path | None = None,
) -> str:
    """Draw the map of one clustering as HTML; where there is none, say so.

    Parameters
    ----------
    planned
        As `sweep.cells.plan` gives it. Of several seeds, the first counts.
    dataset, encoder, clusterer
        Names.
    max_points
        Images to show at most, by a seeded random choice.
    build
        Folder of caches and results.
    """
    chosen = [
        replace(job, cells=tuple(pair for pair in job.cells if pair[0].clusterer == clusterer)[:1])
        for job in planned
        if (job.dataset.facts.name, job.encoder.name) == (dataset, encoder)
    ]
    try:
        found = next(read_clusterings(chosen, build), None)
        if found is None:
            return sentence(f"{dataset}, {encoder}, {clusterer}: there are no clusters to show")
        points = embedding_map(found, max_points)
    except ZscError as error:
        return sentence(str(error))
    display = CLUSTERERS[clusterer].facts.display
    title = f"{found.job.dataset.facts.display}, {found.job.encoder.display}, {display}"
    drawn = as_html(plot_embedding_map(points, found.images), title)
    size = len(points) * THUMBNAIL_BYTES / 1e6
    return drawn + sentence(
        f"{title}: {len(points)} of {len(found.clusters)} images, whose thumbnails make this page "
        f"larger by {size:.1f} MB at most."
    )


def sentence(text: str) -> str:
    """Write a sentence as HTML."""
    return f"<p>{html.escape(text)}</p>"


def selectors(options: dict[str, Options], show: Callable[..., None]):
    """Make a menu for each choice, side by side; `show` is called with what is chosen anew."""
    import ipywidgets

    menus = {
        what: ipywidgets.Dropdown(options=pairs, description=what)
        for what, pairs in options.items()
    }

    def changed(_):
        show(**{what: menu.value for what, menu in menus.items()})

    for menu in menus.values():
        menu.observe(changed, names="value")
    return ipywidgets.HBox(list(menus.values()))


def explore_by(options: dict[str, Options], draw: Callable[..., str]) -> None:
    """Show a menu for each choice, and what `draw` makes of what they are set to, as HTML.

    That of the first of all is part of the saved notebook and needs neither a kernel nor a network;
    the menus need a kernel.
    """
    from IPython.display import HTML, display

    def show(**chosen: str) -> None:
        shown.update(HTML(sentence("one moment …")))
        shown.update(HTML(draw(**chosen)))

    display(selectors(options, show))
    first = {what: pairs[0][1] for what, pairs in options.items()}
    shown = display(HTML(draw(**first)), display_id=True)


def explore(planned: list[Job], max_points: int = 1000) -> None:
    """Show menus of datasets, encoders and clusterers, and the map of what they are set to.

    Parameters
    ----------
    planned
        As `sweep.cells.plan` gives it. The first of all is shown first.
    max_points
        As for `page`.
    """
    from IPython.display import HTML, display

    options = choices(planned)
    if not all(options.values()):
        display(HTML(sentence("nothing to show: all datasets or all encoders are absent")))
        return
    explore_by(options, partial(page, planned, max_points=max_points))
