"""Code that is edited while it runs, and results that older code made."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_up import quick, result_files

from zsc_utils import edits
from zsc_utils.errors import CodeChangedError
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.run import sweep

ROOT = Path(__file__).resolve().parent.parent

# What someone does in a notebook: sweep, edit the package, sweep another seed.
LESSON = """
import pathlib, sys
import zsc_utils.clustering
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.run import sweep
profile = load_profile("smoke", datasets=["digits"], encoders=["raw_pixels"], clusterers=["kmeans"])
profile = profile.model_copy(update={"max_samples": 60})
first = sweep(profile, jobs=2, progress=False)
file = pathlib.Path(zsc_utils.clustering.__file__)
file.write_text(file.read_text().replace("n_init=1", "n_init=2"))
again = sweep(profile, jobs=2, progress=False)
assert again.equals(first), "what is there can be read"
try:
    sweep(profile.model_copy(update={"seeds": (2,)}), jobs=2, progress=False)
except Exception as error:
    print(type(error).__name__, error)
"""


def run(code, folder, build):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"ZSC_BUILD": str(build), "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture
def copy(tmp_path):
    """A copy of the package that may be edited."""
    folder = tmp_path / "copy"
    for name in ("zsc_utils", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.slow
def test_code_edited_in_a_running_process_stores_nothing(copy, tmp_path):
    build = tmp_path / "build"
    said = run(LESSON, copy, build).stdout
    assert said.startswith("CodeChangedError zsc_utils/clustering.py changed since this process")
    assert "restart it" in said and "fresh=True" in said
    assert len(list((build / "results").rglob("*.json"))) == 1
    # After the restart new results are stored beside the old ones, which is said.
    lines = LESSON.splitlines()
    restarted = "\n".join([*lines[:7], "profile = profile.model_copy(update={'seeds': (1, 2)})"])
    # All are of one code once they are computed anew.
    once, anew = "sweep(profile, progress=False)", "sweep(profile, fresh=True, progress=False)"
    done = run("\n".join([restarted, once, "print('then', file=sys.stderr)", anew]), copy, build)
    before, after = done.stderr.split("then")
    assert "1 are older than zsc_utils/clustering.py" in before and "fresh=True" in before
    assert "older" not in after
    assert len(list((build / "results").rglob("*.json"))) == 2


def test_a_worker_with_other_code_refuses():
    assert edits.guarded(edits.LOADED, sum, [1, 2]) == 3
    other = edits.LOADED | {"reduction.py": 0}
    with pytest.raises(CodeChangedError, match=r"zsc_utils/reduction\.py changed"):
        edits.guarded(other, sum, [1, 2])


def test_what_only_reads_results_may_be_edited():
    assert {"reduction.py", "encoders/base.py", "datasets/folder.py"} <= edits.LOADED.keys()
    assert not any(name.startswith(("study/", "cli/")) for name in edits.LOADED)


def test_fresh_computes_anew_what_is_there(tmp_path):
    before = sweep(quick(), build=tmp_path, progress=False)
    # What older code left: wrong clusters, reductions and embeddings, under the right names.
    for file in result_files(tmp_path):
        file.write_text(file.read_text().replace('"status": "ok"', '"status": "failed"'))
    for file in (tmp_path / "cache").rglob("*.npy"):
        array = np.load(file)
        np.save(file, np.zeros_like(array))
    stale = sweep(quick(), build=tmp_path, progress=False)
    assert (stale["status"] == "failed").all()
    after = sweep(quick(), build=tmp_path, fresh=True, progress=False)
    assert after.drop(columns="seconds").equals(before.drop(columns="seconds"))


def test_fresh_leaves_what_others_computed(tmp_path):
    sweep(quick(), build=tmp_path, progress=False)
    other = quick(seeds=[2])
    sweep(other, build=tmp_path, progress=False)
    mine = {cell.path(tmp_path) for job in plan(quick()) for cell, _ in job.cells}
    times = {file: file.stat().st_mtime_ns for file in result_files(tmp_path)}
    sweep(quick(), build=tmp_path, fresh=True, progress=False)
    for file, then in times.items():
        assert (file.stat().st_mtime_ns == then) is (file not in mine)
