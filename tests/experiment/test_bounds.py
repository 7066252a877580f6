"""The bounds beside floor and ceiling: the student on its supervisor's ground truth, and the majority class."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from fakes import FakeLoss, FakeMethod, FakeModel, FakeTask

from outgrow.executors.inline import Inline
from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.scoring import Score
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Predict
from outgrow.experiment.technique import Technique
from outgrow.graph import Context, load, run
from outgrow.metrics.auroc import Auroc
from outgrow.metrics.balanced_accuracy import BalancedAccuracy
from outgrow.metrics.base import Metric
from outgrow.metrics.brier import Brier
from outgrow.report import tables
from outgrow.report.measures import MEASURES
from outgrow.report.page import html
from outgrow.report.protocol import tasks_used
from outgrow.report.results import read
from outgrow.report.row import Estimate
from outgrow.report.row import Row as ResultRow
from outgrow.report.stored import StoredArtifacts
from outgrow.store import Store
from outgrow.supervisors.base import Supervisor
from outgrow.supervisors.ensemble import Ensemble
from outgrow.tasks.base import Readout, Row, Source
from outgrow.training.language_model import Generative
from outgrow.types import Labels, UserError, classes_of


@dataclass(frozen=True, kw_only=True)
class Headed(FakeTask):
    """The same questions, answered by a head; a third of the answers are yes."""

    readout: ClassVar[Readout] = "head"

    def load(self) -> Source:
        rows = [replace_answer(row) for row in super().load().rows]
        return Source(rows)


def replace_answer(row: Row) -> Row:
    """Every third question is answered yes, which its prompt says as well."""
    yes = float(int(row.example.id[1:]) % 3 == 0)
    example = replace(row.example, prompt=f"question {row.example.id} {int(yes)}")
    return Row(example=example, answer=(1.0 - yes, yes))


@dataclass(frozen=True, kw_only=True)
class Known(LabelsStep):
    """The labels of a supervisor that reads no ground truth; it may answer only every second question."""

    kind: ClassVar[str] = "test/known"

    every: int = 1

    @property
    def partial(self) -> bool:
        return self.every > 1

    @property
    def title(self) -> str:
        return "known"

    def run(self, ctx: Context) -> Labels:
        ids = ctx.load(self.examples).ids[:: self.every]
        yes = [int(id[1:]) % 3 == 0 or int(id[1:]) % 5 == 0 for id in ids]
        return Labels.from_rows(ids, np.where(np.array(yes)[:, None], (0.2, 0.8), (0.7, 0.3)))


@dataclass(frozen=True, kw_only=True)
class Rumour(Supervisor):
    every: int = 1

    @property
    def name(self) -> str:
        return f"rumour-{self.every}"

    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        return (Known(examples=examples, every=self.every),)


SMALL, LARGE = (FakeModel(size=size).pinned() for size in ("small", "large"))
BASE = Experiment(
    tasks=(Headed(digest="fake"),),
    weak=(SMALL,),
    strong=(LARGE,),
    methods=(Technique(), Technique(label="other", loss=FakeLoss())),
    seeds=(0, 1),
    sizes={"weak_train": 60, "transfer": 60, "test": 50},
    recipes={(Headed(digest="fake").name, model.name): FakeMethod() for model in (SMALL, LARGE)},
)


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Experiment], Store]:
    """Runs an experiment; the probe on frozen features, which needs weights, is left out."""

    def compute(planned: Experiment) -> Store:
        store = Store(str(tmp_path / "store"))
        with Inline() as executor:
            wanted = [step for step in targets(cells(planned)) if not reads_features(step)]
            assert not run(wanted, store, executor).failures
        return store

    return compute


def reads_features(step: object) -> bool:
    return isinstance(step, Score) and isinstance(step.predictions, Predict) and step.predictions.features is not None


def test_direct_is_the_student_on_the_ground_truth_of_its_supervisor_shared_by_all_techniques() -> None:
    found = cells(BASE)
    fits = {cell.direct.predictions.fitted for cell in found if cell.direct}  # type: ignore[attr-defined]
    assert len(fits) == len(BASE.seeds)
    for fit in fits:
        assert (fit.model, fit.examples.split, fit.validation.split) == (LARGE, "weak_train", "validation")
        assert (fit.labels, fit.loss) == (Gold(examples=fit.examples), type(fit.loss)())
    own = replace(BASE, methods=(Technique(), Technique(label="slow", fit=FakeMethod(seconds=0.001))), seeds=(0,))
    assert len({cell.direct.key for cell in cells(own) if cell.direct}) == 2


def test_direct_needs_a_supervisor_with_ground_truth_and_can_be_left_out() -> None:
    assert not any(cell.direct for cell in cells(replace(BASE, weak=(Rumour(),))))
    assert not any(cell.direct for cell in cells(replace(BASE, direct=False)))
    assert all(cell.direct for cell in cells(replace(BASE, weak=(Ensemble(members=(Rumour(), SMALL)),))))
    kept = {step.key for step in targets(cells(replace(BASE, direct=False)))}
    assert kept < {step.key for step in targets(cells(BASE))}
    with pytest.raises(UserError, match="direct is 'no': give true, or false"):
        replace(BASE, direct="no")  # type: ignore[arg-type]


def test_the_majority_answers_with_the_class_shares_of_weak_train(done: Callable[[Experiment], Store]) -> None:
    store, found = done(BASE), cells(BASE)
    for seed, cell in {cell.seed: cell for cell in found}.items():
        assert cell.majority
        train_classes = classes_of(load(Gold(examples=cell.supervisors[0].examples), store))  # type: ignore[arg-type]
        predicted = classes_of(load(cell.majority.predictions, store))
        np.testing.assert_allclose(predicted, np.broadcast_to(train_classes.mean(axis=0), predicted.shape), atol=1e-6)
        test = load(cell.test, store)
        share = np.mean([int(id[1:]) % 3 != 0 for id in test.ids])
        (record,) = (r for r in read(BASE, store).records if (r.seed, r.method) == (seed, "naive"))
        assert record.value("majority") == pytest.approx(share)
    assert not any(cell.majority for cell in cells(replace(BASE, tasks=(FakeTask(digest="fake"),))))


def test_a_supervisor_that_abstains_is_scored_where_it_answers(done: Callable[[Experiment], Store]) -> None:
    """It answers every second question; floor, PGR and gap are on these, the student's score is on all."""
    planned = replace(BASE, weak=(Rumour(every=2),), methods=(Technique(),), seeds=(0,))
    store = done(planned)
    (cell,) = cells(planned)
    floor, student, ceiling = (load(score, store).correct for score in (cell.floor, cell.student, cell.ceiling))
    answered = ~np.isnan(floor)
    record = read(planned, store).aggregates[0]
    assert record.value("coverage") == pytest.approx(0.5)
    assert record.value("floor") == pytest.approx(floor[answered].mean())
    assert record.value("student") == pytest.approx(student.mean())
    gap = (ceiling - floor)[answered].mean()
    assert record.value("gap") == pytest.approx(gap)
    complete = replace(planned, weak=(Rumour(),))
    assert read(complete, done(complete)).aggregates[0].value("coverage") is None


def test_what_an_abstaining_supervisor_leaves_out_is_reported_where_its_numbers_are(
    done: Callable[[Experiment], Store],
) -> None:
    planned = replace(BASE, weak=(Rumour(every=2),), methods=(Technique(),), seeds=(0,))
    store = done(planned)
    record = read(planned, store).aggregates[0]
    coverage = record.estimates["coverage"]
    assert coverage.low is not None
    assert coverage.high is not None
    assert coverage.low < 0.5 < coverage.high < 1
    note = "the supervisor abstains on some test examples: floor, PGR, gap and agreement are on those that it answers"
    lines = tables.text([record], "md").splitlines()
    assert "| coverage |" in lines[0]
    assert any(line.startswith("[") and note in line for line in lines)
    assert html(planned, store).count(note[1:]) == 1  # above the table, with a capital letter
    whole = replace(planned, weak=(Rumour(),))
    assert "coverage" not in tables.text(read(whole, done(whole)).aggregates, "md")


def test_a_supervisor_that_answers_nothing_has_no_floor_and_the_reason_says_so(
    done: Callable[[Experiment], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = np.full(50, np.nan)
    planned = replace(BASE, weak=(Rumour(),), methods=(Technique(),), seeds=(0,))
    store = done(planned)
    (cell,) = cells(planned)
    plain = StoredArtifacts.correct
    monkeypatch.setattr(
        StoredArtifacts, "correct", lambda self, s: nothing if plain(self, s) is not None and s is cell.floor else
        plain(self, s)
    )  # fmt: skip
    found = ResultRow([cell], [cell], StoredArtifacts(store, ()))
    assert MEASURES["pgr"].estimate(found) == "the supervisor answers none of the test examples"
    assert MEASURES["floor"].estimate(found) is None
    coverage = MEASURES["coverage"].estimate(found)
    assert isinstance(coverage, Estimate)
    assert coverage.value == 0


@dataclass(frozen=True, kw_only=True)
class Rare(Headed):
    """One question in fifty is answered yes."""

    def load(self) -> Source:
        rows = super().load().rows
        yes = {row.example.id: float(int(row.example.id[1:]) % 50 == 9) for row in rows}
        return Source([replace(row, answer=(1 - yes[row.example.id], yes[row.example.id])) for row in rows])


def test_rare_labels_are_reported_and_a_metric_is_named(done: Callable[[Experiment], Store]) -> None:
    """The shares are those of the ground truth of test and of weak_train, the mean over its draws."""
    task = Rare(digest="fake")
    planned = replace(BASE, tasks=(task,), methods=(Technique(),))
    store = done(planned)
    found = cells(planned)
    on_test = np.mean([int(id[1:]) % 50 == 9 for id in load(found[0].test, store).ids])
    drawn = [load(cell.supervisors[0].examples, store).ids for cell in found]
    train_classes = np.mean([int(id[1:]) % 50 == 9 for ids in drawn for id in ids])
    record = read(planned, store).aggregates[0]
    texts = [caveat.text for caveat in record.caveats]
    for where, share in (("the test examples", on_test), ("weak_train", train_classes)):
        assert share < 0.05
        (text,) = [
            each for each in texts if f"of {where} are of the class 'yes': accuracy hardly depends on it" in each
        ]
        assert float(text.split(" %")[0]) == pytest.approx(100 * share, abs=0.5)
        assert text.endswith('set metric = "balanced-accuracy"')
    assert record.to_dict()["caveats"] == texts
    other = replace(planned, metric=BalancedAccuracy())
    assert not any("hardly" in caveat.text for caveat in read(other, done(other)).aggregates[0].caveats)
    (used,) = tasks_used(found, store)
    assert used.shared[:2] == ("weak_train", "validation")
    shares = dict(used.classes)
    assert shares["yes"][used.shared.index("test")] == pytest.approx(on_test)
    assert [sum(column) for column in zip(*shares.values(), strict=True)] == pytest.approx(len(used.shared) * [1.0])
    assert "Class shares, by ground truth" in html(planned, store)


@pytest.mark.parametrize("metric", [Auroc(), Brier()], ids=lambda metric: metric.name)
def test_an_experiment_in_another_metric(metric: Metric, done: Callable[[Experiment], Store]) -> None:
    planned = replace(BASE, metric=metric, methods=(Technique(),))
    store, sign = done(planned), 1 if metric.higher_is_better else -1
    (aggregate,) = read(planned, store).aggregates
    assert aggregate.to_dict()["metric"] == metric.name
    by_hand = {}
    for role in ("floor", "ceiling"):
        scores = [load(getattr(cell, role), store) for cell in cells(planned)]
        by_hand[role] = np.mean([metric.values(s.probs.astype(float), s.truth, ("no", "yes")).mean() for s in scores])
        assert aggregate.value(role) == pytest.approx(by_hand[role], abs=1e-6)
    assert aggregate.value("gap") == pytest.approx(sign * (by_hand["ceiling"] - by_hand["floor"]), abs=1e-6)
    fits = {step.key for step in targets(cells(BASE))} - {step.key for step in targets(cells(planned))}
    assert all(key.startswith("score") for key in fits if "score" in key)
    if metric == Auroc():
        assert aggregate.value("majority") == pytest.approx(0.5)
