"""The training loop that all methods share: seeded, resumable, with a learning curve."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightly.utils.scheduler import cosine_warmup_schedule
from tqdm.auto import tqdm

from zsc_utils.embedding import bfloat16_is_fast
from zsc_utils.encoders.training import Checkpoint
from zsc_utils.errors import TrainingError
from zsc_utils.miniature.training.methods import Method, Settings

# Raised with any change to what every training does (loop, augmentation): it names the weights.
TRAINING_VERSION = 1

# How often the encoder is measured along the curve, where there are as many epochs.
MEASURED = 5


def learning_rate(step: int, steps: int, settings: Settings) -> float:
    """Learning rate of a step: linear rise from nearly 0, then half a cosine down."""
    return cosine_warmup_schedule(
        step,
        steps,
        start_value=settings.lr,
        end_value=settings.min_lr,
        warmup_steps=max(1, round(settings.warmup * steps)),
        warmup_start_value=settings.min_lr,
    )


def train(
    method: Method,
    pixels: np.ndarray,
    y: np.ndarray,
    settings: Settings,
    *,
    checkpoint: Path | None = None,
    key: str = "",
    device: str = "cpu",
    measure: Callable[[torch.nn.Module], float] | None = None,
    description: str = "train",
) -> list[dict]:
    """Train a method in place.

    The order of the images and all augmentation come from torch's global random state, which the
    caller seeds. After every epoch everything is written to `checkpoint`; where that holds a part
    of the same training, it goes on from there as if it had never stopped.

    Parameters
    ----------
    method
        What to train; on the CPU, changed in place.
    pixels
        uint8, (n, h, w, 3).
    y
        int64, (n,): classes from 0.
    settings
        Epochs, learning rate and so on.
    checkpoint
        File of the state after the last epoch; None keeps none.
    key
        Names the training: a checkpoint with another key is not resumed.
    device
        Torch device.
    measure
        Called with the encoder about `MEASURED` times and after the last epoch, for the column
        `knn` of the curve.
    description
        Title of the progress bar.

    Returns
    -------
    One row an epoch: `epoch` (from 1), `loss` (mean), `lr` (of the last step), `seconds`, and
    where it was measured `knn`.

    Raises
    ------
    TrainingError
        The loss is no longer finite.
    """
    method.to(device=device, memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(method.parameter_groups(settings.weight_decay), lr=settings.lr)
    images, classes = (torch.from_numpy(array).to(device) for array in (pixels, y))
    batch_size = min(settings.batch_size, len(images))
    # A last, smaller batch would be another training for contrastive losses and batch norm.
    per_epoch = len(images) // batch_size
    steps = per_epoch * settings.epochs
    kept = Checkpoint(checkpoint, {"method": method, "optimiser": optimiser})
    curve = _resume(kept, key)
    bar = tqdm(
        total=steps,
        initial=len(curve) * per_epoch,
        desc=description,
        unit="step",
        leave=False,
        disable=steps == 0,
    )
    for epoch in range(len(curve), settings.epochs):
        started, losses = time.perf_counter(), []
        order = torch.randperm(len(images)).to(device)
        for number, chosen in enumerate(order[: per_epoch * batch_size].split(batch_size)):
            step = epoch * per_epoch + number
            rate = learning_rate(step, steps, settings)
            losses.append(_step(method, optimiser, rate, images[chosen], classes[chosen]))
            method.after_step(step, steps)
            bar.update()
        row = {"epoch": epoch + 1, "loss": torch.stack(losses).mean().item(), "lr": rate}
        if not math.isfinite(row["loss"]):
            raise TrainingError(
                f"{description}: the loss is {row['loss']} after epoch {epoch + 1}; a lower "
                "learning rate may help"
            )
        row["seconds"] = round(time.perf_counter() - started, 2)
        every = max(1, settings.epochs // MEASURED)
        if measure and (row["epoch"] % every == 0 or row["epoch"] == settings.epochs):
            row["knn"] = round(measure(method.encoder), 4)
        curve.append(row)
        bar.set_postfix(epoch=epoch + 1, loss=f"{row['loss']:.3f}")
        random = {"random": torch.get_rng_state(), "random_cuda": torch.cuda.get_rng_state_all()}
        kept.keep(key=key, curve=curve, **random)
    bar.close()
    return curve


def _step(method, optimiser, rate: float, images, y) -> torch.Tensor:
    """Take a step on a batch; return its loss."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group.get("lr_scale", 1.0)
    views = method.views(images)
    kind = images.device.type
    with torch.autocast(kind, torch.bfloat16, enabled=bfloat16_is_fast(kind)):
        outputs = method(views)
    loss = method.loss(tuple(output.float() for output in outputs), y)
    optimiser.zero_grad()
    loss.backward()
    method.before_step()
    optimiser.step()
    return loss.detach()


def _resume(checkpoint: Checkpoint, key: str) -> list[dict]:
    """Take up a checkpoint of the same training; return its curve, empty where there is none."""
    state = checkpoint.read()
    if state is None or state["key"] != key:
        return []
    torch.set_rng_state(state["random"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["random_cuda"])
    return checkpoint.take_up(state)
