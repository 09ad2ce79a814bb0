"""Fine-tuning of the study's encoders: on patterns that small networks learn in seconds."""

import json
import os
import random
import subprocess
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file
from timm.layers import DropPath
from timm.models.resnet import BasicBlock, ResNet
from timm.models.vision_transformer import VisionTransformer
from torch.nn import functional as F
from typer.testing import CliRunner

from zsc_utils.cli import app
from zsc_utils.encoders import load_encoder, networks
from zsc_utils.errors import (
    CheckpointError,
    ImageFolderError,
    TrainingError,
    UnknownNameError,
    UnreadableImageError,
)
from zsc_utils.finetuning import loop, run
from zsc_utils.finetuning.images import batches, open_class_folders, seeded, train_order
from zsc_utils.finetuning.processes import Group
from zsc_utils.finetuning.settings import TuningSettings, settings_for, tunable_encoders

SIDE = 40
CLASSES = ["checks", "columns", "plain", "rings", "rows"]
SMALL = TuningSettings(
    epochs=3, lr=0.05, batch_size=8, accumulate=2, size=32, precision="fp32", drop_path=0.1
)
pytestmark = pytest.mark.usefixtures("one_thread")


def draw(name, rng):
    """Draw a pattern of random phase, pitch and colours."""
    rows, columns = np.mgrid[:SIDE, :SIDE] + rng.uniform(0, 8, (2, 1, 1))
    across = {"rows": rows, "columns": columns, "rings": np.hypot(rows - 24, columns - 24)}
    pitch = rng.uniform(0.7, 1.1)
    wave = np.sin(across[name] * pitch) if name in across else np.zeros((SIDE, SIDE))
    if name == "checks":
        wave = np.sin(rows * pitch) * np.sin(columns * pitch)
    tint = rng.uniform(0.4, 1.0, 3)
    image = (0.5 + 0.4 * wave[..., None]) * tint + rng.normal(0, 0.03, (SIDE, SIDE, 3))
    return Image.fromarray((np.clip(image, 0, 1) * 255).astype(np.uint8))


def write_folders(root, per_class, shuffled=False):
    """Write class folders; shuffled, each holds as many of every pattern."""
    rng = np.random.default_rng(0)
    for part, n in per_class.items():
        for number in range(n):
            for position, name in enumerate(CLASSES):
                moved = (position + number) % len(CLASSES) if shuffled and part == "train" else None
                folder = root / part / (name if moved is None else CLASSES[moved])
                folder.mkdir(parents=True, exist_ok=True)
                draw(name, rng).save(folder / f"{name}{number}.png")
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_folders(tmp_path_factory.mktemp("patterns"), {"train": 60, "val": 20})


@pytest.fixture(scope="module")
def tiny_root(tmp_path_factory):
    return write_folders(tmp_path_factory.mktemp("few"), {"train": 7, "val": 3})


def make_vit(settings=SMALL):
    with seeded(0, settings.seed):
        return VisionTransformer(
            img_size=32,
            patch_size=8,
            embed_dim=48,
            depth=2,
            num_heads=3,
            num_classes=len(CLASSES),
            drop_path_rate=settings.drop_path,
        )


def make_resnet():
    with seeded(0, 0):
        return ResNet(
            BasicBlock,
            (1, 1, 1, 1),
            num_classes=len(CLASSES),
            stem_width=16,
            channels=(16, 32, 48, 64),
        )


def train(network, folder, settings=SMALL, **kwargs):
    folders = open_class_folders(folder, settings)
    return loop.train(network, folders, settings, **kwargs)


def numbers(curve):
    """All of a curve but the time it took."""
    return [{name: value for name, value in row.items() if name != "seconds"} for row in curve]


# --- learning


def test_labels_are_learnt_and_shuffled_labels_are_not(root, tmp_path):
    settings = replace(SMALL, epochs=4, lr=0.03, batch_size=20, accumulate=1)
    curve = train(make_resnet(), root, settings)
    assert curve[-1]["loss"] < curve[0]["loss"] - 0.15
    assert curve[-1]["top1"] > 0.7
    shuffled = write_folders(tmp_path, {"train": 40, "val": 20}, shuffled=True)
    curve = train(make_resnet(), shuffled, replace(settings, epochs=3))
    assert curve[-1]["top1"] < 0.45


def test_first_loss_is_that_of_a_guess_and_smoothing_is_in_it(tiny_root):
    """A head of zeros gives every class the same, and the loss of that is known."""
    network = make_resnet()
    torch.nn.init.zeros_(network.fc.weight)
    torch.nn.init.zeros_(network.fc.bias)
    curve = train(network, tiny_root, replace(SMALL, epochs=1, accumulate=4))
    assert curve[0]["loss"] == pytest.approx(np.log(len(CLASSES)), abs=1e-6)
    with torch.no_grad():
        network.fc.bias[0] = 2.0
    # One update of a rate of 0, the first of the warm-up, changes nothing.
    curve = train(network, tiny_root, replace(SMALL, epochs=1, accumulate=4))
    folders = open_class_folders(tiny_root, SMALL)
    used = torch.tensor([folders.train.targets[i] for i in train_order(35, SMALL, 0)])
    logits = network.fc.bias.detach().expand(32, -1)
    assert curve[0]["lr"] == 0
    expected = F.cross_entropy(logits, used, label_smoothing=0.1)
    assert curve[0]["loss"] == pytest.approx(expected.item(), abs=1e-6)


def test_learning_rate_is_scaled_warmed_up_and_decays_from_block_to_block(tiny_root):
    settings = replace(SMALL, epochs=40, lr=1e-3, layer_decay=0.5)
    training = loop.Training(make_vit(), settings, 5, 10, Group())
    rates = []
    for update in range(400):
        training.schedule.step_update(update)
        rates.append(loop.current_lr(training.optimiser))
    peak = 1e-3 * 16 / 256
    assert rates[0] == 0 and np.argmax(rates) == 40 and rates[40] == pytest.approx(peak)
    assert rates[20] == pytest.approx(peak / 2)
    assert rates[220] == pytest.approx((peak + 1e-6) / 2)
    assert 1e-6 <= rates[-1] < 1.1e-6
    rate, decay = {}, {}
    for group in training.optimiser.param_groups:
        for parameter in group["params"]:
            rate[parameter], decay[parameter] = group["lr_scale"], group["weight_decay"]
    network = training.wrapped
    assert rate[network.head.weight] == 1
    assert [rate[block.mlp.fc1.weight] for block in network.blocks] == [0.25, 0.5]
    assert rate[network.pos_embed] == rate[network.patch_embed.proj.weight] == 0.125
    assert decay[network.head.weight] == 0.05
    assert decay[network.pos_embed] == decay[network.head.bias] == decay[network.norm.weight] == 0


class AlwaysTheFirst(torch.nn.Module):
    """Says the first class, and nothing while it is in training mode."""

    def forward(self, images):
        assert not self.training and not torch.is_grad_enabled()
        return torch.eye(5)[:1].expand(len(images), -1)


def test_accuracy_is_that_of_all_images_in_evaluation_mode(tiny_root):
    folders = open_class_folders(tiny_root, SMALL)
    # Fifteen images, in a whole batch and a part of one.
    assert loop.evaluate(AlwaysTheFirst().train(), folders, SMALL, Group()) == 0.2
    folders.val.samples[-1] = (folders.val.samples[-1][0], 0)
    assert loop.evaluate(AlwaysTheFirst(), folders, SMALL, Group()) == round(4 / 15, 5)


def test_mixed_images_have_mixed_labels(tiny_root, monkeypatch):
    seen = []
    entropy = F.cross_entropy

    def keep(logits, y, label_smoothing):
        seen.append((y, label_smoothing))
        return entropy(logits, y, label_smoothing=label_smoothing)

    monkeypatch.setattr(loop.F, "cross_entropy", keep)
    settings = replace(SMALL, epochs=1, mixup=0.8, cutmix=1.0)
    curve = train(make_vit(), tiny_root, settings)
    targets = torch.cat([y for y, _ in seen])
    assert targets.shape == (32, 5) and {smoothing for _, smoothing in seen} == {0.0}
    assert torch.allclose(targets.sum(1), torch.ones(32))
    # Smoothed: nothing is below 0.1 / 5; mixed: not all have the one high value.
    assert targets.min() >= 0.0199 and (targets.amax(1) < 0.9).any()
    assert numbers(train(make_vit(), tiny_root, settings)) == numbers(curve)
    with pytest.raises(TrainingError, match="7 is an odd number"):
        replace(settings, batch_size=7)


def test_half_precision_with_a_scaled_loss_is_close_to_full(tiny_root):
    curves = [
        train(make_vit(), tiny_root, replace(SMALL, epochs=1, precision=precision))
        for precision in ("fp32", "fp16", "bf16")
    ]
    losses = [curve[0]["loss"] for curve in curves]
    assert losses[1] != losses[0] and losses[2] != losses[0]
    assert np.allclose(losses, losses[0], atol=0.02)


def test_loss_that_is_not_finite_stops_training(tiny_root, tmp_path):
    settings = replace(SMALL, epochs=2, lr=1e30, accumulate=1, warmup=0.0)
    with pytest.raises(TrainingError, match="lower --lr"):
        train(make_resnet(), tiny_root, settings, checkpoint=tmp_path / "state.pt")
    assert not (tmp_path / "state.pt").exists()


# --- the same again


@pytest.mark.parametrize("make", [make_vit, make_resnet])
def test_resumed_training_is_the_same_as_uninterrupted(make, tiny_root, tmp_path):
    # The kill is in the middle of an epoch, whatever was drawn before.
    settings = replace(SMALL, mixup=0.2)
    reference = make()
    expected = train(reference, tiny_root, settings)
    file, identity, calls = tmp_path / "state.pt", {"seed": 0}, []
    killed = make()

    def kill(module, inputs):
        calls.append(1)
        # Four batches an epoch to learn from, two to measure with.
        if len(calls) == 14:
            raise KeyboardInterrupt

    killed.register_forward_pre_hook(kill)
    with pytest.raises(KeyboardInterrupt):
        train(killed, tiny_root, settings, checkpoint=file, identity=identity)
    assert len(torch.load(file, weights_only=True)["curve"]) == 2
    torch.manual_seed(99)
    resumed = make()
    curve = train(resumed, tiny_root, settings, checkpoint=file, identity=identity)
    assert numbers(curve) == numbers(expected) and len(curve) == 3
    for name, value in reference.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    # A finished one is not trained further.
    again = train(make(), tiny_root, settings, checkpoint=file, identity=identity)
    assert again == curve


def test_checkpoints_of_other_trainings_and_broken_ones_are_refused(tiny_root, tmp_path):
    file = tmp_path / "state.pt"
    short = replace(SMALL, epochs=1)
    train(make_vit(), tiny_root, short, checkpoint=file, identity={"seed": 0, "lr": 0.1})
    with pytest.raises(TrainingError, match=r"\(lr 0\.1 there, 0\.2 now\)"):
        train(make_vit(), tiny_root, short, checkpoint=file, identity={"seed": 0, "lr": 0.2})
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="remove it to begin anew"):
        train(make_vit(), tiny_root, short, checkpoint=file, identity={})
    torch.save({"settings": {}, "curve": partial(print)}, file)
    with pytest.raises(CheckpointError, match="UnpicklingError"):
        train(make_vit(), tiny_root, short, checkpoint=file, identity={})


def test_seed_decides_and_workers_do_not(tiny_root):
    short = replace(SMALL, epochs=1)
    one, workers, other = (
        numbers(train(make_vit(), tiny_root, settings, group=Group(workers=workers)))
        for settings, workers in ((short, 0), (short, 1), (replace(short, seed=1), 0))
    )
    assert one == workers
    assert one[0]["loss"] != other[0]["loss"]


def test_images_are_augmented_anew_in_each_epoch_but_not_those_to_measure_with(tiny_root):
    folders = open_class_folders(tiny_root, SMALL)

    def first(part, epoch):
        return next(batches(part, [3, 4], SMALL, epoch))[0]

    epochs = [first(folders.train, epoch) for epoch in (0, 1)]
    assert epochs[0].shape == (2, 3, 32, 32)
    assert not torch.equal(*epochs) and torch.equal(epochs[0], first(folders.train, 0))
    # Another place in the order changes nothing.
    swapped = next(batches(folders.train, [4, 3], SMALL, 0))[0]
    assert torch.equal(swapped.flip(0), epochs[0])
    assert torch.equal(first(folders.val, 0), first(folders.val, 1))


def test_random_numbers_of_the_caller_stay_as_they_were():
    def draws():
        return random.random(), np.random.rand(), torch.rand(1).item()

    with seeded(2, 0):
        inside = draws()
        with seeded(2, 0, epoch=1):
            assert all(a != b for a, b in zip(draws(), inside, strict=True))
        following = draws()
    with seeded(2, 0):
        assert (draws(), draws()) == (inside, following)
        outside = random.getstate()
        with seeded(3, 0):
            draws()
        assert random.getstate() == outside


def test_readers_are_a_share_of_the_cores(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 20)
    assert [Group(processes=n, workers=None).readers for n in (1, 4, 40)] == [8, 5, 0]
    assert Group().readers == 0 and Group(workers=3).readers == 3


def test_an_update_takes_the_same_images_however_they_are_shared():
    alone = replace(SMALL, batch_size=4, accumulate=6)
    shared = replace(SMALL, batch_size=4, accumulate=2)

    def updates(orders):
        return [
            {image for order in orders for image in order[start : start + len(order) // 2]}
            for start in (0, len(orders[0]) // 2)
        ]

    whole = updates([train_order(50, alone, 7)])
    assert whole == updates(
        [train_order(50, shared, 7, Group("cpu", rank, 3)) for rank in range(3)]
    )
    assert len(whole[0] | whole[1]) == 48
    assert train_order(50, alone, 7) != train_order(50, alone, 8)
    assert train_order(50, alone, 7) != train_order(50, replace(alone, seed=1), 7)


# --- what is wrong with folders


def test_folders_that_do_not_fit(tmp_path):
    with pytest.raises(ImageFolderError, match="train is not a folder"):
        open_class_folders(tmp_path, SMALL)
    write_folders(tmp_path, {"train": 1})
    with pytest.raises(ImageFolderError, match="val is not a folder"):
        open_class_folders(tmp_path, SMALL)
    write_folders(tmp_path, {"val": 1})
    assert open_class_folders(tmp_path, SMALL).classes == CLASSES
    with pytest.raises(TrainingError, match="5 train images are too few .* takes 16"):
        train(make_vit(), tmp_path)
    (tmp_path / "val" / "stars").mkdir()
    with pytest.raises(ImageFolderError, match="no valid file for the classes stars"):
        open_class_folders(tmp_path, SMALL)
    draw("plain", np.random.default_rng(0)).save(tmp_path / "val" / "stars" / "1.png")
    with pytest.raises(ImageFolderError, match=r"train lacks 1 .*val has \(stars\)"):
        open_class_folders(tmp_path, SMALL)
    for file in tmp_path.rglob("*.png"):
        if file.parent.name != "plain":
            file.unlink()
    for folder in [*tmp_path.glob("train/[!p]*"), *tmp_path.glob("val/[!p]*")]:
        folder.rmdir()
    with pytest.raises(ImageFolderError, match="one class only"):
        open_class_folders(tmp_path, SMALL)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_unreadable_image_is_named(workers, tmp_path):
    write_folders(tmp_path, {"train": 4, "val": 1})
    broken = tmp_path / "train" / "rings" / "rings0.png"
    broken.write_bytes(broken.read_bytes()[:200])
    settings = replace(SMALL, batch_size=20, accumulate=1)
    with pytest.raises(UnreadableImageError, match=str(broken)):
        train(make_vit(), tmp_path, settings, group=Group(workers=workers))


# --- settings


def test_recipes_are_those_of_the_protocol():
    assert len(tunable_encoders()) == 6
    table = {
        name: (s.epochs, s.lr, s.layer_decay, s.drop_path)
        for name, s in ((name, settings_for(name)) for name in tunable_encoders())
    }
    resnet, vit = (50, 1e-3, None, 0.0), (50, 1e-3, 0.75, 0.1)
    assert table == {
        **{f"{method}_resnet50": resnet for method in ("mocov3", "dino", "vicreg")},
        **{f"{method}_vitb16": vit for method in ("mocov3", "dino")},
        "mae_avg_vitb16": (100, 5e-4, 0.65, 0.1),
    }
    assert settings_for("dino_vitb16", batch_size=64, accumulate=4).peak_lr(4) == 4e-3
    assert settings_for("dino_vitb16").warmup_epochs == 5
    with pytest.raises(UnknownNameError, match="encoder to fine-tune"):
        settings_for("xent_resnet50")
    with pytest.raises(TrainingError, match="multiple of 32"):
        settings_for("dino_vitb16", size=100)


def test_precision_is_what_the_device_is_fast_in(monkeypatch):
    for fast, expected in ((True, "bf16"), (False, "fp16")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation, f=fast: f)
        assert loop.choose_precision("auto", "cuda:1") == expected
        assert loop.choose_precision("fp32", "cuda:1") == "fp32"
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda f=fast: f)
        assert loop.choose_precision("auto", "cpu") == ("bf16" if fast else "fp32")


# --- the study's networks


def test_a_resnet_begins_from_its_weights_under_a_new_head():
    with seeded(0, 0):
        backbone = networks.RESNET.make()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    network = run.make_classifier(backbone, "ResNet", 10, settings_for("dino_resnet50"))
    head = {"fc.weight": (10, 2048), "fc.bias": (10,)}
    state = network.state_dict()
    assert {name: tuple(state[name].shape) for name in state.keys() - before.keys()} == head
    assert all(torch.equal(state[name], value) for name, value in before.items())
    assert not state["fc.bias"].any() and state["fc.weight"].std() == pytest.approx(2e-5, rel=0.05)


@pytest.fixture(scope="module")
def averaging_vit():
    """MAE's network as it is before fine-tuning, and the classifier that is made of it."""
    with seeded(0, 0):
        backbone = networks.make_vitb16("avg")
        torch.nn.init.normal_(backbone.fc_norm.weight)
    settings = settings_for("mae_avg_vitb16")
    return backbone.eval(), run.make_classifier(backbone, "ViT", 10, settings).eval()


def test_a_vit_begins_from_its_weights_under_a_new_head(averaging_vit):
    backbone, network = averaging_vit
    state, before = network.state_dict(), backbone.state_dict()
    head = {"head.weight": (10, 768), "head.bias": (10,)}
    assert {name: tuple(state[name].shape) for name in state.keys() - before.keys()} == head
    assert all(torch.equal(state[name], value) for name, value in before.items())
    assert not state["head.bias"].any()
    assert state["head.weight"].std() == pytest.approx(2e-5, rel=0.05)
    again = run.make_classifier(backbone, "ViT", 10, settings_for("mae_avg_vitb16"))
    assert torch.equal(again.head.weight, network.head.weight)
    drops = [m.drop_prob for m in network.modules() if isinstance(m, DropPath)]
    assert drops[-1] == pytest.approx(0.1) and sorted(drops) == drops and len(drops) == 22


def test_a_vit_averages_patches_of_any_input(averaging_vit):
    backbone, network = averaging_vit
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert network(images).shape == (2, 10)
        tokens = network.forward_features(images)
        assert tokens.shape == (2, 17, 768)
        pooled = backbone.fc_norm(tokens[:, 1:].mean(1))
        assert torch.allclose(network.forward_head(tokens, pre_logits=True), pooled, atol=1e-5)


def test_block_rates_of_the_study_s_vit(averaging_vit):
    _, network = averaging_vit
    groups = loop.Training(network, settings_for("dino_vitb16"), 10, 5, Group()).optimiser
    rate = {p: group["lr_scale"] for group in groups.param_groups for p in group["params"]}
    # As in MAE's release: head and `fc_norm` at full rate, then a factor for each block.
    assert rate[network.head.weight] == rate[network.fc_norm.weight] == 1
    blocks = [rate[block.attn.qkv.weight] for block in network.blocks]
    assert blocks == pytest.approx([0.75 ** (12 - i) for i in range(12)])
    assert rate[network.cls_token] == rate[network.pos_embed] == pytest.approx(0.75**13)


# --- files


def make_files(folder, tiny_root, settings, identity, network=None):
    folders = open_class_folders(tiny_root, settings)
    files = run.TuningFiles(folder / "tiny.safetensors")
    network = network or make_vit(settings)
    return files, run.fine_tune(network, folders, settings, files, identity)


def test_card_curve_and_weights(tiny_root, tmp_path):
    network, settings = make_vit(), replace(SMALL, epochs=2)
    identity = {"name": "tiny_ft", "lr": 0.05}
    files, card = make_files(tmp_path, tiny_root, settings, identity, network)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        *("tiny.json", "tiny.jsonl", "tiny.safetensors")
    ]
    assert card == json.loads(files.card.read_text()) and card["classes"] == CLASSES
    assert card["name"] == "tiny_ft" and card["effective_batch"] == 16
    assert card["curve"] == [json.loads(line) for line in files.curve.read_text().splitlines()]
    assert [row["epoch"] for row in card["curve"]] == [1, 2]
    assert card["top1"] == card["curve"][-1]["top1"]
    # What was written is what was measured.
    written = make_vit(replace(settings, seed=5))
    written.load_state_dict(load_file(files.weights))
    folders = open_class_folders(tiny_root, settings)
    assert loop.evaluate(written, folders, settings, Group()) == card["top1"]
    assert files.weights.stat().st_mode & 0o777 == 0o644

    assert run.finished(files, identity) == card
    with pytest.raises(TrainingError, match=r"\(lr 0\.05 there, 0\.1 now\)"):
        run.finished(files, identity | {"lr": 0.1})
    files.weights.write_bytes(files.weights.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="SHA-256"):
        run.finished(files, identity)
    files.card.write_text("[1]")
    with pytest.raises(TrainingError, match="no card of a fine-tuning"):
        run.finished(files, identity)
    files.card.unlink()
    with pytest.raises(TrainingError, match="says how it was made"):
        run.finished(files, identity)


def test_a_kill_between_weights_and_card_loses_nothing(tiny_root, tmp_path, monkeypatch):
    settings, identity = replace(SMALL, epochs=1), {"name": "tiny_ft"}
    monkeypatch.setattr(run, "versions", lambda *names: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_files(tmp_path, tiny_root, settings, identity)
    monkeypatch.undo()
    files = run.TuningFiles(tmp_path / "tiny.safetensors")
    assert files.checkpoint.exists() and run.finished(files, identity) is None
    curve = torch.load(files.checkpoint, weights_only=True)["curve"]
    _, card = make_files(tmp_path, tiny_root, settings, identity)
    # The seconds too are those of before: nothing was trained again.
    assert card["curve"] == curve and not files.checkpoint.exists()


def test_command_makes_an_encoder(tiny_root, tmp_path):
    start, out = tmp_path / "start.pth", tmp_path / "dino_resnet50_ft.safetensors"
    with seeded(0, 0):
        torch.save(networks.RESNET.make().state_dict(), start)
    options = {
        **{"encoder": "dino_resnet50", "data": tiny_root, "checkpoint": start, "out": out},
        **{"size": 32, "batch-size": 32, "epochs": 1, "precision": "fp32", "device": "cpu"},
        "workers": 0,
    }

    def command(**changed):
        pairs = (options | {k.replace("_", "-"): v for k, v in changed.items()}).items()
        words = [str(word) for name, value in pairs for word in (f"--{name}", value)]
        return CliRunner().invoke(app, ["finetune", *words])

    done = command()
    assert done.exit_code == 0, done.output
    assert "1 epochs of 1 updates, each of 32 images" in done.stdout and "epoch 1: " in done.stdout
    card = json.loads(out.with_suffix(".json").read_text())
    settings = settings_for("dino_resnet50", size=32, batch_size=32, epochs=1, precision="fp32")
    assert {name: card[name] for name in asdict(settings)} == asdict(settings)
    assert card["n_train"] == 35 and card["n_classes"] == 5 and card["processes"] == 1

    # The module that was trained, from the file, against the encoder that reads it.
    trained = torchvision.models.resnet50(num_classes=5).eval()
    trained.load_state_dict(load_file(out))
    trained.fc = torch.nn.Identity()
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    encoder = load_encoder("dino_resnet50_ft", checkpoint=out)
    with torch.inference_mode():
        embedded = encoder.module(images)
        assert embedded.shape == (2, 2048) and torch.equal(embedded, trained(images))

    changed = out.stat().st_mtime_ns
    again = command()
    assert "finished before" in again.stdout and out.stat().st_mtime_ns == changed
    other = command(lr=0.5)
    assert other.exit_code == 2 and "lr 0.001 there, 0.5 now" in other.output
    assert "not named as a .safetensors file" in command(out=tmp_path / "a.pth").output
    assert "start2.pth is not a file" in command(checkpoint=tmp_path / "start2.pth").output
    for encoder in ("mini_dino_vit", "xent_resnet50"):
        assert f"unknown encoder to fine-tune '{encoder}'" in command(encoder=encoder).output
    assert out.stat().st_mtime_ns == changed


TWO = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from test_finetune import SMALL, make_vit, replace, run
from zsc_utils.finetuning.images import open_class_folders
from zsc_utils.finetuning.processes import process_group

torch.set_num_threads(1)
settings = replace(SMALL, batch_size=4, accumulate=2, drop_path=0.0)
folders = open_class_folders(sys.argv[2], settings)
files = run.TuningFiles(Path(sys.argv[3]) / "tiny.safetensors")
with process_group("cpu") as group:
    print(group.rank, group.processes)
    network = make_vit(settings)
    run.fine_tune(network, folders, settings, files, {"processes": 2}, group, report=print)
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tiny_root, tmp_path):
    script, tests = tmp_path / "two.py", Path(__file__).parent
    script.write_text(TWO)
    made = tmp_path / "made"
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [sys.executable, *launcher, script, tests, tiny_root, made],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=True,
        timeout=300,
    )
    alone = replace(SMALL, batch_size=4, accumulate=4, drop_path=0.0)
    files, card = make_files(tmp_path / "alone", tiny_root, alone, {"processes": 1})
    names = sorted(file.name for file in made.iterdir())
    assert names == sorted(file.name for file in files.weights.parent.iterdir())
    two = json.loads((made / "tiny.json").read_text())
    assert two.keys() == card.keys() and two["effective_batch"] == card["effective_batch"] == 16
    assert two["peak_lr"] == card["peak_lr"] and two["processes"] == 2
    for ours, theirs in zip(two["curve"], card["curve"], strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-4)
        assert ours["lr"] == theirs["lr"] and ours["top1"] == pytest.approx(theirs["top1"], abs=0.1)
