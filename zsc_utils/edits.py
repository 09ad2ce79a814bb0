"""Code that was edited after this process loaded it, which declared versions cannot tell.

Results are named by versions that people declare. In a notebook that runs for hours, code on disk
may no longer be the code that runs, and worker processes load what is on disk. Nothing is computed
then: otherwise a result of one code would be stored under the name of the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from zsc_utils.errors import CodeChangedError

PACKAGE = Path(__file__).resolve().parent
# What only reads results can be edited while they are computed.
READERS = {"study", "cli", "book.py"}


def times_of_change() -> dict[str, int]:
    """Times of change, in nanoseconds, of the files that results depend on."""
    names = {file.relative_to(PACKAGE): file for file in sorted(PACKAGE.rglob("*.py"))}
    return {
        name.as_posix(): file.stat().st_mtime_ns
        for name, file in names.items()
        if name.parts[0] not in READERS
    }


LOADED = times_of_change()


def check_code(loaded: dict[str, int] | None = None) -> None:
    """Refuse to compute with code that is not the one on disk, or not the one of the caller.

    Parameters
    ----------
    loaded
        What another process loaded, to compare this one's code with; by default the disk.

    Raises
    ------
    CodeChangedError
        They differ.
    """
    now = times_of_change() if loaded is None else loaded
    changed = sorted(
        name for name in now.keys() | LOADED.keys() if now.get(name) != LOADED.get(name)
    )
    if changed:
        more = f" and {len(changed) - 1} other files" if len(changed) > 1 else ""
        raise CodeChangedError(
            f"zsc_utils/{changed[0]}{more} changed since this process loaded the code: restart it "
            "(in JupyterLab: Kernel, Restart Kernel), raise the version= of what you changed, or "
            "call sweep(..., fresh=True) to compute anew what is there"
        )


def guarded(loaded: dict[str, int], function: Callable, *args):
    """Call a function in a worker process that must have the caller's code."""
    check_code(loaded)
    return function(*args)


def older_than_code(files: Iterable[Path]) -> str:
    """Say how many files are older than the newest code; nothing where none is."""
    name, newest = max(LOADED.items(), key=lambda item: item[1])
    old = sum(file.stat().st_mtime_ns < newest for file in files if file.exists())
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(newest / 1e9))
    return f"{old} are older than zsc_utils/{name} ({when})" if old else ""
