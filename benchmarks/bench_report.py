"""Time the report of 20 000 images: how long it takes to write, and to be usable in Chromium.

    python benchmarks/bench_report.py [N]

Images are made up, JPEG files of 160 x 160 in a temporary folder; three clusterings of them, of 20,
60 and 200 clusters.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from zsc_utils.datasets import FileImages
from zsc_utils.own.looks import distances_to_clusters, distances_to_medoids, nearest_images
from zsc_utils.own.report import write_report
from zsc_utils.own.report.content import Content, Space, View
from zsc_utils.own.report.thumbnails import make_thumbnails

SIDE, KS = 160, (20, 60, 200)


def made_up(folder: Path, n: int) -> tuple[FileImages, np.ndarray]:
    """Write images of 200 tints with noise; give them with points that stand for embeddings."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(max(KS), 16)) * 3
    kinds = random.integers(0, max(KS), n)
    tints = random.integers(40, 220, (max(KS), 3))
    noise = random.normal(0, 20, (50, SIDE, SIDE, 3))

    def draw(i: int) -> Path:
        pixels = np.clip(tints[kinds[i]] + noise[i % 50], 0, 255).astype(np.uint8)
        path = folder / f"{i:05}.jpg"
        Image.fromarray(pixels).save(path, quality=85)
        return path

    with ThreadPoolExecutor() as threads:
        paths = tuple(threads.map(draw, range(n)))
    return FileImages(paths, folder), centres[kinds] + random.normal(size=(n, 16))


def content(images: FileImages, X: np.ndarray) -> Content:
    """Tell of three clusterings of the images."""
    from sklearn.cluster import KMeans

    views = []
    for k in KS:
        clusters = KMeans(k, n_init=1, random_state=0).fit_predict(X).astype(np.int32)
        distances = distances_to_clusters(X, clusters)
        looks = distances.silhouettes, distances_to_medoids(X, clusters), distances.second
        names = "made_up", f"kmeans{k}", "made up", f"K-means {k}"
        views.append(View(*names, k, clusters, *looks, (20.0, 40.0, 60.0), "", {}))
    space = Space(X[:, :2].astype(np.float32), nearest_images(X.astype(np.float32), 8))
    return Content(
        source="made up",
        names=[images.name(i) for i in range(len(images))],
        paths=images.paths,
        thumbnails=[],
        views=views,
        spaces={"made_up": space},
        ranking=pd.DataFrame({"clusterer": [view.clusterer for view in views]}),
        duplicates=[],
        left_out=[],
        labels=None,
        paragraphs=[],
    )


def seconds_until_usable(page_file: Path) -> tuple[float, float]:
    """Open a report in a new Chromium: seconds until sheets can be used, and until all is there."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(page_file.as_uri(), wait_until="commit")
        page.locator("section ul.sheet li, section ul.sheet button").first.wait_for()
        usable = time.perf_counter() - start
        page.locator("body[data-ready]").wait_for()
        return usable, time.perf_counter() - start


def main() -> None:
    """Print the seconds."""
    n = int((sys.argv[1:] or ["20000"])[0])
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "images")
        place.mkdir()
        shown, out = content(*made_up(place, n)), Path(folder, "out")
        for what in ("written", "written again, thumbnails there"):
            start = time.perf_counter()
            thumbnails = make_thumbnails(shown.paths, out)
            page_file = write_report(replace(shown, thumbnails=thumbnails), out)
            print(f"{n} images, {what}: {time.perf_counter() - start:.1f} s")
        for _ in range(3):
            usable, ready = seconds_until_usable(page_file)
            print(f"usable after {usable:.2f} s, all there after {ready:.2f} s")


if __name__ == "__main__":
    main()
