"""The verbs: what each key depends on, exactly; and that whatever they read is joined by id."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tiny
from fakes import FakeLoss, FakeMethod, FakeModel, FakeTask
from text_files import reviews, write_jsonl

from outgrow.executors.inline import Inline
from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.pretrained import Adapt
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import Fit, Predict, Relabel
from outgrow.experiment.technique import Technique
from outgrow.graph import Outcome, Step, load, run
from outgrow.labelling.base import NotedLabels
from outgrow.labelling.harden import Harden
from outgrow.methods.base import Predictor
from outgrow.methods.finetune import Finetune
from outgrow.store import Store
from outgrow.tasks.base import Readout, Task, ground_truth
from outgrow.tasks.text import Text
from outgrow.training.language_model import Generative
from outgrow.types import Examples, Labels

SMALL, MEDIUM, LARGE = (FakeModel(size=size).pinned() for size in ("small", "medium", "large"))
BASE = Experiment(
    tasks=(FakeTask(digest="fake"),),
    weak=(SMALL,),
    strong=(LARGE,),
    methods=(Technique(loss=FakeLoss()),),
    seeds=(0,),
    recipes={("fakes", "fakes/small"): Finetune(epochs=1), ("fakes", "fakes/large"): Finetune(epochs=2)},
)

# ---- keys


@dataclass(frozen=True, kw_only=True)
class Headed(FakeTask):
    """The same questions, answered by a head: before finetuning there is a probe, which is fitted to weak labels."""

    readout: ClassVar[Readout] = "head"
    name = "fakes"


def roles(experiment: Experiment) -> dict[str, Step[Any]]:
    """The steps of an experiment with one cell, by what they are for."""
    (cell,) = cells(experiment)
    floor = cell.floor.predictions
    assert isinstance(floor, Predict)
    supervisor, student = floor.fitted, cell.student_fit
    return {
        "test": cell.test,
        "gold": cell.floor.gold,
        "weak_train": supervisor.examples,
        "validation": supervisor.validation,
        "supervisor": supervisor,
        "floor": cell.floor,
        "transfer": student.examples,
        "stopping": student.validation,
        "weak labels": student.labels,
        "student": student,
        "student score": cell.student,
        "ceiling": _fitted(cell.ceiling),
        "ceiling score": cell.ceiling,
        "before": cell.zero_shot or cell.frozen_probe,
        "label accuracy": cell.label_accuracy,
    }


def _fitted(score: Score) -> Fit:
    assert isinstance(score.predictions, Predict)
    return score.predictions.fitted


def with_recipe(model: str, **fields: Any) -> Callable[[Experiment], Experiment]:
    key = ("fakes", model)
    return lambda e: replace(e, recipes={**e.recipes, key: replace(e.recipes[key], **fields)})


FLOOR, STUDENT, CEILING = ({"supervisor", "floor"}, {"student", "student score"}, {"ceiling", "ceiling score"})
LABELS = {"weak labels", "label accuracy"}
SCORES = {"floor", "student score", "ceiling score", "before"}
EVERYTHING = set(roles(BASE))
Change = Callable[[Experiment], Experiment]
CHANGES: dict[str, tuple[Change, set[str], set[str]]] = {  # a change, the roles it makes new, and with a head more
    "nothing": (lambda e: e, set(), set()),
    "label": (lambda e: replace(e, methods=(replace(e.methods[0], label="new"),)), set(), set()),
    "loss": (lambda e: replace(e, methods=(replace(e.methods[0], loss=FakeLoss(weight=0.75)),)), STUDENT, set()),
    "hard labels": (
        lambda e: replace(e, methods=(replace(e.methods[0], rules=(Harden(),)),)),
        STUDENT | LABELS,
        set(),
    ),
    "chain": (
        lambda e: replace(e, methods=(replace(e.methods[0], chain=(MEDIUM,), chain_data="same"),)),
        STUDENT | LABELS,
        set(),
    ),
    "student's learning rate": (with_recipe("fakes/large", learning_rate=0.5), STUDENT | CEILING, set()),
    "precision": (lambda e: replace(e, precision="bf16"), FLOOR | LABELS | STUDENT | CEILING | {"before"}, set()),
    "student's epochs": (with_recipe("fakes/large", epochs=7), STUDENT | CEILING, set()),
    "supervisor's learning rate": (
        with_recipe("fakes/small", learning_rate=0.5),
        FLOOR | STUDENT | LABELS,
        {"before"},
    ),
    "seed": (
        lambda e: replace(e, seeds=(1,)),
        {"weak_train", "transfer"} | LABELS | FLOOR | STUDENT | CEILING,
        {"before"},
    ),
    "supervisor's weights": (
        lambda e: replace(e, weak=(replace(e.weak[0], digest="new"),)),
        FLOOR | STUDENT | LABELS,
        {"before"},
    ),
    "student's weights": (
        lambda e: replace(e, strong=(replace(e.strong[0], digest="new"),)),
        STUDENT | CEILING | {"before"},
        set(),
    ),
    "data": (lambda e: replace(e, tasks=(replace(e.tasks[0], digest="new"),)), EVERYTHING, set()),  # type: ignore[call-arg]
    "where the data lie": (
        lambda e: replace(e, tasks=(replace(e.tasks[0], path="/new"),)),  # type: ignore[call-arg]
        set(),
        set(),
    ),
    "size of transfer": (
        lambda e: replace(e, sizes={"transfer": 50}),
        {"transfer"} | LABELS | STUDENT | CEILING,
        {"before"},
    ),
    "size of weak_train": (
        lambda e: replace(e, sizes={"weak_train": 50}),
        {"weak_train"} | LABELS | FLOOR | STUDENT,
        {"before"},
    ),
    "size of test": (lambda e: replace(e, sizes={"test": 50}), {"test", "gold"} | SCORES, set()),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("task", [FakeTask(digest="fake"), Headed(digest="fake")], ids=lambda task: task.readout)
def test_a_change_makes_new_exactly_what_depends_on_it(what: str, task: FakeTask) -> None:
    change, expected, more = CHANGES[what]
    base = replace(BASE, tasks=(task,))
    before, after = roles(base), roles(change(base))
    new = {role for role in before if before[role].key != after[role].key}
    assert new == (expected | more if task.readout == "head" else expected)


def test_a_changed_file_makes_everything_new_and_a_moved_one_nothing(tmp_path: Path) -> None:
    def keys(path: Path) -> dict[str, str]:
        task = Text(path=str(path), prompt="{title}: {body}", label="sentiment").pinned()
        return {role: step.key for role, step in roles(replace(BASE, tasks=(task,))).items()}

    rows = reviews(40)
    first = keys(write_jsonl(tmp_path / "reviews.jsonl", rows))
    assert keys(write_jsonl(tmp_path / "moved.jsonl", rows)) == first
    rows[7]["sentiment"] = "good" if rows[7]["sentiment"] == "bad" else "bad"
    changed = keys(write_jsonl(tmp_path / "reviews.jsonl", rows))
    assert all(changed[role] != first[role] for role in first)


# ---- what they compute


def done(step: Step[Any], folder: Path) -> Outcome:
    with Inline() as executor:
        return run([step], Store(str(folder)), executor)


def splits(task: FakeTask) -> tuple[Prepare, Prepare, Prepare]:
    train = Prepare(task=task, split="weak_train", n=40)
    return train, Prepare(task=task, split="validation"), Prepare(task=task, split="test", n=30)


def supervised(task: FakeTask, method: FakeMethod | None = None) -> Fit:
    train, validation, _ = splits(task)
    return Fit(
        model=LARGE,
        readout=task.readout,
        method=method or FakeMethod(),
        examples=train,
        labels=Gold(examples=train),
        validation=validation,
        validation_labels=Gold(examples=validation),
    )


@dataclass(frozen=True, kw_only=True)
class Disordered(FakeTask):
    """Its ground truth comes in another order than its examples, with a row lost or doubled where that is asked."""

    fault: str = ""

    def disordered(self, found: Labels) -> Labels:
        order = list(np.random.default_rng(0).permutation(len(found)))
        order = order[1:] if self.fault == "lost" else [*order, order[0]] if self.fault == "doubled" else order
        return Labels.from_rows([found.ids[i] for i in order], [found.row(i) for i in order])


@pytest.fixture(autouse=True)
def _disorder(monkeypatch: pytest.MonkeyPatch) -> None:
    def ground_truth_of(task: Task, examples: Examples) -> Labels:
        found = ground_truth(task, examples)
        return task.disordered(found) if isinstance(task, Disordered) else found

    monkeypatch.setattr("outgrow.experiment.data.ground_truth", ground_truth_of)


def facts(fit: Fit, folder: Path) -> Any:
    assert not done(fit, folder).failures
    predictor: Predictor = load(fit, Store(str(folder)))
    return json.loads((predictor.folder / "fake.json").read_text())


def test_a_fit_joins_labels_by_id_whatever_their_order(tmp_path: Path) -> None:
    ordered, disordered = facts(supervised(FakeTask()), tmp_path), facts(supervised(Disordered()), tmp_path)
    assert ordered["right"] == 1
    assert disordered == ordered


@pytest.mark.parametrize(("fault", "message"), [("lost", "the labels lack 1 of 40"), ("doubled", "twice")])
def test_a_lost_or_doubled_label_stops_the_fit(fault: str, message: str, tmp_path: Path) -> None:
    train, validation, _ = splits(FakeTask())
    broken = Gold(examples=replace(train, task=Disordered(fault=fault)))
    (failure,) = done(replace(supervised(FakeTask()), labels=broken), tmp_path).failures
    assert failure.user_error
    assert message in failure.error_text
    broken = Gold(examples=replace(validation, task=Disordered(fault=fault)))
    (failure,) = done(replace(supervised(FakeTask()), validation_labels=broken), tmp_path).failures
    assert failure.user_error


def test_a_score_joins_predictions_and_gold_by_id(tmp_path: Path) -> None:
    _, _, test = splits(FakeTask())
    predictions = Predict(fitted=replace(supervised(FakeTask()), model=SMALL), examples=test)
    plain = Score(predictions=predictions, examples=test, gold=Gold(examples=test))
    mixed = replace(plain, gold=Gold(examples=replace(test, task=Disordered())))
    assert not done(plain, tmp_path).failures
    assert not done(mixed, tmp_path).failures
    store = Store(str(tmp_path))
    first, second = load(plain, store), load(mixed, store)
    assert first.ids == second.ids == load(test, store).ids
    assert np.array_equal(first.correct, second.correct)
    assert 0 < first.correct.mean() < 1, "all right or all wrong: this test could not fail"


def test_a_score_of_other_examples_is_an_error(tmp_path: Path) -> None:
    """Weak and strong cannot end up with different test examples: whoever lacks one is refused."""
    _, _, test = splits(FakeTask())
    fewer = replace(test, n=29)
    predictions = Predict(fitted=supervised(FakeTask()), examples=fewer)
    (failure,) = done(Score(predictions=predictions, examples=test, gold=Gold(examples=test)), tmp_path).failures
    assert failure.user_error
    assert "the labels lack 1 of 30 examples" in failure.error_text


def test_hard_labels_are_the_choice_of_the_soft_ones(tmp_path: Path) -> None:
    _, validation, _ = splits(FakeTask())
    soft = Predict(fitted=supervised(FakeTask()), examples=validation)
    hard = Relabel(rule=Harden(), labels=(soft,), examples=validation)
    assert not done(hard, tmp_path).failures
    store = Store(str(tmp_path))
    assert set(load(hard, store).probs) == {0.0, 1.0}
    assert set(load(soft, store).probs) == {np.float32(0.2), np.float32(0.8)}
    assert np.array_equal(load(hard, store).hard(), load(soft, store).hard())


def test_a_fit_carries_the_notes_of_what_it_started_from_and_learned_from(tmp_path: Path) -> None:
    """Its own come last; without any there is no file."""
    task = FakeTask(digest="fake")
    part, validation = (Prepare(task=task, split=split, n=10) for split in ("transfer", "transfer_validation"))
    model = FakeModel(size="small").pinned()
    supervisor = Fit(
        model=model,
        readout="tokens",
        method=FakeMethod(),
        examples=part,
        labels=Gold(examples=part),
        validation=validation,
        validation_labels=Gold(examples=validation),
    )
    weak = Relabel(rule=Harden(), labels=(Predict(fitted=supervisor, examples=part),), examples=part)
    start = Adapt(model=model, method=Generative(), examples=part, validation=validation)
    fit = replace(supervisor, labels=weak, start=start)
    examples, other = (task.examples(step.split, 10, 0) for step in (part, validation))

    def fitted(name: str, of_start: tuple[str, ...], of_labels: tuple[str, ...]) -> Predictor:
        (tmp_path / name / "start").mkdir(parents=True)
        gold = ground_truth(task, examples)
        artifacts = {
            part.key: examples,
            validation.key: other,
            weak.key: NotedLabels(ids=gold.ids, probs=gold.probs, offsets=gold.offsets, notes=of_labels),
            fit.validation_labels.key: ground_truth(task, other),
            start.key: Predictor(tmp_path / name / "start").noted(of_start),
        }
        scratch = tiny.Scratch(tmp_path / name / "scratch")
        scratch.load = lambda step: artifacts[step.key]  # type: ignore[method-assign]
        return fit.run(scratch)

    assert fitted("both", ("It ended early.",), ("Three were drawn.",)).notes() == (
        "Adapting to the inputs: It ended early.",
        "Three were drawn.",
    )
    assert fitted("labels", (), ("Three were drawn.",)).notes() == ("Three were drawn.",)
    assert not (fitted("none", (), ()).folder / "notes.json").exists()
