"""Examples by who has them right, in an experiment of which that is known.

The supervisor is right on t00 … t15, the students of seeds 0, 1, 2 on the first 22, 24, 26, and the ceiling on 32.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from invented import Know, computed, experiment

from outgrow.experiment.definition import Experiment
from outgrow.report.example_tables import FEW, flat, text
from outgrow.report.examples import LOST, OUTGROWN, parse_selection, read
from outgrow.store import Store
from outgrow.types import UserError


def test_the_student_outgrows_its_supervisor_on_these(planned: Experiment, finished: Store) -> None:
    """t16 … t21 with all seeds, t22 and t23 with two, t24 and t25 with one: (6 + 8 + 10) / 3 of 40 are 20 %."""
    naive, better = read(planned, finished, OUTGROWN)
    assert naive.share == pytest.approx(0.2)
    by_seeds = {seeds: {s.example.id for s in naive.examples if len(s.seeds) == seeds} for seeds in (1, 2, 3)}
    assert by_seeds[3] == {f"t{i}" for i in range(16, 22)}
    assert (by_seeds[2], by_seeds[1]) == ({"t22", "t23"}, {"t24", "t25"})
    assert [len(seen.seeds) for seen in naive.examples] == [3] * 6 + [2] * 2 + [1] * 2
    assert better.share == pytest.approx(0.3)


def test_answers_are_of_the_first_seed_and_choices_are_words(planned: Experiment, finished: Store) -> None:
    """t25 is odd, so its answer is yes, which only the student of seed 2 gives."""
    (seen,) = (s for s in read(planned, finished, OUTGROWN)[0].examples if s.example.id == "t25")
    assert seen.seeds == (2,)
    assert seen.right == ("yes",)
    answers = {role: (answer.choice, round(answer.probability, 3)) for role, answer in seen.answers.items()}
    assert answers == {"student": ("yes", 0.8), "supervisor": ("no", 0.8), "ceiling": ("yes", 0.8)}
    assert seen.example.prompt == "<25> & so on"


def test_nothing_is_lost_where_the_student_knows_all_that_its_supervisor_does(
    planned: Experiment, finished: Store
) -> None:
    assert [(group.share, group.examples) for group in read(planned, finished, LOST)] == [(0.0, ()), (0.0, ())]


def test_every_role_can_be_asked_about(planned: Experiment, finished: Store) -> None:
    """All are wrong on t32 … t39: 20 %."""
    text = "supervisor wrong, student wrong, ceiling wrong, direct wrong, zero-shot wrong"
    found = read(planned, finished, text)[0]
    assert {seen.example.id for seen in found.examples} == {f"t{i}" for i in range(32, 40)}
    assert found.share == pytest.approx(0.2)
    assert found.examples[0].answers.keys() == {"supervisor", "student", "ceiling", "direct", "zero-shot"}


def test_what_is_not_computed_says_so(planned: Experiment, tmp_path: Path) -> None:
    found = read(planned, Store(str(tmp_path)), OUTGROWN)
    assert [group.share for group in found] == [None, None]
    assert text(found, "table").count("not computed yet") == 2
    assert (text(found, "json"), text(found, "csv")) == ("[]\n", "task\n")


def test_only_complete_seeds_count(tmp_path: Path) -> None:
    broken = experiment(student=Know(skill=32, breaks_at_seed=1))
    store = Store(str(tmp_path))
    computed(broken, store)
    found = read(broken, store, OUTGROWN)[0]
    assert {seen.of for seen in found.examples} == {2}
    assert found.share == pytest.approx(0.2)  # (6 + 10) / 2 of 40


def test_the_formats_agree(planned: Experiment, finished: Store) -> None:
    found = read(planned, finished, OUTGROWN)
    records = flat(found)
    assert json.loads(text(found, "json")) == records
    rows = list(csv.DictReader(io.StringIO(text(found, "csv"))))
    assert [row["id"] for row in rows] == [record["id"] for record in records]
    assert rows[0]["seeds"] == "0; 1; 2"
    plain, marked = text(found, "table"), text(found, "md")
    assert plain.count("\n- ") == marked.count("\n- ") == sum(min(len(group.examples), FEW) for group in found)
    assert "4 more: --format csv" in plain  # of the fourteen of the better student
    assert "\\<16\\> \\& so on" in marked


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("", "does not say who is right"),
        ("student", "does not say who is right"),
        ("student right, student wrong", "does not say who is right"),
        ("studnet right", "Did you mean 'student'"),
        ("student right; supervisor wrong", "does not say who is right"),
    ],
)
def test_a_wrong_question_is_one_line(wrong: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        parse_selection(wrong)
