"""Teachers: is a student of several supervisors better than every one of them?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

import numpy as np

from outgrow.analyses.base import Analysis, Comparison, Facts, comparison_names
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold, LabelsStep
from outgrow.experiment.played import Play, Played
from outgrow.finding import Axis, Column, Figure, Finding, Mark, Panel, Series, Table, Value, in_words, some_of
from outgrow.graph import Step
from outgrow.measures.crossed import Interval, mean_interval
from outgrow.measures.effects import effects
from outgrow.measures.pgr import MIN_GROUPS
from outgrow.ranges import above
from outgrow.types import Doubles, UserError

TEMPERATURES = (1.0, 0.3, 0.1, 0.03, 0.01)
MOST_PROBABLE = -1  # the last row of a `Play`
MEASURES = RIGHT, KEPT = 0, 1  # accuracy, and the win probability kept, 1 − lost
PANELS = 6
WORDS = (
    {
        "more": "right more often than the best of its teachers",
        "less": "right less often than the best of its teachers",
        "doubt": "that they are right more or less often than the best of its teachers",
    },
    {
        "more": "less lost than by the best of its teachers",
        "less": "more lost than by the best of its teachers",
        "doubt": "that more or less is lost than by the best of its teachers",
    },
)
COLOURS: Mapping[str, Any] = {"student": "student", "best teacher": "floor", "vote of its teachers": "second"}

_Pair: TypeAlias = tuple[Doubles, Doubles]  # by the two measures


@dataclass(frozen=True, kw_only=True)
class Teachers(Analysis):
    """The student against the best of its supervisors, by accuracy and by win probability lost (Zhang et al. 2024,
    "Transcendence: generative models can outperform the experts that train them").

    Answers of the student are drawn at each of the `temperatures`, and its most probable ones are taken. Supervisors
    give their most probable ones. The best supervisor of each half of the test examples is that of the other half,
    since the best of several numbers is too good.
    """

    question: ClassVar[str] = "Is a student better than every one of its teachers?"

    temperatures: tuple[float, ...] = TEMPERATURES

    def __post_init__(self) -> None:
        allowed = above(0, 100)
        if wrong := [each for each in self.temperatures if not allowed.holds(each)]:
            raise UserError(f"temperatures has {wrong[0]!r}: {allowed.advice(wrong[0])}")

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError where of no example that is scored it is known what each choice loses."""
        scored = {(cell.task, cell.test.split): cell.test for cell in cells if cell.task.regret_digest}
        if any(test.task.regret(test.read()) for test in scored.values()):
            return
        names = {f"{cell.task.name} ({cell.test.split})": cell.task for cell in cells}
        advice = "; ".join(dict.fromkeys(task.regret_advice for task in names.values()))
        raise UserError(
            "analysis teachers needs examples of which it is known what each choice loses, and "
            f"{', '.join(names)} has none: {advice}"
        )

    def facts(self, cell: Cell) -> Facts:
        return {f"teacher/{i}": name for i, (name, _) in enumerate(_teachers(cell))}

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        if cell.method.oracle or not cell.task.regret_digest:
            return {}
        teachers = {f"teacher/{i}": labels for i, (_, labels) in enumerate(_teachers(cell))}
        together = {"vote": cell.floor.predictions} if len(teachers) > 1 else {}
        answers = {"student": cell.student.predictions, **teachers, **together}
        return {name: self._played(cell, predictions) for name, predictions in answers.items()}

    def _played(self, cell: Cell, predictions: LabelsStep) -> Played:
        return Played(
            predictions=predictions,
            examples=cell.test,
            gold=Gold(examples=cell.test),
            temperatures=self.temperatures,
            digest=cell.task.regret_digest,
        )

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        named = list(zip(comparison_names(comparisons), comparisons, strict=True))
        judged = [_Judged(name, each, self.temperatures) for name, each in named]
        stated = [each for each in judged if each.has_groups]
        notes = tuple(
            f"{each.name}: fewer than {MIN_GROUPS} groups of test examples have an answer and a known loss"
            for each in judged
            if not each.has_groups
        )
        figure = _figure(stated) if stated else None
        return Finding(sentence=_sentence(stated), table=_table(stated), figure=figure, notes=notes)


def _teachers(cell: Cell) -> Iterator[tuple[str, LabelsStep]]:
    """Each supervisor of a cell by its name, with its labels of the test examples."""
    for part in cell.weak.parts:
        for labels in part.labels(cell.setup, cell.test):
            yield part.name, labels


class _Judged:
    """One comparison on the examples that all have answered, by both measures: the student at each temperature, the
    last row its most probable answers, [T, S, N]; the teachers [K, S, N]; their vote, if there are several, [S, N]."""

    def __init__(self, name: str, comparison: Comparison, temperatures: Sequence[float]) -> None:
        self.name, self.temperatures = name, tuple(temperatures)
        self.names = [str(comparison.facts[role]) for role in comparison.found if role.startswith("teacher/")]
        every: list[Play] = [play for plays in comparison.found.values() for play in plays]
        shared = set(every[0].ids).intersection(*(play.ids for play in every[1:]))
        ids = tuple(id for id in every[0].ids if id in shared)
        first = every[0].of(ids)
        _, self.groups = np.unique(np.array(first.groups, dtype=np.str_), return_inverse=True)
        self.guessed = first.guessed

        def of(role: str) -> _Pair:
            plays = [play.of(ids) for play in comparison.found[role]]
            right, lost = (np.array([getattr(play, what) for play in plays]) for what in ("right", "lost"))
            return right.swapaxes(0, 1), 1.0 - lost.swapaxes(0, 1)

        self.student = of("student")
        teachers = [of(f"teacher/{i}") for i in range(len(self.names))]
        self.teachers = tuple(np.array([each[measure][MOST_PROBABLE] for each in teachers]) for measure in MEASURES)
        together = of("vote") if comparison.has("vote") else None
        self.vote = None if together is None else (together[RIGHT][MOST_PROBABLE], together[KEPT][MOST_PROBABLE])

    @property
    def has_groups(self) -> bool:
        """Whether there are enough groups of examples to be stated."""
        return len(set(self.groups.tolist())) >= MIN_GROUPS

    @cached_property
    def best(self) -> _Pair:
        """The best teacher by each of the two measures, [S, N]: on one half of the groups, that of the other half."""
        right, kept = (self._best(teachers) for teachers in self.teachers)
        return right, kept

    def _best(self, teachers: Doubles) -> Doubles:
        found, half = np.zeros(teachers.shape[1:]), self.groups % 2
        for own in (0, 1):
            chosen = int(teachers[:, :, half != own].mean((1, 2)).argmax())
            found[:, half == own] = teachers[chosen][:, half == own]
        return found

    def gain(self, measure: int, at: int) -> Doubles:
        """Student at a temperature minus the best teacher, [S, N]."""
        return np.asarray(self.student[measure][at] - self.best[measure], dtype=np.float64)

    def accuracy(self, right: Doubles) -> Interval:
        """The mean of what is right, [S, N]."""
        return mean_interval(right, self.groups)

    def lost(self, kept: Doubles) -> Interval:
        """The mean win probability lost, of what is kept, [S, N]."""
        return mean_interval(1.0 - kept, self.groups)

    @property
    def best_name(self) -> str:
        """The teacher with the highest accuracy."""
        return self.names[int(self.teachers[RIGHT].mean((1, 2)).argmax())]


def _sentence(judged: Sequence[_Judged]) -> str:
    if not judged:
        return "Too few test examples have answers and known losses for a comparison."
    compared = [(at, measure, each) for at in (MOST_PROBABLE, 0) for measure in MEASURES for each in judged]
    found = effects([each.gain(measure, at) for at, measure, each in compared], [each.groups for *_, each in compared])

    def clause(at: int, measure: int) -> str:
        own = [effect for (a, m, _), effect in zip(compared, found, strict=True) if (a, m) == (at, measure)]
        return in_words(own, **WORDS[measure])

    return (
        f"The most probable answers of the student: {clause(MOST_PROBABLE, RIGHT)}. Their win probability: "
        f"{clause(MOST_PROBABLE, KEPT)}. Answers drawn at temperature {judged[0].temperatures[0]:g}: "
        f"{clause(0, RIGHT)}. Their win probability: {clause(0, KEPT)}."
    )


def _answers(each: _Judged) -> Iterator[tuple[str, int]]:
    yield "most probable", MOST_PROBABLE
    yield from ((f"drawn at {temperature:g}", i) for i, temperature in enumerate(each.temperatures))


def _table(judged: Sequence[_Judged]) -> Table:
    columns = (
        *(Column(head=head) for head in ("comparison", "answers", "best teacher")),
        *(Column(head=head, unit="%") for head in ("student", "its best teacher", "vote of its teachers")),
        Column(head="gain over the best", unit="points"),
        *(Column(head=f"win probability lost by {who}", unit="%") for who in ("student", "best teacher", "vote")),
        Column(head="less lost than by the best", unit="points"),
    )
    rows: list[tuple[Value, ...]] = []
    for each in judged:
        for words, at in _answers(each):
            gained, saved = (mean_interval(each.gain(measure, at), each.groups) for measure in MEASURES)
            rows.append((
                each.name, words, each.best_name,
                each.accuracy(each.student[RIGHT][at]),
                each.accuracy(each.best[RIGHT]),
                None if each.vote is None else each.accuracy(each.vote[RIGHT]),
                gained,
                each.lost(each.student[KEPT][at]),
                each.lost(each.best[KEPT]),
                None if each.vote is None else each.lost(each.vote[KEPT]),
                saved,
            ))  # fmt: skip
    return Table(columns=columns, rows=tuple(rows))


def _figure(judged: Sequence[_Judged]) -> Figure:
    return Figure(
        title="Win probability that a student loses, by the temperature of its answers",
        panels=tuple(map(_panel, judged[:PANELS])),
        caption="Win probability lost by the answers of the student, drawn at falling temperatures, beside the most "
        "probable answers of the best of its teachers and of their vote, with 95 % intervals. Lower is better; chance "
        "is a legal move at random." + some_of(PANELS, len(judged)),
    )


def _panel(each: _Judged) -> Panel:
    places = [*range(len(each.temperatures)), MOST_PROBABLE]
    names = [*(f"{temperature:g}" for temperature in each.temperatures), "most probable"]
    best = each.lost(each.best[KEPT])
    lines = {"student": [each.lost(each.student[KEPT][at]) for at in places], "best teacher": [best] * len(places)}
    if each.vote is not None:
        lines["vote of its teachers"] = [each.lost(each.vote[KEPT])] * len(places)
    return Panel(
        title=each.name,
        x=Axis(label="temperature", ticks=tuple((float(i), name) for i, name in enumerate(names))),
        y=Axis(label="win probability lost", percent=True),
        level=("chance", float(each.guessed[1].mean())),
        series=tuple(
            Series(
                name=name,
                colour=COLOURS[name],
                marks=tuple(Mark.at(float(i), interval) for i, interval in enumerate(intervals)),
                dashed=name != "student",
            )
            for name, intervals in lines.items()
        ),
    )
