"""What can be told without labels, on sets of real images whose classes are known.

The question is that of figure 4 of the study, asked of what `own.calibration` holds: which of many
clusterings of one folder to take, and how good it is. A set counts once, however many rows it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.encoders import ENCODERS
from zsc_utils.own import calibration
from zsc_utils.own.calibration import BASELINE, CRITERIA, CUT, READ_OFF
from zsc_utils.study.base import bullets
from zsc_utils.study.figures import COLORS, intervals
from zsc_utils.study.ledger import CLAIMS, Evidence
from zsc_utils.study.silhouettes import regrets_by_way
from zsc_utils.study.stats import (
    mean_interval,
    percentile_interval,
    resampled_clusters,
    spearman,
    sure_mean_by,
)
from zsc_utils.study.sums_of_criteria import (
    SHIPPED,
    choose_sum,
    compare_sums,
    scores_left_out,
    short_name,
    way_name,
)
from zsc_utils.study.tables import number_texts

ELSEWHERE, RANDOM = "best on other sets", "at random"
# The cut that is the whole set (of large ones a sample), which alone has raw pixels.
WHOLE = "all"
# What is chosen: what is held fixed beside the cut, and what tells candidates apart.
QUESTIONS = {
    "which encoder": (("clusterer",), ("encoder",)),
    "which clusterer": (("encoder",), ("clusterer",)),
    "how many clusters": (("encoder", "clusterer"), ("told",)),
    "all at once": ((), ("encoder", "clusterer", "told")),
}
AT_CLASSES = ("which encoder", "which clusterer")
RAW, TRAINED = "raw pixels", "EfficientNets"
WITHIN, BETWEEN = "within a set", "between sets"


def fully_measured(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the cuts of which every criterion was measured: only there can all be compared."""
    known = table[list(CRITERIA)].notna().groupby([table[name] for name in CUT]).transform("any")
    return table[known.all(axis=1)].reset_index(drop=True)


def nearest_to_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Keep of the numbers of clusters told the one nearest that of the classes, by their ratio.

    Clusterers that find the number themselves stay.
    """
    told = table.dropna(subset=["told"])
    off = np.log(told["told"] / told["n_classes"]).abs()
    nearest = off.groupby([told[name] for name in (*CUT, "encoder", "clusterer")]).idxmin()
    return table.loc[sorted({*nearest, *table.index[table["told"].isna()]})]


def _sum_scores(table: pd.DataFrame, sums: Sequence[str]) -> pd.DataFrame:
    """Score clusterings by criteria as they are, and by sums with weights from the other sets."""
    scores = {
        way: scores_left_out(table, way.split(" + ")) if "+" in way else table[way]
        for way in sums
        if way != SHIPPED
    }
    scores |= {SHIPPED: calibration.rank_scores(table)} if SHIPPED in sums else {}
    return pd.DataFrame(scores)[list(sums)]


def _elsewhere(rows: pd.DataFrame, lacking: pd.Series, candidate: Sequence[str]) -> pd.Series:
    """Score candidates by how near they came to the best, on average over the other sets."""
    names = [rows[name].fillna(0) for name in candidate]
    by_set = lacking.groupby([*names, rows["set"]]).mean().unstack()
    others = pd.DataFrame({name: by_set.drop(columns=name).mean(axis=1) for name in by_set})
    keys = pd.MultiIndex.from_arrays([*names, rows["set"]])
    return pd.Series(-others.stack().reindex(keys).to_numpy(), rows.index)


def regrets(table: pd.DataFrame, sums: Sequence[str]) -> pd.DataFrame:
    """Compare what each way chooses with the best that there was, question by question.

    Parameters
    ----------
    table
        As `fully_measured` gives it.
    sums
        Names of criteria, or of several with a plus between them.

    Returns
    -------
    DataFrame
        One row for each `question`, `dataset` (a set) and `way`: `regret`, AMI of the best less
        that of the chosen, in points, and `hit`, the share of choices that took the best; means
        over the choices of a set. Ways are the sums, what was best on the other sets, which takes
        their labels, and a choice at random.
    """
    scores = _sum_scores(table, sums)
    parts = []
    for question, (fixed, candidate) in QUESTIONS.items():
        rows = nearest_to_classes(table) if question in AT_CLASSES else table
        if candidate == ("told",):
            rows = rows.dropna(subset=["told"])
        keys = [rows[name] for name in (*CUT, *fixed)]
        rows = rows[rows["ami"].groupby(keys).transform("size") > 1]
        keys = [rows[name] for name in (*CUT, *fixed)]
        by = rows["ami"].groupby(keys)
        best = by.transform("max")
        ways = scores.loc[rows.index].assign(
            **{ELSEWHERE: _elsewhere(rows, best - rows["ami"], candidate)}
        )
        found = {way: _chosen(rows, best, ways[way], keys) for way in ways}
        found[RANDOM] = pd.DataFrame(
            {"regret": best - rows["ami"], "hit": 1.0 * (best == rows["ami"])}
        )
        for way, one in found.items():
            # Choices have several rows only at random, where all are expected alike.
            means = one.groupby([key[one.index] for key in keys]).mean().groupby("set").mean()
            parts.append(means.assign(question=question, way=way).reset_index())
    found = pd.concat(parts, ignore_index=True).rename(columns={"set": "dataset"})
    return found.assign(regret=100 * found["regret"])


def _chosen(rows: pd.DataFrame, best: pd.Series, score: pd.Series, keys: list) -> pd.DataFrame:
    """Regret and hit of the rows that a score ranks first; none where it has nothing to go by."""
    known = score.notna().groupby(keys).transform("any")
    filled = score.astype(float).fillna(-np.inf)[known]
    first = filled.groupby([key[known] for key in keys]).idxmax()
    ami, top = rows.loc[first, "ami"], best[first]
    return pd.DataFrame({"regret": top - ami, "hit": 1.0 * (top == ami)})


def regrets_by_question(by_set: pd.DataFrame) -> pd.DataFrame:
    """Average `regrets` over sets, with intervals: `silhouettes.regrets_by_way`, by `question`."""
    parts = [
        regrets_by_way(rows).assign(question=question)
        for question, rows in by_set.groupby("question", sort=False)
    ]
    return pd.concat(parts, ignore_index=True)


def written_regrets(ways: pd.DataFrame) -> pd.DataFrame:
    """Write `regrets_by_question` for a table: a row a way, a column a question.

    The best of all at once stand first.
    """
    texts = number_texts(ways["mean"], None, ways["low"], ways["high"])
    wide = ways.assign(text=texts).pivot(index="way", columns="question", values="text")
    order = ways.loc[ways["question"] == "all at once", "way"]
    return wide.loc[order, list(QUESTIONS)].rename(index=short_name)


def with_baseline() -> pd.DataFrame:
    """Read all that was measured, raw pixels among it, clusterings of two clusters or more."""
    table = pd.read_csv(calibration.TABLE)
    return table[table["n_clusters"].ge(2)].reset_index(drop=True)


def correlations(table: pd.DataFrame, *, resamples: int = 500, seed: int = 0) -> pd.DataFrame:
    """Spearman's ρ of each criterion with AMI: within sets, and between them.

    Parameters
    ----------
    table
        As `with_baseline` gives it; of each set the cut of all classes counts.
    resamples
        Of sets, for the interval between them.
    seed
        Random state.

    Returns
    -------
    DataFrame
        One row for each `place`, `of` (the encoders, or raw pixels) and criterion (`way`): `rho`,
        `low` and `high` over `n` sets. Within a set ρ is over all clusterings of one encoder, mean
        over the encoders, then the sets. Between sets it is over the sets, of one encoder and one
        clusterer, at the number of clusters nearest that of the classes; mean over those.
    """
    whole = table[table["cut"] == WHOLE]
    rows = []
    for of, here in whole.groupby(np.where(whole["encoder"] == BASELINE, RAW, TRAINED), sort=False):
        at_classes = nearest_to_classes(here)
        for way in CRITERIA:
            for place, found in (
                (WITHIN, _within(here, way)),
                (BETWEEN, _between(at_classes, way, resamples, seed)),
            ):
                rows.append({"place": place, "of": of, "way": way} | found)
    return pd.DataFrame(rows)


def _rho(rows: pd.DataFrame, way: str) -> float:
    known = rows.dropna(subset=[way, "ami"])
    return float(spearman(known["ami"].to_numpy(float), known[way].to_numpy(float)))


def _within(rows: pd.DataFrame, way: str) -> dict:
    by_encoder = {
        key: _rho(part, way) for key, part in rows.groupby(["set", "encoder"], sort=False)
    }
    by_set = pd.Series(by_encoder).groupby(level=0).mean().dropna()
    low, high = mean_interval(by_set.to_numpy())
    return {"rho": by_set.mean(), "low": low, "high": high, "n": len(by_set)}


def _between(rows: pd.DataFrame, way: str, resamples: int, seed: int) -> dict:
    wide = rows.pivot(index=["encoder", "clusterer"], columns="set", values=["ami", way])
    ami, criterion = wide["ami"].to_numpy(float), wide[way].to_numpy(float)

    def mean_rho(chosen) -> float:
        a, b = ami[:, chosen], criterion[:, chosen]
        known = ~np.isnan(a + b)
        whole = known.all(axis=1)
        parts = [spearman(x[k], y[k]) for x, y, k in zip(a, b, known, strict=True) if not k.all()]
        found = np.concatenate([spearman(a[whole], b[whole]), np.array(parts, float)])
        return float(np.nanmean(found)) if np.isfinite(found).any() else np.nan

    sets = pd.Series(wide["ami"].columns)
    if not np.isfinite(criterion).any():
        return {"rho": np.nan, "low": np.nan, "high": np.nan, "n": 0}
    resampled = [
        mean_rho(chosen)
        for chosen in resampled_clusters(sets, resamples, np.random.default_rng(seed))
    ]
    low, high = percentile_interval(resampled)
    n = int(np.isfinite(criterion).any(axis=0).sum())
    return {"rho": mean_rho(np.arange(len(sets))), "low": low, "high": high, "n": n}


def written_correlations(found: pd.DataFrame) -> pd.DataFrame:
    """Write `correlations` as text: a row a criterion; where, and of what, as columns."""
    texts = number_texts(found["rho"], None, found["low"], found["high"], 2)
    wide = found.assign(text=texts).pivot(index="way", columns=["place", "of"], values="text")
    columns = pd.MultiIndex.from_product([[WITHIN, BETWEEN], [TRAINED, RAW]])
    return wide.reindex(index=list(CRITERIA), columns=columns).rename(index=way_name)


def learnt_elsewhere(table: pd.DataFrame) -> dict[str, calibration.Calibration]:
    """Learn for every set from all the others.

    Parameters
    ----------
    table
        As `calibration.measured` gives it.
    """
    return {name: calibration.calibrate(others) for name, _, others in calibration.left_out(table)}


def expected(table: pd.DataFrame, elsewhere: dict[str, calibration.Calibration]) -> pd.DataFrame:
    """Read AMI off the silhouettes of every set's proposals, by what the other sets taught.

    Parameters
    ----------
    table
        As `calibration.measured` gives it.
    elsewhere
        As `learnt_elsewhere` gives it.

    Returns
    -------
    DataFrame
        The proposals (of each cut, encoder and clusterer the number of clusters that ranks first)
        with `low`, `middle` and `high` of the AMI to expect, and whether it is `inside`.
    """
    parts = []
    for name, learnt in elsewhere.items():
        rows = table[table["set"] == name]
        own = calibration.proposed_rows(rows, calibration.rank_scores(rows)).dropna(
            subset=[READ_OFF]
        )
        low, middle, high = learnt.interval(own[READ_OFF].to_numpy())
        inside = (low <= own["ami"]) & (own["ami"] <= high)
        parts.append(own.assign(low=low, middle=middle, high=high, inside=inside))
    return pd.concat(parts)


NO_CRITERION = "no criterion: mean AMI of other sets"


def level_errors(proposals: pd.DataFrame) -> pd.DataFrame:
    """Compare criteria by how well AMI is read off them: distances on sets that were left out.

    Parameters
    ----------
    proposals
        As `expected` gives it; those of cuts of which every criterion was measured count.

    Returns
    -------
    DataFrame
        A row for each criterion (`way`), and one for the mean AMI of the other sets: `mean`
        distance of AMI from a rising curve (isotonic regression, each set alike) of the other sets,
        in points, with `low` and `high` over `n` sets. The best stand first.
    """
    rows = []
    kept = fully_measured(proposals)
    for way in (*CRITERIA, NO_CRITERION):
        known = kept.assign(**{NO_CRITERION: 0.0}).dropna(subset=[way])
        by_set = {}
        for name, own, others in calibration.left_out(known):
            fit = calibration.read_off(others, way)
            by_set[name] = 100 * (own["ami"] - fit.predict(own[way])).abs().mean()
        values = np.array(list(by_set.values()))
        low, high = mean_interval(values)
        rows.append({"way": way, "mean": values.mean(), "low": low, "high": high, "n": len(values)})
    return pd.DataFrame(rows).sort_values("mean", kind="stable").reset_index(drop=True)


def written_errors(errors: pd.DataFrame) -> pd.DataFrame:
    """Write `level_errors` for a table: a row a criterion."""
    texts = number_texts(errors["mean"], None, errors["low"], errors["high"])
    names = errors["way"].map(way_name)
    return pd.DataFrame(
        {"error (points)": texts.to_numpy()}, index=pd.Index(names, name="read off")
    )


def coverage_by_set(proposals: pd.DataFrame) -> pd.DataFrame:
    """Say how often the interval held the AMI of a set that nothing was learnt from.

    Parameters
    ----------
    proposals
        As `expected` gives it.

    Returns
    -------
    DataFrame
        A row a set, the least covered first: how many `clusterings`, `covered` in percent, `width`
        of the interval, mean `error` of its middle and `bias` (AMI less the middle), in points.
    """
    off = 100 * (proposals["ami"] - proposals["middle"])
    numbers = proposals.assign(
        covered=100.0 * proposals["inside"],
        width=100 * (proposals["high"] - proposals["low"]),
        error=off.abs(),
        bias=off,
    )
    by = numbers.groupby("set")
    found = by[["covered", "width", "error", "bias"]].mean()
    found.insert(0, "clusterings", by.size())
    return found.sort_values("covered", kind="stable")


def written_coverage(covered: pd.DataFrame) -> pd.DataFrame:
    """Add to `coverage_by_set` its mean over sets, for a table."""
    mean = covered.mean().to_frame("mean over sets").T
    mean["clusterings"] = covered["clusterings"].sum()
    return pd.concat([covered, mean]).astype({"clusterings": int}).rename_axis("set")


# C7 of the ledger, on real images.

REAL, REAL_GROUP = "C7r", "real images"


def real_results(table: pd.DataFrame) -> pd.DataFrame:
    """Bring whole sets into the form of a sweep's results: the clusterers are told the classes.

    Parameters
    ----------
    table
        As `with_baseline` gives it.

    Returns
    -------
    DataFrame
        What C7 reads: a row for each set, encoder (raw pixels too) and clusterer, at the number of
        clusters nearest that of the classes.
    """
    rows = nearest_to_classes(table[table["cut"] == WHOLE])
    facts = {name: ENCODERS[name].facts for name in rows["encoder"].unique()}
    return rows.assign(
        dataset=rows["set"],
        group=REAL_GROUP,
        seed=1,
        encoder_name=rows["encoder"].map(lambda name: facts[name].display),
        method=rows["encoder"].map(lambda name: facts[name].method),
    )


def with_real_images(ledger: pd.DataFrame, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """Put beside the claim on silhouettes, C7, what it comes to on real images, as C7r.

    The same statistics are judged by the same rule; the verdict on C7 itself stays.

    Parameters
    ----------
    ledger
        As `claims.claims_ledger` gives it.
    table
        As `with_baseline` gives it, which is the default.
    """
    results = real_results(with_baseline() if table is None else table)
    evidence = Evidence(results, pd.DataFrame(), pd.DataFrame())
    sentence = "The same on real images (notebook 12), whatever the profile."
    claim = replace(CLAIMS["C7"], id=REAL, sentence=sentence)
    rows = pd.DataFrame(claim.judge(evidence)).assign(group=REAL_GROUP)
    last = np.flatnonzero(ledger["id"] == "C7")[-1] + 1
    return pd.concat([ledger[:last], rows, ledger[last:]], ignore_index=True)


# Figures.


def _look(way: str) -> tuple:
    """Colour of a way: criteria alone, sums, what ranks, ways that need no criterion."""
    if way in (ELSEWHERE, RANDOM):
        return (0.35, 0.35, 0.35)
    if way == SHIPPED:
        return COLORS[2]
    return COLORS[1] if "+" in way else COLORS[0]


def plot_regrets(by_set: pd.DataFrame, ways: pd.DataFrame) -> Figure:
    """Draw the regret of each way, a panel a question: ticks are sets, dots means with intervals.

    Parameters
    ----------
    by_set
        As `regrets` gives it.
    ways
        As `regrets_by_question` gives it. The rows of all panels are those of the last question,
        the best on top; criteria are blue, sums orange, what ranks green, other ways grey.
    """
    order = ways.loc[ways["question"] == list(QUESTIONS)[-1], "way"].tolist()
    figure, all_axes = plt.subplots(
        *(1, len(QUESTIONS)),
        figsize=(10, 0.9 + 0.28 * len(order)),
        sharey=True,
        layout="constrained",
    )
    place = {way: y for y, way in enumerate(order)}
    for axes, question in zip(all_axes, QUESTIONS, strict=True):
        here = ways[ways["question"] == question]
        single = by_set[by_set["question"] == question]
        for row in here.itertuples():
            y, color = place[row.way], _look(row.way)
            values = single.loc[single["way"] == row.way, "regret"]
            axes.plot(values, np.full(len(values), y), "|", color=color, alpha=0.35, markersize=5)
            intervals(
                *(axes, pd.DataFrame([row]), "mean", [y]),
                **{"color": color, "marker": "o", "markersize": 5, "elinewidth": 1.6},
            )
        axes.axvline(
            here.loc[here["way"] == RANDOM, "mean"].iloc[0],
            **{"color": "0.6", "linewidth": 0.8, "linestyle": ":", "zorder": 0},
        )
        axes.set_title(question)
        axes.set_xlim(0, 1.04 * single["regret"].max())
    all_axes[0].set_yticks(range(len(order)), [short_name(way) for way in order])
    all_axes[0].set_ylim(len(order) - 0.5, -0.5)
    figure.supxlabel("regret: AMI of the best − of the chosen (points)", fontsize=9)
    sns.despine(figure)
    return figure


def plot_correlations(found: pd.DataFrame) -> Figure:
    """Draw `correlations`: a panel for within and between sets, a row a criterion."""
    figure, all_axes = plt.subplots(
        1, 2, figsize=(7.5, 2.9), sharey=True, sharex=True, layout="constrained"
    )
    looks = {
        TRAINED: {"color": COLORS[0], "marker": "o"},
        RAW: {"color": "0.2", "marker": "s", "markerfacecolor": "white"},
    }
    for axes, place in zip(all_axes, (WITHIN, BETWEEN), strict=True):
        axes.axvline(0, color="0.4", linewidth=0.8, zorder=0)
        for shift, (of, look) in zip((-0.14, 0.14), looks.items(), strict=True):
            rows = found[(found["place"] == place) & (found["of"] == of)].set_index("way")
            rows = rows.reindex(CRITERIA)
            y = np.arange(len(rows)) + shift
            intervals(axes, rows, "rho", y, label=of, markersize=5, elinewidth=1.4, **look)
        axes.set_title(place)
        axes.set_xlabel("Spearman's ρ with AMI")
    all_axes[0].set_yticks(range(len(CRITERIA)), [way_name(way) for way in CRITERIA])
    all_axes[0].set_ylim(len(CRITERIA) - 0.5, -0.5)
    all_axes[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5))
    sns.despine(figure)
    return figure


def plot_calibration(
    learnt: calibration.Calibration, proposals: pd.DataFrame, covered: pd.DataFrame
) -> Figure:
    """Draw AMI against the silhouette with the curve and its interval, and coverage beside.

    Parameters
    ----------
    learnt
        From all sets.
    proposals
        As `expected` gives it.
    covered
        As `coverage_by_set` gives it. Sets whose AMI the interval of the others held less often
        than it should have a colour of their own, in both panels.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9.5, 4.2), width_ratios=(1.5, 1), layout="constrained"
    )
    outside = covered.index[covered["covered"] < 100 * calibration.INSIDE]
    palette = [COLORS[i] for i in (3, 1, 2, 4, 5, 8, 9)]
    colors = dict(zip(outside, palette, strict=False))
    grey = proposals[~proposals["set"].isin(colors)]
    left.scatter(grey[READ_OFF], 100 * grey["ami"], s=7, color="0.6", alpha=0.6, linewidth=0)
    for name, color in colors.items():
        rows = proposals[proposals["set"] == name]
        left.scatter(rows[READ_OFF], 100 * rows["ami"], s=10, color=color, linewidth=0, label=name)
    span = np.linspace(proposals[READ_OFF].min(), proposals[READ_OFF].max(), 200)
    low, middle, high = (100 * bound for bound in learnt.interval(span))
    left.fill_between(span, low, high, color=COLORS[0], alpha=0.15, linewidth=0)
    left.plot(span, middle, color=COLORS[0], linewidth=1.6)
    left.set(xlabel="S in UMAP space", ylabel="AMI (%)", ylim=(-4, 104))
    left.set_xlim(span[0] - 0.02, span[-1] + 0.02)
    if colors:
        left.legend(frameon=False, loc="upper left", markerscale=1.6)
    y = np.arange(len(covered))
    looks = [colors.get(name, "0.45") for name in covered.index]
    right.hlines(y, 0, covered["covered"], color=looks, linewidth=1)
    right.scatter(covered["covered"], y, color=looks, s=26, zorder=3)
    right.axvline(100 * calibration.INSIDE, color="0.4", linewidth=0.8, linestyle=":")
    right.set_yticks(y, covered.index)
    right.set(xlim=(0, 103), ylim=(len(y) - 0.5, -0.5))
    right.set_xlabel("AMI inside the interval of the other sets (%)")
    sns.despine(figure)
    return figure


def plot_sets(
    proposals: pd.DataFrame,
    covered: pd.DataFrame,
    elsewhere: dict[str, calibration.Calibration],
) -> Figure:
    """Draw each set with the curve and interval that the other sets gave, the worst first.

    Parameters
    ----------
    proposals, covered, elsewhere
        As `expected`, `coverage_by_set` and `learnt_elsewhere` give them. Orange is outside.
    """
    columns = 4
    figure, all_axes = plt.subplots(
        *(-(-len(covered) // columns), columns),
        figsize=(9.5, 2.1 * -(-len(covered) // columns)),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    span = np.linspace(proposals[READ_OFF].min(), proposals[READ_OFF].max(), 200)
    for axes in all_axes.flat[len(covered) :]:
        axes.set_axis_off()
    for axes, (name, row) in zip(all_axes.flat, covered.iterrows(), strict=False):
        rows = proposals[proposals["set"] == name]
        low, middle, high = (100 * bound for bound in elsewhere[name].interval(span))
        axes.fill_between(span, low, high, color=COLORS[0], alpha=0.15, linewidth=0)
        axes.plot(span, middle, color=COLORS[0], linewidth=1.2)
        for inside, color in ((True, "0.35"), (False, COLORS[3])):
            part = rows[rows["inside"] == inside]
            axes.scatter(part[READ_OFF], 100 * part["ami"], s=7, color=color, linewidth=0)
        axes.set_title(f"{name}: {row['covered']:.0f} % inside", fontsize=8)
        axes.set_ylim(-4, 104)
    for axes in all_axes[-1]:
        axes.set_xlabel("S in UMAP space")
    for axes in all_axes[:, 0]:
        axes.set_ylabel("AMI (%)")
    sns.despine(figure)
    return figure


# Sentences.


def written_sets(measured: pd.DataFrame) -> pd.DataFrame:
    """Write for a table what each set is: `domain`, `images`, `classes`, `source`.

    Parameters
    ----------
    measured
        As `calibration.measured` gives it; of several cuts the largest counts.
    """
    sizes = measured.groupby("set")[["n", "n_classes"]].max()
    sizes = sizes.rename(columns={"n": "images", "n_classes": "classes"})
    facts = pd.read_csv(calibration.SOURCES, index_col="set")
    return facts[["domain"]].join(sizes).join(facts["source"])


def say_measured(table: pd.DataFrame, compared: pd.DataFrame) -> str:
    """Say what was measured, and on what part of it criteria are compared."""
    sizes = table.groupby(CUT)["n"].first()
    names = [ENCODERS[name].facts.display for name in table["encoder"].unique()]
    said = (
        f"{len(table)} clusterings of {table['set'].nunique()} sets in {len(sizes)} cuts of "
        f"{sizes.min()} to {sizes.max()} images, by {table['clusterer'].nunique()} clusterers of "
        f"the embeddings of {len(names)} encoders: {'; '.join(names)}."
    )
    more = len(sizes) - compared.groupby(CUT).ngroups
    if more:
        said += (
            f" {more} cuts lack some criteria, whose cost grows with the square of the images, or "
            "other encoders to agree with: criteria are compared without them."
        )
    return said


def say_regrets(by_set: pd.DataFrame, ways: pd.DataFrame) -> str:
    """Say what each question loses by the silhouette, by agreement and by the sum that ranks."""
    told = ("silhouette_umap", "agreement_clusterers", SHIPPED, ELSEWHERE, RANDOM)
    sentences = []
    for question, rows in ways.groupby("question", sort=False):
        known = rows.set_index("way")
        parts = [f"{way_name(way)} {_estimate(known.loc[way])}" for way in told]
        sentences.append(f"**{question.capitalize()}**, regret in points: {'; '.join(parts)}.")
    for one, other in (
        ("silhouette_umap", "agreement_clusterers"),
        ("agreement_clusterers", SHIPPED),
        (ELSEWHERE, SHIPPED),
    ):
        sentences.append(_saved(by_set, one, other))
    return bullets(sentences)


def _estimate(row: pd.Series | dict, value: str = "mean", decimals: int = 1) -> str:
    numbers = (pd.Series([row[name]], dtype=float) for name in (value, "low", "high"))
    number, low, high = numbers
    return number_texts(number, None, low, high, decimals)[0] or "–"


def _saved(by_set: pd.DataFrame, one: str, other: str) -> str:
    """Compare two ways to choose all at once, set by set."""
    here = by_set[by_set["question"] == "all at once"]
    wide = here.pivot(index="dataset", columns="way", values="regret")
    saved = (wide[one] - wide[other]).to_frame("saved").assign(all="")
    (row,) = sure_mean_by(saved, ["all"], "saved").to_dict("records")
    sure = row["low"] > 0 or row["high"] < 0
    return (
        f"**{_capital(way_name(one))} less {way_name(other)}**, all at once: {_estimate(row)} "
        f"points of regret over {row['n']} sets, p = {row['p']:.2g}: "
        + ("the interval lies on one side of zero." if sure else "which is better is open.")
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def say_sums(regrets: pd.DataFrame, choices: pd.DataFrame) -> str:
    """Say which sum of criteria ranks best, how far that can be told, and what the choice costs.

    Parameters
    ----------
    regrets, choices
        As `nested_choice` gives them.
    """
    compared = compare_sums(regrets)
    best, _ = choose_sum(regrets)
    near = compared[compared["near"]]
    fewest = near[near["criteria"] == near["criteria"].min()]
    listed = "; ".join(f"{way_name(way)} ({row['mean']:.1f})" for way, row in fewest.iterrows())
    shipped, lowest = compared.loc[SHIPPED], compared.loc[best]
    place = "is one of these" if SHIPPED in fewest.index else "is not among these"
    unpaired = compared[compared["mean"] <= lowest["mean"] + lowest["se"]]
    alone = unpaired.sort_values(["criteria", "mean"], kind="stable").index[0]
    honest = {name: _mean_text(choices[f"{name}_regret"]) for name in ("best", "simplest")}
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
            f"best sum's own regret ({lowest['se']:.1f}), the simplest is {way_name(alone)}.",
            f"**The choice itself**, made without the set that it is judged on, has a regret of "
            f"{honest['best']} points where the best sum of the other sets is taken, and of "
            f"{honest['simplest']} where the simplest is (by sets: {often}).",
        ]
    )


def _mean_text(values: pd.Series) -> str:
    low, high = mean_interval(values.to_numpy(float))
    return _estimate({"mean": values.mean(), "low": low, "high": high})


def say_correlations(found: pd.DataFrame) -> str:
    """Say which criterion goes along with AMI within sets, and which between them."""
    sentences = []
    for place in (WITHIN, BETWEEN):
        rows = found[(found["place"] == place) & (found["of"] == TRAINED)].dropna(subset=["rho"])
        rows = rows.sort_values("rho", ascending=False)
        parts = [f"{way_name(row['way'])} {_estimate(row, 'rho', 2)}" for _, row in rows.iterrows()]
        raw = found[(found["place"] == place) & (found["of"] == RAW)].set_index("way")
        beside = [
            f"{way_name(way)} {_estimate(raw.loc[way], 'rho', 2)}"
            for way in ("silhouette_umap", "agreement_clusterers")
        ]
        sentences.append(
            f"**{place.capitalize()}**, ρ with AMI: {'; '.join(parts)}. Of raw pixels: "
            f"{'; '.join(beside)}."
        )
    return bullets(sentences)


def say_coverage(covered: pd.DataFrame, errors: pd.DataFrame) -> str:
    """Say how well AMI is read off, how often its interval held on sets unseen, where it failed.

    Parameters
    ----------
    covered, errors
        As `coverage_by_set` and `level_errors` give them.
    """
    promised = f"{100 * calibration.INSIDE:.0f} %"
    worst = covered[covered["covered"] < 100 * calibration.INSIDE]
    listed = ", ".join(f"{name} {row['covered']:.0f} %" for name, row in worst.iterrows())
    known = errors.set_index("way")
    parts = [f"{way_name(way)} {_estimate(row)}" for way, row in known.iterrows()]
    return bullets(
        [
            f"**How good**, mean distance of AMI from what is read off, in points: "
            f"{'; '.join(parts)}.",
            f"**The interval** for {promised} of the sets is {covered['width'].mean():.0f} points "
            f"wide. On sets that nothing was learnt from it held AMI in "
            f"{covered['covered'].mean():.0f} % of the clusterings (mean over {len(covered)} sets)."
            f" In {len(worst)} sets it held less than it promised: {listed or 'none'}.",
        ]
    )
