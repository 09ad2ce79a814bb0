"""What can be told without labels, on sets of real images whose classes are known.

The question is that of figure 4 of the study, asked of what `own.calibration` holds: which of many
clusterings of one folder to take. How good it is, `expected_ami` asks. A set counts once, however
many rows it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.encoders import ENCODERS
from zsc_utils.own import calibration
from zsc_utils.own.calibration import BASELINE, CRITERIA, CURVE, CUT
from zsc_utils.study import stats
from zsc_utils.study.base import bullets
from zsc_utils.study.claims import CLAIMS
from zsc_utils.study.figures import COLORS, intervals, legend_beside, name_rows, panels
from zsc_utils.study.ledger import Evidence
from zsc_utils.study.silhouettes import regrets_by_way
from zsc_utils.study.sums_of_criteria import (
    SHIPPED,
    listed_estimates,
    mean_of_sets,
    scores_of,
    short_name,
    way_name,
)
from zsc_utils.study.tables import estimate_texts

ELSEWHERE, RANDOM = "best on other sets", "at random"
AT_ONCE = "all at once"
# The cut that is the whole set (of large ones a sample), which alone has raw pixels.
WHOLE = "all"
# What is chosen: what is held fixed beside the cut, and what tells candidates apart.
QUESTIONS = {
    "which encoder": (("clusterer",), ("encoder",)),
    "which clusterer": (("encoder",), ("clusterer",)),
    "how many clusters": (("encoder", "clusterer"), ("told",)),
    AT_ONCE: ((), ("encoder", "clusterer", "told")),
}
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
    nearest = off.groupby([told[name] for name in CURVE]).idxmin()
    return table.loc[sorted({*nearest, *table.index[table["told"].isna()]})]


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
    scores = pd.DataFrame({way: scores_of(table, way) for way in sums})
    parts = []
    for question, (fixed, candidate) in QUESTIONS.items():
        rows = table if "told" in candidate else nearest_to_classes(table)
        choice = [*CUT, *fixed]
        # Where one stands alone nothing is chosen.
        rows = rows[rows.groupby(choice)["ami"].transform("size") > 1]
        lacking = rows.groupby(choice)["ami"].transform("max") - rows["ami"]
        rows = rows.assign(regret=lacking, hit=1.0 * (lacking == 0))
        ways = scores.loc[rows.index].assign(**{ELSEWHERE: _elsewhere(rows, lacking, candidate)})
        taken = {way: _ranked_first(rows, ways[way], choice) for way in ways} | {RANDOM: rows}
        for way, chosen in taken.items():
            # Choices have several rows only at random, where all are expected alike.
            by_choice = chosen.groupby(choice)[["regret", "hit"]].mean()
            means = by_choice.groupby("set").mean()
            parts.append(means.assign(question=question, way=way).reset_index())
    found = pd.concat(parts, ignore_index=True).rename(columns={"set": "dataset"})
    return found.assign(regret=100 * found["regret"])


def _ranked_first(rows: pd.DataFrame, score: pd.Series, choice: list[str]) -> pd.DataFrame:
    """Keep of every choice the row that ranks first; none where a score has nothing to go by."""
    known = rows.assign(score=score).dropna(subset=["score"])
    return known.loc[known.groupby(choice)["score"].idxmax()]


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
    texts = ways.assign(text=estimate_texts(ways))
    wide = texts.pivot(index="way", columns="question", values="text")
    order = ways.loc[ways["question"] == AT_ONCE, "way"]
    return wide.loc[order, list(QUESTIONS)].rename(index=short_name)


def correlations(table: pd.DataFrame, *, resamples: int = 500) -> pd.DataFrame:
    """Spearman's ρ of each criterion with AMI: within sets, and between them.

    Parameters
    ----------
    table
        As `calibration.measured` gives it with the baseline; whole sets count.
    resamples
        Of sets, for the interval between them.

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
            about = {"of": of, "way": way}
            rows.append({"place": WITHIN} | about | _within(here, way))
            rows.append({"place": BETWEEN} | about | _between(at_classes, way, resamples))
    return pd.DataFrame(rows).rename(columns={"mean": "rho"})


def _within(rows: pd.DataFrame, way: str) -> dict:
    known = rows.dropna(subset=[way, "ami"])
    by_encoder = {
        key: float(stats.spearman(*part[["ami", way]].to_numpy(float).T))
        for key, part in known.groupby(["set", "encoder"], sort=False)
    }
    return mean_of_sets(pd.Series(by_encoder, dtype=float).groupby(level=0).mean().dropna())


def _between(rows: pd.DataFrame, way: str, resamples: int) -> dict:
    wide = rows.pivot(index=["encoder", "clusterer"], columns="set", values=["ami", way])
    ami, criterion = wide["ami"].to_numpy(float), wide[way].to_numpy(float)

    def mean_rho(chosen) -> float:
        a, b = ami[:, chosen], criterion[:, chosen]
        known = ~np.isnan(a + b)
        whole = known.all(axis=1)
        parts = [
            stats.spearman(x[k], y[k]) for x, y, k in zip(a, b, known, strict=True) if not k.all()
        ]
        return stats.mean_of_known([*stats.spearman(a[whole], b[whole]), *parts])

    sets = pd.Series(wide["ami"].columns)
    draws = stats.resampled_clusters(sets, resamples, np.random.default_rng(0))
    low, high = stats.percentile_interval([mean_rho(chosen) for chosen in draws])
    n = int(np.isfinite(criterion).any(axis=0).sum())
    return {"mean": mean_rho(np.arange(len(sets))), "low": low, "high": high, "n": n}


def written_correlations(found: pd.DataFrame) -> pd.DataFrame:
    """Write `correlations` as text: a row a criterion; where, and of what, as columns."""
    texts = found.assign(text=estimate_texts(found, "rho", 2))
    wide = texts.pivot(index="way", columns=["place", "of"], values="text")
    columns = pd.MultiIndex.from_product([[WITHIN, BETWEEN], [TRAINED, RAW]])
    return wide.reindex(index=list(CRITERIA), columns=columns).rename(index=way_name)


# C7 of the ledger, on real images.

REAL, REAL_GROUP = "C7r", "real images"


def _real_results() -> pd.DataFrame:
    """Bring whole sets into the form of a sweep's results, as far as C7 reads it.

    A row for each set, encoder (raw pixels too) and clusterer, at the number of clusters nearest
    that of the classes.
    """
    table = calibration.measured(baseline=True)
    rows = nearest_to_classes(table[table["cut"] == WHOLE])
    facts = [ENCODERS[name].facts for name in rows["encoder"]]
    return rows.assign(
        dataset=rows["set"],
        group=REAL_GROUP,
        seed=1,
        encoder_name=[one.display for one in facts],
        method=[one.method for one in facts],
    )


def with_real_images(ledger: pd.DataFrame) -> pd.DataFrame:
    """Put beside the claim on silhouettes, C7, what it comes to on real images, as C7r.

    The same statistics are judged by the same rule; the verdict on C7 itself stays.

    Parameters
    ----------
    ledger
        As `claims.claims_ledger` gives it.
    """
    evidence = Evidence(_real_results(), pd.DataFrame(), pd.DataFrame())
    sentence = "The same on real images (notebook 12), whatever the profile."
    claim = replace(CLAIMS["C7"], id=REAL, sentence=sentence)
    rows = pd.DataFrame(claim.judge(evidence)).assign(group=REAL_GROUP)
    last = np.flatnonzero(ledger["id"] == "C7")[-1] + 1
    return pd.concat([ledger[:last], rows, ledger[last:]], ignore_index=True)


# Figures.


def _color(way: str) -> tuple:
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
    order = ways.loc[ways["question"] == AT_ONCE, "way"].tolist()
    size = (10, 0.9 + 0.28 * len(order))
    figure, (all_axes,) = panels(1, len(QUESTIONS), size, sharey=True)
    look = {"marker": "o", "markersize": 5, "elinewidth": 1.6}
    for axes, question in zip(all_axes, QUESTIONS, strict=True):
        here = ways[ways["question"] == question].set_index("way")
        single = by_set[by_set["question"] == question]
        for y, way in enumerate(order):
            color = _color(way)
            values = single.loc[single["way"] == way, "regret"]
            axes.plot(values, np.full(len(values), y), "|", color=color, alpha=0.35, markersize=5)
            intervals(axes, here.reindex([way]), "mean", [y], color=color, **look)
        chance = here.at[RANDOM, "mean"]
        axes.axvline(chance, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        axes.set(title=question, xlim=(0, 1.04 * single["regret"].max()))
    all_axes[0].set_yticks(range(len(order)), [short_name(way) for way in order])
    all_axes[0].set_ylim(len(order) - 0.5, -0.5)
    figure.supxlabel("regret: AMI of the best − of the chosen (points)", fontsize=9)
    sns.despine(figure)
    return figure


def plot_correlations(found: pd.DataFrame) -> Figure:
    """Draw `correlations`: a panel for within and between sets, a row a criterion."""
    figure, (all_axes,) = panels(1, 2, (7.5, 2.9), sharey=True, sharex=True)
    looks = {
        TRAINED: {"color": COLORS[0], "marker": "o"},
        RAW: {"color": "0.2", "marker": "s", "markerfacecolor": "white"},
    }
    for axes, place in zip(all_axes, (WITHIN, BETWEEN), strict=True):
        name_rows(axes, [way_name(way) for way in CRITERIA])
        here = found[found["place"] == place].set_index("way")
        for shift, (of, look) in zip((-0.14, 0.14), looks.items(), strict=True):
            rows = here[here["of"] == of].reindex(CRITERIA)
            y = np.arange(len(rows)) + shift
            intervals(axes, rows, "rho", y, label=of, markersize=5, elinewidth=1.4, **look)
        axes.set(title=place, xlabel="Spearman's ρ with AMI")
    legend_beside(all_axes[1])
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
    sizes = measured.groupby("set").agg(images=("n", "max"), classes=("n_classes", "max"))
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
        known = rows.set_index("way").loc[list(told)].reset_index()
        regret = listed_estimates(known)
        sentences.append(f"**{question.capitalize()}**, regret in points: {regret}.")
    for one, other in (
        ("silhouette_umap", "agreement_clusterers"),
        ("agreement_clusterers", SHIPPED),
        (ELSEWHERE, SHIPPED),
    ):
        sentences.append(_saved(by_set, one, other))
    return bullets(sentences)


def _saved(by_set: pd.DataFrame, one: str, other: str) -> str:
    """Compare two ways to choose all at once, set by set."""
    here = by_set[by_set["question"] == AT_ONCE]
    wide = here.pivot(index="dataset", columns="way", values="regret")
    saved = wide[one] - wide[other]
    found = mean_of_sets(saved)
    (text,) = estimate_texts(pd.DataFrame([found]))
    sure = found["low"] > 0 or found["high"] < 0
    first = way_name(one)
    return (
        f"**{first[0].upper()}{first[1:]} less {way_name(other)}**, {AT_ONCE}: {text} points of "
        f"regret over {found['n']} sets, p = {stats.sign_flip_p(saved.to_numpy()):.2g}: "
        + ("the interval lies on one side of zero." if sure else "which is better is open.")
    )


def say_correlations(found: pd.DataFrame) -> str:
    """Say which criterion goes along with AMI within sets, and which between them."""
    sentences = []
    for place in (WITHIN, BETWEEN):
        here = found[found["place"] == place]
        trained = here[here["of"] == TRAINED].dropna(subset=["rho"])
        trained = trained.sort_values("rho", ascending=False)
        raw = here[(here["of"] == RAW) & here["way"].isin(calibration.RANKED_BY)]
        sentences.append(
            f"**{place.capitalize()}**, ρ with AMI: {listed_estimates(trained, 'rho', 2)}. "
            f"Of raw pixels: {listed_estimates(raw, 'rho', 2)}."
        )
    return bullets(sentences)
