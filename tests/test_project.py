"""What the repository itself promises: rooms, dependencies, notebooks, documents."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib

import pandas as pd
import pytest
import yaml
from conftest import ROOT

from zsc_utils import ROOMS
from zsc_utils.book import STUDY_FIGURES
from zsc_utils.datasets import DATASETS
from zsc_utils.encoders import ENCODERS
from zsc_utils.own import calibration
from zsc_utils.recipes import encoders_with_recipes, recipe_for
from zsc_utils.study import COMMON, SECTIONS, expected_ami
from zsc_utils.sweep.cells import find_encoders
from zsc_utils.sweep.profile import load_profile, profile_names

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
REFERENCE = ROOT / "docs" / "reference" / "mini"


PACKAGE = ROOT / "zsc_utils"
FILES = pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
WINGS = {"miniature", "finetuning"}


def imported(path):
    """Names below `zsc_utils` of what a file imports from it, such as `study.base.is_best`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("zsc_utils"):
            for alias in node.names:
                yield f"{node.module}.{alias.name}".removeprefix("zsc_utils.")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("zsc_utils."):
                    yield alias.name.removeprefix("zsc_utils.")


def imported_rooms(path):
    return {name.split(".")[0] for name in imported(path)}


@FILES
def test_rooms_import_only_rooms_above(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return
    assert room in ROOMS, f"{room} has no place in the order of rooms"
    below = [other for other in imported_rooms(path) if ROOMS.index(other) > ROOMS.index(room)]
    assert not below


@FILES
def test_wings_are_entered_by_the_command_line_and_their_cards_read_by_one_section(path):
    place = path.relative_to(PACKAGE)
    if place.parts[0] in {*WINGS, "cli"}:
        return
    entered = [name for name in imported(path) if name.split(".")[0] in WINGS]
    if place.as_posix() == "study/fine_tuning.py":
        entered = [name for name in entered if not name.startswith("miniature.encoders.")]
    assert not entered


def test_sections_import_only_what_stands_before_them():
    order = [*COMMON, *SECTIONS]
    files = {path.stem: path for path in (PACKAGE / "study").glob("*.py")}
    assert set(files) - {"__init__"} == set(order)
    for place, section in enumerate(order):
        others = {n.split(".")[1] for n in imported(files[section]) if n.startswith("study.")}
        assert others <= set(order[:place]), f"{section} imports what stands after it"


def requirement_names(requirements):
    return {re.match(r"[A-Za-z0-9_.-]+", line)[0].lower() for line in requirements}


def test_environment_lists_what_pyproject_does():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = requirement_names(project["dependencies"] + project["optional-dependencies"]["dev"])
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in conda if isinstance(entry, dict))
    listed = requirement_names([entry for entry in conda if isinstance(entry, str)] + pip)
    renamed = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
    assert {renamed.get(name, name) for name in listed} - {"python", "pip"} == wanted


def test_environment_bounds_versions_as_pyproject_does():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = (ROOT / "environment.yml").read_text()
    for line in project["dependencies"] + project["optional-dependencies"]["dev"]:
        name, bound = re.match(r"([A-Za-z0-9_.-]+)(.*)", line).groups()
        name = {"torch": "pytorch", "matplotlib": "matplotlib-base"}.get(name, name)
        assert f"- {name}{bound}\n" in environment


def test_lock_pins_every_dependency_with_hashes_and_names_no_index():
    lock = (ROOT / "requirements.lock").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name in requirement_names(project["dependencies"]):
        entry = re.search(rf"^{re.escape(name)}==[^\n]+\\\n\s+--hash=sha256:", lock, re.M)
        assert entry, f"{name} is not pinned with a hash"
    assert "://" not in lock and "index-url" not in lock.replace("--no-emit-index-url", "")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_have_parameters_and_no_outputs(path):
    cells = json.loads(path.read_text())["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    tagged = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assert any(line.startswith("profile = ") for line in tagged[0]["source"])
    # A last cell that says what was found, from numbers.
    assert ".say_" in "".join(code[-1]["source"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_import_the_package_and_what_tables_are_made_of(path):
    """Networks, clusterers and figures are the package's; sums on a table stand in the open."""
    cells = json.loads(path.read_text())["cells"]
    source = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    modules = re.findall(r"^(?:from|import) (\w+)", source, re.M)
    assert set(modules) <= {"zsc_utils", "IPython", "numpy", "pandas", "scipy"}


def test_where_no_second_python_runs_it_is_said_and_passes(tmp_path):
    """On the path are only such as pyenv puts there for versions that are not chosen."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "env"):
        (tools / name).symlink_to(shutil.which(name))
    for minor in range(11, 15):
        shim = tools / f"python3.{minor}"
        shim.write_text("#!/bin/sh\nexit 127\n")
        shim.chmod(0o755)
    (tmp_path / ".ci").mkdir()
    script = shutil.copy2(ROOT / ".ci" / "second-python", tmp_path / ".ci")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    found = subprocess.run(
        [script], env={"PATH": str(tools), "HOME": str(tmp_path)}, capture_output=True, text=True
    )
    mine = "{}.{}".format(*sys.version_info)
    said = f"no second Python is here beside {mine}: no tests under another\n"
    assert (found.returncode, found.stdout, found.stderr) == (0, said, "")


def test_citation_names_the_study():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["license"] == "MIT"
    assert citation["preferred-citation"]["doi"].endswith("2406.02465")


def shown_pictures():
    """Pictures of runs that README, the documents and the book's front page show."""
    book = {f"figures/mini/{figure.file}.png" for figure in STUDY_FIGURES}
    pages = "\n".join(page.read_text() for page in [ROOT / "README.md", *DOCUMENTS])
    return book | set(re.findall(r"figures/[\w/.-]+\.(?:png|pdf)", pages))


def test_of_a_run_git_keeps_the_pictures_that_are_shown_and_nothing_else():
    lines = (ROOT / ".gitignore").read_text().splitlines()
    assert lines.index("figures/*") < lines.index("!figures/mini/") < lines.index("figures/mini/*")
    kept = {line[1:] for line in lines if line.startswith("!figures/mini/") and line[-1] != "/"}
    assert kept == shown_pictures()
    assert [name for name in kept if not (ROOT / name).exists()] == []


def test_git_has_no_other_figures():
    listed = subprocess.run(
        ["git", "ls-files", "figures"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert set(listed.stdout.split()) == shown_pictures()


@pytest.mark.parametrize("name", ["groups.md", "claims.md"])
def test_readme_tables_are_those_of_the_reference_run(name):
    table = (REFERENCE / name).read_text().strip()
    readme = (ROOT / "README.md").read_text()
    assert table in readme, f"README has not the table of docs/reference/mini/{name}: paste it"


def test_growth_in_the_benchmarks_readme_is_what_was_measured():
    table = pd.read_csv(ROOT / "benchmarks" / "growth.csv").sort_values("n")
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    for step, rows in table.groupby("step"):
        for values in (rows["seconds"], rows["bytes"] / 1e9):
            row = " | ".join([step.replace("_", " "), *(f"{value:.3g}" for value in values)])
            assert f"| {row} |" in readme, f"benchmarks/README.md has not the row {row}: paste it"


def test_coverage_in_readme_is_that_of_the_calibration():
    table = calibration.measured()
    proposals = expected_ami.expected(table, expected_ami.learnt_elsewhere(table))
    found = expected_ami.coverage_by_set(proposals).sort_index().round().astype(int)
    readme = (ROOT / "README.md").read_text()
    for name, column in (("inside (%)", "covered"), ("width (points)", "width")):
        row = f"| {name} | " + " | ".join(map(str, found[column])) + " |"
        assert row in readme, f"README has not the row {row}: paste it"
    assert f"it did for {found['covered'].mean():.0f} % of the proposals on average" in readme


def test_verdicts_in_readme_are_those_of_the_reference_ledger():
    ledger = pd.read_csv(REFERENCE / "ledger.csv")
    # C5a and C5b are of C5; C7ra is of C7r.
    ids = ledger["key"].str.extract(r"^(C\dr?)")[0]
    verdicts = ledger.groupby(ids)["claim_verdict"].first().to_dict()
    lines = (ROOT / "README.md").read_text().splitlines()
    cells = [line.split("|") for line in lines if line.startswith("| C")]
    shown = {row[1].strip(): row[-2].split()[0] for row in cells}
    assert verdicts.items() <= shown.items() and len(verdicts) == 9


def paragraphs_beside_the_findings():
    """Give the paragraphs of docs/miniature.md that quote a run, by their claim."""
    page = (ROOT / "docs" / "miniature.md").read_text()
    section = page.partition("## Beside the published findings\n")[2]
    named = {"": [], "stranger": []}
    for line in filter(None, section.splitlines()):
        claim = re.match(r"- \*\*(C\d),", line)
        key = claim[1] if claim else "stranger" if "efficientnet_lite0" in line else ""
        named.setdefault(key, []).append(line)
    return {key: "\n".join(lines) for key, lines in named.items()}


def test_numbers_beside_the_findings_are_those_of_the_reference_run():
    """Each stands there as it was computed, and no number stands there that was not."""
    numbers = pd.read_csv(REFERENCE / "numbers.csv", keep_default_na=False)
    paragraphs = paragraphs_beside_the_findings()
    assert set(numbers["claim"]) == set(paragraphs)
    for claim, rows in numbers.groupby("claim"):
        names = r"\]\([^)]*\)|`[^`]*`|\*\*.*?\*\*|\[notebook \d+|MoCo-v3"
        rest = re.sub(names, "", paragraphs[claim])
        # The longest first: 4.5 is not a part of 14.5.
        for text in sorted(rows["text"], key=len, reverse=True):
            assert text in paragraphs[claim], f"{claim}: docs/miniature.md has not {text!r}"
            rest = rest.replace(text, "")
        assert not re.search(r"\d", rest), f"{claim}: not from docs/reference/mini: {rest}"


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.stem)
def test_no_verdict_is_typed_by_hand(page):
    """They are computed by rule in notebook 11; README's table is held to it above."""
    verdict = r"\b(supported|contradicted|undecided|confirmed|refuted|(dis)?agrees?[:;. *,])"
    assert re.findall(rf"^- \*\*.*?{verdict}.*?\*\*", page.read_text(), re.MULTILINE) == []


def test_few_datasets_of_the_miniature_are_too_hard_or_too_easy():
    cells = pd.read_csv(REFERENCE / "cells.csv")
    untrained = [name for name in ENCODERS if ENCODERS[name].facts.method in ("none", "random")]
    best = 100 * cells[~cells["encoder"].isin(untrained)].groupby("dataset")["ami"].max()
    assert set(best.index) == set(load_profile("mini").datasets)
    assert best.between(15, 97).sum() >= len(best) - 2


def test_figures_that_the_list_of_the_paper_names_are_drawn():
    """Those of one dataset or clusterer have its name in braces in the notebook."""
    page = (ROOT / "docs" / "paper.md").read_text()
    drawn = "\n".join(path.read_text() for path in NOTEBOOKS)
    names = re.findall(r"`(\d\d_[^`]+)`", page)
    assert len(names) > 15
    stems = [re.sub(r"(<\w+>|…)$", "", name) for name in names]
    assert [stem for stem in stems if f'"{stem}' not in drawn] == []


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCUMENTS], ids=lambda page: page.stem)
def test_links_and_pictures_exist(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_drawing_of_the_rooms_is_of_these_rooms(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import rooms

    drawn = (ROOT / "docs" / "rooms.svg").read_text()
    assert rooms.fingerprint(rooms.imports()) in drawn, "draw it anew: python docs/rooms.py"


def test_the_page_of_datasets_and_encoders_is_that_of_tables_and_registers(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import roster

    assert roster.PAGE.read_text() == roster.page(), "write it anew: python docs/roster.py"


def test_every_dataset_of_the_miniature_has_its_sheet():
    rendered = {
        name
        for name, facts in DATASETS.facts().items()
        if facts.source.startswith("rendered") and "test" in facts.partitions
    }
    assert {path.stem for path in (ROOT / "docs" / "miniature").glob("*.jpg")} == rendered


@pytest.mark.parametrize("name", profile_names())
def test_every_encoder_of_a_profile_has_recipes(name):
    profile = load_profile(name)
    found, _ = find_encoders(profile.encoders)
    for encoder in profile.encoders:
        family = found[encoder].facts.family
        for clusterer in profile.clusterers:
            recipe = recipe_for(encoder, clusterer, family, profile.recipe_table)
            assert recipe.clusterer == clusterer
    if profile.recipes:
        # A table of its own was made for its own encoders: none borrows from its family.
        assert set(profile.encoders) <= set(encoders_with_recipes(profile.recipe_table))
