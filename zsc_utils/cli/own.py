"""The command for a folder of images of one's own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from zsc_utils.cli.base import DeviceOption, PrecisionOption, app, split, typed_path

# Processes that look after semaphores say of those which were stopped that they left some.
TRACKERS = ("multiprocessing.resource_tracker", "joblib.externals.loky.backend.resource_tracker")


@contextmanager
def stopped_in_one_line() -> Iterator[None]:
    """Say in one line that the block was interrupted, and end with status 130."""
    ignored = [f"ignore::UserWarning:{name}" for name in TRACKERS]
    known = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = ",".join(filter(None, [known, *ignored]))

    def interrupt(*_):
        # Threads that hand out work trip over its being taken away.
        threading.excepthook = lambda _: None
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        # To end takes a moment, which nothing more can shorten.
        before = signal.SIG_IGN
        signal.signal(signal.SIGINT, before)
        from tqdm.auto import tqdm

        # What is said stands on a line of its own, even where a bar was only being drawn.
        for bar in list(getattr(tqdm, "_instances", ())):
            bar.close()
        clear = "\r\x1b[K"
        typer.echo(f"{clear}stopped; what is finished is kept: run it again to go on", err=True)
        raise typer.Exit(130) from None
    finally:
        signal.signal(signal.SIGINT, before)
        del os.environ["PYTHONWARNINGS"]
        if known is not None:
            os.environ["PYTHONWARNINGS"] = known


@app.command()
def cluster(
    folder: Annotated[Path, typer.Argument(parser=typed_path, help="Folder of images.")],
    out: Annotated[
        Path | None,
        typer.Option(
            parser=typed_path,
            metavar="FOLDER",
            help="Where results go; by default, in the working folder, its name and -clusters.",
        ),
    ] = None,
    encoders: Annotated[
        str, typer.Option(help="Names, with commas; auto takes all that are at hand.")
    ] = "auto",
    clusterers: Annotated[
        str, typer.Option(help="Names, with commas; auto takes the study's six.")
    ] = "auto",
    labels: Annotated[
        Path | None,
        typer.Option(
            parser=typed_path,
            metavar="CSV",
            help="Columns path and label: what clusters are scored against, and nothing else.",
        ),
    ] = None,
    max_images: Annotated[
        int | None, typer.Option(min=3, help="Take a random sample of so many.")
    ] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Make a folder of links, or copies, for each cluster.")
    ] = False,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch published weights of encoders that are named.")
    ] = False,
    without: Annotated[
        str | None,
        typer.Option(
            metavar="SET", help="Learn nothing from a set of the calibration: yours, if it is."
        ),
    ] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes at once; all processors by default.")
    ] = None,
):
    """Sort a folder of unlabelled images into clusters, and say how far to trust them.

    Writes clusters.csv, ranking.csv and report.html, and keeps embeddings beside them: images that
    were renamed cost nothing the next time, new ones themselves alone. The images are only read.
    """
    with stopped_in_one_line():
        # To load them takes long enough to be interrupted.
        from joblib import cpu_count

        from zsc_utils.own.command import Asked, sort_folder

        asked = Asked(
            folder=folder,
            out=out or Path(os.getcwd()) / f"{folder.name or 'images'}-clusters",
            encoders=None if encoders == "auto" else split(encoders),
            clusterers=None if clusterers == "auto" else split(clusterers),
            labels=labels,
            most=max_images,
            link=link,
            download=download,
            without=without,
        )
        sort_folder(asked, device, precision, jobs or cpu_count(), say=typer.echo)
