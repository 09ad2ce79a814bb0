"""Commands that train: miniature encoders from nothing, those of the study with labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zsc_utils.cli.base import DeviceOption, app, check_writable, split
from zsc_utils.precision import TuningPrecision


@app.command()
def pretrain(
    methods: Annotated[
        str,
        typer.Option(
            help="Methods (xent, mocov3, dino, vicreg, mae, random, finetune) or names of weights "
            "files, with commas; or all."
        ),
    ] = "all",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the weights; weights/mini by default.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs in place of each method's own.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=50, help="Train on this many images instead of all.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random state.")] = 0,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Put new weights over those of other settings, not beside them."
        ),
    ] = False,
    device: DeviceOption = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the CPU to use.")] = None,
):
    """Train the miniature encoders that are not there yet; a run that was killed goes on."""
    import torch
    from tqdm.auto import tqdm

    from zsc_utils.embedding import choose_device
    from zsc_utils.miniature.encoders import FOLDER
    from zsc_utils.miniature.training.pretrain import open_source
    from zsc_utils.miniature.training.pretrain import pretrain as make
    from zsc_utils.miniature.training.runs import select_runs

    runs = select_runs(None if methods == "all" else split(methods), epochs)
    if threads:
        torch.set_num_threads(threads)
    make(
        runs,
        open_source(images),
        out or FOLDER,
        seed=seed,
        overwrite=overwrite,
        device=choose_device(device),
        report=tqdm.write,
    )


@app.command()
def finetune(
    encoder: Annotated[
        str, typer.Option(help="Self-supervised encoder of the study, such as dino_vitb16.")
    ],
    data: Annotated[
        Path, typer.Option(help="Folder with train/<class>/ and val/<class>/, such as ImageNet's.")
    ],
    out: Annotated[
        Path, typer.Option(help="The .safetensors file to write; its card goes beside it.")
    ],
    checkpoint: Annotated[
        Path | None, typer.Option(help="Weights to begin with, in place of the published ones.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs in place of the recipe's 50 (MAE: 100).")
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(min=0, help="Base learning rate, for 256 images an update; 1e-3 (MAE: 5e-4)."),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images a process takes at once; 128.")
    ] = None,
    accumulate: Annotated[
        int | None, typer.Option(min=1, help="Batches of a process for one update; 1.")
    ] = None,
    mixup: Annotated[float | None, typer.Option(min=0, help="Alpha of mixup; 0: none.")] = None,
    cutmix: Annotated[float | None, typer.Option(min=0, help="Alpha of cutmix; 0: none.")] = None,
    size: Annotated[int | None, typer.Option(help="Side of the input in pixels; 224.")] = None,
    precision: Annotated[
        TuningPrecision, typer.Option(help="Of the forward pass; auto: what the device is fast in.")
    ] = TuningPrecision.auto,
    seed: Annotated[int, typer.Option(min=0, help="Random state.")] = 0,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that read images, for each that trains.")
    ] = None,
):
    """Fine-tune an encoder with labels; a run that was killed goes on.

    On several GPUs: torchrun --standalone --nproc-per-node 4 --no-python zsc finetune ...
    """
    from tqdm.auto import tqdm

    from zsc_utils.finetuning.run import fine_tune_encoder
    from zsc_utils.finetuning.settings import settings_for

    check_writable(out)
    settings = settings_for(
        encoder,
        epochs=epochs,
        lr=lr,
        batch_size=batch_size,
        accumulate=accumulate,
        mixup=mixup,
        cutmix=cutmix,
        size=size,
        precision=precision,
        seed=seed,
    )
    fine_tune_encoder(
        *(encoder, data, out, settings),
        checkpoint=checkpoint,
        device=device,
        workers=workers,
        report=tqdm.write,
    )
