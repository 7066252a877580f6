"""The grid: what its cells share, what the seed draws, and what is refused."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from fakes import FakeLoss, FakeMethod, FakeModel, FakeTask

from outgrow.executors.inline import Inline
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.definition import MOST_SEED, Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.leaks import check_no_leaks, check_test_unused
from outgrow.experiment.steps import Fit, Relabel, predicted
from outgrow.experiment.technique import Technique
from outgrow.graph import Outcome, Step, load, plan, run, topological_order, walk
from outgrow.report.protocol import tasks_used
from outgrow.store import Store
from outgrow.supervisors.ensemble import Ensemble
from outgrow.tasks.text import Text
from outgrow.types import UserError

SMALL, MEDIUM, LARGE = (FakeModel(size=size).pinned() for size in ("small", "medium", "large"))
RECIPES = {("fakes", model.name): FakeMethod() for model in (SMALL, MEDIUM, LARGE)}
GRID = Experiment(
    tasks=(FakeTask(digest="fake"),),
    weak=(SMALL, MEDIUM),
    strong=(MEDIUM, LARGE),
    methods=(Technique(), Technique(label="other", loss=FakeLoss())),
    seeds=(0, 1),
    sizes={"weak_train": 60, "transfer": 60, "test": 50},
    recipes=RECIPES,
)


def done(found: tuple[Cell, ...], store: Store) -> Outcome:
    with Inline() as executor:
        return run(targets(found), store, executor)


def fits(steps: Any) -> list[Fit]:
    return [step for step in steps if isinstance(step, Fit)]


# ---- which split is scored


def test_a_set_up_that_is_not_settled_never_touches_test() -> None:
    found = cells(replace(GRID, score="validation"))
    prepared = {step.split for step in walk(targets(found)) if isinstance(step, Prepare)}
    assert prepared == {"weak_train", "transfer", "transfer_validation", "validation"}
    scored = {(score.examples.split, score.gold.examples.split) for score in targets(found)}
    assert scored == {("validation", "validation"), ("transfer", "transfer")}  # of transfer: the weak labels
    with pytest.raises(UserError, match="score is 'tset': choose"):
        replace(GRID, score="tset")


def test_the_protocol_says_that_validation_was_scored(tmp_path: Path) -> None:
    store, found = Store(str(tmp_path / "store")), cells(replace(GRID, score="validation", seeds=(0,)))
    done(found, store)
    (task,) = tasks_used(found, store)
    (scored,) = (split for split in task.splits if "every model is scored here" in split.purpose)
    assert scored.split == "validation"
    assert "not a result" in scored.purpose


# ---- which pairs


def test_upward_pairs_are_those_whose_student_has_more_weights() -> None:
    found = cells(replace(GRID, pairs="upward"))
    assert {(cell.weak.name.removeprefix("fakes/"), cell.strong.size) for cell in found} == {
        ("small", "medium"),
        ("small", "large"),
        ("medium", "large"),
    }
    assert {cell.floor.key for cell in found} <= {cell.floor.key for cell in cells(GRID)}
    assert {(cell.weak.name.removeprefix("fakes/"), cell.strong.size) for cell in cells(GRID)} >= {("medium", "medium")}


def test_no_upward_pair_is_an_error() -> None:
    with pytest.raises(UserError, match="no strong model has more weights than a weak one"):
        cells(replace(GRID, weak=(LARGE,), pairs="upward"))
    with pytest.raises(UserError, match="pairs is 'up': choose"):
        replace(GRID, pairs="up")


# ---- shared work


def test_a_ceiling_is_one_step_for_all_supervisors_and_techniques() -> None:
    ceilings: dict[tuple[str, int], set[str]] = {}
    for cell in cells(GRID):
        ceilings.setdefault((cell.strong.name, cell.seed), set()).add(cell.ceiling.key)
    assert [len(keys) for keys in ceilings.values()] == [1, 1, 1, 1]
    assert len(set.union(*ceilings.values())) == 4


def test_a_floor_is_one_step_for_all_students_and_techniques() -> None:
    floors: dict[tuple[str, int], set[str]] = {}
    for cell in cells(GRID):
        floors.setdefault((cell.weak.name, cell.seed), set()).add(cell.floor.key)
    assert [len(keys) for keys in floors.values()] == [1, 1, 1, 1]
    assert len(set.union(*floors.values())) == 4


def test_a_language_model_is_asked_once_before_training() -> None:
    assert len({cell.zero_shot.key for cell in cells(GRID) if cell.zero_shot}) == len(GRID.strong)
    assert not any(cell.frozen_probe for cell in cells(GRID))


def test_the_label_of_a_technique_is_not_hashed() -> None:
    renamed = replace(GRID, methods=tuple(replace(each, label=each.label[::-1]) for each in GRID.methods))
    assert [step.key for step in targets(cells(renamed))] == [step.key for step in targets(cells(GRID))]


def test_two_labels_of_the_same_technique_are_one_student() -> None:
    twins = replace(GRID, methods=(Technique(label="one"), Technique(label="two")), weak=(SMALL,), strong=(LARGE,))
    assert len({cell.student.key for cell in cells(twins)}) == len(twins.seeds)


def test_every_fit_of_a_grid_runs_once_and_a_second_grid_adds_only_what_is_new(tmp_path: Path) -> None:
    store, grid = Store(str(tmp_path / "store")), replace(GRID, weak=(SMALL,), seeds=(0,))
    found = cells(grid)
    outcome = done(found, store)
    assert not outcome.failures
    # 1 supervisor, 2 ceilings, 2 direct, and 1 x 2 x 2 students.
    assert len(fits(outcome.computed)) == len({fit.key for fit in fits(outcome.computed)}) == 1 + 2 + 2 + 4
    tested = [score for score in targets(found) if score.examples.split == "test"]
    assert len({load(score, store).ids for score in tested}) == 1

    wider = replace(grid, methods=(*grid.methods, Technique(label="third", loss=FakeLoss(weight=0.25))))
    todo = fits(plan(targets(cells(wider)), store).todo)
    assert {fit.key for fit in todo} == {cell.student_fit.key for cell in cells(wider) if cell.method.label == "third"}
    assert len(todo) == 2


def test_a_technique_with_its_own_recipe_has_a_ceiling_of_its_own() -> None:
    slow = Technique(label="slow", fit=FakeMethod(seconds=0.001))
    found = cells(replace(GRID, methods=(Technique(), slow), weak=(SMALL,), strong=(LARGE,), seeds=(0,)))
    assert len({cell.ceiling.key for cell in found}) == 2
    assert len({cell.floor.key for cell in found}) == 1


def test_equal_steps_of_a_grid_are_one_record() -> None:
    steps: dict[str, Step[Any]] = {}
    for cell in cells(GRID):
        for step in topological_order(cell.targets):
            assert steps.setdefault(step.key, step) is step


def test_ten_thousand_cells_take_seconds() -> None:
    """1.1 s of processor time on a quiet core, 12 s where every cell makes, walks and hashes what it shares."""
    methods = tuple(Technique(label=f"loss {i}", loss=FakeLoss(weight=i / 10)) for i in range(10))
    started = time.process_time()
    found = cells(replace(GRID, methods=methods, seeds=tuple(range(250)), sizes={}))
    assert time.process_time() - started < 5
    assert len(found) == 10_000
    assert len({id(cell.student) for cell in found}) == 10_000
    assert len({id(cell.floor) for cell in found}) == len({id(cell.ceiling) for cell in found}) == 500


# ---- what the seed draws, and who sees which examples


def prepared(found: tuple[Cell, ...]) -> dict[str, set[str]]:
    """The keys of the prepared examples of each split."""
    keys: dict[str, set[str]] = {}
    for step in walk(targets(found)):
        if isinstance(step, Prepare):
            keys.setdefault(step.split, set()).add(step.key)
    return keys


def test_the_seed_draws_the_training_subsets_and_nothing_else() -> None:
    found = {split: len(keys) for split, keys in prepared(cells(GRID)).items()}
    assert found == {"weak_train": 2, "transfer": 2, "transfer_validation": 1, "validation": 1, "test": 1}


def test_every_fit_of_a_cell_has_the_seed_of_the_cell() -> None:
    for cell in cells(GRID):
        for step in walk(cell.targets):
            assert not isinstance(step, Fit) or step.seed == cell.seed


def test_every_score_reads_the_same_test_examples() -> None:
    found = cells(GRID)
    (test,) = {cell.test.key for cell in found}
    for cell in found:
        for score in cell.targets:
            if score == cell.label_accuracy:
                continue  # of the student's own examples
            assert {score.examples.key, score.gold.examples.key, score.predictions.examples.key} == {test}


def test_a_seed_draws_another_subset_but_never_another_membership() -> None:
    task = FakeTask(digest="fake")
    subsets = [set(task.examples("transfer", 60, seed).ids) for seed in range(5)]
    everything = set(task.examples("transfer", None, 0).ids)
    assert len(set(map(frozenset, subsets))) == 5
    assert all(subset < everything for subset in subsets)
    assert all(set(task.examples("transfer", None, seed).ids) == everything for seed in range(5))
    assert all(task.examples("test", 50, seed) == task.examples("test", 50, 0) for seed in range(5))


# ---- what is refused


@pytest.mark.parametrize("name", ["tasks", "weak", "strong", "methods", "seeds"])
def test_an_axis_is_neither_empty_nor_lists_anything_twice(name: str) -> None:
    with pytest.raises(UserError, match=f"the experiment has no {name}"):
        replace(GRID, **{name: ()})
    with pytest.raises(UserError, match=f"{name} lists .* twice"):
        replace(GRID, **{name: (getattr(GRID, name)[0],) * 2})


def test_no_label_is_what_another_technique_is_shown_as() -> None:
    """Tables would show two rows of one name, and join their results."""
    cheats, plain = Technique(label="x", oracle="stop"), Technique(label="x (oracle)")
    with pytest.raises(UserError, match=r"methods lists 'x \(oracle\)' twice"):
        replace(GRID, methods=(plain, cheats))
    with pytest.raises(UserError, match="methods lists 'x' twice"):
        replace(GRID, methods=(cheats, Technique(label="x")))
    assert replace(GRID, methods=(plain, Technique(label="x"))).methods[1].shown == "x"


def test_tasks_are_distinguished_by_their_names_and_not_by_their_label_columns() -> None:
    tasks = tuple(Text(path=f"{name}.csv", digest=name, prompt="{text}", label="label") for name in ("one", "other"))
    assert {cell.task.name for cell in cells(replace(GRID, tasks=tasks))} == {"text/one", "text/other"}


def test_pinning_identifies_every_task_and_model_by_content() -> None:
    loose = replace(GRID, tasks=(FakeTask(),), weak=(FakeModel(size="small"),), strong=(FakeModel(size="large"),))
    pinned = loose.pinned()
    assert (pinned.tasks, pinned.weak, pinned.strong) == (GRID.tasks, (SMALL,), (LARGE,))


@pytest.mark.parametrize("score", ["test", "validation"])
def test_a_fit_that_reads_test_examples_is_refused_however_deep(score: Literal["test", "validation"]) -> None:
    """As examples, as what labels come from, and as those of its supervisor; of splits that it may read it is not."""
    cell = cells(replace(GRID, weak=(SMALL,), strong=(LARGE,), seeds=(0,)))[0]
    fit, weak = cell.student_fit, next(step for step in fits(walk([cell.floor])))
    check_no_leaks([fit])
    check_test_unused([fit, weak])
    test = cell.test if score == "test" else replace(cell.test, split="validation")
    supervisor = replace(weak, examples=test, labels=Gold(examples=test))
    supervisor_fits = replace(fit, labels=predicted(supervisor, fit.examples))
    for leaking in (replace(fit, examples=test), replace(fit, validation=test), supervisor, supervisor_fits):
        if score == "test":
            with pytest.raises(UserError, match="would learn from the test examples"):
                check_test_unused([leaking])
        else:
            check_test_unused([leaking])
    if score == "test":
        with pytest.raises(UserError, match="would read the ground truth of test"):
            check_no_leaks([supervisor_fits])
    else:
        check_no_leaks([supervisor_fits])


@pytest.mark.parametrize("seed", [True, 1.0, "1", -1, MOST_SEED + 1], ids=repr)
def test_a_seed_is_a_whole_number_in_range(seed: Any) -> None:
    assert replace(GRID, seeds=(0, MOST_SEED)).seeds == (0, MOST_SEED)
    with pytest.raises(UserError, match=r"^the seed .* is not a whole number"):
        replace(GRID, seeds=(0, seed) if seed is not True else (seed,))


def test_words_that_no_slot_knows_are_refused() -> None:
    for word in ("drop", "cut", "refuse"):
        assert replace(GRID, too_long=word).too_long == word
    with pytest.raises(UserError, match="too_long is 'chop'"):
        replace(GRID, too_long="chop")
    for slot in ("chain_data", "oracle"):
        with pytest.raises(UserError, match=slot):
            Technique(**{slot: "other", "chain": (MEDIUM,)})  # type: ignore[arg-type]


@pytest.mark.parametrize("too_long", ["drop", "cut", "refuse"])
def test_examples_are_prepared_to_be_cut_just_where_that_is_asked_for(
    too_long: Literal["drop", "cut", "refuse"],
) -> None:
    found = [step for step in walk(targets(cells(replace(GRID, too_long=too_long)))) if isinstance(step, Prepare)]
    assert {step.cut for step in found} == {too_long == "cut"}


def test_two_supervisors_are_measured_together() -> None:
    both, one = (
        cells(replace(GRID, weak=(weak,), seeds=(3,)))[0].floor for weak in (Ensemble(members=(SMALL, MEDIUM)), SMALL)
    )
    assert isinstance(both.predictions, Relabel)
    assert len(both.predictions.labels) == 2
    assert not isinstance(one.predictions, Relabel)
    pinned = Ensemble(members=(FakeModel(size="small"), FakeModel(size="medium"))).map_models(
        lambda model: model.pinned()
    )
    assert pinned == Ensemble(members=(SMALL, MEDIUM))
