"""Every executor in the folder keeps the same promises."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from toys import Add, Boom, Chain, Const

import outgrow.executors
from outgrow.executors.base import Executor
from outgrow.graph import load, run
from outgrow.store import Store

NAMES = sorted(
    m.name for m in pkgutil.iter_modules(outgrow.executors.__path__) if m.name != "base" and not m.name.startswith("_")
)


def executor_class(name: str) -> type[Executor]:
    module = importlib.import_module(f"outgrow.executors.{name}")
    (found,) = (
        kind
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Executor) and kind.__module__ == module.__name__
    )
    return found


def test_the_executors_are_found_by_file_name() -> None:
    assert {"inline", "pool"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_executor_computes_the_same_bytes(name: str, tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    chain = Chain(seed=5, pieces=3)
    top = Add(terms=(Const(value=2), Const(value=3)))
    with executor_class(name)() as executor:
        assert executor.slots >= 1
        outcome = run([chain, top, Boom()], store, executor)
    assert load(top, store).value == 5
    assert [failure.step.key for failure in outcome.failures] == [Boom().key]
    assert store.manifest(chain.key).files["deep/blob.bin"][0].startswith(CHAIN_SHA)


# sha256 of the blob: state = sha256(b"5"), then three times state + sha256(state)
def _expected() -> str:
    import hashlib

    state = hashlib.sha256(b"5").digest()
    for _ in range(3):
        state += hashlib.sha256(state).digest()
    return hashlib.sha256(state).hexdigest()


CHAIN_SHA = _expected()
