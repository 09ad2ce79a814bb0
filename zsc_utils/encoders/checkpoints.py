"""Weights from files: read without running their code, fitted without a key left over."""

from __future__ import annotations

import pickle
import pickletools
import re
import warnings
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from zsc_utils.errors import CheckpointError

if TYPE_CHECKING:
    import torch


# How safetensors words what it finds in a file that ends too early.
SAFETENSORS_CUT_SHORT = ("header too small", "invalid header length", "incomplete metadata")


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Read a state dict from a `.safetensors` file or a torch file.

    A torch file may hold the state dict under `state_dict` or `model`, and beside it what released
    checkpoints do: the state of an optimizer, command line arguments, single numbers.

    Raises
    ------
    CheckpointError
        The file is cut short, could run code when loaded, is no weights file, or holds no state
        dict; the message says which.
    """
    import torch
    from safetensors.torch import load_file

    path = Path(path)
    if is_compressed(path):
        raise CheckpointError(
            f"checkpoint {path} is compressed, as none that torch saved is: opened, it could fill "
            "the memory"
        )
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            # Torch warns of some files that it then refuses.
            with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                state = torch.load(path, map_location="cpu", weights_only=True)
    # Both libraries raise many kinds of error on files that are not theirs.
    except Exception as error:
        raise CheckpointError(f"cannot read checkpoint {path}: it {_fault(path, error)}") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    ):
        held = ", ".join(map(str, list(state)[:5])) if isinstance(state, Mapping) else "no names"
        raise CheckpointError(f"checkpoint {path} holds no state dict of tensors but: {held}")
    return dict(state)


def is_compressed(path: Path) -> bool:
    """Tell whether a file is a zip archive whose contents are smaller than they will be."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        # Of a program the code may be, which is refused for another reason.
        return any(
            entry.compress_type != zipfile.ZIP_STORED
            for entry in archive.infolist()
            if "/code/" not in entry.filename
        )


def _harmless() -> list:
    """What released checkpoints hold beside tensors; making one of these runs no code."""
    import argparse

    import numpy as np
    from numpy._core.multiarray import scalar

    numbers = {type(np.dtype(kind)) for kind in (*np.typecodes["AllInteger"], *"?efd")}
    # The maker of a single number lay elsewhere before NumPy 2.
    makers = [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    return [argparse.Namespace, np.dtype, *numbers, *makers]


def _fault(path: Path, error: Exception) -> str:
    """Say what is wrong with a file that could not be loaded."""
    if not path.is_file():
        return "does not exist"
    with path.open("rb") as stream:
        head = stream.read(2)
    refused = isinstance(error, pickle.UnpicklingError)
    # What begins like a zip archive or one of torch's pickles is one, whole or not.
    if path.suffix == ".safetensors":
        cut = any(words in str(error) for words in SAFETENSORS_CUT_SHORT)
    elif head == b"PK":
        cut = not zipfile.is_zipfile(path)
    else:
        cut = head[:1] in (b"", b"\x80") and not refused
    if cut:
        return "is cut short"
    wanted = re.search(r"GLOBAL (\S+)|(TorchScript)", str(error))
    if wanted or (refused and (head == b"PK" or _is_pickle(path))):
        asks = f" (it asks for {wanted[1] or wanted[2]})" if wanted else ""
        return f"could run code when loaded{asks}, which is refused: weights are tensors alone"
    # Torch's own words on a pickle are how to run its code.
    reason = "" if refused else f" ({(str(error).strip() or type(error).__name__).splitlines()[0]})"
    return f"is no weights file{reason}"


def _is_pickle(path: Path) -> bool:
    """Whether a file begins with a pickle; it is walked through, not run."""
    try:
        with path.open("rb") as stream:
            return all(True for _ in pickletools.genops(stream))
    # Bytes at random may ask for strings longer than memory.
    except (ValueError, MemoryError, OverflowError):
        return False


def fit_state_dict(
    module: torch.nn.Module,
    state: Mapping[str, torch.Tensor],
    source: str | Path,
    dropped: Collection[str] = (),
    *,
    prefix: str = "",
    untrained: Collection[str] = (),
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
    prefix
        What the module's own names begin with in the file; `dropped` and messages have it too.
    untrained
        The module's own names of what stays as it is, which the file must not hold.

    Raises
    ------
    CheckpointError
        Keys are missing or left over, or shapes differ; the message names them.
    """
    kept = {key: value for key, value in state.items() if not key.startswith(tuple(dropped))}
    own = {
        prefix + key: value for key, value in module.state_dict().items() if key not in untrained
    }
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
    # Whether all is there was found out above.
    module.load_state_dict({key.removeprefix(prefix): kept[key] for key in own}, strict=False)
