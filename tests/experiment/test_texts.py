"""Frozen features are read once a text: over seeds, sizes, tasks and runs; `plan` counts what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny
from fakes import FakeMethod
from slots import BASE, HEADED, SMALL

from outgrow.executors.inline import Inline
from outgrow.executors.pool import Pool
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.steps import Features
from outgrow.experiment.technique import Technique
from outgrow.experiment.texts import new_texts
from outgrow.graph import plan, run, walk
from outgrow.methods.head import Head
from outgrow.store import Store
from outgrow.training import features
from outgrow.training.network import Network


@pytest.fixture
def experiment(tmp_path: Path) -> Experiment:
    model = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model")), digest="tiny")
    return replace(
        BASE,
        tasks=HEADED[:1],
        weak=(SMALL,),
        strong=(model,),
        methods=(Technique(fit=Head()),),
        recipes={(HEADED[0].name, SMALL.name): FakeMethod(), (HEADED[0].name, model.name): Head()},
    )


def steps(experiment: Experiment) -> tuple[Features, ...]:
    return tuple(step for step in walk(targets(cells(experiment))) if isinstance(step, Features))


def test_no_text_is_read_twice(experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, pooled, store = list[str](), features.pooled, Store(str(tmp_path / "store"))

    def counting(network: Network, texts: Sequence[tuple[str, str]], *rest: Any, **more: Any) -> Any:
        read.extend(text for _, text in texts)
        return pooled(network, texts, *rest, **more)

    monkeypatch.setattr(features, "pooled", counting)
    assert not run(steps(experiment), store, Inline()).failures
    first = len(read)
    assert first > 50
    (line,) = new_texts(plan(steps(replace(experiment, seeds=(0, 1, 2))), store).todo, store)
    assert not run(steps(replace(experiment, seeds=(0, 1, 2))), store, Inline()).failures
    assert len(read) == len(set(read)) > first
    assert f"{len(read) - first:,} of" in line
    assert "about" in line
    larger = replace(experiment, sizes={**experiment.sizes, "test": 60})
    before = len(read)
    assert not run(steps(larger), store, Inline()).failures
    assert len(read) == len(set(read)) <= before + 10
    assert new_texts(plan(steps(larger), store).todo, store) == []


def test_the_rows_are_the_same_to_the_byte_whatever_computes_them(experiment: Experiment, tmp_path: Path) -> None:
    wanted = steps(replace(experiment, seeds=(0, 1, 2)))
    one, other = Store(str(tmp_path / "inline")), Store(str(tmp_path / "pool"))
    for step in wanted:  # one after the other, so that later draws find some of their texts
        assert not run([step], one, Inline()).failures
    with Pool(workers=2) as pool:
        assert not run(wanted, other, pool).failures
    for step in wanted:
        texts = step.result.load(one.fetch(step.key)).texts.ravel()
        assert texts.tobytes() == step.result.load(other.fetch(step.key)).texts.tobytes()
        (name,) = step.rows
        values, found = one.rows(name).read(texts)
        assert found.all()
        assert values.tobytes() == other.rows(name).read(texts)[0].tobytes()
    sizes = [sum(len(each.digests) for each in store.rows(wanted[0].rows[0]).segments()) for store in (one, other)]
    assert sizes[0] == sizes[1]  # two processes have not read the same text


def test_what_was_read_before_a_kill_is_kept(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    store, pooled, yielded = Store(str(tmp_path / "store")), features.pooled, list[int]()

    def dying(*given: Any, **more: Any) -> Any:
        for batch in pooled(*given, **more):
            if sum(yielded) > 8:
                raise Killed
            yielded.append(len(batch[0]))
            yield batch

    (step, *_) = steps(experiment)
    monkeypatch.setenv("OUTGROW_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(features, "pooled", dying)
    with pytest.raises(Killed):
        run([step], store, Inline())
    kept = sum(len(segment.digests) for segment in store.rows(step.rows[0]).segments())
    assert kept == sum(yielded) > 0
    monkeypatch.setattr(features, "pooled", pooled)
    assert not run([step], store, Inline()).failures
    assert store.rows(step.rows[0]).read(step.result.load(store.fetch(step.key)).texts.ravel())[1].all()


def test_lost_rows_are_computed_again_when_a_fit_needs_them(experiment: Experiment, tmp_path: Path) -> None:
    store, (cell,) = Store(str(tmp_path / "store")), cells(experiment)
    fit = cell.student_fit
    assert fit.features
    assert not run(fit.features, store, Inline()).failures
    for file in (tmp_path / "store" / "rows").rglob("*.values"):
        file.write_bytes(file.read_bytes()[:-5])
    assert store.check().rows
    assert not run([fit], store, Inline()).failures
    for step in fit.features:
        texts = step.result.load(store.fetch(step.key)).texts.ravel()
        assert store.rows(step.rows[0]).read(texts)[1].all()


def test_another_precision_layer_or_model_has_rows_of_its_own(experiment: Experiment) -> None:
    names = {
        step.rows
        for precision in ("fp32", "bf16")
        for layer in (-1, 0)
        for step in steps(
            replace(experiment, precision=precision, methods=(Technique(fit=Head(layer=layer)),))  # type: ignore[arg-type]
        )
    }
    assert len(names) == 4
