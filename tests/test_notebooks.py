import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_on_smoke(path, smoke, tmp_path):
    """Execute a notebook as the Makefile does; it draws, and ends with what was found."""
    out = tmp_path / path.name
    figures = tmp_path / "figures"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", str(path), str(out), "--kernel", "python3"),
            *("-p", "profile", "smoke", "-p", "figures", str(figures), "--no-progress-bar"),
        ],
        env=os.environ | {"ZSC_BUILD": str(smoke)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    number = path.name[:2]
    drawn = sorted(file.name for file in figures.iterdir())
    assert drawn and all(name.startswith(number) for name in drawn)
    assert {".pdf", ".png"} <= {file.suffix for file in figures.iterdir()}
    last = json.loads(out.read_text())["cells"][-1]["outputs"]
    text = "".join("".join(o.get("data", {}).get("text/markdown", "")) for o in last)
    assert "**" in text and "nan" not in text
