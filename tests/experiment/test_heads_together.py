"""Probes on the same features are computed together, whatever rules their labels went through."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import tiny
from fakes import FakeMethod, FakeTask
from safetensors.numpy import load_file
from slots import BASE, HEADED, SMALL

from outgrow.executors.inline import Inline
from outgrow.experiment.grid import cells
from outgrow.experiment.technique import Technique
from outgrow.graph import load, run
from outgrow.labelling.harden import Harden
from outgrow.labelling.sharpen import Sharpen
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
