"""Without truth: what says how much better a student is than its weak labels, where there is no ground truth?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from outgrow.analyses.base import Analysis, Comparison
from outgrow.experiment.cell import Cell
from outgrow.experiment.clues import clues
from outgrow.experiment.weak_labels import Labeller
from outgrow.finding import Finding, Table
from outgrow.graph import Step

FEWEST_TASKS = 5


@dataclass(frozen=True, kw_only=True)
class WithoutTruth(Analysis):
    """Draft."""

    question: ClassVar[str] = "What says without ground truth how much a student gains?"

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        if cell.method.oracle or cell.strong in cell.weak.models:
            return {}
        labels = partial(cell.weak.labels, cell.setup)
        labeller = Labeller(name=cell.weak.name, models=cell.weak.models, labels=labels)
        return {"floor": cell.floor, "student": cell.student, "clues": clues(cell.setup, labeller, cell.student_fit)}

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        return Finding(sentence="Draft.", table=Table(columns=(), rows=()))
