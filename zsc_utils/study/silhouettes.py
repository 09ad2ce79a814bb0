"""Whether the silhouette tells good clusterings from bad ones, and what is lost by picking with it.

That is figure 4 of the study; what is lost is the regret, in points of AMI.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.study.base import SPACES, bullets, mean_by, pretrained_only, with_score
from zsc_utils.study.figures import COLORS, legend_outside, nothing, panels
from zsc_utils.study.stats import percentile_interval, resampled_clusters, spearman, sure_mean_by
from zsc_utils.study.tables import interval_texts, number_texts


def silhouette_correlation(
    table: pd.DataFrame, *, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Spearman's ρ between AMI and silhouette over datasets × encoders (figure 4 of the study).

    Parameters
    ----------
    table
        Results.
    resamples
        Bootstrap resamples for the confidence interval.
    seed
        Random state of the bootstrap.

    Returns
    -------
    DataFrame
        One row for each clusterer and space: `rho`, `low` and `high` (95 % percentile bootstrap
        over datasets, whose points hang together), `n` points. NaN where fewer than three points
        have a silhouette.
    """
    rng = np.random.default_rng(seed)
    by_clusterer = pretrained_only(with_score(table)).groupby(
        ["clusterer", "clusterer_name"], sort=False
    )
    rows = []
    for (space, space_name), (names, part) in product(SPACES.items(), by_clusterer):
        known = part[part[space].notna()]
        ami, silhouette = known[["ami", space]].to_numpy(float).T
        resampled = resampled_clusters(known["dataset"], resamples, rng)
        rho = sure_spearman(ami, silhouette, resampled)
        rows.append((space, space_name, *names, *rho, len(ami)))
    columns = ["space", "space_name", "clusterer", "clusterer_name", "rho", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def sure_spearman(
    one: np.ndarray, other: np.ndarray, resampled: Iterable[np.ndarray]
) -> np.ndarray:
    """Give Spearman's ρ along the last axis, and the middle 95 % of it over resampled points.

    Parameters
    ----------
    one, other
        float (..., n).
    resampled
        As `stats.resampled_clusters` gives them.

    Returns
    -------
    ndarray
        float (..., 3): ρ, low and high.
    """
    found = [spearman(one[..., chosen], other[..., chosen]) for chosen in resampled]
    rho = spearman(one, other)
    intervals = [percentile_interval(values) for values in np.reshape(found, (-1, rho.size)).T]
    return np.column_stack([rho.ravel(), intervals]).reshape(*rho.shape, 3)


def written_correlation(correlation: pd.DataFrame) -> pd.DataFrame:
    """Write ρ and its interval as text: a row a clusterer, a column a space.

    Parameters
    ----------
    correlation
        As `silhouette_correlation` or `correlation_by_supervision` gives it: where its rows are
        told apart by `trained`, that stands over the spaces.
    """
    texts = number_texts(correlation["rho"], None, correlation["low"], correlation["high"], 2)
    columns = [name for name in ("trained", "space_name") if name in correlation]
    rows = [correlation["clusterer_name"].rename("clusterer")]
    texts.index = pd.MultiIndex.from_frame(correlation[columns].join(rows))
    return texts.unstack(columns, sort=False)


def correlation_by_supervision(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman's ρ apart for encoders that were trained with labels and for those without.

    Returns
    -------
    DataFrame
        Rows as `silhouette_correlation` gives them, twice, told apart by `trained`: `with labels`
        (supervised or fine-tuned) and `without labels` (self-supervised; raw pixels too). A half
        that has no encoders is left out, and so are encoders of which it is not known.
    """
    rows = pretrained_only(table)
    trained = rows["labels"].map({True: "with labels", False: "without labels"})
    parts = [
        silhouette_correlation(half).assign(trained=how) for how, half in rows.groupby(trained)
    ]
    nothing = silhouette_correlation(rows.iloc[:0]).assign(trained="")
    return pd.concat(parts or [nothing], ignore_index=True)


def silhouette_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Ranks of AMI and of silhouettes within each clusterer, 1 for the lowest (figure 4).

    Returns
    -------
    DataFrame
        One row for each space and result that has a silhouette there: `space`, the facts of the
        result, `ami_rank`, `silhouette_rank`.
    """
    rows = pretrained_only(with_score(table))
    facts = ["dataset", "dataset_name", "encoder", "encoder_name", "clusterer", "clusterer_name"]
    parts = []
    for space in SPACES:
        part = rows.loc[rows[space].notna(), [*facts, "ami", space]].assign(space=space)
        grouped = part.groupby("clusterer", sort=False)
        parts.append(
            part.assign(ami_rank=grouped["ami"].rank(), silhouette_rank=grouped[space].rank())
        )
    return pd.concat(parts, ignore_index=True)


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
        A row for each way, smallest regret first: `way`, `mean`, `se` and 95 % interval
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
    columns = {
        "regret": number_texts(ways["mean"], ways["se"]),
        "95 % interval": interval_texts(ways["low"], ways["high"]),
        "hits": ways["hits"],
        "saved": number_texts(ways["saved"], None, ways["saved_low"], ways["saved_high"]),
        "p": ways["p"],
        "datasets": ways["n"],
    }
    return pd.DataFrame(columns).set_index(ways["way"])


def plot_silhouette_ranks(
    ranks: pd.DataFrame, correlation: pd.DataFrame, styles: dict[str, dict]
) -> Figure:
    """Draw rank of AMI against rank of silhouette: a column a clusterer, a row a space.

    Parameters
    ----------
    ranks
        As `silhouette_ranks` gives it.
    correlation
        As `silhouette_correlation` gives it; ρ and its interval are written into each
        panel.
    styles
        As `encoder_styles` gives it.
    """
    if correlation.empty:
        return nothing("no cell has an AMI and a silhouette")
    clusterers = list(dict.fromkeys(correlation["clusterer_name"]))
    size = (max(3.0, 1.5 * len(clusterers)), 3.6)
    figure, all_axes = panels(len(SPACES), len(clusterers), size, sharex="col", sharey="col")
    for axes, row in zip(all_axes.flat, correlation.itertuples(), strict=True):
        here = ranks[(ranks["space"] == row.space) & (ranks["clusterer"] == row.clusterer)]
        for name, part in here.groupby("encoder", sort=False):
            style = styles[name]
            axes.scatter(
                part["ami_rank"],
                part["silhouette_rank"],
                s=8,
                linewidth=0.8,
                alpha=0.7,
                edgecolor=style["color"],
                facecolor=style["face"],
                marker=style["marker"],
                label=style["label"],
            )
        known = f"ρ = {row.rho:.2f}\n[{row.low:.2f}, {row.high:.2f}]"
        axes.set_title("no ρ:\ntoo few ranks" if np.isnan(row.rho) else known, fontsize=8)
        axes.set_box_aspect(1)
    for axes, space in zip(all_axes[:, 0], SPACES.values(), strict=True):
        axes.set_ylabel(f"rank of S,\n{space}")
    for axes, name in zip(all_axes[-1], clusterers, strict=True):
        axes.set_xlabel(f"rank of AMI\n{name}")
    legend_outside(figure, *all_axes.flat)
    sns.despine(figure)
    return figure


def plot_regrets(titled: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> Figure:
    """Draw the regret of each way to choose: one point a dataset, the mean ± 1 SE and its interval.

    Parameters
    ----------
    titled
        By what is chosen: `regrets_by_dataset` and `regrets_by_way` of it. What
        has no rows has no panel. Ways by the silhouette are blue, the others grey.
    """
    titled = {title: both for title, both in titled.items() if len(both[1])}
    if not titled:
        return nothing("no dataset has two results to choose between")
    most = max(len(ways) for _, ways in titled.values())
    figure, all_axes = panels(1, len(titled), (4.2 * len(titled), 0.9 + 0.3 * most))
    for axes, (title, (by_dataset, ways)) in zip(all_axes[0], titled.items(), strict=True):
        for y, row in ways.iterrows():
            color = COLORS[0] if row["way"].startswith("highest S") else "0.35"
            one_each = by_dataset.loc[by_dataset["way"] == row["way"], "regret"]
            axes.plot(one_each, np.full(len(one_each), y), "|", color=color, alpha=0.4)
            axes.hlines(y, row["low"], row["high"], color=color, linewidth=0.8)
            se = np.nan_to_num(row["se"])
            axes.errorbar(row["mean"], y, xerr=se, color=color, marker="o", elinewidth=2.5)
        axes.set_yticks(range(len(ways)), ways["way"])
        axes.set_ylim(len(ways) - 0.5, -0.5)
        axes.set_xlim(left=0)
        axes.set_title(title)
        axes.set_xlabel("regret: AMI of the best − of the chosen (points)")
    sns.despine(figure)
    return figure


def say_correlation(correlation: pd.DataFrame, split: pd.DataFrame) -> str:
    """Say in which space the silhouette goes along with AMI, and how surely.

    Parameters
    ----------
    correlation
        As `silhouette_correlation` gives it.
    split
        As `correlation_by_supervision` gives it.
    """
    if correlation["rho"].isna().all():
        return "**Undecided**: no clusterer has three results with a silhouette."
    sentences = []
    for space, rows in correlation.groupby("space", sort=False):
        rhos = rows["rho"].dropna()
        if rhos.empty:
            sentences.append(f"**Silhouette in the {SPACES[space]}**: undecided, without any ρ.")
            continue
        surely = int((rows["low"] > 0).sum())
        sentences.append(
            f"**Silhouette in the {SPACES[space]}**: median ρ = {rhos.median():.2f} over "
            f"{len(rhos)} clusterers ({rhos.min():.2f} to {rhos.max():.2f}); the 95 % interval "
            f"lies above zero for {surely} of them."
        )
    wide = correlation.pivot(index="clusterer_name", columns="space", values="rho").dropna()
    better = (wide["silhouette_umap"] > wide["silhouette_original"]).sum()
    sentences.append(
        f"ρ is higher in the UMAP space than in the original for {better} of {len(wide)}"
        " clusterers."
    )
    known = split[split["rho"].notna()]
    for (trained, space), rows in known.groupby(["trained", "space"], sort=False):
        sentences.append(
            f"Encoders trained {trained}, {SPACES[space]}: median ρ = {rows['rho'].median():.2f}."
        )
    return bullets(sentences)


def say_regrets(ways: dict[str, pd.DataFrame]) -> str:
    """Say how well the silhouette alone picks.

    Parameters
    ----------
    ways
        By what is chosen, `encoder` or `clusterer`: `regrets_by_way`.
    """
    return bullets([_choice(what, found) for what, found in ways.items()])


def _choice(what: str, found: pd.DataFrame) -> str:
    by_way = found.set_index("way")
    spaces = {name: f"highest S, {name}" for name in SPACES.values()}
    known = {name: by_way.loc[way] for name, way in spaces.items() if way in by_way.index}
    if not known:
        return (
            f"**Choosing the {what}** by S: undecided, as nowhere two with a result, one of them "
            "with a silhouette, stand beside each other."
        )
    parts = [f"{row['mean']:.1f} points in the {name}{_saved(row)}" for name, row in known.items()]
    rest = by_way.drop(index=[*spaces.values(), "at random"], errors="ignore")
    beside = f"a random choice loses {by_way.loc['at random', 'mean']:.1f}"
    beside += "".join(f"; {way}: {mean:.1f}" for way, mean in rest["mean"].items())
    hits = ", ".join(f"{row['hits']:.0f} % ({name})" for name, row in known.items())
    return (
        f"**Choosing the {what}** of highest S loses {'; '.join(parts)}. For comparison: {beside}. "
        f"It takes the best in {hits} of cases; chance would in "
        f"{by_way.loc['at random', 'hits']:.0f} %."
    )


def _saved(row: pd.Series) -> str:
    if pd.isna(row["saved_low"]):
        return ""
    verdict = "better than" if row["saved_low"] > 0 else "not surely better than"
    if row["saved_high"] < 0:
        verdict = "worse than"
    return (
        f" ({verdict} a random choice: {row['saved']:.1f} saved, 95 % interval "
        f"{row['saved_low']:.1f} to {row['saved_high']:.1f})"
    )
