"""Images that are the same, to the byte or nearly."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from PIL import Image

# Near duplicates are looked for among the nearest neighbours, and told by small grey pictures:
# their correlation, and how far their sides' ratios may differ.
SIDE, ALIKE, STRETCH = 32, 0.985, 1.05


def sets_of_copies(
    digests: Sequence[str], neighbors: np.ndarray, small: Iterable[Image.Image | None]
) -> list[list[int]]:
    """Find sets of images that are copies of one another, exact or near.

    Near ones are such as were saved, scaled or toned anew: neighbours in the embeddings whose
    pictures of 32 × 32 grey pixels correlate by .985 or more.

    Parameters
    ----------
    digests
        (n,) of the files' content.
    neighbors
        int (n, k), the nearest images by some encoder.
    small
        The images, at any size; None where one cannot be read.

    Returns
    -------
    list
        Sets of two or more positions, each rising, in the order of their first.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(digests)
    pictures, ratios = _pictures(n, small)
    left, right = np.repeat(np.arange(n), neighbors.shape[1]), neighbors.ravel()
    alike = np.einsum("ij,ij->i", pictures[left], pictures[right]) >= ALIKE
    stretch = np.maximum(ratios[left], ratios[right]) / np.minimum(ratios[left], ratios[right])
    pairs = np.flatnonzero(alike & (stretch <= STRETCH))
    # Images of one content hang together by its first image.
    _, first, content = np.unique(digests, return_index=True, return_inverse=True)
    rows = np.concatenate([left[pairs], np.arange(n)])
    columns = np.concatenate([right[pairs], first[content]])
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    found = pd.Series(range(n)).groupby(component, sort=False).agg(list)
    return [one for one in found if len(one) > 1]


def _pictures(n: int, small: Iterable[Image.Image | None]) -> tuple[np.ndarray, np.ndarray]:
    """Small grey pictures, float32 (n, 1024) of mean 0 and length 1, and ratios of sides (n,).

    A picture of one grey alone is all zeros, and like no other.
    """
    pictures, ratios = np.zeros((n, SIDE * SIDE), np.float32), np.ones(n)
    for i, image in enumerate(small):
        if image is None:
            continue
        ratios[i] = image.width / image.height
        grey = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
        pixels = np.asarray(grey, np.float32).ravel()
        centred = pixels - pixels.mean()
        # A step of grey or two is what saving makes of a plain colour.
        if centred.std() > 1:
            pictures[i] = centred / np.linalg.norm(centred)
    return pictures, ratios
