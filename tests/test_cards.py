"""Tables made of the cards of the shipped weights."""

import json

import numpy as np
import pytest

from zsc_utils.miniature.encoders import FOLDER
from zsc_utils.study import fine_tuning

ENCODERS = ["raw_pixels", "mini_random_resnet", "mini_vicreg_resnet", "mini_vicreg_resnet_ft"]


def card(name):
    return json.loads((FOLDER / f"{name}.json").read_text())


def test_learning_curves():
    curves = fine_tuning.learning_curves(ENCODERS)
    # Raw pixels have no card, random weights no curve.
    assert set(curves["encoder"]) == {"mini_vicreg_resnet", "mini_vicreg_resnet_ft"}
    before = curves[curves["encoder"] == "mini_vicreg_resnet"]
    stored = card("mini_vicreg_resnet")["curve"]
    assert before["loss"].tolist() == [row["loss"] for row in stored]
    assert before["relative_loss"].iloc[-1] == stored[-1]["loss"] / stored[0]["loss"]
    assert before["knn"].iloc[-1] == 100 * stored[-1]["knn"]
    assert set(before["stage"]) == {"pretraining"} and set(before["backbone"]) == {"ResNet-10"}
    assert "fine-tuning" in set(curves["stage"])
    assert fine_tuning.learning_curves(["raw_pixels"]).empty


def test_one_curve_for_weights_that_are_read_twice():
    curves = fine_tuning.learning_curves(["mini_mae_cls_vit", "mini_mae_avg_vit"])
    assert set(curves["encoder"]) == {"mini_mae_cls_vit"}


def test_source_accuracy_is_that_of_the_reading():
    found = fine_tuning.source_accuracy(["mini_mae_avg_vit", "mini_mae_cls_vit"])
    found = found.set_index("encoder")
    stored = card("mini_mae_vit")
    assert found.loc["mini_mae_cls_vit", "knn"] == 100 * stored["knn_accuracy"]
    assert found.loc["mini_mae_avg_vit", "knn"] == 100 * stored["knn_accuracy_avg"]
    assert found.loc["mini_mae_avg_vit", "linear"] == 100 * stored["linear_accuracy_avg"]


def test_before_and_after():
    accuracy = fine_tuning.source_accuracy(ENCODERS)
    pairs = fine_tuning.accuracy_before_and_after(accuracy)
    assert pairs.index.tolist() == ["VICReg, ResNet-10"]
    before, after = card("mini_vicreg_resnet"), card("mini_vicreg_resnet_ft")
    wanted = [before["knn_accuracy"], after["knn_accuracy"]]
    wanted += [before["linear_accuracy"], after["linear_accuracy"]]
    assert pairs.iloc[0].tolist() == pytest.approx(np.multiply(100, wanted))
    assert fine_tuning.accuracy_before_and_after(fine_tuning.source_accuracy([])).empty


def test_live_fine_tuning_in_words():
    accuracy = fine_tuning.source_accuracy(ENCODERS)
    tuned = card("mini_vicreg_resnet_ft")
    text = fine_tuning.say_live_fine_tuning(accuracy, "mini_vicreg_resnet", tuned)
    assert "**VICReg, ResNet-10**, 6 epochs on 20000 images" in text
    assert f"to {100 * tuned['knn_accuracy']:.1f} %" in text
    assert fine_tuning.curve_table(tuned).columns.tolist() == ["epoch", "loss", "seconds", "knn"]
