"""What the cards of the miniature's weights say, as tables."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from zsc_utils.miniature.encoders import BACKBONES, read_cards


def learning_curves(encoders: Iterable[str]) -> pd.DataFrame:
    """Read the learning curves of encoders.

    Parameters
    ----------
    encoders
        Names; those without a card, or never trained, are left out. Of two readings of the same
        weights the first is kept.

    Returns
    -------
    DataFrame
        Columns encoder, backbone, stage (`pretraining` or `fine-tuning`), epoch, loss (mean over
        the epoch), `relative_loss` (to the first epoch's: losses of methods have no common scale)
        and `knn` (percent, on the source's test part; NaN for epochs where it was not measured).

    Raises
    ------
    CheckpointError
        A card or its weights are missing or damaged.
    """
    parts = {}
    for row, card in read_cards(encoders):
        if row.file in parts or not card["curve"]:
            continue
        curve = pd.DataFrame(card["curve"]).reindex(columns=["epoch", "loss", "knn"])
        parts[row.file] = curve.assign(
            encoder=row.name,
            backbone=BACKBONES[row.backbone],
            stage="fine-tuning" if row.fine_tuned_from else "pretraining",
            relative_loss=curve["loss"] / curve["loss"].iloc[0],
            knn=100 * curve["knn"],
        )
    columns = ["encoder", "backbone", "stage", "epoch", "loss", "relative_loss", "knn"]
    return pd.concat(parts.values(), ignore_index=True)[columns] if parts else pd.DataFrame()


def source_accuracy(encoders: Iterable[str]) -> pd.DataFrame:
    """Read how well encoders tell the classes of their own source domain.

    Returns
    -------
    DataFrame
        Columns encoder, encoder_name, fine_tuned_from, `knn` (k = 20) and `linear`: accuracy on the
        source's test part in percent.

    Raises
    ------
    CheckpointError
        A card or its weights are missing or damaged.
    """
    rows = []
    for row, card in read_cards(encoders):
        accuracies = {
            # A card of weights that are read in two ways names the second reading.
            measure: 100 * card.get(f"{measure}_accuracy_{row.pool}", card[f"{measure}_accuracy"])
            for measure in ("knn", "linear")
        }
        facts = {"encoder": row.name, "encoder_name": row.display}
        rows.append(facts | {"fine_tuned_from": row.fine_tuned_from} | accuracies)
    columns = ["encoder", "encoder_name", "fine_tuned_from", "knn", "linear"]
    return pd.DataFrame(rows, columns=columns)


def before_and_after(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Set each fine-tuned encoder beside what it was before.

    Parameters
    ----------
    accuracy
        As `source_accuracy` gives it.

    Returns
    -------
    DataFrame
        A row for each pair that is there: `knn before`, `knn after`, `linear before` and `linear
        after`, in percent; the index is the name of the encoder before.
    """
    pairs = accuracy.merge(
        accuracy, left_on="encoder", right_on="fine_tuned_from", suffixes=(" before", " after")
    )
    wanted = [f"{measure} {when}" for measure in ("knn", "linear") for when in ("before", "after")]
    return pairs.set_index("encoder_name before")[wanted].rename_axis("encoder")


def curve_table(card: dict) -> pd.DataFrame:
    """Write the learning curve of one card: epoch, loss, seconds and kNN accuracy (a fraction)."""
    return pd.DataFrame(card["curve"]).reindex(columns=["epoch", "loss", "seconds", "knn"])
