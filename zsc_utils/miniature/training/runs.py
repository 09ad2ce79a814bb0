"""The trainings that make the miniature's weights, in the order in which they can be made."""

from __future__ import annotations

from dataclasses import dataclass, replace

from zsc_utils.errors import UnknownNameError
from zsc_utils.miniature.training import methods
from zsc_utils.miniature.training.methods import Settings


@dataclass(frozen=True)
class Run:
    """One training, which makes one weights file.

    Parameters
    ----------
    name
        Stem of the weights file.
    method
        Name of the training method.
    backbone
        `resnet` or `vit`.
    settings
        How it is trained.
    start
        The run whose weights it starts from, None for random ones.
    pool
        What the backbone hands on: the CLS `token` or the `avg` of the patch tokens; ViT only.
    """

    name: str
    method: str
    backbone: str
    settings: Settings
    start: str | None = None
    pool: str = "token"


def all_runs() -> dict[str, Run]:
    """All runs by name: pretraining first, then the fine-tuning of every self-supervised one."""
    pretraining = [
        Run(f"mini_{name}_{backbone}", name, backbone, settings)
        for name, known in methods.METHODS.facts().items()
        for backbone, settings in known.settings.items()
        if name != "finetune"
    ]
    tuning = methods.METHODS["finetune"].facts.settings
    finetuning = []
    for run in pretraining:
        if run.method in ("random", "xent"):
            continue
        # As in the study: an MAE is fine-tuned through the average of its patch tokens.
        pool = "avg" if run.method == "mae" else "token"
        name = f"mini_mae_avg_{run.backbone}_ft" if run.method == "mae" else f"{run.name}_ft"
        finetuning.append(
            Run(name, "finetune", run.backbone, tuning[run.backbone], start=run.name, pool=pool)
        )
    return {run.name: run for run in pretraining + finetuning}


def select_runs(names: list[str] | None, epochs: int | None = None) -> list[Run]:
    """Choose runs by their own names or their methods'.

    Parameters
    ----------
    names
        Names of runs or of methods (`finetune` is one); None for all.
    epochs
        In place of each run's own, but for those that train nothing.

    Raises
    ------
    UnknownNameError
        A name is neither a run nor a method.
    """
    runs = all_runs()
    known = {*runs, *methods.METHODS}
    for name in names or ():
        if name not in known:
            raise UnknownNameError("run or method", name, known)
    chosen = [r for r in runs.values() if names is None or {r.name, r.method} & set(names)]
    if epochs is None:
        return chosen
    return [
        replace(r, settings=replace(r.settings, epochs=epochs)) if r.settings.epochs else r
        for r in chosen
    ]
