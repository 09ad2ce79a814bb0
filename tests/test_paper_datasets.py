"""The study's datasets, read from small trees in their publishers' layouts."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from paper_trees import TREES, WNIDS, folders, photograph, text

from zsc_utils.datasets import DATASETS, load_dataset
from zsc_utils.datasets.study.bioscan import fill_taxa
from zsc_utils.datasets.study.holdings import holding
from zsc_utils.datasets.study.lsun import open_database
from zsc_utils.datasets.study.nabirds import tree_levels
from zsc_utils.datasets.study.tables import sources_table, study_table
from zsc_utils.datasets.study.unsplit import evenly_spaced
from zsc_utils.errors import DatasetAbsentError, DatasetIncompleteError, UnreadableImageError

SHARED_DATA = Path(os.environ.get("ZSC_SHARED_DATA") or ROOT.parent / "shared" / "data")
IN_MEMORY = {"mnist", "fashionmnist", "cifar10", "cifar100", "svhn"}
# Those whose files are listed, by annotations, so that one can be found missing.
LISTED = ["aircraft", "stanfordcars", "flowers102", "dtd", "places365", "celeba", "nabirds"]
LISTED += ["bioscan1m"]


@pytest.fixture
def any_checksum(monkeypatch):
    """Let torchvision take files of any content; they must still be there."""
    from torchvision.datasets import celeba, cifar, flowers102, places365, svhn

    for module in (celeba, cifar, flowers102, places365, svhn):
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: os.path.isfile(path))


@pytest.fixture
def tree(tmp_path, any_checksum):
    """Write the tree of a dataset and return the data root."""

    def write(name):
        TREES[name][0](tmp_path)
        return tmp_path

    return write


def test_the_study_has_26_datasets_in_five_groups():
    table = study_table()
    assert len(table) == 26 and set(TREES) == set(table.index) <= set(DATASETS)
    assert table["group"].value_counts().between(3, 8).all() and table["group"].nunique() == 5
    assert not table["short"].duplicated().any()
    # What the study's appendix and its search add.
    extra = {"in9nofg", "in9onlybg", "in9tiledbg", "in9mixedsame", "in9mixednext"}
    extra |= {"imagenette", "imagewoof"}
    assert set(sources_table().index) == set(table.index) | extra
    untrained = [n for n in table.index if "train" not in DATASETS[n].facts.partitions]
    assert untrained == ["imagenetv2", "imagenet-r", "imagenet-sketch", "imagenet-o"]


@pytest.mark.parametrize("name", TREES)
def test_reader(name, tree):
    _, n_test, n_train, levels = TREES[name]
    root = tree(name)
    dataset = load_dataset(name, root)
    assert len(dataset) == len(dataset.labels) == n_test
    assert list(dataset.labels.columns) == levels and dataset.facts.label in levels
    values = dataset.labels.to_numpy().ravel()
    assert all(isinstance(value, str) for value in values[pd.notna(values)])
    assert dataset.labels[dataset.facts.label].nunique() > 1
    for index in range(n_test):
        image = dataset.images[index]
        assert image.mode == ("L" if "mnist" in name else "RGB")
        assert dataset.size in (None, min(image.size))
    if n_train:
        train = load_dataset(name, root, "train")
        assert len(train) == len(train.labels) == n_train
        assert list(train.labels.columns) == levels
        assert train.fingerprint != dataset.fingerprint


@pytest.mark.parametrize("name", TREES)
def test_fingerprints_name_the_content_wherever_it_lies(name, tree, tmp_path):
    root = tree(name)
    here = load_dataset(name, root).fingerprint
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in root.iterdir():
        if path != moved:
            shutil.move(path, moved)
    # One process opens a database once, wherever it was.
    open_database.cache_clear()
    assert load_dataset(name, moved).fingerprint == here
    biggest = max((p for p in moved.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    if name in IN_MEMORY:
        part = {"mnist": "t10k-i*", "fashionmnist": "t10k-i*"}.get(name, "test*")
        biggest = next(moved.rglob(part))
        data = bytearray(biggest.read_bytes())
        # The last pixels of an array; a batch's labels come after them.
        place = -600 if "cifar" in name else -200 if name == "svhn" else -1
        data[place] ^= 1
        biggest.write_bytes(data)
    else:
        for path in moved.rglob("*.*"):
            if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".mdb"):
                path.write_bytes(path.read_bytes() + b"\0")
    assert load_dataset(name, moved).fingerprint != here


@pytest.mark.parametrize("name", TREES)
def test_absent(name, tmp_path):
    with pytest.raises(DatasetAbsentError) as caught:
        load_dataset(name, tmp_path)
    assert not isinstance(caught.value, DatasetIncompleteError)
    message = str(caught.value)
    assert f"dataset {name} is absent" in message and f"zsc data {name}" in message
    assert str(tmp_path) in message and sources_table().loc[name, "files"] in message
    assert holding(name, tmp_path).state == "absent"


@pytest.mark.parametrize("name", LISTED)
def test_a_missing_image_makes_a_dataset_incomplete(name, tree):
    root = tree(name)
    dataset = load_dataset(name, root)
    dataset.images.paths[1].unlink()
    with pytest.raises(DatasetIncompleteError, match=f"1 of {len(dataset)} images are missing"):
        load_dataset(name, root)
    assert holding(name, root).state == "incomplete"


def test_fewer_images_than_the_study_had_are_told(tree, caplog):
    found = holding("dtd", tree("dtd"))
    assert (found.state, found.problem) == ("incomplete", "6 of 1,880 images")
    assert "dtd has 6 images, not the study's 1880" in caplog.text


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("cifar10", "cifar-10-batches-py/test_batch"),
        ("mnist", "MNIST/raw/t10k-images-idx3-ubyte"),
        ("svhn", "svhn/test_32x32.mat"),
        ("stanfordcars", "stanford_cars/cars_test_annos_withlabels.mat"),
        ("nabirds", "nabirds/train_test_split.txt"),
        ("bioscan1m", "bioscan/BIOSCAN_Insect_Dataset_metadata.tsv"),
        ("aircraft", "aircraft/fgvc-aircraft-2013b/data/images_family_test.txt"),
        ("celeba", "celeba/list_attr_celeba.txt"),
    ],
)
def test_annotations_cut_short_are_an_error_that_names_the_dataset(name, file, tree):
    root = tree(name)
    path = root / file
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(DatasetIncompleteError, match=f"dataset {name} is incomplete"):
        load_dataset(name, root)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("imagenet", "imagenet/val"),
        ("imagenet-r", "imagenet-r"),
        ("in9original", "in9/original/val/00_dog"),
        ("eurosat", "EuroSAT_RGB"),
        ("breakhis", "BreaKHis_v1/histology_slides"),
        ("utkface", "UTKFace"),
    ],
)
def test_an_empty_folder_is_named(name, folder, tmp_path):
    (tmp_path / folder).mkdir(parents=True)
    images = tmp_path / folder.removesuffix("/00_dog")
    with pytest.raises(DatasetIncompleteError, match=f"no images in {images};"):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("imagenet", "imagenet/val/ILSVRC2012_val_00000001.JPEG", "1 images in .* no folders of"),
        ("breakhis", "breakhis/histology_slides/breast/a.png", "none of the 1 images in .* named"),
        ("utkface", "UTKFace/39_1_20170116174525125.jpg.chip.jpg", "none of the 1 images in"),
    ],
)
def test_images_in_the_wrong_place_or_of_the_wrong_name(name, file, message, tmp_path):
    text(tmp_path / file, "")
    with pytest.raises(DatasetIncompleteError, match=message):
        load_dataset(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "file", "of"),
    [
        ("cifar10", "cifar-10-batches-py/data_batch_3", 7),
        ("cifar100", "cifar-100-python/train", 3),
        ("mnist", "MNIST/raw/t10k-labels-idx1-ubyte", 4),
        ("fashionmnist", "FashionMNIST/raw/train-images-idx3-ubyte", 4),
        ("flowers102", "flowers-102/setid.mat", 2),
        ("celeba", "celeba/list_bbox_celeba.txt", 5),
        ("stanfordcars", "stanford_cars/devkit/cars_meta.mat", 2),
    ],
)
def test_a_missing_file_is_named(name, file, of, tree):
    root = tree(name)
    (root / file).unlink()
    last = Path(file).name
    with pytest.raises(DatasetIncompleteError, match=f"1 of {of} files are missing: .*{last};"):
        load_dataset(name, root)


def test_archives_of_unknown_content_are_refused(tmp_path):
    """CIFAR's files are pickles, which could run code: only those of the right sum are read."""
    TREES["cifar10"][0](tmp_path)
    with pytest.raises(DatasetIncompleteError, match=r"corrupted\.\); expected"):
        load_dataset("cifar10", tmp_path)


def test_a_cut_image_is_named(tree):
    dataset = load_dataset("imagenet", tree("imagenet"))
    path = dataset.images.paths[2]
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UnreadableImageError, match=path.name):
        dataset.images[2]


def test_class_folders_take_images_of_classes_only(tree):
    dataset = load_dataset("imagenet", tree("imagenet"))
    assert {path.suffix for path in dataset.images.paths} == {".JPEG"}
    assert dataset.labels["class"].to_list() == [wnid for wnid in WNIDS for _ in range(3)]


def test_imagenet_r_has_its_art_forms(tree):
    labels = load_dataset("imagenet-r", tree("imagenet-r")).labels
    assert labels["art form"].to_list() == ["art", "graffiti", "toy"] * 2
    assert labels["class x art form"].nunique() == 6


def test_imagenet_9_names_its_classes_and_has_more_variants(tree):
    root = tree("in9original")
    assert set(load_dataset("in9original", root).labels["class"]) == {"dog", "wheeled vehicle"}
    others = {"in9nofg": "no_fg", "in9onlybg": "only_bg_b", "in9tiledbg": "only_bg_t"}
    for name, folder in (others | {"in9mixednext": "mixed_next"}).items():
        folders(root / "in9" / folder / "val", ("00_dog", "08_fish"))
        assert load_dataset(name, root).labels["class"].to_list() == ["dog"] * 3 + ["fish"] * 3
    # Without partitions all of it is for test; where only train is there, nothing is.
    folders(root / "in9" / "mixed_same", ("00_dog", "08_fish"))
    assert len(load_dataset("in9mixedsame", root)) == 6
    shutil.rmtree(root / "in9" / "original" / "val")
    with pytest.raises(DatasetAbsentError):
        load_dataset("in9original", root)


@pytest.mark.parametrize("name", ["imagenette", "imagewoof"])
def test_search_sets_are_training_images(name, tmp_path):
    folders(tmp_path / f"{name}2-160" / "train", WNIDS, name="{kind}_{i}.JPEG")
    assert len(load_dataset(name, tmp_path, "train")) == 6
    assert DATASETS[name].facts.partitions == ("train",)


def test_stanford_cars_as_class_folders(tmp_path):
    folders(tmp_path / "stanfordcars" / "test", ("Audi TT 2011", "BMW M3 2012"))
    labels = load_dataset("stanfordcars", tmp_path).labels
    assert labels["model"].unique().tolist() == ["Audi TT 2011", "BMW M3 2012"]


def test_superclasses_are_20_of_five(tree):
    from zsc_utils.datasets.study.arrays import SUPERCLASSES

    members = [kind for kinds in SUPERCLASSES.values() for kind in kinds.split()]
    assert len(SUPERCLASSES) == 20 and len(set(members)) == len(members) == 100
    labels = load_dataset("cifar100", tree("cifar100")).labels
    assert labels.iloc[:4].to_dict("list") == {
        "superclass": [
            *("fruit and vegetables", "vehicles 2"),
            *("fruit and vegetables", "non-insect invertebrates"),
        ],
        "class": ["apple", "lawn_mower", "pear", "worm"],
    }


def test_svhn_digit_0_and_places_names(tree):
    labels = load_dataset("svhn", tree("svhn")).labels["digit"]
    assert labels.to_list() == [*"123456789", "0"]
    scenes = load_dataset("places365", tree("places365")).labels["scene"]
    assert scenes.to_list() == ["a/airfield", "f/field/cultivated"] * 2
    train = load_dataset("places365", tree("places365"), "train")
    assert train.labels["scene"].value_counts().to_dict() == {
        "a/airfield": 2,
        "f/field/cultivated": 2,
    }


def test_aircraft_levels_are_joined_by_file(tree):
    dataset = load_dataset("aircraft", tree("aircraft"))
    assert [path.stem for path in dataset.images.paths] == [f"{i:07d}" for i in range(6)]
    assert dataset.labels.iloc[:3].to_numpy().tolist() == [
        ["Boeing", "Boeing 737", "737-200"],
        ["Boeing", "Boeing 737", "737-300"],
        ["Airbus", "A320", "A318"],
    ]


def test_celeba_identities_and_attributes(tree):
    labels = load_dataset("celeba", tree("celeba")).labels
    assert labels["identity"].to_list() == ["2880", "2881", "2882", "2880", "2881"]
    assert labels["Smiling"].to_list() == ["no", "yes", "no", "yes", "no"]
    assert set(labels["Wearing_Hat"]) == {"no"}


def test_inaturalist_ranks_and_order(tree):
    dataset = load_dataset("inaturalist", tree("inaturalist"))
    assert dataset.labels.iloc[0].to_list() == [
        *("Animalia", "Annelida", "Clitellata", "Haplotaxida", "Lumbricidae", "Lumbricus"),
        "Lumbricus terrestris",
    ]
    paths = [path.as_posix() for path in dataset.images.paths]
    assert paths == sorted(paths)


def test_nabirds_tree_is_nested_whatever_its_branches(tree):
    labels = load_dataset("nabirds", tree("nabirds")).labels
    assert labels.iloc[:3].to_numpy().tolist() == [
        ["Ducks", "Dabblers", "Mallard (Male)"],
        ["Ducks", "Dabblers", "Mallard (Female)"],
        # Two nodes of one name are told apart.
        ["Loons (3)", "Loons (3)", "Loons (12)"],
    ]
    # A leaf right below the root, and a cycle.
    assert tree_levels(["7", "9"], {"7": "0", "8": "0", "9": "8"}) == {"level 1": ["7", "8"]}
    # A root that is listed as its own parent.
    assert tree_levels(["2"], {"0": "0", "1": "0", "2": "1"}) == {"level 1": ["1"]}
    with pytest.raises(ValueError, match="cycle"):
        tree_levels(["1"], {"1": "2", "2": "1"})


def test_bioscan_fills_taxa_from_what_is_known():
    missing = "not_classified"
    columns = ["order", "family", "subfamily", "tribe", "genus", "species", "uri"]
    rows = [
        ("Diptera", "Sciaridae", missing, missing, missing, "Sciara analis", "BOLD:1"),
        ("Diptera", "Culicidae", "Culicinae", missing, "Culex", "Culex pipiens", missing),
        ("Diptera", missing, missing, missing, missing, missing, "BOLD:2"),
        ("Diptera", "Culicidae", missing, "Aedini", "Aedes", missing, "BOLD:3"),
    ]
    filled = fill_taxa(pd.DataFrame(rows, columns=columns, dtype="str"))
    assert filled.astype(object).where(filled.notna(), None).to_numpy().tolist() == [
        [
            *("Diptera", "Sciaridae", "unassigned Sciaridae", "unassigned Sciaridae"),
            *("Sciara", "Sciara analis", "BOLD:1"),
        ],
        [
            *("Diptera", "Culicidae", "Culicinae", "unassigned Culicinae"),
            *("Culex", "Culex pipiens", None),
        ],
        ["Diptera", None, None, None, None, None, "BOLD:2"],
        ["Diptera", "Culicidae", "unassigned Culicidae", "Aedini", "Aedes", None, "BOLD:3"],
    ]


def test_bioscan_partitions(tree):
    root = tree("bioscan1m")
    numbers = {
        part: [int(path.stem) for path in load_dataset("bioscan1m", root, part).images.paths]
        for part in ("test", "train", "val")
    }
    assert numbers == {
        "test": [0, 1, 2, 3, 4, 5],
        "train": [4, 5, 6, 7, 8, 9],
        "val": [0, 1, 2, 3],
    }
    assert load_dataset("bioscan1m", root).labels["species"].isna().to_list() == [
        *(False, False, False, True, False, False)
    ]
    with open(root / "bioscan" / "splits" / "test_seen.txt", "a") as stream:
        stream.write("S99\n")
    with pytest.raises(DatasetIncompleteError, match="1 of 7 sample ids are not in"):
        load_dataset("bioscan1m", root)
    (root / "bioscan" / "splits" / "seen_keys.txt").unlink()
    with pytest.raises(DatasetIncompleteError, match=r"no .*seen_keys\.txt"):
        load_dataset("bioscan1m", root)


def test_evenly_spaced_ages():
    # The study's size: 5 926 positions from the third to the third last, before any gives back.
    full = evenly_spaced(np.zeros(23_705, int), "test")
    assert full.tolist() == list(range(2, 23_703, 4)) and len(full) == 5_926
    # Four of 16: 2, 5.67, 9.33 and 13, rounded; the sample at 9 is the only one of its age.
    ages = np.array([1, 1, 1, 1, 1, 1, 1, 1, 1, 7, 8, 8, 8, 9, 9, 9])
    assert evenly_spaced(ages, "test").tolist() == [2, 6, 13]
    assert evenly_spaced(ages, "train").tolist() == [0, 1, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14, 15]
    # Two samples of an age, both for test: the first goes back.
    ages = np.array([0, 0, 1, 1, 2, 2])
    assert evenly_spaced(ages, "test").tolist() == [3]


def test_utkface_sorts_by_age_and_leaves_incomplete_names_out(tree):
    root = tree("utkface")
    faces = [load_dataset("utkface", root, part) for part in ("test", "train")]
    names = {path.name for face in faces for path in face.images.paths}
    assert len(names) == 17 and not any(name.startswith(("61", "39", "53")) for name in names)
    # Sorted by age as a number: 9 × 6, 10, 24 × 6, 44 × 3 … and 100. Position 6, the only one of
    # age 10, is given back.
    assert faces[0].labels["age"].to_list() == ["9", "24", "44"]
    assert "10" in set(faces[1].labels["age"])
    for face in faces:
        for path, row in zip(face.images.paths, face.labels.itertuples(), strict=True):
            age, gender, race = path.name.split("_")[:3]
            assert row.age == age and row.gender == ("male", "female")[int(gender)]
            assert row.race == ("White", "Black", "Asian", "Indian", "other")[int(race)]


def test_a_list_decides_which_faces_are_for_test(tree):
    root = tree("utkface")
    by_rule = load_dataset("utkface", root)
    chosen = ["100_1_3_20170110003.jpg.chip.jpg", "24_0_1_20170116220224657 .jpg.chip.jpg"]
    chosen += ["9_0_0_20170110000.jpg.chip.jpg"]
    # A byte order mark, the line ends of another system, lines without a name, any order.
    lines = "\r\n".join(["", *chosen, "  ", ""])
    (root / "utkface").mkdir()
    (root / "utkface" / "test.txt").write_bytes(b"\xef\xbb\xbf" + lines.encode())
    test, train = (load_dataset("utkface", root, part) for part in ("test", "train"))
    # In the order of ages, whatever that of the list.
    assert [path.name for path in test.images.paths] == [chosen[2], chosen[1], chosen[0]]
    assert test.labels["age"].to_list() == ["9", "24", "100"]
    assert len(train) == 14 and not set(chosen) & {path.name for path in train.images.paths}
    digest = hashlib.sha256((root / "utkface" / "test.txt").read_bytes()).hexdigest()
    assert test.fingerprint["test list"] == train.fingerprint["test list"] == digest
    assert "test list" not in by_rule.fingerprint


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["", " "], r"test\.txt names no images"),
        (["{0}", "{1}", "{0}"], "has 1 names more than once, the first '9_0_0_20170110000"),
        (["{0}", "9_0_0_1.jpg"], "1 of 2 names in .* are of no image here .*first '9_0_0_1.jpg'"),
        # Left out, as its name lacks a race.
        (["{0}", "39_1_20170116174525125.jpg.chip.jpg"], "1 of 2 names .* the first '39_1_"),
        (["\udcff\udcfe"], "cannot be read .UnicodeDecodeError"),
    ],
)
def test_a_list_of_faces_that_is_wrong_is_refused(tree, lines, message):
    root = tree("utkface")
    names = [f"9_{i}_{i}_2017011{i:04d}.jpg.chip.jpg" for i in range(2)]
    file = root / "utkface" / "test.txt"
    file.parent.mkdir()
    text = "\n".join(lines).format(*names)
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    for partition in ("test", "train"):
        with pytest.raises(DatasetIncompleteError, match=message):
            load_dataset("utkface", root, partition)


def test_eurosat_and_breakhis_are_split_as_scikit_learn_does(tree):
    from sklearn.model_selection import train_test_split
    from torchvision.datasets import EuroSAT

    root = tree("eurosat")
    whole = EuroSAT(root)
    _, test = train_test_split(
        np.arange(40), test_size=0.15, stratify=whole.targets, random_state=0
    )
    dataset = load_dataset("eurosat", root)
    assert [str(path) for path in dataset.images.paths] == [
        whole.samples[i][0] for i in sorted(test)
    ]
    assert dataset.labels["land use"].value_counts().to_list() == [3, 3]

    dataset, train = (load_dataset("breakhis", tree("breakhis"), p) for p in ("test", "train"))
    files = sorted(str(path) for path in root.rglob("SOB_*.png"))
    kinds = [Path(file).name.split("-")[0] + Path(file).parent.name for file in files]
    _, test = train_test_split(np.arange(20), test_size=0.4, stratify=kinds, random_state=0)
    assert [str(path) for path in dataset.images.paths] == [files[i] for i in sorted(test)]
    assert len(train) == 12 and not set(train.images.paths) & set(dataset.images.paths)
    assert set(dataset.labels["tumour type x magnification"]) == {
        *("adenosis 40X", "adenosis 100X", "ductal carcinoma 40X", "ductal carcinoma 100X")
    }
    assert set(dataset.labels["slide"]) <= {"14-22549AB", "14-22550AB"}


def test_lsun_with_a_scene_too_few_or_a_broken_one_is_incomplete(tmp_path):
    from paper_trees import SCENES

    for scene in SCENES[:-1]:
        text(tmp_path / "lsun" / f"{scene}_val_lmdb" / "data.mdb", "")
    with pytest.raises(DatasetIncompleteError, match="no tower_val_lmdb"):
        load_dataset("lsun", tmp_path)
    text(tmp_path / "lsun" / "tower_val_lmdb" / "data.mdb", "")
    with pytest.raises(DatasetIncompleteError, match="cannot be read"):
        load_dataset("lsun", tmp_path)


def test_real_mnist():
    if not (SHARED_DATA / "MNIST" / "raw").is_dir():
        pytest.skip(f"no MNIST in {SHARED_DATA}")
    dataset = load_dataset("mnist", SHARED_DATA)
    assert holding("mnist", SHARED_DATA).state == "complete"
    assert len(dataset) == 10_000 and len(load_dataset("mnist", SHARED_DATA, "train")) == 60_000
    # LeCun et al. (1998): 980 zeros; the first test image is a seven.
    assert (dataset.labels["digit"] == "0").sum() == 980
    assert dataset.labels["digit"].iloc[0] == "7" and dataset.size == 28
    assert np.ptp(np.asarray(dataset.images[0]).astype(int)) > 200


def test_names_are_known_without_torch():
    code = "import sys, zsc_utils.datasets as d; len(d.DATASETS); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_page_of_datasets_is_that_of_the_tables():
    page = (ROOT / "docs" / "datasets.md").read_text()
    for name, facts in DATASETS.facts().items():
        if name in sources_table().index:
            row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` "))
            source = sources_table().loc[name]
            for part in re.sub(r" \(.*?\)", "", source["files"]).split("; "):
                assert f"`{part}`" in row
            assert facts.display in row and facts.group in row and source["page"] in row


def test_photographs_have_the_modes_that_real_ones_have(tmp_path):
    from PIL import Image

    modes = set()
    for i in range(3):
        for suffix in (".jpg", ".png"):
            photograph(tmp_path / f"{i}{suffix}", i)
            modes.add(Image.open(tmp_path / f"{i}{suffix}").mode)
    assert {"RGB", "L", "CMYK"} < modes and any(mode.startswith("I") for mode in modes)


@pytest.mark.parametrize("name", ["inaturalist", "bioscan1m"])
def test_taxonomies_nest(name, tmp_path):
    TREES[name][0](tmp_path)
    opened = load_dataset(name, tmp_path)
    levels = opened.labels[list(opened.facts.taxonomy)]
    assert len(levels.columns) == 7 and opened.facts.label in levels
    for coarse, fine in zip(levels, levels.columns[1:], strict=False):
        assert levels.groupby(fine)[coarse].nunique().max() == 1
