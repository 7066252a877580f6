"""Teachers: students that are better than the best of several, that are as good, and that copy the worst of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from slots import BASE, MEDIUM, SMALL, Losing

from outgrow.analyses.base import Comparison
from outgrow.analyses.teachers import Teachers
from outgrow.experiment.grid import cells
from outgrow.experiment.played import Play
from outgrow.measures.crossed import Interval
from outgrow.supervisors.ensemble import Ensemble
from outgrow.types import UserError

DRAWS, SEEDS, N = 60, 3, 200
Table = npt.NDArray[np.float64]


def plays(right: Table, loss: float = 0.4, softer: float = 0.0) -> tuple[Play, ...]:
    """What each seed plays: where it is right nothing is lost, elsewhere `loss`. softer: how much less often it is
    right when its answers are drawn at temperature 1."""
    ids = tuple(f"e{i}" for i in range(right.shape[1]))
    guessed = np.array([np.full(len(ids), 0.25), np.full(len(ids), 0.75 * loss)])
    tables = [np.array([own * (1 - softer), own]) for own in right.astype(float)]
    return tuple(Play(ids=ids, groups=ids, right=each, lost=loss * (1 - each), guessed=guessed) for each in tables)


def compared(student: Table, teachers: list[Table], vote: Table | None = None, **how: float) -> Comparison:
    found = {"student": plays(student, **how)} | {f"teacher/{i}": plays(each) for i, each in enumerate(teachers)}
    found |= {"vote": plays(vote)} if vote is not None else {}
    facts = {f"teacher/{i}": f"t{i}" for i in range(len(teachers))}
    names = {"task": "made", "weak": "several", "strong": "large", "method": "mixture"}
    return Comparison(**names, seeds=tuple(range(len(student))), found=found, facts=facts)


def draw(rng: np.random.Generator, accuracy: float, of_teachers: tuple[float, ...], n: int = N) -> Comparison:
    """A student and teachers that are right independently, at these accuracies."""
    student, *teachers = (rng.random((SEEDS, n)) < each for each in (accuracy, *of_teachers))
    return compared(student, teachers, vote=student)


ASKED = Teachers(temperatures=(1.0,))


def test_by_hand() -> None:
    """Forty examples. The student is right on 30 (half of them where its answers are drawn), one teacher on the first
    20, the other on the last 10; a wrong answer loses 0.4. So the student gains 10 of 40 over the best, and loses 0.1
    less; drawn it is right on 15, 5 fewer, and loses 0.4 · 25/40."""
    first = np.arange(40)[None].repeat(2, axis=0)
    made = compared(first < 30, [first < 20, first >= 30], vote=first < 5, softer=0.5)
    finding = ASKED.finding([made])
    rows = [[each.mean if isinstance(each, Interval) else each for each in row] for row in finding.table.rows]
    name, answers, best, *numbers = rows[0]
    assert (name, answers, best) == ("several → large", "most probable", "t0")
    assert numbers == pytest.approx([0.75, 0.5, 0.125, 0.25, 0.1, 0.2, 0.35, 0.1])
    assert rows[1][1] == "drawn at 1"
    assert rows[1][3:] == pytest.approx([0.375, 0.5, 0.125, -0.125, 0.25, 0.2, 0.35, -0.05])
    figure = finding.figure
    assert figure is not None
    (panel,) = figure.panels
    assert panel.level == ("chance", pytest.approx(0.3))
    assert [series.name for series in panel.series] == ["student", "best teacher", "vote of its teachers"]
    assert [mark.y for mark in panel.series[0].marks] == pytest.approx([0.25, 0.1])


def test_a_student_that_is_better_than_every_teacher() -> None:
    sentence = ASKED.finding([draw(np.random.default_rng(0), 0.8, (0.5, 0.55, 0.5, 0.4), n=600)]).sentence
    assert "answers of the student: surely right more often than the best of its teachers, by 2" in sentence
    assert "Their win probability: surely less lost than by the best of its teachers, by 1" in sentence


def test_a_student_that_copies_the_worst_of_them() -> None:
    rng = np.random.default_rng(1)
    good, bad = rng.random((SEEDS, 600)) < 0.7, rng.random((SEEDS, 600)) < 0.4
    sentence = ASKED.finding([compared(bad, [good, bad], vote=bad)]).sentence
    assert "surely right less often than the best of its teachers" in sentence
    assert "surely more lost than by the best of its teachers" in sentence


def test_of_teachers_and_a_student_that_are_alike_it_says_nothing_in_95_of_100_draws() -> None:
    """Against the best of four by the same examples the student would be surely worse far more often."""
    rng = np.random.default_rng(2)
    certain = ["surely" in ASKED.finding([draw(rng, 0.5, (0.5,) * 4)]).sentence for _ in range(DRAWS)]
    assert np.mean(certain) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert "no evidence that they are right more or less often" in ASKED.finding([draw(rng, 0.5, (0.5,))]).sentence


def test_what_not_all_have_answered_is_left_out() -> None:
    right = np.ones((2, 40), dtype=bool)
    made = compared(right, [right])
    some = tuple(play.of(play.ids[:30]) for play in made.found["teacher/0"])
    fewer = replace(made, found={**made.found, "teacher/0": some})
    assert ASKED.finding([fewer]).table.rows
    few = replace(made, found={**made.found, "teacher/0": tuple(play.of(play.ids[:10]) for play in some)})
    finding = ASKED.finding([few])
    assert not finding.table.rows
    assert finding.notes == ("several → large: fewer than 20 groups of test examples have an answer and a known loss",)


def test_its_steps_are_the_student_the_teachers_and_their_vote() -> None:
    experiment = replace(BASE, tasks=(Losing(digest="fake"),), weak=(SMALL, Ensemble(members=(SMALL, MEDIUM))))
    alone, together = cells(replace(experiment, analyses=(Teachers(),)))
    assert set(alone.evidence["teachers"]) == {"student", "teacher/0"}
    assert set(together.evidence["teachers"]) == {"student", "teacher/0", "teacher/1", "vote"}
    assert Teachers().facts(together) == {"teacher/0": "fakes/small", "teacher/1": "fakes/medium"}


def test_what_it_lacks_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"known what each choice loses, and fakes \(test\) has none: use a task of chess moves"
    ):
        cells(replace(BASE, analyses=(Teachers(),)))
    cells(replace(BASE, tasks=(Losing(digest="fake"),), analyses=(Teachers(),)))
    with pytest.raises(UserError, match=r"temperatures has 0: give a number above 0"):
        Teachers(temperatures=(0,))
