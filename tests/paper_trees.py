"""Small trees in the layouts of the study's datasets, written as their publishers lay them out.

Each writer takes the data root. Images are of the modes that real ones have: RGB, grey, CMYK
(JPEG), 16 bits (PNG). Files that are no images lie among them.
"""

import pickle
import struct

import numpy as np
from PIL import Image
from scipy.io import savemat

SIDE = 12


def photograph(path, index=0):
    """Write a small image whose mode follows its index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(index)
    kind = {".png": "PNG"}.get(path.suffix.lower(), "JPEG")
    if index % 3 == 2 and kind == "PNG":
        Image.fromarray(rng.integers(0, 65536, (SIDE, SIDE), np.uint16)).save(path, kind)
        return
    image = Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    image.convert(("RGB", "L", "CMYK")[index % 3]).save(path, kind)


def text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def folders(top, classes, n=3, name="{i}.jpg"):
    """Write class folders of n images each, and what does not belong to any class."""
    for kind in classes:
        for i in range(n):
            photograph(top / kind / name.format(i=i, kind=kind), i)
        text(top / kind / "notes.txt", "no image")
        photograph(top / kind / ".hidden.jpg")
    photograph(top / "stray.jpg")


WNIDS = ("n01440764", "n02102040")
DOGS = ("00_dog", "02_wheeled vehicle")


def imagenet(root):
    folders(root / "imagenet" / "val", WNIDS, name="ILSVRC2012_val_{i:08d}.JPEG")
    folders(root / "imagenet" / "train", WNIDS, 4, name="{kind}_{i}.JPEG")


def imagenetv2(root):
    top = root / "imagenetv2" / "imagenetv2-matched-frequency-format-val"
    folders(top, ("0", "1", "10"), name="{i}.jpeg")


def imagenet_sketch(root):
    folders(root / "imagenet-sketch", WNIDS, name="sketch_{i}.JPEG")


def imagenet_o(root):
    folders(root / "imagenet-o", WNIDS)
    text(root / "imagenet-o" / "README.txt", "no class folder")


def imagenet_r(root):
    for i, (wnid, form) in enumerate([(w, f) for w in WNIDS for f in ("art", "graffiti", "toy")]):
        photograph(root / "imagenet-r" / wnid / f"{form}_{i}.jpg", i)
    text(root / "imagenet-r" / "README.txt", "no class folder")


def in9original(root):
    folders(root / "in9" / "original" / "val", DOGS)
    folders(root / "in9" / "original" / "train", DOGS, 4)


def in9onlyfg(root):
    folders(root / "in9" / "only_fg" / "test", DOGS)
    folders(root / "in9" / "only_fg" / "train", DOGS, 4)


def in9mixedrand(root):
    folders(root / "in9" / "bg_challenge" / "mixed_rand" / "val", DOGS)
    folders(root / "in9" / "mixed_rand" / "train", DOGS, 4)


def idx(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def mnist_like(folder, classes=10):
    rng = np.random.default_rng(0)
    for part, n in (("t10k", 20), ("train", 30)):
        idx(folder / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (n, 28, 28)))
        idx(folder / f"{part}-labels-idx1-ubyte", np.arange(n) % classes)


def mnist(root):
    mnist_like(root / "MNIST" / "raw")


def fashionmnist(root):
    mnist_like(root / "FashionMNIST" / "raw")


def pickled(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


def cifar10(root):
    folder = root / "cifar-10-batches-py"
    rng = np.random.default_rng(0)
    names = "airplane automobile bird cat deer dog frog horse ship truck".split()
    pickled(folder / "batches.meta", {"label_names": names})
    for file in ("test_batch", *(f"data_batch_{i}" for i in range(1, 6))):
        data = rng.integers(0, 256, (10, 3072), np.uint8)
        pickled(folder / file, {"data": data, "labels": list(range(10))})


def cifar100(root):
    folder = root / "cifar-100-python"
    rng = np.random.default_rng(0)
    pickled(folder / "meta", {"fine_label_names": ["apple", "lawn_mower", "pear", "worm"]})
    for file, n in (("test", 8), ("train", 12)):
        data = rng.integers(0, 256, (n, 3072), np.uint8)
        pickled(folder / file, {"data": data, "fine_labels": [i % 4 for i in range(n)]})


def svhn(root):
    (root / "svhn").mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("test", 10), ("train", 20)):
        pixels = rng.integers(0, 256, (32, 32, 3, n), np.uint8)
        # Its digit 0 is labelled 10.
        savemat(
            root / "svhn" / f"{part}_32x32.mat", {"X": pixels, "y": np.c_[np.arange(n) % 10 + 1]}
        )


SCENES = (
    *("bedroom", "bridge", "church_outdoor", "classroom", "conference_room"),
    *("dining_room", "kitchen", "living_room", "restaurant", "tower"),
)


def lsun(root):
    import io

    import lmdb

    for part, n in (("val", 3), ("train", 4)):
        for scene in SCENES:
            folder = root / "lsun" / f"{scene}_{part}_lmdb"
            folder.mkdir(parents=True)
            database = lmdb.open(str(folder), map_size=1 << 20)
            with database, database.begin(write=True) as transaction:
                for i in range(n):
                    data = io.BytesIO()
                    image = Image.new(("RGB", "L", "CMYK")[i % 3], (SIDE, SIDE), 9 * i)
                    image.save(data, "JPEG")
                    transaction.put(f"{i:040x}".encode(), data.getvalue())


def places365(root):
    top = root / "places365"
    text(top / "categories_places365.txt", "/a/airfield 0", "/f/field/cultivated 1")
    names = [f"Places365_val_{i:08d}.jpg" for i in range(1, 5)]
    text(top / "places365_val.txt", *(f"{name} {i % 2}" for i, name in enumerate(names)))
    train = [
        f"/{kind}/{i:08d}.jpg" for kind in ("a/airfield", "f/field/cultivated") for i in (1, 2)
    ]
    text(top / "places365_train_standard.txt", *(f"{f} {int('cultivated' in f)}" for f in train))
    for i, name in enumerate(names):
        photograph(top / "val_256" / name, i)
    for i, name in enumerate(train):
        photograph(top / "data_256_standard" / name[1:], i)


def aircraft(root):
    top = root / "aircraft" / "fgvc-aircraft-2013b" / "data"
    kinds = [
        ("Boeing", "Boeing 737", "737-200"),
        ("Boeing", "Boeing 737", "737-300"),
        ("Airbus", "A320", "A318"),
    ]
    for level, plural in enumerate(("manufacturers", "families", "variants")):
        text(top / f"{plural}.txt", *sorted({kind[level] for kind in kinds}))
    for part, numbers in (("test", range(6)), ("train", range(10, 13))):
        for level, singular in enumerate(("manufacturer", "family", "variant")):
            # The lists need not be in the same order.
            lines = [f"{i:07d} {kinds[i % 3][level]}" for i in numbers][:: 1 - 2 * (level == 1)]
            text(top / f"images_{singular}_{part}.txt", *lines)
        for i in numbers:
            photograph(top / "images" / f"{i:07d}.jpg", i)


def stanfordcars(root):
    top = root / "stanford_cars"
    (top / "devkit").mkdir(parents=True)
    models = np.array(["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012"], object)
    savemat(top / "devkit" / "cars_meta.mat", {"class_names": models})
    kind = np.dtype([("fname", object), ("class", object)])
    for part, file, n in (
        ("test", "cars_test_annos_withlabels.mat", 4),
        ("train", "devkit/cars_train_annos.mat", 6),
    ):
        rows = np.array([(f"{i:05d}.jpg", i % 2 + 1) for i in range(n)], kind)
        savemat(top / file, {"annotations": rows})
        for i in range(n):
            photograph(top / f"cars_{part}" / f"{i:05d}.jpg", i)


def flowers102(root):
    top = root / "flowers-102"
    for i in range(1, 11):
        photograph(top / "jpg" / f"image_{i:05d}.jpg", i)
    savemat(top / "imagelabels.mat", {"labels": [1 + i % 2 for i in range(10)]})
    savemat(top / "setid.mat", {"trnid": [1, 2], "valid": [3, 4], "tstid": [10, 5, 6, 7, 8, 9]})


TAXA = "order family subfamily tribe genus species uri".split()
INSECTS = [
    # A missing genus, tribe and subfamily; a missing tribe; nothing missing; all missing.
    ("Diptera", "Sciaridae", "not_classified", "not_classified", "not_classified", "Sciara analis"),
    ("Diptera", "Culicidae", "Culicinae", "not_classified", "Culex", "Culex pipiens"),
    ("Diptera", "Culicidae", "Culicinae", "Aedini", "Aedes", "Aedes vexans"),
    ("not_classified",) * 6,
]


def bioscan1m(root):
    top = root / "bioscan"
    columns = ["sampleid", *TAXA, "nucraw", "image_file", "chunk_number"]
    lines = ["\t".join(columns)]
    for i in range(12):
        taxa = INSECTS[i % 4]
        uri = "not_classified" if i % 4 == 3 else f"BOLD:AAA000{i}"
        lines.append("\t".join([f"S{i}", *taxa, uri, "ACGT", f"{i}.jpg", str(i // 6)]))
        photograph(top / "images" / "cropped_256" / f"part{i // 6}" / f"{i}.jpg", i)
    text(top / "BIOSCAN_Insect_Dataset_metadata.tsv", *lines)
    lists = {
        "seen_keys": (0, 1),
        "test_seen": (2,),
        "test_unseen": (3,),
        "test_unseen_keys": (4, 5),
        "train_seen": (6, 7, 8, 9),
    }
    for name, numbers in lists.items():
        text(top / "splits" / f"{name}.txt", *(f"S{i}" for i in numbers))


def nabirds(root):
    top = root / "nabirds"
    classes = ["0 Birds", "1 Ducks", "2 Dabblers", "10 Mallard (Male)", "11 Mallard (Female)"]
    # A branch that ends early, whose leaf has the name of its parent.
    classes += ["3 Loons", "12 Loons"]
    text(top / "classes.txt", *classes)
    text(top / "hierarchy.txt", "1 0", "2 1", "10 2", "11 2", "3 0", "12 3")
    images, labels, split = [], [], []
    for i in range(9):
        kind = ("10", "11", "12")[i % 3]
        images.append(f"id-{i} {int(kind):04d}/bird{i}.jpg")
        labels.append(f"id-{i} {kind}")
        split.append(f"id-{i} {int(i >= 6)}")
        photograph(top / "images" / f"{int(kind):04d}" / f"bird{i}.jpg", i)
    text(top / "images.txt", *images)
    text(top / "image_class_labels.txt", *labels)
    text(top / "train_test_split.txt", *split)


def inaturalist(root):
    kinds = (
        "00000_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_Lumbricus_terrestris",
        "00001_Animalia_Arthropoda_Insecta_Diptera_Culicidae_Culex_pipiens",
        "00002_Plantae_Tracheophyta_Magnoliopsida_Rosales_Rosaceae_Rosa_canina",
    )
    for version, n in (("2021_valid", 2), ("2021_train", 3)):
        for kind in kinds:
            for i in range(n):
                photograph(root / "inaturalist" / version / kind / f"{9 - i}.jpg", i)
            text(root / "inaturalist" / version / kind / ".DS_Store", "")


def celeba(root):
    top = root / "celeba"
    names = [f"{i:06d}.jpg" for i in range(1, 9)]
    for i, name in enumerate(names):
        photograph(top / "img_align_celeba" / name, i)
    text(top / "identity_CelebA.txt", *(f"{name} {2880 + i % 3}" for i, name in enumerate(names)))
    text(top / "list_eval_partition.txt", *(f"{n} {2 * (i >= 3)}" for i, n in enumerate(names)))
    # The real list pads its numbers and ends its header with a blank.
    values = [f"{name} {'-1' if i % 2 else ' 1'} -1" for i, name in enumerate(names)]
    text(top / "list_attr_celeba.txt", str(len(names)), "Smiling Wearing_Hat ", *values)
    text(top / "list_bbox_celeba.txt", "8", "image_id x_1 y_1", *(f"{n} 1 2" for n in names))
    text(top / "list_landmarks_align_celeba.txt", "8", "x y", *(f"{n} 1 2" for n in names))


def utkface(root):
    names = [f"{age}_{i % 2}_{i % 5}_2017011{i:04d}.jpg.chip.jpg" for i, age in enumerate(UTK_AGES)]
    # The three kinds of name that lack something, and two that are only odd.
    names += ["61_1_20170109142408075.jpg.chip.jpg", "39_1_20170116174525125.jpg.chip.jpg"]
    names += ["53__0_20170116184028385.jpg.chip.jpg"]
    names += ["24_0_1_20170116220224657 .jpg.chip.jpg", "44_1_4_20170116235150272.pg.chip.JPG"]
    for i, name in enumerate(names):
        photograph(root / "UTKFace" / name, i)


# With the two odd names 17 faces: the test positions are 2, 6, 10 and 14.
UTK_AGES = (9, 9, 9, 100, 9, 10, 9, 9, 24, 24, 24, 24, 24, 44, 44)


def breakhis(root):
    top = root / "breakhis" / "BreaKHis_v1" / "histology_slides" / "breast"
    for kind, group, tumour in (("B", "benign", "A"), ("M", "malignant", "DC")):
        for scale in (40, 100):
            for i in range(5):
                slide = f"14-{22549 + i // 3}AB"
                folder = top / group / "SOB" / tumour / f"SOB_{kind}_{tumour}_{slide}" / f"{scale}X"
                name = f"SOB_{kind}_{tumour}-{slide}-{scale}-{i:03d}.png"
                photograph(folder / name, i)
    photograph(top / "benign" / "montage.png")
    text(top / "README.txt", "no image")


def dtd(root):
    top = root / "dtd" / "dtd"
    for part, numbers in (("test", range(3)), ("train", range(3, 5)), ("val", range(5, 6))):
        files = [f"{kind}/{kind}_{i:04d}.jpg" for kind in ("banded", "zigzagged") for i in numbers]
        text(top / "labels" / f"{part}1.txt", *files)
        for i, file in enumerate(files):
            photograph(top / "images" / file, i)


def eurosat(root):
    for kind in ("AnnualCrop", "SeaLake"):
        for i in range(1, 21):
            photograph(root / "eurosat" / "2750" / kind / f"{kind}_{i}.jpg", i)


# Writer; images of test and train; levels.
TREES = {
    "imagenet": (imagenet, 6, 8, ["class"]),
    "imagenetv2": (imagenetv2, 9, None, ["class"]),
    "cifar10": (cifar10, 10, 50, ["class"]),
    "cifar100": (cifar100, 8, 12, ["superclass", "class"]),
    "in9original": (in9original, 6, 8, ["class"]),
    "in9onlyfg": (in9onlyfg, 6, 8, ["class"]),
    "in9mixedrand": (in9mixedrand, 6, 8, ["class"]),
    "imagenet-r": (imagenet_r, 6, None, ["class", "art form", "class x art form"]),
    "imagenet-sketch": (imagenet_sketch, 6, None, ["class"]),
    "imagenet-o": (imagenet_o, 6, None, ["class"]),
    "lsun": (lsun, 30, 40, ["scene"]),
    "places365": (places365, 4, 4, ["scene"]),
    "aircraft": (aircraft, 6, 3, ["manufacturer", "family", "variant"]),
    "stanfordcars": (stanfordcars, 4, 6, ["model"]),
    "flowers102": (flowers102, 6, 2, ["species"]),
    "bioscan1m": (bioscan1m, 6, 6, [*TAXA[:-1], "BIN"]),
    "nabirds": (nabirds, 6, 3, ["level 1", "level 2", "species"]),
    "inaturalist": (
        inaturalist,
        6,
        9,
        ["kingdom", "phylum", "class", "order", "family", "genus", "species"],
    ),
    "celeba": (celeba, 5, 3, ["identity", "Smiling", "Wearing_Hat"]),
    "utkface": (utkface, 3, 14, ["age", "gender", "race"]),
    "breakhis": (
        breakhis,
        8,
        12,
        ["malignancy", "tumour type", "slide", "magnification", "tumour type x magnification"],
    ),
    "dtd": (dtd, 6, 4, ["texture"]),
    "eurosat": (eurosat, 6, 34, ["land use"]),
    "mnist": (mnist, 20, 30, ["digit"]),
    "fashionmnist": (fashionmnist, 20, 30, ["garment"]),
    "svhn": (svhn, 10, 20, ["digit"]),
}
