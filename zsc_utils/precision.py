"""Numbers that a forward pass computes with; in a module that loads nothing, for the shell."""

from enum import StrEnum


class Precision(StrEnum):
    """Of the forward pass of an encoder; embeddings are float32 in any case."""

    fp32 = "fp32"
    bf16 = "bf16"


class TuningPrecision(StrEnum):
    """Of the forward pass of a training."""

    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"
