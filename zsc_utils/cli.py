"""The command `zsc`: the package's functions, from a shell."""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from tqdm.auto import tqdm

from zsc_utils import cluster, datasets, encoders, profiles
from zsc_utils.embed import Precision
from zsc_utils.errors import (
    DownloadError,
    EmbeddingsError,
    ProfileError,
    UnknownNameError,
    ZscError,
)
from zsc_utils.files import ROOT, atomic_path, build_folder, data_folder, figures_folder
from zsc_utils.recipes import encoders_with_recipes, recipe_for
from zsc_utils.training.finetuning.settings import TuningPrecision

app = typer.Typer(
    help="Cluster embeddings of datasets that the encoder never saw.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Kind(StrEnum):
    """What can be listed."""

    encoders = "encoders"
    datasets = "datasets"
    clusterers = "clusterers"
    profiles = "profiles"


RESULT_COLUMNS = [
    "clusterer",
    "ami",
    "ari",
    "n_clusters",
    "fraction_clustered",
    "silhouette_original",
    "silhouette_umap",
    "seconds",
    "status",
    "reason",
]

ProfileOption = Annotated[str, typer.Option(help="Name of a profile, or a YAML file.")]
NamesOption = Annotated[
    str | None, typer.Option(help="Names, with commas, in place of the profile's.")
]
SeedOption = Annotated[int | None, typer.Option(help="Seed in place of the profile's.")]
DeviceOption = Annotated[str, typer.Option(help="Torch device, or auto.")]
SkipOption = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave unreadable images out, and say how many.")
]
DataOption = Annotated[
    Path | None, typer.Option(envvar="DATA_ROOT", help="Folder of datasets that were downloaded.")
]


def friendly(command: Callable) -> Callable:
    """Print an error that is the input's fault as one line, and end with status 2."""

    @functools.wraps(command)
    def run(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except (ZscError, OSError) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error

    return run


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


def select_profile(profile, encoders_, datasets_, clusterers, seed):
    """Read a profile and put the names from the command line in place of its own."""
    return profiles.load_profile(
        profile,
        encoders=split(encoders_),
        datasets=split(datasets_),
        clusterers=split(clusterers),
        seeds=None if seed is None else [seed],
    )


@app.command("list")
@friendly
def list_names(
    kind: Kind,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
):
    """List what is known by name."""
    if kind is Kind.profiles:
        loaded = [profiles.load_profile(name) for name in profiles.profile_names()]
        rows = [{"name": p.name, "description": p.description} for p in loaded]
    else:
        room = {"encoders": encoders, "datasets": datasets, "clusterers": cluster}[kind.value]
        rows = [asdict(facts) for facts in room.registered().values()]
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
@friendly
def sheet(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset, or folder:<path>.")],
    out: Annotated[Path, typer.Option(help="Picture to write: .png, .jpg or .pdf.")],
    columns: Annotated[int, typer.Option(min=1)] = 12,
    rows: Annotated[int, typer.Option(min=1)] = 3,
    titles: Annotated[bool, typer.Option(help="Write the class over each image.")] = True,
    data_root: DataOption = None,
):
    """Draw a contact sheet: images from all over a dataset's classes."""
    check_writable(out)
    opened = datasets.load_dataset(dataset, data_root)
    from zsc_utils import plots

    figure = plots.contact_sheet(opened, columns, rows, opened.facts.label, titles)
    figure.savefig(out, dpi=110, bbox_inches="tight")


@app.command()
@friendly
def weights(
    names: Annotated[str, typer.Argument(help="Encoders, with commas, or all.")] = "all",
):
    """Fetch published weights that are not there yet, and say where they lie."""
    published = encoders.with_published_weights()
    for name in published if names == "all" else split(names):
        for path in encoders.fetch_weights(name):
            typer.echo(f"{name}: {path}")


@app.command()
@friendly
def embed(
    encoder: Annotated[str, typer.Option(help="Name of the encoder (see: zsc list encoders).")],
    images: Annotated[Path, typer.Option(help="Folder of images, or of class folders.")],
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Weights file for the encoder.")] = None,
    device: DeviceOption = "auto",
    precision: Annotated[
        Precision, typer.Option(help="Of the forward pass; bf16 is faster on newer hardware.")
    ] = Precision.fp32,
    skip_unreadable: SkipOption = False,
):
    """Embed a folder of images."""
    from zsc_utils.embed import compute
    from zsc_utils.npz import save_npz

    check_writable(out)
    dataset = datasets.open_folder(images, need_classes=False)
    loaded = encoders.load_encoder(encoder, checkpoint)
    array, kept, errors = compute(
        dataset, loaded, device=device, precision=precision, skip_unreadable=skip_unreadable
    )
    save_npz(out, array, dataset, kept)
    for error in errors:
        typer.echo(f"left out: {error}", err=True)
    typer.echo(
        f"{out}: {array.shape[0]} embeddings of {array.shape[1]} dimensions"
        + (f"; {len(errors)} unreadable images left out" if errors else "")
    )


def recipe_family(encoder: str) -> str | None:
    """Return the backbone family of an encoder, None where the recipe table has its own rows.

    Raises
    ------
    UnknownNameError
        Neither the table nor the package knows the encoder.
    """
    with_recipes = encoders_with_recipes()
    if encoder in with_recipes:
        return None
    known = encoders.registered()
    if encoder not in known and not encoder.startswith("timm:"):
        hint = "any timm model is timm:<model name>"
        raise UnknownNameError("encoder", encoder, {*with_recipes, *known}, hint)
    return encoders.describe_encoder(encoder)[0].family


@app.command("cluster-embeddings")
@friendly
def cluster_embeddings(
    file: Annotated[Path, typer.Argument(help="An .npz file with `embeddings`, maybe `y_true`.")],
    recipe: Annotated[str, typer.Option(help="Encoder whose recipes to use.")],
    clusterers: Annotated[str, typer.Option(help="Names, with commas, or all.")] = "all",
    seed: Annotated[int, typer.Option(min=0, help="Random state.")] = 1,
    n_classes: Annotated[
        int | None, typer.Option(min=2, help="Number of classes to tell, where there is no y_true.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file to write.")] = None,
):
    """Cluster the embeddings of any file, one row a clusterer."""
    from zsc_utils.evaluate import evaluate
    from zsc_utils.npz import load_npz

    check_writable(out)
    known = list(cluster.registered())
    names = known if clusterers == "all" else split(clusterers)
    profiles.check_names("clusterer", names, known, None)
    family = recipe_family(recipe)
    X, y_true = load_npz(file)
    if y_true is not None and n_classes:
        raise EmbeddingsError(f"{file} has y_true, which tells the number: no --n-classes")
    labels = pd.DataFrame(index=range(len(X)))
    if y_true is not None:
        labels["class"] = y_true
    memo, rows = {}, []
    for name in tqdm(names, desc="cluster", unit="clusterer", leave=False):
        row, _ = evaluate(
            X,
            labels,
            "class" if y_true is not None else None,
            recipe_for(recipe, name, family),
            seed=seed,
            n_classes=n_classes,
            memo=memo,
        )
        rows.append(row)
    table = pd.DataFrame(rows).reindex(columns=RESULT_COLUMNS)
    typer.echo(table.to_string(index=False, float_format="%.3f", na_rep="-"))
    if out:
        with atomic_path(out) as draft:
            table.to_csv(draft, index=False)


@app.command()
@friendly
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be computed, and stop.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="CSV file for the results, one row a cell.")
    ] = None,
):
    """Compute every result of a profile that is not there yet; say first what that will take."""
    from zsc_utils.costs import memory_available
    from zsc_utils.forecast import forecast
    from zsc_utils.sweep import plan
    from zsc_utils.sweep import sweep as run_sweep

    check_writable(out)
    chosen = select_profile(profile, encoders, datasets, clusterers, seed)

    def announce(planned, memory):
        text = forecast(planned, build_folder(), memory, jobs, retry_failed)
        typer.echo(f"{'would' if dry_run else 'will'} {text}")

    if dry_run:
        announce(plan(chosen, data_root), memory_available())
        return
    table = run_sweep(
        chosen,
        jobs=jobs,
        data_root=data_root,
        device=device,
        skip_unreadable=skip_unreadable,
        retry_failed=retry_failed,
        announce=announce,
    )
    if out:
        # Of nested columns, the recipe is named by encoder and clusterer, AMI by level is long.
        with atomic_path(out) as draft:
            table.drop(columns=["recipe", "ami_by_level"], errors="ignore").to_csv(
                draft, index=False
            )
    counts = table["status"].value_counts()
    typer.echo(f"{len(table)} cells: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    skipped = table.drop_duplicates(["dataset", "encoder"])["n_skipped"].max()
    if skipped:
        typer.echo(f"unreadable images left out: {skipped} of a dataset at most")


@app.command()
@friendly
def status(
    profile: ProfileOption = "mini",
    seed: SeedOption = None,
    data_root: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
):
    """Say how far a profile's results are, and what went wrong."""
    from zsc_utils.sweep import STATUSES, plan, progress_report

    chosen = select_profile(profile, None, None, None, seed)
    report = progress_report(plan(chosen, data_root), build_folder())
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
@friendly
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

    chosen = profiles.load_profile(profile)
    executed = executed or ROOT / "build" / chosen.name
    figures = figures or figures_folder(chosen.name)
    typer.echo(make_book(chosen, executed, figures, out or executed / "book"))


@app.command()
@friendly
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
    from zsc_utils.datasets.paper import holdings

    root = data_root or data_folder()
    chosen = list(names or [])
    if profile:
        loaded = profiles.load_profile(profile)
        chosen += [*loaded.datasets, *loaded.search_on]
    profiles.check_names("dataset", chosen, list(datasets.registered()), "folder:")
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
        # Of all that is absent, the table says enough.
        if one.state == "incomplete" or (names and one.problem):
            typer.echo(f"{one.name} is {one.state}: {one.problem}")
            typer.echo(f"  page: {one.page}\n  files: {one.place(root)}")
    for failure in failures:
        typer.echo(f"error: {failure}", err=True)
    if failures:
        raise typer.Exit(1)


def fetch_missing(names: list[str], root: Path) -> list[DownloadError]:
    """Download what may be downloaded and is not complete; return what went wrong."""
    from zsc_utils.datasets.paper.fetch import fetch
    from zsc_utils.datasets.paper.holdings import downloadable, holding

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


@app.command()
@friendly
def search(
    out: Annotated[Path, typer.Option(help="CSV file of the recipes to write.")],
    profile: ProfileOption = "mini",
    encoders: NamesOption = None,
    jobs: Annotated[int, typer.Option(min=1, help="Encoders to search at once.")] = 1,
    data_root: DataOption = None,
    device: DeviceOption = "auto",
):
    """Search recipes for a profile's encoders on training images; a profile can then name them."""
    from zsc_utils.search import chosen_recipes
    from zsc_utils.search import search as run_search

    check_writable(out)
    chosen = select_profile(profile, encoders, None, None, None)
    report = run_search(chosen, jobs=jobs, data_root=data_root, device=device)
    trials = out.with_name(f"{out.stem}_trials{out.suffix}")
    for table, path in ((chosen_recipes(report), out), (report, trials)):
        if path.exists():
            # Rows of encoders that were not searched now stay.
            before = pd.read_csv(path)
            table = pd.concat([before[~before["encoder"].isin(table["encoder"])], table])
        with atomic_path(path) as draft:
            table.to_csv(draft, index=False)
    typer.echo(f"{out}: recipes for {report['encoder'].nunique()} encoders; {trials}: all trials")


@app.command()
@friendly
def pretrain(
    methods: Annotated[
        str,
        typer.Option(
            help="Methods (xent, mocov3, dino, vicreg, mae, random, finetune) or names of weights "
            "files, with commas; or all."
        ),
    ] = "all",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the weights; weights/mini by default.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs in place of each method's own.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=50, help="Train on this many images instead of all.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random state.")] = 0,
    device: DeviceOption = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the CPU to use.")] = None,
):
    """Train the miniature encoders that are not there yet; a run that was killed goes on."""
    import torch

    from zsc_utils.embed import choose_device
    from zsc_utils.encoders.mini import FOLDER
    from zsc_utils.training.pretrain import open_source
    from zsc_utils.training.pretrain import pretrain as make
    from zsc_utils.training.runs import select_runs

    runs = select_runs(None if methods == "all" else split(methods), epochs)
    if threads:
        torch.set_num_threads(threads)
    make(
        runs,
        open_source(images),
        out or FOLDER,
        seed=seed,
        device=choose_device(device),
        report=tqdm.write,
    )


@app.command()
@friendly
def finetune(
    encoder: Annotated[
        str, typer.Option(help="Self-supervised encoder of the study, such as dino_vitb16.")
    ],
    data: Annotated[
        Path, typer.Option(help="Folder with train/<class>/ and val/<class>/, such as ImageNet's.")
    ],
    out: Annotated[
        Path, typer.Option(help="The .safetensors file to write; its card goes beside it.")
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Weights to begin with, in place of the published ones.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs in place of the recipe's 50 (MAE: 100).")
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(min=0, help="Base learning rate, for 256 images an update; 1e-3 (MAE: 5e-4)."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images a process takes at once; 128.")
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Batches of a process for one update; 1.")
    ] = None,
    mixup: Annotated[float | None, typer.Option(min=0, help="Alpha of mixup; 0: none.")] = None,
    cutmix: Annotated[float | None, typer.Option(min=0, help="Alpha of cutmix; 0: none.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels; 224.")] = None,
    precision: Annotated[
        TuningPrecision, typer.Option(help="Of the forward pass; auto: what the device is fast in.")
    ] = TuningPrecision.auto,
    seed: Annotated[int, typer.Option(min=0, help="Random state.")] = 0,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that read images, for each that trains.")
    ] = None,
):
    """Fine-tune an encoder with labels; a run that was killed goes on.

    On several GPUs: torchrun --standalone --nproc-per-node 4 --no-python zsc finetune ...
    """
    from zsc_utils.training.finetuning.run import fine_tune_encoder
    from zsc_utils.training.finetuning.settings import settings_for

    check_writable(out)
    settings = settings_for(
        encoder,
        epochs=epochs,
        lr=lr,
        batch_size=batch_size,
        accumulate=accumulate,
        mixup=mixup,
        cutmix=cutmix,
        size=size,
        precision=precision,
        seed=seed,
    )
    fine_tune_encoder(
        *(encoder, data, out, settings),
        checkpoint=checkpoint,
        device=device,
        workers=workers,
        report=tqdm.write,
    )


def main():
    """Run the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    sys.exit(app())
