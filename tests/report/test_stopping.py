"""The early-stopping figure against curves made by hand, and which fits it reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path

import pytest
from invented import Know, computed, experiment

from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.technique import Technique
from outgrow.graph import Context
from outgrow.losses.base import Loss
from outgrow.methods.base import Predictor, TrainingData
from outgrow.models.base import Model
from outgrow.report.page import html
from outgrow.report.results import read
from outgrow.report.stopping import monitored, stop, stopping
from outgrow.store import Store
from outgrow.tasks.base import Readout
from outgrow.training.loop import Curve


def curve(truth: list[float], weak: list[float], right: list[float]) -> Curve:
    """A check an epoch."""
    return [
        {
            "epoch": float(i),
            "validation_loss": t,
            "validation_agreement": r,
            "monitored_loss": w,
            "monitored_agreement": r,
        }
        for i, (t, w, r) in enumerate(zip(truth, weak, right, strict=True), start=1)
    ]


FIRST = curve([0.9, 0.8, 0.9, 1.1], [0.8, 0.7, 0.6, 0.5], [0.5, 0.6, 0.55, 0.5])
SECOND = curve([0.9, 0.8, 0.7, 0.7], [0.8, 0.7, 0.6, 0.7], [0.5, 0.6, 0.7, 0.6])


def test_training_stops_at_the_first_check_of_the_lowest_loss() -> None:
    assert [stop(FIRST, "validation")["epoch"], stop(FIRST, "monitored")["epoch"]] == [2, 4]
    assert [stop(SECOND, "validation")["epoch"], stop(SECOND, "monitored")["epoch"]] == [3, 3]
    assert stop(curve([nan, 0.9, nan], [1.0] * 3, [0.5] * 3), "validation")["epoch"] == 2


def test_the_figure_tells_where_both_kinds_of_labels_stop() -> None:
    """By weak labels after 4 and 3 epochs, 50 and 70 % right; by ground truth after 2 and 3, 60 and 70 % right."""
    svg = stopping({"stopped": [FIRST, SECOND]})
    assert "stopped: stop by weak labels after 3.5 epochs, accuracy 60.0 %" in svg
    assert "stop by ground truth after 2.5 epochs, accuracy 65.0 %" in svg
    for word in ("mean of 2 seeds", "each seed", "stop by weak labels: 60.0 %", "stop by ground truth: 65.0 %"):
        assert f">{word}<" in svg
    alone = stopping({"stopped": [FIRST]})
    assert ">one seed<" in alone
    assert ">each seed<" not in alone


def test_seeds_that_were_measured_at_other_times_have_a_mean_too() -> None:
    late = [{**check, "epoch": check["epoch"] + 0.25} for check in SECOND]
    assert "after 3.62 epochs" in stopping({"stopped": [FIRST, late]})  # 4 and 3.25


def test_each_row_has_its_own_panels() -> None:
    svg = stopping({"a → b": [FIRST], "a → c": [SECOND, FIRST]})
    assert (svg.count(">epochs<"), svg.count(">a → b<"), svg.count(">a → c<")) == (2, 1, 1)


def test_nothing_is_drawn_without_a_curve() -> None:
    assert stopping({}) == ""


# ---- which curves there are


@dataclass(frozen=True, kw_only=True)
class Measured(Know):
    """Leaves a curve, with weak labels where it is shown some to watch."""

    checks: int = 4

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        kept = [check if data.monitored else _unwatched(check) for check in FIRST[: self.checks]]
        (ctx.scratch / "curve.json").write_text(json.dumps(kept))
        return super().fit(model, readout, loss, data, seed, ctx)


def _unwatched(check: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in check.items() if not name.startswith("monitored")}


STOPPED = Technique(label="stopped", oracle="stop")
ASKED = experiment(methods=(Technique(), STOPPED), student=Measured(skill=32), seeds=(0, 1))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("stopping")))
    assert not computed(ASKED, store).failures
    return store


def test_the_curves_are_those_of_fits_that_watched_weak_labels(store: Store) -> None:
    assert monitored(read(ASKED, store), store) == {"mind/small → mind/big · stopped (oracle)": [FIRST, FIRST]}


def test_the_page_shows_the_figure_where_there_is_such_a_method(
    store: Store, planned: Experiment, finished: Store
) -> None:
    page = html(ASKED, store)
    assert 'id="stopping-title"' in page
    assert "stop by ground truth: 60.0 %" in page
    assert page == html(ASKED, store)
    assert "stopping-title" not in html(planned, finished)


def test_a_seed_that_is_not_there_is_left_out(store: Store) -> None:
    more = replace(ASKED, seeds=(1, 2))
    assert [len(curves) for curves in monitored(read(more, store), store).values()] == [1]


def test_one_check_makes_no_curve(tmp_path: Path) -> None:
    planned = experiment(methods=(STOPPED,), student=Measured(skill=32, checks=1), seeds=(0,))
    store = Store(str(tmp_path))
    assert not computed(planned, store).failures
    assert monitored(read(planned, store), store) == {}


def test_the_curve_is_read_without_the_weights(tmp_path: Path) -> None:
    """`skill.json` stands for them: damaged, it is in nobody's way here."""
    planned = experiment(methods=(STOPPED,), student=Measured(skill=32), seeds=(0,))
    store = Store(str(tmp_path))
    assert not computed(planned, store).failures
    (weights,) = (tmp_path / cells(planned)[0].student_fit.key).glob("*/skill.json")
    weights.write_text("1")
    assert list(monitored(read(planned, store), store).values()) == [[FIRST]]
    (weights.parent / "curve.json").write_text("[]")
    assert monitored(read(planned, store), store) == {}
