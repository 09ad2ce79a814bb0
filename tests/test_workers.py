import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from made_up import quick, result_files

from zsc_utils.errors import WorkerError
from zsc_utils.sweep import workers as room
from zsc_utils.sweep.run import sweep

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


class Cluster:
    """A Dask scheduler and workers, each a process of its own, as on several machines."""

    def __init__(self, folder):
        self.file, self.started = folder / "scheduler.json", []
        self.scheduler = self.start("scheduler", "--port", "0", "--no-dashboard")
        for _ in range(600):
            if self.file.exists() and self.file.stat().st_size:
                break
            time.sleep(0.1)
        self.address = pd.read_json(self.file, typ="series")["address"]

    def start(self, what, *settings, **env):
        where = ["--scheduler-file", str(self.file)]
        process = subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_" + what, *where, *settings],
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.file.parent,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def work(self, *settings, nthreads=1, **env):
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            before = len(client.scheduler_info(n_workers=-1)["workers"])
            plain = ["--nthreads", str(nthreads), "--no-dashboard", "--no-nanny"]
            process = self.start("worker", *plain, *settings, **env)
            client.wait_for_workers(before + 1, timeout=90)
        return process


def end(process, how=signal.SIGKILL):
    try:
        os.killpg(process.pid, how)
    except ProcessLookupError:
        return
    process.wait()


@pytest.fixture
def cluster(tmp_path):
    found = Cluster(tmp_path)
    yield found
    for process in found.started:
        end(process)


@pytest.fixture
def profile():
    return quick(datasets=["digits", "mini-inat"], clusterers=["kmeans", "ac_with_c", "hdbscan"])


def contents(build):
    """Results but for the seconds that they took."""
    found = {}
    for file in result_files(build):
        rows = file.read_text().splitlines()
        found[file.name] = [row for row in rows if '"seconds"' not in row]
    return found


def test_a_cluster_gives_what_this_machine_gives(cluster, profile, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for _ in range(2):
        cluster.work()
    local, far = tmp_path / "local", tmp_path / "far"
    here = sweep(profile, build=local, progress=False)
    there = sweep(profile, build=far, scheduler=cluster.address, progress=False)
    pd.testing.assert_frame_equal(here.drop(columns="seconds"), there.drop(columns="seconds"))
    assert set(there["status"]) == {"ok"} and contents(local) == contents(far)
    assert not list(far.glob(".seen-*"))


def test_a_worker_that_is_killed_costs_nothing_but_time(cluster, profile, tmp_path, monkeypatch):
    first, _ = cluster.work(), cluster.work()
    call, ended = room.on_workers, []

    def killing(*args):
        for done in call(*args):
            if not ended:
                ended.append(end(first))
            yield done

    monkeypatch.setattr(room, "on_workers", killing)
    table = sweep(profile, build=tmp_path, scheduler=cluster.address, progress=False)
    assert ended and set(table["status"]) == {"ok"} and len(table) == 6


def test_a_scheduler_that_is_gone_is_said_and_results_are_kept(
    cluster, profile, tmp_path, monkeypatch
):
    cluster.work()
    call = room.on_workers

    def killing(*args):
        for done in call(*args):
            if isinstance(done, int):  # cells, and not embeddings
                end(cluster.scheduler)
            yield done

    monkeypatch.setattr(room, "on_workers", killing)
    monkeypatch.setattr(room, "PATIENCE", 3)
    with pytest.raises(WorkerError, match=r"results so far are kept"):
        sweep(profile, build=tmp_path, scheduler=cluster.address, progress=False)
    kept = contents(tmp_path)
    assert 3 <= len(kept) <= 6
    with pytest.raises(WorkerError, match=r"scheduler at tcp.* does not answer"):
        sweep(profile, build=tmp_path, scheduler=cluster.address, progress=False)
    table = sweep(profile, build=tmp_path, progress=False)
    assert set(table["status"]) == {"ok"}
    assert contents(tmp_path).items() >= kept.items()


def test_workers_that_must_not_compute_are_refused_by_name(cluster, profile, tmp_path):
    def refused():
        with pytest.raises(WorkerError) as caught:
            sweep(profile, build=tmp_path / "build", scheduler=cluster.address, progress=False)
        return str(caught.value)

    assert "has no workers" in refused()
    several = cluster.work(nthreads=2)
    assert "worker tcp" in (said := refused()) and "2 threads, where one is asked for" in said
    end(several)
    other = tmp_path / "other"
    shutil.copytree(ROOT / "zsc_utils", other / "zsc_utils")
    edited = other / "zsc_utils" / "metrics.py"
    edited.write_text(edited.read_text() + "\n# edited\n")
    changed = cluster.work(PYTHONPATH=str(other))
    assert "worker tcp" in (said := refused()) and "the code of zsc_utils" in said
    end(changed)
    assert not result_files(tmp_path / "build")


def test_a_worker_without_the_data_is_named(cluster, class_folders, tmp_path):
    # The same path holds other images there: here, they change after the plan was made.
    folder = f"folder:{class_folders}"
    profile = quick(datasets=[folder], encoders=["raw_pixels"], clusterers=["kmeans"])
    cluster.work()

    def remove(planned, memory):
        shutil.rmtree(class_folders / "pears")

    with pytest.raises(WorkerError, match=r"worker on .*(other images|apples)"):
        sweep(
            *(profile,),
            build=tmp_path / "build",
            scheduler=cluster.address,
            announce=remove,
            progress=False,
        )


def test_what_differs_is_said(tmp_path, monkeypatch):
    known = room.introduction()
    token = tmp_path / "token"
    assert room.admitted(known, token) == f"no folder {tmp_path} that both can see"
    token.touch()
    assert room.admitted(known, token) == ""
    assert room.admitted(known | {"numpy": "1.0"}, token) == f"numpy {known['numpy']}, not 1.0"
