"""Run notebooks in this process, as papermill does in a kernel: the imports are paid for once."""

import json
import os
from unittest.mock import patch

import matplotlib.pyplot as plt
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output


def execute(path, build, folder, environment=(), **parameters):
    """Execute a notebook from an empty namespace; return its cells and the folder of its figures.

    Cells have outputs as in a file: `text` of what was printed, `data` of what was displayed.

    Parameters
    ----------
    path
        The notebook.
    build
        Folder of caches and results.
    folder
        Where figures go, below it.
    environment
        Other variables to set.
    parameters
        In place of those of the cell that is tagged so; `smoke` is the profile by default.
    """
    figures = folder / "figures"
    # One process: others would import everything anew.
    parameters = {"profile": "smoke", "figures": figures, "jobs": 1} | parameters
    cells = json.loads(path.read_text())["cells"]
    shell = InteractiveShell.instance()
    shell.reset(new_session=True, aggressive=False)
    names = {"ZSC_BUILD": str(build), "MPLBACKEND": "agg"} | dict(environment)
    with patch.dict(os.environ, names):
        for cell in cells:
            if cell["cell_type"] == "code":
                cell["outputs"] = run_cell(shell, "".join(cell["source"]))
                if "parameters" in cell["metadata"].get("tags", []):
                    # As papermill hands them on: numbers stay numbers, all else is text.
                    shell.user_ns |= {
                        name: value if isinstance(value, int | float) else str(value)
                        for name, value in parameters.items()
                    }
    plt.close("all")
    return cells, figures


def run_cell(shell, source):
    with capture_output() as captured:
        done = shell.run_cell(source)
    done.raise_error()
    shown = [{"data": output.data} for output in captured.outputs]
    return [{"text": captured.stdout}, {"text": captured.stderr}, *shown]


def markdown_of(cell):
    return "".join("".join(o.get("data", {}).get("text/markdown", "")) for o in cell["outputs"])


def printed(cell):
    return "".join(output.get("text", "") for output in cell["outputs"])
