"""Datasets that bring no partitions: EuroSAT, BreakHis and UTKFace, split as the study did."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np

from zsc_utils.cache import file_sha256
from zsc_utils.datasets.study.listing import (
    from_files,
    in_class_folders,
    listed_images,
    locate,
    strings,
)
from zsc_utils.datasets.study.tables import paper_dataset, place
from zsc_utils.errors import DatasetIncompleteError

# SOB_<B|M>_<type>-<year>-<slide>-<magnification>-<n>
BREAKHIS = re.compile(r"SOB_([BM])_([A-Z]+)-(\d+)-(\w+)-(\d+)-\d+$", re.IGNORECASE)
MALIGNANCY = {"B": "benign", "M": "malignant"}
TUMOURS = {
    "A": "adenosis",
    "F": "fibroadenoma",
    "PT": "phyllodes tumour",
    "TA": "tubular adenoma",
    "DC": "ductal carcinoma",
    "LC": "lobular carcinoma",
    "MC": "mucinous carcinoma",
    "PC": "papillary carcinoma",
}
# <age>_<gender>_<race>_<time>; what follows the time is not the same in all names.
UTKFACE = re.compile(r"(\d+)_([01])_([0-4])_\d")
# Where it is there, it decides which of the faces are for test.
UTKFACE_TEST = "utkface/test.txt"
GENDERS = ("male", "female")
RACES = ("White", "Black", "Asian", "Indian", "other")


def stratified(classes: list[str], share: float, partition: str) -> np.ndarray:
    """Positions of a partition of a stratified random split with seed 0, ascending."""
    from sklearn.model_selection import train_test_split

    train, test = train_test_split(
        np.arange(len(classes)), test_size=share, stratify=classes, random_state=0
    )
    return np.sort({"train": train, "test": test}[partition])


def evenly_spaced(ages: np.ndarray, partition: str) -> np.ndarray:
    """Positions of a partition of UTKFace.

    Parameters
    ----------
    ages
        int (n,), ascending.
    partition
        `test`: a quarter, evenly spaced from position 2 to n − 3; ages that would have no sample
        left in train give their first one back. `train`: the others.
    """
    n = len(ages)
    test = np.linspace(2, n - 3, round(n / 4)).round().astype(int)
    left = np.delete(ages, test)
    for age in np.setdiff1d(ages, left):
        test = np.delete(test, np.flatnonzero(ages[test] == age)[0])
    return {"test": test, "train": np.delete(np.arange(n), test)}[partition]


def listed_for_test(names: list[str], file: Path, root: Path, partition: str) -> np.ndarray:
    """Positions of a partition of UTKFace whose test images a list names, ascending.

    Parameters
    ----------
    names
        Of all faces; the list holds some of them, one a line, in any order. Empty lines and the
        line ends of other systems do not matter.

    Raises
    ------
    DatasetIncompleteError
        The list is empty, or has a name twice or one of no face.
    """
    text = file.read_text(encoding="utf-8-sig")
    listed = [line.strip() for line in text.splitlines() if line.strip()]
    twice = [name for name, times in Counter(listed).items() if times > 1]
    unknown = sorted(set(listed) - set(names))
    reason = ""
    if not listed:
        reason = f"{file} names no images"
    elif twice:
        reason = f"{file} has {len(twice):,} names more than once, the first {twice[0]!r}"
    elif unknown:
        reason = (
            f"{len(unknown):,} of {len(listed):,} names in {file} are of no image here that has "
            f"an age, a gender and a race, the first {unknown[0]!r}"
        )
    if reason:
        raise DatasetIncompleteError("utkface", reason, place("utkface", root))
    is_test = np.isin(names, listed)
    return np.flatnonzero(is_test if partition == "test" else ~is_test)


def from_chosen(name: str, root: Path, base: Path, files: list[Path], columns: dict, chosen):
    """Make a builder's result of some of the files."""
    labels = strings(columns).iloc[chosen].reset_index(drop=True)
    return from_files(name, root, base, [files[i] for i in chosen], labels)


def of_known_name(name: str, root: Path, folder: Path, named: list[tuple[Path, re.Match | None]]):
    """Keep the files whose names say what they show.

    Raises
    ------
    DatasetIncompleteError
        There are none.
    """
    known = [(file, match) for file, match in named if match]
    if not known:
        reason = f"none of the {len(named):,} images in {folder} is named as this dataset's are"
        raise DatasetIncompleteError(name, reason, place(name, root))
    return known


@paper_dataset("eurosat", version=1)
def eurosat(root: Path, partition: str):
    """Open EuroSAT's RGB images: a stratified 15 % are for test."""
    base, folder = locate("eurosat", root, "EuroSAT_RGB", "EuroSAT/2750", "eurosat/2750")
    files, classes = in_class_folders("eurosat", root, folder)
    chosen = stratified(classes, 0.15, partition)
    return from_chosen("eurosat", root, base, files, {"land use": classes}, chosen)


@paper_dataset("breakhis", version=1)
def breakhis(root: Path, partition: str):
    """Open BreakHis: a stratified 40 % are for test; the class is tumour and magnification."""
    places = ("BreaKHis_v1/histology_slides", "breakhis/histology_slides", "histology_slides")
    base, folder = locate("breakhis", root, *places)
    named = [
        (file, BREAKHIS.match(file.stem))
        for file in sorted(listed_images("breakhis", root, folder), key=Path.as_posix)
    ]
    named = of_known_name("breakhis", root, folder, named)
    files, rows = [file for file, _ in named], []
    for kind, tumour, year, slide, scale in (match.groups() for _, match in named):
        tumour, scale = TUMOURS[tumour.upper()], f"{scale}X"
        slide = f"{year}-{slide}"
        rows.append((MALIGNANCY[kind.upper()], tumour, slide, scale, f"{tumour} {scale}"))
    levels = ("malignancy", "tumour type", "slide", "magnification", "tumour type x magnification")
    columns = dict(zip(levels, zip(*rows, strict=True), strict=True))
    chosen = stratified(columns[levels[-1]], 0.4, partition)
    return from_chosen("breakhis", root, base, files, columns, chosen)


@paper_dataset("utkface", version=1)
def utkface(root: Path, partition: str):
    """Open UTKFace's aligned faces; files whose names lack an age, gender or race are left out.

    A list of the names of test images, where one is given, decides the partitions.
    """
    base, folder = locate("utkface", root, "UTKFace")
    named = [(file, UTKFACE.match(file.name)) for file in listed_images("utkface", root, folder)]
    named = of_known_name("utkface", root, folder, named)
    faces = [(file, *map(int, match.groups())) for file, match in named]
    faces.sort(key=lambda face: face[0].name)
    faces.sort(key=lambda face: face[1])
    files, ages, genders, races = zip(*faces, strict=True)
    columns = {
        "age": ages,
        "gender": [GENDERS[code] for code in genders],
        "race": [RACES[code] for code in races],
    }
    test_list = root / UTKFACE_TEST
    if not os.path.lexists(test_list):
        chosen = evenly_spaced(np.array(ages), partition)
        return from_chosen("utkface", root, base, list(files), columns, chosen)
    chosen = listed_for_test([file.name for file in files], test_list, root, partition)
    *opened, content = from_chosen("utkface", root, base, list(files), columns, chosen)
    return *opened, content | {"test list": file_sha256(test_list)}
