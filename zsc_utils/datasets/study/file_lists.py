"""Datasets whose files and labels torchvision lists: it reads their annotations, we the images."""

from __future__ import annotations

from pathlib import Path

from zsc_utils.datasets.folder import is_image
from zsc_utils.datasets.study.class_folders import open_class_folders
from zsc_utils.datasets.study.listing import check_files, from_files, locate, strings
from zsc_utils.datasets.study.tables import paper_dataset
from zsc_utils.errors import DatasetAbsentError

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")


@paper_dataset("aircraft", version=1)
def aircraft(root: Path, partition: str):
    """Open FGVC-Aircraft: manufacturers, families, variants."""
    from torchvision.datasets import FGVCAircraft

    base, _ = locate("aircraft", root, "fgvc-aircraft-2013b")
    labels = {}
    for level in ("manufacturer", "family", "variant"):
        found = FGVCAircraft(base, partition, level)
        names = [found.classes[label] for label in found._labels]
        labels[level] = dict(zip(found._image_files, names, strict=True))
    files = found._image_files
    columns = {level: [of[file] for file in files] for level, of in labels.items()}
    return from_files("aircraft", root, base, files, strings(columns))


@paper_dataset("stanfordcars", version=1)
def stanfordcars(root: Path, partition: str):
    """Open Stanford Cars, in its own layout or as class folders."""
    from torchvision.datasets import StanfordCars

    try:
        base, _ = locate("stanfordcars", root, "stanford_cars")
    except DatasetAbsentError:
        images, labels, size, content = open_class_folders(
            "stanfordcars", root, f"stanfordcars/{partition}"
        )
        return images, labels.rename(columns={"class": "model"}), size, content
    labels = {"test": "cars_test_annos_withlabels.mat", "train": "devkit/cars_train_annos.mat"}
    needed = ["devkit/cars_meta.mat", labels[partition]]
    check_files("stanfordcars", root, base / "stanford_cars", needed)
    found = StanfordCars(base, partition)
    files, targets = zip(*found._samples, strict=True)
    models = [found.classes[target] for target in targets]
    return from_files("stanfordcars", root, base, files, strings({"model": models}))


def labelled_files(name: str, root: Path, base: Path, found, level: str):
    """Take files and classes from one of torchvision's datasets that list them alike."""
    classes = [found.classes[label] for label in found._labels]
    return from_files(name, root, base, found._image_files, strings({level: classes}))


@paper_dataset("flowers102", version=1)
def flowers102(root: Path, partition: str):
    """Open Oxford Flowers-102."""
    from torchvision.datasets import Flowers102

    base, _ = locate("flowers102", root, "flowers-102")
    check_files("flowers102", root, base / "flowers-102", ["imagelabels.mat", "setid.mat"])
    found = Flowers102(base, partition)
    return labelled_files("flowers102", root, base, found, "species")


@paper_dataset("dtd", version=1)
def dtd(root: Path, partition: str):
    """Open the first partition of the Describable Textures Dataset."""
    from torchvision.datasets import DTD

    base, _ = locate("dtd", root, "dtd/dtd/images")
    found = DTD(base, partition)
    return labelled_files("dtd", root, base, found, "texture")


@paper_dataset("places365", version=1)
def places365(root: Path, partition: str):
    """Open Places365; images of 256 pixels are preferred to the large ones."""
    from torchvision.datasets import Places365

    split = {"test": "val", "train": "train-standard"}[partition]
    base, _ = locate("places365", root, Places365._FILE_LIST_META[split][0])
    found = Places365(base, split, small=True)
    if not Path(found.images_dir).is_dir():
        found = Places365(base, split, small=False)
    names = {target: name.removeprefix("/") for name, target in found.class_to_idx.items()}
    files = [file for file, _ in found.imgs]
    scenes = [names[target] for target in found.targets]
    return from_files("places365", root, base, files, strings({"scene": scenes}))


@paper_dataset("inaturalist", taxonomy=(*RANKS, "species"), version=1)
def inaturalist(root: Path, partition: str):
    """Open iNaturalist 2021: seven ranks, in the names of its class folders."""
    from torchvision.datasets import INaturalist

    version = {"test": "2021_valid", "train": "2021_train"}[partition]
    base, folder = locate("inaturalist", root, version)
    found = INaturalist(base, version)
    # Folders are listed in whatever order the system has them.
    index = sorted(
        (kind, file)
        for kind, file in found.index
        if not file.startswith(".") and is_image(folder / found.all_categories[kind] / file)
    )
    lineages = [kind.split("_")[1:] for kind in found.all_categories]
    rows = [(*lineages[kind][:6], " ".join(lineages[kind][5:])) for kind, _ in index]
    columns = dict(zip((*RANKS, "species"), zip(*rows, strict=True), strict=True)) if rows else {}
    files = [folder / found.all_categories[kind] / file for kind, file in index]
    return from_files("inaturalist", root, base, files, strings(columns))


@paper_dataset("celeba", version=1)
def celeba(root: Path, partition: str):
    """Open CelebA: the identity and 40 attributes, `yes` or `no`."""
    from torchvision.datasets import CelebA

    base, folder = locate("celeba", root, "celeba/img_align_celeba")
    tables = [file for *_, file in CelebA.file_list if file.endswith(".txt")]
    check_files("celeba", root, base / CelebA.base_folder, tables)
    found = CelebA(base, partition, target_type="identity")
    columns = {"identity": found.identity[:, 0].tolist()}
    # The header ends with a blank, which torchvision takes for one more name.
    names = [name for name in found.attr_names if name]
    for name, values in zip(names, found.attr.T.tolist(), strict=True):
        columns[name] = ["yes" if value else "no" for value in values]
    files = [folder / file for file in found.filename]
    return from_files("celeba", root, base, files, strings(columns))
