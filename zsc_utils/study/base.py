"""What every section starts from: which results count, groups, seeds, sentences."""

from __future__ import annotations

import re

import pandas as pd

CELL = ["dataset", "encoder", "clusterer"]
SPACES = {"silhouette_original": "original space", "silhouette_umap": "UMAP space"}


def with_score(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows that have an AMI, and average those that differ in their seed alone.

    A clusterer that did not converge may have an AMI.
    """
    rows = table[table["ami"].notna()]
    if rows["seed"].nunique() < 2:
        return rows
    averaged = {"ami": "mean", **dict.fromkeys(SPACES, "mean"), "ami_by_level": _mean_of_dicts}
    others = rows.columns.drop([*CELL, "seed"])
    how = {column: averaged.get(column, "first") for column in others}
    return rows.groupby(CELL, sort=False).agg(how).reset_index()


def _mean_of_dicts(rows: pd.Series) -> dict:
    # Undefined ones are None in stored results.
    return pd.DataFrame(rows.tolist(), dtype=float).mean().to_dict()


def unscored(table: pd.DataFrame) -> pd.DataFrame:
    """List the cells without AMI, or whose clusterer did not converge, and why.

    Those that have clusters, but classes that no AMI is defined for, have status `undefined` here.
    """
    ok = table["status"] == "ok"
    bad = table.loc[table["ami"].isna() | ~ok]
    rows = bad[[*CELL, "status", "reason"]]
    return rows.assign(status=rows["status"].mask(ok, "undefined"))


def mean_by(table: pd.DataFrame, keys: list[str], column: str) -> pd.DataFrame:
    """Mean, standard error of the mean (NaN for one value) and number of values, by keys.

    Values that are undefined do not count; where all are, so is the mean, of 0 values.
    """
    grouped = table.groupby(keys, sort=False, observed=True)[column]
    return grouped.agg(mean="mean", se="sem", n="count").reset_index()


def pivoted(table: pd.DataFrame, index: str | list[str], columns: str, values: str) -> pd.DataFrame:
    """Pivot a table; rows and columns stand in the order in which they come."""
    found = table.pivot(index=index, columns=columns, values=values)
    rows = table.set_index(index).index.unique()
    return found.reindex(index=rows, columns=table[columns].unique())


def on_shared_clusterers(
    rows: pd.DataFrame, *, within: str = "dataset", compared: str = "encoder"
) -> pd.DataFrame:
    """Keep the clusterers that have a score for all that is compared.

    Means over clusterers are of the same clusterers only so. A clusterer that failed for one
    encoder on a dataset counts for no encoder there; what has no score at all takes away nothing.

    Parameters
    ----------
    rows
        Scores, with the columns clusterer, `within` and `compared`.
    within
        Each value of this column is seen for itself.
    compared
        The column whose values are compared.
    """
    everyone = rows.groupby(within)[compared].transform("nunique")
    having = rows.groupby([within, "clusterer"])[compared].transform("nunique")
    return rows[having == everyone]


def is_best(matrix: pd.DataFrame, axis: int = 1, *, lowest: bool = False) -> pd.DataFrame:
    """Mark the highest number of each row, or the lowest (ties for each; none in empty rows).

    Parameters
    ----------
    matrix
        Numbers.
    axis
        1 for the best of each row, 0 for the best of each column.
    lowest
        Whether small numbers are good.
    """
    return matrix.rank(axis=axis, ascending=lowest, method="min") == 1


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


def without_baselines(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out raw pixels and random weights: what figure 1 of the study compares is trained."""
    return table[~table["method"].isin(["none", "random"])]


def not_fine_tuned(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the fine-tuned encoders."""
    return table[table["fine_tuned_from"].isna()]


def pretrained_only(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out the encoders with random weights, as figure 4 of the study does."""
    return table[table["method"] != "random"]


LEFT_OUT = "left out"


def spread_over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Standard deviation of AMI over seeds, within each dataset × encoder × clusterer.

    Parameters
    ----------
    table
        Results, of several seeds.

    Returns
    -------
    DataFrame
        A row for each clusterer (its name): `mean`, `median` and `largest` standard deviation in
        points (n − 1 in its denominator), over `cells` that have an AMI from two seeds or more.
        Empty where none has.
    """
    ami = (100 * table.set_index([*CELL, "clusterer_name"])["ami"]).dropna()
    cells = ami.groupby(ami.index.names, sort=False).std().dropna()
    by = cells.groupby("clusterer_name", sort=False)
    spread = by.agg(mean="mean", median="median", largest="max", cells="size")
    return spread.rename_axis("clusterer")


NO_RESULT = "**Undecided**: no cell of this profile has a result."


def bullets(sentences: list[str]) -> str:
    """Write sentences as a Markdown list."""
    return "\n".join(f"- {without_html(sentence)}" for sentence in sentences)


def without_html(text: str) -> str:
    """Write Markdown in which names of folders and classes are no HTML."""
    # A sign with a blank behind it, as in `p < 0.05`, begins no tag.
    return re.sub(r"<(?=\S)", r"\\<", text)


def say_absent(reasons: dict[str, str]) -> str:
    """Say which datasets are absent and why, as `plan.open_datasets` gives it."""
    return bullets(list(reasons.values())) or "All datasets are there."


def say_cells(table: pd.DataFrame) -> str:
    """Count the results and name what is wrong with any, and what is absent."""
    present = table[table["status"] != "absent"]
    if present.empty:
        # Whether it is its dataset or its encoder that a cell lacks, only its reason tells.
        reasons = table["reason"].drop_duplicates()
        return f"**No results**: all {len(table)} cells are absent.\n\n{bullets(list(reasons))}"
    bad = unscored(present)
    counted = [*CELL, "seed"] if present["seed"].nunique() > 1 else CELL
    counts = " × ".join(f"{present[kind].nunique()} {kind}s" for kind in counted)
    sentence = f"{len(present)} results: {counts}."
    for kind in ("dataset", "encoder"):
        names = table[f"{kind}_name"].drop_duplicates()
        lacking = names[~names.isin(present[f"{kind}_name"])]
        if len(lacking):
            listed = ", ".join(lacking)
            sentence += f" {len(lacking)} of {len(names)} {kind}s are absent: {listed}."
    if bad.empty:
        return without_html(sentence) + " Every clusterer converged."
    kinds = bad.groupby(["clusterer", "status"]).size()
    parts = [f"{n} of {name} ({what.replace('_', ' ')})" for (name, what), n in kinds.items()]
    return f"{without_html(sentence)} Not as they should be: {', '.join(parts)}."


def say_points(rows: pd.DataFrame) -> str:
    """List encoders with their mean difference and its standard error."""
    parts = [
        f"{row['encoder_name']} by {row['mean']:.1f}{spread(row['se'])}"
        for _, row in rows.iterrows()
    ]
    return "; ".join(parts) + " points." if parts else "none."


def spread(standard_error: float) -> str:
    """Write a standard error, nothing where there is none."""
    return "" if pd.isna(standard_error) else f" ± {standard_error:.1f}"


def say_few_datasets(differences: pd.DataFrame, table: pd.DataFrame) -> str:
    """Say what groups lack, and how small a p their datasets allow.

    Parameters
    ----------
    differences
        As `encoders.average_by_group` gives it.
    table
        Results, absent and failed ones among them.
    """
    counts = differences.groupby("group", sort=False)["n"].max()
    sentences = [
        f"**{group}**: nothing to compare; {_why_empty(rows)}."
        for group, rows in table.groupby("group", sort=False)
        if group not in counts
    ]
    alone = ", ".join(counts.index[counts == 1])
    if alone:
        sentences.append(
            f"One dataset alone tells nothing about others: no standard error, interval or p for "
            f"{alone}."
        )
    several = counts[counts > 1]
    if len(several):
        listed = ", ".join(f"{2 / 2**n:.3g} for {group} ({n})" for group, n in several.items())
        reach = int((2 / 2**several <= 0.05).sum())
        sentences.append(
            f"With n datasets no p of sign flips is below 2/2ⁿ: {listed}. So {reach} of "
            f"{len(several)} groups could show a difference at the 5 % level at all."
        )
    return bullets(sentences)


def _why_empty(rows: pd.DataFrame) -> str:
    names = rows["dataset_name"].unique()
    scored = rows.loc[rows["ami"].notna(), "dataset"].nunique()
    if scored:
        return f"{scored} of its {len(names)} datasets have results, but not of two to compare"
    # Clusters without an AMI have classes that none is defined for.
    status = rows["status"].replace("ok", "of undefined AMI")
    kinds = ", ".join(
        f"{count} {what.replace('_', ' ')}"
        for what, count in rows.groupby(status, sort=False)["dataset"].nunique().items()
    )
    return f"none of its {len(names)} datasets has a result ({kinds})"


def say_seeds(table: pd.DataFrame, spread: pd.DataFrame) -> str:
    """Say how many seeds were run, and how much AMI changes with the seed alone.

    Parameters
    ----------
    table
        Results.
    spread
        As `spread_over_seeds` gives it.
    """
    ran = sorted(int(seed) for seed in table.loc[table["ami"].notna(), "seed"].unique())
    if len(ran) == 1:
        return (
            f"**One seed** ({ran[0]}) was run: how much the numbers change with the seed is not "
            "known from this profile."
        )
    if not ran:
        return "**Seeds**: no cell has a result of any."
    if spread.empty:
        return "**Seeds**: no cell has results of two seeds."
    mean = (spread["mean"] * spread["cells"]).sum() / spread["cells"].sum()
    most = spread["mean"].idxmax()
    return (
        f"**{len(ran)} seeds** ({', '.join(map(str, ran))}) were run, and all numbers are means "
        f"over them. Within a cell AMI has a standard deviation of {mean:.1f} points over seeds on "
        f"average, most with {most} ({spread.loc[most, 'mean']:.1f}); the largest of all is "
        f"{spread['largest'].max():.1f}."
    )


def say_intervals(rows: pd.DataFrame) -> str:
    """Say how many differences have an interval that lies on one side of zero."""
    known = rows["low"].notna().sum()
    if not known:
        return " There is no interval: one dataset, or the same difference on each, has no spread."
    above, below = int((rows["low"] > 0).sum()), int((rows["high"] < 0).sum())
    return f" The 95 % interval lies above zero for {above} and below for {below} of {known}."
