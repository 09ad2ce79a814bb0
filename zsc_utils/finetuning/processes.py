"""The processes that train together: one by itself, or those that torchrun starts, one a device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from zsc_utils.embedding import choose_device


@dataclass(frozen=True)
class Group:
    """The processes of a training, as one of them sees them.

    Parameters
    ----------
    device
        Torch device of this process.
    rank
        Number of this process; only the first, 0, writes and prints.
    processes
        How many there are.
    workers
        Processes that read images for this one, 0 where it reads them itself; None for its share of
        the CPU's cores, 8 at most.
    """

    device: str = "cpu"
    rank: int = 0
    processes: int = 1
    workers: int | None = 0

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank == 0

    @property
    def on_gpu(self) -> bool:
        """Whether the device is one of CUDA's."""
        return self.device.startswith("cuda")

    @property
    def readers(self) -> int:
        """How many processes read images for this one."""
        if self.workers is None:
            return min(8, (os.cpu_count() or 1) // self.processes)
        return self.workers

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network that averages its gradients over the processes."""
        if self.processes == 1:
            return network
        return DistributedDataParallel(network, device_ids=[self.device] if self.on_gpu else None)

    def gathering(self, network: nn.Module, last: bool) -> AbstractContextManager:
        """Context of a step: gradients are averaged in the last step of an update only."""
        return nullcontext() if self.processes == 1 or last else network.no_sync()

    def total(self, number: float) -> float:
        """Sum a number over the processes."""
        total = torch.tensor(number, dtype=torch.float64)
        if self.processes > 1:
            total = total.to(self.device)
            distributed.all_reduce(total)
        return total.item()

    def share_buffers(self, network: nn.Module) -> None:
        """Give all processes the first one's statistics of batch norms."""
        if self.processes > 1:
            for buffer in network.buffers():
                distributed.broadcast(buffer, src=0)

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.processes > 1:
            distributed.barrier()


ALONE = Group()


@contextmanager
def process_group(device: str, workers: int | None = 0) -> Iterator[Group]:
    """Join the processes that torchrun started; without it, be the only one.

    Parameters
    ----------
    device
        A torch device, or `auto`; under torchrun each process takes the GPU of its own number.
    workers
        As for `Group`.

    Raises
    ------
    DeviceError
        The device is not there.
    """
    device = choose_device(device)
    if not distributed.is_torchelastic_launched():
        yield Group(device, workers=workers)
        return
    if device.startswith("cuda"):
        device = choose_device(f"cuda:{os.environ['LOCAL_RANK']}")
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    yield Group(device, distributed.get_rank(), distributed.get_world_size(), workers)
    # Not where this process failed: the others may wait for it, until torchrun ends them.
    distributed.destroy_process_group()
