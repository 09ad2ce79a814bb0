"""Any timm model as an encoder: `timm:<model name>`."""

from __future__ import annotations

from pathlib import Path

from zsc_utils.encoders.base import Builder, EncoderFacts
from zsc_utils.encoders.checkpoints import fit_state_dict, read_state_dict
from zsc_utils.encoders.transforms import cut_ends
from zsc_utils.errors import CheckpointError, UnknownNameError

# Raised with any change to what an encoder of this kind gives: it is part of results' names.
VERSION = 1


def describe(model_name: str) -> EncoderFacts:
    """Facts of a timm model.

    A model with attention blocks belongs to the `ViT` family, any other to `ResNet`. How it was
    pretrained is taken from the tag of its weights, which timm puts behind a dot.

    Raises
    ------
    UnknownNameError
        Timm has no such model.
    """
    import timm
    import torch

    if not timm.is_model(model_name):
        raise UnknownNameError("timm model", model_name.split(".")[0], timm.list_models())
    with torch.device("meta"):
        network = timm.create_model(model_name, pretrained=False)
    attention = any("Attention" in type(module).__name__ for module in network.modules())
    return EncoderFacts(
        name=f"timm:{model_name}",
        display=model_name,
        backbone=model_name.split(".")[0],
        family="ViT" if attention else "ResNet",
        method="timm weights",
        takes_checkpoint=True,
        version=VERSION,
    )


def make_builder(model_name: str) -> Builder:
    """Return the function that builds a timm model without head, under timm's own transform."""

    def build(checkpoint: Path | None):
        import timm
        from torchvision.transforms import v2

        if checkpoint is None:
            network = download(model_name)
        else:
            network = timm.create_model(model_name, pretrained=False)
            head = network.default_cfg["classifier"]
            heads = (head,) if isinstance(head, str) else head
            network.reset_classifier(0)
            prefixes = tuple(f"{name}." for name in heads)
            fit_state_dict(network, read_state_dict(checkpoint), checkpoint, dropped=prefixes)
        data = timm.data.resolve_data_config(model=network)
        # A model that takes the whole image squashed to its size sees the ends as well.
        whole = [] if data["crop_mode"] == "squash" else [cut_ends]
        transform = v2.Compose([v2.RGB(), *whole, timm.data.create_transform(**data)])
        return network, lambda size: transform

    return build


def download(model_name: str):
    """Build a timm model with the weights that timm names for it.

    Raises
    ------
    CheckpointError
        The model has no published weights, or they cannot be fetched.
    """
    import timm

    try:
        return timm.create_model(model_name, pretrained=True, num_classes=0)
    # The hub client raises its own and the network's errors; the user's way out is the same.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"no pretrained weights for timm model {model_name}: {reason}; give them as a file "
            "with --checkpoint"
        ) from error
