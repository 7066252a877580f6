"""The steps that read a task's data: prepare and gold; and what all steps that give labels share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from outgrow.graph import Context, Step
from outgrow.labelling.base import NotedLabels
from outgrow.tasks.base import Split, Task, ground_truth
from outgrow.training.lengths import LengthLimit, too_long
from outgrow.types import Examples, Ints, Labels


@dataclass(frozen=True, kw_only=True)
class Prepare(Step[Examples]):
    """`n` examples of one split, in the seed's order: the first, or a later `part`, as many that share no group with
    those of the parts before. What one of the `readers` cannot read whole is left out, or, where `cut`, is read by each
    model as far as it reads."""

    kind: ClassVar[str] = "prepare"
    version: ClassVar[int] = 2  # 2: near-duplicates leave every split, not those of test alone
    result: ClassVar[type[Any]] = Examples

    task: Task
    split: Split
    n: int | None = None
    seed: int = 0
    part: int = 0
    length_limits: tuple[LengthLimit, ...] = ()
    cut: bool = False

    @property
    def title(self) -> str:
        return f"prepare {self.task.name} {self.split}"

    def run(self, ctx: Context) -> Examples:
        return self.read()

    def read(self) -> Examples:
        """The examples, from the task's data. Raises UserError if there are too few."""
        left_out = frozenset(id for length_limit in self.length_limits for id in too_long(self.task, length_limit).ids)
        found = self.task.examples(self.split, self.n, self.seed, self.part, left_out)
        return replace(found, cut=self.cut)


@dataclass(frozen=True, kw_only=True)
class LabelsStep(Step[Labels]):
    """A step that gives labels of examples, whatever their origin: ground truth, predictions, annotations, rules."""

    result: ClassVar[type[Any]] = NotedLabels
    known: ClassVar[bool] = False  # whether `read` gives the labels before a run

    examples: Prepare

    def read(self) -> Labels:
        """The labels where they are `known`, such as those of a file."""
        raise NotImplementedError

    @property
    def partial(self) -> bool:
        """Whether examples may be left without a label."""
        return False


@dataclass(frozen=True, kw_only=True)
class PartOfLabels(LabelsStep):
    """The labels of some of the examples: `places` says of which."""

    labels: LabelsStep

    @property
    def partial(self) -> bool:
        return True

    def run(self, ctx: Context) -> Labels:
        labels = ctx.load(self.labels)
        return labels.take(self.places(labels.ids, ctx))

    def places(self, ids: tuple[str, ...], ctx: Context) -> Ints:
        """The places among the ids of all labels."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Gold(LabelsStep):
    """The ground truth of prepared examples: the only step that reads it from the data."""

    kind: ClassVar[str] = "gold"

    @property
    def title(self) -> str:
        return f"gold {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        return ground_truth(self.examples.task, ctx.load(self.examples))
