"""The fine-tuning recipe of each family of encoders, in one table."""

from __future__ import annotations

from dataclasses import dataclass, replace

from zsc_utils.encoders import ENCODERS
from zsc_utils.errors import TrainingError, UnknownNameError
from zsc_utils.precision import TuningPrecision

IMAGES_PER_LR = 256  # a learning rate is given for batches of this many images


@dataclass(frozen=True)
class TuningSettings:
    """How an encoder is fine-tuned. The defaults are the study's, but for the batch.

    The recipe is MAE's (arXiv 2111.06377, table 9), which the study used for all encoders.

    Parameters
    ----------
    epochs
        Passes over the train images.
    lr
        Base learning rate of AdamW; the peak rate is this × effective batch / 256.
    layer_decay
        Ratio of learning rates between one block and the next; None for the same everywhere.
    drop_path
        Share of images that skip the last block in training; it falls linearly to 0 at the first.
    batch_size
        Images a process takes at once.
    accumulate
        Batches of which the gradients are added up for one update.
    mixup, cutmix
        Parameter of the Beta distribution of each; 0 leaves it out.
    size
        Side of the input in pixels.
    seed
        Of the head, the order of images and all augmentation.
    precision
        `auto` is for the device to choose.
    weight_decay
        Of weights of two and more axes, but for position embeddings and the class token.
    warmup
        Epochs over which the learning rate rises from 0, a tenth of them all at most; then half a
        cosine down to `min_lr`.
    min_lr
        Learning rate at the end.
    smoothing
        Share of the probability spread over all classes.
    augment
        timm's name of the RandAugment policy.
    erase
        Probability that a part of an image is replaced by noise.
    """

    epochs: int = 50
    lr: float = 1e-3
    layer_decay: float | None = None
    drop_path: float = 0.0
    batch_size: int = 128
    accumulate: int = 1
    mixup: float = 0.0
    cutmix: float = 0.0
    size: int = 224
    seed: int = 0
    precision: TuningPrecision = TuningPrecision.auto
    weight_decay: float = 0.05
    warmup: float = 5.0
    min_lr: float = 1e-6
    smoothing: float = 0.1
    augment: str = "rand-m9-mstd0.5-inc1"
    erase: float = 0.25

    def __post_init__(self):
        if self.size < 32 or self.size % 32:
            raise TrainingError(
                f"an input of {self.size} pixels does not fit the networks: a multiple of 32 does"
            )
        if self.mixes and self.batch_size % 2:
            raise TrainingError(
                f"mixup and cutmix pair the images of a batch: {self.batch_size} is an odd number"
            )

    @property
    def mixes(self) -> bool:
        """Whether images are mixed with one another."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def warmup_epochs(self) -> float:
        """Epochs over which the learning rate rises."""
        return min(self.warmup, self.epochs / 10)

    def effective_batch(self, processes: int) -> int:
        """Images of one update."""
        return self.batch_size * self.accumulate * processes

    def peak_lr(self, processes: int) -> float:
        """Learning rate after the warm-up."""
        return self.lr * self.effective_batch(processes) / IMAGES_PER_LR


# By family, or by encoder where its authors fine-tuned it otherwise.
SETTINGS = {
    "ResNet": TuningSettings(),
    "ViT": TuningSettings(layer_decay=0.75, drop_path=0.1),
    "mae_avg_vitb16": TuningSettings(epochs=100, lr=5e-4, layer_decay=0.65, drop_path=0.1),
}


def tunable_encoders() -> list[str]:
    """Names of the encoders of which the study has a fine-tuned twin."""
    # Imported on demand: the command line names precisions without the encoders.
    from zsc_utils.encoders.official import ROSTER

    return [row.fine_tuned_from for row in ROSTER.values() if row.fine_tuned_from]


def settings_for(encoder: str, **changed) -> TuningSettings:
    """Return the settings of an encoder.

    Parameters
    ----------
    encoder
        Name of a self-supervised encoder of the study.
    changed
        Settings in place of the table's; those that are None stay as they are there.

    Raises
    ------
    UnknownNameError
        The study fine-tuned no such encoder.
    TrainingError
        The settings make no sense.
    """
    if encoder not in tunable_encoders():
        raise UnknownNameError("encoder to fine-tune", encoder, tunable_encoders())
    family = ENCODERS[encoder].facts.family
    chosen = SETTINGS.get(encoder) or SETTINGS[family]
    return replace(chosen, **{name: value for name, value in changed.items() if value is not None})
