"""Weights files that others published: where they lie, fetched where they do not, and checked.

A file is looked for in the folder `WEIGHTS_ROOT`, where that is set, then in torch's own cache
(`torch.hub.get_dir()/checkpoints`, which torchvision and timm share). Nothing is fetched but by
`WeightsFile.fetch`: describing an encoder says that weights are missing, loading it fetches them.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from tqdm.auto import tqdm

from zsc_utils.cache import atomic_path, build_folder, file_sha256, fingerprint, from_project
from zsc_utils.errors import CheckpointError, WeightsMissingError

SHA256 = re.compile(r"[0-9a-f]{64}")
# As torchvision and timm name files: the first digits of the SHA-256 before the suffix.
HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
# More than one project publishes a ResNet-50 under this name, with the same keys: in a cache that
# all share it may be anyone's.
AMBIGUOUS = ("resnet50.pth",)
TIMEOUT = 60  # seconds without an answer


def own_folder() -> Path | None:
    """Folder of weights that the user names, or None."""
    root = os.environ.get("WEIGHTS_ROOT")
    return from_project(root) if root else None


def shared_cache() -> Path:
    """Folder in which all users of torch keep what they fetched."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


@dataclass(frozen=True)
class WeightsFile:
    """An encoder's file of weights: published, or one that this project can make.

    Parameters
    ----------
    encoder
        The encoder that needs it.
    names
        File names, any of which will do; it is fetched under the first.
    url
        Where the file is published; None where it is not.
    """

    encoder: str
    names: tuple[str, ...]
    url: str | None = None

    def places(self) -> Iterator[Path]:
        """Paths at which the file is looked for."""
        if root := own_folder():
            yield from (root / name for name in self.names)
        yield from (shared_cache() / name for name in self.names if name not in AMBIGUOUS)

    def find(self) -> Path | None:
        """Path of the file, or None where it is not there."""
        return next((path for path in self.places() if path.is_file()), None)

    def locate(self) -> Path:
        """Path of the file.

        Raises
        ------
        WeightsMissingError
            It is not there.
        """
        found = self.find()
        if found:
            return found
        way_out = (
            f"fetch it from {self.url} with `zsc weights {self.encoder}`, or put it there by hand"
            if self.url
            else "it was never published; `zsc finetune` makes it, or name a file with --checkpoint"
        )
        places = " or ".join(map(str, self.places()))
        raise WeightsMissingError(
            f"weights of encoder {self.encoder} are missing: no {places}; {way_out}"
        )

    def fetch(self) -> Path:
        """Path of the file, fetched where it is not there.

        Raises
        ------
        WeightsMissingError
            It is not there and was never published.
        CheckpointError
            It cannot be fetched, or is not the file that its name or its record says.
        """
        if self.find() or not self.url:
            self.sha256()
            return self.locate()
        file = (own_folder() or shared_cache()) / self.names[0]
        download(self.url, file)
        return file

    def sha256(self) -> str:
        """SHA-256 of the file.

        Raises
        ------
        WeightsMissingError
            It is not there.
        CheckpointError
            It is not the file that its name or its record says.
        """
        path = self.locate()
        digest = remembered_sha256(path)
        check_sha256(path, digest)
        return digest


def record_of(file: Path) -> Path:
    """Path of the record of a fetched file: its SHA-256, as `sha256sum` writes it."""
    return file.with_name(f"{file.name}.sha256")


def check_sha256(file: Path, digest: str) -> None:
    """Compare a SHA-256 with what a file's name says, and with its record where there is one.

    Raises
    ------
    CheckpointError
        They differ, or the record holds no SHA-256.
    """
    named = HASH_IN_NAME.search(file.name)
    expected = {"its name": named[1]} if named else {}
    record = record_of(file)
    if record.is_file():
        expected[str(record)] = record.read_text(errors="replace").partition(" ")[0].strip()
    for source, start in expected.items():
        if not start or not digest.startswith(start):
            raise CheckpointError(
                f"weights {file} are damaged or were replaced: their SHA-256 is {digest}, "
                f"{source} says {start or 'nothing'}; remove the file and its record, and fetch it "
                "again"
            )


def remembered_sha256(path: Path) -> str:
    """SHA-256 of a large file, computed once.

    It is kept in the build folder under the file's path, size and time of change: a file that was
    damaged without a new time of change is not noticed.
    """
    path = path.resolve()
    found = path.stat()
    state = {"path": str(path), "size": found.st_size, "changed": found.st_mtime_ns}
    note = build_folder() / "cache" / "sha256" / fingerprint(state)
    if note.is_file() and SHA256.fullmatch(said := note.read_text(errors="replace")):
        return said
    digest = file_sha256(path)
    # A file this young may change once more within one tick of the file system's clock.
    if time.time() - found.st_mtime > 2:
        # A folder that cannot be written to costs time, nothing else.
        with suppress(OSError), atomic_path(note) as draft:
            draft.write_text(digest)
    return digest


def download(url: str, file: Path) -> None:
    """Fetch a file with a progress bar, whole or not at all, and write its record.

    Raises
    ------
    CheckpointError
        The server cannot be reached, ends too early or sends something else than the name says, or
        the folder cannot be written to.
    """
    # Some servers turn away what names no client.
    request = Request(url, headers={"User-Agent": "zsc-utils"})
    try:
        with atomic_path(file) as draft:
            with urlopen(request, timeout=TIMEOUT) as response, draft.open("wb") as out:
                size = int(response.headers.get("Content-Length") or 0)
                bar = {"desc": file.name, "total": size or None, "leave": False}
                with tqdm.wrapattr(out, "write", **bar) as stream:
                    shutil.copyfileobj(response, stream, 2**20)
            if size and draft.stat().st_size != size:
                raise OSError(f"{draft.stat().st_size} of {size} bytes came")
            digest = file_sha256(draft)
            named = HASH_IN_NAME.search(file.name)
            if named and not digest.startswith(named[1]):
                raise OSError(f"what came has the SHA-256 {digest}, which its name does not")
            # A record of an earlier file would speak against the new one.
            record_of(file).unlink(missing_ok=True)
        with atomic_path(record_of(file)) as draft:
            draft.write_text(f"{digest}  {file.name}\n")
    except (OSError, HTTPException) as error:
        raise CheckpointError(
            f"cannot fetch {url}: {str(error) or type(error).__name__}; put the file into "
            f"{file.parent} by hand, or name it with --checkpoint"
        ) from error
