"""Commands that compute what a profile asks for, and say how far that is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zsc_utils.cache import ROOT, build_folder, figures_folder, save_table
from zsc_utils.cli.base import (
    DataOption,
    DeviceOption,
    NamesOption,
    ProfileOption,
    SeedOption,
    SkipOption,
    app,
    check_writable,
    end_without_results,
    say_left_out,
    select_profile,
)

if TYPE_CHECKING:
    import pandas as pd


@app.command()
def sweep(
    profile: ProfileOption = "mini",
    jobs: Annotated[int, typer.Option(min=1, help="Processes that cluster at once.")] = 1,
    encoders: NamesOption = None,
    datasets: NamesOption = None,
    clusterers: NamesOption = None,
    seed: SeedOption = None,
    data_root: DataOption = None,
    device: DeviceOption = "auto",
    skip_unreadable: SkipOption = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Compute cells again that failed before.")
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option(
            "--fresh", help="Compute anew what is there, after an edit that raised no version."
        ),
    ] = False,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Dask scheduler whose workers compute, such as tcp://host:8786."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be computed, and stop.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="CSV file for the results, one row a cell.")
    ] = None,
):
    """Compute every result of a profile that is not there yet; say first what that will take.

    Ends with status 1 if no cell has a result and one or more failed or are degenerate. Cells that
    are absent, or skipped for want of memory, are no failures.
    """
    from zsc_utils.sweep.cells import plan
    from zsc_utils.sweep.costs import memory_available
    from zsc_utils.sweep.forecast import forecast
    from zsc_utils.sweep.run import sweep as run_sweep

    check_writable(out)
    chosen = select_profile(
        profile, seed, encoders=encoders, datasets=datasets, clusterers=clusterers
    )

    def announce(planned, memory):
        text = forecast(planned, build_folder(), memory, jobs, retry_failed)
        typer.echo(f"{'would' if dry_run else 'will'} {text}")
        for dataset in {job.dataset.facts.name: job.dataset for job in planned}.values():
            say_left_out(dataset)

    if dry_run:
        announce(plan(chosen, data_root, skip_unreadable), memory_available())
        return
    table = run_sweep(
        chosen,
        jobs=jobs,
        data_root=data_root,
        device=device,
        skip_unreadable=skip_unreadable,
        retry_failed=retry_failed,
        fresh=fresh,
        scheduler=scheduler,
        announce=announce,
    )
    if out:
        # Of nested columns, the recipe is named by encoder and clusterer, AMI by level is long.
        flat = table.drop(columns=["recipe", "ami_by_level"], errors="ignore")
        save_table(flat, out)
    say_counts(table)
    end_without_results(table)


def say_counts(table: pd.DataFrame) -> None:
    """Say how many cells came to what, and what was left out."""
    counts = table["status"].value_counts()
    typer.echo(f"{len(table)} cells: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    undefined = int((table["status"].eq("ok") & table["ami"].isna()).sum())
    if undefined:
        typer.echo(
            f"AMI is undefined in {undefined} of them, for the reasons that zsc status names"
        )
    if skipped := table["n_skipped"].max():
        typer.echo(f"unreadable images left out: {skipped} of a dataset at most")


@app.command()
def status(
    profile: ProfileOption = "mini",
    seed: SeedOption = None,
    data_root: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
):
    """Say how far a profile's results are, and what went wrong."""
    from zsc_utils.sweep.cells import plan
    from zsc_utils.sweep.forecast import STATUSES, progress_report

    chosen = select_profile(profile, seed)
    report = progress_report(plan(chosen, data_root, skip_unreadable=True), build_folder())
    if as_json:
        typer.echo(json.dumps(report, indent=1, ensure_ascii=False))
        return
    counts = (*STATUSES, "missing", "skipped")
    typer.echo(
        f"{chosen.name}: {report['total']} cells: "
        + ", ".join(f"{report[what]} {what.replace('_', ' ')}" for what in counts)
    )
    for kind, asked in (("datasets", chosen.datasets), ("encoders", chosen.encoders)):
        reasons = report[f"{kind}_absent"]
        if reasons:
            typer.echo(f"  {len(reasons)} of {len(asked)} {kind} are absent:")
        for reason in reasons.values():
            typer.echo(f"  {reason}")
    for skipped in report["cells_skipped"]:
        typer.echo("  {dataset} / {clusterer}: {cells} skipped: {reason}".format(**skipped))
    for problem in report["problems"]:
        typer.echo("  {dataset} / {encoder} / {clusterer}: {status}: {reason}".format(**problem))


@app.command()
def search(
    out: Annotated[Path, typer.Option(help="CSV file of the recipes to write.")],
    profile: ProfileOption = "mini",
    encoders: NamesOption = None,
    jobs: Annotated[int, typer.Option(min=1, help="Encoders to search at once.")] = 1,
    data_root: DataOption = None,
    device: DeviceOption = "auto",
):
    """Search recipes for a profile's encoders on training images; a profile can then name them."""
    import pandas as pd

    from zsc_utils.recipes import STUDY_TABLE, trials_file
    from zsc_utils.sweep.search import chosen_recipes
    from zsc_utils.sweep.search import search as run_search

    check_writable(out)
    chosen = select_profile(profile, encoders=encoders)
    report = run_search(chosen, jobs=jobs, data_root=data_root, device=device)
    trials = trials_file(out)
    # Every column of the study's table, those of clusterers that are not searched empty.
    recipes = chosen_recipes(report).reindex(columns=pd.read_csv(STUDY_TABLE, nrows=0).columns)
    for table, path in ((recipes, out), (report, trials)):
        if path.exists():
            # Rows of encoders that were not searched now stay.
            before = pd.read_csv(path)
            table = pd.concat([before[~before["encoder"].isin(table["encoder"])], table])
        save_table(table, path)
    typer.echo(f"{out}: recipes for {report['encoder'].nunique()} encoders; {trials}: all trials")


@app.command()
def book(
    profile: ProfileOption = "mini",
    executed: Annotated[
        Path | None, typer.Option(help="Folder of executed notebooks; build/<profile> by default.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder of figures; figures/<profile> by default.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the book; build/<profile>/book by default.")
    ] = None,
):
    """Make a static site of the executed notebooks of a profile."""
    from zsc_utils.book import make_book
    from zsc_utils.sweep.profile import load_profile

    chosen = load_profile(profile)
    executed = executed or ROOT / "build" / chosen.name
    figures = figures or figures_folder(chosen.name)
    typer.echo(make_book(chosen, executed, figures, out or executed / "book"))
