"""The study's encoders, on random weights in the layouts of the releases; and where weights lie."""

import argparse
import hashlib
import http.server
import os
import threading
from functools import partial, partialmethod

import numpy as np
import pytest
import timm
import torch
import torchvision
from PIL import Image
from skimage import data
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.models.vision_transformer import VisionTransformer
from typer.testing import CliRunner

from zsc_utils.cli import app
from zsc_utils.encoders import (
    ENCODERS,
    fetch_weights,
    find_encoder,
    load_encoder,
    networks,
    official,
    weights,
    with_published_weights,
)
from zsc_utils.errors import CheckpointError, WeightsMissingError
from zsc_utils.recipes import encoders_with_recipes
from zsc_utils.study import base
from zsc_utils.study.figures import METHOD_COLORS
from zsc_utils.sweep.cells import plan
from zsc_utils.sweep.forecast import progress_report
from zsc_utils.sweep.profile import load_profile
from zsc_utils.sweep.run import sweep

ROSTER = official.ROSTER


# The study's networks with few layers and random weights, and what they hand their heads, without
# the package's help.

SHALLOW = {
    "resnet": partial(ResNet, Bottleneck, [1, 1, 1, 1]),
    "vit": partial(timm.create_model, depth=2),
    "torchvision": partial(VisionTransformer, 224, 16, 2, 12, 768, 3072),
}


@pytest.fixture
def shallow(monkeypatch):
    """Have the libraries build the study's networks with few layers."""
    monkeypatch.setattr(torchvision.models, "resnet50", SHALLOW["resnet"])
    monkeypatch.setattr(timm, "create_model", SHALLOW["vit"])
    monkeypatch.setattr(torchvision.models, "vit_b_16", SHALLOW["torchvision"])


def without_memory(make):
    """Build a network of names and shapes."""
    with torch.device("meta"):
        return make()


def randomised(make):
    """Build a network in which no layer is the identity it would start as."""
    network = without_memory(make)
    network.to_empty(device="cpu").eval().requires_grad_(False)
    random = torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            value.zero_()
        elif name.endswith("running_var") or (name.endswith("weight") and value.ndim == 1):
            value.uniform_(0.5, 1.5, generator=random)
        else:
            # Of a size that keeps activations within reach, whatever the depth.
            fan_in = value[0].numel() if value.ndim > 1 else 100
            value.normal_(0, fan_in**-0.5, generator=random)
    return network


@pytest.fixture(scope="module")
def resnet():
    return randomised(SHALLOW["resnet"])


@pytest.fixture(scope="module")
def vit():
    return randomised(partial(SHALLOW["vit"], "vit_base_patch16_224", num_classes=10))


@pytest.fixture(scope="module")
def torchvision_vit():
    return randomised(partial(SHALLOW["torchvision"], num_classes=10))


@pytest.fixture(scope="module")
def pixels():
    """Two photographs as the study's networks take them, float32 (2, 3, 224, 224)."""
    transform = torchvision.transforms.Compose(
        [
            torchvision.transforms.ToTensor(),
            torchvision.transforms.Resize(224, antialias=True),
            torchvision.transforms.CenterCrop(224),
            torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    return torch.stack([transform(Image.fromarray(f())) for f in (data.astronaut, data.coffee)])


def taken_at(network, layer, pixels, output=True):
    """What a layer gives, or is given, in a forward pass of the whole network."""
    seen = []

    def keep(module, inputs, outputs):
        seen.append(outputs if output else inputs[0])

    hook = layer.register_forward_hook(keep)
    with torch.inference_mode():
        network(pixels)
    hook.remove()
    return seen[0]


@pytest.fixture(scope="module")
def pooled(resnet, pixels):
    return taken_at(resnet, resnet.fc, pixels, output=False)


@pytest.fixture(scope="module")
def tokens(vit, pixels):
    """Tokens after the last block, before any final norm; and after it."""
    with torch.inference_mode():
        last = taken_at(vit, vit.blocks[-1], pixels[:1])
        return last, vit.norm(last)


# Layouts of the releases.


def without(state, *prefixes):
    return {key: value for key, value in state.items() if not key.startswith(prefixes)}


def mocov3_release(state, head):
    """What MoCo-v3 saves: both branches with their projectors, the predictor, the optimizer."""
    encoder = without(state, f"{head}.")
    projector = {f"{head}.0.weight": torch.ones(4, 4), f"{head}.1.running_mean": torch.ones(4)}
    # The twin's large tensors are the encoder's, which takes no room in the file.
    twin = {k: v + 1 if v.numel() < 10_000 else v for k, v in encoder.items()}
    branches = {"base_encoder": encoder | projector, "momentum_encoder": twin | projector}
    return {
        "epoch": 1000,
        "arch": "resnet50",
        "state_dict": {
            f"module.{branch}.{key}": value
            for branch, tensors in branches.items()
            for key, value in tensors.items()
        }
        | {"module.predictor.0.weight": torch.ones(4, 4)},
        "optimizer": {
            "state": {0: {"mu": torch.ones(4)}},
            "param_groups": [{"lr": 0.3, "params": [0], "betas": (0.9, 0.95)}],
        },
        "scaler": {"scale": 65536.0},
        **LEFTOVERS,
    }


# What training scripts save beside weights, none of it tensors.
LEFTOVERS = {
    "args": argparse.Namespace(lr=0.3, data="/imagenet", crop=(0.08, 1.0), distributed=True),
    "best": np.float64(0.5),
    "count": np.int64(3),
    "loss": np.float32(0.25),
}


def fine_tuned(state, *head):
    """What fine-tuning in the manner of MAE's release saves."""
    plain = without(state, *head) | {f"{name}weight": torch.ones(10, 4) for name in head}
    optimizer = {"state": {}, "param_groups": [{"lr": np.float64(1e-3), "params": []}]}
    return {"model": plain, "optimizer": optimizer, "epoch": 49, "scaler": {}, **LEFTOVERS}


RESNET_LAYOUTS = {
    "xent_resnet50": lambda state: state,
    "mocov3_resnet50": lambda state: mocov3_release(state, "fc"),
    "dino_resnet50": lambda state: without(state, "fc."),
    "vicreg_resnet50": lambda state: without(state, "fc."),
    "mocov3_resnet50_ft": lambda state: fine_tuned(state, "fc."),
    "dino_resnet50_ft": lambda state: fine_tuned(state, "fc."),
    "vicreg_resnet50_ft": lambda state: fine_tuned(
        {f"0.{key}": value for key, value in without(state, "fc.").items()}, "1."
    ),
}


def embed(name, content, pixels, folder):
    """Embed by an encoder whose checkpoint holds `content`; the file does not stay."""
    file = folder / "official.pth"
    torch.save(content, file)
    try:
        encoder = load_encoder(name, checkpoint=file)
    finally:
        file.unlink()
    assert encoder.fingerprint["checkpoint"] and not encoder.module.training
    with torch.inference_mode():
        return encoder.module(pixels)


def same(found, expected):
    assert found.shape == expected.shape and found.std() > 0.01
    return torch.allclose(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", RESNET_LAYOUTS)
def test_resnets_embed_as_the_network_that_was_saved(name, resnet, pooled, pixels, tmp_path):
    content = RESNET_LAYOUTS[name](resnet.state_dict())
    assert same(embed(name, content, pixels, tmp_path), pooled)


@pytest.mark.usefixtures("shallow")
def test_vicreg_fine_tuned_as_one_network(resnet, pooled, pixels, tmp_path):
    content = fine_tuned(resnet.state_dict(), "fc.")
    assert same(embed("vicreg_resnet50_ft", content, pixels, tmp_path), pooled)


VIT_LAYOUTS = {
    "mocov3_vitb16": lambda state: mocov3_release(state, "head"),
    "dino_vitb16": lambda state: without(state, "head."),
    "mae_cls_vitb16": lambda state: {"model": without(state, "head.")},
    "mocov3_vitb16_ft": lambda state: fine_tuned(state, "head."),
    "dino_vitb16_ft": lambda state: fine_tuned(state, "head."),
}


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("name", VIT_LAYOUTS)
def test_vits_give_the_cls_token_after_the_final_norm(name, vit, tokens, pixels, tmp_path):
    found = embed(name, VIT_LAYOUTS[name](vit.state_dict()), pixels[:1], tmp_path)
    assert same(found, tokens[1][:, 0])


@pytest.mark.usefixtures("shallow")
def test_torchvision_vit_gives_what_its_head_is_given(torchvision_vit, pixels, tmp_path):
    found = embed("xent_vitb16", torchvision_vit.state_dict(), pixels[:1], tmp_path)
    assert same(found, taken_at(torchvision_vit, torchvision_vit.heads, pixels[:1], output=False))


@pytest.mark.usefixtures("shallow")
def test_mae_average_is_of_patch_tokens_under_a_norm_that_learnt_nothing(
    vit, tokens, pixels, tmp_path
):
    last, normed = tokens
    content = {"model": without(vit.state_dict(), "head.")}
    found = embed("mae_avg_vitb16", content, pixels[:1], tmp_path)
    mean = last[:, 1:].mean(dim=1)
    assert same(found, torch.nn.functional.layer_norm(mean, (768,), eps=1e-6))
    # Neither the checkpoint's norm nor the CLS token has a part in it.
    for other in (vit.norm(mean), normed[:, 1:].mean(dim=1), last.mean(dim=1)):
        assert not torch.allclose(found, other, atol=1e-2)


def mae_fine_tuned(state):
    """Content of MAE's fine-tuned release, whose norm is named after its place behind the mean."""
    norm = {f"fc_norm.{key}": state[f"norm.{key}"] for key in ("weight", "bias")}
    return fine_tuned(without(state, "norm.") | norm, "head.")


@pytest.mark.usefixtures("shallow")
def test_mae_fine_tuned_average_is_under_the_norm_of_the_checkpoint(vit, tokens, pixels, tmp_path):
    found = embed("mae_avg_vitb16_ft", mae_fine_tuned(vit.state_dict()), pixels[:1], tmp_path)
    with torch.inference_mode():
        assert same(found, vit.norm(tokens[0][:, 1:].mean(dim=1)))


@pytest.mark.usefixtures("shallow")
def test_input_is_a_centre_crop_of_224(monkeypatch, resnet):
    monkeypatch.setattr(
        official, "read_state_dict", lambda file: without(resnet.state_dict(), "fc.")
    )
    _, transform = official.make_builder(ROSTER["dino_resnet50"])("any")
    image = transform(None)(Image.new("RGB", (500, 300), (255, 255, 255)))
    assert image.shape == (3, 224, 224)
    expected = (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(image.mean(dim=(1, 2)), expected, atol=1e-5)


# The whole networks, of names and shapes without memory.


@pytest.fixture(scope="module")
def whole():
    """State of a whole network by its backbone and library."""
    makers = {
        "resnet50": torchvision.models.resnet50,
        "vitb16": partial(timm.create_model, "vit_base_patch16_224", num_classes=10),
        "torchvision": torchvision.models.vit_b_16,
    }
    return {name: without_memory(make).state_dict() for name, make in makers.items()}


WHOLE_LAYOUTS = {
    **RESNET_LAYOUTS,
    **VIT_LAYOUTS,
    "xent_vitb16": lambda state: state,
    "mae_avg_vitb16": lambda state: {"model": without(state, "head.")},
    "mae_avg_vitb16_ft": mae_fine_tuned,
}


@pytest.mark.parametrize("name", ROSTER)
def test_each_tensor_of_a_whole_network_is_the_files(name, whole, monkeypatch):
    backbone = name.removesuffix("_ft").rpartition("_")[2]
    state = whole["torchvision" if name == "xent_vitb16" else backbone]
    content = WHOLE_LAYOUTS[name](state)
    held = content.get("state_dict") or content.get("model") or content
    monkeypatch.setattr(official, "read_state_dict", lambda file: held)
    # Tensors without memory cannot be copied.
    load = partialmethod(torch.nn.Module.load_state_dict, assign=True)
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", load)
    found = official.load_network(ROSTER[name], "any").state_dict()
    expected = without(state, "fc.", "head.", "heads.")
    own = set()
    if "avg" in name:
        norm = {f"fc_norm.{key}": state[f"norm.{key}"] for key in ("weight", "bias")}
        expected = without(expected, "norm.") | norm
        # What no file of the self-supervised MAE has.
        own = set() if name.endswith("_ft") else set(norm)
    assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in expected.items()}
    assert {key for key, value in found.items() if not value.is_meta} == own


# Keys that are missing or belong to nothing.


def changed(state, drop=(), **more):
    return {k: v for k, v in state.items() if k not in drop} | {
        name.replace("__", "."): torch.ones(2) for name in more
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("xent_resnet50", partial(changed, drop=["bn1.bias"]), r"1 keys missing \(bn1\.bias\)$"),
        ("dino_resnet50", partial(changed), r"network: 2 keys left over \(fc\.bias, fc\.weight\)$"),
        ("xent_resnet50", partial(changed, head__x=1), r"network: 1 keys left over \(head\.x\)$"),
        (
            "mocov3_resnet50",
            lambda state: mocov3_release(changed(state, ["bn1.bias"]), "fc")["state_dict"],
            r"network: 1 keys missing \(module\.base_encoder\.bn1\.bias\)$",
        ),
        (
            "mocov3_resnet50",
            lambda state: (
                mocov3_release(state, "fc")["state_dict"] | {"module.queue": state["bn1.bias"]}
            ),
            r"network: 1 keys left over \(module\.queue\)$",
        ),
        # The encoder's names without what the release puts before them, beside those with it.
        (
            "mocov3_resnet50",
            lambda state: mocov3_release(state, "fc")["state_dict"] | without(state, "fc."),
            r"network: 318 keys left over \(bn1\.bias",
        ),
        (
            "dino_resnet50",
            lambda state: mocov3_release(state, "fc")["state_dict"],
            r"318 keys missing \(bn1\.bias.*left over \(module\.base_encoder\.bn1",
        ),
        ("mocov3_resnet50", partial(changed), r"missing \(module\.base_encoder\.bn1\.bias"),
        ("vicreg_resnet50_ft", partial(changed, **{"0__x": 1}), r"missing \(0\.bn1\.bias"),
    ],
)
def test_resnet_keys_that_do_not_fit(name, content, message, whole, monkeypatch):
    monkeypatch.setattr(official, "read_state_dict", lambda file: content(whole["resnet50"]))
    with pytest.raises(CheckpointError, match=message):
        official.load_network(ROSTER[name], "any")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        # A fine-tuned MAE is no self-supervised one.
        (
            "mae_avg_vitb16",
            lambda state: changed(without(state, "head."), fc_norm__weight=1, fc_norm__bias=1),
            r"network: 2 keys left over \(fc_norm\.bias, fc_norm\.weight\)$",
        ),
        (
            "mae_avg_vitb16_ft",
            lambda state: state,
            r"2 keys missing \(fc_norm\.bias, fc_norm\.weight\); 2 keys left over \(norm\.bias",
        ),
        # MAE's own demonstration file has the decoder too.
        (
            "mae_cls_vitb16",
            lambda state: changed(without(state, "head."), mask_token=1),
            r"network: 1 keys left over \(mask_token\)$",
        ),
        (
            "dino_vitb16",
            partial(changed, drop=["head.weight", "head.bias", "pos_embed"]),
            r"1 keys missing \(pos_embed\)$",
        ),
        (
            "xent_vitb16",
            lambda state: without(state, "head."),
            r"missing \(class_token, conv_proj\.bias, .*left over \(blocks\.0",
        ),
    ],
)
def test_vit_keys_that_do_not_fit(name, content, message, whole, monkeypatch):
    monkeypatch.setattr(official, "read_state_dict", lambda file: content(whole["vitb16"]))
    with pytest.raises(CheckpointError, match=message):
        official.load_network(ROSTER[name], "any")


# The register.


def test_every_encoder_with_recipes_is_there_and_the_roster_is_nothing_else():
    baselines = {"raw_pixels", "random_resnet50", "random_vitb16"}
    assert set(encoders_with_recipes()) == baselines | set(ROSTER)
    assert len(ROSTER) == 15
    for name, row in ROSTER.items():
        facts = ENCODERS[name].facts
        assert facts.method in METHOD_COLORS
        backbone = name.removesuffix("_ft").rpartition("_")[2]
        assert facts.backbone == ENCODERS[f"random_{backbone}"].facts.backbone
        assert facts.labels == (facts.method == "X-Ent" or name.endswith("_ft"))
        assert facts.fine_tuned_from == (name.removesuffix("_ft") if name.endswith("_ft") else None)
        assert (row.url is None) == (name.endswith("_ft") and name != "mae_avg_vitb16_ft")
    assert len({facts.display for facts in ENCODERS.facts().values()}) == len(ENCODERS)


def test_torchvision_names_the_same_files():
    published = torchvision.models.ResNet50_Weights.IMAGENET1K_V2.url
    assert ROSTER["xent_resnet50"].url == published
    assert ROSTER["xent_vitb16"].url == torchvision.models.ViT_B_16_Weights.IMAGENET1K_V1.url


@pytest.mark.parametrize("pool", ["token", "avg"])
def test_vit_is_the_one_of_the_study(pool):
    network = without_memory(partial(networks.make_vitb16, pool))
    assert len(network.blocks) == 12 and network.embed_dim == 768
    assert all(block.attn.num_heads == 12 for block in network.blocks)
    assert network.blocks[0].attn.qkv.bias is not None
    norms = [m for m in network.modules() if isinstance(m, torch.nn.LayerNorm)]
    assert len(norms) == 25 and {norm.eps for norm in norms} == {1e-6}


# Where weights lie.


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty `WEIGHTS_ROOT`, an empty cache of torch, a build folder; no network."""
    root, cache = tmp_path / "root", tmp_path / "hub" / "checkpoints"
    root.mkdir()
    cache.mkdir(parents=True)
    monkeypatch.setenv("WEIGHTS_ROOT", str(root))
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path / "build"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def refuse(request, timeout):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(weights, "urlopen", refuse)
    return root, cache


def test_fingerprint_holds_the_sha256_of_the_file_found(places):
    root, cache = places
    name = "dino_vitbase16_pretrain.pth"
    (cache / name).write_bytes(b"cache")
    in_cache = find_encoder("dino_vitb16").fingerprint
    (root / name).write_bytes(b"root")
    in_root = find_encoder("dino_vitb16").fingerprint
    assert in_cache[name] == hashlib.sha256(b"cache").hexdigest()
    assert in_root[name] == hashlib.sha256(b"root").hexdigest()
    own = root / "own.pth"
    own.write_bytes(b"own")
    given = find_encoder("dino_vitb16", own).fingerprint
    assert given["checkpoint"] == hashlib.sha256(b"own").hexdigest() and name not in given


def test_without_weights_root_the_cache_of_torch_is_enough(places, monkeypatch):
    root, cache = places
    (root / "mae_pretrain_vit_base.pth").write_bytes(b"root")
    monkeypatch.setenv("WEIGHTS_ROOT", "")
    with pytest.raises(WeightsMissingError):
        find_encoder("mae_avg_vitb16")
    (cache / "mae_pretrain_vit_base.pth").write_bytes(b"cache")
    assert fetch_weights("mae_avg_vitb16") == [cache / "mae_pretrain_vit_base.pth"]


def test_a_file_name_that_several_projects_use_counts_in_the_own_folder_alone(places):
    root, cache = places
    (cache / "resnet50.pth").write_bytes(b"whose?")
    with pytest.raises(WeightsMissingError, match=r"vicreg_resnet50\.pth"):
        find_encoder("vicreg_resnet50")
    (root / "resnet50.pth").write_bytes(b"VICReg's")
    assert fetch_weights("vicreg_resnet50") == [root / "resnet50.pth"]


def test_describing_fetches_nothing_and_says_how_to(places, monkeypatch):
    def forbidden(*args):
        raise AssertionError("fetched")

    monkeypatch.setattr(weights, "download", forbidden)
    for name in with_published_weights():
        with pytest.raises(WeightsMissingError, match=rf"{name} are missing.*zsc weights {name}"):
            find_encoder(name)
    for name in set(ROSTER) - set(with_published_weights()):
        with pytest.raises(WeightsMissingError, match="never published; `zsc finetune`"):
            find_encoder(name)
    profile = load_profile("smoke", encoders=["raw_pixels", "xent_resnet50"], datasets=["digits"])
    there, lacking = plan(profile)
    assert there.absent == "" and "weights of encoder xent_resnet50 are missing" in lacking.absent


def test_a_sweep_goes_on_without_an_encoder(places, tmp_path):
    """Of two encoders one has weights that cannot be fetched: its cells say so."""
    names = {"encoders": ["dino_resnet50", "raw_pixels", "dino_resnet50_ft"]}
    profile = load_profile("smoke", datasets=["digits"], clusterers=["kmeans"], **names)
    table = sweep(profile, build=tmp_path, progress=False)
    assert table["status"].tolist() == ["absent", "ok", "absent"]
    assert table["ami"].isna().tolist() == [True, False, True]
    assert "zsc weights dino_resnet50" in table["reason"][0]
    assert "zsc finetune" in table["reason"][2]
    report = progress_report(plan(profile), tmp_path)
    assert list(report["encoders_absent"]) == ["dino_resnet50", "dino_resnet50_ft"]
    assert report["datasets_absent"] == {} and report["missing"] == 0
    assert "2 of 3 encoders are absent: DINO, ResNet-50, DINO [FT]" in base.say_cells(table)


def test_loading_without_network_names_url_and_place(places, class_folders):
    root, _ = places
    message = r"cannot fetch https://\S+/dino_resnet50_pretrain\.pth: Network is unreachable"
    with pytest.raises(CheckpointError, match=f"{message}; put the file into {root} by hand"):
        load_encoder("dino_resnet50")
    with pytest.raises(WeightsMissingError, match="zsc finetune"):
        load_encoder("dino_resnet50_ft")
    embed = [
        "embed",
        "--encoder",
        "dino_vitb16",
        "--images",
        class_folders,
        "--out",
        root / "o.npz",
    ]
    # `weights` goes on to the next file, and says at the end that some are missing.
    for command, code in ((["weights", "dino_vitb16"], 1), (["weights"], 1), (embed, 2)):
        result = CliRunner().invoke(app, list(map(str, command)))
        lines = result.stderr.splitlines()
        assert result.exit_code == code
        assert all(line.startswith("error: cannot fetch https://") for line in lines)
        assert (len(lines) > 1) == (command == ["weights"])
    assert list(root.iterdir()) == []


# Fetching.


class Server(http.server.BaseHTTPRequestHandler):
    """Serves one file whole, one that ends too early, and nothing else."""

    def do_GET(self):
        content = b"weights" * 1000
        if self.path.startswith("/absent"):
            self.send_error(404)
            return
        self.send_response(200)
        if not self.path.startswith("/unsized"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:5000] if self.path.startswith("/cut") else content)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("WEIGHTS_ROOT", str(tmp_path / "new" / "root"))
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path / "build"))
    return tmp_path / "new" / "root"


DIGEST = hashlib.sha256(b"weights" * 1000).hexdigest()


@pytest.mark.parametrize("kind", ["whole", "unsized"])
def test_fetched_once_with_a_record_and_checked_later(kind, server, root):
    wanted = weights.WeightsFile("x", ("a.pth",), f"{server}/{kind}.pth")
    file = wanted.fetch()
    assert file == root / "a.pth" and file.read_bytes() == b"weights" * 1000
    assert (root / "a.pth.sha256").read_text() == f"{DIGEST}  a.pth\n"
    assert wanted.sha256() == DIGEST
    before = file.stat().st_mtime_ns
    assert wanted.fetch() == file and file.stat().st_mtime_ns == before
    file.write_bytes(b"weights" * 999)
    for ask in (wanted.sha256, wanted.fetch):
        with pytest.raises(CheckpointError, match=r"damaged or were replaced.*a\.pth\.sha256 says"):
            ask()
    (root / "a.pth.sha256").write_text("")
    with pytest.raises(CheckpointError, match="says nothing"):
        wanted.sha256()


def test_a_record_of_an_earlier_file_does_not_speak_against_the_new_one(server, root):
    wanted = weights.WeightsFile("x", ("a.pth",), f"{server}/whole.pth")
    root.mkdir(parents=True)
    (root / "a.pth.sha256").write_text("0" * 64)
    wanted.fetch()
    assert wanted.sha256() == DIGEST


@pytest.mark.parametrize(
    ("path", "name", "reason"),
    [
        ("cut.pth", "a.pth", "5000 of 7000 bytes came"),
        ("absent.pth", "a.pth", "HTTP Error 404"),
        ("whole.pth", "a-01234567.pth", f"SHA-256 {DIGEST}, which its name does not"),
    ],
)
def test_what_is_not_whole_leaves_nothing(path, name, reason, server, root):
    with pytest.raises(CheckpointError, match=f"cannot fetch {server}/{path}: .*{reason}"):
        weights.WeightsFile("x", (name,), f"{server}/{path}").fetch()
    assert list(root.iterdir()) == []


def test_a_server_that_is_not_there(root):
    with pytest.raises(CheckpointError, match="cannot fetch http://127.0.0.1:9/a.pth: .*refused"):
        weights.WeightsFile("x", ("a.pth",), "http://127.0.0.1:9/a.pth").fetch()


def test_the_hash_in_a_name_is_checked(server, root):
    good = weights.WeightsFile("x", (f"a-{DIGEST[:8]}.pth",), f"{server}/whole.pth")
    assert good.fetch() and good.sha256() == DIGEST
    good.locate().with_name("a-01234567.pth").write_bytes(b"other")
    with pytest.raises(CheckpointError, match="its name says 01234567"):
        weights.WeightsFile("x", ("a-01234567.pth",)).sha256()


@pytest.mark.usefixtures("shallow")
def test_loading_fetches_what_is_published(places, resnet, pooled, pixels, tmp_path, monkeypatch):
    import urllib.request

    published = tmp_path / "published"
    published.mkdir()
    torch.save(without(resnet.state_dict(), "fc."), published / "resnet50.pth")

    def serve(request, timeout):
        return urllib.request.urlopen(f"file://{published}/{request.full_url.rpartition('/')[2]}")

    monkeypatch.setattr(weights, "urlopen", serve)
    result = CliRunner().invoke(app, ["weights", "vicreg_resnet50"])
    file = places[0] / "vicreg_resnet50.pth"
    assert result.exit_code == 0 and result.stdout == f"vicreg_resnet50: {file}\n"
    file.unlink()
    encoder = load_encoder("vicreg_resnet50")
    assert file.is_file() and encoder.fingerprint == find_encoder("vicreg_resnet50").fingerprint
    assert encoder.fingerprint[file.name] == hashlib.sha256(file.read_bytes()).hexdigest()
    with torch.inference_mode():
        assert same(encoder.module(pixels), pooled)


def test_large_files_are_hashed_once(tmp_path, monkeypatch):
    monkeypatch.setenv("ZSC_BUILD", str(tmp_path / "build"))
    hashed = []

    def count(path):
        hashed.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(weights, "file_sha256", count)
    file = tmp_path / "a.pth"

    def write(content, changed):
        file.write_bytes(content)
        if changed:
            os.utime(file, (changed, changed))

    for content, changed, calls in ((b"1", 1e9, 1), (b"2", 1e9 + 1, 2), (b"33", 1e9 + 1, 3)):
        write(content, changed)
        for _ in range(2):
            assert weights.remembered_sha256(file) == hashlib.sha256(content).hexdigest()
        assert len(hashed) == calls
    # Written a moment ago: it may be written again before the clock moves on.
    write(b"44", None)
    weights.remembered_sha256(file)
    weights.remembered_sha256(file)
    assert len(hashed) == 5
