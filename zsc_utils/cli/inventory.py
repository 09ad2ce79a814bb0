"""Commands that say what is known by name and what is there, and fetch what may be fetched."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from zsc_utils.cache import data_folder
from zsc_utils.cli.base import DataOption, app, check_writable, end_with, split
from zsc_utils.errors import CheckpointError, DownloadError, UnknownNameError

PICTURES = (".png", ".jpg", ".jpeg", ".pdf")


class Kind(StrEnum):
    """What can be listed."""

    encoders = "encoders"
    datasets = "datasets"
    clusterers = "clusterers"
    profiles = "profiles"


@app.command("list")
def list_names(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
):
    """List what is known by name."""
    import pandas as pd

    from zsc_utils import clustering, datasets, encoders
    from zsc_utils.sweep.profile import load_profile, profile_names

    if kind is Kind.profiles:
        loaded = [load_profile(name) for name in profile_names()]
        rows = [{"name": p.name, "description": p.description} for p in loaded]
    else:
        registry = {
            Kind.encoders: encoders.ENCODERS,
            Kind.datasets: datasets.DATASETS,
            Kind.clusterers: clustering.CLUSTERERS,
        }[kind]
        # What decides an encoder's weights are files and packages, which nobody asks for by name;
        # settings are those of timm's models, of which none is listed.
        left_out = ("weights", "settings")
        rows = [
            {field: value for field, value in vars(facts).items() if field not in left_out}
            for facts in registry.facts().values()
        ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    typer.echo(pd.DataFrame(rows).to_string(index=False))
    extra = {
        Kind.encoders: "also: timm:<model name>",
        Kind.datasets: "also: folder:<path of class folders>",
    }
    if kind in extra:
        typer.echo(extra[kind])


@app.command()
def sheet(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset, or folder:<path>.")],
    out: Annotated[Path, typer.Option(help="Picture to write: .png, .jpg or .pdf.")],
    columns: Annotated[int, typer.Option(min=1, help="Images side by side.")] = 12,
    rows: Annotated[int, typer.Option(min=1, help="Images one below another.")] = 3,
    titles: Annotated[bool, typer.Option(help="Write the class over each image.")] = True,
    data_root: DataOption = None,
):
    """Draw a contact sheet: images from all over a dataset's classes."""
    from zsc_utils.datasets import load_dataset
    from zsc_utils.study.figures import contact_sheet

    check_writable(out)
    if out.suffix.lower() not in PICTURES:
        raise UnknownNameError("kind of picture", out.suffix, PICTURES)
    opened = load_dataset(dataset, data_root)
    figure = contact_sheet(opened, columns, rows, opened.facts.label, titles)
    figure.savefig(out, dpi=110, bbox_inches="tight")


@app.command()
def weights(
    names: Annotated[str, typer.Argument(help="Encoders, with commas, or all.")] = "all",
):
    """Fetch published weights that are not there yet, and say where they lie."""
    from zsc_utils import encoders

    chosen = encoders.with_published_weights() if names == "all" else split(names)
    encoders.ENCODERS.check(chosen, "timm:")
    failures = []
    for name in chosen:
        try:
            paths = encoders.fetch_weights(name)
        # One server's failure is no reason to do without the files of others.
        except CheckpointError as error:
            failures.append(error)
            continue
        where = ", ".join(map(str, paths)) or "nothing to fetch beforehand"
        typer.echo(f"{name}: {where}")
    end_with(failures)


@app.command()
def data(
    names: Annotated[
        list[str] | None, typer.Argument(help="Datasets; all that are not installed by default.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Take the names from a profile, or a YAML file.")
    ] = None,
    data_root: DataOption = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch what may be fetched and is not complete.")
    ] = False,
):
    """Say which datasets are there, and how to get the others."""
    import pandas as pd
    from tqdm.auto import tqdm

    from zsc_utils.datasets import DATASETS
    from zsc_utils.datasets.study import holdings
    from zsc_utils.sweep.profile import load_profile

    root = data_root or data_folder()
    chosen = list(names or [])
    if profile:
        loaded = load_profile(profile)
        chosen += [*loaded.datasets, *loaded.search_on]
    DATASETS.check(chosen, "folder:")
    wanted, others = holdings.select(chosen)
    if others:
        typer.echo(f"need no data: {', '.join(others)}")
    failures = fetch_missing(wanted, root) if download else []
    bar = tqdm(wanted, desc="look", unit="dataset", leave=False)
    held = [holdings.holding(name, root) for name in bar]
    if held:
        typer.echo(pd.DataFrame([one.as_row() for one in held]).to_string(index=False))
        complete = sum(one.state == "complete" for one in held)
        typer.echo(f"{complete} of {len(held)} datasets are complete in {root}")
    for one in held:
        if one.problem:
            typer.echo(f"{one.name} is {one.state}: {one.problem}")
            typer.echo(f"  page: {one.page}\n  files: {one.place(root)}")
    end_with(failures)


def fetch_missing(names: list[str], root: Path) -> list[DownloadError]:
    """Download what may be downloaded and is not complete; return what went wrong."""
    from zsc_utils.datasets.study.fetch import fetch
    from zsc_utils.datasets.study.holdings import downloadable, holding

    failures = []
    for name in names:
        # Looked at one by one: an archive may bring more than one dataset.
        if not downloadable(name) or holding(name, root).state == "complete":
            continue
        typer.echo(f"fetching {name}")
        try:
            fetch(name, root)
        except DownloadError as error:
            failures.append(error)
    return failures
