"""What of the study's data is under the data root, and what is not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zsc_utils.datasets.base import DATASETS, open_registered
from zsc_utils.datasets.study.tables import expected_images, place, sources_table
from zsc_utils.errors import DatasetAbsentError, DatasetIncompleteError


@dataclass(frozen=True)
class Holding:
    """One dataset under a data root.

    Parameters
    ----------
    name
        The dataset.
    state
        `complete`, `incomplete` or `absent`.
    images
        Images of the test partition; None where it cannot be opened.
    expected
        Their number in the study; None where it is not known.
    problem
        What is missing.
    """

    name: str
    state: str
    images: int | None
    expected: int | None
    problem: str = ""

    @property
    def page(self) -> str:
        """Page that the dataset comes from."""
        return sources_table().loc[self.name, "page"]

    def place(self, root: Path) -> str:
        """Where its files belong."""
        return place(self.name, root)

    def as_row(self) -> dict:
        """Return a row of a table for readers."""
        source = sources_table().loc[self.name]
        images, expected = (
            "?" if number is None else f"{number:,}" for number in (self.images, self.expected)
        )
        return {
            "dataset": self.name,
            "state": self.state,
            "images": f"{images} of {expected}",
            "GB": source["size_gb"] or "?",
            "licence": source["licence"],
            "how": "--download" if source["download"] else "ask at the page",
        }


def select(names: list[str]) -> tuple[list[str], list[str]]:
    """Part names, each once, into those whose data must be got and the others; all if none."""
    known = sources_table().index
    unique = list(dict.fromkeys(names or known))
    return [n for n in unique if n in known], [n for n in unique if n not in known]


def downloadable(name: str) -> bool:
    """Tell whether a dataset can be fetched without asking for it."""
    return bool(sources_table().loc[name, "download"])


def holding(name: str, root: Path) -> Holding:
    """Look at one dataset: open what is clustered, and count its images.

    Datasets that have no test partition are opened as `train`.
    """
    partitions = DATASETS[name].facts.partitions
    expected = expected_images(name)
    try:
        images = len(open_registered(name, root, partitions[0]))
    except DatasetIncompleteError as error:
        return Holding(name, "incomplete", None, expected, error.reason)
    except DatasetAbsentError as error:
        return Holding(name, "absent", None, expected, error.reason)
    if expected not in (None, images):
        problem = f"{images:,} of {expected:,} images"
        return Holding(name, "incomplete", images, expected, problem)
    return Holding(name, "complete", images, expected)
