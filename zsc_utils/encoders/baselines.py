"""Baselines that learnt nothing: raw pixels and networks with random weights."""

from __future__ import annotations

from zsc_utils.encoders.base import encoder
from zsc_utils.encoders.transforms import image_transform

RAW_SIZE = 32
WEIGHT_SEED = 0


@encoder(
    "raw_pixels",
    version=1,
    display="Raw image",
    backbone="none",
    family=None,
    method="none",
)
def raw_pixels(checkpoint):
    """Pixels as they are: resized to 32, or the dataset's own size where smaller, and flattened."""
    from torch import nn

    return nn.Flatten(), lambda size: image_transform(min(RAW_SIZE, size or RAW_SIZE))


def with_random_weights(make_network):
    """Call a constructor under a fixed seed, leaving torch's own random state as it was."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(WEIGHT_SEED)
        return make_network()


@encoder(
    "random_resnet50",
    version=1,
    display="Rand., ResNet-50",
    backbone="ResNet-50",
    family="ResNet",
    method="random",
)
def random_resnet50(checkpoint):
    """ResNet-50 as torchvision initialises it, without its head: d = 2048."""
    from torch import nn
    from torchvision.models import resnet50

    network = with_random_weights(resnet50)
    network.fc = nn.Identity()
    return network, lambda size: image_transform(224)


@encoder(
    "random_vitb16",
    version=1,
    display="Rand., ViT-B/16",
    backbone="ViT-B/16",
    family="ViT",
    method="random",
)
def random_vitb16(checkpoint):
    """ViT-B/16 as timm initialises it, its CLS token after the final layer norm: d = 768."""
    import timm

    network = with_random_weights(
        lambda: timm.create_model("vit_base_patch16_224", pretrained=False, num_classes=0)
    )
    return network, lambda size: image_transform(224)
