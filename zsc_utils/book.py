"""The book: the executed notebooks of a profile as a static site, to be read without running."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
import pandas as pd

from zsc_utils.cache import ROOT
from zsc_utils.errors import ZscError
from zsc_utils.sweep.profile import Profile

SETTINGS = ROOT / "book"
DOCS = ROOT / "docs"
# What needs a kernel: a progress bar or a menu.
WIDGET = "application/vnd.jupyter.widget-view+json"
# A link or an image of Markdown: its text, and where it leads to.
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


class BookError(ZscError):
    """A book that cannot be made: there is nothing to put in, or nothing to make it with."""


class StudyFigure(NamedTuple):
    """A figure of the study: its number there, its chapter and its file here, what it asks."""

    number: int
    chapter: str
    file: str
    question: str


STUDY_FIGURES = (
    StudyFigure(1, "01", "01_difference_by_group", "Do labels in pretraining help?"),
    StudyFigure(2, "03", "03_levels", "At which level of a taxonomy?"),
    StudyFigure(3, "02", "02_before_and_after", "What does fine-tuning change?"),
    StudyFigure(4, "05", "05_silhouette_ranks", "Can it be told without labels?"),
    StudyFigure(5, "04", "04_pca_variance", "How many dimensions are used?"),
)
LEDGER_FILE = "11_claims.csv"
# What the front page has of the ledger; chapter 11 has the rest.
LEDGER = ("id", "claim", "estimate [95 % interval]", "verdict")

# Captions of the navigation, and the last chapter under each.
SECTIONS = {"Your own images": 0, "The five sections": 5, "Appendix": 99}


def chapters(executed: Path) -> list[Path]:
    """List executed notebooks by their number.

    Raises
    ------
    BookError
        There are none.
    """
    found = sorted(executed.glob("[0-9][0-9]_*.ipynb"))
    found = [path for path in found if not path.name.endswith(".partial.ipynb")]
    if not found:
        raise BookError(f"no executed notebooks in {executed}: make all first")
    return found


def without_links(text: str, known: set[str]) -> str:
    """Replace links to what is not in the book by their text; those to the net stay.

    Parameters
    ----------
    text
        Markdown of a page one folder below the top.
    known
        Pages and pictures of the book, as such a page links to them.
    """

    def keep(link: re.Match) -> str:
        target = link[3].partition("#")[0]
        there = not target or "://" in target or target in known
        return link[0] if there else link[2]

    return LINK.sub(keep, text)


def write_chapter(notebook: Path, folder: Path, known: set[str]) -> None:
    """Write an executed notebook as a page: without widgets, with links that lead somewhere."""
    content = nbformat.read(notebook, as_version=4)
    content.metadata.pop("widgets", None)
    for cell in content.cells:
        if cell.cell_type == "markdown":
            cell.source = without_links(cell.source, known)
        else:
            cell.outputs = [o for o in cell.outputs if WIDGET not in o.get("data", {})]
    nbformat.write(content, folder / notebook.name)


def front_page(profile: Profile, figures: Path, names: list[str]) -> str:
    """Write the front page: the study in one screen, its claims first.

    Parameters
    ----------
    profile
        What was run.
    figures
        Its figures and tables.
    names
        Names of the chapters' files, without suffix.
    """
    by_number = {name[:2]: name for name in names}
    parts = [
        # The whole width is for the ledger: a list of two headings needs no column.
        "---\nhtml_theme.sidebar_secondary.remove: true\n---",
        "# Clustering of unseen datasets",
        "Take image encoders pretrained on ImageNet-1k, with labels or without. Do not retrain "
        "them. Let them embed datasets that they never saw, cluster the embeddings, and ask how "
        "well the clusters agree with the classes (AMI). This is the study of Lowe et al., "
        "[arXiv 2406.02465](https://arxiv.org/abs/2406.02465), run as the profile "
        f"`{profile.name}`: {len(profile.datasets)} datasets, {len(profile.encoders)} encoders, "
        f"{len(profile.clusterers)} clusterers. {profile.description}",
        "## The claims",
        ledger(figures / LEDGER_FILE),
        "## The figures",
        figure_table(figures, by_number),
    ]
    below = -1
    for caption, last in SECTIONS.items():
        pages = [f"notebooks/{name}" for name in names if below < int(name[:2]) <= last]
        parts += [table_of_contents(caption, pages)] if pages else []
        below = last
    parts.append(table_of_contents("Background", [f"docs/{page.stem}" for page in doc_pages()]))
    return "\n\n".join(parts) + "\n"


def ledger(file: Path) -> str:
    """Write the ledger of claims in short: each claim, its estimate, and its verdict in colour.

    Parameters
    ----------
    file
        What notebook 11 wrote.
    """
    from zsc_utils.study.claims import CLAIMS

    if not file.exists():
        return f"*{file.name} is not there: notebook 11, which computes it, was not executed.*"
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    of_ranks = ", ".join(table.loc[table["statistic"].str.contains("(ρ,", regex=False), "id"])
    # Numbers of real images are of no profile.
    beside = table.loc[~table["id"].isin(list(CLAIMS)), "id"]
    of_others = "".join(
        f" {name} is on real images, the same for every profile." for name in beside
    )
    table = table[list(LEDGER)]
    table["verdict"] = [f"[{word}]{{.{word}}}" for word in table["verdict"].str.split().str[0]]
    return (
        "What the claims of the study come to with the data of this profile, by the rule that "
        "[chapter 11](notebooks/11_claims.ipynb) states. Estimates are differences in points of "
        f"AMI, or in Spearman's ρ ({of_ranks or 'none'}).{of_others}\n\n"
        + table.to_markdown(index=False)
    )


def doc_pages() -> list[Path]:
    """List the pages that explain what the notebooks use."""
    return sorted(DOCS.glob("*.md"))


def figure_table(figures: Path, by_number: dict[str, str]) -> str:
    """Write the study's figures side by side, each above its question and leading to its chapter.

    A figure that was not drawn is named with the reason.
    """
    heads, cells = [], []
    for figure in STUDY_FIGURES:
        chapter = by_number.get(figure.chapter)
        link = f"notebooks/{chapter}.ipynb"
        heads.append(f"Figure {figure.number}")
        if chapter is None:
            cells.append(f"chapter {figure.chapter} was not executed")
        elif not (figures / f"{figure.file}.png").exists():
            cells.append(f"[{figure.question}]({link}) (no figure: see there)")
        else:
            picture = f"![{figure.question}](figures/{figure.file}.png)"
            cells.append(f"[{picture}]({link})<br>[{figure.question}]({link})")
    rows = ("| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), cells))
    return "\n".join(rows)


def table_of_contents(caption: str, pages: list[str]) -> str:
    """Write one section of the navigation."""
    return "\n".join(
        ("```{toctree}", ":hidden:", ":maxdepth: 1", f":caption: {caption}", "", *pages, "```")
    )


def write_sources(profile: Profile, executed: Path, figures: Path, out: Path) -> None:
    """Write what Sphinx makes the book of; folders lie as in the project, so that links lead on.

    Parameters
    ----------
    profile
        What was run.
    executed
        Folder of the executed notebooks.
    figures
        Folder of their figures.
    out
        Folder of the sources; what was there is replaced.

    Raises
    ------
    BookError
        There are no executed notebooks.
    """
    notebooks = chapters(executed)
    shutil.rmtree(out, ignore_errors=True)
    for folder in ("notebooks", "figures"):
        (out / folder).mkdir(parents=True)
    # Numbers of the reference run are no pages: those of this run stand in the chapters.
    shutil.copytree(DOCS, out / "docs", ignore=shutil.ignore_patterns("reference"))
    copied = (path for path in (out / "docs").rglob("*") if path.is_file())
    pictures = {path.relative_to(out / "docs").as_posix() for path in copied}
    names = {path.name for path in notebooks}
    known = pictures | names | {f"../docs/{name}" for name in pictures}
    known |= {f"../notebooks/{name}" for name in names}
    for notebook in notebooks:
        write_chapter(notebook, out / "notebooks", known)
    for page in doc_pages():
        (out / "docs" / page.name).write_text(without_links(page.read_text(), known))
    for figure in STUDY_FIGURES:
        if (figures / f"{figure.file}.png").exists():
            shutil.copy2(figures / f"{figure.file}.png", out / "figures")
    page = front_page(profile, figures, [path.stem for path in notebooks])
    (out / "index.md").write_text(page)


def make_book(profile: Profile, executed: Path, figures: Path, out: Path) -> Path:
    """Make the book, and return its front page.

    Parameters
    ----------
    profile, executed, figures
        As for `write_sources`.
    out
        Folder of the book, replaced as a whole once it is made; sources lie beside it.

    Raises
    ------
    BookError
        There are no executed notebooks, Sphinx is not installed, or it failed.
    """
    sources = out.with_name(f"{out.name}-src")
    draft = out.with_name(f"{out.name}-draft")
    write_sources(profile, executed, figures, sources)
    shutil.rmtree(draft, ignore_errors=True)
    command = [
        *(sys.executable, "-m", "sphinx", "-b", "html", "-q", "-E", "-c", str(SETTINGS)),
        *("-d", str(sources / ".doctrees"), str(sources), str(draft)),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BookError(f"Sphinx could not make the book: {done.stderr.strip()[-2000:]}")
    shutil.rmtree(out, ignore_errors=True)
    draft.rename(out)
    return out / "index.html"
