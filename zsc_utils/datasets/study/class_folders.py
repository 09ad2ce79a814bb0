"""ImageNet and what was made like it: folders whose names are the classes."""

from __future__ import annotations

from zsc_utils.datasets.study.listing import from_files, in_class_folders, locate
from zsc_utils.datasets.study.tables import (
    TEST_AND_TRAIN,
    Reader,
    Roots,
    outside_dataset,
    paper_dataset,
)

# Where the class folders of each partition may be.
IMAGENET_LIKE = {
    "imagenet": {"test": ("imagenet/val",), "train": ("imagenet/train",)},
    "imagenetv2": {
        "test": tuple(
            f"{parent}imagenetv2-matched-frequency-format-val" for parent in ("imagenetv2/", "")
        )
    },
    "imagenet-sketch": {"test": ("imagenet-sketch/sketch", "imagenet-sketch")},
    "imagenet-o": {"test": ("imagenet-o/imagenet-o", "imagenet-o")},
}
# Ten easy and ten similar classes of ImageNet, on whose train images recipes are searched.
SEARCH_SETS = {"imagenette": "Imagenette", "imagewoof": "Imagewoof"}
# ImageNet-9: the variants' folders, and the names to print of those beside the study's three.
IN9 = {"in9original": "original", "in9onlyfg": "only_fg", "in9mixedrand": "mixed_rand"}
IN9_MORE = {
    "in9nofg": ("no_fg", "9-NF"),
    "in9onlybg": ("only_bg_b", "9-BG"),
    "in9tiledbg": ("only_bg_t", "9-TB"),
    "in9mixedsame": ("mixed_same", "9-MS"),
    "in9mixednext": ("mixed_next", "9-MN"),
}


def open_class_folders(roots: Roots, *places: str):
    """Open the first of several folders of class folders; the folder's name is the class."""
    base, folder = locate(roots, *places)
    files, classes = in_class_folders(folder)
    return from_files(base, files, {"class": classes})


def imagenet_like(places: dict[str, tuple[str, ...]]) -> Reader:
    """Make the reader of a dataset from its partitions' places."""

    def read(roots: Roots, partition: str):
        return open_class_folders(roots, *places[partition])

    return read


def in9(variant: str) -> Reader:
    """Make the reader of a variant of ImageNet-9, whose class folders are `00_dog` to `08_fish`."""

    def read(roots: Roots, partition: str):
        # A variant may come without partitions: all of it is for test then.
        parts = {"test": ("test/", "val/", ""), "train": ("train/",)}[partition]
        tops = (f"in9/{variant}", f"bg_challenge/{variant}")
        base, dogs = locate(roots, *(f"{top}/{part}00_dog" for part in parts for top in tops))
        files, folders = in_class_folders(dogs.parent)
        return from_files(base, files, {"class": [name.partition("_")[2] for name in folders]})

    return read


@paper_dataset("imagenet-r", ("test",), version=1)
def imagenet_r(roots: Roots, partition: str):
    """Open ImageNet-R; file names begin with the art form (`art_0.jpg`)."""
    base, folder = locate(roots, "imagenet-r/imagenet-r", "imagenet-r")
    files, classes = in_class_folders(folder)
    forms = [file.name.partition("_")[0] for file in files]
    both = [f"{kind} {form}" for kind, form in zip(classes, forms, strict=True)]
    labels = {"class": classes, "art form": forms, "class x art form": both}
    return from_files(base, files, labels)


for _name, _places in IMAGENET_LIKE.items():
    paper_dataset(_name, tuple(_places), version=1)(imagenet_like(_places))
for _name, _variant in IN9.items():
    paper_dataset(_name, version=1)(in9(_variant))
for _name, (_variant, _display) in IN9_MORE.items():
    outside_dataset(
        _name,
        version=1,
        display=_display,
        group="Domain-shift",
        label="class",
        partitions=TEST_AND_TRAIN,
    )(in9(_variant))
for _name, _display in SEARCH_SETS.items():
    _places = {"train": tuple(f"{_name}2{size}/train" for size in ("", "-320", "-160"))}
    outside_dataset(
        _name, version=1, display=_display, group="In-domain", label="class", partitions=("train",)
    )(imagenet_like(_places))
