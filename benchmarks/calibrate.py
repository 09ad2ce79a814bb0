"""Make `zsc_utils/tables/calibration.csv`: criteria without labels beside AMI, on real images.

    python benchmarks/calibrate.py --data ../shared/data --jobs 2

`--data` holds `real/*.tar` (class folders), `cifar10-test-images.tar` and `MNIST/`; sets that come
with the installation are added. Each set is cut into several: all classes, fewer images, half of
the classes, three of them, classes of very unequal sizes. What was computed stays in `--build`, and
a second run goes on from there.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import typer
from criteria import density_validity, stability
from tqdm.auto import tqdm

from zsc_utils.cache import atomic_path, save_table
from zsc_utils.clustering import study_clusterers
from zsc_utils.datasets import ImageDataset, load_dataset
from zsc_utils.embedding import stored_embeddings
from zsc_utils.encoders import ENCODERS, find_encoder
from zsc_utils.metrics import adjusted_mutual_information
from zsc_utils.own import clusterings as own
from zsc_utils.own.calibration import BASELINE
from zsc_utils.precision import Precision
from zsc_utils.recipes import TABLES
from zsc_utils.sweep.workers import in_processes

ENCODERS_TAKEN = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2")
CLUSTERERS_TAKEN = study_clusterers()
MOST = 1200
# Of the two sets that have as many images, larger cuts by the first encoder; some criteria, whose
# cost grows with the square, are left out there, and slow clusterers are told fewer numbers.
LARGE, LARGE_CUTS, QUADRATIC_UP_TO, FEW = ("cifar10", "mnist"), (4000, 10_000), 2000, (5, 10, 20)
# What the name of a large set ends with where all of its images are meant.
WHOLE = " whole"


def sets(data: Path, build: Path) -> dict[str, ImageDataset]:
    """Open every set, at most 1200 images of each."""
    found = {}
    for tar in [*sorted((data / "real").glob("*.tar")), data / "cifar10-test-images.tar"]:
        name = "cifar10" if "cifar10" in tar.name else tar.stem
        folder = build / "images" / name
        if not folder.exists():
            with atomic_path(folder) as draft, tarfile.open(tar) as archive:
                archive.extractall(draft, filter="data")
        (inner,) = folder.iterdir()
        found[name] = load_dataset(f"folder:{inner}")
    found["mnist"] = load_dataset("mnist", root=data)
    for name in ("digits", "faces", "textures"):
        found[name] = load_dataset(name)
    small = {name: one.subset(MOST, stratify=len(one) > MOST) for name, one in found.items()}
    return small | {name + WHOLE: found[name] for name in LARGE}


def embedded(opened: dict[str, ImageDataset], build: Path) -> dict[str, dict[str, np.ndarray]]:
    """Embed every set by every encoder, large sets as a whole by the first alone."""
    spaces = {name: {} for name in opened}
    for encoder in (*ENCODERS_TAKEN, BASELINE):
        source = find_encoder(encoder)
        for name, dataset in opened.items():
            if name.endswith(WHOLE) and encoder != ENCODERS_TAKEN[0]:
                continue
            spaces[name][encoder] = stored_embeddings(
                dataset, source, cache=build, precision=Precision.bf16
            ).array
        source.release()
    return spaces


def cuts(classes: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Cut a set: name and rows of each cut."""
    random = np.random.default_rng(0)
    names, rows = np.unique(classes), np.arange(len(classes))
    yield "all", rows
    if len(rows) > 400:
        yield "300 images", np.sort(random.choice(rows, 300, replace=False))
    if len(names) >= 6:
        half = rows[np.isin(classes, random.choice(names, len(names) // 2, replace=False))]
        yield "half of the classes", half
    if len(names) >= 4:
        three = rows[np.isin(classes, random.choice(names, 3, replace=False))]
        yield "three classes", np.sort(random.permutation(three)[:300])
    shares = np.geomspace(1, 0.1, len(names))
    parts = [
        random.permutation(rows[classes == name])[: max(2, int(share * (classes == name).sum()))]
        for name, share in zip(random.permutation(names), shares, strict=True)
    ]
    yield "unequal classes", np.sort(np.concatenate(parts))


def large_cuts(classes: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Cut a large set: name and rows of each cut."""
    for n in LARGE_CUTS:
        chosen = np.random.default_rng(0).choice(len(classes), n, replace=False)
        yield f"{n} images", np.sort(chosen)


def criteria(spaces: dict[str, np.ndarray], classes: np.ndarray) -> pd.DataFrame:
    """Cluster some images in every way, and describe each clustering with and without labels."""
    tables, clusters = [], []
    for encoder, X in spaces.items():
        memo, found, recipes = {}, [], {}
        for clusterer in CLUSTERERS_TAKEN:
            recipe = own.own_recipe(encoder, ENCODERS[encoder].facts.family, clusterer, len(X))
            told = own.numbers_to_try(len(X)) if own.is_told(clusterer) else [None]
            if len(X) > QUADRATIC_UP_TO and own.is_told(clusterer) and clusterer not in own.QUICK:
                told = FEW
            recipes[clusterer] = recipe
            found += [
                one
                for one in own.cluster_each(X, encoder, recipe, told, memo)
                if one.clusters is not None
            ]
        table = own.describe(X, found, memo)
        Z = own.umap_space(X, memo)
        table["stability"] = table["dbcv"] = np.nan
        if len(X) <= QUADRATIC_UP_TO:
            table["stability"] = [stability(X, recipes[g.clusterer], g, memo) for g in found]
            table["dbcv"] = [density_validity(Z, g.clusters) for g in found]
        tables.append(table)
        clusters += [one.clusters for one in found]
    table = pd.concat(tables, ignore_index=True)
    table = table.join(own.agreements(table, clusters))
    table["ami"] = [adjusted_mutual_information(classes, one) for one in clusters]
    return table


def one_cut(name: str, cut: str, spaces: dict, classes: np.ndarray, file: Path) -> None:
    """Write the criteria of one cut of a set."""
    networks = {encoder: X for encoder, X in spaces.items() if encoder != BASELINE}
    tables = [criteria(networks, classes)]
    if cut == "all":
        tables.append(criteria({BASELINE: spaces[BASELINE]}, classes))
    table = pd.concat(tables, ignore_index=True)
    facts = {"set": name, "cut": cut, "n": len(classes), "n_classes": len(np.unique(classes))}
    save_table(pd.DataFrame(facts, table.index).join(table), file)


def main(
    data: Path = Path("../shared/data"),
    build: Path = Path("build/calibration"),
    out: Path = TABLES / "calibration.csv",
    jobs: int = 2,
) -> None:
    """Compute what is missing and write the table."""
    calls, files = [], []
    opened = sets(data, build)
    spaces = embedded(opened, build)
    for name, dataset in opened.items():
        classes = dataset.labels[dataset.facts.label].to_numpy(str)
        of = name.removesuffix(WHOLE)
        for cut, rows in large_cuts(classes) if name.endswith(WHOLE) else cuts(classes):
            files.append(build / "criteria" / f"{of}-{cut.replace(' ', '_')}.csv")
            here = {encoder: np.array(X[rows]) for encoder, X in spaces[name].items()}
            if not files[-1].exists():
                calls.append((one_cut, of, cut, here, classes[rows], files[-1]))
    for _ in tqdm(in_processes(calls, jobs), total=len(calls), unit="cut"):
        pass
    table = pd.concat([pd.read_csv(file) for file in files])
    save_table(table, out, float_format="%.3g")


if __name__ == "__main__":
    typer.run(main)
