"""LSUN scenes, one LMDB database each.

torchvision's reader is not used: it keeps lists of keys as pickles in the working folder, and
reading such a file runs what it holds.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from zsc_utils.datasets.decoding import decode_image
from zsc_utils.datasets.study.listing import locate, reading, sha256, strings
from zsc_utils.datasets.study.tables import Incomplete, Roots, paper_dataset

SCENES = (
    *("bedroom", "bridge", "church_outdoor", "classroom", "conference_room"),
    *("dining_room", "kitchen", "living_room", "restaurant", "tower"),
)


@cache
def open_database(folder: str, process: int):
    """Open a database; each process needs its own."""
    import lmdb

    return lmdb.open(folder, readonly=True, lock=False, readahead=False, meminit=False)


@dataclass(frozen=True)
class DatabaseImages:
    """Images by position in several databases."""

    folders: tuple[Path, ...]
    keys: tuple[tuple[int, bytes], ...]

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> Image.Image:
        scene, key = self.keys[index]
        folder = self.folders[scene]
        with open_database(str(folder), os.getpid()).begin() as transaction:
            data = transaction.get(key)
        return decode_image(io.BytesIO(data), f"{folder} {key.decode(errors='replace')}")


def database_keys(folder: Path) -> list[bytes]:
    """Keys of a database, sorted."""
    with open_database(str(folder), os.getpid()).begin() as transaction:
        return list(transaction.cursor().iternext(keys=True, values=False))


@paper_dataset("lsun", version=1)
def lsun(roots: Roots, partition: str):
    """Open LSUN: ten kinds of scene; the validation images are for test."""
    suffix = {"test": "val", "train": "train"}[partition] + "_lmdb"
    base, _ = locate(roots, *(f"{scene}_{suffix}" for scene in SCENES))
    folders = tuple(base / f"{scene}_{suffix}" for scene in SCENES)
    missing = [folder.name for folder in folders if not (folder / "data.mdb").is_file()]
    if missing:
        raise Incomplete(f"no {', '.join(missing)}")
    keys = [(i, key) for i, folder in enumerate(folders) for key in database_keys(folder)]
    labels = strings({"scene": [SCENES[scene] for scene, _ in keys]})
    content = {
        "keys": sha256(b"\n".join(key for _, key in keys)),
        "bytes": [(folder / "data.mdb").stat().st_size for folder in folders],
        **reading(labels),
    }
    return DatabaseImages(folders, tuple(keys)), labels, None, content
