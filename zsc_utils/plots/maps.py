"""Maps of embeddings, with the image of each point on hover: HTML that needs no network."""

from __future__ import annotations

import base64
import html
import io

import pandas as pd
from bokeh.embed import file_html
from bokeh.layouts import row
from bokeh.models import ColumnDataSource, HoverTool, LayoutDOM, Legend, LegendItem
from bokeh.plotting import figure
from bokeh.resources import INLINE
from PIL import Image

from zsc_utils.analysis import LEFT_OUT, NO_CLASS, matched_places
from zsc_utils.datasets.base import Images
from zsc_utils.plots.style import categorical_colors

THUMBNAIL = 48
# Of a thumbnail as text, measured: most photographs take half of it, noise all.
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


def thumbnails_bytes(n: int) -> int:
    """Predict how many bytes n thumbnails add to a page, at most about."""
    return n * THUMBNAIL_BYTES


def thumbnail(image: Image.Image, side: int = THUMBNAIL) -> str:
    """Shrink an image to a square of `side` pixels at most and write it as a data URI (JPEG)."""
    small = image.convert("RGB")
    small.thumbnail((side, side))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def look(place: int) -> tuple[str, str]:
    """Give a class or cluster its colour and marker by its number: those of seventy differ."""
    colors = categorical_colors()
    return colors[place % len(colors)], MARKERS[place // len(colors) % len(MARKERS)]


def embedding_map(points: pd.DataFrame, images: Images) -> LayoutDOM:
    """Draw a map twice, side by side: coloured by class and by cluster.

    A cluster has the look of the class it is matched with. Hovering shows the image; what is
    selected or hovered in one panel is in the other. Without any class there is one panel.

    Parameters
    ----------
    points
        As `analysis.embedding_map` gives it.
    images
        The images that its column `row` points at.
    """
    class_places, cluster_places = matched_places(points)
    columns = {"image": [thumbnail(images[i]) for i in points["row"]]}
    panels = (("class", class_places, (GREY, "circle")), ("cluster", cluster_places, (GREY, "x")))
    looks = {}
    for column, places, without in panels:
        looks[column] = {name: look(place) for name, place in places.items()}
        of_points = [looks[column].get(name, without) for name in points[column]]
        columns[f"{column}_color"], columns[f"{column}_marker"] = map(
            list, zip(*of_points, strict=True)
        )
    source = ColumnDataSource(points.drop(columns="row").to_dict("list") | columns)
    shown = [column for column, *_ in panels if column == "cluster" or class_places]
    drawn = []
    for column in shown:
        # Panels move together: ranges are shared, and so is the source with its selection.
        ranges = {"x_range": drawn[0].x_range, "y_range": drawn[0].y_range} if drawn else {}
        drawn.append(_panel(source, column, looks[column], ranges))
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
