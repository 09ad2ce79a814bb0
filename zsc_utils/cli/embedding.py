"""Commands for one's own images and embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zsc_utils.cache import ArrayFolder, build_folder, save_table
from zsc_utils.cli.base import (
    DeviceOption,
    PrecisionOption,
    SkipOption,
    app,
    check_writable,
    end_without_results,
    say_left_out,
    split,
    typed_path,
)
from zsc_utils.errors import EmbeddingsError, UnknownNameError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

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


@app.command()
def embed(
    encoder: Annotated[str, typer.Option(help="Name of the encoder (see: zsc list encoders).")],
    images: Annotated[
        Path,
        typer.Option(
            parser=typed_path, metavar="FOLDER", help="Folder of images, or of class folders."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Weights file for the encoder.")] = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "fp32",
    skip_unreadable: SkipOption = False,
):
    """Embed a folder of images.

    Their formats are told by content; other files are counted and left out.
    What is transparent is composed over white; of several frames the first counts. A run that was
    killed goes on with the 4096 images that it was at.
    """
    import shutil

    from zsc_utils.datasets import open_folder
    from zsc_utils.embedding import choose_precision, compute, embeddings_key
    from zsc_utils.encoders import load_encoder
    from zsc_utils.npz import save_npz

    check_writable(out)
    dataset = open_folder(images, need_classes=False, skip_unreadable=skip_unreadable)
    loaded = load_encoder(encoder, checkpoint)
    precision = choose_precision(precision, device)
    key = embeddings_key(dataset, loaded.fingerprint, precision)
    parts = build_folder() / "cache" / "unfinished" / key
    array, kept, errors = compute(
        *(dataset, loaded),
        device=device,
        precision=precision,
        skip_unreadable=skip_unreadable,
        shards=ArrayFolder(parts),
    )
    save_npz(out, array, dataset, kept)
    shutil.rmtree(parts, ignore_errors=True)
    say_left_out(dataset)
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
    from zsc_utils import encoders
    from zsc_utils.recipes import encoders_with_recipes

    with_recipes = encoders_with_recipes()
    if encoder in with_recipes:
        return None
    known = encoders.ENCODERS.facts()
    if encoder not in known and not encoder.startswith("timm:"):
        hint = "any timm model is timm:<model name>"
        raise UnknownNameError("encoder", encoder, {*with_recipes, *known}, hint)
    return encoders.find_encoder(encoder).facts.family


def read_file(file: Path, n_classes: int | None) -> tuple[np.ndarray, pd.DataFrame]:
    """Read embeddings, and their classes where there are any.

    Raises
    ------
    EmbeddingsError
        Besides files that cannot be read: so many clusters make no sense for it.
    """
    import pandas as pd

    from zsc_utils.npz import load_npz

    X, y_true = load_npz(file)
    if n_classes and y_true is not None and pd.notna(y_true).any():
        raise EmbeddingsError(f"{file} has y_true, which tells the number: no --n-classes")
    if n_classes and n_classes > len(X):
        raise EmbeddingsError(f"{file} holds {len(X)} embeddings, too few for {n_classes} clusters")
    return X, pd.DataFrame({} if y_true is None else {"class": y_true}, index=range(len(X)))


@app.command("cluster-embeddings")
def cluster_embeddings(
    file: Annotated[Path, typer.Argument(help="An .npz file with `embeddings`, maybe `y_true`.")],
    recipe: Annotated[str, typer.Option(help="Encoder whose recipes to use.")],
    clusterers: Annotated[
        str, typer.Option(help="Names, with commas, or all: the study's six.")
    ] = "all",
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random state.")] = 1,
    n_classes: Annotated[
        int | None,
        typer.Option(min=2, help="What to tell clusterers that ask, where there is no y_true."),
    ] = None,
    nearest_recipe: Annotated[
        bool,
        typer.Option(
            "--nearest-recipe",
            help="Where a recipe's UMAP needs more samples than there are, take fewer dimensions.",
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="CSV file to write, row by row.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes at once; as many as processors by default.")
    ] = None,
):
    """Cluster the embeddings of any file, one row a clusterer.

    Ends with status 1 if no clusterer has a result and one or more failed, or the embeddings are
    degenerate. Clusterers that are skipped (they need more memory, or to be told the number of
    classes) are no failures.
    """
    import pandas as pd
    from joblib import cpu_count
    from tqdm.auto import tqdm

    from zsc_utils.clustering import CLUSTERERS, study_clusterers
    from zsc_utils.recipes import recipe_for, too_few_samples
    from zsc_utils.sweep.cells import Cell
    from zsc_utils.sweep.costs import memory_available
    from zsc_utils.sweep.evaluate import evaluate_side_by_side

    check_writable(out)
    names = study_clusterers() if clusterers == "all" else split(clusterers)
    CLUSTERERS.check(names)
    family = recipe_family(recipe)
    X, labels = read_file(file, n_classes)
    recipes = [recipe_for(recipe, name, family) for name in names]
    if few := too_few_samples(recipes, len(X)):
        what = "" if nearest_recipe else "; --nearest-recipe takes fewer dimensions"
        typer.echo(few + what, err=True)
    cells = {Cell(str(file), recipe, one.clusterer, seed, ""): one for one in recipes}
    found = evaluate_side_by_side(
        *(X, labels, cells),
        jobs=jobs or cpu_count(),
        memory=memory_available(),
        n_classes=n_classes,
        nearest_recipe=nearest_recipe,
    )
    rows = dict.fromkeys(cells)
    # Each is clustered, and scored when all are.
    for cell, row in tqdm(found, "cluster", 2 * len(cells), unit="step", leave=False):
        rows[cell] = row
        table = pd.DataFrame(list(filter(None, rows.values()))).reindex(columns=RESULT_COLUMNS)
        # Written anew with each, so that whoever stops it has what is finished.
        if out:
            save_table(table, out)
    typer.echo(table.to_string(index=False, float_format="%.3f", na_rep="-"))
    end_without_results(table)
