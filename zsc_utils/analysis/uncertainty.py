"""How sure a number is: whole datasets are resampled, differences change their signs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from zsc_utils.analysis.base import mean_by

RESAMPLES = 10_000


def mean_interval(
    values: np.ndarray, *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of a mean.

    Parameters
    ----------
    values
        float (n,), one for each independent unit: here a dataset.
    level
        Confidence.
    resamples
        How often to draw n of the n values with replacement.
    seed
        Random state.

    Returns
    -------
    low, high
        NaN for fewer than two values: one dataset says nothing about others. (With fewer than
        about eight values such intervals are known to be too narrow.)
    """
    from scipy.stats import bootstrap

    values = np.asarray(values, float)
    if len(values) < 2:
        return np.nan, np.nan
    found = bootstrap(
        (values,),
        np.mean,
        confidence_level=level,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    low, high = found.confidence_interval
    return float(low), float(high)


def sign_flip_p(differences: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """Test whether paired differences lie around zero, by flipping their signs (two-sided).

    Parameters
    ----------
    differences
        float (n,), one for each independent pair: here a dataset.
    resamples
        Random flips; where there are no more than this many ways to flip, all of them are taken
        and the test is exact.
    seed
        Random state.

    Returns
    -------
    float
        Share of the flips whose mean lies as far from zero as the one found. With n differences
        it cannot be less than 2 / 2ⁿ. NaN for fewer than two.
    """
    from scipy.stats import permutation_test

    differences = np.asarray(differences, float)
    if len(differences) < 2:
        return np.nan
    found = permutation_test(
        (differences,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def sure_mean_by(table: pd.DataFrame, keys: list[str], column: str) -> pd.DataFrame:
    """Average a column of paired differences, and say how sure the averages are.

    Parameters
    ----------
    table
        One row for each dataset and set of keys.
    keys
        Columns to group by.
    column
        The differences.

    Returns
    -------
    DataFrame
        The keys, `mean`, `se`, `n`, `low` and `high` as `mean_interval` gives them, `p` as
        `sign_flip_p` does.
    """
    found = mean_by(table, keys, column)
    values = [rows[column].to_numpy() for _, rows in table.groupby(keys, sort=False, observed=True)]
    intervals = np.array([mean_interval(v) for v in values], float).reshape(-1, 2)
    p = np.array([sign_flip_p(v) for v in values], float)
    return found.assign(low=intervals[:, 0], high=intervals[:, 1], p=p)


def resampled_clusters(
    clusters: pd.Series, resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Draw clusters of rows with replacement, as many as there are; yield the rows' positions."""
    members = list(clusters.reset_index(drop=True).groupby(clusters.to_numpy()).groups.values())
    for _ in range(resamples if members else 0):
        drawn = rng.integers(0, len(members), len(members))
        yield np.concatenate([members[i] for i in drawn])
