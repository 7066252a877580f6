"""Test examples by who has them right: those that the student has right and its supervisor wrong, and the reverse."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from outgrow.analyses.base import Answers, answers_of
from outgrow.experiment.cell import Cell
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.plugins import nearest
from outgrow.report.results import rows
from outgrow.report.stored import StoredArtifacts
from outgrow.store import Store
from outgrow.types import Example, Examples, Labels, UserError

ROLES = {
    "supervisor": "floor",
    "student": "student",
    "ceiling": "ceiling",
    "direct": "direct",
    "zero-shot": "zero_shot",
}
OUTGROWN = "student right, supervisor wrong"
LOST = "student wrong, supervisor right"
SHOWN = ("supervisor", "student", "ceiling")  # whose answers are given, beside those of the selection

Selection = Mapping[str, bool]  # whether each of these roles has it right


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The choice of one role for an example, with its probability."""

    choice: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class ShownExample:
    """A test example that a selection matches.

    right: the right choices; none where the ground truth is no longer stored. answers: by role, with the first of the
    `seeds` for which it holds. of: how many seeds there are.
    """

    example: Example
    right: tuple[str, ...]
    answers: Mapping[str, Answer]
    seeds: tuple[int, ...]
    of: int


@dataclass(frozen=True, kw_only=True)
class Group:
    """The examples of a comparison for which it holds, those of most seeds first and else in a fixed order that says
    nothing. share: of the test examples, a mean over seeds; None if the comparison is not computed."""

    task: str
    weak: str
    strong: str
    method: str
    share: float | None
    n_test: int
    examples: tuple[ShownExample, ...]


def parse_selection(text: str) -> Selection:
    """`student right, supervisor wrong` as the roles that are named. Raises UserError for anything else."""
    selection: dict[str, bool] = {}
    for part in text.split(","):
        match part.split():
            case [role, ("right" | "wrong") as how] if role in ROLES and role not in selection:
                selection[role] = how == "right"
            case [role, ("right" | "wrong")] if role not in ROLES:
                raise UserError(f"no role called {role!r}.{nearest(role, ROLES)} Known: {', '.join(ROLES)}")
            case _:
                raise UserError(f"{text!r} does not say who is right and who is wrong: write {OUTGROWN!r}")
    return selection


def read(experiment: Experiment, store: Store, text: str) -> list[Group]:
    """The examples of each comparison of a pinned experiment for which `text` holds.

    Raises UserError for a text that says nothing, or roles that no comparison has.
    """
    selection, reader = parse_selection(text), Reader(store)
    lines = [row for row, _ in rows(cells(experiment))]
    lacking = [role for role in selection if not any(getattr(row[0], ROLES[role]) for row in lines)]
    if lacking:
        raise UserError(f"no comparison has a {lacking[0]} score: ask about {' or '.join(SHOWN)}")
    return [reader.group(row, selection) for row in lines]


class Reader:
    """Reads examples from a store; test examples and their ground truth once, whatever the number of comparisons."""

    def __init__(self, store: Store) -> None:
        self._stored = StoredArtifacts(store, ())
        self._examples: dict[str, tuple[Examples | None, Labels | None]] = {}  # by the key of the ground truth

    def group(self, row: Sequence[Cell], selection: Selection) -> Group:
        """The examples of one row of the grid, over the seeds that are complete."""
        first = row[0]
        roles = list(dict.fromkeys([*selection, *(role for role in SHOWN if getattr(first, ROLES[role]))]))
        complete = [(cell.seed, found) for cell in row if (found := self._artifacts(cell, roles))]
        names = {"task": first.task.name, "weak": first.weak.name, "strong": first.strong.name}
        examples, gold = self._test(first)
        if not complete or examples is None:
            return Group(**names, method=first.method.shown, share=None, n_test=0, examples=())
        answers = {}
        for role in roles:
            scores, labels = zip(*(found[role] for _, found in complete), strict=True)
            answers[role] = answers_of(scores, labels, examples.ids)
        holds = np.logical_and.reduce([_holds(answers[role], right) for role, right in selection.items()])
        seeds = [seed for seed, _ in complete]
        return Group(
            **names,
            method=first.method.shown,
            share=float(holds.mean()),
            n_test=len(examples),
            examples=tuple(_seen(examples, gold, answers, holds, seeds)),
        )

    def _artifacts(self, cell: Cell, roles: Sequence[str]) -> dict[str, tuple[Any, Any]] | None:
        """Scores and predictions of each role; None if one is missing."""
        found = {}
        for role in roles:
            score = getattr(cell, ROLES[role])
            pair = (self._stored.get(score), self._stored.get(score.predictions)) if score else (None, None)
            if pair[0] is None or pair[1] is None:
                return None
            found[role] = pair
        return found

    def _test(self, cell: Cell) -> tuple[Examples | None, Labels | None]:
        gold = cell.floor.gold
        if gold.key not in self._examples:
            self._examples[gold.key] = self._stored.get(cell.test), self._stored.get(gold)
        return self._examples[gold.key]


def _holds(answers: Answers, right: bool) -> npt.NDArray[np.bool_]:
    """Where a role is right, or wrong, [S, N]; an answer that is not given is neither."""
    return (answers.correct >= 0.5) if right else (answers.correct < 0.5)


def _seen(
    examples: Examples,
    gold: Labels | None,
    answers: Mapping[str, Answers],
    holds: npt.NDArray[np.bool_],
    seeds: Sequence[int],
) -> Iterator[ShownExample]:
    counts = holds.sum(axis=0)
    places = np.flatnonzero(counts).tolist()
    truth = None if gold is None else gold.aligned(examples)
    for i in sorted(places, key=lambda i: (-counts[i], hashlib.sha256(examples.ids[i].encode()).hexdigest())):
        example, matching = examples.rows[i], np.flatnonzero(holds[:, i]).tolist()
        given = {
            role: Answer(choice=example.choices[chosen], probability=float(each.confidence[matching[0], i]))
            for role, each in answers.items()
            if (chosen := int(each.chosen[matching[0], i])) >= 0
        }
        right = () if truth is None else tuple(np.array(example.choices, dtype=object)[truth.row(i) > 0].tolist())
        yield ShownExample(
            example=example, right=right, answers=given, seeds=tuple(seeds[s] for s in matching), of=len(seeds)
        )
