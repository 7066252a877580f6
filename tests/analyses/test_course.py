"""Learning curve and stopping: of students that overfit, of those that do not, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from made import comparison
from slots import BASE
from worded import WordedHead

from outgrow.analyses.base import Comparison
from outgrow.analyses.learning_curve import LearningCurve, curve_of
from outgrow.analyses.stopping import CHANCE, CHOSEN, ORACLE, RULES, Stopping
from outgrow.experiment.course import epochs_of
from outgrow.experiment.grid import cells
from outgrow.experiment.steps import Fit, Predict
from outgrow.experiment.technique import Technique
from outgrow.measures.crossed import Interval
from outgrow.methods.head import Head
from outgrow.types import Labels, UserError

EPOCHS, SEEDS, N, DRAWS = (1, 2, 4, 8), 3, 600, 40
Array = npt.NDArray[np.int64]


def draw(rng: np.random.Generator, accuracies: tuple[float, ...], task: str = "made") -> Comparison:
    """Students whose accuracy after each epoch is given, and who repeat more of their labels from epoch to epoch. The
    answers of a seed change only as far as its accuracy does, and at random by two in a hundred."""
    truth = rng.integers(0, 2, N)
    luck = rng.random((SEEDS, N))
    roles: dict[str, Array] = {"floor": np.where(rng.random((SEEDS, N)) < 0.7, truth, 1 - truth)}
    for epoch, accuracy in zip(EPOCHS, accuracies, strict=True):
        moved = np.where(rng.random((SEEDS, N)) < 0.02, rng.random((SEEDS, N)), luck)
        roles[f"after/{epoch}"] = np.where(moved < accuracy, truth, 1 - truth)
    weak = rng.integers(0, 2, (SEEDS, N))
    extra = {"labels": labels(weak), "labels/held-out": labels(weak)}
    for i, epoch in enumerate(EPOCHS):
        kept = np.where(rng.random((SEEDS, N)) < 0.6 + 0.1 * i, weak, 1 - weak)
        extra[f"after/{epoch}/train"] = labels(kept)
        held_out = np.where(rng.random((SEEDS, N)) < accuracies[i], weak, 1 - weak)
        extra[f"after/{epoch}/held-out"] = labels(held_out)
    return comparison(roles, truth, choices=2, extra=extra, task=task)


def labels(chosen: Array) -> tuple[Labels, ...]:
    ids = tuple(f"t{i}" for i in range(chosen.shape[1]))
    return tuple(Labels.from_rows(ids, 0.2 + 0.6 * np.eye(2)[row]) for row in chosen)


OVERFITS = (0.7, 0.85, 0.8, 0.7)
LEARNS = (0.7, 0.75, 0.8, 0.8)


def test_where_a_student_overfits_it_says_when_and_by_how_much() -> None:
    finding = LearningCurve().finding([draw(np.random.default_rng(0), OVERFITS)])
    assert finding.sentence.startswith(
        "The student: surely more accurate at its best than at the end of training, by 1"
    )
    assert " Such overfitting begins after 2 of 8 epochs; from there to the end the share" in finding.sentence
    assert [row[1] for row in finding.table.rows] == list(EPOCHS)
    assert finding.figure is not None
    assert [series.name for series in finding.figure.panels[0].series] == [
        "right",
        "as its supervisor",
        "its own labels repeated",
    ]


def test_a_curve_by_hand() -> None:
    """Four examples of four groups, one seed. After the first epoch all are right, after the second the first two."""
    truth = np.zeros(4, dtype=int)
    floor, after = np.array([[0, 0, 1, 1]]), {1: np.array([[0, 0, 0, 0]]), 2: np.array([[0, 0, 1, 1]])}
    extra = {"labels": labels(floor)} | {f"after/{epoch}/train": labels(chosen) for epoch, chosen in after.items()}
    roles = {"floor": floor} | {f"after/{epoch}": chosen for epoch, chosen in after.items()}
    curve = curve_of("made", comparison(roles, truth, choices=2, extra=extra))
    assert curve.right.mean((1, 2)).tolist() == [1.0, 0.5]
    assert curve.same.mean((1, 2)).tolist() == [0.5, 1.0]
    assert curve.repeated.tolist() == [0.5, 1.0]
    # Either half of the groups is best after the first epoch: by 0, 0, 1, 1.
    assert curve.gained_by_stopping().tolist() == [[0.0, 0.0, 1.0, 1.0]]


def test_agreement_is_with_the_answers_that_a_supervisor_gives() -> None:
    """It abstains on the last 40 of 80, and the student has its answer to all others."""
    chosen = np.arange(80)[None] % 2
    extra = {"labels": labels(chosen), "after/1/train": labels(chosen)}
    made = comparison({"floor": chosen, "after/1": chosen}, chosen, choices=2, extra=extra)
    (score,), (answers,) = made.found["floor"], made.found["floor/answers"]
    correct = np.where(np.arange(80) < 40, 1.0, np.nan)
    some = {"floor": (replace(score, correct=correct),), "floor/answers": (answers.of(score.ids[:40]),)}
    finding = LearningCurve().finding([replace(made, found={**made.found, **some})])
    right, same = finding.table.rows[0][2:4]
    assert isinstance(right, Interval)
    assert isinstance(same, Interval)
    assert (right.mean, same.mean) == (1.0, 1.0)


@pytest.mark.parametrize("accuracies", [(0.75, 0.75, 0.75, 0.75), LEARNS])
def test_of_students_that_do_not_overfit_it_says_nothing_in_95_of_100_draws(accuracies: tuple[float, ...]) -> None:
    rng = np.random.default_rng(1)
    some = [draw(rng, accuracies) for _ in range(DRAWS)]
    allowed = 0.05 + 2 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert np.mean(["surely more" in LearningCurve().finding([each]).sentence for each in some]) <= allowed
    assert np.mean([not Stopping().finding([each]).sentence.startswith("Stopping on ground truth is not surely")
                    for each in some]) <= allowed  # fmt: skip
    sentence = LearningCurve().finding([some[0]]).sentence
    assert "no evidence that training for less long makes it better; an effect of" in sentence


def test_a_rule_that_finds_the_best_epoch_recovers_what_ground_truth_gains() -> None:
    """The held-out labels are repeated as often as the truth is found, so they tell when to stop."""
    rng = np.random.default_rng(2)
    some = [draw(rng, OVERFITS, task=f"task {i}") for i in range(4)]
    finding = Stopping().finding(some)
    assert "over the last epoch in the mean, surely on 4 of 4 cells" in finding.sentence
    assert "rules that read none, lowest loss to held-out weak labels surely gains 1" in finding.sentence
    assert "The rule that is best on the other tasks gains +1" in finding.sentence
    assert "it is no worse than the last epoch on 4 of 4" in finding.sentence
    rows = {(row[0], row[1]): row for row in finding.table.rows}
    assert len(rows) == 5 * (len(RULES) + 3)
    by_loss = rows["lowest loss to held-out weak labels", "mean of all"]
    assert by_loss[4].mean == pytest.approx(1.0, abs=0.1)  # type: ignore[union-attr]
    assert by_loss[5] == 1.0
    assert rows["lowest loss to held-out weak labels", "task 0"][2] == 2.0  # the epoch
    assert rows[ORACLE, "mean of all"][3] == pytest.approx(0.15, abs=0.03)
    # An epoch at random: 0.7, 0.85, 0.8 and 0.7 in the mean, minus 0.7 at the end.
    assert rows[CHANCE, "mean of all"][3] == pytest.approx(0.0625, abs=0.03)


def test_what_rules_gain_by_hand() -> None:
    """Four examples, two seeds alike: all are right after the first epoch, half after the second and last. The held-out
    labels are repeated after the first alone, so two rules stop there, as does the one of the seeds, which agree at
    both; two checks have no valley, so the calmest is the last. An epoch at random gains half of a half."""
    truth, early, late = np.zeros(4, dtype=int), np.zeros((2, 4), dtype=int), np.array([[0, 0, 1, 1]] * 2)
    extra = {"labels": labels(early), "labels/held-out": labels(early)}
    for epoch, chosen in ((1, early), (2, late)):
        extra |= {f"after/{epoch}/train": labels(chosen), f"after/{epoch}/held-out": labels(chosen)}
    roles = {"floor": late, "after/1": early, "after/2": late}
    finding = Stopping().finding([comparison(roles, truth, choices=2, extra=extra)])
    gained = {row[0]: row[3] for row in finding.table.rows if row[1] == "mean of all"}
    assert gained == {**dict(zip(RULES, (0.5, 0.5, 0.0, 0.5), strict=True)), CHANCE: 0.25, ORACLE: 0.5}


def test_its_figure_has_a_chance_line() -> None:
    rng = np.random.default_rng(4)
    figure = Stopping().finding([draw(rng, OVERFITS), draw(rng, OVERFITS, task="other")]).figure
    assert figure is not None
    line = next(series for series in figure.panels[0].series if series.name == CHANCE)
    assert (line.joined, line.dashed, line.colour) == (True, True, "muted")
    assert len(line.marks) == 2


def test_with_one_task_no_rule_is_chosen() -> None:
    finding = Stopping().finding([draw(np.random.default_rng(2), OVERFITS)])
    assert finding.sentence.endswith("With one task, no rule can be chosen on others.")
    assert CHOSEN not in {row[0] for row in finding.table.rows}


HEAD = Head(hidden=(4,), epochs=5)
TRAINED = replace(BASE, tasks=(WordedHead(digest="fake"),), seeds=(0, 1), recipes={("worded", "fakes/large"): HEAD})


def test_the_course_is_one_training_asked_at_several_epochs() -> None:
    cell = cells(replace(TRAINED, analyses=(LearningCurve(), Stopping())))[0]
    found = cell.evidence["learning-curve"]
    assert found.keys() == cell.evidence["stopping"].keys()
    heads = {}
    for epoch in epochs_of(HEAD):
        answers = found[f"after/{epoch}/train"]
        assert isinstance(answers, Predict)
        assert isinstance(answers.fitted, Fit)
        assert isinstance(answers.fitted.method, Head)
        assert answers.fitted.labels is cell.student_fit.labels
        heads[epoch] = (answers.fitted.method.until, answers.fitted.method.epochs, answers.fitted.method.keep)
    assert heads == {1: (1, 5, "last"), 2: (2, 5, "last"), 3: (3, 5, "last"), 4: (4, 5, "last"), 5: (0, 5, "last")}


def test_what_has_no_course_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"the student of naive is none: say \[recipes.\"fakes/large\"\] name = \"head\""
    ):
        cells(replace(BASE, analyses=(LearningCurve(),)))
    solved = replace(TRAINED, recipes={("worded", "fakes/large"): Head()})
    with pytest.raises(UserError, match=r"analysis stopping reads heads on frozen features that are trained"):
        cells(replace(solved, analyses=(Stopping(),)))
    with pytest.raises(UserError, match=r"compares students of several seeds: say seeds = \[0, 1\]"):
        cells(replace(TRAINED, seeds=(0,), analyses=(Stopping(),)))
    oracle = replace(TRAINED, methods=(Technique(label="cheats", oracle="labels"),), analyses=(LearningCurve(),))
    assert cells(oracle)[0].evidence["learning-curve"] == {}
