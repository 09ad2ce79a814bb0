"""Look through clusterings in a notebook: choose one, see its map, see the image of each point."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from zsc_utils import analysis, plots
from zsc_utils.clustering import CLUSTERERS
from zsc_utils.errors import ZscError
from zsc_utils.sweep.cells import Job
from zsc_utils.sweep.clusterings import read_clusterings

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
        As `plan.plan` gives it. Of several seeds, the first counts.
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
            return _sentence(f"{dataset}, {encoder}, {clusterer}: there are no clusters to show")
        points = analysis.embedding_map(found, max_points)
    except ZscError as error:
        return _sentence(str(error))
    display = CLUSTERERS[clusterer].facts.display
    title = f"{found.job.dataset.facts.display}, {found.job.encoder.display}, {display}"
    drawn = plots.as_html(plots.embedding_map(points, found.images), title)
    size = plots.thumbnails_bytes(len(points)) / 1e6
    return drawn + _sentence(
        f"{title}: {len(points)} of {len(found.clusters)} images, whose thumbnails make this page "
        f"larger by {size:.1f} MB at most."
    )


def _sentence(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"


def selectors(options: dict[str, Options], start: dict[str, str], show: Callable[..., None]):
    """Make a menu for each choice, side by side; `show` is called with what is chosen anew."""
    import ipywidgets

    menus = {
        what: ipywidgets.Dropdown(options=pairs, value=start[what], description=what)
        for what, pairs in options.items()
    }

    def changed(_):
        show(**{what: menu.value for what, menu in menus.items()})

    for menu in menus.values():
        menu.observe(changed, names="value")
    return ipywidgets.HBox(list(menus.values()))


def explore(
    planned: list[Job],
    dataset: str | None = None,
    encoder: str | None = None,
    clusterer: str | None = None,
    max_points: int = 1000,
    build: Path | None = None,
) -> None:
    """Show menus of datasets, encoders and clusterers, and the map of what they are set to.

    The map is part of the saved notebook and needs neither a kernel nor a network; the menus need a
    kernel.

    Parameters
    ----------
    planned
        As `plan.plan` gives it.
    dataset, encoder, clusterer
        What to show first; the first of the plan by default.
    max_points, build
        As for `page`.
    """
    from IPython.display import HTML, display

    options = choices(planned)
    if not all(options.values()):
        display(HTML(_sentence("nothing to show: all datasets or all encoders are absent")))
        return
    asked = {"dataset": dataset, "encoder": encoder, "clusterer": clusterer}
    start = {what: asked[what] or pairs[0][1] for what, pairs in options.items()}

    def draw(**chosen: str) -> HTML:
        return HTML(page(planned, **chosen, max_points=max_points, build=build))

    def show(**chosen: str) -> None:
        shown.update(HTML(_sentence("one moment …")))
        shown.update(draw(**chosen))

    display(selectors(options, start, show))
    shown = display(draw(**start), display_id=True)
