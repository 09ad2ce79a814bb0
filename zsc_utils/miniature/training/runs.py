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
    finetuning = [fine_tuned(run) for run in pretraining if run.method not in ("random", "xent")]
    return {run.name: run for run in pretraining + finetuning}


def fine_tuned(run: Run) -> Run:
    """Give the run that fine-tunes the weights of another."""
    settings = methods.METHODS["finetune"].facts.settings[run.backbone]
    name, pool = run.name, "token"
    if run.method == "mae":
        # As in the study: through the average of the patch tokens.
        name, pool = f"mini_mae_avg_{run.backbone}", "avg"
    return Run(f"{name}_ft", "finetune", run.backbone, settings, run.name, pool)


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
