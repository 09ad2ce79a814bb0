"""Learning from labels by cross-entropy, and not learning at all."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F

from zsc_utils.miniature.training.augment import Augmentation
from zsc_utils.miniature.training.methods.base import Method, Settings, method


@method("random", version=1, resnet=Settings(epochs=0, lr=0.0), vit=Settings(epochs=0, lr=0.0))
class Random(Method):
    """Weights as they were initialised."""


@method(
    "xent",
    version=1,
    resnet=Settings(epochs=16, lr=2e-3, options={"scale": (0.35, 1.0)}),
    vit=Settings(epochs=12, lr=1e-3, batch_size=128, options={"scale": (0.35, 1.0)}),
)
class CrossEntropy(Method):
    """Supervised training from scratch with smoothed labels.

    Label smoothing 0.1 is the study's and torchvision's. The augmentation is milder than in
    self-supervised training: no blur, no loss of colour.

    Parameters
    ----------
    scale
        Range of the crop's share of the image's area.
    """

    def __init__(self, backbone: nn.Module, n_classes: int, *, scale: tuple[float, float]):
        super().__init__(backbone, n_classes)
        self.head = nn.Linear(backbone.num_features, n_classes)
        self.augment = (Augmentation(scale=scale, grey=0.0, blur=0.0),)

    def forward(self, views):
        """Logits (n, classes)."""
        return (self.head(self.encoder(views[0])),)

    def loss(self, outputs, y):
        """Cross-entropy with label smoothing."""
        return F.cross_entropy(outputs[0], y, label_smoothing=0.1)
