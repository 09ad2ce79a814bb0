"""Class folders to learn from: which images, in which order, how augmented.

Order and augmentation are functions of the seed, the epoch and the image alone. So a training can
go on where it was killed, and neither the number of processes that read images nor how an update's
images are shared among devices changes what is learnt.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import torch
from timm.data import create_transform
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.datasets import ImageFolder

from zsc_utils.datasets.decoding import read_image
from zsc_utils.datasets.folder import is_image
from zsc_utils.errors import ImageFolderError, TrainingError, UnreadableImageError
from zsc_utils.finetuning.processes import ALONE, Group
from zsc_utils.finetuning.settings import TuningSettings


class Stream(IntEnum):
    """What random numbers are for: each use has its own."""

    weights = 0
    order = 1
    image = 2
    step = 3


def stream_seed(use: Stream, seed: int, epoch: int = 0, number: int = 0) -> int:
    """Seed, an unsigned integer of 32 bits, of the random numbers of one use."""
    return int(np.random.SeedSequence([use, seed, epoch, number]).generate_state(1)[0])


@contextmanager
def seeded(use: Stream, seed: int, epoch: int = 0, number: int = 0) -> Iterator[int]:
    """Seed Python's, NumPy's and torch's random numbers on the CPU; afterwards all is as before.

    timm's augmentations draw from all three. Yields the seed.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    value = stream_seed(use, seed, epoch, number)
    random.seed(value)
    np.random.seed(value)
    # `torch.manual_seed` would seed GPUs too, in the middle of an epoch.
    torch.default_generator.manual_seed(value)
    try:
        yield value
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


@dataclass(frozen=True)
class ClassFolders:
    """Images to train on and images to measure with, of the same classes."""

    train: ImageFolder
    val: ImageFolder

    @property
    def classes(self) -> list[str]:
        """Names of the classes; the position is the index."""
        return self.train.classes

    def facts(self) -> dict:
        """Numbers of classes and images, and a fingerprint of the names of their files."""
        digest = hashlib.sha256()
        for part in (self.train, self.val):
            for path, _ in part.samples:
                digest.update(f"{Path(path).relative_to(part.root).as_posix()}\n".encode())
        return {
            "n_classes": len(self.classes),
            "n_train": len(self.train),
            "n_val": len(self.val),
            "names_sha256": digest.hexdigest(),
        }


def open_class_folders(root: str | Path, settings: TuningSettings) -> ClassFolders:
    """Open `<root>/train/<class>/` and `<root>/val/<class>/`.

    Train images are cropped, flipped and augmented as `settings` say; those to measure with are
    resized and cropped at the centre (7/8 of the shorter side). Both are bicubic, as in MAE's
    release.

    Raises
    ------
    ImageFolderError
        A folder is missing, a class has no images, there is one class only, or the two parts have
        different classes.
    """
    common = {"input_size": settings.size, "interpolation": "bicubic"}
    augmented = create_transform(
        **common,
        is_training=True,
        auto_augment=settings.augment,
        re_prob=settings.erase,
        re_mode="pixel",
    )
    train = _open(Path(root) / "train", augmented)
    val = _open(Path(root) / "val", create_transform(**common, crop_pct=7 / 8))
    for ours, theirs in ((train, val), (val, train)):
        lacking = sorted(set(theirs.classes) - set(ours.classes))
        if lacking:
            raise ImageFolderError(
                f"{ours.root} lacks {len(lacking)} class folders that {theirs.root} has "
                f"({', '.join(lacking[:5])}{', …' if len(lacking) > 5 else ''}): both need the same"
            )
    if len(train.classes) == 1:
        raise ImageFolderError(f"{train.root} has one class only: there is nothing to tell apart")
    return ClassFolders(train, val)


def _open(folder: Path, transform) -> ImageFolder:
    if not folder.is_dir():
        raise ImageFolderError(
            f"{folder} is not a folder; fine-tuning needs train/<class>/ and val/<class>/ in the "
            "folder that --data names"
        )
    try:
        return ImageFolder(folder, transform, loader=read_image, is_valid_file=_is_valid)
    except FileNotFoundError as error:
        raise ImageFolderError(f"{folder}: {error}") from error


def _is_valid(path: str) -> bool:
    """Whether a file is an image and not hidden, as in any folder; torchvision goes by suffix."""
    return not Path(path).name.startswith(".") and is_image(Path(path))


class Drawn(Dataset):
    """Images of an epoch, each augmented by its own random numbers; an unreadable one's error."""

    def __init__(self, images: Dataset, seed: int, epoch: int):
        self.images, self.seed, self.epoch = images, seed, epoch

    def __getitem__(self, index: int):
        try:
            with seeded(Stream.image, self.seed, self.epoch, index):
                return self.images[index]
        except UnreadableImageError as error:
            return error


def collate(items: list):
    """Make a batch, or return the error of an image in it.

    Raised in a worker process, the error would reach the user as that process's traceback.
    """
    error = next((item for item in items if isinstance(item, UnreadableImageError)), None)
    return error or default_collate(items)


def updates_per_epoch(n: int, settings: TuningSettings, processes: int) -> int:
    """Updates that `n` train images are enough for; the rest sits the epoch out.

    Raises
    ------
    TrainingError
        There are too few for one.
    """
    batch = settings.effective_batch(processes)
    if n < batch:
        raise TrainingError(
            f"{n} train images are too few for one update, which takes {batch} ({processes} "
            f"processes × {settings.batch_size} × {settings.accumulate}): lower --batch-size"
        )
    return n // batch


def train_order(n: int, settings: TuningSettings, epoch: int, group: Group = ALONE) -> list[int]:
    """Positions of the train images that a process takes in an epoch, in their order.

    An update takes the same images, however they are shared among processes and batches.
    """
    updates = updates_per_epoch(n, settings, group.processes)
    seed = stream_seed(Stream.order, settings.seed, epoch)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    used = order[: updates * settings.effective_batch(group.processes)]
    return used.view(-1, group.processes, settings.batch_size)[:, group.rank].flatten().tolist()


def batches(
    images: Dataset,
    order: list[int] | range,
    settings: TuningSettings,
    epoch: int,
    group: Group = ALONE,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Read images in batches to the device: float32 (n, 3, size, size), classes int64 (n,).

    Raises
    ------
    UnreadableImageError
        An image cannot be decoded.
    """
    loader = DataLoader(
        Drawn(images, settings.seed, epoch),
        batch_size=settings.batch_size,
        sampler=order,
        num_workers=group.readers,
        collate_fn=collate,
        pin_memory=group.on_gpu,
    )
    for batch in loader:
        if isinstance(batch, UnreadableImageError):
            raise batch
        pixels, y = batch
        # In the layout that convolutions like best.
        pixels = pixels.to(group.device, non_blocking=True, memory_format=torch.channels_last)
        yield pixels, y.to(group.device, non_blocking=True)
