"""The command `zsc`: the package's functions, from a shell."""

# Importing a module registers its commands, in this order.
from zsc_utils.cli import embedding, inventory, own, reference, sweeping, training  # noqa: F401
from zsc_utils.cli.base import app, main

__all__ = ["app", "main"]
