"""From a self-supervised encoder and class folders to fine-tuned weights with a card.

On several devices, with one process for each:

    torchrun --standalone --nproc-per-node 4 --no-python zsc finetune --encoder …
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import timm
import torch
from torch import nn

from zsc_utils import encoders
from zsc_utils.cache import atomic_path, file_sha256, versions
from zsc_utils.encoders import official
from zsc_utils.encoders.training import begin_near_zero, save_weights
from zsc_utils.errors import CheckpointError, TrainingError
from zsc_utils.finetuning.images import (
    ClassFolders,
    Stream,
    open_class_folders,
    seeded,
    updates_per_epoch,
)
from zsc_utils.finetuning.loop import choose_precision, differences, train
from zsc_utils.finetuning.processes import ALONE, Group, process_group
from zsc_utils.finetuning.settings import TuningSettings


@dataclass(frozen=True)
class TuningFiles:
    """Files of a training, side by side.

    Parameters
    ----------
    weights
        The weights, written when training is done; a `.safetensors` file.
    """

    weights: Path

    @property
    def card(self) -> Path:
        """What the weights are and how they came about, JSON; written last."""
        return self.weights.with_suffix(".json")

    @property
    def curve(self) -> Path:
        """One line of JSON for each epoch so far."""
        return self.weights.with_suffix(".jsonl")

    @property
    def checkpoint(self) -> Path:
        """State after the last epoch, until training is done."""
        return self.weights.with_suffix(".checkpoint.pt")


def make_classifier(
    backbone: nn.Module, family: str, n_classes: int, settings: TuningSettings
) -> nn.Module:
    """Put a new head, which begins near zero, on a backbone.

    Parameters
    ----------
    backbone
        The study's ResNet-50 or ViT-B/16 without a head.
    family
        `ResNet` or `ViT`.
    n_classes
        Number of classes.
    settings
        Of the training; the seed is that of the head.
    """
    with seeded(Stream.weights, settings.seed):
        if family == "ResNet":
            network = backbone
            network.fc = head = nn.Linear(2048, n_classes)
        else:
            network = timm.create_model(
                "vit_base_patch16_224",
                num_classes=n_classes,
                global_pool=backbone.global_pool,
                drop_path_rate=settings.drop_path,
                # Position embeddings stay those of 224 pixels, whatever the input.
                dynamic_img_size=True,
            )
            head = network.head
            own = {f"head.{name}": value for name, value in head.state_dict().items()}
            network.load_state_dict(backbone.state_dict() | own)
        begin_near_zero(head)
    return network


def finished(files: TuningFiles, identity: dict) -> dict | None:
    """Return the card of a training that is done already, None where there is none.

    Raises
    ------
    TrainingError
        The files are of another training, or of none that is known.
    CheckpointError
        The weights are not those of the card.
    """
    if not files.card.exists():
        if files.weights.exists() and not files.checkpoint.exists():
            raise TrainingError(
                f"{files.weights} is there, and no {files.card.name} beside it says how it was "
                "made: write to another --out, or move it away"
            )
        return None
    try:
        card = json.loads(files.card.read_text())
        kept = {name: card[name] for name in identity}
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{files.card} is no card of a fine-tuning: write to another --out, or move it away"
        ) from error
    if kept != identity:
        raise TrainingError(
            f"{files.weights} was made with other settings ({differences(kept, identity)}): write "
            "to another --out, or move it and its card away"
        )
    if not files.weights.exists():
        return None
    if file_sha256(files.weights) != card["sha256"]:
        raise CheckpointError(
            f"{files.weights} is not what its card says (SHA-256 {card['sha256']}): move both away "
            "to make it anew"
        )
    return card


def fine_tune(
    network: nn.Module,
    folders: ClassFolders,
    settings: TuningSettings,
    files: TuningFiles,
    identity: dict,
    group: Group = ALONE,
    *,
    report: Callable[[str], None] = lambda line: None,
) -> dict:
    """Train a classifier; write its weights, their card and, after each epoch, the curve.

    Parameters
    ----------
    network
        The classifier; changed in place.
    identity
        Settings that the weights depend on, as JSON holds them; part of the card.
    report
        Called with a line for each epoch, in the first process.

    The others, and what is raised, are as for `train`.

    Returns
    -------
    The card.
    """

    def after_epoch(curve):
        with atomic_path(files.curve) as draft:
            draft.write_text("".join(f"{json.dumps(row)}\n" for row in curve))
        report("epoch {epoch}: loss {loss:.4f}, top-1 {top1:.1%}".format(**curve[-1]))

    kept = {"checkpoint": files.checkpoint, "identity": identity}
    curve = train(network, folders, settings, group, **kept, report=after_epoch)
    if group.is_first:
        save_weights(network, files.weights)
        card = {
            **identity,
            "classes": folders.classes,
            "effective_batch": settings.effective_batch(group.processes),
            "peak_lr": settings.peak_lr(group.processes),
            "parameters": sum(p.numel() for p in network.parameters()),
            "device": _device_name(group.device),
            "versions": versions("torch", "torchvision", "timm", "pillow", "numpy"),
            "seconds": round(sum(row["seconds"] for row in curve), 1),
            "top1": curve[-1]["top1"],
            "curve": curve,
            "sha256": file_sha256(files.weights),
        }
        with atomic_path(files.card) as draft:
            draft.write_text(json.dumps(card, indent=1) + "\n")
        files.checkpoint.unlink(missing_ok=True)
    group.wait()
    return json.loads(files.card.read_text())


def fine_tune_encoder(
    encoder: str,
    root: str | Path,
    out: str | Path,
    settings: TuningSettings,
    *,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    workers: int | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict:
    """Fine-tune an encoder of the study on class folders.

    A training that was killed goes on; one that is done is not done again. What is written loads as
    the encoder `<encoder>_ft`.

    Parameters
    ----------
    encoder
        Name of the self-supervised encoder, such as `dino_vitb16`.
    root
        Folder with `train/<class>/` and `val/<class>/`.
    out
        The `.safetensors` file to write; card, curve and checkpoint lie beside it.
    settings
        From `settings_for`.
    checkpoint
        Weights to begin with, in place of the encoder's own.
    device
        A torch device, or `auto`.
    workers
        Processes that read images, for each process that trains; by default its share of the CPU's
        cores, 8 at most.
    report
        Called with lines for people, in the first process.

    Returns
    -------
    The card.

    Raises
    ------
    TrainingError
        The settings make no sense or are not those of what is there, or the loss is not finite.
    ImageFolderError, UnreadableImageError
        Images are missing, or cannot be read.
    CheckpointError
        Weights to begin with, or a checkpoint to go on from, cannot be read.
    """
    files = TuningFiles(Path(out))
    if files.weights.suffix != ".safetensors":
        raise TrainingError(f"{out} is not named as a .safetensors file, which is what is written")
    with process_group(device, workers) as group:
        say = report if group.is_first else lambda line: None
        settings = replace(settings, precision=choose_precision(settings.precision, group.device))
        folders = open_class_folders(root, settings)
        updates = updates_per_epoch(len(folders.train), settings, group.processes)
        start = _start(encoder, checkpoint, group)
        identity = _identity(encoder, start, settings, folders, group)
        card = finished(files, identity)
        if card:
            say(f"{out}: finished before")
            return card
        say(
            f"{encoder}: {settings.epochs} epochs of {updates} updates, each of "
            f"{settings.effective_batch(group.processes)} images; peak learning rate "
            f"{settings.peak_lr(group.processes):.2g}, {settings.precision} on {group.processes} × "
            f"{_device_name(group.device)}"
        )
        row = official.ROSTER[encoder]
        backbone = official.load_network(row, start)
        network = make_classifier(backbone, row.network.family, len(folders.classes), settings)
        card = fine_tune(network, folders, settings, files, identity, group, report=say)
        say(f"{out}: top-1 {card['top1']:.1%}; for encoder {card['name']}, as its --checkpoint")
        return card


def _start(encoder: str, checkpoint: str | Path | None, group: Group) -> Path:
    """Return the file of the weights to begin with; the first process fetches them."""
    if checkpoint is not None:
        if not Path(checkpoint).is_file():
            raise CheckpointError(f"checkpoint {checkpoint} is not a file")
        return Path(checkpoint)
    if group.is_first:
        encoders.fetch_weights(encoder)
    group.wait()
    return official.ROSTER[encoder].weights.locate()


def _identity(encoder, start, settings, folders, group) -> dict:
    """Settings that the weights depend on, as JSON holds them."""
    return {
        "name": f"{encoder}_ft",
        "encoder": encoder,
        "start_sha256": file_sha256(start),
        **json.loads(json.dumps(asdict(settings))),
        "processes": group.processes,
        **folders.facts(),
    }


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{device}, {torch.get_num_threads()} threads"
