"""Baselines that learnt nothing: raw pixels and networks with random weights."""

from __future__ import annotations

from collections.abc import Callable

from zsc_utils.encoders.base import display_name, encoder
from zsc_utils.encoders.networks import RESNET, SIZE, VIT
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


def with_random_weights(make_network: Callable) -> Callable:
    """Return the function that builds a network as its library initialises it, without its head.

    It does so under a fixed seed and leaves torch's own random state as it was.
    """

    def build(checkpoint):
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(WEIGHT_SEED)
            network = make_network()
        return network, lambda size: image_transform(SIZE)

    return build


for _name, _network in {"random_resnet50": RESNET, "random_vitb16": VIT}.items():
    encoder(
        _name,
        version=1,
        display=display_name("random", _network.backbone, None),
        backbone=_network.backbone,
        family=_network.family,
        method="random",
    )(with_random_weights(_network.make))
