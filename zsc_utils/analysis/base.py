"""What every analysis of the table of results starts from."""

from __future__ import annotations

import pandas as pd

SPACES = {"silhouette_original": "original space", "silhouette_umap": "UMAP space"}


def with_score(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows that have an AMI, and average those that differ in their seed alone.

    A clusterer that did not converge may have an AMI.
    """
    rows = table[table["ami"].notna()]
    if rows["seed"].nunique() < 2:
        return rows
    cell = ["dataset", "encoder", "clusterer"]
    averaged = {"ami": "mean", **dict.fromkeys(SPACES, "mean"), "ami_by_level": _mean_of_dicts}
    how = {
        column: averaged.get(column, "first")
        for column in rows.columns
        if column not in (*cell, "seed")
    }
    return rows.groupby(cell, sort=False).agg(how).reset_index()


def _mean_of_dicts(rows: pd.Series) -> dict:
    # Undefined ones are None in stored results.
    return pd.DataFrame(rows.tolist(), dtype=float).mean().to_dict()


def unscored(table: pd.DataFrame) -> pd.DataFrame:
    """List the cells without AMI, or whose clusterer did not converge, and why.

    Those that have clusters, but classes that no AMI is defined for, have status `undefined` here.
    """
    ok = table["status"] == "ok"
    bad = table.loc[table["ami"].isna() | ~ok]
    rows = bad[["dataset", "encoder", "clusterer", "status", "reason"]]
    return rows.assign(status=rows["status"].mask(ok, "undefined"))


def mean_by(table: pd.DataFrame, keys: list[str], column: str) -> pd.DataFrame:
    """Mean, standard error of the mean (NaN for one value) and number of values, by keys.

    Values that are undefined do not count; where all are, so is the mean, of 0 values.
    """
    grouped = table.groupby(keys, sort=False, observed=True)[column]
    return grouped.agg(mean="mean", se="sem", n="count").reset_index()


def on_shared_clusterers(
    rows: pd.DataFrame, *, within: str = "dataset", compared: str = "encoder"
) -> pd.DataFrame:
    """Keep the clusterers that have a score for all that is compared.

    Means over clusterers are of the same clusterers only so. A clusterer that failed for one
    encoder on a dataset counts for no encoder there; what has no score at all takes away nothing.

    Parameters
    ----------
    rows
        Scores, with the columns clusterer, `within` and `compared`.
    within
        Each value of this column is seen for itself.
    compared
        The column whose values are compared.
    """
    everyone = rows.groupby(within)[compared].transform("nunique")
    having = rows.groupby([within, "clusterer"])[compared].transform("nunique")
    return rows[having == everyone]


def is_best(matrix: pd.DataFrame, axis: int = 1, *, lowest: bool = False) -> pd.DataFrame:
    """Mark the highest number of each row, or the lowest (ties for each; none in empty rows).

    Parameters
    ----------
    matrix
        Numbers.
    axis
        1 for the best of each row, 0 for the best of each column.
    lowest
        Whether small numbers are good.
    """
    return matrix.rank(axis=axis, ascending=lowest, method="min") == 1


def _digits(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace("-", "−")


def plus_minus(mean: pd.Series, se: pd.Series, decimals: int = 1) -> pd.Series:
    """Write means with their standard errors as text, nothing behind ± where there is none."""
    texts = [
        None
        if pd.isna(m)
        else _digits(m, decimals) + ("" if pd.isna(s) else f" ± {_digits(s, decimals)}")
        for m, s in zip(mean, se, strict=True)
    ]
    return pd.Series(texts, index=mean.index, dtype=object)


def with_interval(
    value: pd.Series, low: pd.Series, high: pd.Series, decimals: int = 1
) -> pd.Series:
    """Write numbers with their intervals as text, `1.2 [0.8, 1.6]`, no brackets without any."""
    texts = [
        None
        if pd.isna(v)
        else _digits(v, decimals)
        + ("" if pd.isna(a) else f" [{_digits(a, decimals)}, {_digits(b, decimals)}]")
        for v, a, b in zip(value, low, high, strict=True)
    ]
    return pd.Series(texts, index=value.index, dtype=object)


def join_interval(table: pd.DataFrame, value: str = "mean", decimals: int = 1) -> pd.DataFrame:
    """Write a number and its interval as one column of text, where a table has three of numbers.

    Parameters
    ----------
    table
        Has the columns `value`, `low` and `high`.
    value
        The column that the interval belongs to.
    decimals
        Of all three.

    Returns
    -------
    DataFrame
        The text, as `with_interval` writes it, in the place of `value`; `low` and `high` dropped.
    """
    text = with_interval(table[value], table["low"], table["high"], decimals)
    joined = table.assign(**{value: text}).drop(columns=["low", "high"])
    return joined.rename(columns={value: f"{value} [95 %]"})


def with_asked(means: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add how many datasets of each group a table has rows of, absent or failed ones among them."""
    return means.assign(asked=means["group"].map(table.groupby("group")["dataset"].nunique()))


def datasets_of_group(means: pd.DataFrame) -> dict[str, str]:
    """Write for each group over how many datasets its means are, and of how many."""
    counts = means.groupby("group", sort=False)[["n", "asked"]].max()
    return {
        row.Index: f"{row.n}"
        + (f" of {row.asked}" if row.n < row.asked else "")
        + f" dataset{'s' if max(row.n, row.asked) > 1 else ''}"
        for row in counts.itertuples()
    }


def without_baselines(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out raw pixels and random weights: what figure 1 of the study compares is trained."""
    return table[~table["method"].isin(["none", "random"])]


def not_fine_tuned(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the fine-tuned encoders."""
    return table[table["fine_tuned_from"].isna()]


def pretrained_only(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the encoders with random weights, as figure 4 of the study does."""
    return table[table["method"] != "random"]
