"""The training loop. It is independent of tasks, losses and techniques: an `Objective` gives the loss."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from outgrow.graph import Context
from outgrow.ranges import SHARE, above, at_least, check_ranges, one_of, whole
from outgrow.training import sharded
from outgrow.training.adamw import AdamW
from outgrow.training.batches import order
from outgrow.training.precision import Precision, all_finite, autocast, check_precision
from outgrow.training.state import (
    Curve,
    Optimiser,
    State,
    load_weights,
    position,
    resume,
    save,
    save_weights,
    trained,
)
from outgrow.types import Ints, UserError

if TYPE_CHECKING:
    import torch

MOST_EPOCHS = 1e6


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The hyperparameters of a training run.

    updates: how many in all. Where it is given it decides and `epochs` is not read, so that students on fewer examples
    can be compared at equal updates; a check is still made `checks` times an epoch.
    """

    epochs: float = 2.0
    updates: int | None = None
    batch: int = 32  # examples that one update averages over
    learning_rate: float = 1e-5
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup: float = 0.1  # share of the updates during which the learning rate rises
    weight_decay: float = 0.0  # on matrices only: neither on norms nor on biases
    clip: float = 1.0  # the largest norm of a gradient
    precision: Precision = "auto"  # auto: the experiment's, which is fp32 where there is none
    keep: Literal["best", "last"] = "best"  # the check with the lowest validation loss (Burns et al. 2023, A.1)
    checks: int = 1  # validations an epoch

    def __post_init__(self) -> None:
        check_ranges(self, epochs=above(0, MOST_EPOCHS), batch=whole(1), learning_rate=above(0), warmup=SHARE)
        check_ranges(self, weight_decay=at_least(0), clip=above(0), checks=whole(1))
        check_ranges(self, schedule=one_of("linear", "cosine", "constant"))
        check_ranges(self, keep=one_of("best", "last"))
        check_precision(self)
        if self.updates is not None:
            check_ranges(self, updates=whole(1))

    def total(self, examples: int) -> int:
        """The number of updates of a run on so many examples."""
        return self.updates or max(1, round(self.epochs * math.ceil(examples / self.batch)))

    def optimisers(self, module: torch.nn.Module) -> Sequence[Optimiser]:
        """The optimisers of the module's weights; each parameter group has its own peak learning rate."""
        return (_adamw(module, self),)


class Objective(Protocol):
    """What `train` minimises. A micro-batch is what goes through the module at once."""

    size: int  # examples in an epoch

    def micro_batches(self, rows: Ints) -> list[Any]:
        """The micro-batches of one optimiser batch."""

    def targets(self, micro_batches: list[Any], progress: float) -> list[Any]:
        """The targets of each micro-batch, from the whole optimiser batch, without gradient."""

    def per_example(self, micro_batch: Any, target: Any) -> torch.Tensor:
        """The loss of each example of a micro-batch, [examples], in nats."""

    def validate(self) -> dict[str, float]:
        """Metrics for the curve; the check with the lowest `validation_loss` is the best."""


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """curve: one record per check. notes: warnings as sentences, such as that training diverged; usually empty."""

    curve: Curve
    notes: tuple[str, ...] = ()


class DivergedError(Exception):
    """A loss, gradient, weight or validation figure is not finite. The text says which, and at which update."""


def train(
    module: torch.nn.Module, objective: Objective, config: TrainingConfig, seed: int, ctx: Context
) -> TrainingResult:
    """Train `module` in place; its weights end as those of the last or the best check.

    A run that diverges in bf16 is run once more in fp32, from the start (the initial weights are kept in a file for
    that). One that diverges in fp32 ends there: with keep = "best" the best check until then is kept,
    otherwise it is a UserError. Both are noted.

    Resumes from the context's last checkpoint if there is one: the outcome is the same to the byte. The random numbers
    of the rest of the process are left as they were.
    """
    last = ctx.last_checkpoint()
    diverged = position(last).bf16_diverged
    if config.precision == "bf16" and not diverged:
        initial = ctx.scratch / "initial.safetensors"
        with ctx.writing():
            save_weights(initial, trained(module))
        try:
            return _attempt(module, objective, config, seed, ctx, last)
        except DivergedError as error:
            diverged, last = str(error), None
        load_weights(initial, module)
        module.zero_grad(set_to_none=True)
    if diverged:
        config = replace(config, precision="fp32")
    return _attempt(module, objective, config, seed, ctx, last, diverged)


def _attempt(
    module: torch.nn.Module,
    objective: Objective,
    config: TrainingConfig,
    seed: int,
    ctx: Context,
    last: Path | None,
    bf16_diverged: str = "",
) -> TrainingResult:
    """A run in one precision, from the checkpoint `last` or from the start. In bf16 it raises DivergedError."""
    import torch

    device, made = next(module.parameters()).device, config.optimisers(module)
    notes = [f"Training diverged in bf16 ({bf16_diverged}) and was run again in fp32."] if bf16_diverged else []
    peaks = [[group["lr"] for group in optimiser.param_groups] for optimiser in made]  # resuming overwrites them
    with _own_randomness(device, ctx.settings.deterministic):
        torch.manual_seed(seed)
        state = resume(last, module, made, device) if last else State(bf16_diverged=bf16_diverged)
        if bf16_diverged and not last:  # so that resuming does not start in bf16 again
            ctx.save_checkpoint(lambda folder: save(folder, state, module, made, device))
        try:
            _run(module, objective, config, seed, ctx, state, made, peaks)
        except DivergedError as error:
            if config.precision == "bf16":
                raise
            if state.best is None:
                raise UserError(_advice(error, config, bf16_diverged)) from None
            kept = min(state.curve, key=lambda check: check["validation_loss"])
            notes.append(f"Training diverged ({error}). The best check before it is kept: {kept['epoch']:.3g} epochs.")
    if state.best is not None:
        module.load_state_dict(state.best, strict=False)
    module.eval()
    return TrainingResult(curve=state.curve, notes=tuple(notes))


def _run(
    module: torch.nn.Module,
    objective: Objective,
    config: TrainingConfig,
    seed: int,
    ctx: Context,
    state: State,
    optimisers: Sequence[Optimiser],
    peaks: list[list[float]],
) -> None:
    """The updates and checks that `state` has not done yet."""
    import torch

    device = next(module.parameters()).device
    per_epoch, total = math.ceil(objective.size / config.batch), config.total(objective.size)
    between = max(1, per_epoch // config.checks)
    batches = _batches(objective.size, config.batch, seed, state.step)
    unread: list[torch.Tensor] = []
    while state.step < total:
        rows = next(batches)
        if sharded.rank().world > 1:  # ranks draw different numbers of random numbers
            torch.manual_seed(hash((seed, state.step, sharded.rank().number)))
        share = schedule(config, state.step, total)
        for optimiser, own in zip(optimisers, peaks, strict=True):
            for group, peak in zip(optimiser.param_groups, own, strict=True):
                group["lr"] = peak * share
        unread.append(_gradient(module, objective, rows, state.step / total, config))
        if len(unread) >= most_unread(device):
            _read(unread, state, state.step + 1, total)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        state.seen += len(rows)
        state.step += 1
        if state.step % between == 0 or state.step == total:
            _read(unread, state, state.step, total)
            _check(module, objective, config, state, total, per_epoch)
        ctx.progress(state.step / total)
        if ctx.checkpoint_due():
            _read(unread, state, state.step, total)
            ctx.save_checkpoint(lambda folder: save(folder, state, module, optimisers, device))


def most_unread(device: torch.device) -> int:
    """How many updates may go by before their losses are read, which waits for the device. On a CPU nothing waits, and
    each is read before it changes a weight; elsewhere always before a check and before a checkpoint."""
    return 1 if device.type == "cpu" else 32


def _read(unread: list[torch.Tensor], state: State, last: int, total: int) -> None:
    """Add up the losses of the updates until the `last`, and forget them. Raises DivergedError for a loss or a norm
    that is not finite."""
    import torch

    if not unread:
        return
    for update, found in enumerate(torch.stack(unread).tolist(), start=last - len(unread) + 1):
        for what, value in zip(("the training loss", "the norm of the gradient"), found, strict=True):
            if not math.isfinite(value):
                raise DivergedError(f"{what} is {value} at update {update} of {total}")
        state.running += found[0]
    unread.clear()


def _batches(examples: int, batch: int, seed: int, first: int) -> Iterator[Ints]:
    """The rows of every update from `first` on. An epoch's order is drawn once; its last batch may be smaller."""
    epoch, at = divmod(first, math.ceil(examples / batch))
    while True:
        rows = order(examples, seed, epoch)
        for start in range(at * batch, examples, batch):
            yield rows[start : start + batch]
        epoch, at = epoch + 1, 0


def schedule(config: TrainingConfig, step: int, total: int) -> float:
    """The factor of the peak learning rate at update `step` (from 0) of `total`."""
    rise = config.warmup * total
    if step + 1 < rise:
        return (step + 1) / rise
    done = (step - rise) / max(total - rise, 1.0) if step > rise else 0.0
    match config.schedule:
        case "linear":
            return 1.0 - done
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * done))
        case "constant":
            return 1.0


def _gradient(
    module: torch.nn.Module, objective: Objective, rows: Ints, progress: float, config: TrainingConfig
) -> torch.Tensor:
    """Leave the clipped gradient of the mean loss over `rows` in the module. Returns the summed loss and the gradient's
    norm before clipping, [2], on the device. The graph of each micro-batch is freed before the next is built."""
    import torch

    device = next(module.parameters()).device
    micro_batches = objective.micro_batches(rows)
    with autocast(device.type, config.precision):
        module.eval()  # targets are computed without dropout
        with torch.no_grad():
            targets = objective.targets(micro_batches, progress)
        module.train()
    summed = torch.zeros((), device=device)
    world = sharded.rank().world  # over which FSDP takes the mean of gradients
    with autocast(device.type, config.precision):  # one for all micro-batches: weights are cast once
        for (micro_batch, target), counts in sharded.share(zip(micro_batches, targets, strict=True)):
            loss = objective.per_example(micro_batch, target).sum()
            if not counts:
                loss = loss * 0.0  # every rank takes part in every pass
            with autocast(device.type, "fp32"):  # a backward pass has the types of the forward pass
                (loss * world / len(rows)).backward()  # type: ignore[no-untyped-call]
            summed += loss.detach()
    norm = sharded.whole(torch.nn.utils.clip_grad_norm_(module.parameters(), config.clip))
    return torch.stack([sharded.summed(summed), norm.to(summed.dtype)])


def _check(
    module: torch.nn.Module, objective: Objective, config: TrainingConfig, state: State, total: int, per_epoch: int
) -> None:
    """Validate, append to the curve, and keep the weights if they are the best so far (of equals, the first)."""

    at = f"after update {state.step} of {total}"
    if broken := _not_finite(module):
        raise DivergedError(f"the weight {broken} is not finite {at}")
    module.eval()
    try:
        with sharded.without_gradients(), autocast(next(module.parameters()).device.type, config.precision):
            figures = objective.validate()
    except UserError as error:  # predictions that are not finite
        raise DivergedError(f"{error}, {at}") from None
    for name, figure in figures.items():
        if not math.isfinite(figure):
            raise DivergedError(f"the {name.replace('_', ' ')} is {figure} {at}")
    state.curve.append({"epoch": state.step / per_epoch, "training_loss": state.running / state.seen, **figures})
    state.running, state.seen = 0.0, 0
    if config.keep == "best" and figures["validation_loss"] < state.best_loss:
        state.best_loss = figures["validation_loss"]
        state.best = {name: tensor.detach().clone() for name, tensor in trained(module).items()}


def _not_finite(module: torch.nn.Module) -> str | None:
    """The name of the first weight that has an infinite value or NaN."""
    import torch

    named = dict(module.named_parameters())
    broken = torch.stack([~all_finite(sharded.local(weight)) for weight in named.values()]).float()
    return next((name for name, each in zip(named, sharded.summed(broken).tolist(), strict=True) if each), None)


def _advice(error: DivergedError, config: TrainingConfig, bf16_diverged: str) -> str:
    """The error of a run without a usable check: what to try."""
    where = f"in bf16 ({bf16_diverged}), and again in fp32 ({error})" if bf16_diverged else f"({error})"
    return (
        f"training diverged {where}: lower learning_rate, now {config.learning_rate:g}, or raise warmup; "
        "if it fails at update 1, check the weights that it starts from"
    )


def _adamw(module: torch.nn.Module, config: TrainingConfig) -> Optimiser:

    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return AdamW([group for group in groups if group["params"]], lr=config.learning_rate)


@contextlib.contextmanager
def _own_randomness(device: torch.device, deterministic: bool) -> Iterator[None]:
    """A random state of its own, restored afterwards; deterministic kernels of a GPU where they are asked for."""
    import torch

    devices = [device] if device.type != "cpu" else []
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if devices and deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.random.fork_rng(devices=devices, device_type=device.type if devices else "cuda"):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
