"""The quick forms of the examples are experiments, and what they took is read from what is stored: bench.examples."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest
from text_files import REPOSITORY

import outgrow
from outgrow.experiment.grid import cells
from outgrow.source import resolved
from outgrow.store import Store
from outgrow.store.manifest import Manifest

FIGURES = ("naive by size", "confidence", "bootstrapping", "generative", "saliency", "agreement", "early stopping")
SIZES = ("weak_train=40", "transfer=40", "transfer_validation=20", "validation=20", "test=40")
SETS = [*(f"sizes.{size}" for size in SIZES), "seeds=[0]", 'task="chess-puzzles"']


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    return importlib.import_module("bench.examples")


@pytest.mark.parametrize("figure", FIGURES)
def test_a_quick_form_has_the_techniques_of_the_whole(figure: str, bench: ModuleType) -> None:
    assert tuple(bench.SHOWN) == FIGURES
    whole, quick, overrides = bench.SHOWN[figure]
    techniques = [
        {cell.method.shown for cell in cells(resolved(REPOSITORY / f"examples/{name}.toml", overrides=own))}
        for name, own in ((whole, ()), (quick, overrides))
    ]
    assert techniques[0] == techniques[1]


@pytest.mark.parametrize("figure", FIGURES)
def test_the_page_of_results_names_the_quick_form(figure: str, bench: ModuleType) -> None:
    _, quick, overrides = bench.SHOWN[figure]
    assert f"`{bench.command(quick, overrides)}`" in (REPOSITORY / "docs/results/paper.md").read_text()


def test_minutes_are_those_of_the_steps_that_are_stored(bench: ModuleType, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    found = outgrow.run(REPOSITORY / "examples/chess.toml", store=store, on="inline", overrides=SETS)
    assert not found.failures
    manifests = store.manifests(store.listing()).values()
    took = [each.provenance["seconds"] for each in manifests if isinstance(each, Manifest)]
    assert bench.minutes("chess", SETS, store) == pytest.approx(sum(took) / 60)
    assert bench.minutes("chess", [*SETS, "seeds=[0, 1]"], store) is None, "not all of it is stored"


def test_the_command_can_be_pasted(bench: ModuleType) -> None:
    assert bench.command("saliency", ("seeds=[0, 1]",)) == "examples/saliency.toml --set 'seeds=[0, 1]'"
