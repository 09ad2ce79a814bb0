"""The study's roster in small: backbones for images of 64 pixels, pretrained on `mini-imagenet`.

The weights and a card for each file lie in `weights/mini/`; `zsc pretrain` makes them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from zsc_utils.cache import ROOT, file_sha256
from zsc_utils.encoders.base import display_name, encoder
from zsc_utils.encoders.checkpoints import fit_state_dict, read_state_dict
from zsc_utils.encoders.transforms import image_transform
from zsc_utils.errors import CheckpointError

if TYPE_CHECKING:
    import torch

FOLDER = ROOT / "weights" / "mini"
SIZE = 64

BACKBONES = {"resnet": "ResNet-10", "vit": "ViT-4/8"}
FAMILIES = {"resnet": "ResNet", "vit": "ViT"}
# MAE, which is read in two ways, is for the ViT alone; VICReg is for the ResNet alone.
METHODS = {
    "random": "random",
    "xent": "X-Ent",
    "mocov3": "MoCo-v3",
    "dino": "DINO",
    "vicreg": "VICReg",
}


@dataclass(frozen=True)
class MiniEncoder:
    """One reading of one weights file.

    Parameters
    ----------
    name
        The encoder's name.
    method
        How it was pretrained, as figures print it.
    backbone
        A key of `BACKBONES`.
    file
        Stem of the weights file and its card.
    pool
        `token` for the CLS token, `avg` for the mean over the patch tokens; ViT only.
    fine_tuned_from
        The encoder that was trained further with labels.
    """

    name: str
    method: str
    backbone: str
    file: str
    pool: str = "token"
    fine_tuned_from: str | None = None

    @property
    def display(self) -> str:
        """The name that figures print."""
        return display_name(self.method, BACKBONES[self.backbone], self.fine_tuned_from)


def _roster() -> list[MiniEncoder]:
    rows = []
    for backbone, (key, method) in itertools.product(BACKBONES, METHODS.items()):
        if (backbone, key) == ("vit", "vicreg"):
            continue
        name = f"mini_{key}_{backbone}"
        rows.append(MiniEncoder(name, method, backbone, name))
        if key not in ("random", "xent"):
            tuned = f"{name}_ft"
            rows.append(MiniEncoder(tuned, method, backbone, tuned, fine_tuned_from=name))
    average, tuned = "mini_mae_avg_vit", "mini_mae_avg_vit_ft"
    return [
        *rows,
        MiniEncoder("mini_mae_cls_vit", "MAE (CLS)", "vit", "mini_mae_vit"),
        MiniEncoder(average, "MAE (avg)", "vit", "mini_mae_vit", "avg"),
        MiniEncoder(tuned, "MAE (avg)", "vit", tuned, "avg", fine_tuned_from=average),
    ]


ROSTER = {row.name: row for row in _roster()}


def make_resnet() -> torch.nn.Module:
    """Build a ResNet of four basic blocks: 1.2 M parameters, d = 256.

    The deep stem (three 3 x 3 convolutions) takes the place of the 7 x 7 one, which sees a ninth of
    a 64-pixel image's side at once.
    """
    from timm.models.resnet import BasicBlock, ResNet

    return ResNet(
        BasicBlock,
        layers=(1, 1, 1, 1),
        channels=(32, 64, 128, 256),
        stem_type="deep",
        stem_width=16,
        num_classes=0,
    )


def make_vit(pool: str = "token") -> torch.nn.Module:
    """Build a ViT of four blocks on patches of 8 pixels: 1.2 M parameters, d = 192.

    The position embedding is two-dimensional sines and cosines and stays fixed, as in MoCo-v3 and
    MAE. With `pool="avg"` the embedding is the mean over the patch tokens, then `fc_norm`.
    """
    from lightly.models.utils import initialize_2d_sine_cosine_positional_embedding
    from timm.models.vision_transformer import VisionTransformer
    from torch.nn import LayerNorm

    network = VisionTransformer(
        img_size=SIZE,
        patch_size=8,
        embed_dim=192,
        depth=4,
        num_heads=3,
        mlp_ratio=2,
        num_classes=0,
        global_pool=pool,
        norm_layer=partial(LayerNorm, eps=1e-6),
        dynamic_img_size=True,
    )
    initialize_2d_sine_cosine_positional_embedding(network.pos_embed, num_prefix_tokens=1)
    network.pos_embed.requires_grad_(False)
    for block in network.blocks:
        # With 65 tokens the backward pass of the fused kernel is the slower one on CPUs: half of
        # the whole training time.
        block.attn.fused_attn = False
    return network


def make_backbone(backbone: str, pool: str = "token") -> torch.nn.Module:
    """Build `resnet` or `vit` with random weights and no head."""
    return {"resnet": make_resnet, "vit": partial(make_vit, pool)}[backbone]()


def read_card(file: Path) -> dict:
    """Read the card of a weights file and check that it describes this very file.

    Raises
    ------
    CheckpointError
        The weights or the card are missing or unreadable, or the SHA-256 is another.
    """
    card_file = file.with_suffix(".json")
    for needed in (file, card_file):
        if not needed.is_file():
            raise CheckpointError(f"{needed} is missing; `zsc pretrain` makes it")
    try:
        card = json.loads(card_file.read_text())
        expected = card["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"card {card_file} cannot be read or has no sha256") from error
    if file_sha256(file) != expected:
        raise CheckpointError(
            f"weights {file} are not those that their card describes (another SHA-256): the file "
            "is damaged or was replaced; restore it, or make it anew with `zsc pretrain`"
        )
    return card


def read_cards(encoders: Iterable[str]) -> list[tuple[MiniEncoder, dict]]:
    """Read the cards of those encoders that have one, in the order of the roster.

    Raises
    ------
    CheckpointError
        A card or its weights are missing or damaged.
    """
    asked = set(encoders)
    rows = [row for name, row in ROSTER.items() if name in asked]
    return [(row, read_card(FOLDER / f"{row.file}.safetensors")) for row in rows]


def load_backbone(backbone: str, pool: str, file: Path, *, checked: bool = True):
    """Build a backbone with the weights of a file.

    A ViT that was trained to be read at its CLS token is read as average after the study's
    protocol: the final `norm` is left out and `fc_norm` stays the identity it starts as.

    Raises
    ------
    CheckpointError
        The file is missing, is not what its card describes (where `checked`), or does not fit.
    """
    import torch

    if checked:
        read_card(file)
    network = make_backbone(backbone, pool)
    state = read_state_dict(file)
    # Half precision in the file only.
    state = {k: v.float() if torch.is_floating_point(v) else v for k, v in state.items()}
    dropped = ()
    if pool == "avg" and "fc_norm.weight" not in state:
        state |= {f"fc_norm.{k}": v for k, v in network.fc_norm.state_dict().items()}
        dropped = ("norm.",)
    fit_state_dict(network, state, file, dropped)
    return network


def make_builder(row: MiniEncoder):
    """Return the function that builds an encoder of the roster."""

    def build(checkpoint):
        file = Path(checkpoint) if checkpoint else FOLDER / f"{row.file}.safetensors"
        # A file that the user names needs no card.
        network = load_backbone(row.backbone, row.pool, file, checked=checkpoint is None)
        transform = image_transform(SIZE)
        return network, lambda size: transform

    return build


for _row in ROSTER.values():
    encoder(
        _row.name,
        version=1,
        weights=(FOLDER / f"{_row.file}.safetensors",),
        display=_row.display,
        backbone=BACKBONES[_row.backbone],
        family=FAMILIES[_row.backbone],
        method=_row.method,
        labels=_row.method == "X-Ent" or _row.fine_tuned_from is not None,
        fine_tuned_from=_row.fine_tuned_from,
        takes_checkpoint=True,
    )(make_builder(_row))
