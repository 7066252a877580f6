"""Without truth: where a clue tells the gain, where none does, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from slots import BASE
from worded import SEVERAL

from outgrow.analyses.base import Comparison
from outgrow.analyses.without_truth import BEST, MEAN, WithoutTruth, collected, gain
from outgrow.experiment.clues import ClueValues, ReadClues
from outgrow.experiment.grid import cells
from outgrow.experiment.steps import Fit
from outgrow.experiment.technique import Technique
from outgrow.graph import walk
from outgrow.measures.clues import CLUES
from outgrow.measures.crossed import Interval
from outgrow.methods.head import Head
from outgrow.types import Scores, UserError

TASKS, SEEDS = 10, 2
DRAWS = 300
TELLS = "steadiness"


def draw(rng: np.random.Generator, slope: float) -> list[Comparison]:
    """Ten tasks with four cells each. One clue tells the gain with this slope; the others are alike in a task and have
    nothing to do with it."""
    found = []
    for task in range(TASKS):
        own = dict(zip(CLUES, rng.standard_normal(len(CLUES)), strict=True))
        for cell in range(4):
            values = {name: float(value + 0.5 * rng.standard_normal()) for name, value in own.items()}
            gain = 0.02 + slope * 0.03 * values[TELLS] + (0.0 if slope else 0.03 * rng.standard_normal())
            found.append(comparison(f"task {task}", f"student {cell}", values, gain))
    return found


def comparison(task: str, strong: str, values: dict[str, float], gain: float, examples: int = 1000) -> Comparison:
    """With a supervisor that is right on 60 %."""
    read = {"student": round(examples * (0.6 + gain)), "floor": round(examples * 0.6), "clues": 0}
    steps = {name: (scores(right, examples),) * SEEDS for name, right in read.items()}
    steps["clues"] = (ClueValues(values=values),) * SEEDS  # type: ignore[assignment]
    return Comparison(task=task, weak="small", strong=strong, method="naive", seeds=tuple(range(SEEDS)), found=steps)


def scores(right: int, examples: int) -> Scores:
    ids = tuple(f"e{i}" for i in range(examples))
    return Scores(ids=ids, groups=ids, correct=(np.arange(examples) < right).astype(float))


def test_a_clue_that_tells_the_gain_is_found() -> None:
    finding = WithoutTruth().finding(draw(np.random.default_rng(0), 1.0))
    assert finding.sentence.startswith(
        f"The clue {TELLS} is surely related to the gain: of tasks that are left out it "
    )
    assert "over 40 cells of 10 tasks" in finding.sentence
    table = {row[0]: row[1:] for row in finding.table.rows}
    assert len(table) == len(CLUES) + 2
    correlation, p, predicted, error = table[TELLS]
    assert isinstance(correlation, Interval)
    assert isinstance(predicted, Interval)
    assert correlation.mean > 0.99
    assert predicted.mean > 0.95
    assert isinstance(p, float)
    assert p <= 0.05
    assert isinstance(error, float)
    assert error < 0.002
    assert table[MEAN][3] > 0.01  # type: ignore[operator]
    assert table[BEST][3] == error  # it is chosen on the other tasks, too
    assert finding.table.rows[0][0] in (TELLS, BEST)
    assert finding.figure is not None
    assert len(finding.figure.panels[0].series) == 4


@pytest.mark.slow
def test_where_no_clue_tells_the_gain_it_says_nothing_in_95_of_100_draws() -> None:
    rng = np.random.default_rng(1)
    sentences = [WithoutTruth().finding(draw(rng, 0.0)).sentence for _ in range(DRAWS)]
    claimed = [not each.startswith("No clue is surely related to the gain over 40 cells") for each in sentences]
    assert np.mean(claimed) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert any("would have been seen" in each for each in sentences)


def test_a_gain_by_hand() -> None:
    """The supervisor abstains on one of four examples, and is right on two of three; the student on three of four."""
    ids = ("a", "b", "c", "d")
    floor = Scores(ids=ids, groups=ids, correct=np.array([1.0, 1.0, 0.0, np.nan]))
    student = Scores(ids=ids, groups=ids, correct=np.array([1.0, 1.0, 0.0, 1.0]))
    assert gain(student, floor) == pytest.approx(3 / 4 - 2 / 3)


def test_a_task_that_lacks_a_cell_is_left_out_with_a_note() -> None:
    some = draw(np.random.default_rng(2), 1.0)
    found, notes = collected(some[1:])
    assert found.tasks == tuple(f"task {i}" for i in range(1, TASKS))
    assert notes == ("task 0: left out, since not all of its cells are computed",)
    each_lacks_one = [own for i, own in enumerate(some) if i % 4 != i // 4 % 4]
    found, notes = collected(each_lacks_one)
    assert (found.tasks, len(notes)) == ((), TASKS)
    assert WithoutTruth().finding(each_lacks_one).sentence == "0 tasks are complete: nothing is said below 5."
    few = WithoutTruth().finding(some[:16])
    assert few.sentence == "4 tasks are complete: nothing is said below 5."


HEADS = replace(BASE, tasks=SEVERAL, recipes={(task.name, "fakes/large"): Head() for task in SEVERAL})


def test_it_reads_no_ground_truth_but_the_scores() -> None:
    experiment = replace(HEADS, analyses=(WithoutTruth(),))
    found = cells(experiment)[0].evidence["without-truth"]
    read = found["clues"]
    assert isinstance(read, ReadClues)
    labels = [step.labels for step in walk([read]) if isinstance(step, Fit) and step.model == experiment.strong[0]]
    assert len(labels) == 6  # the student and five heads
    assert not any(type(step).__name__ == "Gold" for step in labels)


def test_what_it_cannot_answer_is_refused() -> None:
    with pytest.raises(UserError, match=r"the examples of fakes have their own choices: leave that task out"):
        cells(replace(BASE, analyses=(WithoutTruth(),)))
    with pytest.raises(UserError, match=r"needs 5 tasks or more, to predict each from the others, and there are 4"):
        cells(replace(HEADS, tasks=SEVERAL[:4], analyses=(WithoutTruth(),)))


def test_oracles_and_students_of_the_supervisors_own_model_are_left_out() -> None:
    oracle = Technique(label="cheats", oracle="labels")
    planned = replace(HEADS, methods=(oracle,), analyses=(WithoutTruth(),))
    assert cells(planned)[0].evidence["without-truth"] == {}
    same = replace(HEADS, weak=HEADS.strong, analyses=(WithoutTruth(),))
    assert cells(same)[0].evidence["without-truth"] == {}


def test_tasks_that_each_lack_another_cell_are_left_out() -> None:
    """As in a run that has not ended: none of the first two has what the other lacks."""
    every = draw(np.random.default_rng(0), 1.0)
    lacking = {("task 0", "student 1"), ("task 1", "student 2")}
    some = [each for each in every if (each.task, each.strong) not in lacking]
    found, notes = collected(some)
    assert found.tasks == tuple(f"task {i}" for i in range(2, TASKS))
    assert len(notes) == 2
    few = [each for each in some if each.task in ("task 0", "task 1")]
    assert WithoutTruth().finding(few).sentence == "0 tasks are complete: nothing is said below 5."
