"""An experiment whose numbers are known beforehand: everything real but the learning.

The 40 test examples t00 … t39 are groups of their own. A predictor with skill k is right on those numbered below k, and
gives the one wrong answer elsewhere: supervisors have 16, ceilings 32, what is not trained 12. A student has 24, and
two less, as many, or two more with the seeds 0, 1, 2.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from outgrow.executors.inline import Inline
from outgrow.experiment.adapted import Adapted
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.technique import Technique
from outgrow.graph import Context, Outcome, Settings, run
from outgrow.losses.base import Loss
from outgrow.methods.base import Predictor, TextMethod, TrainingData
from outgrow.models.base import Model
from outgrow.store import Store
from outgrow.tasks.base import Readout, Row, Source, Split, Task
from outgrow.types import Example, Examples, Labels, UserError

CHOICES = ("no", "yes")


@dataclass(frozen=True, kw_only=True)
class Riddles(Task):
    readout = "tokens"

    topic: str = "cats"
    tests: int = 40
    groups: int = 40

    @property
    def name(self) -> str:
        return f"riddles-{self.topic}"

    def pinned(self) -> Riddles:
        return self

    def examples(
        self, split: Split, n: int | None, seed: int, part: int = 0, too_long: Set[str] = frozenset()
    ) -> Examples:
        numbers = range(self.tests if split == "test" else 20)
        rows = [
            Example(id=f"{split[0]}{i:02d}", group=f"g{i % self.groups}", prompt=f"<{i}> & so on", choices=CHOICES)
            for i in numbers
        ]
        return Examples(rows=tuple(rows), dropped=(("longer than 128 tokens", 3), ("no <label>", 2)))

    def load(self) -> Source:
        numbers = range(max(self.tests, 20))
        found = [Example(id=f"{s}{i:02d}", group="g", prompt="", choices=CHOICES) for s in "wtv" for i in numbers]
        return Source([Row(example=row, answer=tuple(np.eye(2)[answer(row)].tolist())) for row in found])


def answer(row: Example) -> int:
    return int(row.id[1:]) % 2


@dataclass(frozen=True, kw_only=True)
class Mind(Model):
    @property
    def name(self) -> str:
        return f"mind/{self.size}"

    def pinned(self) -> Mind:
        return self

    def folder(self, settings: Settings) -> Path:
        return Path("/nonexistent")


@dataclass(frozen=True, kw_only=True)
class Know(TextMethod):
    """Learns `skill` from the truth, and `lost` less from anything else."""

    skill: int
    lost: int = 8
    breaks_at_seed: int | None = None  # where a student's fit fails
    excuse: str = ""

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        truth = [answer(row) for row in data.examples.rows]
        taught_truth = bool((data.labels.hard() == truth).all())
        if seed == self.breaks_at_seed and not taught_truth:
            raise UserError(self.excuse) if self.excuse else RuntimeError("the mind <boggles>")
        skill = self.skill if taught_truth else self.skill - self.lost + 2 * (seed - 1)
        (ctx.scratch / "skill.json").write_text(json.dumps(skill))
        return Predictor(ctx.scratch)

    def predict(
        self,
        predictor: Predictor,
        readout: Readout,
        examples: Examples,
        settings: Settings,
        progress: Callable[[float], None],
    ) -> Labels:
        file = predictor.folder / "skill.json"
        skill = json.loads(file.read_text()) if file.exists() else 12
        said = [answer(row) if int(row.id[1:]) < skill else 1 - answer(row) for row in examples.rows]
        rows = [np.array([0.2, 0.8]) if yes else np.array([0.8, 0.2]) for yes in said]
        return Labels.from_rows(examples.ids[::-1], rows[::-1])  # any order: readers join by id


@dataclass(frozen=True, kw_only=True)
class WellRead(Know):
    """Knows `more` where its model has read the riddles before."""

    more: int = 4

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        more = self.more if isinstance(model, Adapted) else 0
        return Know(skill=self.skill + more).fit(model, readout, loss, data, seed, ctx)


def experiment(
    *,
    tasks: tuple[Task, ...] = (Riddles(),),
    strong: tuple[str, ...] = ("big",),
    methods: tuple[Technique, ...] = (Technique(),),
    seeds: tuple[int, ...] = (0, 1, 2),
    student: TextMethod = Know(skill=32),
    supervisor: TextMethod = Know(skill=16),
) -> Experiment:
    return Experiment(
        tasks=tasks,
        weak=(Mind(size="small"),),
        strong=tuple(Mind(size=size) for size in strong),
        methods=methods,
        seeds=seeds,
        recipes={
            (task.name, f"mind/{size}"): supervisor if size == "small" else student
            for task in tasks
            for size in ("small", *strong)
        },
    )


BETTER = Technique(label="better", fit=Know(skill=32, lost=4))  # right on four more than the naive student


def computed(asked: Experiment, store: Store) -> Outcome:
    with Inline() as executor:
        return run(targets(cells(asked)), store, executor)
