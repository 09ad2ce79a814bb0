import os
import subprocess
import sys

import pytest

from zsc_utils import compiled

SCRIPT = """
import hashlib, logging, numpy as np
logging.basicConfig()
from umap.layouts import rdist
from zsc_utils import loops
from zsc_utils.compiled import kept
from zsc_utils.ward import ward_tree
X = np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)
heights = ward_tree(X).heights
with kept("umap", "zsc_utils"):
    distances, near = loops.all_distances(X), rdist(X[0], X[1])
found = heights.tobytes() + distances.tobytes() + repr(near).encode()
hits = [sum(loop.stats.cache_hits.values()) for loop in (loops.ward_merges, loops.all_distances)]
print(hashlib.sha256(found).hexdigest(), sum(hits))
"""


@pytest.fixture(autouse=True)
def anew():
    compiled.compiled_folder.cache_clear()
    yield
    compiled.compiled_folder.cache_clear()


def loops_in_a_process(folder):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    digest, hits = done.stdout.split()
    return digest, int(hits), done.stderr


def test_what_is_kept_gives_the_same_numbers_and_is_read(tmp_path):
    occupied = tmp_path / "a file"
    occupied.touch()
    alone, hits, said = loops_in_a_process(occupied)
    assert hits == 0 and f"no folder for compiled code ({occupied})" in said
    folder = tmp_path / "compiled"
    first, hits, said = loops_in_a_process(folder)
    assert first == alone and hits == 0 and not said
    assert list(folder.rglob("loops*.nbi"))
    second, hits, said = loops_in_a_process(folder)
    assert second == alone and hits == 2 and not said


def test_places_in_turn(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path / "build"))
    monkeypatch.setattr(compiled.platformdirs, "user_cache_dir", lambda name: tmp_path / name)
    assert compiled.compiled_folder() == tmp_path / "zsc-utils" / "compiled"
    # Whoever else uses the machine can put no code there.
    assert (tmp_path / "zsc-utils" / "compiled").stat().st_mode & 0o077 == 0
    compiled.compiled_folder.cache_clear()
    monkeypatch.setattr(compiled.platformdirs, "user_cache_dir", lambda name: "/dev/null")
    assert compiled.compiled_folder() == tmp_path / "build" / "cache" / "compiled"


def test_a_full_disk_keeps_nothing_and_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    usage = type("Usage", (), {"free": 2**20})
    monkeypatch.setattr(compiled.shutil, "disk_usage", lambda place: usage)
    assert compiled.compiled_folder() is None
    assert "each process compiles anew" in caplog.text
