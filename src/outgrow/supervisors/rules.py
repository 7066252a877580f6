"""Rules: functions of a Python file that give an example a class or nothing, such as keywords and patterns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from outgrow.annotations import Annotations
from outgrow.cache import cached
from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.graph import Context, Settings, identity, not_hashed
from outgrow.supervisors.base import Supervisor, coverage_note, coverage_of, refuse_uncovered
from outgrow.tasks.text import on_this_machine
from outgrow.text.functions import apply, functions_of, source_digest
from outgrow.training.language_model import Generative
from outgrow.types import Example, Labels, UserError


@dataclass(frozen=True, kw_only=True)
class Rules(Supervisor):
    """The functions of a Python file, each an annotator, as the labelling functions of Snorkel (Ratner et al. 2017).

    Every function of the file whose name does not begin with `_` is a rule. It is called with the text of an example,
    or, with two parameters, with its text and choices, and returns the name of a class, or None for no label.

    path: the file, relative to the working directory; `~/` and a leading `$OUTGROW_DATA/` are expanded. Its syntax tree
    enters keys, so that comments may change; what it imports or reads does not.
    """

    kind: ClassVar[str] = "supervisor/rules"
    version: ClassVar[int] = 1  # raise it when the same file labels otherwise

    path: str = not_hashed()
    digest: str = ""

    @property
    def short_name(self) -> str:
        """The name of its file: `rules/keywords` for keywords.py."""
        return f"rules/{self.location.stem}"

    @property
    def location(self) -> Path:
        return Path(self.path)

    @property
    def name(self) -> str:
        return self.alias or self.short_name

    @property
    def code(self) -> str:
        return self.path

    def pinned(self) -> Self:
        return replace(self, digest=source_digest(on_this_machine(self.path)))

    def check(self, setup: CellSetup, settings: Settings) -> None:
        refuse_uncovered(setup, self.path, self._coverage, "write rules that say something about them")

    def notes(self, setups: Sequence[CellSetup]) -> tuple[str, ...]:
        count = len(functions_of(on_this_machine(self.path)))
        by = f"{count} functions label" if count > 1 else "labels"
        return (coverage_note(self.name, by, setups, self._coverage),)

    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        names = functions_of(on_this_machine(self.path))
        return tuple(RuleLabels(examples=examples, rules=self, function=name) for name in names)

    def _coverage(self, examples: Prepare) -> dict[str, Any]:
        """As `coverage_of`, of what any of the functions labels."""
        pinned = self if self.digest else self.pinned()

        def coverage() -> dict[str, Any]:
            rows = examples.read().rows
            labels = [
                labelled(pinned, name, rows, examples.task.name) for name in functions_of(on_this_machine(self.path))
            ]
            return coverage_of(rows, Annotations.from_labels(labels))

        found: dict[str, Any] = cached("coverage", [identity(pinned), identity(examples)], coverage)
        return found


@dataclass(frozen=True, kw_only=True)
class RuleLabels(LabelsStep):
    """The labels that one function gives to examples."""

    kind: ClassVar[str] = "rule_labels"
    known: ClassVar[bool] = True

    rules: Rules
    function: str

    @property
    def partial(self) -> bool:
        return True

    @property
    def title(self) -> str:
        task = self.examples.task.name
        return f"labels of {self.rules.name} ({self.function}) for {task} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        return labelled(self.rules, self.function, ctx.load(self.examples).rows, self.examples.task.name)

    def read(self) -> Labels:
        return labelled(self.rules, self.function, self.examples.read().rows, self.examples.task.name)


def labelled(rules: Rules, function: str, rows: Sequence[Example], task: str) -> Labels:
    """The labels of one function for the examples that it labels. Raises UserError that names the task."""
    try:
        found = apply(on_this_machine(rules.path), rules.digest, function, rows)
    except UserError as error:
        raise UserError(f"task {task}: {error}") from None
    kept = [(row, place) for row, place in zip(rows, found, strict=True) if place is not None]
    return Labels.from_rows([row.id for row, _ in kept], [np.eye(len(row.choices))[place] for row, place in kept])
