"""The Makefile, on a copy of the project with two small notebooks and tools that take no time."""

import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_notebook

PARAMETERS = 'profile = "tiny"\njobs = 1\nseed = None'
DRAW = """
from pathlib import Path
folder = Path("figures") / profile
folder.mkdir(parents=True, exist_ok=True)
(folder / "{number}_figure.pdf").touch()
(folder / "{number}_figure.png").touch()
print("seed", seed)
"""
# What make calls, in so far as it matters here: what is tested is what runs, and in which order.
# The real ones run in tests of their own, and when the project itself is made.
PAPERMILL = """#!{python}
import contextlib, io, json, sys
source, out, *flags = sys.argv[1:]
given = dict(zip(flags[flags.index("-p") + 1 :: 3], flags[flags.index("-p") + 2 :: 3]))
notebook, names, failed = json.load(open(source)), dict(), None
for cell in notebook["cells"]:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec("".join(cell["source"]), names)
    except Exception as error:
        failed = str(error)
    names.update(given)
    cell["outputs"] = [dict(text=printed.getvalue() + (failed or ""))]
    if failed:
        break
json.dump(notebook, open(out, "w"))
sys.exit(failed)
"""


def write_notebook(path, *sources):
    cells = [new_code_cell(PARAMETERS), *map(new_code_cell, sources)]
    cells[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project whose environment is this one."""
    root = tmp_path_factory.mktemp("project")
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy2(ROOT / name, root / name)
        # Older than the environment, whatever was edited since: the copy must not install itself.
        os.utime(root / name, (0, 0))
    shutil.copytree(ROOT / "zsc_utils", root / "zsc_utils", ignore=lambda *_: ["__pycache__"])
    tools = root / ".venv" / "bin"
    tools.mkdir(parents=True)
    (root / ".venv" / ".installed").touch()
    (tools / "papermill").write_text(PAPERMILL.format(python=sys.executable))
    (tools / "zsc").write_text("#!/bin/sh\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    (root / "profiles").mkdir()
    (root / "profiles" / "tiny.yaml").write_text(
        "description: tiny\ndatasets: [digits]\nencoders: [raw_pixels]\n"
        "clusterers: [kmeans]\nmax_samples: 40\nreference: raw_pixels\n"
    )
    (root / "notebooks").mkdir()
    for number in ("01", "02"):
        write_notebook(root / "notebooks" / f"{number}_test.ipynb", DRAW.format(number=number))
    return root


def make(project, *args):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.run(
        ["make", "PROFILE=tiny", *args],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
    )


def times(project):
    files = [*(project / "build" / "tiny").glob("*.ipynb"), *(project / "figures").rglob("*.*")]
    return {path.name: path.stat().st_mtime_ns for path in files if not path.is_dir()}


def executed(output):
    return [line.split("/")[1][:2] for line in output.splitlines() if line.startswith("executing")]


def test_all_then_nothing_then_what_changed(project):
    first = make(project, "all")
    assert first.returncode == 0, first.stderr[-3000:]
    assert sorted(executed(first.stdout)) == ["01", "02"]
    names = {"01_test.ipynb", "02_test.ipynb"}
    names |= {f"{number}_figure.{kind}" for number in ("01", "02") for kind in ("pdf", "png")}
    before = times(project)
    assert set(before) == names

    second = make(project, "all")
    assert second.returncode == 0 and executed(second.stdout) == [] and times(project) == before

    (project / "notebooks" / "02_test.ipynb").touch()
    assert executed(make(project, "all").stdout) == ["02"]
    assert {k: v for k, v in times(project).items() if k.startswith("01")} == {
        k: v for k, v in before.items() if k.startswith("01")
    }
    for changed in ("zsc_utils/metrics.py", "profiles/tiny.yaml"):
        (project / changed).touch()
        planned = make(project, "all", "--dry-run").stdout.replace("echo '", "")
        assert set(executed(planned)) == {"01", "02"}


def test_an_edit_is_seen_though_the_clock_was_set_back(project):
    assert make(project, "all").returncode == 0
    assert executed(make(project, "all").stdout) == []
    for path in (project / "build" / "tiny").iterdir():
        os.utime(path, (2e9 + 1e8, 2e9 + 1e8))
    (project / "notebooks" / "02_test.ipynb").touch()
    assert "02" in executed(make(project, "all").stdout)
    assert executed(make(project, "all").stdout) == []


def test_notebooks_that_compute_begin_first_and_the_last_reads_what_they_computed(project):
    """Those that only read results fill up the processors, of which the others have half each."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        shutil.copy(path, project / "notebooks" / path.name)
    try:
        planned = make(project, "all", "--dry-run", "JOBS=3").stdout.replace("echo '", "")
    finally:
        for path in (ROOT / "notebooks").glob("*.ipynb"):
            (project / "notebooks" / path.name).unlink()
    side_by_side, last = planned.split("--jobs=1 ")
    order = list(dict.fromkeys(executed(side_by_side)))
    assert order[:3] == ["06", "10", "09"] and len(order) == 12
    assert "11" in executed(last) and "11" not in order
    assert "OMP_NUM_THREADS=2" in side_by_side and "--jobs=3" in side_by_side
    assert set(re.findall(r"-p jobs (\d)", side_by_side)) == {"2"}
    assert set(re.findall(r"-p jobs (\d)", last)) == {"3"}


def test_another_seed_reruns(project):
    done = make(project, "01", "SEED=5")
    assert done.returncode == 0 and executed(done.stdout) == ["01"]
    cells = json.loads((project / "build" / "tiny" / "01_test.ipynb").read_text())["cells"]
    assert "seed 5" in json.dumps(cells[-1]["outputs"])
    # The other notebook's figures are of another seed: gone until it is executed again.
    assert not list((project / "figures" / "tiny").glob("02_*"))


def test_a_failing_notebook(project):
    assert make(project, "all").returncode == 0
    broken = project / "notebooks" / "01_test.ipynb"
    write_notebook(broken, DRAW.format(number="01"), "raise RuntimeError('on purpose')")
    (project / "notebooks" / "02_test.ipynb").touch()
    failed = make(project, "all", "JOBS=1")
    assert failed.returncode != 0 and "01_test.partial.ipynb" in failed.stdout
    partial = json.loads((project / "build" / "tiny" / "01_test.partial.ipynb").read_text())
    assert "on purpose" in json.dumps(partial["cells"][-1]["outputs"])
    # No figure is left that looks current: neither the broken notebook's nor the stale other's.
    assert times(project).keys() == {"01_test.partial.ipynb"}
    write_notebook(broken, DRAW.format(number="01"))
    assert make(project, "all").returncode == 0
    assert len(times(project)) == 6


def test_help_names_every_target(project):
    text = make(project, "help").stdout
    targets = (
        "env all book browser pretrain finetune sheets test lab data status lint format clean 01 02"
    )
    for target in targets.split():
        assert f"make {target}" in text
    for variable in ("PROFILE", "JOBS", "SEED", "DATA_ROOT", "WEIGHTS_ROOT"):
        assert variable in text


def test_finetune_says_what_it_needs_and_takes_as_many_gpus_as_are_given(project):
    lacking = make(project, "finetune", "ENCODER=dino_vitb16", "DATA_ROOT=d")
    assert lacking.returncode != 0 and "WEIGHTS_ROOT" in lacking.stdout
    places = ("ENCODER=dino_vitb16", "DATA_ROOT=d", "WEIGHTS_ROOT=w")
    for gpus, launcher in ((), ""), (("GPUS=4",), ".venv/bin/torchrun .*-node 4 --no-python "):
        command = make(project, "finetune", "--dry-run", *places, *gpus).stdout
        wanted = rf"^{launcher}\.venv/bin/zsc finetune .*--data d/imagenet --out w/dino_vitb16_ft\."
        assert re.search(wanted, command.replace("\\\n", ""), re.M), command
