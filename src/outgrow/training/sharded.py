"""A model whose weights are spread over the devices of several processes, its ranks, by torch's FSDP2 (Zhao et al.
2023, PyTorch FSDP).

Every function here does nothing, or returns its argument, in a process that is alone. Otherwise all ranks call it at
the same point. What a step computes does not depend on the number of ranks, but for rounding: the order of examples and
the micro-batches are the step's, ranks share the micro-batches of an update, and losses and gradients are summed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from outgrow.types import Floats

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Rank:
    """This process among those that share a model. device: where its part of the weights is; "" where it is alone."""

    number: int = 0
    world: int = 1
    device: str = ""
    mesh: Any = None  # torch's name for all ranks


_own = Rank()


def rank() -> Rank:
    """This process among those that share a model."""
    return _own


@contextmanager
def joined(own: Rank, rendezvous: str) -> Iterator[None]:
    """Be one of several ranks in the `with` block. rendezvous: a file that does not exist yet, the same for all."""
    import torch
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh

    global _own
    if own.device.startswith("cuda"):
        torch.cuda.set_device(own.device)
    backend = "nccl" if own.device.startswith("cuda") else "gloo"
    distributed.init_process_group(backend, f"file://{rendezvous}", rank=own.number, world_size=own.world)
    _own = replace(own, mesh=init_device_mesh(own.device.partition(":")[0], (own.world,)))
    for _ in range(own.number):  # ranks load the weights one after the other: the memory holds one whole model
        distributed.barrier()
    try:
        yield
    finally:
        _own = Rank()
        distributed.destroy_process_group()


def spread(module: Any) -> Any:
    """Keep a part of each weight on the device of this rank: layers are gathered one at a time when they are used."""
    if rank().world == 1:
        return module
    from torch import distributed
    from torch.distributed.fsdp import fully_shard

    mesh = rank().mesh
    for layer in layers_of(module):
        fully_shard(layer, mesh=mesh)
    fully_shard(module, mesh=mesh)
    module.to(rank().device)  # buffers
    for _ in range(rank().number, rank().world):
        distributed.barrier()
    return module


def layers_of(module: Any) -> Sequence[Any]:
    """The layers of a model: its list of modules with the most weights. Empty where it has no list."""
    from torch import nn

    lists: list[Any] = [each for each in module.modules() if isinstance(each, nn.ModuleList) and len(each)]
    return max(lists, key=lambda each: sum(weight.numel() for weight in each.parameters()), default=())


def gathered(module: Any) -> None:
    """Put all weights into the memory of the first rank, as an ordinary module. The work of the others ends here."""
    if rank().world == 1:
        return
    from torch import nn

    full: dict[int, Any] = {}  # tied weights stay tied
    for owner in module.modules():
        for name, weight in owner.named_parameters(recurse=False):
            if id(weight) not in full:
                gathered = whole(weight.detach())
                full[id(weight)] = None if rank().number else nn.Parameter(gathered.cpu(), weight.requires_grad)
            if not rank().number:
                setattr(owner, name, full[id(weight)])
    if rank().number:
        raise SystemExit(0)


def share(items: Iterable[Item]) -> Iterator[tuple[Item, bool]]:
    """The items of this rank, and whether each counts: all ranks get as many, and where the last ones are too few some
    repeat another's."""
    own, turn = rank(), list[Item]()
    for item in items:
        turn.append(item)
        if len(turn) == own.world:
            yield turn[own.number], True
            turn.clear()
    if turn:
        counts = own.number < len(turn)
        yield turn[own.number if counts else 0], counts


def summed(tensor: torch.Tensor) -> torch.Tensor:
    """The sum over all ranks."""
    if rank().world > 1:
        from torch import distributed

        distributed.all_reduce(tensor)
    return tensor


def summed_array(array: Floats) -> Floats:
    """The sum of an array over all ranks."""
    if rank().world == 1:
        return array
    import torch

    total: Floats = summed(torch.from_numpy(array).to(rank().device)).cpu().numpy()
    return total


def anywhere(holds: Any) -> bool:
    """Whether something holds on any rank."""
    return bool(summed_array(np.array([bool(holds)], dtype=np.float32))[0])


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor with its parts of all ranks."""
    found: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return found


def local(tensor: torch.Tensor) -> torch.Tensor:
    """The part of a tensor that this rank holds."""
    part: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part


def like(tensor: torch.Tensor, pattern: torch.Tensor) -> torch.Tensor:
    """A whole tensor, on the device of the pattern and spread as that is."""
    if not hasattr(pattern, "device_mesh") or tensor.shape != pattern.shape:
        return tensor.to(pattern.device)
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = pattern.device_mesh, pattern.placements  # type: ignore[attr-defined]
    spread: torch.Tensor = distribute_tensor(tensor.to(pattern.device), mesh, placements, src_data_rank=None)
    return spread


def without_gradients() -> AbstractContextManager[None]:
    """No graph is kept. Spread weights need the mode that lets them be trained afterwards."""
    import torch

    mode: Any = torch.inference_mode() if rank().world == 1 else torch.no_grad()
    return mode  # type: ignore[no-any-return]
