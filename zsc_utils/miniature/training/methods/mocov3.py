"""MoCo-v3: contrast two views, one seen by a slowly moving copy of the network.

Chen, Xie, He: An Empirical Study of Training Self-Supervised Vision Transformers
(arXiv 2104.02057).

At this size: AdamW for both backbones (the paper has LARS for the ResNet), the patch projection
learns (the paper holds it still), and the transformer's views have 48 pixels a side.
"""

from __future__ import annotations

import copy

import torch
from lightly.models.modules.heads import MoCoProjectionHead
from torch import nn
from torch.nn import functional as F

from zsc_utils.miniature.training.augment import unlike_pair
from zsc_utils.miniature.training.methods.base import MomentumMethod, Settings, method

TEMPERATURE = 0.2  # of the softmax over similarities
DIM = 128  # output width of the heads (256 in the paper)


@method(
    "mocov3",
    version=1,
    resnet=Settings(epochs=20, lr=2e-3),
    vit=Settings(epochs=14, lr=1e-3, options={"size": 48}),
)
class MoCoV3(MomentumMethod):
    """Momentum contrast without a queue: the negatives are the other images of the batch.

    Parameters
    ----------
    size
        Side of the views in pixels.
    width
        Hidden width of the heads (4096 in the paper).
    """

    def __init__(self, backbone: nn.Module, n_classes: int, *, size: int = 64, width: int = 1024):
        super().__init__(backbone, n_classes)
        self.head = MoCoProjectionHead(
            backbone.num_features, width, DIM, num_layers=3, batch_norm=True
        )
        self.predictor = MoCoProjectionHead(DIM, width, DIM, num_layers=2, batch_norm=True)
        self.momentum_encoder = copy.deepcopy(self.encoder)
        self.momentum_head = copy.deepcopy(self.head)
        self.augment = unlike_pair(size)
        self.move((self.encoder, self.momentum_encoder), (self.head, self.momentum_head))

    def forward(self, views):
        """Queries of both views, then their keys; each (n, dim)."""
        queries = [self.predictor(self.head(self.encoder(view))) for view in views]
        with torch.no_grad():
            keys = [self.momentum_head(self.momentum_encoder(view)) for view in views]
        return (*queries, *keys)

    def loss(self, outputs, y):
        """InfoNCE of each view's query against the other view's keys."""
        query_0, query_1, key_0, key_1 = (F.normalize(output, dim=1) for output in outputs)
        return self._info_nce(query_0, key_1) + self._info_nce(query_1, key_0)

    def _info_nce(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        # lightly's NTXentLoss is SimCLR's: it also contrasts queries with queries.
        logits = queries @ keys.T / TEMPERATURE
        own = torch.arange(len(logits), device=logits.device)
        return 2 * TEMPERATURE * F.cross_entropy(logits, own)
