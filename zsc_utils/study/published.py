"""Numbers that others published, beside those that were computed here."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from zsc_utils.clustering import CLUSTERERS
from zsc_utils.errors import ZscError
from zsc_utils.recipes import TABLES
from zsc_utils.study.base import CELL, with_score

PUBLISHED = TABLES / "published.csv"
# What a number is of, and `value`: as a fraction.
WHERE = ["source", "what", "dataset", "partition", "encoder", "clusterer", "setting", "metric"]
# Partitions as they are published under other names: `val` is none that is clustered here.
PARTITIONS = ("train", "val", "test")


class PublishedError(ZscError):
    """A table of published numbers that is not as it must be."""


def read_published(path: Path = PUBLISHED) -> pd.DataFrame:
    """Read the table of published numbers.

    Returns
    -------
    DataFrame
        A row for each number: `source` (document and place in it), `what` (in what connection),
        `dataset`, `partition`, `encoder` and `clusterer` (names as `zsc list` prints them, where
        there is such a thing here), `setting`, `metric` and `value`, a fraction.

    Raises
    ------
    PublishedError
        The file cannot be read, has other columns, lacks a value or a source, has a number twice,
        one that no AMI can be, or an unknown clusterer or partition.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise PublishedError(f"cannot read the published numbers {path}: {error}") from error
    if list(table.columns) != [*WHERE, "value"]:
        raise PublishedError(f"{path} must have the columns {', '.join([*WHERE, 'value'])}")
    known = [name for name in WHERE if name not in ("what", "setting")]
    value = pd.to_numeric(table["value"], errors="coerce")
    bad = {
        "has an empty field": table[known].isna().any(axis=1),
        "is there twice": table.duplicated(WHERE),
        "has no value from -1 to 1 (a fraction, not percent)": ~value.between(-1, 1),
        "has an unknown clusterer": ~table["clusterer"].isin(list(CLUSTERERS)),
        "has an unknown partition": ~table["partition"].isin(PARTITIONS),
        "has another metric than AMI": table["metric"] != "AMI",
    }
    for what, rows in bad.items():
        if rows.any():
            # Lines of the file are counted from 1, and the first has the names.
            raise PublishedError(f"{path}, line {rows.idxmax() + 2} {what}")
    return table.assign(value=value)


def beside_published(table: pd.DataFrame, published: pd.DataFrame | None = None) -> pd.DataFrame:
    """Set published AMI beside that of the same dataset, encoder and clusterer.

    Parameters
    ----------
    table
        Results. What is clustered here is the partition that is for test.
    published
        As `read_published` gives it; the package's table by default.

    Returns
    -------
    DataFrame
        A row for each published number whose cell has an AMI here, indexed by group, dataset_name,
        encoder_name and clusterer_name: `ami` and `published` in percent, `difference` (own minus
        published) in points, `setting` and `source`.
    """
    published = read_published() if published is None else published
    tested = published[published["partition"] == "test"]
    names = ["group", "dataset_name", "encoder_name", "clusterer_name"]
    own = with_score(table)[[*CELL, *names, "ami"]]
    both = own.merge(tested[[*CELL, "value", "setting", "source"]], on=CELL)
    ami, theirs = 100 * both["ami"], 100 * both["value"]
    beside = both.assign(ami=ami, published=theirs, difference=ami - theirs)
    columns = ["ami", "published", "difference", "setting", "source"]
    return beside.set_index(names)[columns]
