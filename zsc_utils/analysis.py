"""The numbers of each figure and table, with their uncertainty, from the tidy table of results.

AMI is a fraction in the table of results, and in percent here, as in the study.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from zsc_utils.reduce import pca_scores
from zsc_utils.sweep import Job, read_embeddings

SPACES = {"silhouette_original": "original space", "silhouette_umap": "UMAP space"}


def with_score(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows that have an AMI, and average those that differ in their seed alone.

    A clusterer that did not converge may have an AMI.
    """
    rows = table[table["ami"].notna()]
    if rows["seed"].nunique() < 2:
        return rows
    cell = ["dataset", "encoder", "clusterer"]
    averaged = {"ami": "mean", **dict.fromkeys(SPACES, "mean"), "ami_by_level": _mean_of_dicts}
    how = {
        column: averaged.get(column, "first")
        for column in rows.columns
        if column not in (*cell, "seed")
    }
    return rows.groupby(cell, sort=False).agg(how).reset_index()


def _mean_of_dicts(rows: pd.Series) -> dict:
    return pd.DataFrame(rows.tolist()).mean().to_dict()


def unscored(table: pd.DataFrame) -> pd.DataFrame:
    """List the cells without AMI, or whose clusterer did not converge, and why."""
    bad = table["ami"].isna() | (table["status"] != "ok")
    return table.loc[bad, ["dataset", "encoder", "clusterer", "status", "reason"]]


def _mean_by(table: pd.DataFrame, keys: list[str], column: str) -> pd.DataFrame:
    """Mean, standard error of the mean (NaN for one value) and number of values, by keys."""
    grouped = table.groupby(keys, sort=False, observed=True)[column]
    return grouped.agg(mean="mean", se="sem", n="size").reset_index()


def ami_by_encoder(table: pd.DataFrame) -> pd.DataFrame:
    """Average AMI over clusterers, for each dataset and encoder.

    Returns
    -------
    DataFrame
        Columns dataset, encoder (and their facts), `mean` and `se` in percent, `n` results. The
        standard error shows how much the clusterers differ; they are no random sample.
    """
    rows = with_score(table).assign(ami=lambda t: 100 * t["ami"])
    keys = ["group", "dataset", "dataset_name", "encoder", "encoder_name"]
    return _mean_by(rows, keys, "ami")


def ami_matrix(table: pd.DataFrame) -> pd.DataFrame:
    """AMI in percent, mean over clusterers: a row for each dataset, a column for each encoder."""
    means = ami_by_encoder(table)
    matrix = means.pivot(index=["group", "dataset_name"], columns="encoder_name", values="mean")
    return matrix.reindex(
        index=means.set_index(["group", "dataset_name"]).index.unique(),
        columns=means["encoder_name"].unique(),
    )


def ami_by_group(table: pd.DataFrame) -> pd.DataFrame:
    """AMI of each encoder in each group: the mean over clusterers, then over datasets.

    Returns
    -------
    DataFrame
        Columns group, encoder, encoder_name, `mean` and `se` over datasets in percent (`se` NaN
        where a group has one dataset), `n` datasets, `asked`: how many the profile names.
    """
    means = _mean_by(ami_by_encoder(table), ["group", "encoder", "encoder_name"], "mean")
    return with_asked(means, table)


def with_asked(means: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add how many datasets of each group a table has rows of, absent or failed ones among them."""
    return means.assign(asked=means["group"].map(table.groupby("group")["dataset"].nunique()))


def datasets_of_group(means: pd.DataFrame) -> dict[str, str]:
    """Write for each group over how many datasets its means are, and of how many."""
    counts = means.groupby("group", sort=False)[["n", "asked"]].max()
    return {
        row.Index: f"{row.n}"
        + (f" of {row.asked}" if row.n < row.asked else "")
        + f" dataset{'s' if max(row.n, row.asked) > 1 else ''}"
        for row in counts.itertuples()
    }


def written_by_group(by_group: pd.DataFrame) -> pd.DataFrame:
    """Write `ami_by_group` as text, mean ± SE: a row for each encoder, a column for each group."""
    texts = [
        f"{row.mean:.1f}" + ("" if np.isnan(row.se) else f" ± {row.se:.1f}")
        for row in by_group[["mean", "se"]].itertuples(index=False, name="Cell")
    ]
    columns = by_group["group"].map(
        {group: f"{group} ({count})" for group, count in datasets_of_group(by_group).items()}
    )
    cells = by_group.assign(text=texts, column=columns)
    wide = cells.pivot(index="encoder_name", columns="column", values="text")
    return wide.reindex(
        index=by_group["encoder_name"].unique(), columns=columns.unique()
    ).rename_axis(columns=None)


def ami_by_clusterer(table: pd.DataFrame) -> pd.DataFrame:
    """AMI in percent, mean over datasets: a row for each encoder, a column for each clusterer."""
    means = with_score(table).pivot_table(
        index="encoder_name", columns="clusterer_name", values="ami", sort=False
    )
    return 100 * means


def without_baselines(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out raw pixels and random weights: what figure 1 of the study compares is trained."""
    return table[~table["method"].isin(["none", "random"])]


def not_fine_tuned(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the fine-tuned encoders."""
    return table[table["fine_tuned_from"].isna()]


def best_by_dataset(table: pd.DataFrame) -> pd.DataFrame:
    """Find the clustering of highest AMI of each dataset, of all encoders and clusterers.

    Returns
    -------
    DataFrame
        A row for each dataset: group, dataset_name, encoder_name, clusterer_name, `ami` in percent.
    """
    rows = with_score(table).assign(ami=lambda t: 100 * t["ami"])
    best = rows.loc[rows.groupby("dataset", sort=False)["ami"].idxmax()]
    columns = ["group", "dataset_name", "encoder_name", "clusterer_name", "ami"]
    return best[columns].reset_index(drop=True)


def mean_ranks(table: pd.DataFrame) -> pd.DataFrame:
    """Rank the encoders on each dataset by AMI (mean over clusterers), 1 for the best.

    Returns
    -------
    DataFrame
        A row for each encoder, best first: `mean rank` over the datasets, `best on` how many of
        them (ties count for each).
    """
    matrix = ami_matrix(table)
    ranks = matrix.rank(axis=1, ascending=False, method="min")
    found = pd.DataFrame({"mean rank": ranks.mean(), "best on": (ranks == 1).sum()})
    return found.sort_values("mean rank", kind="stable")


def paired_differences(table: pd.DataFrame, other: pd.Series) -> pd.DataFrame:
    """AMI of each encoder minus AMI of another, clusterer by clusterer, then averaged.

    Parameters
    ----------
    table
        Results.
    other
        For each row of the table the encoder to compare with; missing where there is none.

    Returns
    -------
    DataFrame
        One row for each dataset and encoder: their facts, `reference` (the other encoder) and
        `difference` in percentage points. Only clusterers that have a result for both count.
    """
    keys = ["dataset", "clusterer"]
    rows = with_score(table.assign(reference=other))
    rows = rows[rows["reference"].notna() & (rows["reference"] != rows["encoder"])]
    base = with_score(table)[[*keys, "encoder", "ami"]]
    base = base.rename(columns={"encoder": "reference", "ami": "base"})
    rows = rows.merge(base, on=[*keys, "reference"])
    rows = rows.assign(difference=100 * (rows["ami"] - rows["base"]))
    facts = ["group", "dataset", "dataset_name", "encoder", "encoder_name", "reference"]
    return rows.groupby(facts, sort=False)["difference"].mean().reset_index()


def average_by_group(differences: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Average differences over the datasets of each group.

    Returns
    -------
    DataFrame
        Columns group, encoder, encoder_name, reference, `mean` and `se` over datasets in percentage
        points (`se` NaN where a group has one dataset), `n` datasets, `asked`: how many the profile
        names.
    """
    keys = ["group", "encoder", "encoder_name", "reference"]
    return with_asked(_mean_by(differences, keys, "difference"), table)


def group_differences(table: pd.DataFrame, reference: str | dict[str, str]) -> pd.DataFrame:
    """Compare every encoder with a supervised one, group by group (figure 1 of the study).

    Parameters
    ----------
    table
        Results.
    reference
        The encoder to compare with, or one for each backbone: encoders on other backbones are left
        out.

    Returns
    -------
    DataFrame
        As `average_by_group` gives it.
    """
    if isinstance(reference, str):
        other = pd.Series(reference, index=table.index)
    else:
        other = table["backbone"].map(reference)
    return average_by_group(paired_differences(table, other), table)


def fine_tuning_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Compare every fine-tuned encoder with what it was before, group by group.

    Returns
    -------
    DataFrame
        As `average_by_group` gives it; `reference` is the encoder before fine-tuning.
    """
    return average_by_group(paired_differences(table, table["fine_tuned_from"]), table)


def ami_by_level(
    table: pd.DataFrame, dataset: str, levels: Sequence[str] | None = None
) -> pd.DataFrame:
    """AMI of the same clusters against several label levels of a dataset (figure 2 of the study).

    Parameters
    ----------
    table
        Results.
    dataset
        Name of the dataset.
    levels
        Some of the label levels it has; all by default.

    Returns
    -------
    DataFrame
        Columns encoder, encoder_name, level, `mean` and `se` over clusterers in percent, `n`.
        Levels stand in the order in which they were asked for.
    """
    rows = with_score(table)
    rows = rows[rows["dataset"] == dataset]
    scores = pd.DataFrame(rows["ami_by_level"].tolist(), index=rows.index)
    scores = scores[list(levels or scores.columns)]
    named = rows[["encoder", "encoder_name"]].join(100 * scores)
    tidy = named.melt(["encoder", "encoder_name"], var_name="level", value_name="ami")
    return _mean_by(tidy, ["encoder", "encoder_name", "level"], "ami")


def variance_curve(ratio: np.ndarray, n_dims: int) -> pd.DataFrame:
    """Cumulative fraction of the variance against leading dimensions.

    Parameters
    ----------
    ratio
        Fraction of the variance that each principal component explains, falling.
    n_dims
        Dimensions of the embedding; more than components where there are fewer samples.

    Returns
    -------
    DataFrame
        `dims` from 1, `relative` = dims / n_dims, `variance` up to 1.
    """
    dims = np.arange(1, len(ratio) + 1)
    return pd.DataFrame({"dims": dims, "relative": dims / n_dims, "variance": np.cumsum(ratio)})


def variance_curves(planned: list[Job], build: Path | None = None) -> pd.DataFrame:
    """Cumulative variance of the z-scored embeddings of a plan (figure 5 of the study).

    Parameters
    ----------
    planned
        As `sweep.plan` gives it; its embeddings must have been computed.
    build
        Folder of caches and results.

    Returns
    -------
    DataFrame
        A `variance_curve` for each job, told apart by `encoder`, `encoder_name`, `dataset_name`.
    """
    parts = []
    for job, embeddings, memo in read_embeddings(planned, build):
        _, ratio = pca_scores(embeddings.array, zscored=True, memo=memo)
        curve = variance_curve(ratio, embeddings.array.shape[1])
        facts = {"encoder": job.encoder.name, "encoder_name": job.encoder.display}
        parts.append(curve.assign(**facts, dataset_name=job.dataset.facts.display))
    return pd.concat(parts, ignore_index=True)


def typical_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Bring the `variance_curves` of each encoder together, dimension by dimension.

    Returns
    -------
    DataFrame
        Columns encoder, dims, relative; `median`, `low` and `high` (quartiles) of the variance over
        the datasets. A curve that has reached 1 stays there: a dataset with few images has few
        principal components.
    """
    parts = []
    for encoder, rows in curves.groupby("encoder", sort=False):
        wide = rows.pivot(index="dims", columns="dataset_name", values="variance").fillna(1.0)
        low, median, high = wide.quantile([0.25, 0.5, 0.75], axis=1).to_numpy()
        n_dims = (rows["dims"] / rows["relative"]).max()
        dims = wide.index.to_numpy()
        columns = {"dims": dims, "relative": dims / n_dims, "median": median}
        parts.append(pd.DataFrame(columns | {"low": low, "high": high}).assign(encoder=encoder))
    return pd.concat(parts, ignore_index=True)


def dims_for_variance(curves: pd.DataFrame, fractions=(0.5, 0.8, 0.9, 0.95)) -> pd.DataFrame:
    """Count the leading dimensions that hold a fraction of the variance.

    Parameters
    ----------
    curves
        `variance_curve`s of several encoders and datasets, told apart by the columns `encoder`,
        `encoder_name` and `dataset_name`.
    fractions
        Of the variance.

    Returns
    -------
    DataFrame
        Columns encoder, encoder_name, dataset_name, fraction, dims.
    """
    keys = ["encoder", "encoder_name", "dataset_name"]
    parts = [
        curves[curves["variance"] >= fraction - 1e-6]
        .groupby(keys, sort=False)["dims"]
        .min()
        .reset_index()
        .assign(fraction=fraction)
        for fraction in fractions
    ]
    return pd.concat(parts, ignore_index=True)


def pretrained_only(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the encoders with random weights, as figure 4 of the study does."""
    return table[table["method"] != "random"]


def spearman(ami: np.ndarray, silhouette: np.ndarray) -> np.ndarray:
    """Spearman's ρ along the last axis; NaN for fewer than three points, or without two ranks.

    Parameters
    ----------
    ami, silhouette
        float (..., n).

    Returns
    -------
    ndarray
        float (...).
    """
    from scipy.stats import rankdata

    if ami.shape[-1] < 3:
        return np.full(ami.shape[:-1], np.nan)
    a, b = (rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2 for values in (ami, silhouette))
    with np.errstate(invalid="ignore"):
        return (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))


def resampled_clusters(
    clusters: pd.Series, resamples: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Draw clusters of rows with replacement, as many as there are; yield the rows' positions."""
    members = list(clusters.reset_index(drop=True).groupby(clusters.to_numpy()).groups.values())
    for _ in range(resamples if members else 0):
        drawn = rng.integers(0, len(members), len(members))
        yield np.concatenate([members[i] for i in drawn])


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
    rows = []
    for space, space_name in SPACES.items():
        for (clusterer, name), part in pretrained_only(with_score(table)).groupby(
            ["clusterer", "clusterer_name"], sort=False
        ):
            known = part[part[space].notna()]
            ami, silhouette = known[["ami", space]].to_numpy(float).T
            resampled = [
                spearman(ami[chosen], silhouette[chosen])
                for chosen in resampled_clusters(known["dataset"], resamples, rng)
            ]
            # A resample of one point, over and over, has no ranks to correlate.
            finite = np.array(resampled)[np.isfinite(resampled)]
            low, high = np.quantile(finite, [0.025, 0.975]) if len(finite) else (np.nan, np.nan)
            rows.append(
                {
                    "space": space,
                    "space_name": space_name,
                    "clusterer": clusterer,
                    "clusterer_name": name,
                    "rho": float(spearman(ami, silhouette)),
                    "low": low,
                    "high": high,
                    "n": len(ami),
                }
            )
    return pd.DataFrame(rows)


def correlation_by_supervision(table: pd.DataFrame) -> pd.DataFrame:
    """Spearman's ρ apart for encoders that were trained with labels and for those without.

    Returns
    -------
    DataFrame
        Rows as `silhouette_correlation` gives them, twice, told apart by `trained`: `with labels`
        (supervised or fine-tuned) and `without labels` (self-supervised; raw pixels too). A half
        that has no encoders is left out.
    """
    halves = {"with labels": table[table["labels"]], "without labels": table[~table["labels"]]}
    parts = [
        silhouette_correlation(half).assign(trained=name)
        for name, half in halves.items()
        if len(pretrained_only(half))
    ]
    return pd.concat(parts, ignore_index=True)


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
