"""Kill sweeps and embeddings, run two at once, take their disk: `python benchmarks/faults.py`.

A small sweep is begun again and again in one build folder and killed (SIGKILL, all its processes)
at a random moment; one that had ended by then does not count. After each kill every result that is
there must be whole and that of a run that nobody disturbed, and what had clusters must have them
still; then some results are removed, so that there is work again. The run that is at last let end
must give the whole table. Then two sweeps of one profile start at once in an empty folder. An
embedding is killed likewise (`--embedding` does that alone, `--sweep` the sweeps). Where this user
may mount a tmpfs, the disk of a sweep then fills up and is made read-only; rows lose a field, as
those of older code would lack it; and all files get a time to come, as if the clock had been set
back (`--storage`). Prints tables for benchmarks/README.md.
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
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from zsc_utils.embedding import SHARD

KILLS = 20
IMAGES = 5 * SHARD + 500
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


def command(words: list, build: Path) -> subprocess.Popen:
    """Begin a command in a group of processes of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from zsc_utils.cli import main; main()", *map(str, words)],
        env=os.environ | {"ZSC_BUILD": str(build)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def begin(profile: Path, build: Path, out: Path) -> subprocess.Popen:
    """Begin a sweep."""
    return command(["sweep", "--profile", profile, "--jobs", "2", "--out", out], build)


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


def unscored(build: Path) -> set[str]:
    """List what has clusters and still lacks silhouettes, by the files that will be its results."""
    drafts = (build / "results").rglob("*.clustered")
    return {str(file.with_suffix(".json").relative_to(build)) for file in drafts}


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


def kill_some(
    begin_one: Callable, there: Callable[[], int], most: int, pause: float
) -> Iterator[tuple[int, float]]:
    """Begin runs and kill each at a random moment; one that had ended by then does not count.

    The moment comes up to `pause` seconds after a random number of files, of `most`, are there: by
    the clock alone nothing would be there yet on a machine that is busy.
    """
    kill = 0
    while kill < KILLS:
        run, start = begin_one(), time.perf_counter()
        wanted, late, since = (
            random.randint(min(there(), most), most),
            random.uniform(0, pause),
            None,
        )
        while True:
            try:
                run.communicate(timeout=0.05)
                yield 0, 0.0
                break
            except subprocess.TimeoutExpired:
                now = time.perf_counter()
                since = since or (now if there() >= wanted else None)
                if since and now - since >= late:
                    os.killpg(run.pid, signal.SIGKILL)
                    run.communicate()
                    kill += 1
                    yield kill, now - start
                    break


def kill_sweeps(folder: Path) -> None:
    """Print what was there after each kill of a sweep, and how two at once ended."""
    profile, out, build = folder / "faults.yaml", folder / "out.csv", folder / "killed"
    profile.write_text(PROFILE)
    start = time.perf_counter()
    begin(profile, folder / "alone", out).communicate()
    whole = time.perf_counter() - start
    expected, wanted = table(out), scores(folder / "alone")
    print(f"undisturbed: {len(expected)} cells in {whole:.0f} s\n")
    columns = ("kill", "after, s", "there before", "there after", "and unscored")
    print("| " + " | ".join((*columns, "lost", "other than undisturbed")) + " |")
    print("|---|---|---|---|---|---|---|")
    ended, before = 0, set()
    files = ("results/*/*/*.*", "cache/embeddings/*/*-*/meta.json")
    begun = kill_some(
        lambda: begin(profile, build, out),
        lambda: sum(1 for pattern in files for _ in build.glob(pattern)),
        most=len(expected) + len(expected) // 4,
        pause=whole / 10,
    )
    for kill, moment in begun:
        now, drafts = scores(build), unscored(build)
        lost = len(before - now.keys() - drafts)
        other = sum(row != wanted[file] for file, row in now.items())
        row = (kill, f"{moment:.1f}", len(before), len(now), len(drafts - now.keys()), lost, other)
        ended += not kill
        if kill:
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
        elif lost or other:
            print(f"ended by itself: {lost} lost, {other} other")
        forget_some(build)
        before = scores(build).keys() | unscored(build)
    _, said = begin(profile, build, out).communicate()
    warned = sum("damaged" in line for line in said.splitlines())
    same = table(out).equals(expected)
    print(f"\n{ended} ended before their moment and are not in the table")
    print(f"let end: the same table: {same}; damaged files met: {warned}")
    pair = [begin(profile, folder / "two", folder / f"{i}.csv") for i in (1, 2)]
    for run in pair:
        run.communicate()
    ends = [run.returncode for run in pair]
    equal = [table(folder / f"{i}.csv").equals(expected) for i in (1, 2)]
    print(f"two at once: ended with {ends}; the same table: {equal}\n")


def kill_embeddings(folder: Path) -> None:
    """Print which parts of an embedding were there after each kill, and what the end was."""
    images, build = folder / "images", folder / "embedding"
    images.mkdir()
    noise = np.random.default_rng(0)
    for i in range(IMAGES):
        pixels = noise.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{i:05}.png")

    def embed(out: str, build: Path) -> subprocess.Popen:
        words = ["embed", "--encoder", "mini_dino_vit", "--images", images, "--out", folder / out]
        return command([*words, "--device", "cpu"], build)

    start = time.perf_counter()
    embed("whole.npz", folder / "alone").communicate()
    whole = time.perf_counter() - start
    print(f"undisturbed: {IMAGES} images in {whole:.0f} s\n")
    print("| kill | after, s | parts there before | parts there after | lost |")
    print("|---|---|---|---|---|")
    before: set[str] = set()

    def parts() -> set[str]:
        return {file.name for file in build.rglob("unfinished/*/*.npy")}

    begun = kill_some(
        *(lambda: embed("again.npz", build), lambda: len(parts())),
        most=IMAGES // SHARD,
        pause=whole * SHARD / IMAGES,
    )
    for kill, moment in begun:
        # Parts go when the whole is written.
        now, written = parts(), (folder / "again.npz").exists()
        if kill:
            lost = 0 if written else len(before - now)
            row = (kill, f"{moment:.1f}", len(before), "the whole" if written else len(now), lost)
            print("| " + " | ".join(map(str, row)) + " |", flush=True)
        (folder / "again.npz").unlink(missing_ok=True)
        # All are there: from the beginning again.
        if len(now) * SHARD >= IMAGES - SHARD:
            shutil.rmtree(build / "cache" / "unfinished", ignore_errors=True)
            now = set()
        before = now
    embed("again.npz", build).communicate()
    arrays = [np.load(folder / name)["embeddings"] for name in ("whole.npz", "again.npz")]
    print(f"\nlet end: the same embeddings: {np.array_equal(*arrays)}\n")


def main() -> None:
    """Print what was there after each fault, and how the runs ended."""
    random.seed(0)
    with tempfile.TemporaryDirectory(prefix="zsc-faults-") as name:
        folder = Path(name)
        faults = {
            "--sweep": kill_sweeps,
            "--embedding": kill_embeddings,
            "--storage": storage_faults,
        }
        for fault in [faults[word] for word in sys.argv[1:]] or faults.values():
            fault(folder)


if __name__ == "__main__":
    main()
