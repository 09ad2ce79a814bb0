"""Writes a report: the page, what it loads as it is needed, and the thumbnails beside it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template
from urllib.parse import quote

import numpy as np

from zsc_utils.cache import atomic_path, fingerprint, readable
from zsc_utils.own.report.colors import PALETTE
from zsc_utils.own.report.content import Content, Space, View
from zsc_utils.own.report.overview import overview
from zsc_utils.own.report.thumbnails import BESIDE, THUMBNAILS

PAGE = "report.html"
# Files of earlier reports, which go when the new one is there.
OURS = {
    BESIDE: re.compile(r"(images|view|space|bokeh)-[0-9a-f]{16}\.js"),
    THUMBNAILS: re.compile(r"[0-9a-f]{16}\.jpg"),
}


def write_report(content: Content, out: Path) -> Path:
    """Write a report: `report.html`, and beside it, in a folder, what it shows.

    The page comes last. All that it loads is named by its content, so that a run that is
    interrupted leaves the report of an earlier one as it was.

    Parameters
    ----------
    content
        What is shown: one clustering or more.
    out
        The folder of results, with the thumbnails in it; nothing outside it is written.

    Returns
    -------
    Path
        The page.
    """
    beside = out / BESIDE
    facts = write_scripts(content, beside)
    parts = {
        "title": html.escape(readable(content.source)),
        **overview(content),
        "facts": as_json(facts),
        "style": template("page.css"),
        "script": template("page.js"),
    }
    with atomic_path(out / PAGE) as draft:
        filled = Template(template("page.html")).substitute(parts)
        # Half characters, which names may hold, cannot be written in UTF-8.
        draft.write_text(filled, encoding="utf-8", errors="backslashreplace")
    scripts = {facts["images"], facts["bokeh"], *facts["spaces"].values()}
    scripts |= {view["file"] for view in facts["views"]}
    remove_others(beside, scripts | {path.name for path in content.thumbnails if path})
    return out / PAGE


def write_scripts(content: Content, beside: Path) -> dict:
    """Write what a page loads into a folder; give what the page knows at once, their names too."""
    names = hashlib.sha256("\0".join(content.names).encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "beside": BESIDE,
        "thumbnails": THUMBNAILS,
        "palette": PALETTE,
        "images": write_data(beside, "images", image_data(content)),
        "spaces": {
            encoder: write_data(beside, "space", space_data(space))
            for encoder, space in content.spaces.items()
        },
        "views": [
            view_facts(view, names) | {"file": write_data(beside, "view", view_data(view))}
            for view in content.views
        ],
        "bokeh": write_script(beside, "bokeh", bokeh_source()),
    }


def template(name: str) -> str:
    """Read a part of the page that is the same for all."""
    return (files("zsc_utils.own.report") / name).read_text(encoding="utf-8")


def as_json(value: object) -> str:
    """Write JSON that can stand inside a script: ASCII, without anything that ends a script."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def write_data(folder: Path, kind: str, value: dict) -> str:
    """Write what a page loads as a script, which also works from disk, and give its name."""
    return write_script(folder, kind, f"zscData({as_json(value)})")


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
            if OURS[folder.name].fullmatch(path.name) and path.name not in kept:
                path.unlink(missing_ok=True)


def packed(array: np.ndarray, kind: str) -> str:
    """Write an array as base64 of its bytes, which a page reads a hundred times faster."""
    return base64.b64encode(np.ascontiguousarray(array, kind)).decode()


def image_data(content: Content) -> dict:
    """Collect what the page knows of each image: name, thumbnail, class, and where its file is."""
    return {
        "names": content.names,
        "thumbnails": [path.stem if path else "" for path in content.thumbnails],
        "labels": None if content.labels is None else content.labels.tolist(),
        "duplicates": content.duplicates,
        **file_addresses(content.names, content.paths),
    }


def file_addresses(names: list[str], paths: Sequence[Path]) -> dict:
    """Say where files are: `folder` is followed by a name, or `odd` has the whole address."""
    folder, odd = "", {}
    for i, (name, path) in enumerate(zip(names, paths, strict=True)):
        address = "file://" + quote(path.absolute().as_posix().encode("utf-8", "surrogateescape"))
        # Names are printed, and some are not what the file is called.
        end = quote(name.encode("utf-8", "surrogatepass"))
        if not folder and address.endswith("/" + end):
            folder = address.removesuffix(end)
        if address != folder + end:
            odd[i] = address
    return {"folder": folder, "odd": odd}


def view_facts(view: View, names: str) -> dict:
    """Collect what the menu says of a clustering, and where the rest of it is.

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
        "nClusters": view.n_clusters,
    }


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
    return {
        "plane": packed(space.plane, "<f4"),
        "neighbors": packed(space.neighbors, "<i4"),
        "each": space.neighbors.shape[1],
    }


def bokeh_source() -> str:
    """Give the source of the library that draws the map."""
    from bokeh.resources import Resources

    library = Resources(mode="inline", components=["bokeh", "bokeh-gl", "bokeh-api"], minified=True)
    return "\n".join(library.js_raw)
