"""What numba compiles is kept on disk: once a machine, in place of once a process.

umap-learn compiles the loops of its descent anew in each process, which takes ten times as long as
the descent itself for a few hundred samples.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import platformdirs

from zsc_utils.cache import build_folder

log = logging.getLogger(__name__)

# What is compiled for all reductions together takes a few megabytes.
NEEDED = 64 * 2**20


@cache
def compiled_folder() -> Path | None:
    """Find a folder for compiled code: the first that can be written and has 64 MB to spare.

    They are `NUMBA_CACHE_DIR`, where that is set, or else the user's cache folder and the build
    folder: what is read there is run, so that it must be nobody else's. None where none will do.
    """
    named = os.environ.get("NUMBA_CACHE_DIR")
    users = Path(platformdirs.user_cache_dir("zsc-utils")) / "compiled"
    places = [Path(named)] if named else [users, build_folder() / "cache" / "compiled"]
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=place):
                if shutil.disk_usage(place).free >= NEEDED:
                    return place
        except OSError:
            continue
    log.warning(
        "no folder for compiled code (%s): each process compiles anew; NUMBA_CACHE_DIR names one",
        ", ".join(map(str, places)),
    )
    return None


@cache
def keep_loops(module: str) -> None:
    """Have numba keep the loops of an imported module: asked once, as to find them takes time."""
    from numba.core.caching import NullCache
    from numba.core.dispatcher import Dispatcher

    for found in list(vars(sys.modules[module]).values()):
        if isinstance(found, Dispatcher) and isinstance(found._cache, NullCache):
            found.enable_caching()


@contextmanager
def kept(*packages: str) -> Iterator[None]:
    """Keep what numba compiles of imported packages in the block, and read what is kept.

    The code is the same, and so are its numbers, to the bit.

    Parameters
    ----------
    packages
        Names of packages. Loops of theirs that numba cannot keep are compiled in each process.
    """
    import numba

    folder = compiled_folder()
    if folder is not None:
        numba.config.CACHE_DIR = str(folder)
        for name in sorted(sys.modules):
            if name.partition(".")[0] in packages:
                keep_loops(name)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Cannot cache compiled function")
        yield


@contextmanager
def one_numba_thread() -> Iterator[None]:
    """Run parallel loops in one thread: for few samples that can be ten times as fast.

    And where work is parted by the number of threads, results do not depend on the machine's.
    """
    import numba

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)
