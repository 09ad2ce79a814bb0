"""Embeddings as one `.npz` file, to hand on and to take in, whoever made it."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.lib.npyio import NpzFile

from zsc_utils.datasets import FileImages, ImageDataset
from zsc_utils.embed import check_embeddings
from zsc_utils.errors import EmbeddingsError
from zsc_utils.files import atomic_path


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
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, NpzFile) or "embeddings" not in file:
            raise EmbeddingsError(f"{path} holds no array named 'embeddings'")
        with file:
            array = file["embeddings"]
            y_true = file.get("y_true")
    except FileNotFoundError as error:
        raise EmbeddingsError(f"{path} does not exist") from error
    except ValueError as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            raise EmbeddingsError(
                f"{path}: embeddings of unequal lengths or pickled objects, which are not read"
            ) from error
        raise EmbeddingsError(f"{path} is cut short or no .npz file ({error})") from error
    except (OSError, EOFError, BadZipFile) as error:
        raise EmbeddingsError(f"{path} is cut short or no .npz file ({error})") from error
    # A header may claim any shape.
    except MemoryError as error:
        raise EmbeddingsError(f"{path} does not fit into memory: {error}") from error
    array = check_embeddings(array, str(path))
    if y_true is not None and (y_true.shape != (len(array),) or y_true.dtype.kind not in "biufUS"):
        raise EmbeddingsError(
            f"{path}: {len(array)} embeddings but labels of shape {y_true.shape} ({y_true.dtype})"
        )
    return array, y_true
