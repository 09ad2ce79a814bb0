"""Datasets that bring no partitions: EuroSAT, BreakHis and UTKFace, split as the study did."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.cache import file_sha256
from zsc_utils.datasets.study.listing import from_files, in_class_folders, listed_images, locate
from zsc_utils.datasets.study.tables import Incomplete, Roots, paper_dataset

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


def listed_for_test(names: list[str], file: Path, partition: str) -> np.ndarray:
    """Positions of a partition of UTKFace whose test images a list names, ascending.

    Parameters
    ----------
    names
        Of all faces; the list holds some of them, one a line, in any order. Empty lines and the
        line ends of other systems do not matter.

    Raises
    ------
    Incomplete
        The list is empty, or has a name twice or one of no face.
    """
    text = file.read_text(encoding="utf-8-sig")
    listed = [line.strip() for line in text.splitlines() if line.strip()]
    if not listed:
        raise Incomplete(f"{file} names no images")
    twice = [name for name, times in Counter(listed).items() if times > 1]
    if twice:
        raise Incomplete(f"{file} has {len(twice):,} names more than once, the first {twice[0]!r}")
    unknown = sorted(set(listed) - set(names))
    if unknown:
        raise Incomplete(
            f"{len(unknown):,} of {len(listed):,} names in {file} are of no image here that has "
            f"an age, a gender and a race, the first {unknown[0]!r}"
        )
    is_test = np.isin(names, listed)
    return np.flatnonzero(is_test if partition == "test" else ~is_test)


def from_chosen(base: Path, files: list[Path], labels: pd.DataFrame, chosen: np.ndarray):
    """Make a reader's result of some of the files."""
    return from_files(base, [files[i] for i in chosen], labels.iloc[chosen].reset_index(drop=True))


def told_by_name(folder: Path, name: re.Pattern) -> dict[Path, tuple[str, ...]]:
    """List the images below a folder whose names say what they show, and what they say.

    Raises
    ------
    Incomplete, ImageFolderError
        There are none; a folder below cannot be read.
    """
    files = listed_images(folder)
    told = {file: found.groups() for file in files if (found := name.match(file.stem))}
    if not told:
        raise Incomplete(
            f"none of the {len(files):,} images in {folder} is named as this dataset's are"
        )
    return told


@paper_dataset("eurosat", version=1)
def eurosat(roots: Roots, partition: str):
    """Open EuroSAT's RGB images: a stratified 15 % are for test."""
    base, folder = locate(roots, "EuroSAT_RGB", "EuroSAT/2750", "eurosat/2750")
    files, classes = in_class_folders(folder)
    labels = pd.DataFrame({"land use": classes})
    return from_chosen(base, files, labels, stratified(classes, 0.15, partition))


@paper_dataset("breakhis", version=1)
def breakhis(roots: Roots, partition: str):
    """Open BreakHis: a stratified 40 % are for test; the class is tumour and magnification."""
    places = ("BreaKHis_v1/histology_slides", "breakhis/histology_slides", "histology_slides")
    base, folder = locate(roots, *places)
    told = told_by_name(folder, BREAKHIS)
    files, rows = sorted(told, key=Path.as_posix), []
    for kind, tumour, year, slide, scale in map(told.get, files):
        tumour, scale = TUMOURS[tumour.upper()], f"{scale}X"
        slide = f"{year}-{slide}"
        rows.append((MALIGNANCY[kind.upper()], tumour, slide, scale, f"{tumour} {scale}"))
    levels = ["malignancy", "tumour type", "slide", "magnification", "tumour type x magnification"]
    labels = pd.DataFrame(rows, columns=levels)
    return from_chosen(base, files, labels, stratified(labels[levels[-1]], 0.4, partition))


@paper_dataset("utkface", version=1)
def utkface(roots: Roots, partition: str):
    """Open UTKFace's aligned faces; files whose names lack an age, gender or race are left out.

    A list of the names of test images, where one is given, decides the partitions.
    """
    base, folder = locate(roots, "UTKFace")
    told = told_by_name(folder, UTKFACE)
    files = sorted(told, key=lambda file: (int(told[file][0]), file.name))
    faces = [
        (int(age), GENDERS[int(gender)], RACES[int(race)])
        for age, gender, race in map(told.get, files)
    ]
    labels = pd.DataFrame(faces, columns=["age", "gender", "race"])
    test_list = roots[0] / UTKFACE_TEST
    if not os.path.lexists(test_list):
        return from_chosen(base, files, labels, evenly_spaced(labels["age"].to_numpy(), partition))
    chosen = listed_for_test([file.name for file in files], test_list, partition)
    *opened, content = from_chosen(base, files, labels, chosen)
    return *opened, content | {"test list": file_sha256(test_list)}
