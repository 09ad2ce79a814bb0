"""Who computes: processes of this machine, or the workers of a Dask scheduler.

Workers on other machines read and write the same build folder by the same path, and find datasets
and weights as this machine does. A worker for which this is not so is refused by name.
"""

from __future__ import annotations

import hashlib
import platform
import secrets
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import resource_tracker
from pathlib import Path

from joblib import Parallel, delayed
from joblib.externals.loky.backend import resource_tracker as loky_resource_tracker
from joblib.externals.loky.process_executor import TerminatedWorkerError

from zsc_utils.cache import versions
from zsc_utils.clustering import CLUSTERERS
from zsc_utils.edits import LOADED, PACKAGE, check_code, guarded
from zsc_utils.errors import WorkerError
from zsc_utils.reduction import REDUCERS

# Packages whose versions all results are named by, beside those of reducers and clusterers.
LIBRARIES = ("torch", "torchvision", "timm", "pillow", "numpy", "scipy", "scikit-learn")
# For the scheduler to answer, and workers to introduce themselves.
PATIENCE = 20


@dataclass(frozen=True)
class Workers:
    """Where calls are computed.

    Parameters
    ----------
    n
        How many calls at once.
    memory
        Bytes that there are for all calls that run at once.
    call
        Takes calls, each a function and its arguments, and how many to compute at once; gives what
        they return as it comes.
    remote
        Whether they run on machines that must embed as well.
    """

    n: int
    memory: float
    call: Callable[[Iterable[tuple], int], Iterator]
    remote: bool = False

    @property
    def most(self) -> float:
        """Bytes that one call may take: on one machine all, where it runs alone."""
        return self.memory / self.n if self.remote else self.memory


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back until the block ends, and for good from processes that start in it.

    They are ended by this one, which says what happened.
    """
    # Windows has no masks.
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # To start these lets signals through.
    for tracker in (resource_tracker, loky_resource_tracker):
        tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def in_processes(calls: Iterable[tuple], jobs: int) -> Iterator:
    """Call functions, so many at once, and yield what they give as it comes.

    Parameters
    ----------
    calls
        A function and its arguments each. Their processes must have this one's code.
    jobs
        How many at once.

    Raises
    ------
    CodeChangedError
        A process has other code.
    WorkerError
        The system ended a process.
    """
    calls = [delayed(guarded)(LOADED, *call) for call in calls]
    try:
        with interrupts_held():
            found = Parallel(n_jobs=jobs, return_as="generator_unordered")(calls)
        yield from found
    except TerminatedWorkerError as error:
        raise WorkerError(
            "the system ended a worker process, most likely for want of memory; results "
            "so far are kept: run again with fewer jobs"
        ) from error


@cache
def introduction() -> dict[str, str]:
    """What a process computes with: the package's code, Python, libraries."""
    digest = hashlib.sha256()
    for name in sorted(LOADED):
        digest.update(name.encode() + b"\0" + (PACKAGE / name).read_bytes())
    known = [*REDUCERS.facts().values(), *CLUSTERERS.facts().values()]
    others = {library for facts in known for library in facts.libraries}
    return {
        "the code of zsc_utils": digest.hexdigest()[:12],
        "Python": platform.python_version(),
        **versions(*LIBRARIES, *sorted(others)),
    }


def admitted(expected: dict[str, str], token: Path) -> str:
    """Say why this process must not compute for another; empty where it may.

    Parameters
    ----------
    expected
        The `introduction` of the other.
    token
        A file that the other wrote into its build folder.
    """
    found = introduction()
    reasons = [
        f"{what} {found[what]}, not {wanted}"
        for what, wanted in expected.items()
        if found[what] != wanted
    ]
    if not token.exists():
        reasons.append(f"no folder {token.parent} that both can see")
    return "; ".join(reasons)


def guarded_remotely(expected: dict[str, str], token: Path, function: Callable, *args):
    """Call a function on a worker, which may have joined late, where it is admitted."""
    if why := admitted(expected, token):
        from distributed import get_worker

        raise WorkerError(f"worker {get_worker().address} has {why}")
    return function(*args)


@contextmanager
def local(jobs: int, memory: float) -> Iterator[Workers]:
    """Compute in processes of this machine."""
    yield Workers(jobs, memory, in_processes)


@contextmanager
def dask(scheduler: str, build: Path) -> Iterator[Workers]:
    """Compute on the workers of a Dask scheduler.

    Parameters
    ----------
    scheduler
        Its address, such as tcp://10.0.0.1:8786.
    build
        Folder of caches and results, which all workers see by the same path.

    Raises
    ------
    WorkerError
        The scheduler does not answer or is gone, there are no workers, or one is refused.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise WorkerError("a scheduler takes Dask: pip install 'zsc-utils[cluster]'") from error
    check_code()
    build.mkdir(parents=True, exist_ok=True)
    token = build / f".seen-{secrets.token_hex(8)}"
    token.touch()
    try:
        with Client(scheduler, timeout=PATIENCE, set_as_default=False) as client:
            n, memory = welcome(client, scheduler, token)
            yield Workers(
                n, memory, lambda calls, _: on_workers(client, calls, token, scheduler), True
            )
    except (OSError, TimeoutError) as error:
        raise WorkerError(
            f"the scheduler at {scheduler} does not answer ({error}); results so far are kept"
        ) from error
    finally:
        token.unlink(missing_ok=True)


def welcome(client, scheduler: str, token: Path) -> tuple[int, float]:
    """Check all workers; say how many there are and how much memory they have together.

    As much as the smallest has is counted for each.
    """
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise WorkerError(f"the scheduler at {scheduler} has no workers: start some first")
    threads = {address: facts["nthreads"] for address, facts in workers.items()}
    reasons = client.run(admitted, introduction(), token)
    for address, why in reasons.items():
        # Numbers depend on how many threads a process computes with: one, as here.
        if threads[address] > 1:
            why = f"{threads[address]} threads, where one is asked for (--nthreads 1); {why}"
        if why:
            raise WorkerError(f"worker {address} has {why.rstrip('; ')}")
    # No limit is said as 0.
    memory = min(facts["memory_limit"] or float("inf") for facts in workers.values())
    return len(workers), len(workers) * memory


def on_workers(client, calls: Iterable[tuple], token: Path, scheduler: str) -> Iterator:
    """Call functions on workers, and yield what they give as it comes.

    A call whose worker is lost goes to another; when it has cost some workers it is given up, and
    the others are computed nonetheless.
    """
    from distributed import KilledWorker, as_completed

    known = introduction()
    futures = [client.submit(guarded_remotely, known, token, *call, pure=False) for call in calls]
    lost = 0
    try:
        for future in as_completed(futures, loop=client.loop):
            error = future.exception()
            if isinstance(error, KilledWorker):
                lost += 1
            elif error is not None:
                raise error
            else:
                yield future.result()
    except CancelledError as error:
        raise WorkerError(
            f"the scheduler at {scheduler} is gone; results so far are kept: run again"
        ) from error
    finally:
        client.cancel(futures)
    if lost:
        raise WorkerError(
            f"{lost} of {len(futures)} calls ended their workers again and again, most likely for "
            "want of memory; all other results are kept"
        )
