"""Supervised fine-tuning of a pretrained encoder, after the study's recipe in small.

The recipe is MAE's (arXiv 2111.06377, table 9), which the study used for all encoders: AdamW,
warm-up and cosine, label smoothing, a head that starts near zero, and for transformers a learning
rate that falls from block to block towards the input. Left out at this size: RandAugment, mixup and
drop path; the augmentation is that of supervised training.
"""

from __future__ import annotations

from timm.optim import param_groups_layer_decay, param_groups_weight_decay

from zsc_utils.encoders.training import begin_near_zero
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
    args, options
        As for supervised training; the backbone has pretrained weights, and an MAE's pools the
        average (`fc_norm`) here.
    layer_decay
        Ratio of learning rates between one block and the next; None for the same everywhere.
    """

    def __init__(self, *args, layer_decay: float | None = None, **options):
        super().__init__(*args, **options)
        begin_near_zero(self.head)
        self.layer_decay = layer_decay

    def parameter_groups(self, weight_decay):
        """Layer-wise learning rates in the backbone; the head's is the full one."""
        if self.layer_decay is None:
            return super().parameter_groups(weight_decay)
        backbone = param_groups_layer_decay(
            self.encoder, weight_decay, layer_decay=self.layer_decay
        )
        return backbone + param_groups_weight_decay(self.head, weight_decay)
