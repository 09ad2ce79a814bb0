"""What a report says without a script: how much there is, the ranking, the files left out."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator

import pandas as pd

from zsc_utils.own.report.colors import PALETTE
from zsc_utils.own.report.content import Content, View
from zsc_utils.own.report.curves import charts

# More than these are counted: nobody reads on.
MOST_FILES = 1000


def overview(content: Content) -> dict[str, str]:
    """Write the parts of the page that are HTML from the beginning, by their place in it."""
    return {
        "summary": html.escape(summary(content)),
        "paragraphs": "\n".join(f"<p>{html.escape(words)}</p>" for words in content.paragraphs),
        "clusterings": "\n".join(clustering_rows(content)),
        "charts": "\n".join(charts(content.views, PALETTE)),
        "ranking": ranking_table(content.ranking),
        "files": "\n".join(file_list(content.left_out)),
    }


def summary(content: Content) -> str:
    """Say in one line how much there is."""
    n, views, gone = len(content.names), len(content.views), len(content.left_out)
    parts = [f"{n:,} images", f"{views} clustering{'s' * (views != 1)}"]
    parts += [f"{gone:,} file{'s' * (gone != 1)} left out"] if gone else []
    return ", ".join(parts)


def clustering_rows(content: Content) -> Iterator[str]:
    """Write the ranking of the clusterings that the menu offers, each with its expectation."""
    numbers = [*map(str.upper, content.views[0].truth), "Clusters", "Left out"]
    yield '<table><thead><tr><td></td><th scope="col">Clustering</th>'
    yield '<th scope="col">Expected AMI</th>'
    yield from (f'<th scope="col" class="number">{name}</th>' for name in numbers)
    yield "<td></td></tr></thead><tbody>"
    for place, view in enumerate(content.views):
        cells = [
            *map(score, view.truth.values()),
            f"{view.n_clusters:,}",
            f"{100 * (view.clusters < 0).mean():.0f} %",
        ]
        names = html.escape(view.encoder_name), html.escape(view.clusterer_name)
        yield f'<tr data-view="{place}"><td class="number">{place + 1}</td>'
        yield f'<td><div>{names[0]}</div><div class="quiet">{names[1]}</div></td>'
        yield expectation(view)
        yield from (f'<td class="number">{cell}</td>' for cell in cells)
        label = f"Show {names[0]}, {names[1]}"
        yield f'<td><button type="button" aria-label="{label}">Show</button></td></tr>'
    yield "</tbody></table>"


def score(value: float) -> str:
    """Write a score in percent; nothing where it is not known."""
    return f"{value:.1f} %" if math.isfinite(value) else ""


def expectation(view: View) -> str:
    """Write what AMI is expected, as numbers and as a bar; or in words why none is."""
    if view.expected is None:
        return f'<td class="words">{html.escape(view.caveat)}</td>'
    low, middle, high = view.expected
    return (
        f'<td><span class="interval"><b>{middle:.0f} %</b>'
        f"<span>{low:.0f} to {high:.0f} %</span></span>"
        f'<span class="range" aria-hidden="true" '
        f'style="--low: {low:.2f}; --middle: {middle:.2f}; --high: {high:.2f}"></span></td>'
    )


def ranking_table(ranking: pd.DataFrame) -> str:
    """Write the whole ranking as an HTML table."""
    with pd.option_context("display.max_colwidth", None):
        return ranking.to_html(index=False, border=0, na_rep="", float_format="{:.4g}".format)


def file_list(left_out: list[tuple[str, str]]) -> Iterator[str]:
    """List the files that are not in a report, each with its reason."""
    if not left_out:
        yield "<p>None: all files are in it.</p>"
        return
    yield '<table class="files"><thead><tr><th scope="col">File</th><th scope="col">Why</th></tr>'
    yield "</thead><tbody>"
    for name, reason in left_out[:MOST_FILES]:
        yield f"<tr><td>{html.escape(name)}</td><td>{html.escape(reason)}</td></tr>"
    yield "</tbody></table>"
    if len(left_out) > MOST_FILES:
        yield f"<p>And {len(left_out) - MOST_FILES:,} more.</p>"
