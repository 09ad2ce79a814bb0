"""The report of someone's own images, as it is written; a browser reads it in tests/browser."""

import base64
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from own_report import EVIL, NAMES, drawn, made_up_content, write
from PIL import Image

from zsc_utils.datasets.folder import FileImages, image_files
from zsc_utils.own.report import curves, overview, page, thumbnails
from zsc_utils.own.report.thumbnails import make_thumbnails


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    return drawn(made_up_content(90), tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def written(content, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    write(content, out)
    return out


class Page(HTMLParser):
    """Collects the elements of a page, and the text of its script elements and of all others."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.scripts, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        else:
            self.text += data


def parsed(out):
    return Page((out / "report.html").read_text(encoding="utf-8"))


def facts(out):
    return json.loads(parsed(out).scripts[0])


def handed_over(path):
    """Read what a script hands over to the page."""
    return json.loads(re.fullmatch(r"zscData\((.*)\)", path.read_text("ascii"))[1])


def files(out):
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def array(text, kind):
    return np.frombuffer(base64.b64decode(text), kind)


def test_all_that_the_page_names_is_there_and_nothing_else(written):
    named = facts(written)
    beside = written / named["beside"]
    scripts = {named["images"], named["bokeh"], *named["spaces"].values()}
    scripts |= {view["file"] for view in named["views"]}
    assert {path.name for path in beside.glob("*")} == {*scripts, named["thumbnails"]}
    images = handed_over(beside / named["images"])
    small = {f"{name}.jpg" for name in images["thumbnails"]}
    assert {path.name for path in (beside / named["thumbnails"]).iterdir()} == small
    assert {path.name for path in written.iterdir()} == {"report.html", "report"}


def test_the_page_asks_for_nothing_from_a_network(written):
    parsing = parsed(written)
    attributes = [pair for _, found in parsing.elements for pair in found.items()]
    addresses = [value for name, value in attributes if name in ("src", "href")]
    assert all(address.startswith(("#", "data:,", "@image")) for address in addresses)
    assert "://" not in (written / "report.html").read_text(encoding="utf-8")


def test_arrays_come_back_as_they_were(content, written):
    named = facts(written)
    for view, shown in zip(content.views, named["views"], strict=True):
        data = handed_over(written / "report" / shown["file"])
        np.testing.assert_array_equal(array(data["clusters"], "<i4"), view.clusters)
        np.testing.assert_array_equal(array(data["second"], "<i4"), view.second)
        np.testing.assert_array_equal(array(data["silhouettes"], "<f4"), view.silhouettes)
        np.testing.assert_array_equal(array(data["toMedoid"], "<f4"), view.to_medoid)
    for encoder, space in content.spaces.items():
        data = handed_over(written / "report" / named["spaces"][encoder])
        np.testing.assert_array_equal(array(data["plane"], "<f4").reshape(-1, 2), space.plane)
        found = array(data["neighbors"], "<i4").reshape(-1, data["each"])
        np.testing.assert_array_equal(found, space.neighbors)


def test_names_are_text_wherever_they_stand(content, written):
    parsing = parsed(written)
    assert [tag for tag, _ in parsing.elements].count("script") == 2
    assert not any("onerror" in attributes for _, attributes in parsing.elements)
    assert parsing.text.count(EVIL) >= 3, "in the title, the ranking and the list of files"
    assert "Two <b>encoders</b> & two clusterers." in parsing.text
    images = handed_over(written / "report" / facts(written)["images"])
    assert images["names"][: len(NAMES)] == NAMES and images["labels"][1] == EVIL
    for script in (written / "report").glob("[!b]*.js"):
        assert b"<" not in script.read_bytes()


def test_expectations_are_numbers_or_words(content):
    first, second = content.views[:2]
    shown = overview.expectation(first)
    assert "<b>55 %</b>" in shown and "40 to 70 %" in shown and "--middle: 55.00" in shown
    assert overview.expectation(second) == '<td class="words">HDBSCAN left too much out</td>'
    undefined = replace(first, expected=None, caveat=EVIL, truth={"ami": np.nan})
    assert "<script" not in overview.expectation(undefined)
    rows = "".join(overview.clustering_rows(replace(content, views=[undefined])))
    assert "nan" not in rows and "ARI" not in rows


def test_scores_are_there_where_labels_are(content):
    assert ["61.2 %" in row for row in overview.clustering_rows(content)].count(True) == 4
    without = made_up_content(90, labelled=False)
    assert ">AMI<" not in "".join(overview.clustering_rows(without))


def test_the_ranking_is_shown_whole(written):
    assert "x" * 80 in parsed(written).text


def test_many_files_left_out_are_counted():
    items = "".join(overview.file_list([(f"{i}.txt", "no image") for i in range(1500)]))
    assert items.count("<tr>") == 1001 and "And 500 more." in items
    assert "None" in "".join(overview.file_list([]))


def test_the_same_content_is_written_to_the_same_bytes(content, written, tmp_path):
    write(content, tmp_path)
    assert files(tmp_path) == files(written)


def test_edits_are_kept_for_these_clusters_of_these_images_alone(content):
    view = content.views[0]
    key = page.view_facts(view, "names")["key"]
    moved = np.where(np.arange(90) == 5, 0, view.clusters)
    others = [
        page.view_facts(view, "other names"),
        page.view_facts(content.views[2], "names"),
        page.view_facts(replace(view, clusters=moved), "names"),
    ]
    assert key not in {other["key"] for other in others}
    assert page.view_facts(replace(view, expected=None, caveat="no"), "names")["key"] == key


def test_an_interrupted_run_leaves_the_earlier_report(content, written, tmp_path, monkeypatch):
    write(content, tmp_path)
    before = files(tmp_path)
    changed = replace(content, names=[f"{i}.png" for i in range(90)], views=content.views[:1])

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "overview", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(changed, tmp_path)
    after = files(tmp_path)
    assert before.items() <= after.items()
    monkeypatch.undo()
    write(changed, tmp_path)
    assert len(facts(tmp_path)["views"]) == 1
    assert sum("view-" in name for name in files(tmp_path)) == 1, "what is not shown any more goes"


def test_files_of_others_stay(content, tmp_path):
    (tmp_path / "report" / "thumbnails").mkdir(parents=True)
    others = [tmp_path / "report" / "notes.js", tmp_path / "report" / "thumbnails" / "cat.jpg"]
    for path in others:
        path.write_text("mine")
    write(content, tmp_path)
    assert [path.read_text() for path in others] == ["mine", "mine"]


@pytest.fixture
def photographs(tmp_path):
    """Files as cameras write them: turned, large, grey, with alpha; and one of four pixels."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    left_red = np.zeros((400, 600, 3), np.uint8)
    left_red[:, :300] = (250, 0, 0)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(left_red).save(folder / "a turned.jpg", exif=exif)
    Image.fromarray(rng.integers(0, 255, (500, 300), dtype=np.uint8)).save(folder / "b grey.jpg")
    Image.new("CMYK", (300, 300), (0, 250, 250, 0)).save(folder / "c print.jpg")
    Image.new("RGBA", (300, 300), (0, 0, 0, 0)).save(folder / "d clear.png")
    Image.fromarray(np.uint8([[0, 255], [255, 0]])).save(folder / "e tiny.png")
    return image_files(folder)


def opened(path):
    return np.asarray(Image.open(path)).astype(int)


def test_thumbnails_look_as_images_are_read(photographs, tmp_path):
    made = make_thumbnails(photographs, tmp_path)
    assert {path.parent for path in made} == {tmp_path / "report" / "thumbnails"}
    turned, grey, printed, clear, tiny = map(opened, made)
    assert turned.shape == (192, 128, 3) and turned[20, 64, 0] > 200 and turned[170, 64, 0] < 60
    assert grey.shape == (192, 115, 3)
    assert printed[90, 90, 0] > 200 and printed[90, 90, 1] < 60
    assert clear.min() > 250, "what is transparent lies over white"
    assert tiny.shape == (192, 192, 3) and tiny[40, 40].max() < 30 < 220 < tiny[40, 150].min()


def test_thumbnails_that_are_there_are_not_made_again(photographs, tmp_path, monkeypatch):
    made = make_thumbnails(photographs, tmp_path)
    read = []
    monkeypatch.setattr(
        thumbnails, "read_small", lambda path: read.append(path) or Image.new("RGB", (9, 9))
    )
    assert make_thumbnails(photographs, tmp_path) == made and not read
    os.utime(photographs[1], ns=(1, 1))
    made[2].unlink()
    again = make_thumbnails(photographs, tmp_path)
    assert set(read) == {photographs[1], photographs[2]}
    assert again[1] != made[1] and again[2] == made[2]


def test_an_image_that_is_gone_has_no_thumbnail_and_the_others_have(photographs, tmp_path, caplog):
    photographs[0].unlink()
    photographs[1].write_bytes(photographs[1].read_bytes()[:300])
    made = make_thumbnails(photographs, tmp_path)
    assert [bool(path) for path in made] == [False, False, True, True, True]
    assert caplog.text.count("no thumbnail") == 2


def test_addresses_of_files_follow_from_their_names_or_stand_there(tmp_path):
    odd = os.fsdecode(b"caf\xe9.png")
    paths = (tmp_path / "a b" / "100% #1.png", tmp_path / odd)
    images = FileImages(paths, tmp_path)
    found = page.file_addresses([images.name(0), images.name(1)], paths)
    assert found["folder"] == tmp_path.as_uri() + "/"
    assert found["odd"] == {1: f"{tmp_path.as_uri()}/caf%E9.png"}


def test_curves_have_a_line_for_each_clusterer_that_was_told(content):
    drawn = "".join(curves.charts(content.views, ["red", "green", "blue"]))
    # Two encoders, two charts; what has no silhouette is in one of them alone.
    lines = re.findall(r'points="([^"]*)"', drawn)
    assert [len(line.split()) for line in lines] == [3, 3, 2, 2]
    assert drawn.count("<circle") == 4, "the number that is proposed"
    right, left = (lines[0].split()[i].split(",") for i in (-1, 0))
    assert float(left[0]) == curves.LEFT and float(right[0]) == curves.WIDTH - 10
    heights = [float(point.split(",")[1]) for point in lines[0].split()]
    assert heights[1] == min(heights) == 5, "the best is on top"
    assert "Alpha, K-means" in drawn and "HDBSCAN" not in drawn
    free = [replace(view, numbers=()) for view in content.views]
    assert "".join(curves.charts(free, ["red"])) == ""
