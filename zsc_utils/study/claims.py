"""The claims of the study, C1 to C8, judged: as a ledger, as a figure, as sentences.

The claims are those of the abstract of arXiv 2406.02465. C1 to C6 are AMI of one kind of cells
minus that of another: raw pixels and random weights are left out, as the claims are about trained
encoders, and only cells count in which both sides of a comparison have an AMI. C7 and C8 are about
what ranks clusterings, or encoders, as AMI does.
"""

from __future__ import annotations

from itertools import combinations
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from zsc_utils.study.base import (
    bullets,
    not_fine_tuned,
    pretrained_only,
    with_score,
    without_baselines,
)
from zsc_utils.study.figures import COLORS, intervals, panels
from zsc_utils.study.ledger import (
    CLAIMS,
    CONTRADICTED,
    DECIMALS,
    SUPPORTED,
    UNDECIDED,
    VERDICTS,
    Estimate,
    Evidence,
    claim,
)
from zsc_utils.study.stats import cluster_bootstrap_se, mean_of_known, sign_flip_p, spearman
from zsc_utils.study.tables import estimate_texts

if TYPE_CHECKING:
    from great_tables import GT


STUDY_DIMENSIONS = 50  # of the study's UMAP

ON_A_DATASET = ["dataset", "clusterer"]
ON_A_BACKBONE = [*ON_A_DATASET, "backbone"]
FACTS = ["dataset_name", "encoder", "encoder_name", "backbone", "method"]
# What claims read of reductions and of kNN accuracies.
NO_ROWS = pd.DataFrame(
    columns=[
        *("group", "dataset", "dataset_name", "encoder", "encoder_name", "clusterer"),
        *("reduction", "n_components", "seed", "ami", "k", "accuracy"),
    ]
)


def over_datasets(values: pd.Series, encoders: pd.Series) -> Estimate:
    """Average one value a dataset (indexed by the name to print) over the datasets."""
    if values.empty:
        return Estimate()
    return Estimate(
        value=values.mean(),
        se=values.sem(),
        n=len(values),
        encoders=tuple(dict.fromkeys(encoders)),
        p=sign_flip_p(values.to_numpy()),
        by_dataset=values.to_dict(),
    )


def scored(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep the cells of trained encoders that have an AMI, and give it in percent as `value`."""
    rows = without_baselines(with_score(frame))
    return rows.assign(value=100 * rows["ami"].astype(float))


def paired(one: pd.DataFrame, other: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Pair cells by keys, each of one side with each of the other; `value` is the difference."""
    left = one[[*dict.fromkeys([*keys, *FACTS, "value"])]]
    right = other.assign(encoder_other=other["encoder"])
    right = right[[*keys, "encoder_other", "encoder_name", "value"]]
    pairs = left.merge(right, on=keys, suffixes=("", "_other"))
    return pairs.assign(value=pairs["value"] - pairs["value_other"])


def over_pairs(pairs: pd.DataFrame) -> Estimate:
    """Average pairs over clusterers, over the encoders on a backbone, backbones, then datasets."""
    by_pair = pairs.groupby(
        ["dataset_name", "backbone", "encoder", "encoder_other"], sort=False, observed=True
    )["value"].mean()
    by_backbone = by_pair.groupby(["dataset_name", "backbone"], sort=False).mean()
    by_dataset = by_backbone.groupby("dataset_name", sort=False).mean()
    encoders = pd.concat([pairs["encoder_name"], pairs["encoder_name_other"]])
    return over_datasets(by_dataset, encoders)


C1 = claim("C1", "In the domain of pretraining, supervised encoders beat self-supervised ones.")
C2 = claim("C2", "Far from that domain, self-supervised encoders beat supervised ones.")
SUPERVISION = "AMI, supervised − self-supervised"
BOTH_KINDS = "a supervised and a self-supervised encoder on one backbone"


@C1.statistic(SUPERVISION, side=1, group="In-domain", needs=BOTH_KINDS)
@C2.statistic(SUPERVISION, side=-1, group="Far-OOD", needs=BOTH_KINDS)
def supervised_minus_self_supervised(evidence: Evidence) -> Estimate:
    """AMI of supervised minus self-supervised encoders, none fine-tuned, on the same backbone."""
    cells = not_fine_tuned(scored(evidence.table))
    # Of timm's models some are neither: what they were trained by is not known.
    with_labels, without = (cells[cells["labels"].eq(known)] for known in (True, False))
    return over_pairs(paired(with_labels, without, ON_A_BACKBONE))


C3 = claim("C3", "Fine-tuning makes self-supervised encoders better in the domain.")
C4 = claim("C4", "Fine-tuning makes self-supervised encoders worse far from the domain.")
TUNING = "AMI, after − before fine-tuning"
BEFORE_AND_AFTER = "an encoder before and after fine-tuning"


@C3.statistic(TUNING, side=1, group="In-domain", needs=BEFORE_AND_AFTER)
@C4.statistic(TUNING, side=-1, group="Far-OOD", needs=BEFORE_AND_AFTER)
def after_minus_before(evidence: Evidence) -> Estimate:
    """AMI of fine-tuned encoders minus that of what they were before."""
    return over_pairs(_gains(scored(evidence.table)))


def _gains(cells: pd.DataFrame) -> pd.DataFrame:
    tuned = cells[cells["fine_tuned_from"].notna()]
    before = cells.assign(fine_tuned_from=cells["encoder"])
    return paired(
        *(frame.astype({"fine_tuned_from": str}) for frame in (tuned, before)),
        [*ON_A_DATASET, "fine_tuned_from"],
    )


C5 = claim("C5", "MAE stands out once it is fine-tuned.")
MAE_AND_OTHERS = "a fine-tuned MAE and another fine-tuned encoder"


@C5.statistic("AMI, fine-tuned MAE − others fine-tuned", side=1, needs=MAE_AND_OTHERS)
def fine_tuned_mae_minus_others(evidence: Evidence) -> Estimate:
    """AMI of fine-tuned MAE minus that of the other fine-tuned encoders."""
    cells = scored(evidence.table)
    return _mae_minus_others(cells[cells["fine_tuned_from"].notna()])


@C5.statistic(
    "gain by fine-tuning, MAE − others", side=1, needs=f"{MAE_AND_OTHERS}, before and after"
)
def gain_of_mae_minus_others(evidence: Evidence) -> Estimate:
    """Gain in AMI by fine-tuning: MAE's minus that of the others.

    An encoder that stood above the others all along would not stand out *once* fine-tuned.
    """
    return _mae_minus_others(_gains(scored(evidence.table)))


def _mae_minus_others(cells: pd.DataFrame) -> Estimate:
    """Pair MAE with the others on its backbone, or with all where it is alone on it."""
    mae = cells["method"].astype(str).str.startswith("MAE")
    pairs = paired(cells[mae], cells[~mae], ON_A_BACKBONE)
    return over_pairs(pairs if len(pairs) else paired(cells[mae], cells[~mae], ON_A_DATASET))


C6 = claim("C6", "UMAP improves clustering, over the raw embedding and over PCA.")


@C6.statistic("AMI, UMAP − no reduction", side=1, needs="a trained encoder with UMAP and without")
def umap_minus_none(evidence: Evidence) -> Estimate:
    """AMI of the same clusterer after UMAP minus without reduction."""
    return _umap_minus(evidence, "none")


@C6.statistic("AMI, UMAP − PCA", side=1, needs="a trained encoder with UMAP and with PCA")
def umap_minus_pca(evidence: Evidence) -> Estimate:
    """AMI of the same clusterer after UMAP minus after PCA to as many dimensions."""
    return _umap_minus(evidence, "pca")


def _umap_minus(evidence: Evidence, other: str) -> Estimate:
    """Pair UMAP with another reduction, encoder by encoder, at the study's number of dimensions.

    At their best dimensions, chosen by the AMI that is compared, the reduction that was tried at
    more dimensions would have the advantage.
    """
    facts = evidence.table[["encoder", "backbone", "method"]].drop_duplicates("encoder")
    cells = evidence.reductions.merge(facts, on="encoder")
    cells = without_baselines(cells[cells["ami"].notna()])
    keys = [*ON_A_DATASET, *FACTS, "reduction", "n_components"]
    cells = cells.groupby(keys, sort=False, dropna=False)["ami"].mean().reset_index()
    cells = cells.assign(value=100 * cells["ami"].astype(float))
    compared = cells[cells["n_components"].eq(_dimensions(cells)) | cells["reduction"].eq("none")]
    sides = (compared[compared["reduction"] == name] for name in ("umap", other))
    return over_pairs(paired(*sides, [*ON_A_DATASET, "encoder"]))


def _dimensions(cells: pd.DataFrame) -> float:
    """Choose, of the dimensions that UMAP has, and PCA if it can be, that nearest the study's."""
    umap, pca = (
        set(cells.loc[cells["reduction"] == name, "n_components"]) for name in ("umap", "pca")
    )
    shared = sorted(umap & pca or umap)
    return min(shared, key=lambda d: abs(d - STUDY_DIMENSIONS), default=np.nan)


C7 = claim("C7", "S in UMAP space ranks clusterings nearly as AMI does, S in the original less so.")


@C7.statistic(
    "ρ(AMI, S), UMAP − original space",
    side=1,
    unit="ρ",
    needs="three clusterings with S in both spaces",
)
def rho_umap_minus_original(evidence: Evidence) -> Estimate:
    """Spearman's ρ of AMI and S in UMAP space minus in the original, mean over clusterers.

    Over datasets × encoders, raw pixels among them, as in figure 4 of the study; a clustering
    without S in one of the spaces counts in neither.
    """

    def statistic(i, ami, original, umap):
        known = ~np.isnan(ami[i] + original[i] + umap[i])
        by_original, by_umap = spearman(ami[i, known], np.array([original[i], umap[i]])[:, known])
        return by_umap - by_original

    return _of_pooled(evidence.table, statistic)


@C7.statistic(
    "ρ(AMI, S in UMAP space) − ½ ρ(AMI, AMI of another clusterer)",
    side=1,
    unit="ρ",
    needs="three clusterings with S, and two clusterers",
)
def rho_umap_minus_half_of_ami(evidence: Evidence) -> Estimate:
    """Spearman's ρ of AMI and S in UMAP space minus half of what AMI itself would reach.

    What AMI would reach is ρ between the AMI of a clusterer and that of another one, on the same
    datasets and encoders, mean over those others that have an AMI there. The half is where "nearly
    as AMI does" begins: above it ρ lies nearer to AMI's own than to zero.
    """

    def statistic(i, ami, _, umap):
        known = ~np.isnan(ami[i] + umap[i])
        others = np.delete(ami, i, axis=0)
        by_umap, *by_others = spearman(ami[i, known], np.array([umap[i], *others])[:, known])
        return by_umap - mean_of_known(by_others) / 2

    return _of_pooled(evidence.table, statistic)


def _of_pooled(table: pd.DataFrame, statistic) -> Estimate:
    """Average a statistic over clusterers; for its error whole datasets are resampled.

    The statistic takes the number of a clusterer, then AMI, S in the original and S in the UMAP
    space of all datasets × encoders, each (clusterers, points).
    """
    cells = pretrained_only(with_score(table))
    cells = cells[cells.groupby("dataset")["silhouette_umap"].transform("count") > 0]
    wide = cells.pivot(
        index=["dataset", "encoder"],
        columns="clusterer",
        values=["ami", "silhouette_original", "silhouette_umap"],
    ).astype(float)
    n_clusterers = wide.shape[1] // 3
    arrays = wide.to_numpy().T.reshape(3, n_clusterers, len(wide))

    def mean(points: np.ndarray) -> float:
        drawn = arrays[..., points]
        return mean_of_known([statistic(i, *drawn) for i in range(n_clusterers)])

    value = mean(np.arange(len(wide)))
    if np.isnan(value):
        return Estimate()
    datasets = wide.index.get_level_values("dataset").to_series()
    return Estimate(
        value=value,
        se=cluster_bootstrap_se(mean, datasets),
        n=datasets.nunique(),
        encoders=tuple(dict.fromkeys(cells["encoder_name"])),
    )


C8 = claim("C8", "AMI and kNN accuracy rank encoders differently.")


@C8.statistic(
    "ρ over encoders, AMI with AMI of other clusterers − AMI with kNN accuracy",
    side=1,
    unit="ρ",
    needs="three trained encoders with AMI by two clusterers and kNN accuracy",
)
def noise_ceiling_minus_knn(evidence: Evidence) -> Estimate:
    """Spearman's ρ over encoders, AMI with AMI minus AMI with kNN accuracy, dataset by dataset.

    AMI is the mean over half of the clusterers. How well the halves agree is the ceiling: rankings
    by AMI differ that much by the choice of clusterers alone. Only where kNN accuracy agrees less
    with either half than they with each other does it rank encoders differently. As the halves hold
    different clusterers, not the same ones again, the ceiling is low and the test a strict one.
    """
    ami = scored(evidence.table)
    gaps, ranked = {}, set()
    for name, here in evidence.knn.groupby("dataset_name", sort=False):
        accuracy = here.astype({"accuracy": float}).pivot_table(
            index="encoder", columns="k", values="accuracy"
        )
        cells = ami[ami["dataset_name"] == name]
        by_clusterer = cells.pivot(index="encoder", columns="clusterer", values="value").dropna()
        known = by_clusterer.index.intersection(accuracy.dropna().index)
        gap = ceiling_minus_agreement(
            by_clusterer.loc[known].to_numpy().T, accuracy.loc[known].to_numpy().T
        )
        if not np.isnan(gap):
            gaps[name] = gap
            ranked |= set(known)
    encoders = ami.loc[ami["encoder"].isin(ranked), "encoder_name"]
    return over_datasets(pd.Series(gaps, dtype=float), encoders)


def ceiling_minus_agreement(ami: np.ndarray, accuracy: np.ndarray) -> float:
    """Subtract the agreement of AMI with kNN accuracy from that of AMI with itself.

    Parameters
    ----------
    ami
        float (clusterers, encoders).
    accuracy
        float (numbers of neighbours, encoders).

    Returns
    -------
    float
        Mean over all ways to draw two halves of the clusterers (one is left out of an odd number)
        of Spearman's ρ between their mean AMI, minus the mean over both halves and all numbers of
        neighbours of ρ with the accuracy. NaN for one clusterer, fewer than three encoders or no
        accuracy.
    """
    if len(ami) < 2 or ami.shape[1] < 3 or not len(accuracy):
        return np.nan
    half = len(ami) // 2
    drawn = combinations(range(len(ami)), half)
    splits = [(a, b) for a, b in combinations(drawn, 2) if not set(a) & set(b)]
    gaps = []
    for split in splits:
        first, second = (ami[list(part)].mean(axis=0) for part in split)
        agreement = [spearman(part, scores) for part in (first, second) for scores in accuracy]
        gaps.append(spearman(first, second) - np.mean(agreement))
    return float(np.mean(gaps))


def claims_ledger(table: pd.DataFrame, reductions: pd.DataFrame, knn: pd.DataFrame) -> pd.DataFrame:
    """Judge every registered claim.

    Parameters
    ----------
    table
        Results.
    reductions
        As `sweep.comparison.compare_reductions` gives it; may be empty.
    knn
        As `sweep.neighbours.knn_accuracies` gives it; may be empty.

    Returns
    -------
    DataFrame
        One row for each statistic, in the order in which claims were registered: `id` and `claim`
        (the sentence), `key` (the id, with a letter where a claim has several statistics),
        `statistic`, `group` (`all` for every dataset), `unit` (percentage `points` or `ρ`), `side`
        (1: predicted above zero; −1: below), `estimate`, `low` and `high` (95 %), `p` (sign-flip
        test; NaN where it does not apply), `n` datasets and how many were `asked` for, `encoders`,
        `by_dataset` (name to value), `verdict` on the statistic and `reason` where it is undecided,
        `claim_verdict` on the claim.
    """
    # What is empty may lack columns too.
    frames = (frame if len(frame) else NO_ROWS for frame in (reductions, knn))
    evidence = Evidence(table, *frames)
    return pd.DataFrame([row for one in CLAIMS.values() for row in one.judge(evidence)])


def written_claims(ledger: pd.DataFrame) -> pd.DataFrame:
    """Write a ledger as text: a row for each claim, what belongs to its statistics by semicolons.

    Returns
    -------
    DataFrame
        Indexed by `id`; columns claim, statistic (with what the claim predicts), estimate (with its
        interval), p, datasets, verdict (with the reason where it is undecided).
    """
    rows = ledger.assign(
        statistic=[_statistic(row) for row in ledger.itertuples()],
        estimate=estimates_by_unit(ledger).fillna("–"),
        p=["–" if np.isnan(p) else f"{p:.3g}" for p in ledger["p"]],
        datasets=[f"{row.n} of {row.asked}" for row in ledger.itertuples()],
    ).groupby("id", sort=False)
    written = {
        "claim": rows["claim"].first(),
        "statistic": rows["statistic"].agg("; ".join),
        "estimate [95 % interval]": rows["estimate"].agg("; ".join),
        "p": rows["p"].agg("; ".join),
        "datasets": rows["datasets"].agg(lambda counts: "; ".join(counts.unique())),
        "verdict": rows.apply(_judged),
    }
    return pd.DataFrame(written)


def estimates_by_unit(ledger: pd.DataFrame) -> pd.Series:
    """Write each estimate of a ledger with its interval, to the decimals of its unit."""
    parts = ledger.groupby("unit")
    return pd.concat([estimate_texts(part, "estimate", DECIMALS[unit]) for unit, part in parts])


def claim_numbers(ledger: pd.DataFrame) -> pd.DataFrame:
    """Numbers of a ledger for a file: indexed by `key`, a row for each statistic."""
    return ledger.drop(columns=["id", "claim", "by_dataset"]).set_index("key")


def claim_values(ledger: pd.DataFrame) -> pd.DataFrame:
    """Values behind the means of a ledger: a row for each dataset, a column for each statistic.

    Returns
    -------
    DataFrame
        Indexed by the dataset's name to print, NaN where a dataset did not go in. Statistics that
        are no mean over datasets have no column, nor have those without results.
    """
    columns = {row.key: row.by_dataset for row in ledger.itertuples() if row.by_dataset}
    # Those with the most datasets first: they have them in the order of the profile.
    longest = sorted(columns.values(), key=len, reverse=True)
    order = dict.fromkeys(name for values in longest for name in values)
    return pd.DataFrame(columns, index=pd.Index(order, name="dataset"), dtype=float)


def _statistic(row) -> str:
    about = "" if row.group == "all" else f", {row.group}"
    return f"{row.statistic}{about} ({row.unit}, {'> 0' if row.side > 0 else '< 0'})"


def _judged(rows: pd.DataFrame) -> str:
    judged = rows["claim_verdict"].iloc[0]
    reasons = dict.fromkeys(rows.loc[rows["verdict"] == UNDECIDED, "reason"])
    return f"{judged} ({'; '.join(reasons)})" if judged == UNDECIDED else judged


# Told apart by colour, by shape and by the word beside the interval.
VERDICT_STYLES = {
    SUPPORTED: {"color": COLORS[0], "marker": "o"},
    CONTRADICTED: {"color": COLORS[3], "marker": "X"},
    UNDECIDED: {"color": "0.35", "marker": "o", "markerfacecolor": "white"},
}

AXIS_LABELS = {"points": "difference in AMI (percentage points)", "ρ": "difference in Spearman's ρ"}


def plot_claims_ledger(ledger: pd.DataFrame) -> Figure:
    """Draw each statistic with its 95 % interval: a panel for each unit, a row for each statistic.

    Grey marks the side of zero that the claim predicts; small dots are single datasets, where the
    statistic is a mean over datasets. What could not be computed keeps its row and says why.

    Parameters
    ----------
    ledger
        As `claims_ledger` gives it.
    """
    parts = [part for _, part in ledger.groupby("unit", sort=False)]
    heights = [len(part) for part in parts]
    size = (7, 0.42 * sum(heights) + 0.7 * len(parts))
    figure, all_axes = panels(len(parts), 1, size, height_ratios=heights)
    for axes, part in zip(all_axes[:, 0], parts, strict=True):
        _forest(axes, part.reset_index(drop=True))
        axes.set_xlabel(AXIS_LABELS[part["unit"].iloc[0]], fontsize=8)
    sns.despine(figure, left=True)
    return figure


def _forest(axes: Axes, rows: pd.DataFrame) -> None:
    reach = _reach(rows)
    axes.set(xlim=(-reach, reach), ylim=(len(rows) - 0.5, -0.5))
    axes.axvline(0, color="0.4", linewidth=0.8, zorder=1)
    for row in rows.itertuples():
        predicted = Rectangle((0, row.Index - 0.42), row.side * reach, 0.84, zorder=0)
        predicted.set(facecolor="0.93", edgecolor="none")
        axes.add_patch(predicted)
        if row.n:
            _draw(axes, row)
        count = f"{row.n} of {row.asked} dataset{'s' if row.asked != 1 else ''}"
        axes.annotate(
            f"{row.verdict}\n{count if row.n else fill(row.reason, 48)}",
            (1.02, row.Index),
            xycoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=7,
            color=VERDICT_STYLES[row.verdict]["color"],
            annotation_clip=False,
        )
    labels = [_label(row) for row in rows.itertuples()]
    axes.set_yticks(range(len(rows)), labels, fontsize=7)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=7)


def _draw(axes: Axes, row) -> None:
    values = list(row.by_dataset.values())
    axes.scatter(
        *(values, np.full(len(values), row.Index + 0.27)),
        s=5,
        color=VERDICT_STYLES[row.verdict]["color"],
        alpha=0.4,
        linewidth=0,
        zorder=2,
    )
    look = VERDICT_STYLES[row.verdict] | {"markersize": 4.5, "elinewidth": 1.2, "zorder": 3}
    intervals(axes, pd.DataFrame([row]), "estimate", [row.Index], **look)


def _label(row) -> str:
    """Break a long name before a minus sign."""
    name = row.statistic.replace(" − ", "\n− ") if len(row.statistic) > 40 else row.statistic
    about = "all datasets" if row.group == "all" else row.group
    return f"{row.key}  {name}\n({about})" if "\n" not in name else f"{row.key}  {name} ({about})"


def _reach(rows: pd.DataFrame) -> float:
    """Farthest that anything in a panel lies from zero, and a little more."""
    single = [value for values in rows["by_dataset"] for value in values.values()]
    found = np.abs([*rows[["estimate", "low", "high"]].to_numpy(float).ravel(), *single])
    known = found[np.isfinite(found)]
    return 1.08 * known.max() if known.any() else 1.0


def show_claims(written: pd.DataFrame) -> GT:
    """Print a ledger as a paper would: the verdict in bold, supported or contradicted in colour.

    Parameters
    ----------
    written
        As `written_claims` gives it.
    """
    from great_tables import GT, loc, style

    table = GT(written.reset_index(), rowname_col="id").tab_options(table_font_size="13px")
    for verdict, look in VERDICT_STYLES.items():
        rows = np.flatnonzero(written["verdict"].str.startswith(verdict)).tolist()
        look = style.text(color=to_hex(look["color"]), weight="bold")
        table = table.tab_style(look, loc.body(columns="verdict", rows=rows))
    return table.cols_align("left")


def say_verdicts(ledger: pd.DataFrame, profile: str, description: str) -> str:
    """Say how many claims hold on a profile, and which.

    Parameters
    ----------
    ledger
        As `claims_ledger` gives it.
    profile
        Its name.
    description
        What the profile says of itself.
    """
    everything = ledger.drop_duplicates("id")
    # A claim on other data stands beside those of the profile.
    of_profile = everything["id"].isin(list(CLAIMS))
    judged = everything[of_profile]
    sentences = []
    for verdict in VERDICTS:
        here = judged.loc[judged["claim_verdict"] == verdict, "id"]
        listed = f" ({', '.join(here)})" if len(here) else ""
        sentences.append(f"**{verdict}**: {len(here)} of {len(judged)} claims{listed}.")
    beside = [
        f"Beside them {row.id}, on {row.n} sets of {row.group} and the same for every profile: "
        f"**{row.claim_verdict}**."
        for row in everything[~of_profile].itertuples()
    ]
    opening = f"On the profile `{profile}` ({description.rstrip('.')}):"
    return f"{opening}\n\n{bullets([*sentences, *beside])}"
