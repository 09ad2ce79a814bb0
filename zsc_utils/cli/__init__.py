"""The command `zsc`: the package's functions, from a shell."""

# Importing a module registers its commands, in this order.
from zsc_utils.cli import embedding, inventory, own, reference, sweeping, training
from zsc_utils.cli.base import app, main
from zsc_utils.cli.embedding import RESULT_COLUMNS

__all__ = [
    "RESULT_COLUMNS",
    "app",
    "embedding",
    "inventory",
    "main",
    "own",
    "reference",
    "sweeping",
    "training",
]
