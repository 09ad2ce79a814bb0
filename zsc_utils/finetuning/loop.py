"""The fine-tuning loop: cross-entropy over epochs, resumable, on one device or several."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from timm.data import Mixup
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from zsc_utils.embedding import bfloat16_is_fast
from zsc_utils.encoders.training import Checkpoint
from zsc_utils.errors import CheckpointError, TrainingError
from zsc_utils.finetuning.images import (
    ClassFolders,
    Stream,
    batches,
    seeded,
    train_order,
    updates_per_epoch,
)
from zsc_utils.finetuning.processes import ALONE, Group
from zsc_utils.finetuning.settings import TuningSettings
from zsc_utils.precision import TuningPrecision

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_precision(precision: TuningPrecision, device: str) -> TuningPrecision:
    """Return the precision, where it is `auto` that in which the device computes fast."""
    if precision != TuningPrecision.auto:
        return precision
    if bfloat16_is_fast(device):
        return TuningPrecision.bf16
    return TuningPrecision.fp16 if device.startswith("cuda") else TuningPrecision.fp32


class Training:
    """What an epoch changes: a network on its device, with optimiser and schedule.

    The schedule has no state: it is a function of the number of updates, of which an epoch has
    `updates`. No more has the random state, which every epoch begins anew from the seed and its
    number.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: TuningSettings,
        n_classes: int,
        updates: int,
        group: Group,
    ):
        network.to(device=group.device, memory_format=torch.channels_last)
        self.optimiser = create_optimizer_v2(
            network,
            opt="adamw",
            lr=settings.peak_lr(group.processes),
            weight_decay=settings.weight_decay,
            layer_decay=settings.layer_decay,
        )
        self.schedule, _ = create_scheduler_v2(
            self.optimiser,
            sched="cosine",
            num_epochs=settings.epochs - settings.warmup_epochs,
            warmup_epochs=settings.warmup_epochs,
            warmup_prefix=True,
            warmup_lr=0.0,
            min_lr=settings.min_lr,
            step_on_epochs=False,
            updates_per_epoch=updates,
        )
        self.scaler = torch.amp.GradScaler(
            torch.device(group.device).type, enabled=settings.precision == TuningPrecision.fp16
        )
        self.mix = None
        if settings.mixes:
            self.mix = Mixup(
                mixup_alpha=settings.mixup,
                cutmix_alpha=settings.cutmix,
                label_smoothing=settings.smoothing,
                num_classes=n_classes,
            )
        self.wrapped = group.wrap(network)


def train(
    network: nn.Module,
    folders: ClassFolders,
    settings: TuningSettings,
    group: Group = ALONE,
    *,
    checkpoint: Path | None = None,
    identity: dict | None = None,
    report: Callable[[list[dict]], None] = lambda curve: None,
) -> list[dict]:
    """Train a classifier in place.

    After every epoch its state is written to `checkpoint`; where that is there already, training
    goes on from it, on a CPU to the same bit as if it had never stopped (a GPU's own kernels may
    differ in their last digits from one run to the next).

    Parameters
    ----------
    network
        Maps images, float32 (n, 3, size, size), to logits (n, classes).
    folders
        The images.
    settings
        How it is trained; the precision is not `auto`.
    group
        The processes that train together; by default this one, on the CPU.
    checkpoint
        File of the state after the last epoch; None keeps none.
    identity
        Settings that the training depends on, as JSON holds them; a checkpoint with others is
        refused.
    report
        Called in the first process, after each epoch, with the curve so far.

    Returns
    -------
    One row an epoch: `epoch` (from 1), `loss` (mean, of augmented images), `lr` (of the last
    update), `top1` (share of the `val` images told right) and `seconds`.

    Raises
    ------
    TrainingError
        The images are too few, the loss is no longer finite, or the checkpoint is of a training
        with other settings.
    CheckpointError
        The checkpoint cannot be read.
    UnreadableImageError
        An image cannot be decoded.
    """
    updates = updates_per_epoch(len(folders.train), settings, group.processes)
    training = Training(network, settings, len(folders.classes), updates, group)
    parts = {"network": network, "optimiser": training.optimiser, "scaler": training.scaler}
    kept = Checkpoint(checkpoint, parts)
    curve = resume(kept, identity)
    for epoch in range(len(curve), settings.epochs):
        started = time.perf_counter()
        order = train_order(len(folders.train), settings, epoch, group)
        bar = tqdm(
            batches(folders.train, order, settings, epoch, group),
            desc=f"epoch {epoch + 1} of {settings.epochs}",
            total=updates * settings.accumulate,
            unit="batch",
            leave=False,
            disable=not group.is_first,
        )
        with seeded(Stream.step, settings.seed, epoch, group.rank) as seed:
            torch.manual_seed(seed)
            loss = train_epoch(training, bar, settings, epoch * updates, group)
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} after epoch {epoch + 1}; a lower --lr may help"
            )
        row = {"epoch": epoch + 1, "loss": loss, "lr": current_lr(training.optimiser)}
        row["top1"] = evaluate(network, folders, settings, group)
        row["seconds"] = round(time.perf_counter() - started, 2)
        curve.append(row)
        if group.is_first:
            kept.keep(settings=identity, curve=curve)
            report(curve)
    return curve


def train_epoch(
    training: Training, loader, settings: TuningSettings, first_update: int, group: Group
) -> float:
    """Train on the batches of an epoch; return the mean loss, of all processes."""
    training.wrapped.train()
    # Of soft labels, mixup has smoothed them.
    smoothing = 0.0 if training.mix else settings.smoothing
    losses = []
    for number, (images, y) in enumerate(loader):
        update, part = divmod(number, settings.accumulate)
        last = part == settings.accumulate - 1
        if part == 0:
            training.schedule.step_update(first_update + update)
            training.optimiser.zero_grad()
        if training.mix:
            images, y = training.mix(images, y)
        with group.gathering(training.wrapped, last):
            with _autocast(settings, group.device):
                logits = training.wrapped(images)
            loss = F.cross_entropy(logits.float(), y, label_smoothing=smoothing)
            training.scaler.scale(loss / settings.accumulate).backward()
        if last:
            training.scaler.step(training.optimiser)
            training.scaler.update()
        losses.append(loss.detach())
    return group.total(torch.stack(losses).mean().item()) / group.processes


@torch.inference_mode()
def evaluate(
    network: nn.Module, folders: ClassFolders, settings: TuningSettings, group: Group
) -> float:
    """Measure top-1 accuracy on the images to measure with, shared among the processes."""
    group.share_buffers(network)
    network.eval()
    correct = torch.zeros((), dtype=torch.int64, device=group.device)
    order = range(group.rank, len(folders.val), group.processes)
    for images, y in batches(folders.val, order, settings, 0, group):
        with _autocast(settings, group.device):
            correct += (network(images).argmax(1) == y).sum()
    return round(group.total(correct.item()) / len(folders.val), 5)


def current_lr(optimiser: torch.optim.Optimizer) -> float:
    """Learning rate of the head, which is never scaled down."""
    return max(group["lr"] for group in optimiser.param_groups)


def resume(checkpoint: Checkpoint, identity: dict | None) -> list[dict]:
    """Take up a checkpoint of the same training; return its curve, empty where there is none."""
    # Torch raises many kinds of error on files that are not its own.
    try:
        state = checkpoint.read()
        if state is None:
            return []
        kept = state["settings"]
    except Exception as error:
        raise CheckpointError(
            f"checkpoint {checkpoint.file} cannot be read ({type(error).__name__}): remove it to "
            "begin anew"
        ) from error
    if kept != identity:
        raise TrainingError(
            f"{checkpoint.file} is of a training that was begun with other settings "
            f"({differences(kept, identity)}): give the same to go on with it, write to another "
            "--out, or remove it"
        )
    return checkpoint.take_up(state)


def differences(kept: dict, asked: dict) -> str:
    """Say in which settings two trainings differ."""
    return ", ".join(
        f"{name} {json.dumps(kept.get(name))} there, {json.dumps(asked.get(name))} now"
        for name in sorted({*kept, *asked})
        if kept.get(name) != asked.get(name)
    )


def _autocast(settings: TuningSettings, device: str) -> torch.autocast:
    dtype = DTYPES[settings.precision]
    kind = torch.device(device).type
    return torch.autocast(kind, dtype, enabled=dtype != torch.float32)
