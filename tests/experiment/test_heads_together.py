"""Probes on the same features are computed together, whatever rules their labels went through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
from fakes import FakeMethod, FakeTask
from safetensors.numpy import load_file
from slots import BASE, HEADED, SMALL

from outgrow.executors.inline import Inline
from outgrow.experiment.data import Prepare
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.steps import Predict, predicted
from outgrow.experiment.technique import Technique
from outgrow.graph import load, run, walk
from outgrow.labelling.harden import Harden
from outgrow.labelling.sharpen import Sharpen
from outgrow.methods.finetune import Finetune
from outgrow.methods.head import Head
from outgrow.store import Store

RULES = {"soft": (), "hard": (Harden(),), "sharp": (Sharpen(),), "blunt": (Sharpen(temperature=2.0),)}


def test_heads_share_one_computation_and_come_out_as_alone(tmp_path: Path) -> None:
    model = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model")), digest="tiny")
    methods = tuple(Technique(label=label, rules=rules, fit=Head()) for label, rules in RULES.items())
    planned = replace(
        BASE,
        tasks=HEADED[:1],
        weak=(SMALL,),
        strong=(model,),
        methods=methods,
        recipes={(HEADED[0].name, SMALL.name): FakeMethod(), (HEADED[0].name, model.name): Head()},
    )
    fits = [cell.student_fit for cell in cells(planned)]
    assert len({fit.key for fit in fits}) == len({fit.group for fit in fits}) * 4 == 4
    assert fits[0].group
    together, alone = Store(str(tmp_path / "together")), Store(str(tmp_path / "alone"))
    assert not run(fits, together, Inline()).failures
    assert [together.manifest(fit.key).provenance.get("group") for fit in fits] == [4] * 4
    for fit in fits:
        assert not run([fit], alone, Inline()).failures
        assert "group" not in alone.manifest(fit.key).provenance
    for fit in fits:
        one, other = (load_file(load(fit, store).folder / "head.safetensors") for store in (together, alone))
        assert np.abs(one["weight"] - other["weight"]).max() <= 1e-5 * np.abs(other["weight"]).max()


def test_other_methods_have_no_group() -> None:
    (cell,) = cells(replace(BASE, tasks=(FakeTask(digest="fake"),)))
    assert cell.student_fit.group is None


def test_predictions_of_a_fit_are_made_together_and_come_out_as_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a supervisor says of three splits, by a model that is opened once; each is stored when it is done."""
    import outgrow.training.network as networks

    opened: list[Path] = []
    opening = networks.open_network
    monkeypatch.setattr(
        networks,
        "open_network",
        lambda folder, *args, **options: (opened.append(folder), opening(folder, *args, **options))[1],
    )
    model = tiny.TinyModel(path=str(tiny.checkpoint(tmp_path / "model")), digest="tiny")
    planned = replace(
        BASE,
        tasks=HEADED[:1],
        weak=(model,),
        strong=(SMALL,),
        recipes={(HEADED[0].name, SMALL.name): FakeMethod(), (HEADED[0].name, model.name): Finetune(epochs=1)},
    )
    fit = next(
        each.fitted
        for each in walk(targets(cells(planned)))
        if isinstance(each, Predict) and each.fitted.model == model
    )
    splits = [Prepare(task=fit.examples.task, split=split, n=8) for split in ("transfer", "validation", "test")]
    predictions = [predicted(fit, examples) for examples in splits]
    assert {step.group for step in predictions} == {fit.key}
    together, alone = Store(str(tmp_path / "together")), Store(str(tmp_path / "alone"))
    assert not run([fit], together, Inline()).failures
    opened.clear()
    assert not run(predictions, together, Inline()).failures
    assert len(opened) == 1
    for step in predictions:
        assert not run([step], alone, Inline()).failures
        assert together.manifest(step.key).files == alone.manifest(step.key).files
