"""Criteria that need no labels, sums of them, and the choice among sums.

A sum is named by its criteria, with a plus between them. Its weights are learnt on other sets than
those that it is judged on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from zsc_utils.own import calibration
from zsc_utils.own.calibration import CRITERIA, CUT, RANKED_BY
from zsc_utils.study.base import bullets
from zsc_utils.study.stats import mean_interval
from zsc_utils.study.tables import estimate_texts, number_texts

NAMES = {
    "silhouette_umap": "S in UMAP space",
    "silhouette_original": "S in original space",
    "agreement_clusterers": "agreement of clusterers",
    "agreement_encoders": "agreement of encoders",
    "stability": "stability",
    "dbcv": "DBCV",
    "fraction_clustered": "fraction clustered",
}
SHORT = NAMES | {
    "silhouette_umap": "S UMAP",
    "silhouette_original": "S original",
    "agreement_clusterers": "clusterers",
    "agreement_encoders": "encoders",
}
SUMS = [
    " + ".join(chosen) for n in range(1, len(CRITERIA) + 1) for chosen in combinations(CRITERIA, n)
]
ALL_SIX = SUMS[-1]
# No sum, and without weights: what `zsc cluster` ranks by.
SHIPPED = "agreement × √S"


def way_name(way: str, names: dict[str, str] = NAMES) -> str:
    """Name a criterion, a sum of criteria or another way to choose, to be printed."""
    return " + ".join(names.get(part, part) for part in way.split(" + "))


def short_name(way: str) -> str:
    """Name a way to choose where there is little room: a sum of several by its shortest names."""
    if way == ALL_SIX:
        return "sum of all six"
    return way_name(way, SHORT if "+" in way else NAMES)


def criteria_of(way: str) -> list[str]:
    """List the criteria of a sum."""
    return list(RANKED_BY) if way == SHIPPED else way.split(" + ")


def mean_of_sets(values: pd.Series) -> dict[str, float]:
    """Average one value a set: `mean`, `low` and `high` over `n` sets."""
    low, high = mean_interval(values.to_numpy(float))
    return {"mean": values.mean(), "low": low, "high": high, "n": len(values)}


def listed_estimates(rows: pd.DataFrame, value: str = "mean", decimals: int = 1) -> str:
    """List ways to choose (the column `way`) with their numbers; a dash stands for none."""
    texts = estimate_texts(rows, value, decimals).fillna("–")
    names = rows["way"].map(way_name)
    return "; ".join(names + " " + texts)


def _moments(table: pd.DataFrame, criteria: Sequence[str]) -> dict[str, np.ndarray]:
    """Mean products of criteria and, last, AMI, each less its mean over the cut, by set."""
    values = table[[*criteria, "ami"]].fillna(0)
    beyond = values - values.groupby([table[name] for name in CUT]).transform("mean")
    parts = {name: rows.to_numpy() for name, rows in beyond.groupby(table["set"])}
    return {name: rows.T @ rows / len(rows) for name, rows in parts.items()}


def ranking_weights(table: pd.DataFrame, criteria: Sequence[str]) -> pd.Series:
    """Weigh criteria so that their sum follows AMI within cuts: least squares, each set alike.

    Parameters
    ----------
    table
        As `measured` gives it.
    criteria
        Columns of it.

    Returns
    -------
    Series
        A weight for each criterion: AMI for each unit of it.
    """
    total = sum(_moments(table, criteria).values())
    return pd.Series(_solved(total, range(len(criteria))), list(criteria))


def _solved(moments: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
    """Weigh the criteria at some places of moments by least squares."""
    found, *_ = np.linalg.lstsq(moments[np.ix_(chosen, chosen)], moments[chosen, -1], rcond=None)
    return found


def weighted_sum(table: pd.DataFrame, weights: pd.Series) -> pd.Series:
    """Sum criteria by their weights; one that is undefined counts nothing."""
    return table.reindex(columns=weights.index).astype(float).fillna(0) @ weights


def regrets(table: pd.DataFrame, scores: pd.Series) -> pd.DataFrame:
    """Compare the clusterings that scores rank first with the best there are.

    Parameters
    ----------
    table
        As `measured` gives it, or some rows of it.
    scores
        By its index.

    Returns
    -------
    DataFrame
        One row a set, means over its cuts: `regret`, AMI of the best less that of the first, and
        `rho`, Spearman's correlation of scores and AMI.
    """
    rows = []
    for (name, _), cut in table.groupby(CUT):
        here = scores[cut.index].astype(float)
        first = cut.loc[here.fillna(-np.inf).idxmax(), "ami"]
        rho = here.corr(cut["ami"], method="spearman")
        rows.append({"set": name, "regret": cut["ami"].max() - first, "rho": rho})
    return pd.DataFrame(rows).groupby("set").mean()


def scores_left_out(table: pd.DataFrame, criteria: Sequence[str]) -> pd.Series:
    """Score every set's clusterings by weights that the other sets gave."""
    parts = [
        weighted_sum(rows, ranking_weights(others, criteria))
        for _, rows, others in calibration.left_out(table)
    ]
    return pd.concat(parts).reindex(table.index)


def scores_of(table: pd.DataFrame, way: str) -> pd.Series:
    """Score clusterings by one way: a sum has weights that the other sets gave."""
    if way == SHIPPED:
        return calibration.rank_scores(table)
    return scores_left_out(table, criteria_of(way)) if "+" in way else table[way]


class _Sets:
    """What sums of criteria need of each set: moments for the weights, values for the choice."""

    def __init__(self, table: pd.DataFrame):
        self.moments = _moments(table, CRITERIA)
        # It has no weights, so no set is left out for it.
        self.shipped = 100 * regrets(table, calibration.rank_scores(table))["regret"]
        criteria = table[list(CRITERIA)].fillna(0)
        self.cuts = {
            name: [
                (criteria.loc[rows.index].to_numpy(), rows["ami"].to_numpy())
                for _, rows in here.groupby("cut")
            ]
            for name, here in table.groupby("set")
        }

    def regrets(self, without: str | None = None) -> pd.DataFrame:
        """Regret in points of every set by every sum, with the weights that its others gave.

        Sets are rows; one can be left out altogether.
        """
        kept = {name: moments for name, moments in self.moments.items() if name != without}
        found = {}
        for name in kept:
            others = sum(moments for other, moments in kept.items() if other != name)
            weights = np.zeros((len(CRITERIA), len(SUMS)))
            for place, chosen in enumerate(_COLUMNS):
                weights[chosen, place] = _solved(others, chosen) if len(chosen) > 1 else 1
            lost = [ami.max() - ami[(X @ weights).argmax(axis=0)] for X, ami in self.cuts[name]]
            found[name] = 100 * np.mean(lost, axis=0)
        return pd.DataFrame(found, index=SUMS).T.assign(**{SHIPPED: self.shipped})


_COLUMNS = [[CRITERIA.index(name) for name in criteria_of(way)] for way in SUMS]


def choose_sum(regrets: pd.DataFrame) -> tuple[str, str]:
    """Choose among sums by their regrets on some sets.

    Parameters
    ----------
    regrets
        A row a set, a column a sum.

    Returns
    -------
    best
        The sum of lowest mean regret.
    simplest
        Of those whose mean regret is more by no more than one standard error of the difference,
        one of the fewest criteria; of several the best.
    """
    compared = compare_sums(regrets)
    return compared.index[0], _simplest(compared[compared["near"]])


def _simplest(compared: pd.DataFrame) -> str:
    """Of several sums, one of the fewest criteria; of several such the best."""
    return compared.sort_values(["criteria", "mean"], kind="stable").index[0]


def compare_sums(regrets: pd.DataFrame) -> pd.DataFrame:
    """Set every sum beside the best one.

    Returns
    -------
    DataFrame
        A row a sum, the best first: number of `criteria`, `mean` regret over sets and its `se`,
        `more`, what it is more than that of the best, and `more_se` of that difference, in which
        sets are paired; `near`, whether it is more by no more than that.
    """
    means = regrets.mean()
    more = regrets.sub(regrets[means.idxmin()], axis=0)
    found = pd.DataFrame(
        {
            "criteria": [len(criteria_of(way)) for way in regrets],
            "mean": means,
            "se": regrets.sem(),
            "more": more.mean(),
            "more_se": more.sem(),
        }
    )
    found["near"] = found["more"] <= found["more_se"].fillna(0)
    return found.sort_values("mean", kind="stable").rename_axis("sum")


def nested_choice(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose among all sums of criteria without the set on which the choice is judged.

    Parameters
    ----------
    table
        As `fully_measured` gives it.

    Returns
    -------
    regrets
        A row a set, a column for each of `SUMS` and for `SHIPPED`: regret in points, of sums with
        weights from the other sets.
    choices
        A row a set: `best` and `simplest`, what `choose_sum` chooses by the regrets of the other
        sets (each with weights from the rest of them), and the regret of either on the set itself,
        `best_regret` and `simplest_regret`.
    """
    sets = _Sets(table)
    found = sets.regrets()
    rows = {}
    for name in found.index:
        best, simplest = choose_sum(sets.regrets(without=name))
        rows[name] = {
            "best": best,
            "best_regret": found.at[name, best],
            "simplest": simplest,
            "simplest_regret": found.at[name, simplest],
        }
    return found, pd.DataFrame(rows).T.infer_objects().rename_axis("set")


def written_sums(compared: pd.DataFrame) -> pd.DataFrame:
    """Write `compare_sums` for a table: the best eight, all that are near and simple, the shipped.

    Its columns: what is in the sum; `regret` and how much `more` it is than the best one's, each
    with its standard error; whether that is `near`.
    """
    fewest = compared.loc[compared["near"], "criteria"].min()
    simple = compared["near"] & (compared["criteria"] == fewest)
    kept = (np.arange(len(compared)) < 8) | simple | (compared["criteria"] == 1)
    rows = compared[kept | (compared.index == SHIPPED)]
    parts = {
        SHORT[name]: ["+" if name in criteria_of(way) else "" for way in rows.index]
        for name in CRITERIA
    }
    numbers = {
        "not a sum": ["product" if way == SHIPPED else "" for way in rows.index],
        "regret": number_texts(rows["mean"], rows["se"]).to_numpy(),
        "more": number_texts(rows["more"], rows["more_se"]).to_numpy(),
        "near": np.where(rows["near"], "yes", "no"),
    }
    places = pd.Index(compared.index.get_indexer(rows.index) + 1, name="place")
    return pd.DataFrame(parts | numbers, index=places)


def written_choices(choices: pd.DataFrame) -> pd.DataFrame:
    """Write the choices of `nested_choice` for a table: a row a set, its regrets, and the means."""
    parts = {}
    for name in ("best", "simplest"):
        regret = choices[f"{name}_regret"]
        parts[name, "sum"] = [*map(short_name, choices[name]), ""]
        parts[name, "regret"] = [*regret, regret.mean()]
    return pd.DataFrame(parts, index=pd.Index([*choices.index, "mean"], name="set"))


def say_sums(regrets: pd.DataFrame, choices: pd.DataFrame) -> str:
    """Say which sum of criteria ranks best, how far that can be told, and what the choice costs.

    Parameters
    ----------
    regrets, choices
        As `nested_choice` gives them.
    """
    compared = compare_sums(regrets)
    best = compared.index[0]
    near = compared[compared["near"]]
    fewest = near[near["criteria"] == near["criteria"].min()]
    listed = "; ".join(f"{way_name(way)} ({row['mean']:.1f})" for way, row in fewest.iterrows())
    shipped, lowest = compared.loc[SHIPPED], compared.loc[best]
    place = "is one of these" if SHIPPED in fewest.index else "is not among these"
    unpaired = _simplest(compared[compared["mean"] <= lowest["mean"] + lowest["se"]])
    honest = [mean_of_sets(choices[name]) for name in ("best_regret", "simplest_regret")]
    of_best, of_simplest = estimate_texts(pd.DataFrame(honest))
    counts = choices["simplest"].value_counts()
    often = "; ".join(f"{way_name(way)}, {n}" for way, n in counts.items())
    return bullets(
        [
            f"**The sum**: of {len(compared)}, {way_name(best)} has the lowest regret on left-out "
            f"sets, {lowest['mean']:.1f} points. {len(near)} are within one standard error of the "
            f"difference, sets paired; of these the simplest: {listed}.",
            f"**What `zsc cluster` ranks by**, {way_name(SHIPPED)}, {place}: "
            f"{shipped['mean']:.1f} points, {shipped['more']:.1f} ± {shipped['more_se']:.1f} more "
            f"than the best. By the rule that does not pair sets, one standard error of the "
            f"best sum's own regret ({lowest['se']:.1f}), the simplest is {way_name(unpaired)}.",
            f"**The choice itself**, made without the set that it is judged on, has a regret of "
            f"{of_best} points where the best sum of the other sets is taken, and of "
            f"{of_simplest} where the simplest is (by sets: {often}).",
        ]
    )
