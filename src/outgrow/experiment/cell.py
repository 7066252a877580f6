"""A cell: one point of the grid of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outgrow.experiment.data import Prepare
from outgrow.experiment.scoring import Score
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Fit
from outgrow.experiment.technique import Technique
from outgrow.graph import Step
from outgrow.models.base import Model
from outgrow.supervisors.base import Supervisor
from outgrow.tasks.base import Task


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One point of the grid: its scores and its fits. If the experiment scores validation, `test` stands for it.

    label_accuracy: the labels that the student learned from, on the examples of transfer that it learned from.
    zero_shot: the student before any training, for tasks that are answered by next tokens. frozen_probe: a linear probe
    on its frozen features that learned the weak labels, for the other tasks: there a model has no answer yet.
    direct: the student on its supervisor's ground truth; None where the supervisor read none, or the experiment leaves
    it out. majority: the majority class of weak_train, for tasks whose examples share their choices. setup: what its
    fits share. evidence: by the name of each analysis that the experiment asks for, the steps that it reads.
    """

    task: Task
    weak: Supervisor
    strong: Model
    method: Technique
    seed: int
    setup: CellSetup
    supervisors: tuple[Fit, ...]
    student_fit: Fit
    floor: Score
    student: Score
    ceiling: Score
    label_accuracy: Score
    zero_shot: Score | None = None
    frozen_probe: Score | None = None
    direct: Score | None = None
    majority: Score | None = None
    matched_floor: Score | None = None  # where the technique adapts: a supervisor and a ceiling that are adapted too
    matched_ceiling: Score | None = None
    evidence: Mapping[str, Mapping[str, Step[Any]]] = field(default_factory=dict)

    @property
    def targets(self) -> tuple[Step[Any], ...]:
        always = (self.floor, self.student, self.ceiling, self.label_accuracy)
        before = (self.zero_shot, self.frozen_probe, self.direct, self.majority)
        others = (*before, self.matched_floor, self.matched_ceiling)
        of_analyses = (step for steps in self.evidence.values() for step in steps.values())
        return (*always, *(score for score in others if score), *of_analyses)

    @property
    def test(self) -> Prepare:
        return self.floor.gold.examples
