"""The only training loop. It knows no tasks, losses or techniques: an `Objective` gives it numbers to lower."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from outgrow.graph import Context
from outgrow.training.batches import order
from outgrow.types import Ints

if TYPE_CHECKING:
    import torch

Curve = list[dict[str, float]]
Optimisers = Callable[["torch.nn.Module"], Sequence["torch.optim.Optimizer"]]


@dataclass(frozen=True, kw_only=True)
class Hyper:
    """What a referee would ask about a training run."""

    epochs: float = 2.0
    batch: int = 32  # examples that one update averages over
    learning_rate: float = 1e-5
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = 0.1  # share of the updates during which the learning rate rises
    weight_decay: float = 0.0  # on matrices only: neither on norms nor on biases
    clip: float = 1.0  # the largest norm of a gradient
    precision: Literal["fp32", "bf16"] = "fp32"
    keep: Literal["best", "last"] = "best"  # the check with the lowest validation loss (Burns et al. 2023, A.1)
    checks: int = 1  # validations an epoch


class Objective(Protocol):
    """What `train` lowers. A piece is whatever goes through the module at once."""

    size: int  # examples in an epoch

    def pieces(self, rows: Ints) -> list[Any]:
        """The micro-batches of one optimiser batch."""

    def targets(self, pieces: list[Any], progress: float) -> list[Any]:
        """What each piece aims at, found from the whole optimiser batch, without gradient."""

    def value(self, piece: Any, target: Any) -> torch.Tensor:
        """The loss of each example of the piece, [examples], in nats."""

    def validate(self) -> dict[str, float]:
        """Figures for the curve; the lowest `validation_loss` is the best."""


@dataclass(kw_only=True)
class _State:
    """How far training is: all that a resume needs besides weights, optimiser and random numbers."""

    step: int = 0
    running: float = 0.0  # summed training loss of this epoch
    seen: int = 0  # and over how many examples
    curve: Curve = field(default_factory=list)
    best: dict[str, torch.Tensor] | None = None
    best_loss: float = math.inf


def train(
    module: torch.nn.Module,
    objective: Objective,
    hyper: Hyper,
    seed: int,
    ctx: Context,
    optimisers: Optimisers | None = None,
) -> Curve:
    """Train `module` in place; its weights end as those of the last or the best check. Returns a record a check.

    `optimisers` makes them from the module, each group with its own peak learning rate; by default AdamW.

    Resumes from the context's last checkpoint if there is one: the outcome is the same to the byte. The random numbers
    of the rest of the process are left as they were.
    """
    import torch

    device = next(module.parameters()).device
    per_epoch = math.ceil(objective.size / hyper.batch)
    total = max(1, round(hyper.epochs * per_epoch))
    between = max(1, per_epoch // hyper.checks)
    made = optimisers(module) if optimisers else (_adamw(module, hyper),)
    peaks = [[group["lr"] for group in optimiser.param_groups] for optimiser in made]
    with _own_randomness(device):
        torch.manual_seed(seed)
        state = _resume(ctx.last_checkpoint(), module, made, device)
        while state.step < total:
            epoch, at = divmod(state.step, per_epoch)
            rows = order(objective.size, seed, epoch)[at * hyper.batch : (at + 1) * hyper.batch]
            share = schedule(hyper, state.step, total)
            for optimiser, own in zip(made, peaks, strict=True):
                for group, peak in zip(optimiser.param_groups, own, strict=True):
                    group["lr"] = peak * share
            state.running += _update(module, objective, rows, state.step / total, made, hyper)
            state.seen += len(rows)
            state.step += 1
            if state.step % between == 0 or state.step == total:
                _check(module, objective, hyper, state, state.step / per_epoch)
            ctx.progress(state.step / total)
            if ctx.checkpoint_due():
                ctx.save_checkpoint(lambda folder: _save(folder, state, module, made, device))
    if state.best is not None:
        module.load_state_dict(state.best, strict=False)
    module.eval()
    return state.curve


def schedule(hyper: Hyper, step: int, total: int) -> float:
    """The share of the learning rate that update `step` (from 0) of `total` uses."""
    rise = hyper.warmup * total
    if step + 1 < rise:
        return (step + 1) / rise
    done = (step - rise) / max(total - rise, 1.0) if step > rise else 0.0
    match hyper.schedule:
        case "linear":
            return 1.0 - done
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * done))
        case "constant":
            return 1.0


def _update(
    module: torch.nn.Module,
    objective: Objective,
    rows: Ints,
    progress: float,
    optimisers: Sequence[torch.optim.Optimizer],
    hyper: Hyper,
) -> float:
    """One update. Returns the summed loss. Each piece's graph is freed before the next is built."""
    import torch

    device = next(module.parameters()).device
    pieces = objective.pieces(rows)
    with torch.autocast(device.type, torch.bfloat16, enabled=hyper.precision == "bf16"):
        module.eval()  # targets see no dropout, and draw no random number
        with torch.no_grad():
            targets = objective.targets(pieces, progress)
        module.train()
    summed = torch.zeros((), device=device)
    for piece, target in zip(pieces, targets, strict=True):
        with torch.autocast(device.type, torch.bfloat16, enabled=hyper.precision == "bf16"):
            loss = objective.value(piece, target).sum()
        (loss / len(rows)).backward()  # type: ignore[no-untyped-call]
        summed += loss.detach()
    torch.nn.utils.clip_grad_norm_(module.parameters(), hyper.clip)
    for optimiser in optimisers:
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return float(summed)


def _check(module: torch.nn.Module, objective: Objective, hyper: Hyper, state: _State, epoch: float) -> None:
    import torch

    module.eval()
    with torch.inference_mode():
        figures = objective.validate()
    state.curve.append({"epoch": epoch, "training_loss": state.running / state.seen, **figures})
    state.running, state.seen = 0.0, 0
    if hyper.keep == "best" and figures["validation_loss"] < state.best_loss:
        state.best_loss = figures["validation_loss"]
        state.best = {name: tensor.detach().clone() for name, tensor in _weights(module).items()}


def _adamw(module: torch.nn.Module, hyper: Hyper) -> torch.optim.Optimizer:
    import torch

    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": hyper.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=hyper.learning_rate, fused=True)


@contextlib.contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    """Random numbers that nobody else sees; kernels that add in a fixed order where the device has them."""
    import torch

    devices = [device] if device.type != "cpu" else []
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if devices:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.random.fork_rng(devices=devices, device_type=device.type if devices else "cuda"):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def _weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The module's state, tied weights once."""
    seen: set[int] = set()
    found = {}
    for name, tensor in module.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            found[name] = tensor
    return found


def _save(
    folder: Path,
    state: _State,
    module: torch.nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    device: torch.device,
) -> None:
    """A checkpoint: safetensors and JSON, which write every number exactly."""
    import torch
    from safetensors.torch import save_file

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
        "weights": _weights(module),
        "optimisers": moments,
        "random": random,
        **({"best": state.best} if state.best is not None else {}),
    }
    for name, tensors in files.items():
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / f"{name}.safetensors")
    position = {"step": state.step, "running": state.running, "seen": state.seen, "curve": state.curve}
    (folder / "position.json").write_text(json.dumps({**position, "best_loss": state.best_loss}))


def _resume(
    folder: Path | None,
    module: torch.nn.Module,
    optimisers: Sequence[torch.optim.Optimizer],
    device: torch.device,
) -> _State:
    """The state that a checkpoint holds, with weights, optimiser and random numbers put back; a new one without."""
    import torch
    from safetensors.torch import load_file

    if folder is None:
        return _State()
    module.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
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
    best = folder / "best.safetensors"
    return _State(
        **json.loads((folder / "position.json").read_text()),
        best=load_file(best, device=str(device)) if best.is_file() else None,
    )
