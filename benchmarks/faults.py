"""Kill a sweep at random moments, run two at once, take its disk: `python benchmarks/faults.py`.

A small sweep is begun again and again in one build folder and killed (SIGKILL, all its processes)
at a random moment. After each kill every result that is there must be whole and that of a run that
nobody disturbed; then some are removed, so that there is work again. The run that is at last let
end must give the whole table. Then two sweeps of one profile start at once in an empty folder.
Where this user may mount a tmpfs, the disk then fills up and is made read-only; rows lose a field,
as those of older code would lack it; and all files get a time to come, as if the clock had been set
back. `--storage` does that alone. Prints tables for benchmarks/README.md.
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

# Of the one whose disk fails, which is small as well.
SMALL = """
description: A sweep whose disk fails.
datasets: [digits]
encoders: [raw_pixels, mini_dino_vit]
clusterers: [kmeans, ac_with_c, affinity_propagation, hdbscan]
seeds: [1]
max_samples: 60
reference: mini_dino_vit
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


def finish(profile: Path, build: Path, out: Path) -> tuple[int, str]:
    """Let a sweep end: its status, and its last line of error or warning."""
    run = begin(profile, build, out)
    _, said = run.communicate()
    lines = [line for line in said.splitlines() if line.startswith(("error", "WARNING", "Trace"))]
    return run.returncode, lines[-1].replace(str(build), "…") if lines else ""


def small_disk(place: Path, left: int) -> None:
    """Leave so many bytes of the disk of a place."""
    filler, free = place / "filler", shutil.disk_usage(place).free
    with open(filler, "ab") as stream:
        stream.write(b"\0" * (free - left))


def storage_faults(folder: Path) -> None:
    """Print how a sweep ends whose disk is full, read-only, of older code or of a time to come."""
    place, out, profile = folder / "disk", folder / "disk.csv", folder / "small.yaml"
    profile.write_text(SMALL)
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        print("no tmpfs can be mounted here: storage left out")
        return

    def row(what: str) -> None:
        before = scores(place)
        status, said = finish(profile, place, out)
        now = scores(place)
        kept = sum(now.get(file) == one for file, one in before.items())
        cells = (what, status, f"{kept} of {len(before)}", len(now), said or "—")
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)

    try:
        print("| fault | ends with | kept | there after | says |")
        print("|---|---|---|---|---|")
        small_disk(place, 20_000)
        row("disk full while embedding")
        (place / "filler").unlink()
        row("space again")
        shutil.rmtree(place / "cache" / "reductions")
        forget_some(place)
        small_disk(place, 60_000)
        row("disk full later")
        (place / "filler").unlink()
        row("space again")
        forget_some(place)
        remount = ["mount", "-o", "remount,ro", str(place)]
        subprocess.run(remount, check=True)
        row("read-only")
        subprocess.run([*remount[:2], "remount,rw", str(place)], check=True)
        row("writable again")
        for file in list((place / "results").rglob("*.json"))[::3]:
            content = json.loads(file.read_text())
            content["row"].pop("ami", None)
            file.write_text(json.dumps(content))
        row("rows of older code, without AMI")
        for file in place.rglob("*"):
            os.utime(file, (2e9 + 1e8, 2e9 + 1e8))
        for file in list((place / "results").rglob("*.json"))[::3]:
            file.unlink()
        row("clock set back")
    finally:
        subprocess.run(["umount", str(place)], check=True)


def main() -> None:
    """Print what was there after each fault, and how the runs ended."""
    random.seed(0)
    with tempfile.TemporaryDirectory(prefix="zsc-faults-") as name:
        folder = Path(name)
        profile, out = folder / "faults.yaml", folder / "out.csv"
        profile.write_text(PROFILE)
        if "--storage" in sys.argv:
            storage_faults(folder)
            return
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
        print(f"two at once: ended with {ends}; the same table: {equal}\n")
        storage_faults(folder)


if __name__ == "__main__":
    main()
