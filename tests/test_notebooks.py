import json
import os
import subprocess
import sys

import nbformat
import pytest
import yaml
from conftest import ROOT
from notebook_runs import execute, markdown_of

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# The last one reads a table that comes with the package, and nothing of a profile.
OF_A_PROFILE = [path for path in NOTEBOOKS if not path.name.startswith("12")]


def papermill(path, build, folder, **parameters):
    """Execute a notebook as the Makefile does, in a kernel; return its cells."""
    out = folder / path.name
    flags = [part for name, value in parameters.items() for part in ("-p", name, str(value))]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "papermill", str(path), str(out), "--kernel", "python3"),
            *("--engine", "sockets", *flags, "--no-progress-bar"),
        ],
        env=os.environ | {"ZSC_BUILD": str(build)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(out.read_text())["cells"]


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


def profile_and_build(folder, **fields):
    """Write a profile; give its file and a build folder that its notebooks share."""
    profile = folder / "profile.yaml"
    profile.write_text(yaml.safe_dump({"description": "for tests"} | fields))
    return profile, folder / "build"


@pytest.fixture(scope="module")
def absent(tmp_path_factory):
    """One dataset of two is there, and one encoder of two, which is not the reference."""
    return profile_and_build(
        tmp_path_factory.mktemp("absent"),
        datasets=["digits", "dtd"],
        encoders=["raw_pixels", "dino_resnet50_ft"],
        clusterers=["kmeans"],
        max_samples=60,
        reference={"ResNet-50": "dino_resnet50_ft"},
    )


@pytest.fixture(scope="module")
def failing(tmp_path_factory):
    """40 images are too few for UMAP to 50 dimensions, which HDBSCAN's recipe asks for."""
    return profile_and_build(
        tmp_path_factory.mktemp("failing"),
        datasets=["digits", "mini-bioscan", "mini-in9", "mini-imagenet"],
        encoders=["raw_pixels", "mini_xent_resnet", "mini_vicreg_resnet", "mini_vicreg_resnet_ft"],
        clusterers=["kmeans", "hdbscan"],
        max_samples=40,
        reference="mini_xent_resnet",
        recipes="zsc_utils/tables/mini_hyperparameters.csv",
    )


@pytest.mark.parametrize("path", OF_A_PROFILE, ids=lambda path: path.stem)
def test_notebook_runs_where_most_is_absent(path, absent, tmp_path):
    profile, build = absent
    nowhere = {name: str(tmp_path) for name in ("WEIGHTS_ROOT", "TORCH_HOME", "DATA_ROOT")}
    cells, figures = execute(path, build, tmp_path, nowhere, profile=profile)
    assert list(figures.glob("*.png"))
    assert "nan" not in markdown_of(cells[-1])


@pytest.mark.parametrize("path", OF_A_PROFILE, ids=lambda path: path.stem)
def test_notebook_runs_where_cells_fail(path, failing, tmp_path):
    profile, build = failing
    cells, figures = execute(path, build, tmp_path, profile=profile)
    assert list(figures.glob("*.png"))
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    said = [markdown_of(cell) for cell in code]
    assert "nan" not in said[-1]
    if path.stem == "00_own_images":
        # Of few images UMAP takes fewer dimensions, and nothing fails.
        return
    # Notebook 6 counts the cells of its own comparison.
    failed = "of hdbscan (failed)" if path.stem[:2] != "06" else "of them have no AMI"
    assert any(failed in text for text in said)


def test_a_kernel_runs_what_papermill_gives_it(smoke, tmp_path):
    """Parameters reach it, and it displays what the same code does in this process."""
    path = ROOT / "notebooks" / "03_taxonomy_levels.ipynb"
    figures = tmp_path / "figures"
    cells = papermill(path, smoke, tmp_path, profile="smoke", figures=figures)
    here, _ = execute(path, smoke, tmp_path / "here")
    assert list(figures.glob("*.png"))
    assert markdown_of(cells[-1]) == markdown_of(here[-1])


def test_kernels_listen_on_sockets_of_their_own(tmp_path):
    """Kernels that start side by side must not be given the same TCP port."""
    ask = "from ipykernel.connect import get_connection_info\nget_connection_info(unpack=True)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(ask)])
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "-"}
    notebook_file, out = tmp_path / "ask.ipynb", tmp_path / "out"
    out.mkdir()
    nbformat.write(notebook, notebook_file)
    cells = papermill(notebook_file, tmp_path, out)
    (output,) = cells[-1]["outputs"]
    said = "".join(output["data"]["text/plain"])
    assert "'transport': 'ipc'" in said and "'ip': '/" in said
