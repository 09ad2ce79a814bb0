"""Training of the miniature encoders, on a few hundred tiny images."""

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from zsc_utils.cache import ROOT, fingerprint
from zsc_utils.cli import app
from zsc_utils.datasets import load_dataset
from zsc_utils.encoders import ENCODERS, load_encoder
from zsc_utils.errors import CheckpointError, TrainingError, UnknownNameError
from zsc_utils.miniature.encoders import FOLDER, ROSTER, load_backbone, make_backbone, read_card
from zsc_utils.miniature.training import methods
from zsc_utils.miniature.training.augment import Augmentation, plain
from zsc_utils.miniature.training.loop import train
from zsc_utils.miniature.training.measure import embed_pixels, knn_accuracy
from zsc_utils.miniature.training.methods import Settings
from zsc_utils.miniature.training.pretrain import (
    Source,
    build_method,
    fine_tune,
    is_finished,
    open_source,
    pretrain,
    run_settings,
)
from zsc_utils.miniature.training.runs import all_runs, select_runs

N_CLASSES = 8
SELF_SUPERVISED = [
    name for name, run in all_runs().items() if run.method not in ("random", "xent", "finetune")
]
pytestmark = pytest.mark.usefixtures("one_thread")


def draw(n, seed, side=32):
    """Gratings: the class is the frequency and the shape of the wave, the rest is nuisance."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, N_CLASSES, n)
    rows, columns = np.mgrid[:side, :side] / side
    angle, phase = rng.uniform(0, np.pi, n), rng.uniform(0, 2 * np.pi, n)
    frequency = 2.0 * 1.7 ** (y // 2)
    along = (
        columns * np.cos(angle)[:, None, None] + rows * np.sin(angle)[:, None, None]
    ) * frequency[:, None, None]
    wave = np.sin(2 * np.pi * along + phase[:, None, None])
    wave = np.where((y % 2 == 1)[:, None, None], np.sign(wave), wave)
    tint = rng.uniform(0.3, 1.0, (n, 1, 1, 3))
    noise = rng.normal(0, 0.05, (n, side, side, 3))
    images = (0.5 + 0.4 * wave[..., None]) * tint + noise
    pixels = np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)
    # Encoders take 64 pixels.
    return pixels.repeat(64 // side, axis=1).repeat(64 // side, axis=2), y.astype(np.int64)


@pytest.fixture(scope="module")
def source():
    pixels, y = draw(384, seed=0)
    test_pixels, test_y = draw(160, seed=1)
    return Source(pixels, y, test_pixels, test_y)


def first(source, n):
    return replace(source, pixels=source.pixels[:n], y=source.y[:n])


def run_of(name, epochs, **settings):
    run = all_runs()[name]
    return replace(run, settings=replace(run.settings, epochs=epochs, **settings))


def train_run(run, source, seed=0, **kwargs):
    method = build_method(run, source.n_classes, None, seed)
    return method, train(method, source.pixels, source.y, run.settings, **kwargs)


def knn_of(module, source):
    parts = embed_pixels(module, source.pixels), embed_pixels(module, source.test_pixels)
    return knn_accuracy(parts[0], source.y, parts[1], source.test_y)


def losses(curve):
    return [row["loss"] for row in curve]


# --- augmentation


def test_augmentation_draws_for_each_image():
    pixels, _ = draw(1, seed=3)
    copies = torch.from_numpy(pixels).repeat(16, 1, 1, 1)
    torch.manual_seed(0)
    views = Augmentation(size=48, solarise=0.5)(copies)
    assert views.shape == (16, 3, 48, 48) and views.dtype == torch.float32
    distance = torch.cdist(views.flatten(1), views.flatten(1)) + 1e9 * torch.eye(16)
    assert distance.min() > 1
    low, high = plain(torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).repeat(1, 1, 1, 3))
    assert (views >= low - 1e-4).all() and (views <= high + 1e-4).all()


def test_augmentation_that_changes_nothing():
    pixels, _ = draw(4, seed=3)
    images = torch.from_numpy(pixels)
    still = Augmentation(scale=(1.0, 1.0), flip=0, jitter=0, grey=0, blur=0)
    # The crop's ratio still varies; take it away by a square of the whole area.
    views = torch.stack([still(images) for _ in range(8)])
    assert views.shape == (8, 4, 3, 64, 64)
    assert (views - plain(images)).abs().flatten(1).mean(1).max() < 0.6
    flipped = replace(still, flip=1.0)
    torch.manual_seed(5)
    ahead = still(images)
    torch.manual_seed(5)
    assert torch.allclose(flipped(images), ahead.flip(3), atol=1e-5)


def test_grey_images_are_grey_and_hue_leaves_greys_alone():
    pixels, _ = draw(8, seed=3)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    def spread(views):
        colours = views * std.view(3, 1, 1) + mean.view(3, 1, 1)
        return (colours.amax(1) - colours.amin(1)).max()

    assert spread(Augmentation(grey=1.0)(torch.from_numpy(pixels))) < 1e-3
    grey = torch.from_numpy(pixels.mean(3, keepdims=True).astype(np.uint8).repeat(3, 3))
    assert spread(Augmentation(jitter=1.0, hue=0.5, grey=0.0)(grey)) < 2e-3
    assert spread(Augmentation(grey=0.0)(torch.from_numpy(pixels))) > 0.1


# --- learning


def test_supervised_training_generalises_and_shuffled_labels_do_not(source):
    run = run_of("mini_xent_resnet", 8, batch_size=48)
    method, curve = train_run(run, source)
    untrained = knn_of(make_backbone("resnet"), source)
    assert losses(curve)[-1] < losses(curve)[0] - 0.5
    assert knn_of(method.encoder, source) > untrained + 0.2
    shuffled = replace(source, y=np.random.default_rng(0).permutation(source.y))
    method, _ = train_run(replace(run, settings=replace(run.settings, epochs=3)), shuffled)
    images = plain(torch.from_numpy(source.test_pixels))
    method.eval()
    predicted = method([images])[0].argmax(1).numpy()
    assert (predicted == source.test_y).mean() < 1 / N_CLASSES + 0.12


def test_contrastive_training_improves_nearest_neighbours(source):
    run = run_of("mini_mocov3_resnet", 10, batch_size=64, options={"size": 32, "width": 256})
    torch.manual_seed(0)
    untrained = knn_of(make_backbone("resnet"), source)
    method, curve = train_run(run, source)
    assert losses(curve)[-1] < losses(curve)[0]
    assert knn_of(method.encoder, source) > untrained + 0.1


@pytest.mark.parametrize("name", [n for n in SELF_SUPERVISED if n != "mini_mocov3_resnet"])
def test_every_method_learns_what_it_is_asked(name, source):
    small = first(source, 96)
    options = {} if name == "mini_mae_vit" else {"size": 32}
    run = run_of(name, 10, batch_size=48, options=options)
    _, curve = train_run(run, small)
    assert np.mean(losses(curve)[-2:]) < np.mean(losses(curve)[:2])


def test_embeddings_do_not_collapse(source):
    method, _ = train_run(run_of("mini_vicreg_resnet", 3, batch_size=64), source)
    embedded = torch.nn.functional.normalize(embed_pixels(method.encoder, source.test_pixels))
    assert (embedded @ embedded.T).mean() < 0.99


# --- repeatability


@pytest.mark.parametrize("name", ["mini_dino_resnet", "mini_mae_vit"])
def test_resumed_training_is_the_same_as_uninterrupted(name, source, tmp_path):
    small, run = first(source, 64), run_of(name, 4, batch_size=32)
    reference, expected = train_run(run, small)
    file, calls = tmp_path / "state.pt", []

    def kill(module):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return 0.0

    with pytest.raises(KeyboardInterrupt):
        train_run(run, small, checkpoint=file, key="a", measure=kill)
    assert len(torch.load(file, weights_only=True)["curve"]) == 2
    resumed, curve = train_run(run, small, seed=99, checkpoint=file, key="a")
    assert losses(curve) == losses(expected)
    assert [row["lr"] for row in curve] == [row["lr"] for row in expected]
    for ours, theirs in zip(resumed.parameters(), reference.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    # Another training does not take it up.
    _, other = train_run(run_of(name, 1, batch_size=32), small, checkpoint=file, key="b")
    assert len(other) == 1


def test_same_seed_same_curve(source):
    small, run = first(source, 64), run_of("mini_xent_vit", 2, batch_size=32)
    curves = [losses(train_run(run, small, seed=seed)[1]) for seed in (0, 0, 1)]
    assert curves[0] == curves[1] != curves[2]


def test_learning_rate_rises_then_falls(source):
    _, curve = train_run(
        run_of("mini_xent_resnet", 6, batch_size=32, warmup=0.3), first(source, 64)
    )
    rates = [row["lr"] for row in curve]
    assert rates[0] < max(rates) and rates[-1] < 0.01 * max(rates)


def test_loss_that_is_not_finite_stops_training(source):
    with pytest.raises(TrainingError):
        train_run(run_of("mini_xent_resnet", 4, batch_size=16, lr=1e30), first(source, 64))


# --- weights and cards


@pytest.fixture(scope="module")
def made(source, tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("weights")
    small = first(source, 96)
    names = ["mini_random_vit", "mini_mae_vit", "mini_mae_avg_vit_ft"]
    runs = [run for run in select_runs(names, epochs=1)]
    kwargs = {"work": folder / "work"}
    return folder, runs, small, pretrain(runs, small, folder, **kwargs), kwargs


def test_card_describes_its_weights(made):
    folder, runs, small, cards, _ = made
    for run, card in zip(runs, cards, strict=True):
        file = folder / f"{run.name}.safetensors"
        assert read_card(file) == card == json.loads(file.with_suffix(".json").read_text())
        assert card["parameters"] <= 1_500_000
        assert len(card["curve"]) == run.settings.epochs == card["settings"]["epochs"]
        module = load_backbone(run.backbone, run.pool, file).eval()
        assert abs(knn_of(module, small) - card["knn_accuracy"]) < 1e-4
    assert not list((folder / "work").glob("*.pt"))


def test_finished_runs_are_not_made_again(made):
    folder, runs, small, cards, kwargs = made
    times = {file: file.stat().st_mtime_ns for file in folder.glob("*.safetensors")}
    again = pretrain(runs, small, folder, **kwargs)
    assert again == cards
    assert {file: file.stat().st_mtime_ns for file in times} == times
    # Each of these makes other weights.
    run, tuned = runs[0], runs[-1]
    longer = replace(tuned, settings=replace(tuned.settings, epochs=9))
    others = [(run, small, 1), (run, first(small, 64), 0), (tuned, small, 0), (longer, small, 0)]
    start = folder / f"{tuned.start}.safetensors"
    keys = [fingerprint(run_settings(*args, start)) for args in ((run, small, 0), *others)]
    assert len(set(keys)) == 5
    assert is_finished(folder / f"{run.name}.safetensors", keys[0])
    assert not is_finished(folder / f"{run.name}.safetensors", keys[1])


def test_weights_of_other_settings_are_not_written_over(made, tmp_path):
    folder, runs, small, cards, _ = made
    committed = tmp_path / "mini"
    shutil.copytree(folder, committed, ignore=shutil.ignore_patterns("work"))
    before = {file.name: file.read_bytes() for file in committed.iterdir()}
    said = []
    kwargs = {"work": tmp_path / "work", "report": said.append}
    others = pretrain(runs, small, committed, seed=1, **kwargs)
    assert {file.name: file.read_bytes() for file in committed.iterdir()} == before
    new = tmp_path / "mini-new"
    assert {file.stem for file in new.iterdir()} == {run.name for run in runs}
    assert "mini_random_vit.safetensors holds weights of other settings and stays" in said[0]
    assert f"goes to {new} (--overwrite" in said[0]
    # The one that is fine-tuned begins with the new weights, not with those that stay.
    start = hashlib.sha256((new / "mini_mae_vit.safetensors").read_bytes()).hexdigest()
    assert others[-1]["start"]["sha256"] == start != cards[-1]["start"]["sha256"]
    said.clear()
    assert pretrain(runs, small, committed, seed=1, **kwargs) == others
    assert sum("finished before" in line for line in said) == len(runs)
    told = pretrain(runs[:1], small, committed, seed=1, overwrite=True, **kwargs)
    assert read_card(committed / "mini_random_vit.safetensors") == told[0] != cards[0]
    assert told[0]["key"] == others[0]["key"]


def test_fine_tuning_needs_its_start(source, tmp_path):
    with pytest.raises(CheckpointError, match="mini_dino_vit"):
        pretrain(select_runs(["mini_dino_vit_ft"], 1), first(source, 64), tmp_path, work=tmp_path)


def test_fine_tuning_now(source, tmp_path, monkeypatch):
    target = "zsc_utils.miniature.training.pretrain.open_source"
    monkeypatch.setattr(target, lambda n: first(source, n))
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path))
    card = fine_tune("mini_vicreg_resnet", epochs=2, n_images=96)
    assert card["start"]["weights"] == "mini_vicreg_resnet" and card["n_images"] == 96
    assert [row["epoch"] for row in card["curve"]] == [1, 2]
    assert (tmp_path / "fine_tuned" / "mini_vicreg_resnet_ft.safetensors").exists()
    assert fine_tune("mini_vicreg_resnet", epochs=2, n_images=96) == card
    with pytest.raises(UnknownNameError, match="encoder to fine-tune"):
        fine_tune("mini_xent_resnet")


def test_damaged_weights_are_refused(made, tmp_path):
    folder = made[0]
    for suffix in (".safetensors", ".json"):
        source_file = folder / f"mini_mae_vit{suffix}"
        (tmp_path / source_file.name).write_bytes(source_file.read_bytes())
    file = tmp_path / "mini_mae_vit.safetensors"
    load_backbone("vit", "token", file)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_backbone("vit", "token", file)
    file.with_suffix(".json").unlink()
    with pytest.raises(CheckpointError, match="missing"):
        load_backbone("vit", "token", file)


def tokens_of(network, images):
    """Every token after the last block, computed step by step."""
    x = network.patch_embed.proj(images).flatten(2).transpose(1, 2)
    x = torch.cat([network.cls_token.expand(len(x), -1, -1), x], 1) + network.pos_embed
    for block in network.blocks:
        normed = block.norm1(x)
        q, k, v = block.attn.qkv(normed).unflatten(2, (3, 3, 64)).permute(2, 0, 3, 1, 4)
        mixed = ((q @ k.mT / 8).softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = x + block.attn.proj(mixed)
        x = x + block.mlp.fc2(torch.nn.functional.gelu(block.mlp.fc1(block.norm2(x))))
    return x


def test_mae_is_read_in_two_ways(made):
    folder, _, small, _, _ = made
    images = plain(torch.from_numpy(small.test_pixels[:8]))
    file = folder / "mini_mae_vit.safetensors"
    cls, avg = (load_backbone("vit", pool, file).eval() for pool in ("token", "avg"))
    with torch.no_grad():
        tokens = tokens_of(cls, images)
        assert torch.allclose(cls(images), cls.norm(tokens[:, 0]), atol=1e-4)
        mean = tokens[:, 1:].mean(1)
        # fc_norm at its identity: no scale, no shift.
        expected = torch.nn.functional.layer_norm(mean, (192,), eps=1e-6)
        assert torch.allclose(avg(images), expected, atol=1e-4)
        tuned_file = folder / "mini_mae_avg_vit_ft.safetensors"
        tuned = load_backbone("vit", "avg", tuned_file).eval()
        pooled = tokens_of(tuned, images)[:, 1:].mean(1)
        assert torch.allclose(tuned(images), tuned.fc_norm(pooled), atol=1e-4)
    assert not torch.equal(tuned.fc_norm.weight, torch.ones(192))


def test_training_and_listing_need_no_network_and_listing_no_torch():
    listing = "import sys; import zsc_utils.cli; assert 'torch' not in sys.modules"
    training = (
        "import socket; socket.socket.connect = socket.getaddrinfo = None; "
        "from zsc_utils.miniature.training.runs import all_runs; all_runs()"
    )
    for code in (listing, training):
        subprocess.run([sys.executable, "-c", code], check=True)


def test_command_trains_what_is_asked(source, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "zsc_utils.miniature.training.pretrain.open_source", lambda n: first(source, n or 384)
    )
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path / "build"))
    command = ["pretrain", "--methods", "random", "--images", "64", "--threads", "1"]
    result = CliRunner().invoke(app, [*command, "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in tmp_path.glob("mini_*.safetensors")) == [
        "mini_random_resnet.safetensors",
        "mini_random_vit.safetensors",
    ]
    result = CliRunner().invoke(app, ["pretrain", "--methods", "simclr"])
    assert result.exit_code == 2 and "simclr" in result.output


# --- rosters


def test_roster_and_runs_name_the_same_weights():
    assert {row.file for row in ROSTER.values()} == set(all_runs())
    assert len(ROSTER) == 17
    facts = ENCODERS.facts()
    assert all((facts[name].fine_tuned_from is not None) == name.endswith("_ft") for name in ROSTER)


def test_source_is_the_train_part_and_is_measured_on_the_test_part(tmp_path, monkeypatch):
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path))
    source = open_source(100)
    train_part = load_dataset("mini-imagenet", partition="train")
    assert np.bincount(source.y).tolist() == [2] * 50 and source.pixels.flags.writeable
    assert np.array_equal(source.pixels[37], np.asarray(train_part.images[37]))
    assert len(source.test_y) == len(source.test_pixels) == 600
    shown = {image.tobytes() for image in source.pixels}
    assert not shown & {image.tobytes() for image in source.test_pixels}


def test_selection():
    assert {r.name for r in select_runs(["dino"])} == {"mini_dino_resnet", "mini_dino_vit"}
    assert len(select_runs(["finetune"])) == 6
    assert {r.settings.epochs for r in select_runs(None, epochs=3)} == {0, 3}
    with pytest.raises(UnknownNameError):
        select_runs(["simclr"])


def test_settings_of_every_method_make_it():
    for name, known in methods.METHODS.facts().items():
        for backbone, settings in known.settings.items():
            assert isinstance(settings, Settings)
            methods.METHODS[name].make(make_backbone(backbone), 3, **settings.options)


SHIPPED = {file.stem: read_card(file) for file in sorted(FOLDER.glob("*.safetensors"))}


def test_encoders_load_from_the_shipped_weights():
    assert SHIPPED
    for name in [name for name, row in ROSTER.items() if row.file in SHIPPED]:
        encoder = load_encoder(name)
        assert encoder.module(torch.zeros(1, 3, 64, 64)).shape[1] in (192, 256)
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 45e6


@pytest.mark.parametrize("name", [n for n, card in SHIPPED.items() if card["method"] != "random"])
def test_shipped_weights_learnt_what_they_were_to_learn(name):
    card = SHIPPED[name]
    untrained = SHIPPED[f"mini_random_{card['backbone']}"]
    readings = [card["knn_accuracy"], card.get("knn_accuracy_avg", 1.0)]
    assert min(readings) >= untrained["knn_accuracy"] + 0.15
    assert card["curve"][-1]["loss"] < card["curve"][0]["loss"]
    supervised = SHIPPED[f"mini_xent_{card['backbone']}"]
    if card["method"] == "finetune":
        before = SHIPPED[card["start"]["weights"]]
        assert card["start"]["sha256"] == before["sha256"]
        for measure in ("knn_accuracy", "linear_accuracy"):
            read_alike = f"{measure}_avg" if card["pool"] == "avg" else measure
            assert card[measure] > before[read_alike]
    elif card["method"] != "xent":
        assert max(readings[0], card.get("knn_accuracy_avg", 0)) < supervised["knn_accuracy"]


def test_the_page_shows_what_the_cards_say():
    page = (ROOT / "docs" / "miniature.md").read_text()
    for name, card in SHIPPED.items():
        knn, linear = (100 * card[f"{kind}_accuracy"] for kind in ("knn", "linear"))
        settings, minutes = card["settings"], card["seconds"] / 60
        row = f"| `{name}` | {settings['epochs']} | {settings['batch_size']} | {settings['lr']:g} |"
        assert f"{row} {minutes:.0f} | {knn:.1f} | {linear:.1f} |" in page


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_are_of_the_settings_in_the_code(name):
    """What `zsc pretrain` would make today, so that it does not make it again."""
    run, card = all_runs()[name], SHIPPED[name]
    empty = np.empty((0, 64, 64, 3), np.uint8)
    source = Source(empty, np.empty(0, np.int64), empty, np.empty(0, np.int64))
    today = run_settings(run, source, card["seed"], FOLDER / f"{run.start}.safetensors")
    images = {"n_images", "images_sha256"}
    assert {k: v for k, v in today.items() if k not in images} == {
        k: card[k] for k in today if k not in images
    }
