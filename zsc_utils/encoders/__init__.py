"""Encoders by name. To add one, write a function under this folder and decorate it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from zsc_utils.encoders import timm_models
from zsc_utils.encoders.base import (
    ENCODERS,
    Encoder,
    EncoderFacts,
    encoder_fingerprint,
)
from zsc_utils.encoders.weights import WeightsFile

__all__ = [
    "ENCODERS",
    "Encoder",
    "EncoderFacts",
    "fetch_weights",
    "find_encoder",
    "load_encoder",
    "with_published_weights",
]


def _resolve(name: str):
    if name.startswith("timm:"):
        model = name.removeprefix("timm:")
        return timm_models.describe(model), timm_models.make_builder(model)
    return ENCODERS[name]


def find_encoder(name: str, checkpoint: str | Path | None = None) -> Encoder:
    """Find an encoder, without building its network or fetching anything.

    Raises
    ------
    UnknownNameError
        No encoder has this name.
    WeightsMissingError
        No checkpoint is given, and the encoder's published weights were not fetched yet: their
        SHA-256 is part of the fingerprint.
    CheckpointError
        The checkpoint does not exist, or the encoder takes none.
    """
    facts, builder = _resolve(name)
    settings = encoder_fingerprint(facts, checkpoint)
    return Encoder(facts, settings, partial(builder, checkpoint))


def with_published_weights() -> list[str]:
    """Names of the encoders whose weights can be fetched."""
    return [
        name
        for name, facts in ENCODERS.facts().items()
        if any(isinstance(source, WeightsFile) and source.url for source in facts.weights)
    ]


def fetch_weights(name: str) -> list[Path]:
    """Fetch the published weights of an encoder where they are not there yet.

    Returns
    -------
    Their paths; none for an encoder whose weights come with the installation or through timm.

    Raises
    ------
    UnknownNameError
        No encoder has this name.
    WeightsMissingError
        They are not there and were never published.
    CheckpointError
        They cannot be fetched.
    """
    sources = () if name.startswith("timm:") else ENCODERS[name].facts.weights
    return [source.fetch() for source in sources if isinstance(source, WeightsFile)]


def load_encoder(name: str, checkpoint: str | Path | None = None) -> Encoder:
    """Build an encoder with its weights, which are fetched where they are published and not there.

    Parameters
    ----------
    name
        A registered name, or `timm:<model name>`, `timm:hf-hub:<owner>/<model>` or
        `timm:local-dir:<folder>`.
    checkpoint
        Weights file to use in place of the encoder's own.

    Returns
    -------
    Encoder
        Its `module` maps float32 images (n, 3, h, w) to embeddings (n, d).

    Raises
    ------
    UnknownNameError
        No encoder has this name.
    WeightsMissingError
        No checkpoint is given, and the encoder's weights are neither there nor published.
    CheckpointError
        The checkpoint cannot be read or does not fit, or the encoder takes none; or its weights
        cannot be fetched.
    """
    if checkpoint is None:
        fetch_weights(name)
    encoder = find_encoder(name, checkpoint)
    _ = encoder.module
    return encoder
