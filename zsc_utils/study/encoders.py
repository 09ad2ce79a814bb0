"""How well each encoder's clusters agree with the classes: figure 1 of the study."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.study.base import (
    NO_RESULT,
    bullets,
    datasets_of_group,
    is_best,
    mean_by,
    on_shared_clusterers,
    pivoted,
    say_intervals,
    say_points,
    with_asked,
    with_score,
)
from zsc_utils.study.figures import (
    ami_cells,
    as_text,
    dodged,
    encoder_look,
    group_names,
    legend_beside,
    nothing,
    reference_panels,
)
from zsc_utils.study.stats import mean_interval, sure_mean_by
from zsc_utils.study.tables import interval_texts, number_texts


def ami_by_encoder(table: pd.DataFrame) -> pd.DataFrame:
    """Average AMI over clusterers, for each dataset and encoder.

    Only clusterers count that have a result for every encoder on the dataset.

    Returns
    -------
    DataFrame
        Columns dataset, encoder (and their facts), `mean` and `se` in percent, `n` results. The
        standard error shows how much the clusterers differ; they are no random sample.
    """
    rows = on_shared_clusterers(with_score(table)).assign(ami=lambda t: 100 * t["ami"])
    keys = ["group", "dataset", "dataset_name", "encoder", "encoder_name"]
    return mean_by(rows, keys, "ami")


def ami_matrix(table: pd.DataFrame) -> pd.DataFrame:
    """AMI in percent, mean over clusterers: a row for each dataset, a column for each encoder."""
    means = ami_by_encoder(table)
    return pivoted(means, ["group", "dataset_name"], "encoder_name", "mean")


def ami_matrices(table: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """Give an `ami_matrix` for each clusterer alone, by its name and its name to print."""
    scored = table[table["ami"].notna()]
    by = scored.groupby(["clusterer", "clusterer_name"], sort=False)
    return {names: ami_matrix(rows) for names, rows in by}


def ami_by_group(table: pd.DataFrame) -> pd.DataFrame:
    """AMI of each encoder in each group: the mean over clusterers, then over datasets.

    Returns
    -------
    DataFrame
        Columns group, encoder, encoder_name, `mean` and `se` over datasets in percent (`se` NaN
        where a group has one dataset), `n` datasets, `asked`: how many the profile names.
    """
    means = mean_by(ami_by_encoder(table), ["group", "encoder", "encoder_name"], "mean")
    return with_asked(means, table)


def written_by_group(by_group: pd.DataFrame) -> pd.DataFrame:
    """Write `ami_by_group` as text, mean ± SE: a row for each encoder, a column for each group."""
    texts = number_texts(by_group["mean"], by_group["se"])
    groups = by_group["group"]
    columns = groups + " (" + groups.map(datasets_of_group(by_group)) + ")"
    cells = by_group.assign(text=texts, column=columns)
    return pivoted(cells, "encoder_name", "column", "text").rename_axis(columns=None)


def best_by_group(by_group: pd.DataFrame) -> pd.DataFrame:
    """Mark what is best of each column of `written_by_group`."""
    written = written_by_group(by_group)
    marks = is_best(pivoted(by_group, "encoder_name", "group", "mean"), axis=0)
    return marks.set_axis(written.columns, axis=1)


def ami_by_clusterer(table: pd.DataFrame) -> pd.DataFrame:
    """AMI in percent, mean over datasets: a row for each encoder, a column for each clusterer."""
    means = with_score(table).pivot_table(
        index="encoder_name", columns="clusterer_name", values="ami", sort=False
    )
    return 100 * means


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
        A row for each encoder, best first: `mean rank` over the datasets, its standard error `se`
        and 95 % interval `low` to `high`, and `best on` how many of the datasets (ties
        count for each).
    """
    ranks = ami_matrix(table).rank(axis=1, ascending=False, method="min")
    sure = [mean_interval(ranks[name].dropna()) for name in ranks]
    low, high = np.array(sure, float).reshape(-1, 2).T
    columns = {"mean rank": ranks.mean(), "se": ranks.sem(), "low": low, "high": high}
    found = pd.DataFrame(columns | {"best on": (ranks == 1).sum()})
    return found.sort_values("mean rank", kind="stable")


def paired_differences(table: pd.DataFrame, other: pd.Series | str) -> pd.DataFrame:
    """AMI of each encoder minus AMI of another, clusterer by clusterer, then averaged.

    Parameters
    ----------
    table
        Results.
    other
        The encoder to compare with, or one for each row of the table; missing where there is none.

    Returns
    -------
    DataFrame
        One row for each dataset and encoder: their facts, `reference` (the other encoder) and
        `difference` in percentage points. Only clusterers that have a result for both count.
    """
    keys = ["dataset", "clusterer"]
    scored = with_score(table.assign(reference=other))
    rows = scored[scored["reference"].notna() & (scored["reference"] != scored["encoder"])]
    base = scored[[*keys, "encoder", "ami"]]
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
        points (`se` NaN where a group has one dataset), `n` datasets, `low` and `high` (95 %
        over the datasets), `p` (sign flips of the datasets' differences), `asked`: how
        many datasets the profile names.
    """
    keys = ["group", "encoder", "encoder_name", "reference"]
    return with_asked(sure_mean_by(differences, keys, "difference"), table)


def references(reference: str | dict[str, str] | None) -> list[str]:
    """List the encoders that a profile compares with."""
    if isinstance(reference, dict):
        return list(dict.fromkeys(reference.values()))
    return [reference] if reference else []


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
    other = reference if isinstance(reference, str) else table["backbone"].map(reference)
    return average_by_group(paired_differences(table, other), table)


def group_by_group(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by their group; groups, and rows within each, stand in the order they came in."""
    return rows.sort_values("group", key=lambda names: pd.factorize(names)[0], kind="stable")


def written_differences(differences: pd.DataFrame) -> pd.DataFrame:
    """Write differences by group for a table.

    Parameters
    ----------
    differences
        As `average_by_group` gives it.

    Returns
    -------
    DataFrame
        A row for each group and encoder, group by group: `difference` (mean ± SE) and its `95 %
        interval`, both texts in points, `p`, and `datasets`. What one dataset cannot tell is
        missing.
    """
    rows = group_by_group(differences)
    columns = {
        "group": rows["group"],
        "encoder": rows["encoder_name"],
        "difference": number_texts(rows["mean"], rows["se"]),
        "95 % interval": interval_texts(rows["low"], rows["high"]),
        "p": rows["p"],
        "datasets": rows["n"],
    }
    return pd.DataFrame(columns).set_index(["group", "encoder"])


def plot_ami_heatmap(matrix: pd.DataFrame) -> Figure:
    """Draw AMI of each dataset (row) and encoder (column); the best of a row is bold.

    Parameters
    ----------
    matrix
        As `ami_matrix` gives it: rows of one group stand together.
    """
    if matrix.empty:
        return nothing("no cell has an AMI")
    n_rows, n_columns = matrix.shape
    size = (2.6 + 0.38 * n_columns, max(3.6, 1.6 + 0.26 * n_rows))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    plain = matrix.reset_index(level="group", drop=True).rename(index=as_text)
    ami_cells(axes, plain, shrink=0.7)
    axes.set_yticklabels(plain.index, rotation=0)
    groups = matrix.index.get_level_values("group")
    for group in groups.unique():
        places = np.flatnonzero(groups == group)
        if places[0] > 0:
            axes.axhline(places[0], color="white", linewidth=3)
        beside = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points"}
        look = {"va": "center", "fontsize": 7, "fontweight": "bold"}
        axes.annotate(group, (1, places.mean() + 0.5), xytext=(8, 0), **beside, **look)
    return figure


def plot_difference_by_group(differences: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw differences in AMI, mean over the datasets of a group ± 1 SE, and 95 % intervals.

    Parameters
    ----------
    differences
        As `group_differences` gives it: a panel for each reference. A group of one dataset
        has no error bar. Thin lines are the intervals from `low` to `high`.
    styles
        As `encoder_styles` gives it.
    """
    if differences.empty:
        return nothing("no encoder but the reference has results")
    names = group_names(differences)
    figure, parts = reference_panels(differences, styles, names)
    for axes, rows in parts:
        dodged(rows, names, styles, axes)
        legend_beside(axes)
    sns.despine(figure)
    return figure


def plot_rank_intervals(ranks: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw the mean rank of each encoder ± 1 SE over the datasets, and its 95 % interval.

    Parameters
    ----------
    ranks
        As `mean_ranks` gives it.
    styles
        As `encoder_styles` gives it.
    """
    if ranks.empty:
        return nothing("no cell has an AMI: there is nothing to rank")
    by_name = {style["label"]: style for style in styles.values()}
    size = (4.5, 0.8 + 0.2 * len(ranks))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    for y, (name, row) in enumerate(ranks.iterrows()):
        look = encoder_look(by_name[name])
        axes.hlines(y, row["low"], row["high"], color=look["color"], linewidth=0.6)
        se = np.nan_to_num(row["se"])
        axes.errorbar(row["mean rank"], y, xerr=se, markersize=4.5, elinewidth=2, **look)
    axes.set_yticks(range(len(ranks)), ranks.index)
    axes.invert_yaxis()
    axes.set_xlabel("mean rank of AMI, 1 is best")
    sns.despine(figure)
    return figure


def say_encoders(means: pd.DataFrame, ranks: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Say which encoders are best, and how the groups compare with the reference.

    Parameters
    ----------
    means
        As `ami_by_group` gives it.
    ranks
        As `mean_ranks` gives it.
    differences
        As `group_differences` gives it.
    """
    if ranks.empty:
        return NO_RESULT
    first = ranks.index[0]
    sentences = [
        f"Over all datasets **{first}** ranks best: {ranks['mean rank'].iloc[0]:.1f} on average "
        f"among {len(ranks)} encoders, highest AMI on {ranks['best on'].iloc[0]} datasets."
        + _not_told_apart(ranks)
    ]
    count = datasets_of_group(means)
    for group, rows in means.groupby("group", sort=False):
        ranked = rows.set_index("encoder_name")["mean"].sort_values(ascending=False)
        best = "; ".join(f"{name} {mean:.1f} %" for name, mean in ranked.head(3).items())
        sentences.append(f"**{group}** ({count[group]}): highest mean AMI: {best}.")
    display = means.drop_duplicates("encoder").set_index("encoder")["encoder_name"]
    for (group, reference), rows in differences.groupby(["group", "reference"], sort=False):
        sentences.append(
            f"**{group}** ({count[group]}): above {display[reference]} "
            f"on average: {say_points(rows[rows['mean'] > 0])}{say_intervals(rows)}"
        )
    return bullets(sentences)


def _not_told_apart(ranks: pd.DataFrame) -> str:
    """Say how many encoders' intervals of the mean rank reach that of the first."""
    if len(ranks) < 2:
        return " There is no other encoder to compare it with."
    if ranks["high"].isna().iloc[0]:
        return " It has one rank on every dataset there is: how sure the order is cannot be told."
    reach = int((ranks["low"].iloc[1:] <= ranks["high"].iloc[0]).sum())
    return (
        f" Of the {len(ranks) - 1} others, {reach} have a mean rank whose 95 % interval overlaps "
        "with its own."
    )
