"""Writes a report: the page, what it loads as it is needed, and the thumbnails beside it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

import numpy as np
import pandas as pd

from zsc_utils.cache import atomic_path, fingerprint, readable
from zsc_utils.own.report.content import Content, Space, View
from zsc_utils.own.report.thumbnails import make_thumbnails, path_of

PAGE = "report.html"
BESIDE = "report"
THUMBNAILS = "thumbnails"
# Files of earlier reports, which go when the new one is there.
OURS = re.compile(r"(images|view|space|bokeh)-[0-9a-f]{16}\.js|[0-9a-f]{16}\.jpg")
# More than these are counted: nobody reads on.
MOST_FILES = 1000


def write_report(content: Content, out: Path, progress: bool = True) -> Path:
    """Write a report: `report.html`, and a folder `report` of what it shows.

    The page comes last. All that it loads is named by its content, so that a run that is
    interrupted leaves the report of an earlier one as it was.

    Parameters
    ----------
    content
        What is shown.
    out
        The folder; nothing outside it is written.
    progress
        Show a progress bar.

    Returns
    -------
    Path
        The page.
    """
    out = Path(out)
    beside = out / BESIDE
    thumbnails = make_thumbnails(content.images, beside / THUMBNAILS, progress)
    page = out / PAGE
    written = write_page(content, thumbnails, page, beside)
    remove_others(beside, {*written, *thumbnails})
    return page


def write_page(content: Content, thumbnails: list[str], page: Path, beside: Path) -> set[str]:
    """Write the page and its scripts; give the names of the scripts.

    Parameters
    ----------
    content, thumbnails
        What is shown.
    page
        Where the page goes.
    beside
        Where the scripts go.
    """
    names = hashlib.sha256("\0".join(content.names).encode("utf-8", "surrogatepass")).hexdigest()
    images = write_data(beside, "images", image_data(content, thumbnails))
    spaces = {
        encoder: write_data(beside, "space", space_data(space))
        for encoder, space in content.spaces.items()
    }
    views = [
        view_facts(view, names) | {"file": write_data(beside, "view", view_data(view))}
        for view in content.views
    ]
    bokeh = write_script(beside, "bokeh", bokeh_source())
    facts = {
        "beside": BESIDE,
        "thumbnails": THUMBNAILS,
        "palette": palette(),
        "images": images,
        "spaces": spaces,
        "views": views,
        "bokeh": bokeh,
    }
    parts = {
        "title": html.escape(readable(content.source)),
        "summary": html.escape(summary(content)),
        "paragraphs": "\n".join(f"<p>{html.escape(p)}</p>" for p in content.paragraphs),
        "ranking": ranking_table(content.ranking),
        "files": file_list(content.left_out),
        "facts": as_json(facts),
        "style": template("page.css"),
        "script": template("page.js"),
    }
    with atomic_path(page) as draft:
        filled = Template(template("page.html")).substitute(parts)
        # Half characters, which names may hold, cannot be written in UTF-8.
        draft.write_text(filled, encoding="utf-8", errors="backslashreplace")
    return {images, bokeh, *spaces.values(), *(view["file"] for view in views)}


def template(name: str) -> str:
    """Read a part of the page that is the same for all."""
    return (files("zsc_utils.own.report") / name).read_text(encoding="utf-8")


def as_json(value: object) -> str:
    """Write JSON that can stand inside a script: ASCII, without anything that ends a script."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def write_data(folder: Path, kind: str, value: dict) -> str:
    """Write what a page loads as a script, which also works from disk, and give its name."""
    return write_script(folder, kind, f'zscData("{kind}",{as_json(value)})')


def write_script(folder: Path, kind: str, source: str) -> str:
    """Write a script that is named by its content, and give its name."""
    name = f"{kind}-{fingerprint({'source': source})}.js"
    if not (folder / name).exists():
        with atomic_path(folder / name) as draft:
            draft.write_text(source, encoding="utf-8")
    return name


def remove_others(beside: Path, kept: set[str]) -> None:
    """Remove what earlier reports had beside them and this one has not."""
    for folder in (beside, beside / THUMBNAILS):
        for path in folder.iterdir():
            if OURS.fullmatch(path.name) and path.name not in kept:
                path.unlink(missing_ok=True)


def packed(array: np.ndarray, kind: str) -> str:
    """Write an array as base64 of its bytes, which a page reads a hundred times faster."""
    return base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode()


def image_data(content: Content, thumbnails: list[str]) -> dict:
    """Collect what the page knows of each image: name, thumbnail, class, and where its file is."""
    return {
        "names": content.names,
        "thumbnails": [name.removesuffix(".jpg") for name in thumbnails],
        "labels": None if content.labels is None else [str(label) for label in content.labels],
        "duplicates": [[int(i) for i in group] for group in content.duplicates],
        **file_addresses(content),
    }


def file_addresses(content: Content) -> dict:
    """Say where files are: `folder` is followed by a name, or `odd` has the whole address."""
    folder, odd = "", {}
    for i, name in enumerate(content.names):
        path = path_of(content.images, i)
        if path is None:
            continue
        address = "file://" + quote(path.absolute().as_posix().encode("utf-8", "surrogateescape"))
        # Names are printed, and some are not what the file is called.
        end = quote(name.encode("utf-8", "surrogatepass"))
        if not folder and address.endswith("/" + end):
            folder = address.removesuffix(end)
        if address != folder + end:
            odd[i] = address
    return {"folder": folder, "odd": odd}


def view_facts(view: View, names: str) -> dict:
    """Collect what the overview and the menu say of a clustering.

    Parameters
    ----------
    view
        The clustering.
    names
        What stands for the names of the images: with the clusters, it keys what is done by hand.
    """
    content = [names, view.encoder, view.clusterer, packed(view.clusters, "<i4")]
    return {
        "key": fingerprint({"view": content}),
        "encoder": view.encoder,
        "encoderName": view.encoder_name,
        "clustererName": view.clusterer_name,
        "nClusters": int(view.n_clusters),
        "leftOut": int((view.clusters < 0).sum()),
        "expected": list(map(float, view.expected)) if known(view.expected) else None,
        "caveat": view.caveat,
        "truth": {name: float(value) for name, value in view.truth.items() if known([value])},
    }


def known(numbers: Iterable[float] | None) -> bool:
    """Tell whether there are numbers, all of them."""
    return numbers is not None and all(map(math.isfinite, numbers))


def view_data(view: View) -> dict:
    """Pack the arrays of a clustering."""
    return {
        "clusters": packed(view.clusters, "<i4"),
        "silhouettes": packed(view.silhouettes, "<f4"),
        "toMedoid": packed(view.to_medoid, "<f4"),
        "second": packed(view.second, "<i4"),
    }


def space_data(space: Space) -> dict:
    """Pack the arrays of a space."""
    neighbors = np.asarray(space.neighbors)
    return {
        "plane": packed(space.plane, "<f4"),
        "neighbors": packed(neighbors, "<i4"),
        "each": neighbors.shape[1],
    }


def palette() -> list[str]:
    """Colours of clusters, which are taken again after the last: of neighbours, no two are alike.

    They are as light as can be seen on white and on black.
    """
    import seaborn as sns

    # Of the first ten, grey marks absence and yellow is not seen on white. A step of five of
    # seventeen goes round all hues.
    named = sns.color_palette("colorblind").as_hex()
    first = [color for i, color in enumerate(named) if i not in (7, 8)]
    shades = ((0.58, 0.85), (0.68, 0.6), (0.5, 0.6))
    wheels = [list(sns.husl_palette(17, h=0.03, s=s, l=l).as_hex()) for l, s in shades]  # noqa: E741
    return first + [wheel[5 * i % 17] for wheel in wheels for i in range(17)]


def bokeh_source() -> str:
    """Give the source of the library that draws the map."""
    from bokeh.resources import Resources

    library = Resources(mode="inline", components=["bokeh", "bokeh-gl", "bokeh-api"], minified=True)
    return "\n".join(library.js_raw)


def summary(content: Content) -> str:
    """Say in one line how much there is."""
    n, views, gone = len(content.names), len(content.views), len(content.left_out)
    parts = [f"{n:,} images", f"{views} clustering{'s' * (views != 1)}"]
    parts += [f"{gone:,} file{'s' * (gone != 1)} left out"] if gone else []
    return ", ".join(parts)


def ranking_table(ranking: pd.DataFrame) -> str:
    """Write the whole ranking as an HTML table."""
    with pd.option_context("display.max_colwidth", None):
        return ranking.to_html(index=False, border=0, na_rep="", float_format="{:.4g}".format)


def file_list(left_out: list[tuple[str, str]]) -> str:
    """List the files that are not in a report, each with its reason."""
    return "\n".join(file_items(left_out)) if left_out else "<p>None: all files are in it.</p>"


def file_items(left_out: list[tuple[str, str]]) -> Iterator[str]:
    """Write the parts of such a list."""
    yield '<table class="files"><thead><tr><th scope="col">File</th><th scope="col">Why</th></tr>'
    yield "</thead><tbody>"
    for name, reason in left_out[:MOST_FILES]:
        yield f"<tr><td>{html.escape(name)}</td><td>{html.escape(reason)}</td></tr>"
    yield "</tbody></table>"
    if len(left_out) > MOST_FILES:
        yield f"<p>And {len(left_out) - MOST_FILES:,} more.</p>"
