"""What the tests of techniques share: a small experiment of fakes, its only cell, and how to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import tiny
from fakes import FakeMethod, FakeModel, FakeTask

from outgrow.executors.inline import Inline
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import LabelsStep
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.steps import Fit, Predict, Relabel
from outgrow.experiment.technique import Technique
from outgrow.graph import Outcome, not_hashed, run
from outgrow.labelling.base import Rule
from outgrow.store import Store
from outgrow.tasks.base import Passage, Readout, Row, Source, Split
from outgrow.types import Example, Examples

SMALL, MEDIUM, LARGE = (FakeModel(size=size).pinned() for size in ("small", "medium", "large"))
SLOW = FakeMethod(seconds=0.001)
BASE = Experiment(
    tasks=(FakeTask(digest="fake"),),
    weak=(SMALL,),
    strong=(LARGE,),
    seeds=(0,),
    sizes={"weak_train": 60, "transfer": 40, "test": 50},
    recipes={("fakes", "fakes/small"): FakeMethod(), ("fakes", "fakes/medium"): SLOW, ("fakes", "fakes/large"): SLOW},
)


@dataclass(frozen=True, kw_only=True)
class Worded(FakeTask):
    """Questions that the tiny models can read."""

    rows: int = 400

    def load(self) -> Source:
        rows = []
        for i in range(self.rows):
            example = Example(id=f"q{i}", group=f"g{i}", prompt=f"w{i % 40} w{i % 7}", choices=("a", "b"))
            rows.append(Row(example=example, answer=(float(i % 2), 1.0 - i % 2)))
        return Source(rows)


@dataclass(frozen=True, kw_only=True)
class Learnable(Worded):
    """The same questions for causal models: the answers are next tokens, and stand after a blank in solved lines."""

    readout: ClassVar[Readout] = "tokens"
    rows: int = 1200

    def solved(self, example: Example, answer: str) -> Passage:
        return Passage(text=f"{example.prompt} {answer}")


@dataclass(frozen=True, kw_only=True)
class Linear(Learnable):
    """Questions whose last word is the answer: it is linear in the embeddings of that word."""

    readout: ClassVar[Readout] = "head"

    def load(self) -> Source:
        rows = []
        for i in range(self.rows):
            example = Example(id=f"q{i}", group=f"g{i}", prompt=f"w{2 + i % 7} w{i % 2}", choices=("a", "b"))
            rows.append(Row(example=example, answer=(float(i % 2), 1.0 - i % 2)))
        return Source(rows)


def causal(folder: Path) -> Experiment:
    """An experiment of two tiny causal models, with as many other examples in the test split as it tests."""
    models = tuple(
        TinyModel(size=size, path=str(tiny.checkpoint(folder / size, "gpt2", seed, hidden_size=16))).pinned()
        for seed, size in enumerate(("one", "other"))
    )
    sizes: dict[Split, int | None] = {
        "weak_train": 40, "transfer": 40, "transfer_validation": 20, "validation": 40, "test": 60
    }  # fmt: skip
    return Experiment(
        tasks=(Learnable(digest="fake"),),
        weak=(models[0],),
        strong=(models[1],),
        seeds=(0, 1),
        sizes=sizes,
        direct=False,
    )


@dataclass(frozen=True, kw_only=True)
class TinyModel(tiny.TinyModel):
    """A tiny causal model whose path is in no key, so that stores in different folders agree."""

    causal: ClassVar[bool | None] = True

    path: str = not_hashed()

    def pinned(self) -> Self:
        return replace(self, digest=self.size)


def cell(technique: Technique, **changes: Any) -> Cell:
    (found,) = cells(replace(BASE, methods=(technique,), **changes))
    return found


def done(found: Cell, folder: Path) -> Outcome:
    with Inline() as executor:
        return run(targets([found]), Store(str(folder)), executor)


def rules(labels: LabelsStep) -> list[Rule]:
    """The rules that labels went through, the first one first."""
    return [*rules(labels.labels[0]), labels.rule] if isinstance(labels, Relabel) else []


@dataclass(frozen=True, kw_only=True)
class Headed(FakeTask):
    readout: ClassVar[Readout] = "head"
    name = "fakes"


HEADED = (Headed(digest="fake"),)


@dataclass(frozen=True, kw_only=True)
class Hard(Headed):
    """Its supervisors hand over their choice."""

    soft_labels: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True)
class Losing(FakeTask):
    """The wrong answer to every other question loses a half; of the others nothing is known."""

    name = "fakes"

    valued: str = not_hashed(default="first")

    @property
    def regret_digest(self) -> str:
        return self.valued

    def regret(self, examples: Examples) -> Mapping[str, tuple[float, ...]]:
        answers = self.load().answers
        return {id: tuple(0.5 * (1 - share) for share in answers[id]) for id in examples.ids if int(id[1:]) % 2 == 0}


def teacher(fit: Fit) -> Fit:
    """Whose labels a fit learns from, and stops on."""
    labels, validation = (
        each.labels[0] if isinstance(each, Relabel) else each for each in (fit.labels, fit.validation_labels)
    )
    assert isinstance(labels, Predict)
    assert isinstance(validation, Predict)
    assert labels.fitted == validation.fitted
    assert (labels.examples, validation.examples) == (fit.examples, fit.validation)
    return labels.fitted
