"""Every exception of outgrow crosses a process pool: it comes back from pickling and copying as it was."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
from collections.abc import Callable

import pytest

from outgrow.config.document import WrongError
from outgrow.executors.pool import _Died
from outgrow.graph.context import Stopped
from outgrow.measures.crossed import OneGroupError
from outgrow.metrics.base import UndefinedError
from outgrow.plugins import PACKAGE
from outgrow.store import Damaged, LeaseLost, StoreError
from outgrow.store.manifest import Gone
from outgrow.tasks.reward import _NoTextError
from outgrow.training.loop import DivergedError
from outgrow.training.precision import NotFiniteError
from outgrow.training.ranks import _DiedError
from outgrow.types import CollectedError, UserError

SAMPLES: list[Exception] = [
    UserError("a line end \n and a back slash \\"),
    CollectedError(["one is wrong", "another is wrong", "one is wrong"]),
    CollectedError(["alone"]),
    CollectedError([]),
    Damaged("key", "prefix", "why"),
    Gone("key"),
    LeaseLost("gone"),
    Stopped("fit-3f9ac01b2d4e"),
    StoreError("the store is full"),
    DivergedError("at step 3"),
    NotFiniteError("not finite"),
    UndefinedError("one class"),
    OneGroupError("one group"),
    WrongError(("methods", 0), "is wrong", "loss"),
    _NoTextError("no text"),
    _Died("died"),
    _DiedError("a rank died"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "passed",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy],
    ids=["pickled", "copied", "copied deeply"],
)
def test_an_error_survives(error: Exception, passed: Callable[[Exception], Exception]) -> None:
    found = passed(error)
    assert type(found) is type(error)
    assert str(found) == str(error)
    assert vars(found) == vars(error)
    assert getattr(found, "messages", None) == getattr(error, "messages", None)


def test_every_exception_class_has_a_sample() -> None:
    """The classes are found by their text, so that no heavy module need be imported that defines none."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if "Exception)" not in (text := path.read_text(encoding="utf-8")) and "Error)" not in text:
            continue
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        if "class " in text and not name.endswith("__main__"):
            found |= {kind for _, kind in inspect.getmembers(importlib.import_module(name), inspect.isclass)}
    own = {kind for kind in found if issubclass(kind, Exception) and kind.__module__.startswith("outgrow.")}
    assert own == {type(error) for error in SAMPLES}
