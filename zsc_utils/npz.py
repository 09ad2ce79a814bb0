"""Embeddings as one `.npz` file, to hand on and to take in, whoever made it."""

from __future__ import annotations

import zlib
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numpy.lib.npyio import NpzFile

from zsc_utils.cache import atomic_path
from zsc_utils.datasets import FileImages, ImageDataset
from zsc_utils.errors import EmbeddingsError
from zsc_utils.narrow import KINDS, check_embeddings, check_resolution


def save_npz(path: Path, array: np.ndarray, dataset: ImageDataset, kept: np.ndarray) -> None:
    """Write embeddings of a folder of images as one `.npz` file.

    It holds `embeddings` float32 (n, d), `paths` and, for class folders, `y_true` int64 (n,) and
    `class_names`, of which `y_true` are positions.
    """
    content = {"embeddings": array}
    if isinstance(dataset.images, FileImages):
        content["paths"] = np.array([dataset.images.name(i) for i in kept])
    if dataset.facts.label in dataset.labels:
        names, y_true = np.unique(
            dataset.labels[dataset.facts.label].iloc[kept], return_inverse=True
        )
        content["class_names"], content["y_true"] = names.astype(str), y_true
    # A file object keeps NumPy from adding a suffix to a name that was asked for.
    with atomic_path(path) as draft, open(draft, "wb") as stream:
        np.savez(stream, **content)


def load_npz(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Read `embeddings` and, where there, `y_true` from an `.npz` file, whoever made it.

    Returns
    -------
    embeddings
        float32 (n, d).
    y_true
        (n,), or None.

    Raises
    ------
    EmbeddingsError
        The file cannot be read, is cut short or lacks `embeddings`; the embeddings are not finite
        or of unequal lengths; the numbers of embeddings and labels differ.
    """
    try:
        # Any other file NumPy calls a pickle, and tells how to load it all the same.
        if not is_zipfile(path):
            with open(path, "rb") as stream:
                plain = stream.read(6) == b"\x93NUMPY"
            lack = "is one array without a name" if plain else "is cut short or no .npz file"
            raise EmbeddingsError(f"{path} {lack}: save with np.savez(path, embeddings=…)")
        file = np.load(path, allow_pickle=False)
        if "embeddings" not in file:
            raise EmbeddingsError(f"{path} holds no array named 'embeddings'")
        with file:
            array = _read(file, "embeddings", path)
            y_true = _read(file, "y_true", path) if "y_true" in file else None
    except FileNotFoundError as error:
        raise EmbeddingsError(f"{path} does not exist") from error
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error) as error:
        raise EmbeddingsError(f"{path} is cut short or no .npz file ({error})") from error
    # A header may claim any shape.
    except MemoryError as error:
        raise EmbeddingsError(f"{path} does not fit into memory: {error}") from error
    narrow = check_embeddings(array, str(path))
    check_resolution(array, str(path))
    if y_true is not None:
        _check_labels(y_true, len(array), path)
    return narrow, y_true


def _read(file: NpzFile, name: str, path: Path) -> np.ndarray:
    """Read one array; objects would have to be unpickled, which may run anything."""
    try:
        array = file[name]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        raise EmbeddingsError(
            f"{path}: {name!r} holds {KINDS['O']}, which are not read: save an array of numbers"
            + (" or of text (astype(str))" if name == "y_true" else "")
        ) from error
    # Of a member that is no array NumPy gives the bytes.
    if not isinstance(array, np.ndarray):
        raise EmbeddingsError(f"{path}: {name!r} is no array but a file of another kind")
    return array


def _check_labels(y_true: np.ndarray, n: int, path: Path) -> None:
    if y_true.dtype.kind not in "biufUS":
        kind = KINDS.get(y_true.dtype.kind, y_true.dtype)
        raise EmbeddingsError(f"{path}: 'y_true' must be numbers or text, not {kind}")
    if y_true.shape != (n,):
        raise EmbeddingsError(
            f"{path}: 'y_true' must be of shape ({n},), a label for each of {n} embeddings, not "
            f"{y_true.shape}"
        )
