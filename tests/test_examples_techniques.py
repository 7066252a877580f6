"""The examples of techniques: each is read and planned as its comments say; shrunk, each runs to numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

import outgrow
from outgrow.config import read
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold
from outgrow.experiment.grid import cells
from outgrow.experiment.pretrained import Adapt
from outgrow.experiment.steps import Fit, Predict, Relabel
from outgrow.graph import walk
from outgrow.losses.confidence import Confidence
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.finetune import Finetune
from outgrow.methods.head import Head

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = (
    "bootstrap",
    "generative",
    "early-stopping",
    "saliency",
    "agreement",
    "chess-preferences",
    "prompts",
    "confidence",
)
SMALL = ("weak_train=60", "transfer=60", "transfer_validation=30", "validation=30", "test=80")


def planned(name: str) -> dict[str, Cell]:
    """The cells of the first seed, by what tables call their method."""
    found = cells(read(EXAMPLES / f"{name}.toml").pinned())
    assert {cell.seed for cell in found} == {0, 1, 2, 3, 4}
    return {cell.method.shown: cell for cell in found if cell.seed == 0}


def test_bootstrap_puts_every_rung_between_supervisor_and_student() -> None:
    naive, fresh, same = planned("bootstrap").values()
    assert naive.student_fit.examples == fresh.student_fit.examples == same.student_fit.examples
    assert naive.ceiling == fresh.ceiling == same.ceiling
    for cell, parts in ((fresh, {0, 1, 2, 3}), (same, {0})):
        own = [step for step in walk([cell.student_fit]) if isinstance(step, Fit) and step.examples.split == "transfer"]
        assert sorted(fit.model.name for fit in own) == [f"ladder/{r}" for r in ("bishop", "knight", "queen", "rook")]
        assert {fit.examples.part for fit in own} == parts  # type: ignore[union-attr]


def test_generative_reads_before_it_learns() -> None:
    found = [cell for cell in cells(read(EXAMPLES / "generative.toml").pinned()) if cell.seed == 0]
    assert [cell.task.name for cell in found] == ["chess-puzzles"] * 2 + ["chess-preferences"] * 2
    for naive, generative in (found[:2], found[2:]):
        assert isinstance(generative.student_fit.start, Adapt)
        assert naive.student_fit.start is None
        assert naive.ceiling == generative.ceiling != generative.matched_ceiling


def test_early_stopping_differs_in_what_stops_alone() -> None:
    naive, truth, none = planned("early-stopping").values()
    assert isinstance(truth.student_fit.validation_labels, Gold)
    assert truth.student_fit.monitored == naive.student_fit.validation_labels
    kept = none.student_fit.method
    assert isinstance(kept, Finetune)
    assert kept.keep == "last"
    assert {**kept.__dict__, "keep": "best"} == naive.student_fit.method.__dict__


def test_saliency_has_the_five_ways_of_the_paper() -> None:
    weak, probe_weak, probe_truth, salient = planned("saliency").values()
    assert len({cell.ceiling for cell in (weak, probe_weak, probe_truth, salient)}) == 1
    assert [type(cell.student_fit.method) for cell in (weak, probe_weak, probe_truth, salient)] == [
        Finetune,
        Head,
        Head,
        Head,
    ]
    assert [isinstance(cell.student_fit.labels, Gold) for cell in (weak, probe_weak, probe_truth, salient)] == [
        False,
        False,
        True,
        True,
    ]
    assert salient.student_fit.features is not None
    assert salient.student_fit.features[0].source == weak.student_fit


def test_prompts_differ_in_what_is_shown_and_in_what_is_handed_over() -> None:
    found = [cell for cell in cells(read(EXAMPLES / "prompts.toml").pinned()) if cell.seed == 0]
    assert [cell.task.name for cell in found] == ["chess-puzzles"] * 2 + ["chess-puzzles/moves"] * 2
    for hard, soft in (found[:2], found[2:]):
        assert isinstance(hard.student_fit.labels, Relabel)
        assert isinstance(soft.student_fit.labels, Predict)
        assert hard.student_fit.examples == soft.student_fit.examples
        assert hard.ceiling == soft.ceiling


def test_confidence_is_measured_by_the_student_s_size() -> None:
    found = [cell for cell in cells(read(EXAMPLES / "confidence.toml").pinned()) if cell.seed == 0]
    assert {cell.strong.name for cell in found} == {f"ladder/{rung}" for rung in ("knight", "bishop", "rook", "queen")}
    losses = [cell.student_fit.loss for cell in found[:3]]
    assert losses == [CrossEntropy(), Confidence(), Confidence(weight=0.75)]


def test_agreement_sets_the_confidence_loss_beside_the_naive_student() -> None:
    naive, confident = planned("agreement").values()
    assert isinstance(confident.student_fit.loss, Confidence)
    assert naive.student_fit.labels == confident.student_fit.labels


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_shrunk_it_runs_to_numbers(name: str, tmp_path: Path) -> None:
    found = outgrow.run(
        EXAMPLES / f"{name}.toml",
        store=tmp_path / "store",
        on="inline",
        overrides=[f"sizes.{size}" for size in SMALL],
        seeds=[0],
    )
    assert not found.failures
    for record in found.records:
        assert record["status"] == "done"
        before = "frozen_probe" if record["zero_shot"] is None else "zero_shot"
        assert all(0 <= record[role] <= 1 for role in ("floor", "student", "ceiling", before, "agreement"))
