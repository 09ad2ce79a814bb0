"""Finished clusterings with what they are of: clusters, labels and images, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.cache import ArrayFolder, build_folder
from zsc_utils.datasets.base import ChosenImages
from zsc_utils.embedding import Embeddings
from zsc_utils.sweep.cells import Cell, Job
from zsc_utils.sweep.results import read_embeddings, read_result


@dataclass(frozen=True)
class Clustering:
    """One finished cell.

    Parameters
    ----------
    job
        Dataset and encoder.
    cell
        Dataset, encoder, clusterer and seed by name.
    row
        Its scores, as `evaluate` gives them.
    clusters
        int32 (n,), −1 = left out.
    embeddings
        What was clustered: float32 (n, d) in `array`, n rows of `labels`.
    memo
        Reductions of these embeddings.
    """

    job: Job
    cell: Cell
    row: dict
    clusters: np.ndarray
    embeddings: Embeddings
    memo: ArrayFolder

    @property
    def classes(self) -> pd.Series:
        """The class of each row, a string or missing; all are where images have no labels."""
        labels = self.embeddings.labels
        return labels.get(
            self.job.dataset.facts.label, pd.Series(None, index=labels.index, dtype=object)
        )

    @property
    def images(self) -> ChosenImages:
        """The image of each row."""
        return ChosenImages(self.job.dataset.images, self.embeddings.positions)


def read_clusterings(planned: list[Job], build: Path | None = None) -> Iterator[Clustering]:
    """Read the clusterings of a plan that are there, in its order.

    Cells that are absent, skipped, failed or not computed yet are passed over. To read some only,
    plan some only: `plan(load_profile(name, datasets=[…], encoders=[…], clusterers=[…]))`.

    Parameters
    ----------
    planned
        As `cells.plan` gives it.
    build
        Folder of caches and results.

    Raises
    ------
    EmbeddingsError
        The embeddings were not computed yet.
    """
    build = build or build_folder()
    for job, embeddings, memo in read_embeddings(planned, build):
        for cell, _ in job.cells:
            row, clusters = read_result(cell, build) or (None, None)
            if clusters is not None:
                yield Clustering(job, cell, row, clusters, embeddings, memo)
