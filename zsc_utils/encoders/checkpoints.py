"""Weights from files: read without running their code, fitted without a key left over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zsc_utils.errors import CheckpointError

if TYPE_CHECKING:
    import torch


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a state dict from a `.safetensors` file or a torch file that holds tensors alone.

    Raises
    ------
    CheckpointError
        The file cannot be read, is cut short, would run code when loaded, or holds no state dict.
    """
    import torch
    from safetensors.torch import load_file

    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    # Both libraries raise many kinds of error on files that are not theirs.
    except Exception as error:
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise CheckpointError(
            f"cannot read checkpoint {path}: it is cut short, no weights file, or wants to run "
            f"code when loaded ({type(error).__name__}: {reason})"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in state.values()
    ):
        raise CheckpointError(f"checkpoint {path} holds no state dict of tensors")
    return dict(state)


def fit_state_dict(
    module: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    source: str | Path,
    dropped: Collection[str] = (),
) -> None:
    """Load a state dict of which every key must be used and every key of the module be given.

    Parameters
    ----------
    module
        The network; changed in place.
    state
        Tensors by name.
    source
        File that the error names.
    dropped
        Prefixes of keys that may be left over, such as the classification head.

    Raises
    ------
    CheckpointError
        Keys are missing or left over, or shapes differ; the message names them.
    """
    kept = {key: value for key, value in state.items() if not key.startswith(tuple(dropped))}
    own = module.state_dict()
    problems = {
        "missing": sorted(own.keys() - kept.keys()),
        "left over": sorted(kept.keys() - own.keys()),
        "of another shape": sorted(
            key for key in own.keys() & kept.keys() if own[key].shape != kept[key].shape
        ),
    }
    found = [
        f"{len(keys)} keys {what} ({', '.join(keys[:5])}{', …' if len(keys) > 5 else ''})"
        for what, keys in problems.items()
        if keys
    ]
    if found:
        raise CheckpointError(f"checkpoint {source} does not fit the network: {'; '.join(found)}")
    module.load_state_dict(kept)
