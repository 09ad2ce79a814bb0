"""From source images to weights files with their cards: what is missing, and nothing twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from zsc_utils.cache import atomic_path, build_folder, file_sha256, fingerprint, versions
from zsc_utils.embedding import bfloat16_is_fast
from zsc_utils.encoders.training import save_weights
from zsc_utils.errors import CheckpointError, UnknownNameError
from zsc_utils.miniature.encoders import (
    BACKBONES,
    FOLDER,
    ROSTER,
    SIZE,
    load_backbone,
    make_backbone,
    read_card,
)
from zsc_utils.miniature.training import methods
from zsc_utils.miniature.training.loop import TRAINING_VERSION, train
from zsc_utils.miniature.training.measure import embed_pixels, knn_accuracy, linear_accuracy
from zsc_utils.miniature.training.runs import Run, select_runs

# A part of the train images is enough to watch kNN accuracy along the learning curve.
GALLERY = 5000


@dataclass(frozen=True)
class Source:
    """Labelled images of the source domain.

    Parameters
    ----------
    pixels, y
        Train images, uint8 (n, 64, 64, 3), and their classes from 0, int64 (n,).
    test_pixels, test_y
        The test part, likewise; never trained on.
    """

    pixels: np.ndarray
    y: np.ndarray
    test_pixels: np.ndarray
    test_y: np.ndarray

    @property
    def n_classes(self) -> int:
        """Number of classes of the train part."""
        return int(self.y.max()) + 1

    def embedded(self, module: torch.nn.Module, n_train: int | None = None) -> tuple:
        """Embed the first train images and the test part: the arguments of `knn_accuracy`."""
        train_part = embed_pixels(module, self.pixels[:n_train])
        return train_part, self.y[:n_train], embed_pixels(module, self.test_pixels), self.test_y

    def sha256(self) -> str:
        """SHA-256 of the train images and their classes."""
        digest = hashlib.sha256(np.ascontiguousarray(self.pixels))
        digest.update(np.ascontiguousarray(self.y))
        return digest.hexdigest()


def open_source(n_images: int | None = None) -> Source:
    """Open `mini-imagenet`: its train part to learn from, its test part to measure with.

    Parameters
    ----------
    n_images
        Train on the first images only, of which there are as many for each of the 50 species.
    """
    from zsc_utils.datasets import load_dataset
    from zsc_utils.miniature.world import rendered_arrays

    pixels, labels = rendered_arrays("mini-imagenet", "train", stop=n_images)
    test_part = load_dataset("mini-imagenet")
    species = test_part.labels["species"]
    codes = {name: code for code, name in enumerate(sorted(species.unique()))}
    y, test_y = (names.map(codes).to_numpy(np.int64) for names in (labels["species"], species))
    # A copy: the kept array is a read-only map of a file, which torch does not take.
    return Source(np.array(pixels), y, test_part.images.array, test_y)


def architecture(run: Run) -> str:
    """Fingerprint of a run's network: names and shapes of its weights."""
    with torch.device("meta"):
        state = make_backbone(run.backbone, run.pool).state_dict()
    return fingerprint({name: list(value.shape) for name, value in state.items()})


def run_settings(run: Run, source: Source, seed: int, start_file: Path | None) -> dict:
    """Settings of a run that its weights depend on.

    Threads, device and versions of libraries are not among them, so that what is shipped counts as
    finished everywhere; the card tells them.
    """
    facts, start = methods.METHODS[run.method].facts, None
    if run.start:
        read_card(start_file)
        start = {"weights": run.start, "sha256": file_sha256(start_file)}
    return {
        "method": run.method,
        "backbone": run.backbone,
        "pool": run.pool,
        "start": start,
        "settings": json.loads(json.dumps(asdict(run.settings))),
        "version": {"method": facts.version, "training": TRAINING_VERSION},
        "architecture": architecture(run),
        "seed": seed,
        "n_images": len(source.pixels),
        "images_sha256": source.sha256(),
    }


def is_finished(file: Path, key: str) -> bool:
    """Whether weights are there, whole, and came from the same settings."""
    try:
        return read_card(file).get("key") == key
    except CheckpointError:
        return False


def place(file: Path, key: str, overwrite: bool) -> Path:
    """Say where weights are, or belong: never over those of other settings, unless told."""
    if overwrite or not file.exists() or is_finished(file, key):
        return file
    return file.parent.with_name(f"{file.parent.name}-new") / file.name


def pretrain(
    runs: list[Run],
    source: Source,
    folder: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    device: str = "cpu",
    work: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> list[dict]:
    """Make the weights of each run that is not finished yet.

    Weights that came from other settings stay: those that would take their place are written
    beside, into `<folder>-new`, which `report` says.

    Parameters
    ----------
    runs
        What to train, those first that others start from.
    source
        The images.
    folder
        Where weights and cards go.
    seed
        Of weights, order and augmentation.
    overwrite
        Put new weights in the place of those of other settings.
    device
        Torch device.
    work
        Folder of the checkpoints of unfinished runs; `build/pretrain` by default.
    report
        Called with one line for each run that is done.

    Returns
    -------
    The cards, in the order of the runs.

    Raises
    ------
    CheckpointError
        A run starts from weights that are not there.
    """
    work = work or build_folder() / "pretrain"
    cards, files = [], {}
    for run in runs:
        wanted = folder / f"{run.name}.safetensors"
        start_file = files.get(run.start, folder / f"{run.start}.safetensors")
        settings = run_settings(run, source, seed, start_file)
        key = fingerprint(settings)
        file = files[run.name] = place(wanted, key, overwrite)
        if file != wanted:
            report(
                f"{wanted} holds weights of other settings and stays: {run.name} goes to "
                f"{file.parent} (--overwrite would put it in the place)"
            )
        if is_finished(file, key):
            card, said = read_card(file), "finished before"
        else:
            card = _make(run, source, file, start_file, settings, work, device)
            said = f"{card['seconds']:.0f} s"
        report(
            f"{run.name}: kNN {card['knn_accuracy']:.3f}, linear {card['linear_accuracy']:.3f} "
            f"({said})"
        )
        cards.append(card)
    return cards


def fine_tune(encoder: str, *, epochs: int = 2, n_images: int = 10_000) -> dict:
    """Fine-tune a self-supervised encoder of the miniature now, from the weights that are shipped.

    Parameters
    ----------
    encoder
        Name of the encoder, such as `mini_vicreg_resnet`.
    epochs
        Passes over the images.
    n_images
        Train images of the source to learn from.

    Returns
    -------
    The card; weights and card lie in `build/fine_tuned`, and the same call does not train again.

    Raises
    ------
    UnknownNameError
        The encoder is none that can be fine-tuned.
    """
    starts = {row.fine_tuned_from: row for row in ROSTER.values() if row.fine_tuned_from}
    if encoder not in starts:
        raise UnknownNameError("encoder to fine-tune", encoder, starts)
    (run,) = select_runs([starts[encoder].file], epochs)
    folder = build_folder() / "fine_tuned"
    folder.mkdir(parents=True, exist_ok=True)
    for file in FOLDER.glob(f"{run.start}.*"):
        shutil.copy2(file, folder)
    return pretrain([run], open_source(n_images), folder, overwrite=True)[0]


def build_method(run: Run, n_classes: int, start_file: Path | None, seed: int) -> methods.Method:
    """Seed torch and make a run's method, from the weights it starts from."""
    torch.manual_seed(seed)
    if run.start:
        backbone = load_backbone(run.backbone, run.pool, start_file)
    else:
        backbone = make_backbone(run.backbone, run.pool)
    return methods.METHODS[run.method].make(backbone, n_classes, **run.settings.options)


def _make(run, source, file, start_file, settings, work, device) -> dict:
    """Train one run, write its weights, measure what was written, write its card."""
    key = fingerprint(settings)
    # Named by the key: another setting must not write over hours of this one.
    checkpoint = work / f"{run.name}-{key}.pt"
    with torch.random.fork_rng():
        method = build_method(run, source.n_classes, start_file, settings["seed"])
        curve = train(
            method,
            source.pixels,
            source.y,
            run.settings,
            checkpoint=checkpoint,
            key=key,
            device=device,
            measure=lambda module: knn_accuracy(*source.embedded(module, GALLERY)),
            description=run.name,
        )
    save_weights(method.encoder, file, half=True)
    card = {
        "name": run.name,
        "key": key,
        **settings,
        "network": BACKBONES[run.backbone],
        "input": f"{SIZE} x {SIZE} pixels, ImageNet mean and standard deviation",
        "parameters": sum(p.numel() for p in method.encoder.parameters()),
        "dim": method.encoder.num_features,
        "precision": "bfloat16 forward" if bfloat16_is_fast(device) else "float32",
        "device": _device_name(device),
        "threads": torch.get_num_threads(),
        "versions": versions("torch", "timm", "lightly", "numpy"),
        "seconds": round(sum(row["seconds"] for row in curve), 1),
        **measure_weights(run, source, file),
        "curve": curve,
        "sha256": file_sha256(file),
    }
    with atomic_path(file.with_suffix(".json")) as draft:
        draft.write_text(json.dumps(card, indent=1) + "\n")
    checkpoint.unlink(missing_ok=True)
    return card


def measure_weights(run: Run, source: Source, file: Path) -> dict:
    """Accuracies on the source test part of the weights as they were written.

    For a masked autoencoder the main numbers are those of its CLS token; `knn_accuracy_avg` and
    `linear_accuracy_avg` are those of the average.
    """
    found = {}
    for pool in ("token", "avg") if run.method == "mae" else (run.pool,):
        module = load_backbone(run.backbone, pool, file, checked=False).eval()
        embedded = source.embedded(module)
        suffix = "_avg" if pool != run.pool else ""
        found[f"knn_accuracy{suffix}"] = round(knn_accuracy(*embedded), 4)
        found[f"linear_accuracy{suffix}"] = round(linear_accuracy(*embedded), 4)
    return found


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{device}, {os.cpu_count()} cores"
