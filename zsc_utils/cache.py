"""Files that are written whole or not at all, and fingerprints that name what they hold."""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import logging
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zsc_utils.errors import CacheDamagedError, StorageError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

log = logging.getLogger(__name__)

Content = TypeVar("Content")

ROOT = Path(__file__).resolve().parent.parent


def from_project(path: str | Path) -> Path:
    """Find a path that stands in a profile, a notebook or the environment.

    A relative one begins at the project's folder, whatever the working folder: notebooks run in
    other folders than `make`. `~` is the home folder.
    """
    return ROOT / os.path.expanduser(path)


def readable(path: str | Path) -> str:
    r"""Write a path or a part of one so that it can be printed and stored: one line of UTF-8.

    Bytes that are no UTF-8 become `\xe9` and the like, as do control characters.
    """

    def escaped(found: re.Match) -> str:
        code = ord(found[0])
        # Python reads bytes that are no UTF-8 as halves of characters, from U+DC80 on.
        return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else ascii(found[0])[1:-1]

    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", escaped, str(path))


def build_folder() -> Path:
    """Folder of all that can be computed again: `ZSC_BUILD`, else the project's `build/`."""
    return from_project(os.environ.get("ZSC_BUILD") or "build")


def figures_folder(profile: str) -> Path:
    """Folder of a profile's figures and tables, inside the project."""
    return ROOT / "figures" / profile


def data_folder() -> Path:
    """Folder of the datasets that do not come with the installation: `DATA_ROOT`, else `data/`."""
    return from_project(os.environ.get("DATA_ROOT") or "data")


FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}


def is_of(error: OSError, path: Path) -> bool:
    """Tell whether an error is of a path, of what is above or below it, or of a draft of it."""
    file = os.path.abspath(error.filename2 or error.filename or path)
    path = Path(os.path.abspath(path))
    drafts = path.parent / f".{path.name[:40]}."
    return path.is_relative_to(file) or file.startswith((f"{path}{os.sep}", str(drafts)))


def advice(error: OSError, path: Path) -> str:
    """Say what to do about an error of writing to a path; empty where it is another error."""
    # NumPy counts what it could write, and says no more.
    if error.errno in FULL or (error.errno is None and "requested and" in str(error)):
        return "no space is left (or none that you may use): free some and run again"
    if error.errno in FORBIDDEN and is_of(error, path):
        known = {"ZSC_BUILD": build_folder(), "DATA_ROOT": data_folder()}
        named_by = [f" ({name})" for name in known if path.is_relative_to(known[name])]
        another = "".join(named_by[:1])
        return f"the folder may not be written to: change that, or name another one{another}"
    return ""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path that takes the place of `path` when the block ends without error.

    Works for a file or, where the block makes one, a folder. A reader sees the old content, the
    new, or nothing; never a part. A folder that is there already stays: someone else was faster.

    Raises
    ------
    StorageError
        There is no space, or the folder may not be written to.
    """
    path = Path(path)
    with said_where_it_is_written(path), _draft_of(path) as draft:
        yield draft


@contextmanager
def said_where_it_is_written(path: Path) -> Iterator[None]:
    """Raise `StorageError`, which says what to do, where a block cannot write to a path."""
    try:
        yield
    except OSError as error:
        if (what := advice(error, path)) and not isinstance(error, StorageError):
            raise StorageError(f"cannot write {path}: {what}; what is finished is kept") from error
        raise


@contextmanager
def _draft_of(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    workspace = Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", dir=path.parent))
    draft = workspace / path.name
    try:
        yield draft
        if draft.is_dir():
            try:
                os.rename(draft, path)
            except OSError:
                if not path.is_dir():
                    raise
        else:
            os.replace(draft, path)
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


@contextmanager
def held(folder: Path, name: str) -> Iterator[None]:
    """Have a name to oneself among all processes that use a folder: wait for who has it.

    However a process ends, the system frees what it held. Where there are no such locks (Windows,
    some network disks) nobody waits, and two may compute the same. A process holds one at a time:
    to free a second would free the first.
    """
    with ExitStack() as stack:
        with suppress(ImportError, OSError):
            import fcntl

            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(open(folder / ".held", "ab"))
            # Of one file each name has its own byte, which need not be there.
            fcntl.lockf(file, fcntl.LOCK_EX, 1, int(fingerprint({"name": name})[:15], 16))
        yield


def fingerprint(settings: Mapping) -> str:
    """Sixteen hexadecimal digits that change when any setting does.

    Parameters
    ----------
    settings
        Nested mappings and sequences of strings, numbers, booleans and None.
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _version(package: str) -> str:
    """Version of one package: kept, as reading it takes a millisecond and each cell asks twenty."""
    return importlib.metadata.version(package)


def versions(*packages: str) -> dict[str, str]:
    """Installed versions of packages, without importing them."""
    return {package: _version(package) for package in packages}


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_array(path: Path) -> np.ndarray:
    """Read an `.npy` file as a read-only memory map.

    Raises
    ------
    CacheDamagedError
        The file is cut short or is no array.
    """
    import numpy as np

    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise CacheDamagedError(f"cached array {path} is cut short or damaged ({error})") from error


def save_table(table: pd.DataFrame, path: Path, float_format: str | None = None) -> None:
    """Write a table as a CSV file, whole or not at all; its index is left out."""
    with atomic_path(path) as draft:
        table.to_csv(draft, index=False, float_format=float_format)


def read_if_whole(path: Path, read: Callable[[Path], Content], damaged: str) -> Content | None:
    """Read a file that was written whole; None where there is none.

    Parameters
    ----------
    path
        The file.
    read
        Reads it, and raises where it is cut short or not what was written.
    damaged
        Warning of such a file, which counts as not there: with places for its path and the error.
    """
    try:
        return read(path)
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError, zlib.error, OSError) as error:
        log.warning(damaged, path, error)
        return None


def load_table(path: Path, columns: Sequence[str]) -> pd.DataFrame | None:
    """Read a CSV file that was written whole; None where there is none, or one lacks a column."""
    import pandas as pd

    def read(path: Path) -> pd.DataFrame:
        if not path.read_bytes().endswith(b"\n"):
            raise ValueError("its last line is cut short")
        table = pd.read_csv(path)
        lacking = [name for name in columns if name not in table]
        if lacking:
            raise ValueError(f"no column {', '.join(lacking)}")
        return table

    return read_if_whole(path, read, "%s is damaged (%s): it is computed again")


class ArrayFolder(MutableMapping):
    """Arrays by name, each an `.npy` file of one folder, memory-mapped when read.

    A damaged file is warned of, removed and counts as not there.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def __getitem__(self, name: str) -> np.ndarray:
        if not self._path(name).exists():
            raise KeyError(name)
        try:
            return load_array(self._path(name))
        except CacheDamagedError as error:
            log.warning("%s: it is computed again", error)
            self._path(name).unlink(missing_ok=True)
            raise KeyError(name) from error

    def __setitem__(self, name: str, array: np.ndarray) -> None:
        import numpy as np

        with atomic_path(self._path(name)) as draft:
            np.save(draft, array, allow_pickle=False)

    def __delitem__(self, name: str) -> None:
        self._path(name).unlink()

    def __iter__(self) -> Iterator[str]:
        return (path.stem for path in sorted(self.folder.glob("*.npy")))

    def __len__(self) -> int:
        return sum(1 for _ in self)
