"""The state of a training run in a checkpoint. A resumed run ends like an uninterrupted one."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from outgrow.training import sharded

if TYPE_CHECKING:
    import torch

Curve = list[dict[str, float]]


class Optimiser(Protocol):
    """What the training loop needs of an optimiser: torch's have it, and so has `adamw.AdamW`."""

    param_groups: list[dict[str, Any]]

    def step(self) -> Any: ...
    def zero_grad(self, set_to_none: bool = True) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


@dataclass(kw_only=True)
class State:
    """All that a resume needs besides weights, optimisers and random numbers."""

    step: int = 0
    running: float = 0.0  # summed training loss since the last check
    seen: int = 0  # the number of examples in that sum
    curve: Curve = field(default_factory=list)
    best: dict[str, torch.Tensor] | None = None
    best_loss: float = math.inf
    bf16_diverged: str = ""  # where and how, if this is the second attempt, in fp32


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The module's state dict, with tied weights once."""
    seen: set[int] = set()
    found = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        own = id(tensor) if hasattr(tensor, "full_tensor") else tensor.data_ptr()
        if own not in seen:
            seen.add(own)
            found[name] = tensor.detach()
    return found


def trained(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """What training may change: all of `weights` but those that are frozen."""
    frozen = {name for name, weight in module.named_parameters(remove_duplicate=False) if not weight.requires_grad}
    return {name: tensor for name, tensor in weights(module).items() if name not in frozen}


def save_weights(file: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write tensors to a safetensors file, as a whole if they are spread over ranks."""
    from safetensors.torch import save_file

    full = {name: sharded.whole(tensor).contiguous() for name, tensor in tensors.items()}
    if sharded.rank().number == 0:
        save_file(full, file)


def load_weights(file: Path, module: torch.nn.Module) -> None:
    """Put the weights of a file into the module; others stay."""
    from safetensors.torch import load_file

    now = module.state_dict()
    found = {name: sharded.like(tensor, now[name]) for name, tensor in load_file(file).items() if name in now}
    module.load_state_dict(found, strict=False)


def save(
    folder: Path,
    state: State,
    module: torch.nn.Module,
    optimisers: Sequence[Optimiser],
    device: torch.device,
) -> None:
    """Write a checkpoint as safetensors and JSON, both exact."""
    import torch

    moments = {
        f"{n}.{i}.{name}": value
        for n, optimiser in enumerate(optimisers)
        for i, each in optimiser.state_dict()["state"].items()
        for name, value in each.items()
    }
    random = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        random["device"] = torch.get_device_module(device).get_rng_state()
    files = {
        "weights": trained(module),
        "optimisers": moments,
        "random": random,
        **({"best": state.best} if state.best is not None else {}),
    }
    for name, tensors in files.items():
        save_weights(folder / f"{name}.safetensors", tensors)
    position = {name: value for name, value in vars(state).items() if name != "best"}
    if sharded.rank().number == 0:
        (folder / "position.json").write_text(json.dumps(position))


def position(folder: Path | None) -> State:
    """The state that a checkpoint holds, without the weights of the best check; a new one where there is none."""
    return State(**json.loads((folder / "position.json").read_text())) if folder else State()


def resume(folder: Path, module: torch.nn.Module, optimisers: Sequence[Optimiser], device: torch.device) -> State:
    """The state that a checkpoint holds. Weights, optimisers and random numbers are put back in place."""
    import torch
    from safetensors.torch import load_file

    load_weights(folder / "weights.safetensors", module)
    moments: list[dict[int, dict[str, torch.Tensor]]] = [{} for _ in optimisers]
    for key, tensor in load_file(folder / "optimisers.safetensors").items():
        n, i, name = key.split(".", 2)
        moments[int(n)].setdefault(int(i), {})[name] = tensor
    for optimiser, each in zip(optimisers, moments, strict=True):
        optimiser.load_state_dict({**optimiser.state_dict(), "state": each})
    random = load_file(folder / "random.safetensors")
    torch.set_rng_state(random["cpu"])
    if device.type != "cpu":
        torch.get_device_module(device).set_rng_state(random["device"])
    state, best = position(folder), folder / "best.safetensors"
    if best.is_file():
        now = module.state_dict()
        state.best = {name: sharded.like(tensor, now[name]) for name, tensor in load_file(best).items()}
    return state
