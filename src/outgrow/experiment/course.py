"""The course of a student's training: the same head as it was after several epochs, with its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold
from outgrow.experiment.scoring import Score
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Fit, predicted
from outgrow.experiment.weak_labels import Labeller
from outgrow.graph import Step
from outgrow.methods.head import Head
from outgrow.types import UserError

EPOCHS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100)


def trained_head(cell: Cell) -> Head | None:
    """The student's head, where it is one that gradient descent trains; else None."""
    method = cell.student_fit.method
    return method if isinstance(method, Head) and method.is_trained(cell.student_fit.loss) else None


def refuse_untrained(analysis: str, cells: Sequence[Cell]) -> None:
    """Raises UserError where a student is no trained head, and so has no epochs to be asked at."""
    for cell in cells:
        if not cell.method.oracle and trained_head(cell) is None:
            raise UserError(
                f"analysis {analysis} reads heads on frozen features that are trained by gradient descent, and the "
                f"student of {cell.method.shown} is none: say "
                f'[recipes."{cell.strong.name}"] name = "head", hidden = [256]'
            )


def epochs_of(head: Head) -> tuple[int, ...]:
    """The epochs after which a head is asked, the last of them included."""
    return (*(epoch for epoch in EPOCHS if epoch < head.epochs), head.epochs)


def course(cell: Cell) -> dict[str, Step[Any]]:
    """By name: `after/E`, the score of the student after epoch E on test, with `after/E/answers`, its answers to test,
    `after/E/held-out`, those to the validation slice, and `after/E/train`, those to its own examples; and `labels` and
    `labels/held-out`, the weak labels of both. The cell's student is a trained head."""
    head = trained_head(cell)
    assert head
    fit, part, held_out = cell.student_fit, cell.setup.part(0), cell.setup.validation
    found: dict[str, Step[Any]] = {}
    for epoch in epochs_of(head):
        after = _after(fit, head, epoch)
        score = Score(predictions=predicted(after, cell.test), examples=cell.test, gold=Gold(examples=cell.test))
        found |= {f"after/{epoch}": score, f"after/{epoch}/answers": score.predictions}
        found |= {f"after/{epoch}/held-out": predicted(after, held_out), f"after/{epoch}/train": predicted(after, part)}
    return {**found, "labels": fit.labels, "labels/held-out": fit.validation_labels}


def labeller_of(cell: Cell, setup: CellSetup | None = None) -> Labeller:
    """The supervisor of a cell as the source of labels. setup: if given, other splits than the cell's."""
    labels = partial(cell.weak.labels, setup or cell.setup)
    return Labeller(name=cell.weak.name, models=cell.weak.models, labels=labels)


def _after(fit: Fit, head: Head, epoch: int) -> Fit:
    """The fit as it was after an epoch, of a penalty that is chosen by the weak labels then, as always."""
    return replace(fit, method=replace(head, until=epoch if epoch < head.epochs else 0, keep="last"))
