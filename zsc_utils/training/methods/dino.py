"""DINO: a student predicts what a slowly moving teacher makes of another crop.

Caron et al.: Emerging Properties in Self-Supervised Vision Transformers (arXiv 2104.14294).
"""

from __future__ import annotations

import copy

import torch
from lightly.loss import DINOLoss
from lightly.models.modules.heads import DINOProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from torch import nn

from zsc_utils.training.augment import Augmentation
from zsc_utils.training.methods.base import Method, Settings, method


@method(
    "dino",
    resnet=Settings(epochs=14, lr=2e-3),
    vit=Settings(epochs=12, lr=1e-3, options={"size": 48}),
)
class DINO(Method):
    """Self-distillation without labels; the teacher's backbone is the one that is kept.

    Parameters
    ----------
    backbone
        Maps (n, 3, h, w) to (n, d) for images of several sizes.
    n_classes
        Unused: the method sees no labels.
    size, local_size
        Sides of the large and the small crops in pixels.
    n_local
        Number of small crops, which the student alone sees (8 in the paper).
    momentum
        Share of the old weights in the teacher at the start; rises to 1 on half a cosine.
    temperature
        Of the teacher's softmax, at the start and after `temperature_warmup` of the epochs.
    width, bottleneck, dim
        Widths of the head (2048, 256 and 65536 in the paper).
    """

    def __init__(
        self,
        backbone: nn.Module,
        n_classes: int,
        *,
        size: int = 64,
        local_size: int = 32,
        n_local: int = 2,
        momentum: float = 0.99,
        temperature: tuple[float, float] = (0.04, 0.07),
        temperature_warmup: float = 0.3,
        width: int = 512,
        bottleneck: int = 128,
        dim: int = 1024,
    ):
        super().__init__()
        self.student = backbone
        widths = (backbone.num_features, width, bottleneck, dim)
        self.student_head = DINOProjectionHead(*widths, freeze_last_layer=1)
        self.encoder = copy.deepcopy(backbone)
        # torch cannot copy a layer with weight norm.
        self.teacher_head = DINOProjectionHead(*widths)
        self.teacher_head.load_state_dict(self.student_head.state_dict())
        deactivate_requires_grad(self.encoder)
        deactivate_requires_grad(self.teacher_head)
        self.criterion = DINOLoss(dim, center_momentum=0.9)
        self.momentum, self.temperature = momentum, temperature
        self.temperature_warmup = temperature_warmup
        large = {"size": size, "scale": (0.3, 1.0)}
        self.augment = (
            Augmentation(**large, blur=0.9),
            Augmentation(**large, blur=0.1, solarise=0.2),
            *[Augmentation(size=local_size, scale=(0.08, 0.3))] * n_local,
        )

    def views(self, images):
        """Two large crops, then the small ones."""
        return [augment(images) for augment in self.augment]

    def forward(self, views):
        """The teacher's outputs (2, n, dim) and the student's (views, n, dim)."""
        with torch.no_grad():
            teacher = [self.teacher_head(self.encoder(view)) for view in views[:2]]
        student = [self.student_head(self.student(view)) for view in views]
        return torch.stack(teacher), torch.stack(student)

    def loss(self, outputs, y, progress):
        """Cross-entropy from each teacher output to each student output of another crop."""
        start, end = self.temperature
        warm = min(1.0, progress.step / (self.temperature_warmup * progress.steps))
        teacher, student = outputs
        temperature = start + (end - start) * warm
        return self.criterion(list(teacher), list(student), teacher_temp=temperature)

    def before_step(self, progress):
        """Hold the last layer still in the first epoch."""
        self.student_head.cancel_last_layer_gradients(progress.epoch)
        nn.utils.clip_grad_norm_(self.student.parameters(), 3.0)

    def after_step(self, progress):
        """Move the teacher."""
        m = cosine_schedule(progress.step, progress.steps, self.momentum, 1.0)
        update_momentum(self.student, self.encoder, m)
        update_momentum(self.student_head, self.teacher_head, m)
