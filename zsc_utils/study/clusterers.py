"""Clusterers against each other: agreement, number of clusters, what is left out, time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations, cycle, groupby

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from zsc_utils.clustering import CLUSTERERS
from zsc_utils.metrics import partition_agreement
from zsc_utils.study.base import bullets, with_score
from zsc_utils.study.figures import MARKERS, group_colors, legend_outside, nothing, panels
from zsc_utils.study.silhouettes import sure_spearman
from zsc_utils.study.stats import mean_interval, resampled_clusters
from zsc_utils.study.tables import number_texts
from zsc_utils.sweep.clusterings import Clustering

PAIR = ("first", "first_name", "second", "second_name")


def pair_agreement(clusterings: Iterable[Clustering]) -> pd.DataFrame:
    """Compare the clusters that two clusterers make of the same embedding, by AMI.

    Parameters
    ----------
    clusterings
        As `clusterings.read_clusterings` gives them: those of one embedding in a row.

    Returns
    -------
    DataFrame
        One row for each embedding, seed and pair of clusterers: dataset, encoder, seed, first,
        first_name, second, second_name, `agreement` in percent, NaN where neither parts anything.
        What is left out counts as one more cluster, as in AMI with the classes.
    """
    names = CLUSTERERS.facts()
    rows = []
    for (dataset, encoder), same in groupby(
        clusterings, key=lambda one: (one.cell.dataset, one.cell.encoder)
    ):
        for one, other in combinations(same, 2):
            seed, first, second = one.cell.seed, one.cell.clusterer, other.cell.clusterer
            if seed == other.cell.seed:
                pair = (first, names[first].display, second, names[second].display)
                agreement = 100 * partition_agreement(one.clusters, other.clusters)
                rows.append((dataset, encoder, seed, *pair, agreement))
    return pd.DataFrame(rows, columns=["dataset", "encoder", "seed", *PAIR, "agreement"])


def mean_agreement(agreement: pd.DataFrame) -> pd.DataFrame:
    """Average `clusterer_agreement` over encoders and seeds, then over datasets.

    Returns
    -------
    DataFrame
        One row for each pair of clusterers: `mean` in percent, `low` and `high` (95 %
        interval over datasets), `n` datasets.
    """
    rows = []
    for pair, part in agreement.groupby(list(PAIR), sort=False):
        by_dataset = part.groupby("dataset")["agreement"].mean().dropna()
        rows.append((*pair, by_dataset.mean(), *mean_interval(by_dataset), len(by_dataset)))
    return pd.DataFrame(rows, columns=[*PAIR, "mean", "low", "high", "n"])


def clusterer_correlation(
    table: pd.DataFrame, *, resamples: int = 500, seed: int = 0
) -> pd.DataFrame:
    """Correlate the AMI of two clusterers over datasets × encoders.

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
        One row for each pair of clusterers: Spearman's `rho`, `low` and `high` (95 % percentile
        bootstrap over datasets, whose points hang together); `rho_within`: the same after the mean
        of its dataset was taken off each point, so that datasets' being hard or easy for both does
        not count, with `low_within` and `high_within`; `n` points. NaN where there are fewer than
        three points.
    """
    scored = with_score(table)
    wide = scored.pivot(index=["dataset", "encoder"], columns="clusterer", values="ami")
    # In the order of the table, with or without results: a pair stands the same way round always.
    names = dict(zip(table["clusterer"], table["clusterer_name"], strict=True))
    names = {name: display for name, display in names.items() if name in wide}
    rng = np.random.default_rng(seed)
    rows = []
    for first, second in combinations(names, 2):
        both = wide[[first, second]].dropna()
        dataset = both.index.get_level_values("dataset").to_series()
        # Rounded: what ties but for the last bits has one rank.
        within = (both - both.groupby(level="dataset").transform("mean")).round(12)
        # (first or second, as it is or within datasets, points)
        values = np.stack([both.to_numpy().T, within.to_numpy().T], axis=1)
        rho = sure_spearman(*values, resampled_clusters(dataset, resamples, rng))
        rows.append((first, names[first], second, names[second], *rho.ravel(), len(both)))
    columns = ["rho", "low", "high", "rho_within", "low_within", "high_within", "n"]
    return pd.DataFrame(rows, columns=[*PAIR, *columns])


def written_pairs(agreement: pd.DataFrame, correlation: pd.DataFrame) -> pd.DataFrame:
    """Write how two clusterers agree as text, each number with its interval: a row for each pair.

    Parameters
    ----------
    agreement
        As `mean_agreement` gives it.
    correlation
        As `clusterer_correlation` gives it; a pair that it lacks has no ρ.
    """
    names = ["first_name", "second_name"]
    rho = correlation.set_index(names).reindex(pd.MultiIndex.from_frame(agreement[names]))
    clusters = agreement.set_index(names)
    columns = {
        "agreement": number_texts(clusters["mean"], None, clusters["low"], clusters["high"]),
        "ρ of AMI": number_texts(rho["rho"], None, rho["low"], rho["high"], 2),
        "ρ within datasets": number_texts(
            rho["rho_within"], None, rho["low_within"], rho["high_within"], 2
        ),
    }
    return pd.DataFrame(columns)


def square(pairs: pd.DataFrame, column: str, diagonal: float, names: list[str]) -> pd.DataFrame:
    """Lay pairs of clusterers out as a symmetric matrix, in the order of `names`."""
    half = pairs.pivot(index="first_name", columns="second_name", values=column)
    half = half.reindex(index=names, columns=names).rename_axis(index=None, columns=None)
    return half.fillna(half.T).astype(float).mask(np.eye(len(names), dtype=bool), diagonal)


def clusters_found(table: pd.DataFrame) -> pd.DataFrame:
    """Compare the number of clusters with the number of classes, where it was not told.

    Returns
    -------
    DataFrame
        The results of such clusterers, with `factor` = n_clusters / n_classes: above 1 for too
        many. What is left out is no cluster.
    """
    numbers = ["n_clusters", "n_classes"]
    untold = [name for name, facts in CLUSTERERS.facts().items() if not facts.told_n_classes]
    rows = table[table["clusterer"].isin(untold)]
    rows = rows.reindex(columns=rows.columns.union(numbers, sort=False)).dropna(subset=numbers)
    return rows.assign(factor=rows["n_clusters"] / rows["n_classes"])


def cluster_factors(found: pd.DataFrame) -> pd.DataFrame:
    """Sum `clusters_found` up for each clusterer.

    Returns
    -------
    DataFrame
        A row for each clusterer: `factor`, the geometric mean of clusters / classes, over encoders
        and then over datasets; `low` and `high` (95 % interval over datasets); `too
        few`, `too many`: percent of the results below and above the truth; `within 2`: percent
        between half and twice of it; `none`: how many results have no cluster at all (they count
        as too few, and not in the mean); `n` results.
    """
    rows = []
    for name, part in found.groupby("clusterer_name", sort=False):
        factors = part["factor"]
        logs = np.log(factors[factors > 0]).groupby(part["dataset"]).mean()
        mean = np.exp([logs.mean(), *mean_interval(logs)])
        kinds = [factors < 1, factors > 1, factors.between(0.5, 2)]
        percents = [100 * kind.mean() for kind in kinds]
        rows.append((name, *mean, *percents, (factors == 0).sum(), len(part)))
    columns = ["clusterer_name", "factor", "low", "high", "too few", "too many", "within 2"]
    return pd.DataFrame(rows, columns=[*columns, "none", "n"])


def left_out(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the results of clusterers that leave samples out, with both AMIs in percent.

    Returns
    -------
    DataFrame
        Facts of the result; `left_out`: percent of the samples; `ami`, with them as one more
        cluster; `ami_clustered`, over the others alone. A clusterer counts if any result of it
        leaves anything out.
    """
    columns = ["fraction_clustered", "ami_clustered"]
    rows = table[table["ami"].notna()]
    rows = rows.reindex(columns=rows.columns.union(columns, sort=False))
    leaves = rows["fraction_clustered"].lt(1).groupby(rows["clusterer"]).transform("any")
    rows = rows[leaves.astype(bool)]
    facts = ["group", "dataset", "dataset_name", "encoder", "encoder_name", "clusterer_name"]
    return rows[[*facts, "seed"]].assign(
        left_out=100 * (1 - rows["fraction_clustered"]),
        ami=100 * rows["ami"],
        ami_clustered=100 * rows["ami_clustered"].astype(float),
    )


def left_out_by_dataset(rows: pd.DataFrame, unevenness: pd.DataFrame) -> pd.DataFrame:
    """Average `left_out` and `noise_unevenness` over encoders: a row for each dataset."""
    by_dataset = rows.groupby(["group", "dataset_name"], sort=False)
    means = by_dataset[["left_out", "ami", "ami_clustered"]].mean().reset_index()
    by_name = unevenness.groupby("dataset_name")
    most = by_name["most"].agg(lambda names: names.mode().iloc[0])
    return means.join(by_name["unevenness"].mean(), on="dataset_name").join(most, on="dataset_name")


def noise_unevenness(clusterings: Iterable[Clustering]) -> pd.DataFrame:
    """Tell whether what is left out comes from some classes rather than from others.

    Parameters
    ----------
    clusterings
        As `clusterings.read_clusterings` gives them; those without noise are passed over.

    Returns
    -------
    DataFrame
        One row for each clustering: dataset, dataset_name, encoder, clusterer; `unevenness`, χ² of
        class × left out over its degrees of freedom, which is 1 on average where classes do not
        matter; `p` of the χ² test; `most` and `least`: the class most and least left out, with
        percent `most_left_out` and `least_left_out`.
    """
    rows = []
    for one in clusterings:
        scored = unevenness_of(one.classes, one.clusters)
        if scored:
            place = (one.cell.dataset, one.job.dataset.facts.display, one.cell.encoder)
            rows.append((*place, one.cell.clusterer, *scored))
    columns = ["dataset", "dataset_name", "encoder", "clusterer", "unevenness", "p"]
    columns += ["most", "most_left_out", "least", "least_left_out"]
    return pd.DataFrame(rows, columns=columns)


def unevenness_of(classes: pd.Series, clusters: np.ndarray) -> tuple | None:
    """Test one clustering; None where nothing or everything was left out, or there is one class."""
    from scipy.stats import chi2_contingency

    known = classes.notna().to_numpy()
    noise = pd.Series(clusters[known] < 0, name="left out")
    counts = pd.crosstab(classes[known].to_numpy(), noise.to_numpy())
    if min(counts.shape) < 2:
        return None
    found = chi2_contingency(counts, correction=False)
    share = 100 * counts[True] / counts.sum(axis=1)
    most, least = share.idxmax(), share.idxmin()
    return found.statistic / found.dof, found.pvalue, most, share[most], least, share[least]


def clusterer_times(table: pd.DataFrame) -> pd.DataFrame:
    """Seconds of each clusterer alone, without reduction: median, longest, sum over the cells."""
    if "seconds" not in table:
        return pd.DataFrame(columns=["median", "longest", "sum", "n"])
    grouped = table[table["seconds"].notna()].groupby("clusterer_name", sort=False)["seconds"]
    return grouped.agg(median="median", longest="max", sum="sum", n="size")


def plot_clusterer_matrices(matrices: dict[str, pd.DataFrame]) -> Figure:
    """Draw square tables of clusterers side by side, one beside the other.

    Parameters
    ----------
    matrices
        By what they show: as `square` gives them.
    """
    size = len(next(iter(matrices.values())))
    if size < 2:
        return nothing("there are no two clusterers to compare")
    width = 1 + (0.5 + 0.42 * size) * len(matrices)
    figure, all_axes = panels(1, len(matrices), (width, 1.5 + 0.4 * size))
    for axes, (title, matrix) in zip(all_axes[0], matrices.items(), strict=True):
        percent = matrix.abs().max().max() > 1
        sns.heatmap(
            matrix,
            ax=axes,
            annot=True,
            fmt=".0f" if percent else ".2f",
            cmap="mako",
            vmin=0,
            vmax=100 if percent else 1,
            cbar=False,
            square=True,
            # Rows are the same in all: named once.
            yticklabels=axes is all_axes[0, 0],
            annot_kws={"fontsize": 7},
        )
        axes.set_title(title, fontsize=8)
        axes.tick_params(length=0)
        axes.set_xticklabels(axes.get_xticklabels(), rotation=45, ha="right")
        axes.set_yticklabels(axes.get_yticklabels(), rotation=0)
    return figure


def plot_clusters_found(found: pd.DataFrame) -> Figure:
    """Draw clusters found against classes, both logarithmic: a panel for each clusterer.

    Parameters
    ----------
    found
        As `clusters_found` gives it; a dot is one dataset and encoder, its colour the
        group. On the grey line both are equal, on the dotted ones one is twice the other. Results
        without any cluster have no place on a logarithmic axis and are left out.
    """
    found = found[found["n_clusters"] > 0]
    if found.empty:
        return nothing("every clusterer was told the number of classes")
    clusterers = list(dict.fromkeys(found["clusterer_name"]))
    colors = group_colors(found["group"])
    size = (1.2 + 2.1 * len(clusterers), 2.7)
    figure, all_axes = panels(1, len(clusterers), size, sharex=True, sharey=True)
    low = 0.8 * min(found["n_classes"].min(), found["n_clusters"].min())
    high = 1.25 * max(found["n_classes"].max(), found["n_clusters"].max())
    for axes, panel in zip(all_axes[0], clusterers, strict=True):
        for factor, look in ((1, "-"), (2, ":"), (0.5, ":")):
            axes.plot([low, high], [factor * low, factor * high], look, color="0.6", linewidth=0.8)
        here = found[found["clusterer_name"] == panel]
        for (group, color), marker in zip(colors.items(), cycle(MARKERS), strict=False):
            axes.scatter(
                "n_classes",
                "n_clusters",
                data=here[here["group"] == group],
                s=9,
                color=[color],
                marker=marker,
                alpha=0.7,
                linewidth=0,
                label=group,
            )
        axes.set(xscale="log", yscale="log", ylim=(low, high))
        axes.set_xlim(0.8 * found["n_classes"].min(), 1.25 * found["n_classes"].max())
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(NullLocator())
        axes.set_title(panel)
        axes.set_xlabel("classes")
    all_axes[0, 0].set_ylabel("clusters found")
    legend_outside(figure, *all_axes.flat)
    sns.despine(figure)
    return figure


def plot_left_out(rows: pd.DataFrame) -> Figure:
    """Draw AMI over the clustered samples alone against AMI over all; colours: what is left out.

    Parameters
    ----------
    rows
        As `left_out` gives it: a dot is one dataset, encoder and clusterer.
    """
    rows = rows[rows["ami_clustered"].notna()]
    if rows.empty:
        return nothing("no clusterer left anything out")
    figure, axes = plt.subplots(figsize=(4.4, 3.4), layout="constrained")
    look = {"s": 10, "cmap": "flare", "vmin": 0}
    dots = axes.scatter("ami", "ami_clustered", c="left_out", data=rows, **look)
    both = rows[["ami", "ami_clustered"]].to_numpy()
    ends = [both.min(), both.max()]
    axes.plot(ends, ends, color="0.6", linewidth=0.8, zorder=0)
    axes.set_xlabel("AMI (%), left out as one more cluster")
    axes.set_ylabel("AMI (%), clustered samples alone")
    figure.colorbar(dots, label="left out (% of the samples)")
    sns.despine(figure)
    return figure


def say_clusterers(
    agreement: pd.DataFrame,
    correlation: pd.DataFrame,
    factors: pd.DataFrame,
    out: pd.DataFrame,
    unevenness: pd.DataFrame,
) -> str:
    """Say which clusterers agree, how many clusters they find, and what they leave out.

    Parameters
    ----------
    agreement
        As `mean_agreement` gives it.
    correlation
        As `clusterer_correlation` gives it.
    factors
        As `cluster_factors` gives it.
    out
        As `left_out` gives it.
    unevenness
        As `noise_unevenness` gives it.
    """
    return bullets(
        [
            *say_agreement(agreement, correlation),
            *(say_count(row) for _, row in factors.iterrows()),
            *say_left_out(out, unevenness),
        ]
    )


def say_agreement(agreement: pd.DataFrame, correlation: pd.DataFrame) -> list[str]:
    """Say which pairs of clusterers agree most and least, and whether their AMIs go together."""
    agreement = agreement.dropna(subset="mean")
    if agreement.empty:
        return ["**Agreement** is undecided: no embedding has clusters of two clusterers."]
    sentences = []
    for which, how in (("most", "idxmax"), ("least", "idxmin")):
        row = agreement.loc[agreement["mean"].agg(how)]
        within = "" if pd.isna(row["low"]) else f" [{row['low']:.1f}, {row['high']:.1f}]"
        sentences.append(
            f"Clusters agree {which} between **{row['first_name']}** and **{row['second_name']}**: "
            f"AMI {row['mean']:.1f} %{within}, mean over {row['n']} datasets."
        )
    known = correlation.dropna(subset=["rho", "rho_within"])
    if len(known):
        sentences.append(
            "**AMI with the classes**, clusterer against clusterer: ρ from "
            f"{known['rho'].min():.2f} to {known['rho'].max():.2f} over datasets × encoders "
            f"(median {known['rho'].median():.2f}); within datasets, from "
            f"{known['rho_within'].min():.2f} to {known['rho_within'].max():.2f} (median "
            f"{known['rho_within'].median():.2f}; the 95 % interval lies above zero for "
            f"{(known['low_within'] > 0).sum()} of {len(known)} pairs)."
        )
    return sentences


def say_count(row: pd.Series) -> str:
    """Say how many clusters one clusterer finds that is not told."""
    text = f"**{row['clusterer_name']}**, not told the number of classes, finds "
    if pd.isna(row["factor"]):
        return f"{text}no cluster at all in any of {row['n']} results."
    interval = "" if pd.isna(row["low"]) else f" [{row['low']:.2f}, {row['high']:.2f}]"
    none = f" {row['none']} have no cluster at all." if row["none"] else ""
    return (
        f"{text}{row['factor']:.2f}{interval} times as many clusters as there are classes "
        f"(geometric mean); too few in {row['too few']:.0f} % and too many in "
        f"{row['too many']:.0f} % of {row['n']} results, between half and twice in "
        f"{row['within 2']:.0f} %.{none}"
    )


def say_left_out(out: pd.DataFrame, unevenness: pd.DataFrame) -> list[str]:
    """Say how much is left out, what that does to AMI, and whether classes matter."""
    if out.empty:
        return ["**Left out**: nothing by any clusterer that has a result."]
    sentences = []
    for name, rows in out.groupby("clusterer_name", sort=False):
        known = rows[rows["ami_clustered"].notna()]
        text = f"**{name}** leaves out {rows['left_out'].mean():.1f} % of the samples on average"
        if len(known):
            text += (
                f"; where it clusters anything, AMI is {known['ami'].mean():.1f} % with them as "
                f"one more cluster and {known['ami_clustered'].mean():.1f} % over the others alone"
            )
        sentences.append(f"{text}.")
    if len(unevenness):
        sentences.append(
            "**Class** against left out: χ² over its degrees of freedom, 1 on average if classes "
            f"do not matter, is {unevenness['unevenness'].median():.1f} (median over clusterings "
            "with anything left out), and p < 0.05, which chance gives in 5 %, in "
            f"{100 * (unevenness['p'] < 0.05).mean():.0f} % of {len(unevenness)}."
        )
    return sentences
