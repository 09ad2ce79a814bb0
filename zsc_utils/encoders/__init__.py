"""Encoders by name. To add one, write a function under this folder and decorate it."""

from __future__ import annotations

from pathlib import Path

from zsc_utils.encoders import baselines, efficientnet, mini, timm_models  # noqa: F401  (they register)
from zsc_utils.encoders.base import (
    Encoder,
    EncoderFacts,
    build,
    encoder_fingerprint,
    find,
    registered,
)

__all__ = ["Encoder", "EncoderFacts", "describe_encoder", "load_encoder", "registered"]


def _resolve(name: str):
    if name.startswith("timm:"):
        model = name.removeprefix("timm:")
        return timm_models.describe(model), timm_models.make_builder(model), ()
    return find(name)


def describe_encoder(name: str, checkpoint: str | Path | None = None) -> tuple[EncoderFacts, dict]:
    """Facts and fingerprint of an encoder, without building it.

    Raises
    ------
    UnknownNameError
        No encoder has this name.
    CheckpointError
        The checkpoint does not exist, or the encoder takes none.
    """
    facts, builder, weights = _resolve(name)
    return facts, encoder_fingerprint(facts, builder, weights, checkpoint)


def load_encoder(name: str, checkpoint: str | Path | None = None) -> Encoder:
    """Build an encoder with its weights.

    Parameters
    ----------
    name
        A registered name, or `timm:<model name>`.
    checkpoint
        Weights file to use in place of the encoder's own.

    Raises
    ------
    UnknownNameError
        No encoder has this name.
    CheckpointError
        The checkpoint cannot be read or does not fit, or the encoder takes none.
    """
    return build(*_resolve(name), checkpoint)
