"""How the ranking goes with the number of clusters: small line charts, as SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator

from zsc_utils.own.report.content import View

WIDTH, HEIGHT, LEFT, BOTTOM = 420, 190, 40, 30
TICKS = (2, 5, 10, 20, 50, 100)
# What a `View` has for each number, after the number itself.
PANELS = ("Score", "Silhouette in UMAP space")


def charts(views: list[View], colors: list[str]) -> Iterator[str]:
    """Draw score and silhouette against the number of clusters, a line a view that was told it.

    Parameters
    ----------
    views
        The clusterings of a report.
    colors
        Of the lines, in the order of the views that have one.
    """
    told = [view for view in views if len(view.numbers) > 1]
    if not told:
        return
    lines = list(zip(told, colors, strict=False))
    for place, title in enumerate(PANELS, start=1):
        yield f"<figure><figcaption>{title} by number of clusters</figcaption>"
        yield from chart(lines, place, title)
        yield "</figure>"
    yield '<ul class="legend">'
    for view, color in lines:
        name = html.escape(f"{view.encoder_name}, {view.clusterer_name}")
        yield f'<li><span class="dot" style="background: {color}"></span>{name}</li>'
    yield "</ul>"


def chart(lines: list[tuple[View, str]], place: int, title: str) -> Iterator[str]:
    """Draw one chart; a dot marks the number that is proposed."""
    points = [row for view, _ in lines for row in view.numbers if math.isfinite(row[place])]
    most = max((row[0] for row in points), default=2)
    low = min([0, *(row[place] for row in points)])
    high = max((row[place] for row in points), default=1) or 1

    def at(number: int, value: float) -> tuple[float, float]:
        right = math.log(number / 2) / (math.log(most / 2) or 1)
        up = (value - low) / (high - low)
        return LEFT + right * (WIDTH - LEFT - 10), (HEIGHT - BOTTOM) * (1 - up) + 5

    label = f"{title} by number of clusters, from 2 to {most}"
    yield f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 5}" role="img" aria-label="{label}">'
    for value in (low, (low + high) / 2, high):
        y = at(2, value)[1]
        yield f'<path class="rule" d="M{LEFT} {y:.1f}H{WIDTH}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>'
    for tick in (tick for tick in TICKS if tick <= most):
        x = at(tick, low)[0]
        yield f'<text x="{x:.1f}" y="{HEIGHT}" text-anchor="middle">{tick}</text>'
    for view, color in lines:
        known = [row for row in view.numbers if math.isfinite(row[place])]
        path = " ".join("{:.1f},{:.1f}".format(*at(row[0], row[place])) for row in known)
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
        for row in known:
            if row[0] == view.n_clusters:
                x, y = at(row[0], row[place])
                yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{color}"/>'
    yield "</svg>"
