"""What notebooks compute in the open, and the edits that they suggest."""

import ast
import json
import re
from pathlib import Path

import IPython.display
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT
from matplotlib.figure import Figure

from zsc_utils.sweep import comparison, run

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# Mixed backgrounds, which the smoke profile has none of: the notebook adds the other variants.
BACKGROUNDS = {
    "description": "for tests",
    "datasets": ["mini-in9"],
    "encoders": ["raw_pixels", "mini_xent_resnet"],
    "clusterers": ["kmeans", "ac_with_c"],
    "max_samples": 60,
    "reference": "mini_xent_resnet",
}


def wide(rows, index, columns, values="mean"):
    return rows.pivot(index=index, columns=columns, values=values)


# What the package gives for the number that a notebook computes in the open, from the variables
# that the notebook's own cells leave.
PACKAGE = {
    "00": lambda v: v["proposals"]["score"],
    "01": lambda v: wide(v["by_group"], "encoder_name", "group"),
    "02": lambda v: wide(v["gains"], "group", "encoder"),
    "03": lambda v: pd.concat(
        {name: wide(rows, "encoder_name", "level") for name, rows in v["means"].items()}
    ),
    "04": lambda v: v["dims"].query("fraction == 0.9").groupby("encoder_name")["dims"].median(),
    "05": lambda v: wide(v["correlation"], "clusterer_name", "space", "rho"),
    "06": lambda v: (
        v["means"].query("pair == 'UMAP 50 − none' and clusterer == 'all'")["mean"].item()
    ),
    "07": lambda v: v["factors"].set_index("clusterer_name")["factor"],
    "08": lambda v: v["counts"].set_index(["dataset_name", "trained"])[
        ["encoders", "official best"]
    ],
    "09": lambda v: v["gaps"].query("gap == 'background gap'").set_index("encoder_name")["value"],
    "10": lambda v: (
        v["summary"].query("measure == '20 neighbours'").set_index("clusterer_name")["mean"]
    ),
    "11": lambda v: v["ledger"].set_index("key").at["C2", "estimate"],
    "12": lambda v: (
        v["ways"].query("question == 'all at once'").set_index("way")["mean"].loc[v["criteria"]]
    ),
}


def with_seeds_and_failures(table):
    """The results twice, as of two seeds that differ, and every seventh of them failed."""
    drawn = np.random.default_rng(0).uniform(0.5, 1, len(table))
    again = table.assign(seed=2, ami=table["ami"] * drawn)
    both = pd.concat([table, again], ignore_index=True)
    failed = both.index % 7 == 0
    scores = ["ami", "silhouette_original", "silhouette_umap", "n_clusters"]
    both.loc[failed, [name for name in scores if name in both]] = np.nan
    both.loc[failed, ["status", "reason"]] = ["failed", "it broke"]
    if "ami_by_level" in both:
        both.loc[failed, "ami_by_level"] = None
    return both


@pytest.fixture
def notebook(smoke, monkeypatch, tmp_path):
    """Run the cells of a notebook that some names rest on; give the variables that they leave."""

    def make_harder():
        for module, name in ((run, "sweep"), (comparison, "compare_reductions")):
            real = getattr(module, name)
            monkeypatch.setattr(
                module, name, lambda *a, real=real, **k: with_seeds_and_failures(real(*a, **k))
            )

    monkeypatch.setenv("ZSC_BUILD", str(smoke))
    # Where a cell that is needed draws as well.
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).write_bytes(b""))
    monkeypatch.setattr(IPython.display, "display", lambda *shown: None)

    def run_cells(path, names):
        profile = "smoke"
        if path.name.startswith("09"):
            profile = tmp_path / "backgrounds.yaml"
            profile.write_text(yaml.safe_dump(BACKGROUNDS))
        else:
            # Not those of backgrounds: the package scores their stored clusters anew.
            make_harder()
        variables = {}
        for cell in behind(path, names):
            source = "".join(cell["source"])
            exec(compile(source, f"{path.name} {cell['id']}", "exec"), variables)
            plt.close("all")
            if "parameters" in cell["metadata"].get("tags", []):
                variables |= {"profile": str(profile), "figures": tmp_path, "jobs": 1}
        return variables

    return run_cells


def cells_of(path):
    return json.loads(path.read_text())["cells"]


def names_in(source):
    """Names that a piece of code sets, and those that it reads."""
    found = {True: set(), False: set()}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            found[isinstance(node.ctx, ast.Store)].add(node.id)
        elif isinstance(node, ast.FunctionDef):
            found[True].add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found[True] |= {alias.asname or alias.name for alias in node.names}
    return found[True], found[False]


def behind(path, names):
    """The code cells that names rest on: what only draws, or draws samples anew, takes minutes."""
    names, kept = set(names), []
    for cell in reversed([cell for cell in cells_of(path) if cell["cell_type"] == "code"]):
        sets, reads = names_in("".join(cell["source"]))
        if sets & names or "parameters" in cell["metadata"].get("tags", []):
            kept.append(cell)
            names |= reads
    return reversed(kept)


def edits(path):
    """Snippets of the cell that suggests edits."""
    (cell,) = [c for c in cells_of(path) if "".join(c["source"]).startswith("## Change it\n")]
    return re.findall(r"^```python\n(.*?)^```$", "".join(cell["source"]), re.M | re.S)


def numbers(value):
    """All numbers of what a cell left in a variable, in its order."""
    parts = value.values() if isinstance(value, dict) else [value]
    return np.concatenate([np.ravel(np.asarray(part, dtype=float)) for part in parts])


def compare(found, expected):
    """Fail where a number of one is not in the other under the same labels."""
    if not isinstance(expected, pd.DataFrame | pd.Series):
        assert found == pytest.approx(expected)
        return
    found, expected = (
        pd.Series(table.stack() if table.ndim == 2 else table, dtype=float).dropna()
        for table in (pd.concat(found) if isinstance(found, dict) else found, expected)
    )
    assert found.to_dict() == pytest.approx(expected.to_dict())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_computes_its_number_and_changes_it(notebook, path):
    package = PACKAGE[path.name[:2]]
    snippets = edits(path)
    read = set.union(*(names_in(snippet)[1] for snippet in snippets))
    of_package = {name for name in package.__code__.co_consts if isinstance(name, str)}
    variables = notebook(path, {"headline"} | of_package | read)
    expected = package(variables)
    assert np.isfinite(numbers(expected)).any()
    compare(variables["headline"], expected)
    assert 2 <= len(snippets) <= 3
    for snippet in snippets:
        after = dict(variables)
        exec(compile(snippet, f"{path.name} Change it", "exec"), after)
        changed = [
            name
            for name in names_in(snippet)[0] & {"headline", "agreement"}
            if not np.array_equal(numbers(variables[name]), numbers(after[name]))
        ]
        assert changed, f"changes no number:\n{snippet}"


def test_one_cell_by_hand_needs_one_import_and_its_formula_is_the_call(monkeypatch):
    monkeypatch.setattr(IPython.display, "display", lambda *shown: None)
    variables = {"display": lambda *shown: shown}
    by_hand = [c for c in cells_of(NOTEBOOKS[1]) if re.fullmatch("01-03[a-h]", c["id"])]
    source = "\n".join("".join(c["source"]) for c in by_hand if c["cell_type"] == "code")
    exec(source, variables)
    assert set(re.findall(r"^from (zsc_utils\S*)", source, re.M)) == {"zsc_utils"}
    assert variables["by_formula"] == pytest.approx(variables["agreement"], abs=1e-12)
    assert 0.3 < variables["agreement"] < 1
    assert variables["counts"].to_numpy().sum() == 400
