"""Small images that come as one array: MNIST, Fashion-MNIST, CIFAR and SVHN, by torchvision."""

from __future__ import annotations

from pathlib import Path

from zsc_utils.datasets.study.listing import check_files, from_array, locate, strings
from zsc_utils.datasets.study.tables import paper_dataset

# Superclasses of CIFAR-100 (Krizhevsky, 2009), whose coarse labels torchvision does not give.
SUPERCLASSES = {
    "aquatic mammals": "beaver dolphin otter seal whale",
    "fish": "aquarium_fish flatfish ray shark trout",
    "flowers": "orchid poppy rose sunflower tulip",
    "food containers": "bottle bowl can cup plate",
    "fruit and vegetables": "apple mushroom orange pear sweet_pepper",
    "household electrical devices": "clock keyboard lamp telephone television",
    "household furniture": "bed chair couch table wardrobe",
    "insects": "bee beetle butterfly caterpillar cockroach",
    "large carnivores": "bear leopard lion tiger wolf",
    "large man-made outdoor things": "bridge castle house road skyscraper",
    "large natural outdoor scenes": "cloud forest mountain plain sea",
    "large omnivores and herbivores": "camel cattle chimpanzee elephant kangaroo",
    "medium-sized mammals": "fox porcupine possum raccoon skunk",
    "non-insect invertebrates": "crab lobster snail spider worm",
    "people": "baby boy girl man woman",
    "reptiles": "crocodile dinosaur lizard snake turtle",
    "small mammals": "hamster mouse rabbit shrew squirrel",
    "trees": "maple_tree oak_tree palm_tree pine_tree willow_tree",
    "vehicles 1": "bicycle bus motorcycle pickup_truck train",
    "vehicles 2": "lawn_mower rocket streetcar tank tractor",
}


def idx_files(folder: str) -> list[str]:
    """Files of a dataset in the manner of MNIST, unpacked."""
    kinds = ("images-idx3", "labels-idx1")
    return [f"{folder}/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in kinds]


def batch_files(kind: type) -> list[str]:
    """Files of a dataset in the manner of CIFAR."""
    batches = [file for file, _ in (*kind.train_list, *kind.test_list)]
    return [f"{kind.base_folder}/{file}" for file in (*batches, kind.meta["filename"])]


@paper_dataset("mnist", version=1)
def mnist(root: Path, partition: str):
    """Open MNIST: grey, 28 x 28."""
    from torchvision.datasets import MNIST

    base, _ = locate("mnist", root, "MNIST/raw")
    check_files("mnist", root, base, idx_files("MNIST"))
    found = MNIST(base, train=partition == "train")
    return from_array(found.data.numpy(), strings({"digit": found.targets.tolist()}))


@paper_dataset("fashionmnist", version=1)
def fashionmnist(root: Path, partition: str):
    """Open Fashion-MNIST: grey, 28 x 28."""
    from torchvision.datasets import FashionMNIST

    base, _ = locate("fashionmnist", root, "FashionMNIST/raw")
    check_files("fashionmnist", root, base, idx_files("FashionMNIST"))
    found = FashionMNIST(base, train=partition == "train")
    garments = [found.classes[target] for target in found.targets.tolist()]
    return from_array(found.data.numpy(), strings({"garment": garments}))


@paper_dataset("cifar10", version=1)
def cifar10(root: Path, partition: str):
    """Open CIFAR-10: 32 x 32. Its files are pickles: torchvision checks their sums first."""
    from torchvision.datasets import CIFAR10

    base, _ = locate("cifar10", root, CIFAR10.base_folder)
    check_files("cifar10", root, base, batch_files(CIFAR10))
    found = CIFAR10(base, train=partition == "train")
    classes = [found.classes[target] for target in found.targets]
    return from_array(found.data, strings({"class": classes}))


@paper_dataset("cifar100", version=1)
def cifar100(root: Path, partition: str):
    """Open CIFAR-100, as `cifar10`, with its 20 superclasses."""
    from torchvision.datasets import CIFAR100

    base, _ = locate("cifar100", root, CIFAR100.base_folder)
    check_files("cifar100", root, base, batch_files(CIFAR100))
    found = CIFAR100(base, train=partition == "train")
    classes = [found.classes[target] for target in found.targets]
    parents = {kind: coarse for coarse, kinds in SUPERCLASSES.items() for kind in kinds.split()}
    coarse = [parents[kind] for kind in classes]
    return from_array(found.data, strings({"superclass": coarse, "class": classes}))


@paper_dataset("svhn", version=1)
def svhn(root: Path, partition: str):
    """Open the cropped digits of Street View House Numbers: 32 x 32."""
    from torchvision.datasets import SVHN

    base, _ = locate("svhn", root, SVHN.split_list[partition][1])
    found = SVHN(base, partition)
    pixels = found.data.transpose(0, 2, 3, 1)
    return from_array(pixels, strings({"digit": found.labels.tolist()}))
