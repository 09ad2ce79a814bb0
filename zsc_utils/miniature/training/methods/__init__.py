"""Training methods by name. To add one, write a class in this folder and decorate it."""

from zsc_utils.miniature.training.methods.base import METHODS, Method, Settings

__all__ = ["METHODS", "Method", "Settings"]
