"""What the numbers say, in sentences: for the closing cells of the notebooks."""

from __future__ import annotations

import pandas as pd

from zsc_utils.analysis import SPACES, unscored


def bullets(sentences: list[str]) -> str:
    """Write sentences as a Markdown list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def cells(table: pd.DataFrame) -> str:
    """Count the results and name what is wrong with any."""
    bad = unscored(table)
    sentence = (
        f"{len(table)} results: {table['dataset'].nunique()} datasets × "
        f"{table['encoder'].nunique()} encoders × {table['clusterer'].nunique()} clusterers"
        + (f" × {table['seed'].nunique()} seeds." if table["seed"].nunique() > 1 else ".")
    )
    if bad.empty:
        return sentence + " Every clusterer converged."
    kinds = bad.groupby(["clusterer", "status"]).size()
    parts = [f"{n} of {name} ({what.replace('_', ' ')})" for (name, what), n in kinds.items()]
    return f"{sentence} Not as they should be: {', '.join(parts)}."


def encoders(means: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Say which encoder is best on each dataset, and how the groups compare with the reference.

    Parameters
    ----------
    means
        As `analysis.ami_by_encoder` gives it.
    differences
        As `analysis.group_differences` gives it.
    """
    sentences = []
    for dataset, rows in means.groupby("dataset_name", sort=False):
        ranked = rows.sort_values("mean", ascending=False)
        best = ranked.iloc[0]
        sentence = f"**{dataset}**: highest AMI {best['mean']:.1f} % ({best['encoder_name']})"
        if len(ranked) > 1:
            second = ranked.iloc[1]
            sentence += f", then {second['mean']:.1f} % ({second['encoder_name']})"
        sentences.append(sentence + ".")
    display = means.drop_duplicates("encoder").set_index("encoder")["encoder_name"]
    for (group, reference), rows in differences.groupby(["group", "reference"], sort=False):
        sentences.append(
            f"**{group}** ({datasets(rows)}): above {display[reference]} "
            f"on average: {points(rows[rows['mean'] > 0])}"
        )
    return bullets(sentences)


def datasets(rows: pd.DataFrame) -> str:
    """Write how many datasets averages are over."""
    n = int(rows["n"].max())
    return f"{n} dataset{'s' if n > 1 else ''}"


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
    return bullets(
        [
            f"**{group}** ({datasets(rows)}): AMI rises for {(rows['mean'] > 0).sum()} of "
            f"{len(rows)} encoders, by {rows['mean'].mean():.1f} points on average; "
            f"{points(rows)}"
            for group, rows in gains.groupby("group", sort=False)
        ]
    )


def spread(standard_error: float) -> str:
    """Write a standard error, nothing where there is none."""
    return "" if pd.isna(standard_error) else f" ± {standard_error:.1f}"


def levels(means: pd.DataFrame, nested: list[str]) -> str:
    """Say at which level of a tree each encoder's clusters agree best with the labels.

    Parameters
    ----------
    means
        As `analysis.ami_by_level` gives it.
    nested
        Levels, coarse to fine.
    """
    sentences = []
    for name, rows in means.groupby("encoder_name", sort=False):
        scores = rows.set_index("level").loc[nested, "mean"]
        change = scores.iloc[-1] - scores.iloc[0]
        sentences.append(
            f"**{name}**: AMI highest at {scores.idxmax()} ({scores.max():.1f} %); from "
            f"{nested[0]} to {nested[-1]} it {'rises' if change > 0 else 'falls'} by "
            f"{abs(change):.1f} points."
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


def silhouettes(correlation: pd.DataFrame) -> str:
    """Say in which space the silhouette goes along with AMI, and how surely.

    Parameters
    ----------
    correlation
        As `analysis.silhouette_correlation` gives it.
    """
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
    return bullets(sentences)
