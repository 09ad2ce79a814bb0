"""Commands that keep a run as the reference, and say how far another one is from it."""

from __future__ import annotations

import typer

from zsc_utils.cache import figures_folder
from zsc_utils.cli.base import ProfileOption, SeedOption, app, end_with, select_profile


@app.command()
def reference(profile: ProfileOption = "mini"):
    """Keep a finished run as the reference run of its profile, in docs/reference/."""
    from zsc_utils.study.quotes import QUOTED, quotes
    from zsc_utils.study.reference import finished_run, write
    from zsc_utils.sweep.profile import load_profile

    chosen = load_profile(profile)
    figures = figures_folder(chosen.name)
    run, table = finished_run(chosen, figures)
    quoted = quotes(chosen, table, run.ledger, figures) if chosen.name == QUOTED else None
    typer.echo(write(run, figures, quoted))


@app.command()
def compare(profile: ProfileOption = "mini", seed: SeedOption = None):
    """Say how far a finished run is from the reference run of its profile.

    Ends with status 1 where a verdict is another one, or the mean of an encoder over a group of
    datasets moved by more than 1.5 points of AMI.
    """
    from zsc_utils.study.reference import beside_reference, finished_run

    chosen = select_profile(profile, seed)
    run, _ = finished_run(chosen, figures_folder(chosen.name))
    said, failures = beside_reference(run)
    typer.echo(said)
    end_with(failures)
