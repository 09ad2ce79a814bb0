"""Small images that come as one array: MNIST, Fashion-MNIST, CIFAR and SVHN, by torchvision."""

from __future__ import annotations

from zsc_utils.datasets.study.listing import check_files, class_names, from_array, locate
from zsc_utils.datasets.study.tables import Roots, paper_dataset

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


def open_mnist(kind: type, roots: Roots, partition: str):
    """Let torchvision open a dataset in the manner of MNIST, from its unpacked files."""
    raw = f"{kind.__name__}/raw"
    base, _ = locate(roots, raw)
    contents = ("images-idx3", "labels-idx1")
    files = [f"{raw}/{part}-{held}-ubyte" for part in ("train", "t10k") for held in contents]
    check_files(base, files)
    return kind(base, train=partition == "train")


def open_cifar(kind: type, roots: Roots, partition: str):
    """Let torchvision open a CIFAR. Its files are pickles: torchvision checks their sums first."""
    base, _ = locate(roots, kind.base_folder)
    batches = [file for file, _ in (*kind.train_list, *kind.test_list)]
    files = [f"{kind.base_folder}/{file}" for file in (*batches, kind.meta["filename"])]
    check_files(base, files)
    return kind(base, train=partition == "train")


@paper_dataset("mnist", version=1)
def mnist(roots: Roots, partition: str):
    """Open MNIST: grey, 28 x 28."""
    from torchvision.datasets import MNIST

    opened = open_mnist(MNIST, roots, partition)
    return from_array(opened.data.numpy(), {"digit": opened.targets.tolist()})


@paper_dataset("fashionmnist", version=1)
def fashionmnist(roots: Roots, partition: str):
    """Open Fashion-MNIST: grey, 28 x 28."""
    from torchvision.datasets import FashionMNIST

    opened = open_mnist(FashionMNIST, roots, partition)
    return from_array(
        opened.data.numpy(), {"garment": class_names(opened, opened.targets.tolist())}
    )


@paper_dataset("cifar10", version=1)
def cifar10(roots: Roots, partition: str):
    """Open CIFAR-10: 32 x 32."""
    from torchvision.datasets import CIFAR10

    opened = open_cifar(CIFAR10, roots, partition)
    return from_array(opened.data, {"class": class_names(opened, opened.targets)})


@paper_dataset("cifar100", version=1)
def cifar100(roots: Roots, partition: str):
    """Open CIFAR-100: 32 x 32, with its 20 superclasses."""
    from torchvision.datasets import CIFAR100

    opened = open_cifar(CIFAR100, roots, partition)
    classes = class_names(opened, opened.targets)
    parents = {kind: coarse for coarse, kinds in SUPERCLASSES.items() for kind in kinds.split()}
    superclasses = [parents[kind] for kind in classes]
    return from_array(opened.data, {"superclass": superclasses, "class": classes})


@paper_dataset("svhn", version=1)
def svhn(roots: Roots, partition: str):
    """Open the cropped digits of Street View House Numbers: 32 x 32."""
    from torchvision.datasets import SVHN

    base, _ = locate(roots, SVHN.split_list[partition][1])
    opened = SVHN(base, partition)
    return from_array(opened.data.transpose(0, 2, 3, 1), {"digit": opened.labels.tolist()})
