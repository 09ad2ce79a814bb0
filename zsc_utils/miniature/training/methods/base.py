"""What a training method is, and the register of those known by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from timm.optim import param_groups_weight_decay
from torch import nn

from zsc_utils.miniature.training.augment import Augmentation
from zsc_utils.registry import Registry

# Share of the old weights in a moving copy at the start; rises to 1 on half a cosine.
MOMENTUM = 0.99


@dataclass(frozen=True)
class Settings:
    """How a method is optimised on one backbone, and the method's own options.

    Parameters
    ----------
    epochs
        Passes over the images; 0 leaves the weights as they were initialised.
    lr
        Peak learning rate of AdamW: a linear rise from `min_lr`, then half a cosine back to it.
    batch_size
        Images a step.
    weight_decay
        Of weights of two and more axes; those of one (biases, norms) have none.
    warmup
        Share of the steps over which the learning rate rises.
    min_lr
        Learning rate of the last step.
    options
        Keyword arguments of the method.
    """

    epochs: int
    lr: float
    batch_size: int = 256
    weight_decay: float = 0.05
    warmup: float = 0.1
    min_lr: float = 1e-6
    options: dict = field(default_factory=dict)


class Method(nn.Module):
    """A network in training.

    A method holds the backbone that is kept as `encoder`, and whatever else it needs: heads,
    momentum networks, decoders. Views are made and losses taken in full precision; `forward` may
    run in bfloat16.

    Parameters
    ----------
    backbone
        Maps (n, 3, h, w) to (n, d).
    n_classes
        Number of classes; self-supervised methods see no labels and do not use it.
    """

    # One for each view.
    augment: tuple[Augmentation, ...]

    def __init__(self, backbone: nn.Module, n_classes: int):
        super().__init__()
        self.encoder = backbone

    def views(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Augment uint8 images (n, h, w, 3) into the views that `forward` takes."""
        return [augment(images) for augment in self.augment]

    def forward(self, views: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        """Compute what the loss is taken of."""
        raise NotImplementedError

    def loss(self, outputs: tuple[torch.Tensor, ...], y: torch.Tensor) -> torch.Tensor:
        """Take the loss of float32 outputs; `y` (n,) are classes, for the methods that may look."""
        raise NotImplementedError

    def before_step(self) -> None:
        """Change gradients before the optimiser's step."""

    def after_step(self, step: int, steps: int) -> None:
        """Update what no gradient updates, after a step, counted from 0, of all."""

    def parameter_groups(self, weight_decay: float) -> list[dict]:
        """Parameters for the optimiser; a group's `lr_scale` multiplies its learning rate."""
        return param_groups_weight_decay(self, weight_decay)


class MomentumMethod(Method):
    """A method of which networks have copies that move after them slowly."""

    def move(self, *pairs: tuple[nn.Module, nn.Module]) -> None:
        """Say which networks have which copies; no gradient reaches these."""
        self.pairs = pairs
        for _, moving in pairs:
            deactivate_requires_grad(moving)

    def after_step(self, step: int, steps: int) -> None:
        """Move the copies."""
        m = cosine_schedule(step, steps, MOMENTUM, 1.0)
        for network, moving in self.pairs:
            update_momentum(network, moving, m)


@dataclass(frozen=True)
class MethodFacts:
    """What is known of a method.

    Parameters
    ----------
    name
        The name it is asked for by.
    settings
        How each backbone is trained that the method can train.
    version
        Raised by whoever changes what the class trains: it names the weights.
    """

    name: str
    settings: dict[str, Settings]
    version: int = 1


# A method is a class made from (backbone, number of classes, options).
METHODS: Registry[MethodFacts] = Registry(
    "method",
    MethodFacts,
    modules=tuple(
        f"zsc_utils.miniature.training.methods.{name}"
        for name in ("dino", "finetune", "mae", "mocov3", "supervised", "vicreg")
    ),
)


def method(name: str, *, version: int, **settings: Settings) -> Callable:
    """Register a method: decorate its class; keyword arguments are settings for each backbone."""
    return METHODS.register(name, version=version, settings=settings)
