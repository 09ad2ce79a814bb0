"""Downloads: archives are fetched and unpacked beside the data, then moved to their place whole."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

from tqdm.auto import tqdm

from zsc_utils.cache import atomic_path, file_sha256
from zsc_utils.datasets.study.tables import place, sources_table
from zsc_utils.errors import DownloadError

# What torchvision's own downloads are asked for, class and settings: the test partition, and train
# where it is not many times larger.
TORCHVISION = {
    "cifar10": ("CIFAR10", [{}]),
    "cifar100": ("CIFAR100", [{}]),
    "places365": ("Places365", [{"split": "val", "small": True}]),
    "flowers102": ("Flowers102", [{}]),
    "inaturalist": ("INaturalist", [{"version": "2021_valid"}]),
    "celeba": ("CelebA", [{}]),
    "dtd": ("DTD", [{}]),
    "eurosat": ("EuroSAT", [{}]),
    "mnist": ("MNIST", [{}]),
    "fashionmnist": ("FashionMNIST", [{}]),
    "svhn": ("SVHN", [{"split": "test"}, {"split": "train"}]),
    "imagenette": ("Imagenette", [{"split": "train"}]),
}
ARCHIVES = {".tar", ".gz", ".tgz", ".zip"}
PART = ".part"
SUMS = "SHA256SUMS"
CHUNK = 1 << 20


def fetch(name: str, root: Path) -> None:
    """Download a dataset into the data root.

    Everything happens in `<root>/.downloads/<name>` first. Archives that are there whole are not
    fetched again, and one that was cut short goes on where its server can do so. The files are
    moved to their place when all of them are unpacked.

    Raises
    ------
    DownloadError
        The dataset cannot be downloaded by program, or the download failed.
    """
    source = sources_table().loc[name]
    if not source["download"]:
        raise DownloadError(
            f"{name} must be asked for at {source['page']}; then: {place(name, root)}"
        )
    workspace = root / ".downloads" / name
    content = workspace / "content"
    forget_unpacked(workspace)
    target = content / source["folder"]
    target.mkdir(parents=True, exist_ok=True)
    try:
        if source["download"] == "torchvision":
            by_torchvision(name, target)
        else:
            by_address(source["download"].split(), workspace / "archives", target)
    # Networks, servers, archives and torchvision fail in many ways; the run goes on with the next.
    except Exception as error:
        # Torchvision tells of several servers in as many lines.
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DownloadError(f"cannot download {name} ({reason}); see {source['page']}") from error
    for path in list(content.rglob("*")):
        if path.suffix in ARCHIVES and path.is_file():
            path.unlink()
    move_into(content, root)
    shutil.rmtree(workspace)


def forget_unpacked(workspace: Path) -> None:
    """Remove all but archives: what was being unpacked when a run was killed is not whole."""
    for path in sorted(workspace.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.suffix not in ARCHIVES | {PART}:
            path.unlink()


def by_torchvision(name: str, target: Path) -> None:
    """Let torchvision download and unpack; it checks the archives' MD5 sums."""
    import torchvision.datasets

    kind, calls = TORCHVISION[name]
    with resumable():
        for settings in calls:
            getattr(torchvision.datasets, kind)(target, download=True, **settings)


@contextmanager
def resumable() -> Iterator[None]:
    """Let torchvision's downloads go on where they broke off: its own begin anew."""
    from torchvision.datasets import utils

    theirs = utils._urlretrieve
    utils._urlretrieve = lambda address, path, *settings: download(address, Path(path))
    try:
        yield
    finally:
        utils._urlretrieve = theirs


def by_address(addresses: list[str], archives: Path, target: Path) -> None:
    """Download archives and unpack them into a folder."""
    from torchvision.datasets.utils import extract_archive

    archives.mkdir(parents=True, exist_ok=True)
    for address in addresses:
        archive = archives / Path(urlparse(address).path).name
        if not archive.exists():
            download(address, archive)
        sums = archives.parents[1] / SUMS
        try:
            line = check_sum(archive, address, sums)
            extract_archive(archive, target)
        except Exception:
            # Whole by its length but not by its content: fetched anew next time.
            archive.unlink()
            raise
        # Only of what could be unpacked: a damaged archive's would refuse the good one.
        record_sum(line, sums)


def check_sum(archive: Path, address: str, sums: Path) -> str:
    """Return an archive's SHA-256 as a line of `sums`; hold it against what came there before.

    Raises
    ------
    ValueError
        Another file came from the same address.
    """
    digest = file_sha256(archive)
    for known in sums.read_text().splitlines() if sums.exists() else []:
        before, _, place = known.partition("  ")
        if place == address and before != digest:
            raise ValueError(
                f"SHA-256 of {address} is {digest} and was {before} before: the file is damaged or "
                f"was replaced; if that is meant, remove its line from {sums}"
            )
    return f"{digest}  {address}\n"


def record_sum(line: str, sums: Path) -> None:
    """Add a line to the SHA-256 of archives that were fetched, unless it is there."""
    lines = sums.read_text() if sums.exists() else ""
    if line not in lines:
        with atomic_path(sums) as draft:
            draft.write_text(lines + line)


def download(address: str, path: Path) -> None:
    """Fetch a file; a part of it that is there already is not fetched again.

    Raises
    ------
    OSError
        The server cannot be reached, refuses, or stops before the end.
    """
    part = path.with_name(path.name + PART)
    start = part.stat().st_size if part.exists() else 0
    # Some servers turn away what names no client.
    headers = {"User-Agent": "zsc-utils"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(address, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416:
            raise
        # Nothing is left to fetch: all of it is there, or a part of another version.
        if error.headers.get("Content-Range") == f"bytes */{start}":
            os.replace(part, path)
            return
        part.unlink()
        return download(address, path)
    with response:
        if response.status != 206:
            # No partial content: from the beginning.
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with open(part, "ab" if start else "wb") as out:
            bar = {"total": total, "initial": start, "desc": path.name}
            with tqdm.wrapattr(out, "write", **bar) as stream:
                shutil.copyfileobj(response, stream, CHUNK)
    size = part.stat().st_size
    if total not in (None, size):
        raise OSError(f"{address} ended after {size:,} of {total:,} bytes; run again to go on")
    os.replace(part, path)


def move_into(source: Path, target: Path) -> None:
    """Move a file or folder; into a folder that is there already go the files one by one."""
    if source.is_dir() and target.is_dir():
        for child in sorted(source.iterdir()):
            move_into(child, target / child.name)
        source.rmdir()
    else:
        os.replace(source, target)
