"""Training methods by name. To add one, write a class in this folder and decorate it."""

from zsc_utils.training.methods import (  # noqa: F401  (importing registers them)
    dino,
    finetune,
    mae,
    mocov3,
    supervised,
    vicreg,
)
from zsc_utils.training.methods.base import Method, Progress, Settings, find, registered

__all__ = ["Method", "Progress", "Settings", "find", "registered"]
