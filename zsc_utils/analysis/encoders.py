"""How well each encoder's clusters agree with the classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from zsc_utils.analysis.base import (
    datasets_of_group,
    is_best,
    mean_by,
    on_shared_clusterers,
    plus_minus,
    with_asked,
    with_score,
)
from zsc_utils.analysis.uncertainty import mean_interval


def ami_by_encoder(table: pd.DataFrame) -> pd.DataFrame:
    """Average AMI over clusterers, for each dataset and encoder.

    Only clusterers count that have a result for every encoder on the dataset.

    Returns
    -------
    DataFrame
        Columns dataset, encoder (and their facts), `mean` and `se` in percent, `n` results. The
        standard error shows how much the clusterers differ; they are no random sample.
    """
    rows = on_shared_clusterers(with_score(table)).assign(ami=lambda t: 100 * t["ami"])
    keys = ["group", "dataset", "dataset_name", "encoder", "encoder_name"]
    return mean_by(rows, keys, "ami")


def ami_matrix(table: pd.DataFrame) -> pd.DataFrame:
    """AMI in percent, mean over clusterers: a row for each dataset, a column for each encoder."""
    means = ami_by_encoder(table)
    matrix = means.pivot(index=["group", "dataset_name"], columns="encoder_name", values="mean")
    return matrix.reindex(
        index=means.set_index(["group", "dataset_name"]).index.unique(),
        columns=means["encoder_name"].unique(),
    )


def ami_matrices(table: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Give an `ami_matrix` for each clusterer alone, by its name and its name to print."""
    scored = table[table["ami"].notna()]
    by = scored.groupby(["clusterer", "clusterer_name"], sort=False)
    return {names: ami_matrix(rows) for names, rows in by}


def ami_by_group(table: pd.DataFrame) -> pd.DataFrame:
    """AMI of each encoder in each group: the mean over clusterers, then over datasets.

    Returns
    -------
    DataFrame
        Columns group, encoder, encoder_name, `mean` and `se` over datasets in percent (`se` NaN
        where a group has one dataset), `n` datasets, `asked`: how many the profile names.
    """
    means = mean_by(ami_by_encoder(table), ["group", "encoder", "encoder_name"], "mean")
    return with_asked(means, table)


def written_by_group(by_group: pd.DataFrame) -> pd.DataFrame:
    """Write `ami_by_group` as text, mean ± SE: a row for each encoder, a column for each group."""
    texts = plus_minus(by_group["mean"], by_group["se"])
    columns = by_group["group"].map(
        {group: f"{group} ({count})" for group, count in datasets_of_group(by_group).items()}
    )
    cells = by_group.assign(text=texts, column=columns)
    wide = cells.pivot(index="encoder_name", columns="column", values="text")
    return wide.reindex(
        index=by_group["encoder_name"].unique(), columns=columns.unique()
    ).rename_axis(columns=None)


def best_by_group(by_group: pd.DataFrame) -> pd.DataFrame:
    """Mark what is best of each column of `written_by_group`."""
    written = written_by_group(by_group)
    numbers = by_group.pivot(index="encoder_name", columns="group", values="mean")
    marks = is_best(numbers.reindex(index=written.index, columns=by_group["group"].unique()), 0)
    return marks.set_axis(written.columns, axis=1)


def ami_by_clusterer(table: pd.DataFrame) -> pd.DataFrame:
    """AMI in percent, mean over datasets: a row for each encoder, a column for each clusterer."""
    means = with_score(table).pivot_table(
        index="encoder_name", columns="clusterer_name", values="ami", sort=False
    )
    return 100 * means


def best_by_dataset(table: pd.DataFrame) -> pd.DataFrame:
    """Find the clustering of highest AMI of each dataset, of all encoders and clusterers.

    Returns
    -------
    DataFrame
        A row for each dataset: group, dataset_name, encoder_name, clusterer_name, `ami` in percent.
    """
    rows = with_score(table).assign(ami=lambda t: 100 * t["ami"])
    best = rows.loc[rows.groupby("dataset", sort=False)["ami"].idxmax()]
    columns = ["group", "dataset_name", "encoder_name", "clusterer_name", "ami"]
    return best[columns].reset_index(drop=True)


def mean_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Rank the encoders on each dataset by AMI (mean over clusterers), 1 for the best.

    Returns
    -------
    DataFrame
        A row for each encoder, best first: `mean rank` over the datasets, its standard error `se`
        and 95 % bootstrap interval `low` to `high`, and `best on` how many of the datasets (ties
        count for each).
    """
    matrix = ami_matrix(table)
    ranks = matrix.rank(axis=1, ascending=False, method="min")
    sure = [mean_interval(ranks[name].dropna()) for name in ranks]
    low, high = np.array(sure, float).reshape(-1, 2).T
    columns = {"mean rank": ranks.mean(), "se": ranks.sem(), "low": low, "high": high}
    found = pd.DataFrame(columns | {"best on": (ranks == 1).sum()})
    return found.sort_values("mean rank", kind="stable")
