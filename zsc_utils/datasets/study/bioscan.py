"""BIOSCAN-1M: insects in seven levels, from order to barcode index number (BIN)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from zsc_utils.datasets.study.listing import from_files, locate
from zsc_utils.datasets.study.tables import Incomplete, Roots, paper_dataset

METADATA = "BIOSCAN_Insect_Dataset_metadata.tsv"
# Lists of sample ids that make each partition.
PARTITIONS = {
    "test": ("seen_keys", "test_seen", "test_unseen", "test_unseen_keys"),
    "train": ("train_seen", "test_unseen_keys"),
    "val": ("test_seen", "seen_keys", "test_unseen"),
}
TAXA = ["order", "family", "subfamily", "tribe", "genus", "species"]


def fill_taxa(taxa: pd.DataFrame) -> pd.DataFrame:
    """Fill levels that are missing from those that are not.

    Parameters
    ----------
    taxa
        Columns `order` to `species` and `uri`; missing values NaN or `not_classified`.

    Returns
    -------
    DataFrame
        Columns `order` to `species` and `BIN`. A missing genus is the first word of the species,
        a missing subfamily `unassigned <family>`, a missing tribe `unassigned <subfamily>` or,
        where that is missing too, `unassigned <family>`.
    """
    taxa = taxa.replace("not_classified", pd.NA)
    genus = taxa["genus"].fillna(taxa["species"].str.split().str[0])
    nearest = taxa["subfamily"].fillna(taxa["family"])
    filled = taxa.assign(
        genus=genus,
        tribe=taxa["tribe"].fillna("unassigned " + nearest),
        subfamily=taxa["subfamily"].fillna("unassigned " + taxa["family"]),
        BIN=taxa["uri"],
    )
    return filled[[*TAXA, "BIN"]]


def read_ids(name: str, folder: Path) -> list[str]:
    """Read a list of sample ids, which lies in the folder or one below it."""
    for file in (folder / f"{name}.txt", *sorted(folder.glob(f"*/{name}.txt"))):
        if file.is_file():
            return file.read_text(encoding="utf-8").split()
    raise Incomplete(f"no {folder / name}.txt")


@paper_dataset("bioscan1m", ("test", "train", "val"), taxonomy=(*TAXA, "BIN"), version=1)
def bioscan1m(roots: Roots, partition: str):
    """Open BIOSCAN-1M's images of 256 pixels, in the order of its metadata."""
    base, file = locate(roots, f"bioscan/{METADATA}")
    ids = {i for name in PARTITIONS[partition] for i in read_ids(name, file.parent)}
    columns = ["sampleid", "image_file", "chunk_number", "uri", *TAXA]
    table = pd.read_csv(file, sep="\t", usecols=columns, dtype=str)
    chosen = table[table["sampleid"].isin(ids)].reset_index(drop=True)
    unknown = ids.difference(chosen["sampleid"])
    if unknown:
        raise Incomplete(f"{len(unknown):,} of {len(ids):,} sample ids are not in {file.name}")
    chunks = chosen["chunk_number"].astype(float).astype(int)
    places = "part" + chunks.astype(str) + "/" + chosen["image_file"]
    folder = file.parent / "images" / "cropped_256"
    return from_files(base, [folder / place for place in places], fill_taxa(chosen))
