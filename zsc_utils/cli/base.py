"""What all commands share: the application, common options, errors in one line.

Commands import what they need themselves: to say what commands there are takes no pandas.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer.core import TyperGroup

from zsc_utils.errors import ProfileError, ZscError
from zsc_utils.precision import Precision

if TYPE_CHECKING:
    import pandas as pd

    from zsc_utils.datasets import ImageDataset
    from zsc_utils.sweep.profile import Profile


class Commands(TyperGroup):
    """Commands that print an error that is the input's fault as one line, and end with status 2."""

    def invoke(self, ctx):
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        # A reader such as `head` that has seen enough is no error of the input.
        except BrokenPipeError:
            raise
        except (ZscError, OSError) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    cls=Commands,
    help="Cluster embeddings of datasets that the encoder never saw.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ProfileOption = Annotated[str, typer.Option(help="Name of a profile, or a YAML file.")]
NamesOption = Annotated[
    str | None, typer.Option(help="Names, with commas, in place of the profile's.")
]
SeedOption = Annotated[int | None, typer.Option(help="Seed in place of the profile's.")]
DeviceOption = Annotated[str, typer.Option(help="Torch device, or auto.")]
PrecisionOption = Annotated[
    Literal["auto", *Precision],
    typer.Option(help="Of the forward pass; auto takes bf16 where the hardware has it."),
]
SkipOption = Annotated[
    bool,
    typer.Option(
        "--skip-unreadable", help="Leave out images and folders that cannot be read, and say so."
    ),
]


def typed_path(text: str) -> Path:
    """Find a path that was typed: a relative one begins at the working folder, as in any command.

    Paths that stand in profiles and in the environment begin at the project's folder.
    """
    if not text.strip():
        raise typer.BadParameter("an empty path is not a folder")
    return Path(os.path.abspath(os.path.expanduser(text)))


DataOption = Annotated[
    Path | None,
    typer.Option(
        parser=typed_path,
        metavar="FOLDER",
        help="Folder of datasets that were downloaded; the variable DATA_ROOT names it, too (there "
        "a relative path begins at the project's folder), else it is data/ of the project.",
    ),
]


def end_with(failures: Iterable[ZscError | str]) -> None:
    """Print what went wrong, a line each, and end with status 1, if anything did."""
    failures = list(failures)
    for failure in failures:
        typer.echo(f"error: {failure}", err=True)
    if failures:
        raise typer.Exit(1)


def end_without_results(rows: pd.DataFrame) -> None:
    """End with status 1 if every cell failed of those that could be computed here.

    Absent and skipped cells are none that failed: what they lack is no fault of what is there.

    Parameters
    ----------
    rows
        Columns clusterer, status and reason.
    """
    tried = rows[~rows["status"].isin(["absent", "skipped"])]
    bad = tried[tried["status"].isin(["degenerate", "failed"])]
    if tried.empty or len(bad) < len(tried):
        return
    counts = ", ".join(f"{n} {what}" for what, n in bad["status"].value_counts().items())
    first = bad.iloc[0]
    reason = " ".join(str(first["reason"]).split())
    end_with([f"no result: {counts} of {len(rows)}; {first['clusterer']}: {reason}"])


def split(names: str | None) -> list[str] | None:
    """Split names at commas, each once.

    Raises
    ------
    ProfileError
        There is no name.
    """
    if names is None:
        return None
    found = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not found:
        raise ProfileError("no names given")
    return found


def check_writable(out: Path | None) -> None:
    """Raise before the work, not after it, where a file cannot be written.

    Raises
    ------
    OSError
        The file is a folder, or its folder cannot be made or written to.
    """
    if out is None:
        return
    if out.is_dir():
        raise IsADirectoryError(f"{out} is a folder; name a file to write")
    out.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(out.parent, os.W_OK):
        raise PermissionError(f"cannot write to the folder {out.parent}")


def say_left_out(dataset: ImageDataset) -> None:
    """Say what lies among a dataset's files and is no image, if anything does."""
    if dataset.left_out:
        typer.echo(f"left out of {dataset.facts.name}: {dataset.left_out}", err=True)


def select_profile(profile: str, seed: int | None = None, **names: str | None) -> Profile:
    """Read a profile and put a seed and names from the command line in place of its own."""
    from zsc_utils.sweep.profile import load_profile

    chosen = {field: split(text) for field, text in names.items()}
    return load_profile(profile, seeds=None if seed is None else [seed], **chosen)


def main():
    """Run the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    # Its client says every try to reach the hub, twice; the error that ends them says enough.
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    sys.exit(app())
