import json
import os
import subprocess
import sys

import pytest
import yaml
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def execute(path, build, folder, environment=(), **parameters):
    """Execute a notebook as the Makefile does; return its cells and the folder of its figures."""
    out, figures = folder / path.name, folder / "figures"
    parameters = {"profile": "smoke", "figures": figures} | parameters
    flags = [part for name, value in parameters.items() for part in ("-p", name, str(value))]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", str(path), str(out), "--kernel", "python3"),
            *(*flags, "--no-progress-bar"),
        ],
        env=os.environ | {"ZSC_BUILD": str(build)} | dict(environment),
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_where_most_is_absent(path, tmp_path):
    """One dataset of two is there, and one encoder of two, which is not the reference."""
    fields = {
        "description": "most is absent",
        "datasets": ["digits", "dtd"],
        "encoders": ["raw_pixels", "dino_resnet50_ft"],
        "clusterers": ["kmeans"],
        "max_samples": 60,
        "reference": {"ResNet-50": "dino_resnet50_ft"},
    }
    profile = tmp_path / "absent.yaml"
    profile.write_text(yaml.safe_dump(fields))
    nowhere = {
        "WEIGHTS_ROOT": str(tmp_path),
        "TORCH_HOME": str(tmp_path),
        "DATA_ROOT": str(tmp_path),
    }
    cells, figures = execute(path, tmp_path / "build", tmp_path, nowhere, profile=profile)
    assert list(figures.glob("*.png"))
    assert "nan" not in markdown_of(cells[-1])
