"""What the numbers say, in sentences: for the closing cells of the notebooks."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis import SPACES, datasets_of_group, unscored


def bullets(sentences: list[str]) -> str:
    """Write sentences as a Markdown list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def cells(table: pd.DataFrame) -> str:
    """Count the results and name what is wrong with any, and what is absent."""
    present = table[table["status"] != "absent"]
    bad = unscored(present)
    sentence = (
        f"{len(present)} results: {present['dataset'].nunique()} datasets × "
        f"{present['encoder'].nunique()} encoders × {present['clusterer'].nunique()} clusterers"
        + (f" × {present['seed'].nunique()} seeds." if present["seed"].nunique() > 1 else ".")
    )
    for kind in ("dataset", "encoder"):
        names = table[f"{kind}_name"].unique()
        lacking = [name for name in names if name not in set(present[f"{kind}_name"])]
        if lacking:
            listed = ", ".join(lacking)
            sentence += f" {len(lacking)} of {len(names)} {kind}s are absent: {listed}."
    if bad.empty:
        return sentence + " Every clusterer converged."
    kinds = bad.groupby(["clusterer", "status"]).size()
    parts = [f"{n} of {name} ({what.replace('_', ' ')})" for (name, what), n in kinds.items()]
    return f"{sentence} Not as they should be: {', '.join(parts)}."


def encoders(means: pd.DataFrame, ranks: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Say which encoders are best, and how the groups compare with the reference.

    Parameters
    ----------
    means
        As `analysis.ami_by_group` gives it.
    ranks
        As `analysis.mean_ranks` gives it.
    differences
        As `analysis.group_differences` gives it.
    """
    first = ranks.index[0]
    sentences = [
        f"Over all datasets **{first}** ranks best: {ranks['mean rank'].iloc[0]:.1f} on average "
        f"among {len(ranks)} encoders, highest AMI on {ranks['best on'].iloc[0]} datasets."
    ]
    count = datasets_of_group(means)
    for group, rows in means.groupby("group", sort=False):
        ranked = rows.sort_values("mean", ascending=False)
        best = "; ".join(
            f"{row.encoder_name} {row.mean:.1f} %"
            for row in ranked[["encoder_name", "mean"]].head(3).itertuples(name="Row", index=False)
        )
        sentences.append(f"**{group}** ({count[group]}): highest mean AMI: {best}.")
    display = means.drop_duplicates("encoder").set_index("encoder")["encoder_name"]
    for (group, reference), rows in differences.groupby(["group", "reference"], sort=False):
        sentences.append(
            f"**{group}** ({count[group]}): above {display[reference]} "
            f"on average: {points(rows[rows['mean'] > 0])}"
        )
    return bullets(sentences)


def points(rows: pd.DataFrame) -> str:
    """List encoders with their mean difference and its standard error."""
    parts = [
        f"{row['encoder_name']} by {row['mean']:.1f}{spread(row['se'])}"
        for _, row in rows.iterrows()
    ]
    return "; ".join(parts) + " points." if parts else "none."


def fine_tuning(gains: pd.DataFrame) -> str:
    """Say for each group which encoders fine-tuning helped and which it harmed.

    Parameters
    ----------
    gains
        As `analysis.fine_tuning_gains` gives it.
    """
    count = datasets_of_group(gains)
    return bullets(
        [
            f"**{group}** ({count[group]}): AMI rises for {(rows['mean'] > 0).sum()} of "
            f"{len(rows)} encoders; the mean change is {rows['mean'].mean():.1f} points; "
            f"{points(rows)}"
            for group, rows in gains.groupby("group", sort=False)
        ]
    )


def live_fine_tuning(accuracy: pd.DataFrame, encoder: str, card: dict) -> str:
    """Say what a short fine-tuning did to the accuracy on the source.

    Parameters
    ----------
    accuracy
        As `cards.source_accuracy` gives it.
    encoder
        Name of the encoder before.
    card
        As `training.pretrain.fine_tune` gives it.
    """
    before = accuracy.set_index("encoder").loc[encoder]
    after = {measure: 100 * card[f"{measure}_accuracy"] for measure in ("knn", "linear")}
    return (
        f"**{before['encoder_name']}**, {card['settings']['epochs']} epochs on {card['n_images']} "
        f"images in {card['seconds']:.0f} s: kNN accuracy from {before['knn']:.1f} % (with "
        f"neighbours from all train images) to {after['knn']:.1f} % (from those trained on), "
        f"linear from {before['linear']:.1f} % to {after['linear']:.1f} %."
    )


def spread(standard_error: float) -> str:
    """Write a standard error, nothing where there is none."""
    return "" if pd.isna(standard_error) else f" ± {standard_error:.1f}"


def levels(means: dict[str, pd.DataFrame]) -> str:
    """Say for each dataset at which level of its tree clusters agree best with the labels.

    Parameters
    ----------
    means
        By the dataset's name to print: `analysis.ami_by_level` of the tree's levels, coarse to
        fine.
    """
    if not means:
        return "**Nothing**: no dataset that is there has label levels that nest."
    sentences = []
    for dataset, scores in means.items():
        levels = list(dict.fromkeys(scores["level"]))
        wide = scores.pivot(index="encoder_name", columns="level", values="mean")[levels]
        best = wide.idxmax(axis=1).value_counts().reindex(levels).dropna().astype(int)
        counts = ", ".join(f"at {level} for {n}" for level, n in best.items())
        name, level = wide.stack().idxmax()
        change = wide[levels[-1]] - wide[levels[0]]
        sentences.append(
            f"**{dataset}**: of {len(wide)} encoders AMI is highest {counts}. The highest of all: "
            f"{wide.loc[name, level]:.1f} % ({name}, {level}). From {levels[0]} to {levels[-1]} "
            f"AMI rises for {(change > 0).sum()} of them; the median change is "
            f"{change.median():.1f} points."
        )
    return bullets(sentences)


def variance(dims: pd.DataFrame, fraction: float = 0.9) -> str:
    """Say how many dimensions hold a fraction of each encoder's variance, over the datasets.

    Parameters
    ----------
    dims
        As `analysis.dims_for_variance` gives it.
    fraction
        One of its fractions.
    """
    at = dims[dims["fraction"] == fraction]
    spans = at.groupby("encoder_name", sort=False)["dims"].agg(["min", "median", "max"])
    spans = spans.sort_values("median")
    return bullets(
        [
            f"**{name}**: {fraction:.0%} of the variance in {row['median']:.0f} dimensions "
            f"(median over datasets; {row['min']:.0f} to {row['max']:.0f})."
            for name, row in spans.iterrows()
        ]
    )


def silhouettes(correlation: pd.DataFrame, split: pd.DataFrame) -> str:
    """Say in which space the silhouette goes along with AMI, and how surely.

    Parameters
    ----------
    correlation
        As `analysis.silhouette_correlation` gives it.
    split
        As `analysis.correlation_by_supervision` gives it.
    """
    if correlation["rho"].isna().all():
        return "**Undecided**: no clusterer has three results with a silhouette."
    sentences = []
    for space, rows in correlation.groupby("space", sort=False):
        rhos = rows["rho"].dropna()
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
