"""VICReg: two views alike, every dimension spread out, no two dimensions alike.

Bardes, Ponce, LeCun: VICReg: Variance-Invariance-Covariance Regularization (arXiv 2105.04906).
"""

from __future__ import annotations

from lightly.loss import VICRegLoss
from lightly.models.modules.heads import VICRegProjectionHead
from torch import nn

from zsc_utils.miniature.training.augment import Augmentation
from zsc_utils.miniature.training.methods.base import Method, Settings, method


@method("vicreg", version=1, resnet=Settings(epochs=20, lr=2e-3))
class VICReg(Method):
    """Variance, invariance and covariance, weighted 25, 25 and 1 as in the paper.

    Parameters
    ----------
    size
        Side of the views in pixels.
    width
        Width of the projector's three layers (8192 in the paper).
    """

    def __init__(self, backbone: nn.Module, n_classes: int, *, size: int = 64, width: int = 512):
        super().__init__(backbone, n_classes)
        self.head = VICRegProjectionHead(backbone.num_features, width, width, num_layers=3)
        self.criterion = VICRegLoss(lambda_param=25.0, mu_param=25.0, nu_param=1.0)
        self.augment = (Augmentation(size=size, solarise=0.1),) * 2

    def forward(self, views):
        """Projections of both views, each (n, width)."""
        return tuple(self.head(self.encoder(view)) for view in views)

    def loss(self, outputs, y):
        """The weighted sum of the three terms."""
        return self.criterion(*outputs)
