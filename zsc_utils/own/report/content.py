"""What a report shows: clusterings, the spaces that they were found in, and the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class View:
    """One clustering that the menu offers.

    Parameters
    ----------
    encoder, clusterer
        Names in the registers.
    encoder_name, clusterer_name
        Names to be read.
    n_clusters
        Number of clusters.
    clusters
        int32 (n,), −1 = left out.
    silhouettes
        float32 (n,), in UMAP space; NaN where undefined.
    to_medoid
        float32 (n,), distance to the medoid of its cluster; NaN for what was left out.
    second
        int32 (n,), the cluster that an image nearly was in; −1 where there is none.
    expected
        Low, middle and high of the AMI that is expected, in percent (80 % interval).
    caveat
        Why there is no such number, in words; else empty.
    truth
        `ami` and `ari` in percent where labels are known; else empty.
    numbers
        Of a clusterer that is told the number of clusters: each that was tried, rising, with its
        score and silhouette in UMAP space. Empty for others.
    """

    encoder: str
    clusterer: str
    encoder_name: str
    clusterer_name: str
    n_clusters: int
    clusters: np.ndarray
    silhouettes: np.ndarray
    to_medoid: np.ndarray
    second: np.ndarray
    expected: tuple[float, float, float] | None
    caveat: str
    truth: dict[str, float]
    numbers: tuple[tuple[int, float, float], ...] = ()


@dataclass(frozen=True)
class Space:
    """What one encoder's embeddings look like.

    Parameters
    ----------
    plane
        float32 (n, 2), UMAP to two dimensions.
    neighbors
        int32 (n, 8), the nearest images in the embeddings, nearest first.
    """

    plane: np.ndarray
    neighbors: np.ndarray


@dataclass(frozen=True)
class Content:
    """All that a report shows.

    Parameters
    ----------
    source
        The folder, printable.
    names
        (n,) printable paths below the folder, with `/`.
    paths
        (n,) the files.
    thumbnails
        (n,) as `make_thumbnails` gives them.
    views
        Clusterings, the best first.
    spaces
        By encoder.
    ranking
        The rows of `ranking.csv` that are views, and those that say why there is none.
    duplicates
        Groups of image numbers, exact or near.
    left_out
        Files that are not in it, each with the reason.
    labels
        str (n,) classes where given, empty where an image has none.
    paragraphs
        Sentences of the overview: plain text.
    """

    source: str
    names: list[str]
    paths: Sequence[Path]
    thumbnails: list[Path | None]
    views: list[View]
    spaces: dict[str, Space]
    ranking: pd.DataFrame
    duplicates: list[list[int]]
    left_out: list[tuple[str, str]]
    labels: np.ndarray | None
    paragraphs: list[str]
