"""Maps of embeddings and the menus that choose one, without a browser."""

import base64
import html
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from bokeh.models import HoverTool
from PIL import Image

from zsc_utils.errors import ZscError
from zsc_utils.study import base, maps
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.clusterings import read_clusterings
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.run import sweep

EVIL = "</script><script>document.title='hacked'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Digits, clustered by two clusterers; the third has no result."""
    build = tmp_path_factory.mktemp("build")
    names = {"datasets": ["digits"], "encoders": ["raw_pixels"]}
    sweep(load_profile("smoke", clusterers=["kmeans", "hdbscan"], **names), build=build)
    return plan(load_profile("smoke", clusterers=["kmeans", "spectral", "hdbscan"], **names)), build


def points(classes, clusters):
    rng = np.random.default_rng(0)
    n = len(classes)
    columns = {"row": range(n), "x": rng.random(n), "y": rng.random(n)}
    return pd.DataFrame(columns | {"class": classes, "cluster": clusters})


def pictures(n):
    return [Image.new("RGB", (100, 50), (10 * i, 0, 0)) for i in range(n)]


def test_the_map_is_computed_once_and_thinned_by_seed(swept):
    planned, build = swept
    found = next(read_clusterings(planned, build))
    everything = maps.embedding_map(found)
    names = set(found.memo)
    assert len(everything) == 80 and sum(name.startswith("umap2-") for name in names) == 1
    some = maps.embedding_map(found, max_points=30)
    assert set(found.memo) == names and len(some) == 30
    both = everything.merge(some, how="inner")
    assert len(both) == 30, "the same images lie at the same places, of the same class and cluster"
    assert not some.equals(maps.embedding_map(found, max_points=30, seed=7))
    assert everything["class"].tolist() == found.classes.tolist()
    assert everything["cluster"].tolist() == found.clusters.astype(str).tolist()


def test_a_map_that_cannot_fit_is_refused(swept, monkeypatch):
    planned, build = swept
    found = next(read_clusterings(planned, build))
    monkeypatch.setattr("zsc_utils.study.maps.memory_available", lambda: 1000)
    with pytest.raises(ZscError, match="80 embeddings needs about .* of memory"):
        maps.embedding_map(found, seed=99)


def test_clusters_have_the_number_of_the_class_they_overlap_most():
    # Class b is larger; cluster 7 is mostly b, 3 mostly a, 5 a rest of b, one image is in none.
    frame = points(list("aaabbbbbb"), ["3", "3", "7", "7", "7", "7", "5", "5", base.LEFT_OUT])
    assert maps.matched_places(frame) == ({"b": 0, "a": 1}, {"7": 0, "3": 1, "5": 2})
    unlabelled = frame.assign(**{"class": maps.NO_CLASS})
    assert maps.matched_places(unlabelled) == ({}, {"7": 0, "3": 1, "5": 2})


def test_both_panels_show_the_same_points_each_with_its_image():
    frame = points(list("aabb"), ["0", "0", "1", base.LEFT_OUT])
    left, right = maps.plot_embedding_map(frame, pictures(4)).children
    assert (left.title.text, right.title.text) == ("by class", "by cluster")
    assert left.renderers[0].data_source is right.renderers[0].data_source
    assert left.x_range is right.x_range and left.y_range is right.y_range
    source = right.renderers[0].data_source.data
    assert source["class_color"] == source["cluster_color"][:3] + source["class_color"][2:3]
    assert source["cluster_marker"][3] == "x" and source["cluster_color"][3] == maps.GREY
    for i, uri in enumerate(source["image"]):
        with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
            assert image.size == (48, 24)
            assert abs(image.getpixel((5, 5))[0] - 10 * i) < 8
    for panel, column in ((left, "class"), (right, "cluster")):
        glyph = panel.renderers[0].glyph
        assert (glyph.marker, glyph.fill_color) == (f"{column}_marker", f"{column}_color")
        assert "@image" in panel.select_one({"type": HoverTool}).tooltips
    assert [item.label.value for item in right.legend[0].items] == ["0", "1", base.LEFT_OUT]


def test_without_labels_there_is_one_panel():
    frame = points([maps.NO_CLASS] * 3, ["0", "1", "1"])
    (panel,) = maps.plot_embedding_map(frame, pictures(3)).children
    assert panel.title.text == "by cluster"


def test_seventy_classes_look_different_and_have_no_legend():
    assert len({maps.look(i) for i in range(63)}) == 63
    names = [f"c{i}" for i in range(20)]
    left, _ = maps.plot_embedding_map(points(names, names), pictures(20)).children
    assert not left.legend


def test_thumbnails_are_no_larger_than_predicted():
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    size = len(maps.thumbnail(Image.fromarray(noise)))
    assert maps.THUMBNAIL_BYTES / 2 < size < maps.THUMBNAIL_BYTES


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_labels_cannot_leave_their_frame():
    drawn = maps.plot_embedding_map(points([EVIL, "b"], ["0", "1"]), pictures(2))
    element = maps.as_html(drawn, EVIL)
    ((tag, attributes),) = Tags(element).found
    assert tag == "iframe" and attributes["sandbox"] == "allow-scripts"
    inside = attributes["srcdoc"]
    assert EVIL not in inside
    tags = Tags(inside).found
    assert {tag for tag, _ in tags} <= {"html", "head", "meta", "title", "style", "script", "body",
                                        "div"}  # fmt: skip
    assert not [a for _, attributes in tags for a in attributes if a in ("src", "href")]
    # The tooltip's own escaping is Bokeh's; it is off only where a field is marked as safe.
    assert "{safe}" not in maps.TOOLTIP
    (data,) = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', inside, re.S)
    assert EVIL in json.dumps(json.loads(html.unescape(data)), ensure_ascii=False)


def test_menus_offer_what_is_there_and_draw_what_is_chosen(swept):
    planned, build = swept
    options = maps.choices(planned)
    assert options["dataset"] == [("Digits", "digits")]
    assert [name for _, name in options["clusterer"]] == ["kmeans", "spectral", "hdbscan"]
    shown = []
    start = {what: pairs[0][1] for what, pairs in options.items()}
    box = maps.selectors(options, lambda **chosen: shown.append(chosen))
    assert [menu.description for menu in box.children] == ["dataset", "encoder", "clusterer"]
    box.children[2].value = "hdbscan"
    assert shown == [start | {"clusterer": "hdbscan"}]
    drawn = maps.page(planned, **shown[0], build=build)
    assert drawn.startswith("<iframe") and "Digits, Raw image, HDBSCAN: 80 of 80 images" in drawn


def test_what_is_not_there_is_said_in_place(swept, tmp_path, capsys):
    planned, build = swept
    place = {"dataset": "digits", "encoder": "raw_pixels"}
    assert "no clusters to show" in maps.page(planned, **place, clusterer="spectral", build=build)
    assert "sweep first" in maps.page(planned, **place, clusterer="kmeans", build=tmp_path)
    maps.explore([])
    assert "HTML" in capsys.readouterr().out
