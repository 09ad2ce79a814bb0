"""Embeddings of images by their content: a renamed image costs nothing, a new one itself alone."""

from __future__ import annotations

import logging
import uuid
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from zsc_utils.cache import atomic_path, fingerprint, versions
from zsc_utils.datasets.base import Images
from zsc_utils.datasets.decoding import READER_VERSION
from zsc_utils.embedding import EMBEDDING_VERSION, choose_device, compute, file_name
from zsc_utils.encoders import Encoder
from zsc_utils.errors import UnreadableImageError
from zsc_utils.own.collection import Collection
from zsc_utils.precision import Precision

log = logging.getLogger(__name__)

# Images between one file and the next.
PART = {"cpu": 1024}
LARGE_PART = 8192
# So many files are made one.
MANY_PARTS = 40


class ContentStore:
    """Embeddings of one encoder by the SHA-256 of images' content: a folder of `.npz` files."""

    def __init__(self, cache: Path, encoder: Encoder, precision: Precision):
        settings = {
            "encoder": encoder.fingerprint,
            "version": EMBEDDING_VERSION,
            "reader": READER_VERSION,
            "precision": precision,
            **versions("pillow", "pillow-heif"),
        }
        name = f"{file_name(encoder.facts.name)}-{fingerprint(settings)}"
        self.folder = cache / "contents" / name

    def read(self) -> dict[str, np.ndarray]:
        """Read all: digest to float32 (d,). A damaged file counts as not there."""
        known = {}
        parts = sorted(self.folder.glob("*.npz"))
        for part in parts:
            try:
                with np.load(part, allow_pickle=False) as file:
                    known |= zip(file["digests"].tolist(), file["embeddings"], strict=True)
            except FileNotFoundError:
                continue  # another run made many parts one
            except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                log.warning("%s is damaged (%s): its images are embedded again", part, error)
                part.unlink(missing_ok=True)
        if known and len(parts) > MANY_PARTS:
            self.add(list(known), np.stack(list(known.values())))
            for part in parts:
                part.unlink(missing_ok=True)
        return known

    def add(self, digests: list[str], embeddings: np.ndarray) -> None:
        """Keep embeddings, float32 (n, d), of images of such contents."""
        with atomic_path(self.folder / f"{uuid.uuid4().hex}.npz") as draft:
            np.savez(draft, digests=np.array(digests), embeddings=embeddings)


def leading_unreadable(images: Images, rows: Sequence[int]) -> dict[int, str]:
    """Say of the first images why they cannot be read, up to one that can."""
    found = {}
    for i in rows:
        try:
            images[i]
            break
        except UnreadableImageError as error:
            found[i] = error.reason
    return found


def embed_new(
    collection: Collection, encoder: Encoder, part: list[int], store: ContentStore, **how
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Embed some images of a collection and keep what comes of it.

    Returns
    -------
    embeddings
        By digest.
    unreadable
        Why others cannot be read, by digest.
    """
    # For images that could not be read the last time either, no network is built.
    bad = leading_unreadable(collection.images, part)
    unreadable = {collection.digests[i]: why for i, why in bad.items()}
    digests = [collection.digests[i] for i in part[len(bad) :]]
    if not digests:
        return {}, unreadable
    data = collection.dataset(part[len(bad) :])
    array, kept, errors = compute(data, encoder, skip_unreadable=True, **how)
    good = [digests[i] for i in kept]
    store.add(good, array)
    lacking = np.setdiff1d(np.arange(len(digests)), kept)
    why = zip(lacking, errors, strict=True)
    unreadable |= {digests[i]: error.reason for i, error in why}
    return dict(zip(good, array, strict=True)), unreadable


def embed_contents(
    collection: Collection,
    encoder: Encoder,
    *,
    cache: Path,
    device: str = "auto",
    precision: Precision = Precision.fp32,
) -> tuple[np.ndarray, dict[int, str]]:
    """Embed the images of a collection, each content once and for all.

    Parameters
    ----------
    collection
        The images.
    encoder
        What embeds them; its network is built where there is something to compute.
    cache
        Folder of computed arrays.
    device, precision
        As for `embedding.compute`.

    Returns
    -------
    array
        float32 (n, d); NaN where an image cannot be read.
    reasons
        Why it cannot, by position.

    Raises
    ------
    EmbeddingsError
        The network gave NaN or infinities.
    """
    store = ContentStore(cache, encoder, precision)
    known, unreadable = store.read(), {}
    digests = collection.digests
    _, first = np.unique(digests, return_index=True)
    new = [i for i in np.sort(first).tolist() if digests[i] not in known]
    size = PART.get(choose_device(device), LARGE_PART)
    # Parts have bars of their own.
    one = len(new) <= size
    with tqdm(total=len(new), desc="all", unit="image", leave=False, disable=one) as bar:
        for start in range(0, len(new), size):
            part = new[start : start + size]
            how = {"device": device, "precision": precision}
            embedded, bad = embed_new(collection, encoder, part, store, **how)
            known |= embedded
            unreadable |= bad
            bar.update(len(part))
    d = next(map(len, known.values()), 1)
    nothing = np.full(d, np.nan, np.float32)
    reasons = {i: unreadable[digest] for i, digest in enumerate(digests) if digest in unreadable}
    return np.stack([known.get(digest, nothing) for digest in digests]), reasons
