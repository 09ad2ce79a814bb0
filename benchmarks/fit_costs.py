"""Fit the laws by which costs are predicted: `python benchmarks/fit_costs.py [MEASUREMENTS.csv]`.

Writes `laws.csv` and `speeds.csv` of the package's tables from what `bench_scaling.py` measured.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.sweep import costs

SCALING = Path(__file__).with_name("scaling.csv")
# Laws are fitted to sizes of at least this fraction of the largest measured: below it, what does
# not grow with n weighs too much.
LARGE = 1 / 4


def fit(rows: pd.DataFrame, step: str) -> costs.Law:
    """Fit the law of a step to measurements, by least squares of logarithms.

    A term that is the same in all rows gets the exponent 0: nothing is known of it. Of memory,
    theory knows the exponent; the factor is fitted.

    Parameters
    ----------
    rows
        Columns n, d, n_classes, seconds, bytes. Of each d and n_classes, seconds count for the
        larger n, bytes for the largest.
    step
        Name of the step: a clusterer, `umap`, `pca` or `silhouette`.
    """
    largest = rows.groupby(["d", "n_classes"])["n"].transform("max")
    rows = rows[rows["n"] >= LARGE * largest]
    shape = [rows[name].to_numpy(float) for name in ("n", "d", "n_classes")]
    terms = costs.TIME_TERMS.get(step, costs.N_D_CLASSES)
    logs = np.stack([np.ones(len(rows)), *(np.log(term(*shape)) for term in terms)], axis=1)
    varies = np.ptp(logs, axis=0) > 0
    varies[0] = True
    exponents = np.zeros(len(varies))
    exponents[varies] = np.linalg.lstsq(logs[:, varies], np.log(rows["seconds"]), rcond=None)[0]
    memory_term = costs.MEMORY_TERMS[step]
    ratios = np.log(rows["bytes"].clip(lower=1) / memory_term(*shape))
    bytes_each = np.exp(ratios[rows["n"] == largest[rows.index]].mean())
    return costs.Law(terms, tuple(map(float, exponents)), memory_term, float(bytes_each))


def series(table: pd.DataFrame) -> Iterator[tuple[str, bool, pd.DataFrame]]:
    """Part measurements by step, and by whether it has changed its algorithm."""
    for step, rows in table.groupby("step", sort=False):
        if step not in costs.MEMORY_TERMS:
            continue
        if step not in costs.CHANGES:
            yield step, False, rows
            continue
        column, start = costs.CHANGES[step]
        for changed in (False, True):
            yield step, changed, rows[(rows[column] >= start) == changed]


def table_of_laws(table: pd.DataFrame) -> pd.DataFrame:
    """Fit every law: one row a step and algorithm."""
    rows = []
    for step, changed, measured in series(table):
        law = fit(measured, step)
        exponents = " ".join(f"{value:.6g}" for value in law.exponents[1:])
        rows.append((step, changed, law.exponents[0], exponents, law.bytes_each))
    columns = ["step", "changed", "log_factor", "exponents", "bytes_each"]
    return pd.DataFrame(rows, columns=columns)


def table_of_speeds(table: pd.DataFrame) -> pd.DataFrame:
    """Take what was measured at one size: embeddings, and what a process does once."""
    rows = table[~table["step"].isin(costs.MEMORY_TERMS)]
    return rows[["step", "n", "d", "seconds", "bytes"]]


if __name__ == "__main__":
    measured = pd.read_csv(sys.argv[1] if len(sys.argv) > 1 else SCALING)
    table_of_laws(measured).to_csv(costs.LAWS, index=False, float_format="%.6g")
    table_of_speeds(measured).to_csv(costs.SPEEDS, index=False)
