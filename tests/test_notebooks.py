import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def execute(path, build, folder, **parameters):
    """Execute a notebook as the Makefile does; return its cells and the folder of its figures."""
    out, figures = folder / path.name, folder / "figures"
    parameters = {"profile": "smoke", "figures": figures} | parameters
    flags = [part for name, value in parameters.items() for part in ("-p", name, str(value))]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", str(path), str(out), "--kernel", "python3"),
            *(*flags, "--no-progress-bar"),
        ],
        env=os.environ | {"ZSC_BUILD": str(build)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(out.read_text())["cells"], figures


def markdown_of(cell):
    return "".join("".join(o.get("data", {}).get("text/markdown", "")) for o in cell["outputs"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_on_smoke(path, smoke, tmp_path):
    """It draws, and ends with what was found."""
    cells, figures = execute(path, smoke, tmp_path)
    number = path.name[:2]
    drawn = sorted(file.name for file in figures.iterdir())
    assert drawn and all(name.startswith(number) for name in drawn)
    assert {".pdf", ".png"} <= {file.suffix for file in figures.iterdir()}
    text = markdown_of(cells[-1])
    assert "**" in text and "nan" not in text


def test_notebook_fine_tunes_live(smoke, tmp_path):
    path = ROOT / "notebooks" / "02_fine_tuning.ipynb"
    asked = {"live": "mini_vicreg_resnet", "epochs": 1, "n_images": 200}
    cells, _ = execute(path, smoke, tmp_path, **asked)
    said = [markdown_of(cell) for cell in cells if cell["cell_type"] == "code"]
    assert any("VICReg, ResNet-10**, 1 epochs on 200 images" in text for text in said)
