"""Results: one small file a cell, written whole, read back as one tidy table."""

from __future__ import annotations

import base64
import json
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zsc_utils.cache import atomic_path
from zsc_utils.embedding import file_name

log = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class Cell:
    """One result to be had: dataset × encoder × clusterer × seed, and the key of its settings."""

    dataset: str
    encoder: str
    clusterer: str
    seed: int
    key: str

    def path(self, results: Path) -> Path:
        """File of the result below the folder of results."""
        name = f"{self.clusterer}-seed{self.seed}-{self.key}.json"
        return results / file_name(self.dataset) / file_name(self.encoder) / name


def pack_clusters(clusters: np.ndarray) -> str:
    """Write int32 clusters as text that a JSON file can hold."""
    return base64.b85encode(zlib.compress(np.asarray(clusters, "<i4").tobytes())).decode()


def unpack_clusters(text: str) -> np.ndarray:
    """Read what `pack_clusters` wrote."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), "<i4")


def without_nan(row: dict) -> dict:
    """Put None in place of NaN, also in dicts inside."""
    return {
        key: without_nan(value) if isinstance(value, dict) else None if value != value else value
        for key, value in row.items()
    }


def write_result(cell: Cell, results: Path, row: dict, clusters: np.ndarray | None) -> None:
    """Write one result: its row, and the clusters where there are any.

    NaN is written as null, so that the file is JSON to any reader.
    """
    content = {
        "row": without_nan(row),
        "clusters": None if clusters is None else pack_clusters(clusters),
    }
    with atomic_path(cell.path(results)) as draft:
        draft.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False))


def fields_of(row: dict, clustered: bool) -> set[str]:
    """Fields that a row must have; code of another day may have written fewer."""
    fields = {"dataset", "encoder", "clusterer", "seed", "status", "reason"}
    fields |= {"n_clusters", "silhouette_original", "silhouette_umap"} if clustered else set()
    return fields | ({"ami", "ami_by_level"} if clustered and row.get("n_classes") else set())


def read_result(cell: Cell, results: Path) -> tuple[dict, np.ndarray | None] | None:
    """Read one result; None where it is not there yet.

    A file that is cut short or not what was written is warned of and counts as not there.
    """
    path = cell.path(results)
    try:
        content = json.loads(path.read_text())
        row, text = content["row"], content["clusters"]
        missing = fields_of(row, text is not None) - row.keys()
        if missing:
            raise ValueError(f"no {', '.join(sorted(missing))}")
        return row, None if text is None else unpack_clusters(text)
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError, zlib.error, OSError) as error:
        log.warning("result %s is cut short or damaged (%s): it counts as missing", path, error)
        return None
