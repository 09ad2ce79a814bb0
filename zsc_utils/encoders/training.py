"""What every training of an encoder shares: the state that survives a kill, heads, weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from zsc_utils.cache import atomic_path


@dataclass(frozen=True)
class Checkpoint:
    """All that the next epoch depends on, after the last one.

    Parameters
    ----------
    file
        Where it is kept; None keeps nothing.
    parts
        What has a state of its own, by name: the network, its optimiser.
    """

    file: Path | None
    parts: dict[str, torch.nn.Module | torch.optim.Optimizer | torch.amp.GradScaler]

    def keep(self, **more) -> None:
        """Write the states of the parts, and more by name, among it the `curve` so far."""
        if self.file is None:
            return
        state = more | {name: part.state_dict() for name, part in self.parts.items()}
        with atomic_path(self.file) as draft:
            torch.save(state, draft)

    def read(self) -> dict | None:
        """Read what was kept; None where there is nothing."""
        if self.file is None or not self.file.exists():
            return None
        return torch.load(self.file, map_location="cpu", weights_only=True)

    def take_up(self, state: dict) -> list[dict]:
        """Give the parts the states that were read; return the curve."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        return state["curve"]


def begin_near_zero(head: torch.nn.Linear) -> None:
    """Give a new head the study's start: from a normal distribution cut off at ± 2, no bias."""
    torch.nn.init.trunc_normal_(head.weight, std=2e-5)
    torch.nn.init.zeros_(head.bias)


def save_weights(network: torch.nn.Module, file: Path, *, half: bool = False) -> None:
    """Write a network's weights, head and all: an encoder leaves the head out when it is loaded.

    Parameters
    ----------
    half
        In half precision; counters stay integers.
    """
    state = {
        name: (value.half() if half and value.is_floating_point() else value).cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    with atomic_path(file) as draft:
        save_file(state, draft)
        draft.chmod(0o644)  # safetensors writes files that only their owner can read
