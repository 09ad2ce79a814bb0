"""The study's networks without their heads: ResNet-50 and ViT-B/16."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

SIZE = 224  # of their input, in pixels


def make_torchvision(name: str, head: str) -> torch.nn.Module:
    """Build a network of torchvision without its head, which is its part of that name.

    Of `resnet50` remains the global average pool: d = 2048; of `vit_b_16` the CLS token after the
    final layer norm.
    """
    import torchvision
    from torch import nn

    network = getattr(torchvision.models, name)()
    setattr(network, head, nn.Identity())
    return network


def make_vitb16(pool: str = "token") -> torch.nn.Module:
    """Build timm's ViT-B/16 without its head: d = 768.

    The embedding is the CLS token after the final layer norm; with `pool="avg"` it is the mean over
    the patch tokens of the last block, then the layer norm `fc_norm`, and there is no final `norm`.
    """
    import timm

    return timm.create_model(
        "vit_base_patch16_224", pretrained=False, num_classes=0, global_pool=pool
    )


@dataclass(frozen=True)
class Network:
    """A network, and what figures and recipes call it."""

    backbone: str
    family: str
    make: Callable[[], torch.nn.Module]


RESNET = Network("ResNet-50", "ResNet", partial(make_torchvision, "resnet50", "fc"))
VIT = Network("ViT-B/16", "ViT", make_vitb16)
VIT_AVG = Network("ViT-B/16", "ViT", partial(make_vitb16, "avg"))
VIT_TORCHVISION = Network("ViT-B/16", "ViT", partial(make_torchvision, "vit_b_16", "heads"))
