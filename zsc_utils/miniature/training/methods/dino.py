"""DINO: a student predicts what a slowly moving teacher makes of another crop.

Caron et al.: Emerging Properties in Self-Supervised Vision Transformers (arXiv 2104.14294).

What a training of some thousand steps changes: the teacher is sharper; its outputs are shared out
evenly by Sinkhorn and Knopp's iterations, as in DINOv2 (arXiv 2304.07193), where the paper takes a
moving centre away; the head has batch norm, and its last layer is never held still; there are no
small crops. In short trials the paper's temperatures left the loss where outputs that are the same
for all images have it, and the centre reached a lower kNN accuracy than the iterations.
"""

from __future__ import annotations

import copy

import torch
from lightly.loss.swav_loss import sinkhorn
from lightly.models.modules.heads import DINOProjectionHead
from torch import nn
from torch.nn import functional as F

from zsc_utils.miniature.training.augment import unlike_pair
from zsc_utils.miniature.training.methods.base import MomentumMethod, Settings, method

STUDENT_TEMPERATURE = 0.1
TEACHER_TEMPERATURE = 0.02  # 0.04 to 0.07 in the paper
# Of the head: hidden, bottleneck, output (2048, 256 and 65536 in the paper).
WIDTHS = (512, 128, 1024)


@method(
    "dino",
    version=1,
    resnet=Settings(epochs=20, lr=2e-3, batch_size=128),
    vit=Settings(epochs=14, lr=1e-3, batch_size=128, options={"size": 48}),
)
class DINO(MomentumMethod):
    """Self-distillation without labels; the teacher's backbone is the one that is kept.

    Parameters
    ----------
    size
        Side of the crops in pixels.
    """

    def __init__(self, backbone: nn.Module, n_classes: int, *, size: int = 64):
        super().__init__(copy.deepcopy(backbone), n_classes)
        self.student = backbone
        self.student_head = DINOProjectionHead(backbone.num_features, *WIDTHS, batch_norm=True)
        # torch cannot copy a layer with weight norm.
        self.teacher_head = DINOProjectionHead(backbone.num_features, *WIDTHS, batch_norm=True)
        self.teacher_head.load_state_dict(self.student_head.state_dict())
        self.augment = unlike_pair(size)
        self.move((self.student, self.encoder), (self.student_head, self.teacher_head))

    def forward(self, views):
        """The teacher's and the student's outputs for both crops; each (2, n, dim)."""
        with torch.no_grad():
            seen = torch.cat([self.encoder(view) for view in views])
        predicted = torch.cat([self.student(view) for view in views])
        # Cosines over a temperature of 0.02: bfloat16 would make errors of a tenth of it.
        with torch.autocast(seen.device.type, enabled=False):
            with torch.no_grad():
                teacher = self.teacher_head(seen.float())
            student = self.student_head(predicted.float())
        return teacher.view(2, -1, teacher.shape[1]), student.view(2, -1, student.shape[1])

    def loss(self, outputs, y):
        """Cross-entropy from each teacher output to the student output of the other crop."""
        teacher, student = outputs
        # Both crops together: more images for the outputs to be shared out among.
        targets = sinkhorn(teacher.flatten(0, 1), epsilon=TEACHER_TEMPERATURE).view_as(teacher)
        predicted = F.log_softmax(student / STUDENT_TEMPERATURE, dim=2)
        return -(targets * predicted.flip(0)).sum(2).mean()

    def before_step(self):
        """Clip the norm of the backbone's gradients (in the paper, that of each parameter's)."""
        nn.utils.clip_grad_norm_(self.student.parameters(), 3.0)
