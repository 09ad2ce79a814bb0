"""Datasets whose files and labels torchvision lists: it reads their annotations, we the images."""

from __future__ import annotations

from pathlib import Path

from zsc_utils.datasets.folder import is_image
from zsc_utils.datasets.study.class_folders import open_class_folders
from zsc_utils.datasets.study.listing import check_files, class_names, from_files, locate
from zsc_utils.datasets.study.tables import Absent, Roots, paper_dataset

RANKS = ("kingdom", "phylum", "class", "order", "family", "genus")


@paper_dataset("aircraft", version=1)
def aircraft(roots: Roots, partition: str):
    """Open FGVC-Aircraft: manufacturers, families, variants."""
    from torchvision.datasets import FGVCAircraft

    base, _ = locate(roots, "fgvc-aircraft-2013b")
    labels = {}
    for level in ("manufacturer", "family", "variant"):
        listed = FGVCAircraft(base, partition, level)
        names = class_names(listed, listed._labels)
        labels[level] = dict(zip(listed._image_files, names, strict=True))
    files = listed._image_files
    columns = {level: [of[file] for file in files] for level, of in labels.items()}
    return from_files(base, files, columns)


@paper_dataset("stanfordcars", version=1)
def stanfordcars(roots: Roots, partition: str):
    """Open Stanford Cars, in its own layout or as class folders."""
    from torchvision.datasets import StanfordCars

    try:
        base, _ = locate(roots, "stanford_cars")
    except Absent:
        images, labels, *rest = open_class_folders(roots, f"stanfordcars/{partition}")
        return images, labels.rename(columns={"class": "model"}), *rest
    labels = {"test": "cars_test_annos_withlabels.mat", "train": "devkit/cars_train_annos.mat"}
    check_files(base / "stanford_cars", ["devkit/cars_meta.mat", labels[partition]])
    listed = StanfordCars(base, partition)
    files, targets = zip(*listed._samples, strict=True)
    return from_files(base, files, {"model": class_names(listed, targets)})


@paper_dataset("flowers102", version=1)
def flowers102(roots: Roots, partition: str):
    """Open Oxford Flowers-102."""
    from torchvision.datasets import Flowers102

    base, folder = locate(roots, "flowers-102")
    check_files(folder, ["imagelabels.mat", "setid.mat"])
    listed = Flowers102(base, partition)
    return from_files(base, listed._image_files, {"species": class_names(listed, listed._labels)})


@paper_dataset("dtd", version=1)
def dtd(roots: Roots, partition: str):
    """Open the first partition of the Describable Textures Dataset."""
    from torchvision.datasets import DTD

    base, _ = locate(roots, "dtd/dtd/images")
    listed = DTD(base, partition)
    return from_files(base, listed._image_files, {"texture": class_names(listed, listed._labels)})


@paper_dataset("places365", version=1)
def places365(roots: Roots, partition: str):
    """Open Places365; images of 256 pixels are preferred to the large ones."""
    from torchvision.datasets import Places365

    split = {"test": "val", "train": "train-standard"}[partition]
    base, _ = locate(roots, Places365._FILE_LIST_META[split][0])
    listed = Places365(base, split, small=True)
    if not Path(listed.images_dir).is_dir():
        listed = Places365(base, split, small=False)
    names = {target: name.removeprefix("/") for name, target in listed.class_to_idx.items()}
    files = [file for file, _ in listed.imgs]
    return from_files(base, files, {"scene": [names[target] for target in listed.targets]})


@paper_dataset("inaturalist", taxonomy=(*RANKS, "species"), version=1)
def inaturalist(roots: Roots, partition: str):
    """Open iNaturalist 2021: seven ranks, in the names of its class folders."""
    from torchvision.datasets import INaturalist

    version = {"test": "2021_valid", "train": "2021_train"}[partition]
    base, folder = locate(roots, version)
    listed = INaturalist(base, version)
    # Folders are listed in whatever order the system has them.
    index = sorted(listed.index)
    files = [folder / listed.all_categories[kind] / file for kind, file in index]
    files = [file for file in files if not file.name.startswith(".") and is_image(file)]
    # A folder is named by its number and the ranks, a species by its genus and its own word.
    lineages = [file.parent.name.split("_")[1:] for file in files]
    rows = [(*lineage[:6], " ".join(lineage[5:])) for lineage in lineages]
    columns = dict(zip((*RANKS, "species"), zip(*rows, strict=True), strict=True)) if rows else {}
    return from_files(base, files, columns)


@paper_dataset("celeba", version=1)
def celeba(roots: Roots, partition: str):
    """Open CelebA: the identity and 40 attributes, `yes` or `no`."""
    from torchvision.datasets import CelebA

    base, folder = locate(roots, "celeba/img_align_celeba")
    tables = [file for *_, file in CelebA.file_list if file.endswith(".txt")]
    check_files(folder.parent, tables)
    listed = CelebA(base, partition, target_type="identity")
    columns = {"identity": listed.identity[:, 0].tolist()}
    # The header ends with a blank, which torchvision takes for one more name.
    names = [name for name in listed.attr_names if name]
    for name, values in zip(names, listed.attr.T.tolist(), strict=True):
        columns[name] = ["yes" if value else "no" for value in values]
    return from_files(base, [folder / file for file in listed.filename], columns)
