"""Supervised fine-tuning of a pretrained encoder, after the study's recipe in small.

The recipe is MAE's (arXiv 2111.06377, table 9), which the study used for all encoders: AdamW,
warm-up and cosine, label smoothing, a head that starts near zero, and for transformers a learning
rate that falls from block to block towards the input. Left out at this size: RandAugment, mixup and
drop path; the augmentation is that of supervised training.
"""

from __future__ import annotations

from timm.optim import param_groups_layer_decay, param_groups_weight_decay
from torch import nn

from zsc_utils.miniature.training.methods.base import Settings, method
from zsc_utils.miniature.training.methods.supervised import CrossEntropy


@method(
    "finetune",
    version=1,
    resnet=Settings(epochs=6, lr=1e-3, options={"scale": (0.35, 1.0)}),
    vit=Settings(
        epochs=5, lr=1e-3, batch_size=128, options={"scale": (0.35, 1.0), "layer_decay": 0.75}
    ),
)
class FineTune(CrossEntropy):
    """Cross-entropy from pretrained weights.

    Parameters
    ----------
    backbone
        With pretrained weights; an MAE pools the average (`fc_norm`) here.
    scale
        Range of the crop's share of the image's area.
    layer_decay
        Ratio of learning rates between one block and the next; None for the same everywhere.
    """

    def __init__(
        self,
        backbone: nn.Module,
        n_classes: int,
        *,
        scale: tuple[float, float],
        layer_decay: float | None = None,
    ):
        super().__init__(backbone, n_classes, scale=scale)
        nn.init.trunc_normal_(self.head.weight, std=2e-5)
        nn.init.zeros_(self.head.bias)
        self.layer_decay = layer_decay

    def parameter_groups(self, weight_decay):
        """Layer-wise learning rates in the backbone; the head's is the full one."""
        if self.layer_decay is None:
            return super().parameter_groups(weight_decay)
        backbone = param_groups_layer_decay(
            self.encoder, weight_decay, layer_decay=self.layer_decay
        )
        return backbone + param_groups_weight_decay(self.head, weight_decay)
