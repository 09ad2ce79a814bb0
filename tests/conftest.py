import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from made_up import following, table  # noqa: F401  (fixtures for all files)
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def smoke(tmp_path_factory):
    """A build folder in which the smoke profile has been swept by the command line.

    It is swept once, however many processes run the tests; each has a copy of its own.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    swept = shared / "smoke"
    with FileLock(shared / "smoke.lock"):
        if not swept.exists():
            unfinished = tmp_path_factory.mktemp("unfinished")
            run_zsc("sweep", "--profile", "smoke", "--jobs", "2", build=unfinished)
            unfinished.rename(swept)
    build = tmp_path_factory.mktemp("smoke") / "build"
    return shutil.copytree(swept, build)


def run_zsc(*args, build, check=True, **env):
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from zsc_utils.cli import main; main()", *map(str, args)],
        env=os.environ | {"ZSC_BUILD": str(build)} | env,
        capture_output=True,
        text=True,
        check=check,
    )


@pytest.fixture
def class_folders(tmp_path):
    """Two class folders of six images each, with names and suffixes as people have them."""
    rng = np.random.default_rng(0)
    root = tmp_path / "own images"
    for name, tint in (("apples", 60), ("pears", 190)):
        folder = root / name
        folder.mkdir(parents=True)
        for i in range(6):
            pixels = np.clip(rng.normal(tint, 30, (20, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{i}{('.png', '.JPG')[i % 2]}")
        (folder / "notes.txt").write_text("not an image")
    return root


@pytest.fixture
def blobs():
    """Embeddings of three well separated classes: float32 (90, 8), and the classes."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], 30)
    centres = 10 * np.eye(3, 8)
    return (centres[y] + rng.normal(size=(90, 8))).astype(np.float32), y


@pytest.fixture
def one_thread():
    """Let torch compute in one thread: sums in another order are other numbers."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def browser():
    """Run a Chromium. It is here since a second conftest.py would hide this one from imports."""
    # Where there is none, the files that ask for it are skipped as they are read.
    from chromium import BROWSER, sync_api

    with sync_api.sync_playwright() as playwright:
        # Chromium's own sandbox cannot be had by root, and everything here is the project's own.
        running = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield running
        running.close()
