"""Training that diverges: no number comes of it without a word. In bf16 it is run again in fp32, once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors import safe_open
from straight import Plain, Straight, not_numbers, weight

from outgrow.graph import Settings
from outgrow.losses.base import Loss
from outgrow.methods.finetune import Finetune
from outgrow.training.loop import TrainingResult, train
from outgrow.types import UserError

NOTHING = (math.nan, math.inf, -math.inf)


def spoiled(at: Sequence[int], by: float = math.nan, bf16_only: bool = False) -> Callable[[int, bool], float | None]:
    """What spoils the loss of some updates, counted over all attempts."""
    return lambda update, bf16: by if update in at and (bf16 or not bf16_only) else None


def run(folder: Path, spoil: Any = None, losses: Any = (1.0,), **fields: Any) -> tuple[Straight, TrainingResult]:
    """Six updates on two rows, a check after every second one."""
    module = weight()
    objective = Straight(module, [1.0, 1.0], losses, **({"spoil": spoil} if spoil else {}))
    config = Plain(**{"epochs": 3, "batch": 1, "learning_rate": 0.1, "warmup": 0.0, **fields})
    return objective, train(module, objective, config, 0, tiny.Scratch(folder, every=fields.pop("every", 0)))


# ---- in fp32


@pytest.mark.parametrize("by", NOTHING)
@pytest.mark.parametrize("keep", ["best", "last"])
def test_a_loss_that_is_no_number_ends_the_run_before_it_reaches_a_weight(by: float, keep: str, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"the training loss is -?(nan|inf) at update 2 of 6.*lower learning_rate"
    ) as error:
        run(tmp_path, spoiled([1], by), keep=keep)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("by", NOTHING)
def test_the_best_check_before_is_kept_and_noted(by: float, tmp_path: Path) -> None:
    objective, found = run(tmp_path, spoiled([5], by), losses=[1.0, 2.0])
    assert not objective._module.training
    assert objective.w.item() == objective.checks[0]
    assert len(found.curve) == len(objective.checks) == 2
    assert len(objective.rows) == 6, "it ends there"
    (note,) = found.notes
    assert "at update 6 of 6" in note
    assert "The best check before it is kept: 1 epochs." in note


def test_a_run_that_keeps_its_last_check_has_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="at update 6 of 6"):
        run(tmp_path, spoiled([5]), keep="last")


def test_a_gradient_that_is_no_number_is_seen_where_the_loss_is_one(tmp_path: Path) -> None:
    class Edge(Straight):
        def per_example(self, micro_batch: Any, target: Any) -> torch.Tensor:
            return (self.w[0, 0] - self.w[0, 0]).sqrt().expand(len(micro_batch))  # 0, and its slope is 1 / 0

    module = weight()
    with pytest.raises(UserError, match="the norm of the gradient is nan at update 1 of 2"):
        train(module, Edge(module, [1.0, 1.0]), Plain(epochs=1, batch=1), 0, tiny.Scratch(tmp_path))
    assert module.weight.item() == 1.0


@pytest.mark.parametrize("loss", [*NOTHING, not_numbers()], ids=str)
def test_a_check_that_is_no_number_is_no_check(loss: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="after update 2 of 6"):
        run(tmp_path / "first", losses=[loss])
    with pytest.raises(UserError, match="after update 4 of 6"):
        run(tmp_path / "last", losses=[1.0, loss], keep="last")
    objective, found = run(tmp_path / "best", losses=[1.0, loss])
    assert [check["validation_loss"] for check in found.curve] == [1.0]
    assert objective.w.item() == objective.checks[0]
    assert "after update 4 of 6" in found.notes[0]


@pytest.mark.parametrize("figure", ["monitored_loss", "validation_agreement"])
def test_any_figure_of_a_check_counts(figure: str, tmp_path: Path) -> None:
    class Watching(Straight):
        def validate(self) -> dict[str, float]:
            return {**super().validate(), figure: math.nan}

    module = weight()
    with pytest.raises(UserError, match=f"the {figure.replace('_', ' ')} is nan"):
        train(module, Watching(module, [1.0]), Plain(), 0, tiny.Scratch(tmp_path))


@pytest.mark.parametrize("by", NOTHING)
def test_a_weight_that_no_example_reads_is_seen_too(by: float, tmp_path: Path) -> None:
    module = weight()
    module.unused = torch.nn.Parameter(torch.tensor([0.0, by]))
    with pytest.raises(UserError, match="the weight unused is not finite after update 2"):
        train(module, Straight(module, [1.0, 1.0]), Plain(epochs=1, batch=1), 0, tiny.Scratch(tmp_path))


# ---- in bf16


def test_bf16_is_run_again_in_fp32_from_the_start(tmp_path: Path) -> None:
    clean, plain = run(tmp_path / "fp32", losses=[3.0, 1.0, 2.0])
    objective, found = run(tmp_path / "bf16", spoiled(range(1, 99), bf16_only=True), [3.0, 1.0, 2.0], precision="bf16")
    assert objective.w.item() == clean.w.item()
    assert found.curve == plain.curve
    assert objective.rows == clean.rows[:2] + clean.rows
    (note,) = found.notes
    assert "diverged in bf16 (the training loss is nan at update 2 of 6) and was run again in fp32" in note
    assert plain.notes == ()


def test_bf16_is_run_again_although_a_check_was_fine(tmp_path: Path) -> None:
    objective, found = run(tmp_path, spoiled([4], bf16_only=True), [1.0, 2.0, 5.0, 4.0, 6.0], precision="bf16")
    assert [check["validation_loss"] for check in found.curve] == [5.0, 4.0, 6.0]
    assert objective.w.item() == objective.checks[3], "the best of the second attempt"
    assert len(found.notes) == 1


def test_bf16_without_trouble_is_left_alone(tmp_path: Path) -> None:
    objective, found = run(tmp_path, precision="bf16")
    assert len(objective.rows) == 6
    assert found.notes == ()
    assert not list(tmp_path.glob("checkpoint-*")), "none was due"


def test_what_diverges_in_both_fails_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"in bf16 \(.*update 2 of 6\), and again in fp32 \(.*update 1 of 6\)"):
        run(tmp_path, spoiled(range(1, 99)), precision="bf16")


def test_both_notes_are_given_where_fp32_ends_at_an_earlier_check(tmp_path: Path) -> None:
    # Update 3 of the first attempt diverges, then update 5 of the second: numbers 2 and 3 + 4 in all.
    objective, found = run(tmp_path, spoiled([2, 3 + 4]), precision="bf16")
    assert ["bf16" in note for note in found.notes] == [True, False]
    assert len(found.curve) == 2
    assert objective.w.isfinite().all()


class Stop(BaseException):
    """What ends a run in the middle."""


class Mortal(tiny.Scratch):
    def __init__(self, folder: Path, every: int, dies: int) -> None:
        super().__init__(folder, every=every)
        self.dies = dies

    def progress(self, fraction: float, note: str = "") -> None:
        super().progress(fraction, note)
        if self.updates == self.dies:
            raise Stop


@pytest.mark.parametrize(("every", "dies"), [(0, 6), (1, 6), (2, 9), (4, 10), (3, 4)])
def test_a_resumed_retry_stays_in_fp32_and_ends_like_an_undisturbed_one(every: int, dies: int, tmp_path: Path) -> None:
    """bf16 diverges at its fifth update; the deaths are in the second attempt, but for the last one."""
    config = Plain(epochs=3, batch=1, learning_rate=0.1, precision="bf16", warmup=0.0)

    def only_bf16_fails(update: int, bf16: bool) -> float | None:
        seen.append(bf16)
        return math.nan if bf16 and len([each for each in seen if each]) > 4 else None

    def objective(module: torch.nn.Module) -> Straight:
        return Straight(module, [1.0, 1.0], [3.0, 1.0, 2.0], only_bf16_fails)

    seen: list[bool] = []
    whole = weight()
    undisturbed = train(whole, objective(whole), config, 0, tiny.Scratch(tmp_path / "whole"))
    seen, first, second = [], weight(), weight()
    with pytest.raises(Stop):
        train(first, objective(first), config, 0, Mortal(tmp_path / "cut", every, dies))
    retried = False in seen
    again, later = objective(second), len(seen)
    found = train(second, again, config, 0, tiny.Scratch(tmp_path / "cut", every=every))
    if retried:
        assert not any(seen[later:]), "it went back to bf16"
    assert [note.partition("(")[0] for note in found.notes] == [note.partition("(")[0] for note in undisturbed.notes]
    assert [check["epoch"] for check in found.curve] == [1.0, 2.0, 3.0]
    if retried:
        assert found.notes == undisturbed.notes
        assert [check["training_loss"] for check in found.curve] == [c["training_loss"] for c in undisturbed.curve]


def test_optimisers_are_made_anew_for_the_precision_of_the_retry(tmp_path: Path) -> None:
    made: list[str] = []

    @dataclass(frozen=True, kw_only=True)
    class Telling(Plain):
        def optimisers(self, module: torch.nn.Module) -> tuple[torch.optim.Optimizer, ...]:
            made.append(self.precision)
            return super().optimisers(module)

    module = weight()
    objective = Straight(module, [1.0, 1.0], spoil=spoiled([1], bf16_only=True))
    train(module, objective, Telling(precision="bf16", epochs=1, batch=1), 0, tiny.Scratch(tmp_path))
    assert made == ["bf16", "fp32"]


# ---- with a network, and where the notes go


@dataclass(frozen=True, kw_only=True)
class Bursting(Loss):
    """Cross-entropy, and after a share of training no number."""

    after: float

    def targets(self, logits: torch.Tensor | None, weak: torch.Tensor, progress: float) -> torch.Tensor:
        return weak * (math.nan if progress >= self.after else 1.0)


def fitted(folder: Path, after: float, name: str, **fields: Any) -> Any:
    model = tiny.TinyModel(path=str(folder / "model"))
    if not (folder / "model").exists():
        tiny.checkpoint(folder / "model")
    method = Finetune(**{"learning_rate": 1e-3, "epochs": 4, "batch": 8, **fields})
    return method.fit(model, "head", Bursting(after=after), tiny.supervision(24), 0, tiny.Scratch(folder / name))


def test_a_fit_carries_its_notes_and_one_without_trouble_has_no_such_file(tmp_path: Path) -> None:
    ended = fitted(tmp_path, 0.5, "ended")
    assert json.loads((ended.folder / "notes.json").read_text()) == list(ended.notes())
    assert "at update 7 of 12" in ended.notes()[0]
    assert len(json.loads((ended.folder / "curve.json").read_text())) == 2
    labels = Finetune().predict(ended, "head", tiny.examples(5), Settings(), lambda fraction: None)
    assert math.isfinite(float(labels.probs.sum()))
    fine = fitted(tmp_path, 9.0, "fine")
    assert not (fine.folder / "notes.json").exists()
    assert fine.notes() == ()
    moved = tmp_path / "moved"
    ended.save(moved)
    assert type(ended).load(moved).notes() == ended.notes()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_rate_that_tears_the_weights_apart_fails(precision: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"training diverged .*lower learning_rate, now 1e\+30"):
        fitted(tmp_path, 9.0, "run", learning_rate=1e30, warmup=0.0, precision=precision, keep="last")


def test_the_initial_weights_wait_in_a_file_without_those_that_are_frozen(tmp_path: Path) -> None:
    """w is trained and comes back for the second attempt; the bias is frozen, so training cannot change it."""
    module = torch.nn.Linear(1, 1)
    module.bias.requires_grad_(False)
    with torch.no_grad():
        module.weight.fill_(1.0)
    objective = Straight(module, [1.0, 1.0], spoil=spoiled([1], bf16_only=True))
    config = Plain(epochs=1, batch=1, learning_rate=0.1, warmup=0.0, precision="bf16")
    found = train(module, objective, config, 0, tiny.Scratch(tmp_path))
    assert "was run again in fp32" in found.notes[0]
    assert objective.w.item() == pytest.approx(0.85, abs=1e-5)  # from 1: updates of 0.1, and of 0.05 as the rate falls
    with safe_open(tmp_path / "initial.safetensors", "pt") as file:
        assert list(file.keys()) == ["weight"]
