"""Kill a sweep at random moments, and run two at once: `python benchmarks/faults.py`.

A small sweep is begun again and again in one build folder and killed (SIGKILL, all its processes)
at a random moment. After each kill every result that is there must be whole and that of a run that
nobody disturbed; then some are removed, so that there is work again. The run that is at last let
end must give the whole table. Then two sweeps of one profile start at once in an empty folder.
Prints a table for benchmarks/README.md.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

KILLS = 20
PROFILE = """
description: A sweep to be killed.
datasets: [digits, mini-inat, textures]
encoders: [raw_pixels, mini_dino_vit, efficientnet_lite0]
clusterers: [kmeans, ac_with_c, affinity_propagation, hdbscan]
seeds: [1]
max_samples: 120
reference: efficientnet_lite0
"""


def begin(profile: Path, build: Path, out: Path) -> subprocess.Popen:
    """Begin a sweep in a group of processes of its own."""
    words = ["sweep", "--profile", str(profile), "--jobs", "2", "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, "-c", "from zsc_utils.cli import main; main()", *words],
        env=os.environ | {"ZSC_BUILD": str(build)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def results(build: Path) -> dict[str, dict]:
    """Read every result; one that is cut short raises."""
    return {
        str(file.relative_to(build)): json.loads(file.read_text())
        for file in (build / "results").rglob("*.json")
    }


def scores(build: Path) -> dict[str, dict]:
    """Read every result without the seconds that it took."""
    found = results(build)
    for content in found.values():
        del content["row"]["seconds"]
    return found


def forget_some(build: Path) -> None:
    """Remove every other result and embedding, so that the next run has all kinds of work to do."""
    for file in (build / "results").rglob("*.json"):
        if random.random() < 0.5:
            file.unlink()
    for folder in [*(build / "cache" / "embeddings").glob("*/*-*")]:
        if random.random() < 0.3:
            shutil.rmtree(folder)


def table(file: Path) -> pd.DataFrame:
    """Read a table without the seconds that cells took."""
    return pd.read_csv(file).drop(columns="seconds")


def main() -> None:
    """Print what was there after each kill, and how the runs ended."""
    random.seed(0)
    with tempfile.TemporaryDirectory(prefix="zsc-faults-") as name:
        folder = Path(name)
        profile, out = folder / "faults.yaml", folder / "out.csv"
        profile.write_text(PROFILE)
        start = time.perf_counter()
        begin(profile, folder / "alone", out).communicate()
        whole = time.perf_counter() - start
        expected = table(out)
        print(f"undisturbed: {len(expected)} cells in {whole:.0f} s\n")
        wanted = scores(folder / "alone")
        print("| kill | after, s | there before | there after | lost | other than undisturbed |")
        print("|---|---|---|---|---|---|")
        for kill in range(1, KILLS + 1):
            before = scores(folder / "killed")
            run = begin(profile, folder / "killed", out)
            moment = random.uniform(0.2, 0.95) * whole
            try:
                run.wait(moment)
            except subprocess.TimeoutExpired:
                os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            now = scores(folder / "killed")
            lost = len(before.keys() - now.keys())
            other = sum(row != wanted[file] for file, row in now.items())
            row = (kill, f"{moment:.1f}", len(before), len(now), lost, other)
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
            forget_some(folder / "killed")
        _, said = begin(profile, folder / "killed", out).communicate()
        warned = sum("damaged" in line for line in said.splitlines())
        same = table(out).equals(expected)
        print(f"\nlet end: the same table: {same}; damaged files met: {warned}")
        pair = [begin(profile, folder / "two", folder / f"{i}.csv") for i in (1, 2)]
        for run in pair:
            run.communicate()
        ends = [run.returncode for run in pair]
        equal = [table(folder / f"{i}.csv").equals(expected) for i in (1, 2)]
        print(f"two at once: ended with {ends}; the same table: {equal}")


if __name__ == "__main__":
    main()
