"""Claims C1 to C6 of the study: AMI of one kind of cells minus that of another.

The claims are those of the abstract of arXiv 2406.02465. Raw pixels and random weights are left out
as the claims are about trained encoders. Only cells count in which both sides of a comparison have
an AMI.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from zsc_utils.analysis.base import not_fine_tuned, with_score, without_baselines
from zsc_utils.analysis.ledger import Estimate, Evidence, claim
from zsc_utils.analysis.uncertainty import sign_flip_p

STUDY_DIMENSIONS = 50  # of the study's UMAP

CELL = ["dataset", "clusterer"]
ON_A_BACKBONE = [*CELL, "backbone"]
FACTS = ["dataset_name", "encoder", "encoder_name", "backbone", "method"]


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
    against = ["encoder", "encoder_name", "value"]
    right = other.assign(**{f"{name}_other": other[name] for name in against})
    right = right[[*keys, *(f"{name}_other" for name in against)]]
    pairs = one[[*dict.fromkeys([*keys, *FACTS, "value"])]].merge(right, on=keys)
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
        [*CELL, "fine_tuned_from"],
    )


C5 = claim("C5", "MAE stands out once it is fine-tuned.")
MAE_AND_OTHERS = "a fine-tuned MAE and another fine-tuned encoder"


@C5.statistic("AMI, fine-tuned MAE − others fine-tuned", side=1, needs=MAE_AND_OTHERS)
def fine_tuned_mae_minus_others(evidence: Evidence) -> Estimate:
    """AMI of fine-tuned MAE minus that of the other fine-tuned encoders."""
    cells = scored(evidence.table)
    return over_pairs(_mae_beside_others(cells[cells["fine_tuned_from"].notna()]))


@C5.statistic(
    "gain by fine-tuning, MAE − others", side=1, needs=f"{MAE_AND_OTHERS}, before and after"
)
def gain_of_mae_minus_others(evidence: Evidence) -> Estimate:
    """Gain in AMI by fine-tuning: MAE's minus that of the others.

    An encoder that stood above the others all along would not stand out *once* fine-tuned.
    """
    gains = _gains(scored(evidence.table))
    return over_pairs(_mae_beside_others(gains))


def _mae_beside_others(cells: pd.DataFrame) -> pd.DataFrame:
    """Pair MAE with the others on its backbone, or with all where it is alone on it."""
    mae = cells["method"].astype(str).str.startswith("MAE")
    pairs = paired(cells[mae], cells[~mae], ON_A_BACKBONE)
    return pairs if len(pairs) else paired(cells[mae], cells[~mae], CELL)


C6 = claim("C6", "UMAP improves clustering, over the raw embedding and over PCA.")


@C6.statistic("AMI, UMAP − no reduction", side=1, needs="a trained encoder with UMAP and without")
def umap_minus_none(evidence: Evidence) -> Estimate:
    """AMI of the same clusterer after UMAP minus without reduction."""
    return over_pairs(_umap_minus(evidence, "none"))


@C6.statistic("AMI, UMAP − PCA", side=1, needs="a trained encoder with UMAP and with PCA")
def umap_minus_pca(evidence: Evidence) -> Estimate:
    """AMI of the same clusterer after UMAP minus after PCA to as many dimensions."""
    return over_pairs(_umap_minus(evidence, "pca"))


def _umap_minus(evidence: Evidence, other: str) -> pd.DataFrame:
    """Pair UMAP with another reduction, encoder by encoder, at the study's number of dimensions.

    At their best dimensions, chosen by the AMI that is compared, the reduction that was tried at
    more dimensions would have the advantage.
    """
    facts = evidence.table[["encoder", "backbone", "method"]].drop_duplicates("encoder")
    cells = evidence.reductions.merge(facts, on="encoder")
    cells = without_baselines(cells[cells["ami"].notna()])
    keys = [*CELL, *FACTS, "reduction", "n_components"]
    cells = cells.groupby(keys, sort=False, dropna=False)["ami"].mean().reset_index()
    cells = cells.assign(value=100 * cells["ami"].astype(float))
    dimensions = _dimensions(cells)
    reduced = {
        name: cells[(cells["reduction"] == name) & (cells["n_components"] == dimensions)]
        for name in ("umap", "pca")
    }
    reduced["none"] = cells[cells["reduction"] == "none"]
    return paired(reduced["umap"], reduced[other], [*CELL, "encoder"])


def _dimensions(cells: pd.DataFrame) -> float:
    """Choose, of the dimensions that UMAP has, and PCA if it can be, that nearest the study's."""
    umap, pca = (
        set(cells.loc[cells["reduction"] == name, "n_components"]) for name in ("umap", "pca")
    )
    shared = sorted(umap & pca or umap)
    return min(shared, key=lambda d: abs(d - STUDY_DIMENSIONS), default=np.nan)
