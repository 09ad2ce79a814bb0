"""The study's encoders: pretrained on ImageNet-1k, with the weights that their authors published.

Each is a row of `ROSTER`; the networks are torchvision's and timm's. What of a file belongs to the
network stands in the row: any other key of the file is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from zsc_utils.encoders.base import display_name, encoder
from zsc_utils.encoders.checkpoints import fit_state_dict, read_state_dict
from zsc_utils.encoders.networks import RESNET, SIZE, VIT, VIT_AVG, VIT_TORCHVISION, Network
from zsc_utils.encoders.transforms import image_transform
from zsc_utils.encoders.weights import WeightsFile

if TYPE_CHECKING:
    import torch

FACEBOOK = "https://dl.fbaipublicfiles.com"
TORCHVISION = "https://download.pytorch.org/models"


@dataclass(frozen=True)
class OfficialEncoder:
    """One reading of one weights file.

    Parameters
    ----------
    name
        The encoder's name.
    method
        How it was pretrained, as figures print it.
    network
        What the weights belong to.
    url
        Where they are published; None where they are not.
    files
        Names of the file, the first that it is kept under; by default the published one.
    prefixes
        What the network's names begin with in the file: the first of these that any key there has.
    dropped
        Prefixes, as in the file, of what is not the encoder's.
    identity_fc_norm
        Whether `fc_norm` is not in the file but stays the identity it starts as.
    fine_tuned_from
        The encoder that was trained further with labels.
    """

    name: str
    method: str
    network: Network
    url: str | None
    files: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ("",)
    dropped: tuple[str, ...] = ()
    identity_fc_norm: bool = False
    fine_tuned_from: str | None = None

    @property
    def weights(self) -> WeightsFile:
        """The file of its weights."""
        published = (self.url.rpartition("/")[2],) if self.url else ()
        return WeightsFile(self.name, self.files or published, self.url)


def _mocov3(name: str, network: Network, path: str, head: str) -> OfficialEncoder:
    """Row of a MoCo-v3 file, which holds the encoder, its momentum twin, projectors, predictor."""
    base = "module.base_encoder."
    others = ("module.momentum_encoder.", "module.predictor.")
    return OfficialEncoder(
        *(name, "MoCo-v3", network, f"{FACEBOOK}/moco-v3/{path}"),
        prefixes=(base,),
        dropped=(f"{base}{head}.", *others),
    )


def _fine_tuned(row: OfficialEncoder, prefixes: tuple[str, ...] = ("",)) -> OfficialEncoder:
    """Row of an encoder that was fine-tuned with labels, in a file that was never published."""
    name = f"{row.name}_ft"
    return replace(
        row,
        name=name,
        url=None,
        files=(f"{name}.safetensors", f"{name}.pth"),
        prefixes=prefixes,
        dropped=("fc.", "head.", "1."),
        fine_tuned_from=row.name,
    )


def _roster() -> list[OfficialEncoder]:
    mocov3_resnet = _mocov3("mocov3_resnet50", RESNET, "r-50-1000ep/r-50-1000ep.pth.tar", "fc")
    mocov3_vit = _mocov3("mocov3_vitb16", VIT, "vit-b-300ep/vit-b-300ep.pth.tar", "head")
    dino_url = f"{FACEBOOK}/dino/dino_{{0}}_pretrain/dino_{{0}}_pretrain.pth"
    dino_resnet = OfficialEncoder("dino_resnet50", "DINO", RESNET, dino_url.format("resnet50"))
    dino_vit = OfficialEncoder("dino_vitb16", "DINO", VIT, dino_url.format("vitbase16"))
    vicreg = OfficialEncoder(
        *("vicreg_resnet50", "VICReg", RESNET, f"{FACEBOOK}/vicreg/resnet50.pth"),
        # Its published name says nothing of VICReg.
        files=("vicreg_resnet50.pth", "resnet50.pth"),
    )
    mae = f"{FACEBOOK}/mae/pretrain/mae_pretrain_vit_base.pth"
    return [
        OfficialEncoder(
            *("xent_resnet50", "X-Ent", RESNET, f"{TORCHVISION}/resnet50-11ad3fa6.pth"),
            dropped=("fc.",),
        ),
        *(mocov3_resnet, dino_resnet, vicreg),
        OfficialEncoder(
            *("xent_vitb16", "X-Ent", VIT_TORCHVISION, f"{TORCHVISION}/vit_b_16-c867db91.pth"),
            dropped=("heads.",),
        ),
        *(mocov3_vit, dino_vit),
        OfficialEncoder("mae_cls_vitb16", "MAE (CLS)", VIT, mae),
        OfficialEncoder(
            *("mae_avg_vitb16", "MAE (avg)", VIT_AVG, mae),
            dropped=("norm.",),
            identity_fc_norm=True,
        ),
        *map(_fine_tuned, (mocov3_resnet, dino_resnet)),
        # Where it was fine-tuned as a sequence of backbone and head.
        _fine_tuned(vicreg, prefixes=("0.", "")),
        *map(_fine_tuned, (mocov3_vit, dino_vit)),
        OfficialEncoder(
            *("mae_avg_vitb16_ft", "MAE (avg)", VIT_AVG),
            f"{FACEBOOK}/mae/finetune/mae_finetuned_vit_base.pth",
            dropped=("head.",),
            fine_tuned_from="mae_avg_vitb16",
        ),
    ]


ROSTER = {row.name: row for row in _roster()}


def load_network(row: OfficialEncoder, file: Path) -> torch.nn.Module:
    """Build an encoder's network with the weights of a file.

    Raises
    ------
    CheckpointError
        The file cannot be read, lacks a key of the encoder, or has one that belongs to nothing.
    """
    import torch

    state = read_state_dict(file)
    prefix = next(
        (prefix for prefix in row.prefixes if any(key.startswith(prefix) for key in state)),
        row.prefixes[0],
    )
    # Every weight comes from the file: random ones first would cost seconds and random numbers.
    with torch.device("meta"):
        network = row.network.make()
    network.to_empty(device="cpu")
    untrained = ()
    if row.identity_fc_norm:
        network.fc_norm.reset_parameters()
        untrained = ("fc_norm.weight", "fc_norm.bias")
    fit_state_dict(network, state, file, row.dropped, prefix=prefix, untrained=untrained)
    return network


def make_builder(row: OfficialEncoder):
    """Return the function that builds an encoder of the roster."""

    def build(checkpoint):
        file = Path(checkpoint) if checkpoint else row.weights.locate()
        return load_network(row, file), lambda size: image_transform(SIZE)

    return build


for _row in ROSTER.values():
    encoder(
        _row.name,
        version=1,
        weights=(_row.weights,),
        display=display_name(_row.method, _row.network.backbone, _row.fine_tuned_from),
        backbone=_row.network.backbone,
        family=_row.network.family,
        method=_row.method,
        labels=_row.method == "X-Ent" or _row.fine_tuned_from is not None,
        fine_tuned_from=_row.fine_tuned_from,
        takes_checkpoint=True,
    )(make_builder(_row))
