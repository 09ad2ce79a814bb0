"""How much of a class is its background: the variants of ImageNet-9."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from zsc_utils.metrics import adjusted_mutual_information
from zsc_utils.study.base import bullets, on_shared_clusterers, pivoted
from zsc_utils.study.figures import ami_cells, encoder_look, intervals, name_rows, nothing, panels
from zsc_utils.study.tables import number_texts
from zsc_utils.sweep.cells import Job
from zsc_utils.sweep.clusterings import read_clusterings

# Datasets that show the same subjects and differ in what stands behind them.
FAMILIES = (
    {
        "original": "in9original",
        "only foreground": "in9onlyfg",
        "no foreground": "in9nofg",
        "only background": "in9onlybg",
        "tiled background": "in9tiledbg",
        "mixed same": "in9mixedsame",
        "mixed random": "in9mixedrand",
        "mixed next": "in9mixednext",
    },
    {
        "original": "mini-in9",
        "only foreground": "mini-in9-onlyfg",
        "no foreground": "mini-in9-nofg",
        "only background": "mini-in9-onlybg",
        "mixed same": "mini-in9-mixedsame",
        "mixed random": "mini-in9-mixedrand",
    },
)
# What is compared: the first minus the second.
GAPS = {
    "background gap": ("mixed same", "mixed random"),
    "original − only foreground": ("original", "only foreground"),
    "original − only background": ("original", "only background"),
}


def background_variants(datasets: Sequence[str]) -> dict[str, str]:
    """Return all variants of the family that a profile has any of, by kind; empty where none."""
    for family in FAMILIES:
        if set(family.values()) & set(datasets):
            return family
    return {}


def background_scores(
    planned: list[Job],
    variants: dict[str, str],
    *,
    build: Path | None = None,
    groups: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """AMI of each variant, whole and with groups of images left out, mean over clusterers.

    Parameters
    ----------
    planned
        As `sweep.cells.plan` gives it; its cells must have been computed.
    variants
        As `background_variants` gives it.
    build
        Folder of caches and results.
    groups
        Groups into which images are dealt at random; each is left out once.
    seed
        Random state of the dealing: the same for all variants, whose images correspond.

    Returns
    -------
    DataFrame
        A row for each variant, encoder and group left out (−1: none): `variant`, encoder,
        encoder_name, `left_out`, `ami` in percent, mean over seeds and over the clusterers that
        have a result for every variant and encoder.
    """
    kinds = {dataset: kind for kind, dataset in variants.items()}
    rows = []
    chosen = [job for job in planned if job.dataset.facts.name in kinds]
    for one in read_clusterings(chosen, build):
        dealt = np.random.default_rng(seed).permutation(len(one.clusters)) % groups
        place = (kinds[one.cell.dataset], one.cell.encoder, one.job.encoder.display)
        for left_out in range(-1, groups):
            kept = dealt != left_out
            ami = adjusted_mutual_information(one.classes[kept], one.clusters[kept])
            rows.append((*place, left_out, one.cell.clusterer, 100 * ami))
    columns = ["variant", "encoder", "encoder_name", "left_out"]
    scores = pd.DataFrame(rows, columns=[*columns, "clusterer", "ami"])
    scores = on_shared_clusterers(scores, within="encoder", compared="variant")
    scores = on_shared_clusterers(scores, within="variant", compared="encoder")
    return scores.groupby(columns, sort=False)["ami"].mean().reset_index()


def jackknife(values: pd.DataFrame) -> pd.DataFrame:
    """Estimate and standard error from values with groups of images left out.

    Parameters
    ----------
    values
        A row for each case, a column for each group left out, −1 for none.

    Returns
    -------
    DataFrame
        `value` (none left out), `se` (delete-a-group jackknife), `low` and `high` (95 %, Student's
        t) for each case. Groups without which a value is undefined do not count.
    """
    from scipy.stats import t

    parts = values.drop(columns=-1)
    groups = parts.notna().sum(axis=1)
    se = np.sqrt((groups - 1) * parts.var(axis=1, ddof=0))
    half = t.ppf(0.975, groups - 1) * se
    value = values[-1]
    return pd.DataFrame({"value": value, "se": se, "low": value - half, "high": value + half})


def ami_by_variant(scores: pd.DataFrame) -> pd.DataFrame:
    """AMI of each encoder and variant with its uncertainty over images.

    Parameters
    ----------
    scores
        As `background_scores` gives it.

    Returns
    -------
    DataFrame
        Columns variant, encoder, encoder_name and those of `jackknife`.
    """
    return _jackknifed(scores, ["variant", "encoder", "encoder_name"])


def background_gaps(scores: pd.DataFrame) -> pd.DataFrame:
    """Differences between variants, above all mixed same − mixed random, for each encoder.

    Returns
    -------
    DataFrame
        Columns gap, encoder, encoder_name and those of `jackknife`, in points.
    """
    keys = ["encoder", "encoder_name"]
    ami = pivoted(scores, [*keys, "left_out"], "variant", "ami")
    pairs = {name: pair for name, pair in GAPS.items() if set(pair) <= set(ami)}
    gaps = pd.DataFrame({name: ami[one] - ami[other] for name, (one, other) in pairs.items()})
    rows = gaps.rename_axis(columns="gap").stack().dropna().rename("ami").reset_index()
    return _jackknifed(rows, ["gap", *keys])


def written_gaps(gaps: pd.DataFrame) -> pd.DataFrame:
    """Write `background_gaps` as text: a row for each encoder, a column for each gap."""
    texts = number_texts(gaps["value"], None, gaps["low"], gaps["high"])
    return pivoted(gaps.assign(text=texts), "encoder_name", "gap", "text")


def _jackknifed(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    if rows.empty:
        return pd.DataFrame(columns=[*keys, "value", "se", "low", "high"])
    return jackknife(pivoted(rows, keys, "left_out", "ami")).reset_index()


NO_FAMILY = "no dataset of this profile has variants\nwith other backgrounds, or none has results"


def plot_ami_by_variant(scores: pd.DataFrame, variants: list[str]) -> Figure:
    """Draw AMI by encoder (row) and variant (column).

    Parameters
    ----------
    scores
        As `ami_by_variant` gives it.
    variants
        The order of the columns; those without results are left out.
    """
    if scores.empty:
        return nothing(NO_FAMILY)
    columns = [name for name in variants if name in set(scores["variant"])]
    ami = pivoted(scores, "encoder_name", "variant", "value")[columns]
    size = (2.6 + 0.6 * len(columns), 1.4 + 0.24 * len(ami))
    figure, axes = plt.subplots(figsize=size, layout="constrained")
    ami_cells(axes, ami, bold=False)
    axes.set_xticklabels(columns, rotation=35, ha="right")
    return figure


def plot_background_gaps(gaps: pd.DataFrame, styles: dict[str, dict]) -> Figure:
    """Draw differences between variants: a panel a difference, a row an encoder.

    Parameters
    ----------
    gaps
        As `background_gaps` gives it; bars are 95 % intervals over images.
    styles
        As `encoder_styles` gives it.
    """
    if gaps.empty:
        return nothing(NO_FAMILY)
    names = list(gaps["gap"].unique())
    encoders = list(gaps["encoder"].unique())
    size = (1.6 + 1.9 * len(names), 0.9 + 0.22 * len(encoders))
    figure, all_axes = panels(1, len(names), size, sharey=True)
    for axes, name in zip(all_axes[0], names, strict=True):
        for encoder, row in gaps[gaps["gap"] == name].groupby("encoder", sort=False):
            look = encoder_look(styles[encoder])
            intervals(axes, row, "value", [encoders.index(encoder)], markersize=4.5, **look)
        name_rows(axes, [styles[name]["label"] for name in encoders])
        axes.set_title(name, fontsize=8)
        axes.set_xlabel("AMI (points)")
    sns.despine(figure)
    return figure


def say_gaps(scores: pd.DataFrame, gaps: pd.DataFrame) -> str:
    """Say how much the background tells, and which encoders lean on it.

    Parameters
    ----------
    scores
        As `ami_by_variant` gives it.
    gaps
        As `background_gaps` gives it.
    """
    if scores.empty:
        return "**Nothing**: no dataset has both a result and variants with other backgrounds."
    sentences = []
    for variant, rows in scores.groupby("variant", sort=False):
        low, high = (rows.loc[rows["value"].agg(pick)] for pick in ("idxmin", "idxmax"))
        sentences.append(
            f"**{variant}**: AMI from {low['value']:.1f} % ({low['encoder_name']}) to "
            f"{high['value']:.1f} % ({high['encoder_name']}), mean over {len(rows)} encoders "
            f"{rows['value'].mean():.1f} %."
        )
    for gap, rows in gaps.groupby("gap", sort=False):
        above, below = (rows["low"] > 0).sum(), (rows["high"] < 0).sum()
        most = rows.loc[rows["value"].idxmax()]
        sentences.append(
            f"**{gap}**: mean {rows['value'].mean():.1f} points; the interval over images lies "
            f"above zero for {above} of {len(rows)} encoders and below it for {below}; largest "
            f"for {most['encoder_name']} ({most['value']:.1f} ± {most['se']:.1f})."
        )
    return bullets(sentences)
