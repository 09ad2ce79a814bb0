"""Embeddings: what an encoder makes of a dataset, computed once and then read."""

from __future__ import annotations

import ctypes
import json
import logging
import os
import platform
import shutil
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from zsc_utils.cache import ArrayFolder, atomic_path, fingerprint, held, load_array
from zsc_utils.datasets import DatasetFacts, ImageDataset
from zsc_utils.edits import check_code
from zsc_utils.encoders import Encoder
from zsc_utils.errors import (
    CacheDamagedError,
    DeviceError,
    EmbeddingsError,
    UnreadableImageError,
)
from zsc_utils.narrow import check_embeddings
from zsc_utils.precision import Precision

log = logging.getLogger(__name__)

# Raised with any change to how images are brought to a network, how weights are read into it, or
# what is taken of it: it is part of results' names.
EMBEDDING_VERSION = 1

# Images between one file and the next: whole batches of any size.
SHARD = 4096
# Small batches keep a CPU's working set in its cache: measured 1.3 to 2.1 times the throughput of
# batches of 64 for the convolutional encoders. A GPU wants large ones.
BATCH_SIZE = {"cpu": 16, "cuda": 256, "mps": 64}


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of one dataset by one encoder.

    Parameters
    ----------
    array
        float32 (n, d), read-only memory map.
    labels
        One row an embedding, one column a label level, strings or missing.
    facts
        What is known of the dataset.
    key
        Fingerprint of everything the numbers depend on.
    positions
        int (n,): which images of the dataset they are of.
    skipped
        Unreadable images that were left out, as (path, reason).
    """

    array: np.ndarray
    labels: pd.DataFrame
    facts: DatasetFacts
    key: str
    positions: np.ndarray
    skipped: tuple[tuple[str, str], ...] = ()


def choose_device(name: str = "auto") -> str:
    """Return the torch device: the one named, or CUDA, Apple's MPS, CPU, whichever is there.

    Raises
    ------
    DeviceError
        The named device does not exist here.
    """
    import torch

    if name != "auto":
        try:
            # Asking for memory is the one test that all kinds of device answer.
            torch.empty(1, device=name).cpu()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).strip().splitlines()[0]
            raise DeviceError(f"device {name!r} cannot be used: {reason}") from error
        return name
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def bfloat16_is_fast(device: str) -> bool:
    """Whether forward passes gain from bfloat16: GPUs, and CPUs with instructions for it."""
    import torch

    if device == "cpu":
        return torch.cpu._is_avx512_bf16_supported()
    cuda = device.startswith("cuda")
    return cuda and torch.cuda.is_bf16_supported(including_emulation=False)


def choose_precision(name: str, device: str = "auto") -> Precision:
    """Return the precision of a name: for `auto`, bf16 where the device gains time from it."""
    if name != "auto":
        return Precision(name)
    return Precision.bf16 if bfloat16_is_fast(choose_device(device)) else Precision.fp32


@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep freed memory in the process while a network runs on the CPU, where malloc is glibc's.

    By itself that gives large blocks back to the system, whose pages come anew, and zeroed, for
    each layer of each batch: half the processor time of an EfficientNet-Lite0. Numbers are the
    same, and the most that is held grows by a twentieth.
    """
    libc = ctypes.CDLL(None) if os.name == "posix" else None
    if not hasattr(libc, "gnu_get_libc_version"):
        yield
        return
    trim, threshold, maps = -1, -3, -4  # as malloc.h numbers them
    libc.mallopt(maps, 0)
    libc.mallopt(trim, -1)
    try:
        yield
    finally:
        # What glibc itself raises them to once large blocks were freed; it does so no more.
        libc.mallopt(maps, 65536)
        libc.mallopt(threshold, 2**25)
        libc.mallopt(trim, 2**26)
        libc.malloc_trim(0)


class _Transformed:
    """Images as tensors, for a data loader; an unreadable one as its error."""

    def __init__(self, images, transform: Callable):
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int):
        try:
            return index, self.transform(self.images[index])
        except UnreadableImageError as error:
            return index, error


def compute(
    dataset: ImageDataset,
    encoder: Encoder,
    *,
    device: str = "auto",
    precision: Precision = Precision.fp32,
    skip_unreadable: bool = False,
    progress: bool = True,
    shards: MutableMapping[str, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[UnreadableImageError]]:
    """Embed every image of a dataset.

    For a GPU, processes decode images while others are embedded. A CPU's cores are busy with the
    network: decoding in a thread beside it gained nothing.

    Parameters
    ----------
    dataset, encoder
        What to embed, and with what.
    device
        A torch device, or `auto`.
    precision
        `bf16` rounds matrix products and convolutions to 8 bits (autocast). On hardware without
        instructions for it that costs time, which a warning says; the numbers are as good.
    skip_unreadable
        Leave unreadable images out instead of stopping at the first.
    progress
        Show a progress bar.
    shards
        Where the embeddings of every 4096 images are kept as they come, and looked up. Whoever
        gives it answers for its being of these images and this encoder.

    Returns
    -------
    array
        float32 (n, d).
    kept
        int64 (n,): positions in the dataset.
    errors
        One for each image that was left out.

    Raises
    ------
    UnreadableImageError
        An image cannot be decoded, and unreadable ones are not to be skipped.
    EmbeddingsError
        No image is left, or the network gave NaN or infinities.
    """
    import torch

    device = choose_device(device)
    kind = torch.device(device).type
    if precision == Precision.bf16 and not bfloat16_is_fast(device):
        log.warning("bf16 gains no time on device %s: it has no instructions for it", device)
    module = encoder.module.to(device, memory_format=torch.channels_last)
    bar = tqdm(
        total=len(dataset),
        desc=f"{encoder.facts.name} on {dataset.facts.name}",
        unit="image",
        disable=not progress,
        leave=False,
    )
    # Full precision on GPUs too, where convolutions would otherwise round to 10 bits.
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    rounded = torch.autocast(kind, torch.bfloat16, enabled=precision == Precision.bf16)
    images = _Transformed(dataset.images, encoder.transform(dataset.size))
    shards = {} if shards is None else shards
    arrays, kept, errors = [], [], []
    kept_memory = memory_kept() if kind == "cpu" else nullcontext()
    with bar, exact, rounded, kept_memory, torch.inference_mode():
        for start in range(0, len(dataset), SHARD):
            here = range(start, min(start + SHARD, len(dataset)))
            known = shards.get(str(start), ())
            if len(known) == len(here):
                found = known, list(here), []
                bar.update(len(here))
            else:
                found = _forward(module, images, here, device, skip_unreadable, bar)
                # What was unreadable may be mended by the time the rest is computed.
                if len(found[0]) == len(here) < len(dataset):
                    shards[str(start)] = found[0]
            array, which, bad = found
            arrays += [array] if which else []
            kept += which
            errors += bad
    if not kept:
        raise EmbeddingsError(f"none of the {len(dataset)} images could be read")
    source = f"{encoder.facts.name} on {dataset.facts.name}"
    return check_embeddings(np.concatenate(arrays), source), np.array(kept), errors


def _forward(
    module, images: _Transformed, here: range, device: str, skip: bool, bar
) -> tuple[np.ndarray, list[int], list[UnreadableImageError]]:
    """Embed some of the images: embeddings, which they are of, errors of the others."""
    import torch
    from torch.utils.data import DataLoader

    kind = torch.device(device).type
    size = BATCH_SIZE.get(kind, 64)
    loader = DataLoader(
        images,
        sampler=here,
        batch_size=size,
        collate_fn=list,
        num_workers=0 if kind == "cpu" else min(8, os.cpu_count() or 1),
    )
    arrays, kept, errors = [], [], []
    for batch in loader:
        bad = [item for _, item in batch if isinstance(item, UnreadableImageError)]
        if bad and not skip:
            raise bad[0]
        errors += bad
        good = [(i, item) for i, item in batch if not isinstance(item, UnreadableImageError)]
        if good:
            # On a CPU what is not full would be summed otherwise by another number of threads.
            more = [good[0][1]] * (size - len(good)) if kind == "cpu" else []
            pixels = torch.stack([item for _, item in good] + more)
            embedded, size = _in_parts(module, pixels, device, size)
            arrays.append(embedded[: len(good)])
            kept += [i for i, _ in good]
        bar.update(len(batch))
    array = np.concatenate(arrays) if arrays else np.empty((0, 0), np.float32)
    return array, kept, errors


def _in_parts(module, pixels, device: str, size: int) -> tuple[np.ndarray, int]:
    """Embed a batch in parts of a size, or of half of it, and so on, until a GPU has room for one.

    Returns
    -------
    embedded
        float32 (n, d).
    size
        What there was room for.

    Raises
    ------
    DeviceError
        There is no room for a single image.
    """
    import torch

    while True:
        try:
            parts = [module(part.to(device)).float().cpu().numpy() for part in pixels.split(size)]
            return np.concatenate(parts), size
        except torch.OutOfMemoryError as error:
            if size == 1:
                raise DeviceError(
                    f"device {device!r} has no memory for a single image of this network; "
                    "device cpu may have"
                ) from error
            size //= 2


def embed(
    dataset: ImageDataset, encoder: Encoder, *, device: str = "auto", progress: bool = True
) -> np.ndarray:
    """Embed every image of a dataset; nothing is stored.

    Parameters
    ----------
    dataset
        n images.
    encoder
        What embeds them.
    device
        A torch device, or `auto`: CUDA, Apple's MPS or CPU, whichever is there.
    progress
        Show a progress bar.

    Returns
    -------
    ndarray
        float32 (n, d), in the order of the images.

    Raises
    ------
    UnreadableImageError
        An image cannot be decoded.
    EmbeddingsError
        There is no image, or the network gave NaN or infinities.
    """
    array, _, _ = compute(dataset, encoder, device=device, progress=progress)
    return array


def embeddings_key(
    dataset: ImageDataset, encoder_settings: dict, precision: Precision = Precision.fp32
) -> str:
    """Fingerprint of everything embeddings depend on but the device and its number of threads."""
    settings = {
        "dataset": dataset.fingerprint,
        "encoder": encoder_settings,
        "version": EMBEDDING_VERSION,
    }
    if precision != Precision.fp32:
        settings["precision"] = precision
    return fingerprint(settings)


def embeddings_folder(cache: Path, dataset_name: str, encoder_name: str, key: str) -> Path:
    """Folder of one dataset's embeddings by one encoder."""
    return cache / "embeddings" / file_name(dataset_name) / f"{file_name(encoder_name)}-{key}"


def file_name(name: str) -> str:
    """Make a name fit for a file: a folder's path becomes its last part, a long one is cut."""
    kind, _, rest = name.rpartition(":")
    stem = Path(rest).name or rest
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{kind}_{stem}".lstrip("_"))
    # Systems allow 255 bytes, of which others need some.
    return safe.encode()[:150].decode(errors="ignore")


def read(folder: Path, facts: DatasetFacts, key: str) -> Embeddings | None:
    """Read cached embeddings, or None where there are none.

    Raises
    ------
    CacheDamagedError
        A file is missing, cut short or does not fit the others.
    """
    if not folder.is_dir():
        return None
    array = load_array(folder / "embeddings.npy")
    try:
        meta = json.loads((folder / "meta.json").read_text())
        labels = pd.read_csv(
            folder / "labels.csv", dtype=str, keep_default_na=False, na_values=[""], index_col=0
        )
        positions = labels.index.to_numpy(np.int64)
        skipped = tuple((path, reason) for path, reason in meta["skipped"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheDamagedError(
            f"cached embeddings {folder} are incomplete or damaged ({error})"
        ) from error
    if len(labels) != len(array):
        raise CacheDamagedError(
            f"cached embeddings {folder} hold {len(array)} embeddings but {len(labels)} rows of "
            "labels"
        )
    return Embeddings(array, labels.reset_index(drop=True), facts, key, positions, skipped)


def left_some_out(folder: Path) -> bool:
    """Whether cached embeddings lack images that could not be read."""
    try:
        return bool(json.loads((folder / "meta.json").read_text())["skipped"])
    except (OSError, ValueError, KeyError):
        return False


def mended(dataset: ImageDataset, found: Embeddings) -> bool:
    """Whether an image that was left out of embeddings can be read by now.

    Their key holds names and sizes, which do not change with all that can be mended.
    """
    if not found.skipped:
        return False
    for i in np.setdiff1d(np.arange(len(dataset)), found.positions):
        try:
            dataset.images[i]
            return True
        except UnreadableImageError:
            continue
    return False


def write(folder: Path, array: np.ndarray, labels: pd.DataFrame, meta: dict, errors: list) -> None:
    """Write embeddings, their labels and how they came about as one folder."""
    with atomic_path(folder) as draft:
        draft.mkdir()
        np.save(draft / "embeddings.npy", array)
        labels.to_csv(draft / "labels.csv")
        skipped = [[error.path, error.reason] for error in errors]
        (draft / "meta.json").write_text(json.dumps(meta | {"skipped": skipped}, indent=1))


def compute_into(
    folder: Path,
    dataset: ImageDataset,
    encoder: Encoder,
    *,
    device: str,
    precision: Precision,
    **settings,
) -> None:
    """Compute embeddings and write them as one folder; what is computed survives a kill."""
    parts = folder.with_name(f"{folder.name}.parts")
    settings |= {"device": device, "precision": precision, "shards": ArrayFolder(parts)}
    array, kept, errors = compute(dataset, encoder, **settings)
    meta = {
        "dataset": dataset.fingerprint,
        "encoder": encoder.fingerprint,
        "device": choose_device(device),
        "precision": precision,
        "machine": platform.platform(),
    }
    # Their index says which images the rows are of.
    write(folder, array, dataset.labels.iloc[kept].set_axis(kept), meta, errors)
    shutil.rmtree(parts, ignore_errors=True)


def stored_embeddings(
    dataset: ImageDataset,
    encoder: Encoder,
    *,
    cache: Path,
    device: str = "auto",
    precision: Precision = Precision.fp32,
    skip_unreadable: bool = False,
    progress: bool = True,
) -> Embeddings:
    """Embed a dataset, or read the embeddings where they were computed before.

    Parameters
    ----------
    dataset, encoder
        What to embed, and with what; the network is built where there is something to compute.
    cache
        Folder of computed arrays.
    device, precision, skip_unreadable, progress
        As for `compute`.

    Raises
    ------
    UnreadableImageError
        An image cannot be decoded, or could not when the embeddings were computed, and unreadable
        ones are not to be skipped.
    CodeChangedError
        There is something to compute, and the code was edited since this process loaded it.
    """
    key = embeddings_key(dataset, encoder.fingerprint, precision)
    folder = embeddings_folder(cache, dataset.facts.name, encoder.facts.name, key)
    try:
        found = read(folder, dataset.facts, key)
    except CacheDamagedError as error:
        log.warning("%s: computing them again", error)
        shutil.rmtree(folder)
        found = None
    if found and mended(dataset, found):
        log.warning("%s: images can be read that could not before: computing again", folder)
        shutil.rmtree(folder)
        found = None
    if found is None:
        check_code()
        with held(cache, key):
            # Another process may have been faster.
            if not folder.is_dir():
                settings = {"device": device, "precision": precision, "progress": progress}
                compute_into(folder, dataset, encoder, skip_unreadable=skip_unreadable, **settings)
        found = read(folder, dataset.facts, key)
    if found.skipped and not skip_unreadable:
        raise UnreadableImageError(*found.skipped[0])
    return found
