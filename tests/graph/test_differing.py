"""What `plan` says of how a step differs from one that is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from toys import Const, Number

from outgrow.graph import Step, identity
from outgrow.graph.difference import difference, leaves


@dataclass(frozen=True, kw_only=True)
class Plain:
    rate: float = 0.5
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Rich:
    rate: float = 0.5
    depth: int = 2


@dataclass(frozen=True, kw_only=True)
class Made(Step[Number]):
    result = Number
    epochs: float = 1.0
    loss: Plain | Rich = Plain()
    many: tuple[float, ...] = ()
    above: tuple[Step[Any], ...] = ()
    rules: tuple[Plain | Rich, ...] = ()
    maybe: int | None = None


KEY = Const(value=1).key


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (Made(), Made(epochs=2), "epochs 1.0 -> 2.0"),
        (Made(epochs=2), Made(), "epochs 2.0 -> 1.0"),
        (Made(), Made(maybe=3), "maybe None -> 3"),
        (Made(), Made(loss=Plain(rate=0.75)), "loss.rate 0.5 -> 0.75"),
        (Made(loss=Plain(rate=0.75)), Made(loss=Plain(name="x")), "loss.name  -> x, loss.rate 0.75 -> 0.5"),
        (Made(), Made(many=(1, 2)), "many [] -> [1.0, 2.0]"),
        (Made(many=(1,)), Made(), "many [1.0] -> []"),
        (Made(above=(Const(value=2),)), Made(above=(Const(value=1),)), f"input {KEY} is new"),
        (
            Made(loss=Plain()),
            Made(loss=Rich()),
            "loss.kind test_differing.Plain -> test_differing.Rich",
        ),
        (
            Made(loss=Plain(rate=1)),
            Made(loss=Rich()),
            "loss.kind test_differing.Plain -> test_differing.Rich, loss.rate 1.0 -> 0.5",
        ),
        (
            Made(epochs=2, maybe=1, many=(1,), loss=Plain(rate=1, name="a")),
            Made(),
            "epochs 2.0 -> 1.0, loss.name a -> , loss.rate 1.0 -> 0.5, many [1.0] -> [] and 1 more",
        ),
    ],
)
def test_both_values_are_reported(old: Made, new: Made, words: str) -> None:
    found = difference(leaves(identity(old)), leaves(identity(new)))
    assert found == words
    assert "default" not in found


def test_an_input_that_was_not_there_is_new() -> None:
    found = difference(leaves(identity(Made())), leaves(identity(Made(above=(Const(value=1),)))))
    assert f"input {KEY} is new" in found


def test_a_record_whose_class_nobody_knows_any_more_is_compared_as_it_is() -> None:
    old = {"@kind": "gone.module.Made", "@version": 1, "epochs": 3.0}
    assert leaves(old) == {("@kind",): "gone.module.Made", ("@version",): 1, ("epochs",): 3.0}
    for name in ("os.system", "os", "", "sys.modules", "outgrow.graph", "outgrow.graph.step.Step.key"):
        leaves({"@kind": name})
    leaves({"@kind": 3})
