"""What someone without labels loses who picks by the silhouette: regret, in points of AMI."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from zsc_utils.analysis.base import (
    SPACES,
    mean_by,
    plus_minus,
    pretrained_only,
    with_interval,
    with_score,
)
from zsc_utils.analysis.uncertainty import sure_mean_by

_OTHER = {"encoder": "clusterer", "clusterer": "encoder"}


def regrets(table: pd.DataFrame, choose: str, always: Sequence[str] = ()) -> pd.DataFrame:
    """Compare ways to choose an encoder, or a clusterer, with the best choice there was.

    The ways: highest silhouette in either space; at random (what is expected of it); whatever had
    the best mean rank of AMI on the other datasets; and always the same.

    Parameters
    ----------
    table
        Results. Encoders with random weights are no candidates.
    choose
        `encoder` (for each dataset and clusterer) or `clusterer` (for each dataset and encoder).
    always
        Names of candidates that could be taken everywhere.

    Returns
    -------
    DataFrame
        A row for each dataset, other part and way: `dataset`, `other`, `way`, `regret` (highest AMI
        among the candidates minus AMI of the chosen one, in points), `hit` (whether the chosen is
        the best; the chance of it for a random choice). Where there are fewer than two candidates,
        or a way has nothing to go by, there is no row.
    """
    rows = pretrained_only(with_score(table))
    keys = ["dataset", _OTHER[choose]]
    wide = 100 * rows.pivot(index=keys, columns=choose, values="ami").astype(float)
    wide = wide[wide.notna().sum(axis=1) > 1]
    best = wide.max(axis=1)
    ways = {
        f"highest S, {name}": _taken(wide, rows.pivot(index=keys, columns=choose, values=space))
        for space, name in SPACES.items()
    }
    ways["best on other datasets"] = _taken(wide, -_mean_ranks_elsewhere(wide))
    display = rows.drop_duplicates(choose).set_index(choose)[f"{choose}_name"]
    ways |= {f"always {display[name]}": wide[name].dropna() for name in always if name in wide}
    parts = [
        pd.DataFrame({"regret": best[ami.index] - ami, "hit": 1.0 * (ami == best[ami.index])})
        for ami in ways.values()
    ]
    chance = wide.eq(best, axis=0).sum(axis=1) / wide.notna().sum(axis=1)
    parts.append(pd.DataFrame({"regret": best - wide.mean(axis=1), "hit": chance}))
    found = pd.concat(parts, keys=[*ways, "at random"], names=["way"]).reset_index()
    return found.rename(columns={_OTHER[choose]: "other"})


def _taken(wide: pd.DataFrame, guide: pd.DataFrame) -> pd.Series:
    """AMI of each row's candidate for which a guide is highest; no entry where it has none."""
    seen = guide.reindex(index=wide.index, columns=wide.columns).astype(float).where(wide.notna())
    seen = seen[seen.notna().any(axis=1)]
    chosen = [] if seen.empty else seen.idxmax(axis=1)
    values = [wide.at[row, name] for row, name in zip(seen.index, chosen, strict=True)]
    return pd.Series(values, index=seen.index, dtype=float)


def _mean_ranks_elsewhere(wide: pd.DataFrame) -> pd.DataFrame:
    """Mean rank of each candidate over the rows of all datasets but the row's own."""
    ranks = wide.rank(axis=1, ascending=False)
    datasets = wide.index.get_level_values("dataset")
    elsewhere = {name: ranks[datasets != name].mean() for name in datasets.unique()}
    return pd.DataFrame([elsewhere[name] for name in datasets], index=wide.index)


def regrets_by_dataset(regrets: pd.DataFrame) -> pd.DataFrame:
    """Average `regrets` over the other part: a row for each dataset and way."""
    keys = ["way", "dataset"]
    return regrets.groupby(keys, sort=False)[["regret", "hit"]].mean().reset_index()


def regrets_by_way(by_dataset: pd.DataFrame) -> pd.DataFrame:
    """Average regret over datasets, and compare it with that of a random choice.

    Parameters
    ----------
    by_dataset
        As `regrets_by_dataset` gives it.

    Returns
    -------
    DataFrame
        A row for each way, smallest regret first: `way`, `mean`, `se` and 95 % bootstrap interval
        `low` to `high` of the regret over `n` datasets, in points; `hits`: how often the best was
        taken, in percent; `saved`: the regret of a random choice on the same datasets minus this
        one, its interval `saved_low` to `saved_high`, and `p` of its sign flips.
    """
    found = sure_mean_by(by_dataset, ["way"], "regret").drop(columns="p")
    hits = mean_by(by_dataset, ["way"], "hit").set_index("way")["mean"]
    random = by_dataset[by_dataset["way"] == "at random"].set_index("dataset")["regret"]
    others = by_dataset[by_dataset["way"] != "at random"]
    saved = others.assign(saved=others["dataset"].map(random) - others["regret"])
    compared = sure_mean_by(saved, ["way"], "saved").set_index("way")
    compared = compared.rename(columns={"mean": "saved", "low": "saved_low", "high": "saved_high"})
    found = found.assign(hits=100 * found["way"].map(hits))
    found = found.join(compared[["saved", "saved_low", "saved_high", "p"]], on="way")
    return found.sort_values("mean", kind="stable").reset_index(drop=True)


def written_regrets(ways: pd.DataFrame) -> pd.DataFrame:
    """Write `regrets_by_way` for a table: a row for each way.

    Returns
    -------
    DataFrame
        `regret` (mean ± SE), its `95 % interval`, `hits` in percent, `saved` against a random
        choice with its interval (texts, but for `hits`), `p` and `datasets`.
    """
    intervals = with_interval(ways["mean"], ways["low"], ways["high"])
    columns = {
        "regret": plus_minus(ways["mean"], ways["se"]),
        "95 % interval": intervals.str.extract(r"(\[.*\])", expand=False),
        "hits": ways["hits"],
        "saved": with_interval(ways["saved"], ways["saved_low"], ways["saved_high"]),
        "p": ways["p"],
        "datasets": ways["n"],
    }
    return pd.DataFrame(columns).set_index(ways["way"])
