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
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import nn
from torch.nn import functional as F

from zsc_utils.miniature.training.augment import Augmentation
from zsc_utils.miniature.training.methods.base import Method, Settings, method


@method(
    "mocov3",
    version=1,
    resnet=Settings(epochs=20, lr=2e-3),
    vit=Settings(epochs=14, lr=1e-3, options={"size": 48}),
)
class MoCoV3(Method):
    """Momentum contrast without a queue: the negatives are the other images of the batch.

    Parameters
    ----------
    backbone
        Maps (n, 3, h, w) to (n, d).
    n_classes
        Unused: the method sees no labels.
    size
        Side of the views in pixels.
    temperature
        Of the softmax over similarities.
    momentum
        Share of the old weights in the moving copy at the start; rises to 1 on half a cosine.
    width, dim
        Hidden and output width of the heads (4096 and 256 in the paper).
    """

    def __init__(
        self,
        backbone: nn.Module,
        n_classes: int,
        *,
        size: int = 64,
        temperature: float = 0.2,
        momentum: float = 0.99,
        width: int = 1024,
        dim: int = 128,
    ):
        super().__init__()
        self.encoder = backbone
        self.head = MoCoProjectionHead(
            backbone.num_features, width, dim, num_layers=3, batch_norm=True
        )
        self.predictor = MoCoProjectionHead(dim, width, dim, num_layers=2, batch_norm=True)
        self.momentum_encoder = copy.deepcopy(self.encoder)
        self.momentum_head = copy.deepcopy(self.head)
        deactivate_requires_grad(self.momentum_encoder)
        deactivate_requires_grad(self.momentum_head)
        self.temperature, self.momentum = temperature, momentum
        # The paper's two views differ in blur and solarisation alone.
        self.augment = (
            Augmentation(size=size, blur=0.9),
            Augmentation(size=size, blur=0.1, solarise=0.2),
        )

    def views(self, images):
        """Two views."""
        return [augment(images) for augment in self.augment]

    def forward(self, views):
        """Queries of both views, then their keys; each (n, dim)."""
        queries = [self.predictor(self.head(self.encoder(view))) for view in views]
        with torch.no_grad():
            keys = [self.momentum_head(self.momentum_encoder(view)) for view in views]
        return (*queries, *keys)

    def loss(self, outputs, y, progress):
        """InfoNCE of each view's query against the other view's keys."""
        query_0, query_1, key_0, key_1 = (F.normalize(output, dim=1) for output in outputs)
        return self._info_nce(query_0, key_1) + self._info_nce(query_1, key_0)

    def _info_nce(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        # lightly's NTXentLoss is SimCLR's: it also contrasts queries with queries.
        logits = queries @ keys.T / self.temperature
        own = torch.arange(len(logits), device=logits.device)
        return 2 * self.temperature * F.cross_entropy(logits, own)

    def after_step(self, progress):
        """Move the copy."""
        m = cosine_schedule(progress.step, progress.steps, self.momentum, 1.0)
        update_momentum(self.encoder, self.momentum_encoder, m)
        update_momentum(self.head, self.momentum_head, m)
