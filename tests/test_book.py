"""The book: a small one of two executed notebooks."""

import base64
import io
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from zsc_utils.book import STUDY_FIGURES, BookError, make_book, without_links
from zsc_utils.sweep.profile import load_profile

FRAME = '<iframe sandbox="allow-scripts" srcdoc="&lt;b&gt;map of points&lt;/b&gt;"></iframe>'
WIDGET = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "bar: 100%"}


def png():
    stream = io.BytesIO()
    Image.new("RGB", (4, 3)).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def executed(folder, name, *outputs):
    cells = [
        new_markdown_cell(
            f"# {name}\n\n[how](../docs/miniature.md), [code](../zsc_utils/sweep/own.py)"
        ),
        new_code_cell('profile = "smoke"', metadata={"tags": ["parameters"]}),
        new_code_cell("draw()", outputs=[new_output("display_data", data) for data in outputs]),
    ]
    notebook = new_notebook(cells=cells, metadata={"widgets": {"state": {}}})
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / f"{name}.ipynb")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    root = tmp_path_factory.mktemp("build")
    executed(root, "00_own_images", WIDGET, {"text/html": FRAME})
    table = "**Found**: one claim.\n\n| id | verdict |\n|:---|:---|\n| C1 | held [1, 2] |"
    executed(root, "01_encoders", {"image/png": png()}, {"text/markdown": table})
    (root / "02_fine_tuning.partial.ipynb").write_text("cut short")
    figures = root / "figures"
    figures.mkdir()
    Image.new("RGB", (30, 20)).save(figures / "01_difference_by_group.png")
    claims = 'C1,"One, two","s (points, > 0)","1.0 [0.5, 1.5]",0.1,4 of 4,undecided (few datasets)'
    claims += '\nC9,Three,"r (ρ, > 0)","0.2 [0.1, 0.3]",0.1,4 of 4,supported'
    heads = "id,claim,statistic,estimate [95 % interval],p,datasets,verdict"
    (figures / "11_claims.csv").write_text(f"{heads}\n{claims}\n")
    return make_book(load_profile("smoke"), root, figures, root / "book").parent


class Page(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.resources, self.images = [], [], []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "a":
            self.links.append(found.get("href", "#"))
        elif tag == "link":
            self.resources.append(found["href"])
        elif "src" in found:
            self.resources.append(found["src"])
            self.images += [found["src"]] * (tag == "img")


def pages(book):
    return {path: Page(path) for path in book.rglob("*.html") if "_static" not in path.parts}


def test_every_link_and_resource_is_there_and_none_comes_from_a_network(book):
    assert len(pages(book)) >= 6
    for path, page in pages(book).items():
        assert not [url for url in page.resources if urlsplit(url).scheme not in ("", "data")]
        inside = [url for url in page.links + page.resources if not urlsplit(url).scheme]
        targets = [unquote(urlsplit(url).path) for url in inside]
        assert [t for t in targets if t and not (path.parent / t).exists()] == [], path
        assert not [target for target in targets if target.startswith("/")]


def test_style_sheets_load_nothing_from_a_network(book):
    for path in book.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//", path.read_text()), path


def test_the_front_page_has_claims_figures_and_every_chapter(book):
    text = (book / "index.html").read_text()
    assert text.index('<span class="undecided">undecided</span>') < text.index("Figure 1")
    assert "One, two" in text and "1.0 [0.5, 1.5]" in text and "ρ (C9)" in text
    assert "3 datasets, 4 encoders, 6 clusterers" in text
    front = Page(book / "index.html")
    assert [url for url in front.images if "01_difference_by_group" in url]
    assert "notebooks/01_encoders.html" in front.links
    assert "chapter 05 was not executed" in text
    for caption in ("Your own images", "The five sections", "Background"):
        assert f">{caption}<" in text
    assert ">Appendix<" not in text
    # The reference run's numbers are no pages of a book of another run.
    assert not (book / "docs" / "reference").exists()


@pytest.mark.parametrize("figure", STUDY_FIGURES, ids=lambda figure: str(figure.number))
def test_the_figures_of_the_front_page_are_drawn_by_their_notebooks(figure):
    (path,) = (ROOT / "notebooks").glob(f"{figure.chapter}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    assert any(f'save_figure(figure, "{figure.file}", figures)' in cell.source for cell in cells)
    assert f"{figure.file}.png" in (ROOT / "README.md").read_text()


def test_chapters_show_figures_and_maps_but_no_progress(book):
    assert Page(book / "notebooks" / "01_encoders.html").images
    own = (book / "notebooks" / "00_own_images.html").read_text()
    assert FRAME in own and "bar: 100%" not in own and "jupyter.widget" not in own
    assert "../docs/miniature.html" in own and "own.py" not in own


def test_tables_that_a_notebook_writes_are_tables(book):
    text = (book / "notebooks" / "01_encoders.html").read_text()
    assert "<strong>Found</strong>" in text and "| C1 |" not in text
    assert re.search(r"<td[^>]*><p>held \[1, 2\]</p></td>", text)


def test_without_notebooks_there_is_no_book(tmp_path):
    with pytest.raises(BookError, match="make all first"):
        make_book(load_profile("smoke"), tmp_path, tmp_path, tmp_path / "book")
    assert not (tmp_path / "book").exists()


def test_links_out_of_the_book_become_text():
    text = "[a](../x.py) ![b](b.png) [c](https://d.org) [e](#f) [[g]](y.md#h)"
    kept = "a ![b](b.png) [c](https://d.org) [e](#f) [[g]](y.md#h)"
    assert without_links(text, {"b.png", "y.md"}) == kept


def test_settings_name_no_address():
    for path in (ROOT / "book").iterdir():
        assert "://" not in path.read_text(), path
