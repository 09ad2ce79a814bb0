"""A made-up report, for the tests of what is written and of what a browser makes of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
from PIL import Image

from zsc_utils.own.report import Content, Space, View, write_report
from zsc_utils.own.report.thumbnails import make_thumbnails

EVIL = "</script><script>document.title='hacked'</script><img src=x onerror=alert(1)>.png"
# Names as they come: of HTML, of CSV, of other scripts, of bytes that are no UTF-8.
NAMES = [
    *(EVIL, 'a "quoted", name.jpg', "two\nlines.jpg", "=1+1.jpg", " spaces .jpg"),
    *("日本/猫.jpg", "é.jpg", r"caf\xe9.jpg", "half\udce9.jpg", "line\u2028separator.jpg"),
    *("$title ${facts}.jpg", "&amp;@name.jpg", "percent%41#?.jpg", "{{x}}.jpg", r"..\..\up.jpg"),
]


def made_up_content(n=300, labelled=True, k=6):
    """Tell of n images in k clusters by two clusterers and two encoders; some are left out.

    There are no images yet: `drawn` makes them.
    """
    rng = np.random.default_rng(0)
    y = np.arange(n) % k
    names = [f"folder {i % 3}/IMG_{i:04}.jpg" for i in range(n)]
    names[: len(NAMES)] = NAMES
    classes = np.array(["tabby", EVIL, "ox", "hen", "", "owl"])
    views, spaces = [], {}
    for encoder in ("alpha", "beta"):
        plane = rng.normal(size=(n, 2)) + 6 * np.stack([y % 3, y // 3], axis=1)
        neighbors = np.stack([(np.arange(n) + k * (j + 1)) % n for j in range(8)], axis=1)
        spaces[encoder] = Space(plane.astype("f4"), neighbors.astype("i4"))
        for clusterer in ("kmeans", "hdbscan"):
            views.append(made_up_view(rng, encoder, clusterer, y, labelled))
    return Content(
        source=f"/somewhere/{EVIL}",
        names=names,
        paths=(),
        thumbnails=[],
        views=views,
        spaces=spaces,
        ranking=pd.DataFrame(
            {
                "encoder": [view.encoder for view in views] + [EVIL],
                "clusterer": [view.clusterer for view in views] + ["x" * 80],
                "expected_ami": [0.5, np.nan, 0.25, np.nan, np.nan],
            }
        ),
        duplicates=[[0, 6], [1, 7, 13]],
        left_out=[(EVIL, "it begins as <b>JPEG</b> does"), ("notes.txt", "no image")],
        labels=classes[y] if labelled else None,
        paragraphs=["Two <b>encoders</b> & two clusterers.", "The first comes first."],
    )


def drawn(content, folder):
    """Draw the images of a content in a folder: a tint for each cluster, with noise."""
    rng = np.random.default_rng(0)
    clusters = content.views[0].clusters
    tints = rng.integers(40, 220, (clusters.max() + 1, 3))
    paths = [folder / f"{i}.png" for i in range(len(clusters))]
    for path, cluster in zip(paths, clusters, strict=True):
        pixels = tints[cluster] + rng.normal(0, 20, (20, 24, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
    return replace(content, paths=paths)


def write(content, out):
    """Write a report with its thumbnails."""
    return write_report(replace(content, thumbnails=make_thumbnails(content.paths, out)), out)


def made_up_view(rng, encoder, clusterer, y, labelled):
    n, k = len(y), int(y.max()) + 1
    clusters = y.astype("i4").copy()
    if clusterer == "hdbscan":
        clusters = np.minimum(clusters, 3)
        clusters[-20:] = -1
    to_medoid = rng.uniform(0.1, 2, n).astype("f4")
    to_medoid[:k] = 0
    to_medoid[clusters < 0] = np.nan
    silhouettes = rng.uniform(-0.2, 0.9, n).astype("f4")
    silhouettes[clusters < 0] = np.nan
    return View(
        encoder=encoder,
        clusterer=clusterer,
        encoder_name=encoder.title(),
        clusterer_name={"kmeans": "K-means", "hdbscan": "HDBSCAN"}[clusterer],
        n_clusters=int(clusters.max()) + 1,
        clusters=clusters,
        silhouettes=silhouettes,
        to_medoid=to_medoid,
        second=((clusters + 1) % (clusters.max() + 1)).astype("i4"),
        numbers=((2, 0.3, 0.8), (k, 0.7, 0.5), (20, 0.4, np.nan)) if clusterer == "kmeans" else (),
        expected=(40.0, 55.0, 70.0) if clusterer == "kmeans" else None,
        caveat="" if clusterer == "kmeans" else "HDBSCAN left too much out",
        truth={"ami": 61.25, "ari": 50.5} if labelled else {},
    )
