"""What criteria without labels say of AMI: learnt from real images whose classes are known.

`tables/calibration.csv` holds what `benchmarks/calibrate.py` measured: a row for every clustering
of every cut of sixteen sets, with its criteria and its AMI. Two questions are asked of it. Which of
the clusterings of one folder is the best? And how good is it? Uncertainty is always that over sets:
clusterings of one set resemble each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from zsc_utils.errors import UnknownNameError
from zsc_utils.recipes import TABLES

# What was measured, and where the images of each set are from.
TABLE, SOURCES = TABLES / "calibration.csv", TABLES / "calibration_sets.csv"
BASELINE = "raw_pixels"
# Every criterion that the table holds.
CRITERIA = (
    *("silhouette_umap", "silhouette_original", "agreement_clusterers", "agreement_encoders"),
    *("stability", "dbcv"),
)
# Clusterings of one folder are ranked by agreement times the root of the silhouette. Some weighted
# sums rank left-out sets better, none for sure (notebook 12), and this needs no weights. Agreement
# alone goes along with clusterers that make the more clusters the more images there are.
RANKED_BY = ("silhouette_umap", "agreement_clusterers")
# The level of AMI is read off this one.
READ_OFF = "silhouette_umap"
# Of ten sets, the interval holds the AMI of eight.
INSIDE = 0.8
# A cut of a set: its clusterings are compared with each other.
CUT = ["set", "cut"]
# In which only the number of clusters differs.
CURVE = [*CUT, "encoder", "clusterer"]


@cache
def measured(*, baseline: bool = False) -> pd.DataFrame:
    """Read what was measured, clusterings of two clusters or more; raw pixels only if asked."""
    table = pd.read_csv(TABLE)
    kept = table["n_clusters"].ge(2) & (baseline | table["encoder"].ne(BASELINE))
    return table[kept].reset_index(drop=True)


def of_sets(values: pd.Series, sets: pd.Series) -> pd.Series:
    """Weights by which every set counts the same, however many rows it has."""
    return 1 / values.groupby(sets).transform("size")


def quantile_over_sets(values: pd.Series, sets: pd.Series, share: float) -> float:
    """Find the smallest value that a share of the rows does not exceed, each set counted once."""
    order = np.argsort(values.to_numpy(), kind="stable")
    reached = np.cumsum(of_sets(values, sets).to_numpy()[order]) / sets.nunique()
    return float(values.to_numpy()[order][min(np.searchsorted(reached, share), len(values) - 1)])


def rank_scores(table: pd.DataFrame) -> pd.Series:
    """Score clusterings of one folder, from 0 to 1: the higher, the better they are likely to be.

    That is agreement with other clusterers times √S in UMAP space, which counts as 0 below 0 and
    where it is undefined. Without other clusterers agreement counts as 1.
    """
    silhouettes, agreement = (table[name].astype(float) for name in RANKED_BY)
    return agreement.fillna(1) * np.sqrt(silhouettes.clip(lower=0).fillna(0))


def proposed_rows(table: pd.DataFrame, scores: pd.Series) -> pd.DataFrame:
    """Keep the best number of clusters of each cut, encoder and clusterer."""
    return table.loc[scores.groupby([table[name] for name in CURVE]).idxmax()]


def left_out(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Leave one set out after the other: its name, its rows, all other rows."""
    for name, rows in table.groupby("set"):
        yield name, rows, table[table["set"] != name]


def read_off(rows: pd.DataFrame, criterion: str = READ_OFF):
    """Fit AMI as a rising function of a criterion, each set alike (isotonic regression)."""
    from sklearn.isotonic import IsotonicRegression

    weights = of_sets(rows["ami"], rows["set"])
    known = rows[criterion].notna()
    fit = IsotonicRegression(out_of_bounds="clip")
    return fit.fit(rows[criterion][known], rows["ami"][known], sample_weight=weights[known])


def errors_left_out(rows: pd.DataFrame, criterion: str = READ_OFF) -> pd.Series:
    """AMI of every set less what the others make of its silhouettes, or of another criterion."""
    known = rows.dropna(subset=[criterion])
    parts = [
        out["ami"] - read_off(others, criterion).predict(out[criterion])
        for _, out, others in left_out(known)
    ]
    return pd.concat(parts).reindex(known.index)


def margin(rows: pd.DataFrame) -> float:
    """How far AMI lies from what is read off, at most, in four of five sets.

    A quantile of distances on left-out sets, further out than asked for, as one more set is to come
    that may lie beyond all of them (conformal prediction over sets; Vovk et al., 2005, Barber et
    al., 2021): of n sets, a share of 0.8 (n + 1) / n is within.
    """
    errors = errors_left_out(rows).abs()
    sets = rows["set"].reindex(errors.index)
    n = sets.nunique()
    return quantile_over_sets(errors, sets, min(1, INSIDE * (n + 1) / n))


@dataclass(frozen=True)
class Calibration:
    """What was learnt of criteria and AMI.

    Parameters
    ----------
    curve
        AMI by silhouette, with a method `predict`.
    margin
        How far AMI lies from the curve at most, for four of five sets.
    tolerance
        Numbers of clusters whose scores are no further than this from the best are as good.
    seen
        Smallest and largest value of `n`, `n_clusters` and the silhouette among what was measured.
    """

    curve: object
    margin: float
    tolerance: float
    seen: pd.DataFrame

    def interval(self, silhouettes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Low, middle and high of the AMI to expect, from 0 to 1, by silhouette in UMAP space."""
        middle = self.curve.predict(np.asarray(silhouettes, float))
        low, high = middle - self.margin, middle + self.margin
        return np.clip(low, 0, 1), np.clip(middle, 0, 1), np.clip(high, 0, 1)

    def caveat(self, row: pd.Series) -> str:
        """Say why no AMI can be expected of a clustering; empty where one can."""
        if pd.isna(row[READ_OFF]):
            return "it has no silhouette"
        words = {
            "n": ("{:.0f} images are", "sets of {:.0f} to {:.0f}"),
            "n_clusters": ("{:.0f} clusters are", "{:.0f} to {:.0f}"),
            READ_OFF: ("a silhouette of {:.2f} is", "{:.2f} to {:.2f}"),
        }
        for name, (own, known) in words.items():
            least, most = self.seen[name]
            if not least <= row[name] <= most:
                return (
                    f"{own.format(row[name])} outside what was measured, "
                    f"{known.format(least, most)}"
                )
        return ""


def calibrate(table: pd.DataFrame | None = None, without: str | None = None) -> Calibration:
    """Learn from what was measured.

    Parameters
    ----------
    table
        As `measured` gives it, which is the default.
    without
        A set to leave out: that of images that are to be clustered, where they are known to it.

    Raises
    ------
    UnknownNameError
        There is no such set.
    """
    table = measured() if table is None else table
    if without is not None:
        if without not in set(table["set"]):
            raise UnknownNameError("set of the calibration", without, sorted(set(table["set"])))
        table = table[table["set"] != without]
    scores = rank_scores(table)
    rows = proposed_rows(table, scores)
    seen = rows[["n", "n_clusters", READ_OFF]].agg(["min", "max"])
    return Calibration(read_off(rows), margin(rows), tolerance(table, scores), seen)


def tolerance(table: pd.DataFrame, scores: pd.Series) -> float:
    """How far below the best score that of the best number lies at most, in four of five sets."""
    told = table.dropna(subset=["told"])
    curves = [told[name] for name in CURVE]
    best = told["ami"].groupby(curves).idxmax()
    lacking = scores[told.index].groupby(curves).max().to_numpy() - scores[best].to_numpy()
    return quantile_over_sets(
        pd.Series(lacking), told.loc[best, "set"].reset_index(drop=True), INSIDE
    )
