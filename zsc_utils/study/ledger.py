"""A ledger of claims: where they are registered, and the one rule that judges them.

A claim has one statistic or several. Each is a number that the claim predicts to lie above zero, or
below. Datasets are the independent units: whatever is averaged over clusterers and encoders is
averaged first, and the interval comes from how the datasets differ (`student_interval`).

The rule: a statistic is *supported* where its 95 % interval lies wholly on the side of zero that
the claim predicts, *contradicted* where it lies wholly on the other, else *undecided*; so it is
with fewer than two datasets, or where all of them give the same number, as there is no interval
then. A claim of several statistics is supported where all of them are, contradicted where any is,
else undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from string import ascii_lowercase

import numpy as np
import pandas as pd

from zsc_utils.study.stats import student_interval

SUPPORTED, CONTRADICTED, UNDECIDED = VERDICTS = ("supported", "contradicted", "undecided")

DECIMALS = {"points": 1, "ρ": 2}

CLAIMS: dict[str, Claim] = {}


@dataclass(frozen=True)
class Evidence:
    """What claims are judged by.

    Parameters
    ----------
    table
        Results, as `sweep.results.results` gives them.
    reductions
        Results by reduction, as `sweep.comparison.compare_reductions` gives them.
    knn
        kNN accuracies, as `sweep.neighbours.knn_accuracies` gives them.
    """

    table: pd.DataFrame
    reductions: pd.DataFrame
    knn: pd.DataFrame

    def of(self, group: str | None) -> Evidence:
        """Keep the datasets of one group; all for None."""
        if group is None:
            return self
        frames = (self.table, self.reductions, self.knn)
        return Evidence(*(frame[frame["group"] == group] for frame in frames))


@dataclass(frozen=True)
class Estimate:
    """What a statistic is on the data at hand; without arguments: nothing to compute it from.

    Parameters
    ----------
    value
        The estimate.
    se
        Its standard error over datasets; NaN for one.
    n
        Datasets that went in.
    encoders
        Names to print of the encoders that went in.
    p
        Of the sign-flip test; NaN where the statistic is no mean of differences.
    by_dataset
        Its value on each dataset, by the name to print; empty where it is no mean over datasets.
    """

    value: float = np.nan
    se: float = np.nan
    n: int = 0
    encoders: tuple[str, ...] = ()
    p: float = np.nan
    by_dataset: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Statistic:
    """One number by which a claim is judged.

    Parameters
    ----------
    compute
        Takes the evidence from the datasets of the group.
    name
        What it is, in a few words.
    side
        1 where the claim predicts a number above zero, −1 where below.
    needs
        What a dataset must have results of to go in; ends the sentence that says why there is none.
    unit
        `points` (percentage points of AMI) or `ρ`.
    group
        The group of datasets it is about; all for None.
    """

    compute: Callable[[Evidence], Estimate]
    name: str
    side: int
    needs: str
    unit: str = "points"
    group: str | None = None

    def judge(self, evidence: Evidence) -> dict:
        """Compute the statistic, and judge it by the rule."""
        here = evidence.of(self.group)
        asked = here.table["dataset"].nunique()
        found = self.compute(here) if asked else Estimate()
        low, high = student_interval(found.value, found.se, found.n)
        judged = verdict(low, high, self.side)
        return {
            "statistic": self.name,
            "group": self.group or "all",
            "unit": self.unit,
            "side": self.side,
            "estimate": found.value,
            "low": low,
            "high": high,
            "p": found.p,
            "n": found.n,
            "asked": asked,
            "encoders": ", ".join(found.encoders),
            "by_dataset": found.by_dataset,
            "verdict": judged,
            "reason": self._reason(found.n, asked, np.isnan(low)) if judged == UNDECIDED else "",
        }

    def _reason(self, n: int, asked: int, no_interval: bool) -> str:
        if n > 1 and no_interval:
            return f"the spread over {n} datasets cannot be told"
        if n > 1:
            return "the interval holds zero"
        if n == 1:
            return "one dataset has no spread"
        if asked == 0:
            return f"no {self.group or ''} dataset in this profile".replace("  ", " ")
        return f"no dataset has results of {self.needs}"


@dataclass(frozen=True)
class Claim:
    """A claim in one sentence, and the statistics that are registered for it."""

    id: str
    sentence: str
    statistics: list[Statistic] = field(default_factory=list)

    def statistic(self, name: str, **facts) -> Callable:
        """Register a function as a statistic of this claim; `facts` are those of `Statistic`."""

        def register(function: Callable[[Evidence], Estimate]):
            self.statistics.append(Statistic(function, name, **facts))
            return function

        return register

    def judge(self, evidence: Evidence) -> list[dict]:
        """Judge every statistic, and by them the claim; `key` has a letter for each of several."""
        judged = [statistic.judge(evidence) for statistic in self.statistics]
        letters = ascii_lowercase if len(judged) > 1 else [""]
        of_all = joint_verdict(row["verdict"] for row in judged)
        about = {"id": self.id, "claim": self.sentence}
        return [
            about | row | {"key": self.id + letter, "claim_verdict": of_all}
            for row, letter in zip(judged, letters, strict=False)
        ]


def claim(id: str, sentence: str) -> Claim:
    """Register a claim; the ledger has it after those registered before."""
    CLAIMS[id] = Claim(id, sentence)
    return CLAIMS[id]


def verdict(low: float, high: float, side: int) -> str:
    """Judge an interval by the rule; NaN is undecided.

    Parameters
    ----------
    low, high
        The interval.
    side
        1 where the claim predicts a number above zero, −1 where below.
    """
    nearest, farthest = sorted((side * low, side * high))
    if nearest > 0:
        return SUPPORTED
    return CONTRADICTED if farthest < 0 else UNDECIDED


def joint_verdict(verdicts: Iterable[str]) -> str:
    """Judge a claim by the verdicts on its statistics."""
    found = set(verdicts)
    if CONTRADICTED in found:
        return CONTRADICTED
    return SUPPORTED if found == {SUPPORTED} else UNDECIDED
