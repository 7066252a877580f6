"""The base class of error structures: which examples are wrong first, and the wrong answers."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Self

import numpy as np

from outgrow.models.base import Model
from outgrow.tasks.base import Facet, Task
from outgrow.types import Doubles, Examples, Ints, Labels, UserError


@dataclass(frozen=True, kw_only=True, eq=False)
class ErrorInputs:
    """What a structure reads of n examples.

    truth: their ground truth. facets: properties by name, for each id. features: of a model, float64 [n, width];
    predictions: of a model; each where the structure asks for it (`needs`). seed: of the experiment.
    """

    examples: Examples
    truth: Labels
    facets: Mapping[str, Mapping[str, Facet]]
    features: Doubles | None = None
    predictions: Labels | None = None
    seed: int = 0

    def draws(self, salt: str) -> Doubles:
        """A number in [0, 1) for each example, from the seed, `salt` and its id: the same in any subset. [n]."""
        return np.array([_uniform(f"{self.seed}", salt, id) for id in self.examples.ids])

    def right(self) -> Ints:
        """The index of the right choice of each example, the first of several. [n]."""
        return self.truth.hard()


@dataclass(frozen=True, kw_only=True)
class Errors(ABC):
    """Base class of error structures. Subclass it, add fields, implement `order`. It is in the keys of its labels.

    needs: "features" or "predictions" of the field `model`, or "" for neither.
    """

    kind: ClassVar[str]  # not needed by a plug-in from outside the package
    version: ClassVar[int] = 1
    needs: ClassVar[str] = ""
    shared_choices: ClassVar[bool] = False  # whether all examples must have the same choices

    @property
    def name(self) -> str:
        """Its name in tables: that of its file, and the fields that are set."""
        given = [str(value) for each in fields(self) if isinstance(value := getattr(self, each.name), str) and value]
        models = [model.name for model in self.models]
        return "-".join([type(self).__module__.rpartition(".")[2].replace("_", "-"), *given, *models])

    @property
    def models(self) -> tuple[Model, ...]:
        """The model that it reads. Default: the field `model`, if it has one."""
        model = getattr(self, "model", None)
        return (model,) if isinstance(model, Model) else ()

    def map_models(self, change: Callable[[Model], Model]) -> Self:
        """A copy with `change` applied to its model. Default: itself."""
        return self

    def check(self, task: Task) -> None:
        """Raise UserError for a task that cannot have such errors, by default where choices must be shared."""
        if self.shared_choices and task.readout == "tokens":
            raise UserError(f"errors {self.name} need a task whose examples share their choices: {task.name} has none")

    @abstractmethod
    def order(self, inputs: ErrorInputs) -> Doubles:
        """The order in which examples are wrong, float64 [n]: those with the largest values first."""

    def answers(self, inputs: ErrorInputs) -> Ints:
        """The wrong answer to each example, int64 [n]. Default: a wrong choice at random."""
        wrong = [np.flatnonzero(row == 0) for row in inputs.truth.rows()]
        pairs = zip(inputs.draws("answer"), wrong, strict=True)
        return np.array([each[int(draw * len(each))] if len(each) else 0 for draw, each in pairs])


def known_facet(task: Task, facet: str, what: str) -> None:
    """Raise UserError where a task has no such facet."""
    known = list(task.facets(Examples(rows=())))
    if facet not in known:
        has = f"it has {', '.join(known)}" if known else "it has none"
        raise UserError(f"errors {what} read the facet {facet!r}, which task {task.name} lacks ({has}): name another")


def _uniform(*parts: str) -> float:
    return int.from_bytes(hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest(), "big") / 2**64
