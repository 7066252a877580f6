"""Difficulty: do students outgrow their supervisors on examples that are too hard for the supervisors?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from outgrow.analyses.base import Analysis, Comparison, comparison_names, roles_of
from outgrow.experiment.cell import Cell
from outgrow.experiment.facets import FacetNumbers
from outgrow.finding import Axis, Colour, Column, Figure, Finding, Mark, Panel, Series, Table, in_words, some_of
from outgrow.graph import Step
from outgrow.measures.accuracy import accuracy
from outgrow.measures.crossed import Interval, mean_interval
from outgrow.measures.delta import function_of_means
from outgrow.measures.effects import effects
from outgrow.measures.level import falls, known_at, level, ranks
from outgrow.measures.pgr import MIN_GROUPS, Recovery, recovered
from outgrow.tasks.base import Task
from outgrow.types import Doubles, Examples, Ints, UserError

HARDER = {"rating": 1, "difficulty": 1, "margin": -1}  # whether larger numbers are harder; of other facets they are
BANDS = ("below", "at", "above")  # its level, where the supervisor knows more than 2/3, between, and less than 1/3
ROLES: dict[str, Colour] = {"floor": "floor", "student": "student", "ceiling": "ceiling"}
ROLE_NAMES = {"floor": "supervisor", "student": "student", "ceiling": "ceiling"}
FIFTHS = 5
PANELS = 3


@dataclass(frozen=True, kw_only=True)
class Difficulty(Analysis):
    """Recovery below, at and above the supervisor's own level, by a number that says how hard a test example is.

    The level is the difficulty at which the supervisor knows half of the answers: what it has right beyond guessing.
    Below it the supervisor knows more than two thirds, above it less than one third, by its answers to the examples of
    other groups. facet: the number; by default the
    first of `rating`, `difficulty` and `margin` that a task has. Of a facet of your own, larger numbers are harder.
    """

    question: ClassVar[str] = "Do students outgrow their supervisors on examples that are too hard for the supervisors?"

    facet: str = ""

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError where no task has examples with such a number."""
        refuse_without_facet("difficulty", self.facet, [cell.task for cell in cells])

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        if not (facet := facet_of(cell.task, self.facet)):
            return {}
        return {**roles_of(cell, *ROLES), f"facet/{facet}": FacetNumbers(examples=cell.test, facet=facet)}

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        names = comparison_names(comparisons)
        measured = [each for each in map(_measured, names, comparisons) if each is not None]
        ordered = [each for each in measured if each.falls]
        stated = {each.name for each in measured}
        notes = (
            *(
                f"{name}: fewer than {MIN_GROUPS} groups of test examples have a number and an answer"
                for name in names
                if name not in stated
            ),
            *(
                f"{each.name}: its supervisor is no worse on harder examples, so it has no level"
                for each in measured
                if not each.falls
            ),
        )
        figure = _figure(ordered) if ordered else None
        return Finding(sentence=_sentence(ordered), table=_table(ordered), figure=figure, notes=notes)


def facet_of(task: Task, wanted: str) -> str:
    """The facet of a task that says how hard an example is: the one asked for, or the first that is known; "" if it has
    none."""
    known = _known(task)
    return next((name for name in ([wanted] if wanted else HARDER) if name in known), "")


def refuse_without_facet(analysis: str, wanted: str, tasks: Sequence[Task]) -> None:
    """Raises UserError where no task has such a facet."""
    if any(facet_of(task, wanted) for task in tasks):
        return
    named = {task.name: task for task in tasks}
    has = "; ".join(f"{name} has {', '.join(_known(task)) or 'no facet'}" for name, task in named.items())
    raise UserError(
        f"analysis {analysis} needs test examples with a {wanted or ' or '.join(HARDER)} ({has}): leave it out, or set "
        f'{{ name = "{analysis}", facet = "..." }}'
    )


def _known(task: Task) -> list[str]:
    return list(task.facets(Examples(rows=())))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """The examples of one comparison that have a difficulty and an answer of the supervisor, with each seed.

    scores: by role, [S, N]. difficulty, rank: of each example, [N]; the hardest has rank 1. falls: whether the
    supervisor is worse on harder ones. level: the rank up to which it knows half. band: an index of `BANDS`, [N].
    choices: how many each example has, [N].
    """

    name: str
    facet: str
    scores: Mapping[str, Doubles]
    groups: Ints
    difficulty: Doubles
    rank: Doubles
    falls: bool
    level: float | None
    band: Ints
    choices: Ints

    def mean(self, role: str, within: npt.NDArray[np.bool_]) -> Interval | None:
        """The accuracy of a role on some of the examples; None for fewer than two groups of them."""
        if len(set(self.groups[within].tolist())) < 2:
            return None
        return accuracy(self.scores[role][:, within], self.groups[within])

    def has(self, band: int) -> bool:
        """Whether the band has enough groups of examples to be stated."""
        return len(set(self.groups[self.band == band].tolist())) >= MIN_GROUPS

    def gain(self, band: int) -> Doubles:
        """Influence values of student minus supervisor within a band, [S, N] of the whole."""
        within = np.broadcast_to((self.band == band).astype(np.float64), self.scores["floor"].shape)
        return function_of_means(lambda a, n: a / n, (self.scores["student"] - self.scores["floor"]) * within, within)

    def recovery(self, band: int) -> Recovery | None:
        """The gap recovered within a band."""
        if not self.has(band):
            return None
        within = self.band == band
        floor, student, ceiling = (self.scores[role][:, within] for role in ROLES)
        return recovered(floor, student, ceiling, self.groups[within])


def _measured(name: str, each: Comparison) -> _Measured | None:
    """None where too few test examples have a number and an answer of the supervisor."""
    floor = each.answers("floor")
    facet = next(key for key in each.found if key.startswith("facet/"))
    numbers = each.found[facet][0].of(floor.ids)
    usable = ~np.isnan(numbers) & floor.given.all(axis=0)
    if len(set(floor.groups[usable].tolist())) < MIN_GROUPS:
        return None
    facet = facet.removeprefix("facet/")
    rank = ranks(HARDER.get(facet, 1) * numbers[usable])
    right, groups = floor.correct[:, usable], floor.groups[usable]
    chance = float(np.mean(1.0 / floor.choices[usable]))
    known = known_at(rank, right, chance, groups)
    return _Measured(
        name=name,
        facet=facet,
        scores={role: each.answers(role).correct[:, usable] for role in ROLES},
        groups=groups,
        difficulty=numbers[usable],
        rank=rank,
        falls=falls(rank, right),
        level=level(rank, right, chance),
        choices=floor.choices[usable],
        band=np.where(known >= 2 / 3, 0, np.where(known < 1 / 3, 2, 1)),
    )


def _sentence(measured: Sequence[_Measured]) -> str:
    if not measured:
        return "No supervisor is worse on harder examples, so none has a level that a student could outgrow."
    stated = [(band, each) for band in range(len(BANDS)) for each in measured if each.has(band)]
    found = effects([each.gain(band) for band, each in stated], [each.groups for _, each in stated])
    clauses = []
    for band, words in reversed(list(enumerate(BANDS))):
        own = [effect for (of, _), effect in zip(stated, found, strict=True) if of == band]
        if own:
            doubt = "that the student is better or worse than its supervisor"
            clause = in_words(own, more="better than its supervisor", less="worse than its supervisor", doubt=doubt)
            clauses.append(f"{words.capitalize()} its supervisor's level the student: {clause}.")
    return " ".join(clauses)


def _table(measured: Sequence[_Measured]) -> Table:
    columns = (
        Column(head="comparison"),
        Column(head="band"),
        Column(head="examples"),
        *(Column(head=head, unit="%") for head in ("supervisor", "student", "ceiling")),
        Column(head="gain", unit="points"),
        Column(head="PGR", unit="%"),
    )
    rows = []
    for each in measured:
        for band, words in enumerate(BANDS):
            within = each.band == band
            accuracies = tuple(each.mean(role, within) for role in ROLES)
            gain = mean_interval(each.gain(band), each.groups) if each.has(band) else None
            recovery = _interval(each.recovery(band))
            rows.append((each.name, f"{words} its level", int(within.sum()), *accuracies, gain, recovery))
    return Table(columns=columns, rows=tuple(rows))


def _interval(found: Recovery | None) -> Interval | None:
    if found is None or found.pgr is None or found.low is None or found.high is None:
        return None
    return Interval(mean=found.pgr, low=found.low, high=found.high, seed_noise=found.seed_noise)


def _figure(measured: Sequence[_Measured]) -> Figure:
    return Figure(
        title="Accuracy by difficulty",
        panels=tuple(map(_panel, measured[:PANELS])),
        caption="Accuracy of supervisor, student and ceiling on fifths of the test examples, the easiest first, with "
        "95 % intervals. The vertical line is the supervisor's level: there it knows half of the answers, beside those "
        "that it guesses." + some_of(PANELS, len(measured)),
    )


def _panel(each: _Measured) -> Panel:
    fifth = np.minimum((each.rank * FIFTHS).astype(int), FIFTHS - 1)
    filled = [i for i in range(FIFTHS) if (fifth == i).any()]  # equal numbers share a rank
    ticks = tuple((float(i), f"{np.median(each.difficulty[fifth == i]):.4g}") for i in filled)
    chance = float(np.mean(1.0 / each.choices))
    at = None if each.level is None else ("its level", each.level * FIFTHS - 0.5)
    return Panel(
        title=each.name,
        x=Axis(label=f"{each.facet}, median of a fifth", ticks=ticks),
        y=Axis(label="accuracy", percent=True),
        level=("chance", chance),
        at=at,
        series=tuple(
            Series(name=ROLE_NAMES[role], colour=colour, marks=tuple(_marks(each, role, fifth)))
            for role, colour in ROLES.items()
        ),
    )


def _marks(each: _Measured, role: str, fifth: Ints) -> Iterator[Mark]:
    for i in range(FIFTHS):
        if (found := each.mean(role, fifth == i)) is not None:
            yield Mark.at(float(i), found)
