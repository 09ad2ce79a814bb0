"""MAE: paint in the three quarters of an image that the encoder did not see.

He et al.: Masked Autoencoders Are Scalable Vision Learners (arXiv 2111.06377).
"""

from __future__ import annotations

from lightly.models import utils
from lightly.models.modules import MaskedVisionTransformerTIMM
from lightly.models.modules.masked_vision_transformer_decoder_timm import (
    MaskedVisionTransformerDecoderTIMM,
)
from torch import nn
from torch.nn import functional as F

from zsc_utils.miniature.training.augment import Augmentation
from zsc_utils.miniature.training.methods.base import Method, Settings, method

MASK_RATIO = 0.75  # share of the patches that are hidden
# Width and number of blocks of the decoder (512 and 8 in the paper).
DECODER_DIM, DECODER_DEPTH = 128, 2


@method("mae", version=1, vit=Settings(epochs=40, lr=1e-3, batch_size=128))
class MAE(Method):
    """Masked autoencoder with a light decoder, which is thrown away.

    The only augmentation is a crop and a flip, as in the paper. The backbone is a vision
    transformer of timm with a CLS token.
    """

    def __init__(self, backbone: nn.Module, n_classes: int):
        super().__init__(backbone, n_classes)
        self.masked = MaskedVisionTransformerTIMM(backbone)
        self.patch = backbone.patch_embed.patch_size[0]
        self.embed = nn.Linear(backbone.num_features, DECODER_DIM)
        self.decoder = MaskedVisionTransformerDecoderTIMM(
            backbone.patch_embed.num_patches, DECODER_DIM, DECODER_DEPTH, num_heads=4
        )
        self.decoder.pos_embed.requires_grad_(False)
        for block in self.decoder.blocks:
            block.attn.fused_attn = False  # as in the backbone
        self.predict = nn.Linear(DECODER_DIM, self.patch**2 * 3)
        self.augment = (Augmentation(scale=(0.5, 1.0), jitter=0.0, grey=0.0, blur=0.0),)

    def forward(self, views):
        """Predicted and true pixels of the hidden patches, each (n, hidden, patch² · 3)."""
        (images,) = views
        patches = utils.patchify(images, self.patch)
        size = (len(images), self.masked.sequence_length)
        idx_keep, idx_mask = utils.random_token_mask(size, MASK_RATIO, device=images.device)
        seen = self.embed(self.masked.encode(images, idx_keep=idx_keep))
        tokens = utils.repeat_token(self.decoder.mask_token, size).to(seen.dtype)
        tokens = utils.set_at_index(tokens, idx_keep, seen)
        predicted = self.predict(utils.get_at_index(self.decoder(tokens), idx_mask))
        # Position 0 is the CLS token, which is no patch.
        return predicted, utils.get_at_index(patches, idx_mask - 1)

    def loss(self, outputs, y):
        """Mean squared error of the pixels.

        They are not normalised within each patch, the paper's other choice: most of the variance of
        such small images lies between the means of patches, which that would take away.
        """
        return F.mse_loss(*outputs)
