"""Kinds: what a record's class is called in keys and manifests, wherever its module lies."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

import outgrow
from outgrow.experiment.data import LabelsStep, PartOfLabels
from outgrow.graph import Settings, Step, identity
from outgrow.graph.step import class_of, kind_of
from outgrow.labelling.base import Rule
from outgrow.losses.base import Loss
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import FeatureMethod, Method, TextMethod
from outgrow.models.base import Model
from outgrow.tasks.base import Task

BASES = (Step, Task, Model, Loss, Rule, Method)
ABSTRACT = (*BASES, LabelsStep, PartOfLabels, TextMethod, FeatureMethod)


@dataclass(frozen=True, kw_only=True)
class Mine(CrossEntropy):
    """A loss from outside the package."""


def records() -> list[Any]:
    """Every frozen dataclass of the package that has a kind, and every plug-in and step, which must."""
    found: set[Any] = set()
    for module in pkgutil.walk_packages(outgrow.__path__, "outgrow."):
        if not module.name.endswith("__main__"):
            classes = vars(importlib.import_module(module.name)).values()
            found |= {each for each in classes if isinstance(each, type) and each.__module__ == module.name}
    fixed = [each for each in found if dataclasses.is_dataclass(each) and each not in ABSTRACT]
    return [each for each in fixed if issubclass(each, BASES) or isinstance(vars(each).get("kind"), str)]


def test_every_plug_in_and_step_has_a_kind_of_its_own() -> None:
    kinds = Counter(map(kind_of, records()))
    assert len(kinds) > 30
    assert {kind for kind, times in kinds.items() if times > 1} == set()


def test_the_kind_of_a_plug_in_is_its_qualified_name() -> None:
    assert kind_of(Mine) == f"{__name__}.Mine"
    assert identity(Mine())["@kind"] == f"{__name__}.Mine"
    assert "@source" in identity(Mine())


def test_a_class_may_move_and_be_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(CrossEntropy())
    kind_of.cache_clear()
    old = CrossEntropy.__name__, CrossEntropy.__qualname__
    monkeypatch.setattr(CrossEntropy, "__module__", "outgrow.elsewhere")
    CrossEntropy.__name__ = CrossEntropy.__qualname__ = "NegativeLogLikelihood"
    try:
        assert identity(CrossEntropy()) == before == {"@kind": "loss/cross-entropy", "@version": 1}
    finally:
        CrossEntropy.__name__, CrossEntropy.__qualname__ = old
    assert class_of("loss/cross-entropy") is CrossEntropy


def test_a_record_of_the_package_without_a_kind_has_no_identity() -> None:
    with pytest.raises(TypeError, match="Settings has no kind of its own"):
        identity(Settings())
