"""Any timm model as an encoder: `timm:<model name>`, also one from the hub or from a folder.

`timm:resnet50.a1_in1k` is a model of timm's own list, `timm:hf-hub:<owner>/<model>` one of any
repository on the Hugging Face hub that timm can read (`@<revision>` pins it), and
`timm:local-dir:<folder>` what timm's `save_for_hf` wrote.

An embedding is what a model's head would be given. Of CLIP's towers that is the class token after
the last norm, before the projection to the space shared with texts: what the paper's linear probes
take (Radford et al., 2021), and not the projected embedding that is compared with texts.
"""

from __future__ import annotations

import re
from pathlib import Path

from zsc_utils.encoders.base import Builder, EncoderFacts, Weights
from zsc_utils.encoders.checkpoints import fit_state_dict, read_state_dict
from zsc_utils.encoders.transforms import cut_ends
from zsc_utils.errors import CheckpointError, UnknownNameError, WeightsMissingError

# Raised with any change to what an encoder of this kind gives: it is part of results' names.
VERSION = 1

SOURCES = ("hf-hub", "local-dir")
WEIGHTS_SUFFIXES = (".safetensors", ".bin", ".pth", ".tar")

# What a model was trained by, and whether that saw labels, told by its name with the tag of its
# weights: the first pattern that is found in it counts. Texts that go with images are labels here,
# as are masks and hashtags: someone said what is to be seen. So are the outputs of a teacher that
# learnt from texts.
TRAININGS = (
    (r"c_radio|eupe", "several teachers", True),
    (r"dinov3", "DINOv3", False),
    (r"dinov2|lvd142m", "DINOv2", False),
    (r"dino", "DINO", False),
    (r"moco", "MoCo-v3", False),
    (r"fcmae", "FCMAE", False),
    (r"[._]mae", "MAE", False),
    (r"ijepa", "I-JEPA", False),
    (r"simmim", "SimMIM", False),
    (r"seer", "SwAV", False),
    (r"^beit_", "BEiT", False),
    (r"^beitv2|[._]mim_|m30m", "CLIP's features", True),
    (r"[sw]sl_|swag", "weak labels", True),
    (r"clip|openai|laion|siglip|webli|dfn|datacomp|merged2b|cc12m|yfcc15m", "texts", True),
    (r"aimv2|beit3|florence|[._]pe_|pali|qwen|gemma|deepseek|ogvl", "texts", True),
    (r"sa1b|sam2", "masks", True),
    # ImageNet in its sizes; in timm's names what is left is supervised.
    (r"in\d+k|inw21k|bamboo|jft", "X-Ent", True),
)
# Where timm's settings are not those that a model's authors evaluate it with: what is found in the
# name with the tag of its weights and timm's notes on them, what it is built with, what its input
# is. All that is found counts, but for weights that were trained further: those are timm's own.
# What is not here is as timm has it, and as its authors do: SigLIP pools by attention, EVA-02 takes
# the norm of the patches' mean, as ConvNeXts do; class tokens come after the last norm.
AS_MEANT: tuple[tuple[str, dict, dict], ...] = (
    # The class token; timm takes the mean of the patches for all of its class `Eva`, and says that
    # it is not what the authors do (eva.py: `_dinov3_cfg`, `_sapiens2_cfg`). Their ConvNeXts have
    # no such token: the norm of the mean is in its place, in both.
    (r"^vit_\w+_dinov3|_sapiens2", {"global_pool": "token"}, {}),
    # Classes are told at 224 pixels, cut from 256 (dinov2/data/transforms.py), and positions are
    # resampled to that; timm takes 518, the size of the last steps of training, at five times the
    # patches. Timm resamples with antialiasing: as the authors do with registers (`reg4`), not
    # without.
    (
        r"_dinov2\.",
        {"dynamic_img_size": True},
        {"input_size": (3, 224, 224), "crop_pct": 0.875},
    ),
    # Trained with another activation than the architecture of this name has; timm notes at these
    # weights that the original results take it (vision_transformer.py: `_quick_gelu_cfgs`).
    (r"_clip_\d+\..*QuickGELU", {"act_layer": "quick_gelu"}, {}),
    # The shorter side is as long as the input (clip/clip.py: `_transform`; OpenCLIP's likewise):
    # where timm names no share of it that is kept, its 0.9 is no choice of the authors.
    (r"_clip(_quickgelu)?(_\d+)?\.", {}, {"crop_pct": 1.0}),
    # Whole images, squashed to a square (big_vision: `resize`).
    (r"_siglip(_gap)?_\d+\.", {}, {"crop_pct": 1.0, "crop_mode": "squash"}),
)
# Parts that published weights do not have: they stay as they are made, ones and zeros. Masked
# autoencoding has no use for the norm behind the mean (convnext.py: `_create_convnext`).
UNTRAINED = ((r"^convnextv2_\w+\.fcmae$", ("head.norm.weight", "head.norm.bias")),)
# A last training on ImageNet with its labels.
FINE_TUNED = re.compile(r"_ft_(?:\w+_)?in\d+k")
# Layers in which positions attend to one another, by the names that timm gives their classes, but
# for those that pool, or that only weigh channels or places of a convolution's output.
ATTENTION = re.compile(r"Attn|Attention|MHSA|SHSA|SHMA|GPSA|XCA|LiteMLA")
NO_MIXING = re.compile(r"Pool|NonLocal|Bilinear|^(Selective|Split|Channel|Spatial|Light)")


def describe(model_name: str) -> EncoderFacts:
    """Facts of a timm model.

    A model whose trunk has self-attention belongs to the `ViT` family, hybrids too; any other
    (convolutions, also under attention that pools; MLP-Mixers) to `ResNet`. How it was trained is
    told by the tag of its weights, which timm puts behind a dot.

    Raises
    ------
    UnknownNameError
        Timm has no such model, or no weights of this tag for it.
    CheckpointError
        What the hub or the folder holds cannot be had or is no timm model.
    """
    network = without_weights(model_name)
    source, rest = split_source(model_name)
    weights = network.pretrained_cfg
    method, labels, before = training_of(weights)
    model, data = as_meant(weights)
    return EncoderFacts(
        name=f"timm:{model_name}",
        display=Path(rest).name if source == "local-dir" else rest,
        backbone=weights["architecture"],
        family="ViT" if has_attention(network) else "ResNet",
        method=method,
        labels=labels,
        fine_tuned_from=before,
        takes_checkpoint=True,
        # Those of models that are in no folder timm's version decides.
        weights=weights_in(Path(rest)) if source == "local-dir" else (),
        settings=tuple((model | data).items()),
        version=VERSION,
    )


def split_source(model_name: str) -> tuple[str | None, str]:
    """Take what a name starts with off it: `hf-hub`, `local-dir`, or None for timm's own models.

    Raises
    ------
    UnknownNameError
        It starts with something else, or with nothing but that.
    """
    source, colon, rest = model_name.partition(":")
    if not colon:
        return None, model_name
    if source not in SOURCES or not rest:
        hint = "timm:<model name>, timm:hf-hub:<owner>/<model> or timm:local-dir:<folder>"
        raise UnknownNameError("source of a timm model", model_name, SOURCES, hint)
    return source, rest


def without_weights(model_name: str):
    """Build a timm model that takes no memory for its weights; of the hub, its settings are read.

    Raises
    ------
    UnknownNameError
        Timm has no such model, or no weights of this tag for it.
    CheckpointError
        What the hub or the folder holds cannot be had or is no timm model.
    """
    import timm
    import torch

    source, rest = split_source(model_name)
    architecture, _, tag = model_name.partition(".")
    if not source and not timm.is_model(model_name):
        raise UnknownNameError("timm model", architecture, timm.list_models())
    tags = [name.partition(".")[2] for name in timm.models.get_arch_pretrained_cfgs(model_name)]
    if not source and tag and tag not in tags:
        raise UnknownNameError(f"weights of timm model {architecture}", tag, tags)
    try:
        with torch.device("meta"):
            return timm.create_model(model_name, pretrained=False)
    # Besides the network's errors: whatever settings that are not timm's lead to.
    except Exception as error:
        if not source:
            raise
        message = f"cannot read the model in folder {rest}: {reason_of(error)}"
        if source == "hf-hub":
            message = f"cannot read the settings of {rest} on the hub: {reason_of(error)}"
            message += " (a copy of it in a folder is timm:local-dir:<folder>)"
        raise CheckpointError(message) from error


def reason_of(error: Exception) -> str:
    """First line of what an error says; of one that says only a name that is lacking, that too."""
    if isinstance(error, KeyError):
        return f"its settings lack {error}"
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def has_attention(network) -> bool:
    """Tell whether positions attend to one another somewhere before a network's pooling."""
    kinds = {type(module).__name__ for module in network.modules()}
    return any(ATTENTION.search(kind) and not NO_MIXING.search(kind) for kind in kinds)


def full_name(weights: dict) -> str:
    """Name of an architecture with the tag of its weights, where they have one."""
    tag = weights.get("tag")
    return f"{weights['architecture']}.{tag}" if tag else weights["architecture"]


def has_own_head(weights: dict) -> bool:
    """Tell whether weights have a head of classes that timm's own do not have.

    Then they are of someone's training with labels.
    """
    import timm

    name, n_classes = full_name(weights), weights.get("num_classes")
    named = timm.models.get_arch_pretrained_cfgs(weights["architecture"])
    return bool(n_classes) and (name not in named or named[name].num_classes != n_classes)


def as_meant(weights: dict) -> tuple[dict, dict]:
    """Say where a model is built or fed otherwise than by timm's own settings.

    Parameters
    ----------
    weights
        Timm's settings of pretrained weights.

    Returns
    -------
    model, data
        Arguments for `timm.create_model`, and for `timm.data.create_transform`.
    """
    name = full_name(weights)
    model, data = {}, {}
    if FINE_TUNED.search(name) or has_own_head(weights):
        return model, data
    described = " ".join((name, *(weights.get("notes") or ())))
    for like, of_model, of_data in AS_MEANT:
        if re.search(like, described):
            model |= of_model
            data |= of_data
    return model, {what: value for what, value in data.items() if weights.get(what) != value}


def training_of(weights: dict) -> tuple[str, bool | None, str | None]:
    """Tell what weights were trained by.

    Parameters
    ----------
    weights
        Timm's settings of pretrained weights.

    Returns
    -------
    method, labels, before
        Labels are None where it is not known whether there were any. `before` is the name of what
        was fine-tuned, where that was self-supervised.
    """
    import timm

    if not any(weights.get(place) for place in ("url", "file", "hf_hub_id")):
        return "unknown", None, None
    architecture, tag = weights["architecture"], weights.get("tag") or ""
    named = timm.models.get_arch_pretrained_cfgs(architecture)
    name, own_head = full_name(weights), has_own_head(weights)
    method, labels = _pretraining_of(name) or (("X-Ent", True) if own_head else ("unknown", None))
    if labels is not False or not (own_head or FINE_TUNED.search(tag)):
        return method, labels, None
    earlier = tag.partition("_ft_")[0]
    alike = [
        other
        for other in named
        if _pretraining_of(other) == (method, False) and not FINE_TUNED.search(other)
    ]
    return method, True, f"timm:{alike[0] if alike else f'{architecture}.{earlier}'}"


def _pretraining_of(name: str) -> tuple[str, bool] | None:
    """Find method and labels in the table; None where no pattern is in the name."""
    return next(((how, labels) for like, how, labels in TRAININGS if re.search(like, name)), None)


def weights_in(folder: Path) -> Weights:
    """Files that decide the weights of a model in a folder."""
    deciding = (".json", *WEIGHTS_SUFFIXES)
    return tuple(sorted(file for file in folder.iterdir() if file.suffix in deciding))


def make_builder(model_name: str) -> Builder:
    """Return the function that builds a timm model without head, under its own transform.

    Both are timm's, but for what `AS_MEANT` says.
    """

    def build(checkpoint: Path | None):
        import timm
        from torchvision.transforms import v2

        weights = without_weights(model_name).pretrained_cfg
        of_model, of_data = as_meant(weights)
        if checkpoint is None:
            network = download(model_name, **of_model)
        else:
            network = timm.create_model(model_name, pretrained=False, **of_model)
            head = network.default_cfg["classifier"] or ()
            heads = (head,) if isinstance(head, str) else head
            network.reset_classifier(0)
            state, dropped = read_state_dict(checkpoint), tuple(f"{name}." for name in heads)
            lacking = untrained(full_name(weights)) - state.keys()
            fit_state_dict(network, state, checkpoint, dropped, untrained=lacking)
        data = timm.data.resolve_data_config(model=network) | of_data
        # A model that takes the whole image squashed to its size sees the ends as well.
        whole = [] if data["crop_mode"] == "squash" else [cut_ends]
        transform = v2.Compose([v2.RGB(), *whole, timm.data.create_transform(**data)])
        return network, lambda size: transform

    return build


def untrained(name: str) -> set[str]:
    """Parts that published weights of a name do not have."""
    return {part for like, parts in UNTRAINED if re.search(like, name) for part in parts}


def fetched_models(cache: Path | None = None) -> list[str]:
    """Name the models of timm's list whose weights the hub's client has fetched to this machine.

    Parameters
    ----------
    cache
        The client's cache; where it looks by itself by default.

    Returns
    -------
    list of str
        As encoders: `timm:<model name>`.
    """
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repositories = scan_cache_dir(cache).repos
    except CacheNotFound:
        return []
    names = [
        repository.repo_id.removeprefix("timm/")
        for repository in repositories
        if repository.repo_id.startswith("timm/")
        and any(
            file.file_name.endswith(WEIGHTS_SUFFIXES)
            for revision in repository.revisions
            for file in revision.files
        )
    ]
    if not names:
        return []
    import timm

    known = set(timm.list_models(pretrained=True))
    return sorted(f"timm:{name}" for name in names if name in known)


def download(model_name: str, **settings):
    """Build a timm model with the weights that timm names for it.

    Parameters
    ----------
    model_name
        As timm has it.
    settings
        Other arguments for `timm.create_model`.

    Raises
    ------
    WeightsMissingError
        The model has no published weights, or they cannot be fetched.
    """
    import timm

    try:
        return timm.create_model(model_name, pretrained=True, num_classes=0, **settings)
    # The hub client raises its own and the network's errors; the user's way out is the same.
    except Exception as error:
        raise WeightsMissingError(
            f"no pretrained weights for timm model {model_name}: {reason_of(error)}; "
            "give them as a file with --checkpoint"
        ) from error
