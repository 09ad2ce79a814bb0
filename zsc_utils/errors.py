"""Errors that are the input's fault; the command line prints them without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZscError(Exception):
    """Something about the input is wrong; the message says what, where and what to do."""

    def _render_traceback_(self) -> list[str]:
        """Tell notebooks what to show: the message, as the way through this code helps nobody."""
        return [f"error: {self}"]


class UnknownNameError(ZscError):
    """A name that nothing is registered under."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = ""):
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        message = f"unknown {kind} {name!r}"
        if near:
            message += f"; did you mean {', '.join(near)}?"
        elif len(known) <= 50:
            message += f"; known: {', '.join(known)}"
        super().__init__(message + (f" ({hint})" if hint else ""))


class UnreadableImageError(ZscError):
    """An image file that cannot be decoded, or is too large to decode safely."""

    def __init__(self, path: str, reason: str):
        # Both go to the base class, so that the error survives pickling between processes.
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"cannot read image {self.path}: {self.reason}"


class ImageFolderError(ZscError):
    """A folder of images that holds nothing to embed, or no classes to tell apart."""


class DatasetAbsentError(ZscError):
    """A dataset that is not under the data root."""

    what = "absent"

    def __init__(self, name: str, reason: str, place: str):
        super().__init__(name, reason, place)
        self.name, self.reason, self.place = name, reason, place

    def __str__(self) -> str:
        return (
            f"dataset {self.name} is {self.what}: {self.reason}; expected: {self.place}; "
            f"how to get it: zsc data {self.name}"
        )


class DatasetIncompleteError(DatasetAbsentError):
    """A dataset of which files are missing, cut short or not what they should be."""

    what = "incomplete"


class DownloadError(ZscError):
    """A dataset that could not be downloaded."""


class CheckpointError(ZscError):
    """A weights file that cannot be read, or whose keys do not fit the network."""


class WeightsMissingError(CheckpointError):
    """Weights of an encoder that are not on this machine; the message says how to get them."""


class TrainingError(ZscError):
    """A training that cannot begin or go on: its settings, or a loss that is no number."""


class DeviceError(ZscError):
    """A device that torch does not know or that is not there."""


class EmbeddingsError(ZscError):
    """Embeddings that cannot be clustered: not finite, of unequal lengths, cut short."""


class CacheDamagedError(ZscError):
    """A cached file that is not what was written."""


class StorageError(ZscError, OSError):
    """A file that cannot be written: the disk is full, or the folder may not be written to."""


class CodeChangedError(ZscError):
    """Code on disk that is not the code that runs: what it would compute has no name."""


class WorkerError(ZscError):
    """A process that the system ended."""


class ProfileError(ZscError):
    """A profile that cannot be read or asks for something impossible."""


class RecipeError(ZscError):
    """A hyperparameter table that lacks a row or holds a value that makes no sense."""
