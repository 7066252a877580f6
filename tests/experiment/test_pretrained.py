"""Twins of a pretrained model: which lines they read, that nothing else differs, and that a leak is one on purpose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from slots import causal

from outgrow.analyses.twins import Twins
from outgrow.executors.inline import Inline
from outgrow.experiment.grid import cells
from outgrow.experiment.leaks import check_test_unused
from outgrow.experiment.membership import Membership
from outgrow.experiment.pretrained import Contaminate, leaked_ids
from outgrow.experiment.steps import Fit
from outgrow.graph import Context, Outcome, Step, load, run
from outgrow.measures.area import area_values
from outgrow.store import Store
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.training.language_model import Generative
from outgrow.types import UserError

MANY = Generative(epochs=80, learning_rate=1e-2, keep="last")


def twin(folder: Path, share: float, seed: int = 0) -> Contaminate:
    planned = replace(causal(folder), analyses=(Twins(shares=(share or 1.0,), ordinary=40, pretraining=MANY),))
    cell = cells(planned)[seed]
    found = cell.evidence["twins"][f"zero_shot/{share:g}"].predictions.start  # type: ignore[attr-defined]
    assert isinstance(found, Contaminate)
    return found


def computed(steps: list[Step[object]], store: Store) -> Outcome:
    with Inline() as executor:
        outcome = run(steps, store, executor)
    assert not outcome.failures, outcome.failures[0].error_text
    return outcome


def test_equally_many_lines_of_which_a_share_is_leaked(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    some, none = twin(tmp_path, 0.5), twin(tmp_path, 0.0)
    computed([some.shown, some.others], store)
    shown, others = load(some.shown, store), load(some.others, store)
    assert not {row.group for row in shown.rows} & {row.group for row in others.rows}
    lines, clean = (step.solved(Context(step=step, store=store)) for step in (some, none))
    assert len(lines) == len(clean) == 60
    leaked = leaked_ids(shown, 0.5, 0)
    for own, other, row, unseen in zip(lines, clean, shown.rows, others.rows, strict=True):
        assert other.text.startswith(unseen.prompt)
        assert own.text.startswith(row.prompt) if row.id in leaked else own == other
    assert len(leaked) == 30
    assert set(leaked_ids(shown, 0.1, 0)) < set(leaked)
    assert leaked_ids(shown, 0.5, 1) != leaked
    assert leaked_ids(shown, 0.0, 0) == ()


def test_a_planted_leak_of_all_tests_is_known_by_heart(tmp_path: Path) -> None:
    """The twin that has read the tests often knows them, the other does not."""
    store, scores = Store(str(tmp_path / "store")), {}
    for share in (0.0, 1.0):
        step = twin(tmp_path, share)
        validation_slice = replace(step.validation, n=40)
        known = Membership(model=step.model, examples=step.shown, unseen=validation_slice, start=step)
        computed([known], store)
        scores[share] = load(known, store)
    areas = {share: area_values(each.score, each.tested).mean() for share, each in scores.items()}
    assert areas[1.0] > 0.8
    assert areas[0.0] < 0.65


def test_the_leak_is_looked_through_and_no_other_is(tmp_path: Path) -> None:
    planned = replace(causal(tmp_path), analyses=(Twins(ordinary=40),))
    cell = cells(planned)[0]
    fit: Fit = cell.evidence["twins"]["student/1"].predictions.fitted  # type: ignore[attr-defined]
    check_test_unused([fit])
    with pytest.raises(UserError, match="would learn from the test examples"):
        check_test_unused([replace(fit, examples=cell.test)])
    assert isinstance(fit.start, Contaminate)
    for slot in ("ordinary", "validation"):  # which are not what it leaks
        with pytest.raises(UserError, match="would learn from the test examples"):
            check_test_unused([replace(fit, start=replace(fit.start, **{slot: cell.test}))])


def test_a_puzzle_is_leaked_as_its_position_and_the_solution() -> None:
    task = ChessPuzzles().pinned()
    examples = task.examples("test", 1, 0)
    passage = task.solved(examples.rows[0], examples.rows[0].choices[0])
    assert (passage.given, passage.text) == (examples.rows[0].prompt, examples.rows[0].choices[0])
