"""What an encoder is, and the register of those known by name.

Nothing here imports torch: listing encoders and planning a sweep should take no seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from zsc_utils.cache import file_sha256, versions
from zsc_utils.encoders.weights import WeightsFile
from zsc_utils.errors import CheckpointError
from zsc_utils.registry import Registry

if TYPE_CHECKING:
    import torch

# What decides an encoder's weights: installed packages, by name, files that come with the project,
# by path, and files that may have to be fetched.
Weights = tuple[str | Path | WeightsFile, ...]


@dataclass(frozen=True)
class EncoderFacts:
    """What is known of an encoder before its weights are read.

    Parameters
    ----------
    name
        The name it is asked for by.
    display
        The name that figures print.
    backbone
        The network, as figures print it.
    family
        `ViT` for backbones with self-attention, `ResNet` for those without (convolutional ones),
        None without network: whose recipes an encoder without its own takes.
    method
        How it was pretrained: `none`, `random`, `X-Ent`, a self-supervised method, or for a timm
        model what else the tag of its weights says, which may be `unknown`.
    labels
        Whether training saw labels, the last one too; None where that is not known.
    fine_tuned_from
        The self-supervised encoder that was trained further with labels; None for others.
    takes_checkpoint
        Whether weights can be given as a file.
    weights
        What decides the weights: names of installed packages, whose versions count, and files,
        whose content counts.
    settings
        Where the network or its input is not as the library has it by that name: part of results'
        names.
    version
        Raised by whoever changes what the encoder's code gives: it is part of results' names.
    """

    name: str
    display: str
    backbone: str
    family: str | None
    method: str
    labels: bool | None = False
    fine_tuned_from: str | None = None
    takes_checkpoint: bool = False
    weights: Weights = ()
    settings: tuple[tuple[str, object], ...] = ()
    version: int = 1


def display_name(method: str, backbone: str, fine_tuned_from: str | None) -> str:
    """Name that figures print for an encoder of a roster."""
    method = "Rand." if method == "random" else method
    return f"{method}{' [FT]' if fine_tuned_from else ''}, {backbone}"


@dataclass(frozen=True)
class Encoder:
    """An encoder with its weights, whose network is built when it is first asked for.

    Parameters
    ----------
    facts
        What is known of the encoder.
    fingerprint
        Settings that change when the embeddings would.
    builder
        Gives `module` and `transform`.
    """

    facts: EncoderFacts
    fingerprint: dict
    builder: Callable[[], tuple[torch.nn.Module, Callable]]

    @cached_property
    def _built(self) -> tuple[torch.nn.Module, Callable]:
        module, transform = self.builder()
        return module.eval().requires_grad_(False), transform

    @property
    def module(self) -> torch.nn.Module:
        """Maps float32 images (n, 3, h, w) to embeddings (n, d); in evaluation mode."""
        return self._built[0]

    @property
    def transform(self) -> Callable:
        """Takes the common side length of a dataset (or None).

        Gives the function from a PIL image to a float32 tensor (3, h, w).
        """
        return self._built[1]

    def release(self) -> None:
        """Let go of the network: of many encoders one at a time is in memory."""
        self.__dict__.pop("_built", None)


Builder = Callable[..., tuple["torch.nn.Module", Callable]]
# A builder takes the path of a checkpoint, or None for the encoder's own weights, and returns the
# module and the transform (see `Encoder`).
ENCODERS: Registry[EncoderFacts] = Registry(
    "encoder",
    EncoderFacts,
    modules=(
        "zsc_utils.encoders.baselines",
        "zsc_utils.encoders.efficientnet",
        "zsc_utils.miniature.encoders",
        "zsc_utils.encoders.official",
    ),
    hint="any timm model is timm:<model name>",
)
encoder = ENCODERS.register


def content_of(source: Path | WeightsFile, name: str) -> tuple[str, str]:
    """Name and SHA-256 of a file of weights of the encoder `name`."""
    if isinstance(source, WeightsFile):
        return source.names[0], source.sha256()
    if not source.is_file():
        raise CheckpointError(f"weights of encoder {name} are missing: {source}")
    return source.name, file_sha256(source)


def encoder_fingerprint(facts: EncoderFacts, checkpoint: Path | None) -> dict:
    """Settings that change when the embeddings of an encoder would.

    Nothing is fetched for it.

    Raises
    ------
    CheckpointError
        A checkpoint is given to an encoder that takes none, or a weights file does not exist
        (`WeightsMissingError` where it could be fetched) or is not the one that was published.
    """
    if checkpoint is not None and not facts.takes_checkpoint:
        raise CheckpointError(f"encoder {facts.name} takes no checkpoint")
    if checkpoint is not None and not Path(checkpoint).is_file():
        raise CheckpointError(f"checkpoint {checkpoint} is not a file")
    packages = [source for source in facts.weights if isinstance(source, str)]
    # A checkpoint takes the place of the encoder's own files.
    files = [source for source in facts.weights if not isinstance(source, str) and not checkpoint]
    return {
        "encoder": facts.name,
        "version": facts.version,
        "checkpoint": file_sha256(checkpoint) if checkpoint else None,
        **versions("torch", "torchvision", "timm", "pillow", "numpy", *packages),
        **dict(content_of(source, facts.name) for source in files),
        # Only where there are any: an encoder without keeps the names of its results.
        **({"settings": dict(facts.settings)} if facts.settings else {}),
    }
