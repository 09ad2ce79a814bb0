"""The numbers that docs/miniature.md quotes, each computed, and written as it stands there.

`zsc reference` writes them beside the reference run, and a test holds the page to that file. A
number is quoted as it is, with its sign: no sentence says more than its numbers do.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from zsc_utils.study.base import not_fine_tuned, without_baselines
from zsc_utils.study.claims import estimates_by_unit
from zsc_utils.study.encoders import ami_by_group, group_differences, mean_ranks, paired_differences
from zsc_utils.study.fine_tuning import fine_tuning_gains
from zsc_utils.study.reductions import ALL_CLUSTERERS
from zsc_utils.study.silhouettes import correlation_by_supervision, silhouette_correlation
from zsc_utils.study.tables import estimate_texts, number_texts
from zsc_utils.study.taxonomy import ami_by_level, level_matrix
from zsc_utils.sweep.profile import Profile

Quotes = Iterable[tuple[str, str, str]]

# Of figures that a notebook wrote: their tables.
DIFFERENCES, CHOICES = "06_differences.csv", "06_recipe_counts.csv"


# The profile that docs/miniature.md is about.
QUOTED = "mini"


def quotes(
    profile: Profile, table: pd.DataFrame, ledger: pd.DataFrame, figures: Path
) -> pd.DataFrame:
    """Write every number that docs/miniature.md quotes of a run.

    Parameters
    ----------
    profile
        What was run; it compares with one reference for each backbone.
    table
        Results.
    ledger
        Numbers of the ledger, as `claims.claim_numbers` gives them.
    figures
        Where notebook 6 wrote tables to.

    Returns
    -------
    DataFrame
        A row for each: `claim` (whose paragraph it stands in), `what` it is, and its `text`.
    """
    parts = [quotes_of_cells(profile, table), quotes_of_ledger(ledger)]
    found = [*_of_levels(table), *_of_reductions(figures)]
    return pd.concat([*parts, _rows(found)], ignore_index=True)


def quotes_of_cells(profile: Profile, table: pd.DataFrame) -> pd.DataFrame:
    """Write those that come from the scores of the cells and the facts of their encoders."""
    compared = not_fine_tuned(without_baselines(table))
    other = compared["backbone"].map(profile.reference)
    return _rows(
        [
            *_of_the_run(profile),
            *_of_supervision(group_differences(compared, profile.reference)),
            *_of_datasets(paired_differences(compared, other)),
            *_of_fine_tuning(fine_tuning_gains(table)),
            *_of_ranks(mean_ranks(table), table),
            *_of_silhouettes(table),
            *_of_the_stranger(ami_by_group(table)),
        ]
    )


def quotes_of_ledger(ledger: pd.DataFrame) -> pd.DataFrame:
    """Write those that come from the ledger of claims."""
    named = {"C6a": "UMAP − no reduction", "C6b": "UMAP − PCA", "C8": "difference of ρ"}
    texts = estimates_by_unit(ledger)
    rows = [(key[:2], what, texts[key]) for key, what in named.items()]
    datasets = f"{ledger.loc['C8', 'n']} of {ledger.loc['C8', 'asked']} datasets"
    return _rows([*rows, ("C8", "datasets", datasets)])


def _rows(found: Quotes) -> pd.DataFrame:
    return pd.DataFrame(found, columns=["claim", "what", "text"])


def _number(value: float, decimals: int) -> str:
    # What rounds to zero has no sign.
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def _span(values: pd.Series, decimals: int = 0) -> str:
    """Write the lowest and the highest of several numbers."""
    return f"{_number(values.min(), decimals)} to {_number(values.max(), decimals)}"


def _share(marks: pd.Series) -> str:
    return f"{int(marks.sum())} of {len(marks)}"


def _by_group(differences: pd.DataFrame) -> str:
    """Write the span over encoders for each group, in the order of the profile."""
    groups = differences.groupby("group", sort=False)["mean"]
    return ", ".join(f"{_span(values)} {name}" for name, values in groups)


def _of_the_run(profile: Profile) -> Quotes:
    yield "", "datasets", f"{len(profile.datasets)} datasets"
    yield "", "images", f"at most {profile.max_samples} images"
    yield "", "seeds", f"seed {', '.join(map(str, profile.seeds))}"


def _of_supervision(differences: pd.DataFrame) -> Quotes:
    """C1 and C2: self-supervised minus supervised."""
    here = differences[differences["group"] == "In-domain"]["mean"]
    yield "C1", "self-supervised − supervised, In-domain", f"{_span(here)} points"
    yield "C2", "self-supervised − supervised, by group", _by_group(differences)
    far = differences[differences["group"] == "Far-OOD"]
    for reading, rows in far.groupby(far["encoder_name"].str.startswith("MAE"), sort=False):
        which = "MAE" if reading else "without MAE"
        yield "C2", f"Far-OOD, {which}", f"{_span(rows['mean'], 1)} points"
    sure = far["mean"].abs() > far["se"]
    yield "C2", "Far-OOD, sure", f"{_share(sure)} are further from zero than a standard error"


def _of_datasets(differences: pd.DataFrame) -> Quotes:
    """C2: single datasets."""
    for dataset in ("mini-scenes", "mini-satellite"):
        here = differences[differences["dataset"] == dataset]["difference"]
        yield "C2", f"{dataset}, self-supervised − supervised", f"{_span(here)} points"
        yield "C2", f"{dataset}, above zero", f"{_share(here > 0)} above zero"


def _of_fine_tuning(gains: pd.DataFrame) -> Quotes:
    """C3 to C5: after minus before."""
    here = gains[gains["group"] == "In-domain"]["mean"]
    yield "C3", "gain, In-domain", f"{_span(here)} points"
    yield "C3", "gain, by group", _by_group(gains[gains["group"] != "In-domain"])
    far = gains[gains["group"] == "Far-OOD"]
    is_mae = far["encoder_name"].str.startswith("MAE")
    yield "C4", "gain on Far-OOD, without MAE", f"{_span(far.loc[~is_mae, 'mean'], 1)} points"
    sure = far.loc[~is_mae, "mean"].abs() > 2 * far.loc[~is_mae, "se"]
    yield "C4", "sure", f"{_share(sure)} are further from zero than two standard errors"
    mae = number_texts(far["mean"], far["se"])[is_mae].iloc[0]
    yield "C4", "gain on Far-OOD, MAE", f"{mae} points"
    best = gains.loc[gains.groupby("group", sort=False)["mean"].idxmax(), "encoder_name"]
    yield "C5", "groups in which MAE gains most", f"{_share(best.str.startswith('MAE'))} groups"


def _of_ranks(ranks: pd.DataFrame, table: pd.DataFrame) -> Quotes:
    """C5: the mean rank of fine-tuned MAE, and its place among all encoders."""
    tuned = table[table["fine_tuned_from"].notna()]["encoder_name"]
    name = tuned[tuned.str.startswith("MAE")].iloc[0]
    place = ranks["mean rank"].rank(method="min")[name]
    yield "C5", "mean rank of fine-tuned MAE", f"mean rank {ranks.loc[name, 'mean rank']:.1f}"
    yield "C5", "place by mean rank", f"place {place:.0f} of {len(ranks)}"


def _of_reductions(figures: Path) -> Quotes:
    """C6: what UMAP and PaCMAP gain by clusterer, and how often the search chose UMAP."""
    pairs = pd.read_csv(figures / DIFFERENCES).set_index(["pair", "clusterer_name"])
    texts = estimate_texts(pairs)
    umap = texts["UMAP 50 − none"].drop(ALL_CLUSTERERS)
    parts = ", ".join(f"{text} {name}" for name, text in umap.items())
    yield "C6", "UMAP − no reduction, by clusterer", parts
    yield "C6", "PaCMAP − no reduction", texts["PaCMAP 50 − none", ALL_CLUSTERERS]
    chosen = pd.read_csv(figures / CHOICES, index_col=0).drop(ALL_CLUSTERERS)
    counts = ", ".join(f"{n} {name}" for name, n in chosen["UMAP"].items())
    yield "C6", "encoders for which the search chose UMAP, by clusterer", counts


def _of_silhouettes(table: pd.DataFrame) -> Quotes:
    """C7: ρ between AMI and silhouette, over the clusterers."""
    whole = silhouette_correlation(table).assign(trained="all")
    every = pd.concat([whole, correlation_by_supervision(table)])
    for trained, rows in every.groupby("trained", sort=False):
        for space, part in rows.groupby("space_name", sort=False):
            yield "C7", f"ρ, {trained}, {space}", _span(part["rho"], 2)
    wide = whole.pivot(index="clusterer", columns="space", values="rho")
    higher = wide["silhouette_umap"] > wide["silhouette_original"]
    yield "C7", "ρ is higher in UMAP space", f"{_share(higher)} clusterers"


def _of_levels(table: pd.DataFrame) -> Quotes:
    """C7: what clusters of mini-imagenet agree with."""
    trained = not_fine_tuned(without_baselines(table))
    # One learnt from photographs: it is of neither kind here.
    own = trained[trained["backbone"].isin(["ResNet-10", "ViT-4/8"])]
    for labels, rows in own.groupby("labels", sort=False):
        kind = "supervised" if labels else "self-supervised"
        wide = level_matrix(ami_by_level(rows, "mini-imagenet"))
        for level in ("scene", "species"):
            yield "C7", f"AMI with {level}, {kind}", f"{_span(wide[level])} %"


def _of_the_stranger(means: pd.DataFrame) -> Quotes:
    """Where the encoder that learnt from photographs stands among all, by group."""
    for group in ("In-domain", "Far-OOD"):
        rows = means[means["group"] == group].set_index("encoder")["mean"]
        place = rows.rank(ascending=False, method="min")["efficientnet_lite0"]
        yield "stranger", f"place, {group}", f"place {place:.0f} of {len(rows)} {group}"
