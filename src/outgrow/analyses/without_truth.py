"""Without truth: what says how much better a student is than its weak labels, where there is no ground truth?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from outgrow.analyses.base import Analysis, Comparison
from outgrow.experiment.cell import Cell
from outgrow.experiment.clues import clues
from outgrow.experiment.course import labeller_of
from outgrow.finding import Axis, Column, Figure, Finding, Mark, Panel, Series, Table, Value
from outgrow.graph import Step
from outgrow.measures.clues import CLUES
from outgrow.measures.crossed import Interval
from outgrow.measures.left_out import left_out, left_out_of_best
from outgrow.measures.rank import RankCorrelation, rank_correlations
from outgrow.types import Doubles, Scores, UserError

FEWEST_TASKS = 5
MEAN, BEST = "the mean gain of the other tasks", "the best clue on the other tasks"
COLOURS = ("student", "second", "third", "fourth")


@dataclass(frozen=True, kw_only=True)
class WithoutTruth(Analysis):
    """How well each of `outgrow.measures.clues` tells how much a student gains over its supervisor, on tasks that had
    no part in the telling.

    A cell is a supervisor, student and method on a task; its gain is the accuracy of the student minus that of the
    supervisor on test, in the mean over seeds. A student of the supervisor's own model is left out: it learns its
    labels back. Ground truth is read for the gain alone.
    """

    question: ClassVar[str] = "What says without ground truth how much a student gains?"

    def check(self, cells: Sequence[Cell]) -> None:
        """Raises UserError for fewer than five tasks, and for tasks without heads on frozen features."""
        tasks = {cell.task.name: cell.task for cell in cells}
        if own := [name for name, task in tasks.items() if task.readout == "tokens"]:
            raise UserError(
                f"analysis without-truth fits heads on frozen features, and the examples of {own[0]} have their own "
                "choices: leave that task out"
            )
        if len(tasks) < FEWEST_TASKS:
            raise UserError(
                f"analysis without-truth needs {FEWEST_TASKS} tasks or more, to predict each from the others, and "
                f"there {'is' if len(tasks) == 1 else 'are'} {len(tasks)}: name more in task = [...]"
            )

    def steps(self, cell: Cell) -> Mapping[str, Step[Any]]:
        if cell.method.oracle or cell.strong in cell.weak.models:
            return {}
        read = clues(cell.setup, labeller_of(cell), cell.student_fit)
        return {"floor": cell.floor, "student": cell.student, "clues": read}

    def finding(self, comparisons: Sequence[Comparison]) -> Finding:
        found, notes = collected(comparisons)
        if len(found.tasks) < FEWEST_TASKS:
            few = f"{len(found.tasks)} tasks are complete: nothing is said below {FEWEST_TASKS}."
            return Finding(sentence=few, table=Table(columns=(), rows=()), notes=notes)
        values = list(found.clues.values())
        related = dict(zip(found.clues, rank_correlations(values, found.gain), strict=True))
        guesses = {name: left_out(each, found.gain) for name, each in found.clues.items()}
        guesses[BEST] = left_out_of_best(values, found.gain)
        guesses[MEAN] = left_out(np.zeros_like(found.gain), found.gain)
        correlations = dict(zip(guesses, rank_correlations(list(guesses.values()), found.gain), strict=True))
        best = max(related, key=lambda name: (related[name].certain, abs(related[name].interval.mean)))
        return Finding(
            sentence=_sentence(found, best, related, correlations),
            table=_table(found, related, correlations, guesses),
            figure=_figure(found, best, guesses[best]),
            notes=notes,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Collected:
    """The gain and the clues of C cells on T tasks, [T, C] each, in the mean over seeds."""

    tasks: tuple[str, ...]
    cells: tuple[str, ...]
    gain: Doubles
    clues: Mapping[str, Doubles]


def collected(comparisons: Sequence[Comparison]) -> tuple[Collected, tuple[str, ...]]:
    """The cells that every task has, and notes on what is left out."""
    names = [f"{each.weak} → {each.strong} · {each.method}" for each in comparisons]
    by_task: dict[str, dict[str, Comparison]] = {}
    for name, each in zip(names, comparisons, strict=True):
        by_task.setdefault(each.task, {})[name] = each
    cells = tuple(dict.fromkeys(names))
    whole = {task: own for task, own in by_task.items() if len(own) == len(cells)}
    notes = tuple(f"{task}: left out, since not all of its cells are computed" for task in by_task if task not in whole)

    def table(value: Any) -> Doubles:
        return np.array([[value(own[cell]) for cell in cells] for own in whole.values()])

    clues = {name: table(partial(_mean_clue, name=name)) for name in CLUES}
    return Collected(tasks=tuple(whole), cells=cells, gain=table(gain_of), clues=clues), notes


def gain_of(comparison: Comparison) -> float:
    """The accuracy of the student minus that of the supervisor, where it answers, in the mean over seeds."""
    pairs = zip(comparison.found["student"], comparison.found["floor"], strict=True)
    return float(np.mean([gain(student, floor) for student, floor in pairs]))


def gain(student: Scores, floor: Scores) -> float:
    """The accuracy of a student minus that of its supervisor, each where it answers."""
    return float(np.nanmean(student.correct) - np.nanmean(floor.correct))


def _mean_clue(comparison: Comparison, name: str) -> float:
    return float(np.mean([each.values[name] for each in comparison.found["clues"]]))


def _sentence(
    found: Collected, best: str, related: Mapping[str, RankCorrelation], correlations: Mapping[str, RankCorrelation]
) -> str:
    over = f"over {found.gain.size} cells of {len(found.tasks)} tasks"
    honest = f"with the clue chosen on the other tasks the rank correlation is {_in_words(correlations[BEST].interval)}"
    if not related[best].certain:
        seen = f"a rank correlation of {related[best].smallest:.2f} would have been seen"
        return f"No clue is surely related to the gain {over}; {seen}; {honest}."
    sure = [name for name, each in related.items() if each.certain]
    others = f", as are {len(sure) - 1} other clues" if len(sure) > 2 else ", as is another clue" * (len(sure) - 1)
    return (
        f"The clue {best} is surely related to the gain{others}: of tasks that are left out it predicts the gain with "
        f"a rank correlation of {_in_words(correlations[best].interval)}, {over}; {honest}."
    )


def _in_words(interval: Interval) -> str:
    ends = (f"{end:.2f}".replace("-", "−") for end in (interval.mean, interval.low, interval.high))
    return "{} ({} to {})".format(*ends)


def _table(
    found: Collected,
    related: Mapping[str, RankCorrelation],
    correlations: Mapping[str, RankCorrelation],
    guesses: Mapping[str, Doubles],
) -> Table:
    columns = (
        Column(head="clue"),
        Column(head="rank correlation with the gain"),
        Column(head="corrected p-value"),
        Column(head="of tasks left out: rank correlation"),
        Column(head="of tasks left out: mean error", unit="points"),
    )

    def row(name: str, guess: Doubles) -> tuple[Value, ...]:
        own, error = related.get(name), float(np.abs(guess - found.gain).mean())
        first = (own.interval, own.p) if own else (None, None)
        return name, *first, None if name == MEAN else correlations[name].interval, error

    rows = sorted((row(name, guess) for name, guess in guesses.items()), key=lambda row: float(str(row[-1])))
    return Table(columns=columns, rows=tuple(rows))


def _figure(found: Collected, best: str, guess: Doubles) -> Figure:
    """A series for each supervisor and student, whatever the method."""
    pairs = [cell.partition(" · ")[0] for cell in found.cells]
    series = tuple(
        Series(
            name=pair,
            colour=COLOURS[i % len(COLOURS)],  # type: ignore[arg-type]
            joined=False,
            marks=tuple(
                Mark(x=float(guess[task, cell]), y=float(found.gain[task, cell]))
                for cell, own in enumerate(pairs)
                if own == pair
                for task in range(len(found.tasks))
            ),
        )
        for i, pair in enumerate(dict.fromkeys(pairs))
    )
    panel = Panel(
        title=f"Predicted from {best}",
        x=Axis(label="gain predicted from the other tasks", percent=True, unit="points"),
        y=Axis(label="gain", percent=True, unit="points"),
        diagonal=True,
        level=("no gain", 0.0),
        series=series,
    )
    return Figure(
        title="The gain of students, predicted without ground truth",
        panels=(panel,),
        caption=f"Each mark is a cell: the gain of the student over its supervisor on test, against the gain that the "
        f"clue {best} predicts by a line through the cells of the other tasks. On the dotted line the prediction is "
        "right.",
    )
