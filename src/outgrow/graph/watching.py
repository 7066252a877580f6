"""A watcher may start a run of its own, in another store. In the same one it would wait for the run that waits for
it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from outgrow.types import UserError


class _Inside(threading.local):
    def __init__(self) -> None:
        self.stores: tuple[str, ...] = ()


_inside = _Inside()


@contextmanager
def watching(store: str) -> Iterator[None]:
    """In the `with` block this thread calls the watcher of a run in the store of this URL."""
    before = _inside.stores
    _inside.stores = (*before, store)
    try:
        yield
    finally:
        _inside.stores = before


def refuse_inside(store: str) -> None:
    """Raise UserError where this thread is in the watcher of a run in the same store."""
    if store in _inside.stores:
        raise UserError(
            f"a watcher has started a run in {store}, where the run that it watches is at work and would wait for it: "
            "start it after that run, or in another store"
        )
