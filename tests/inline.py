"""Steps run in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from outgrow.executors.inline import Inline
from outgrow.graph import Event, Outcome, Step, run
from outgrow.store import Store


def done(targets: Sequence[Step[Any]], store: Store, watch: Callable[[Event], object] = lambda event: None) -> Outcome:
    with Inline() as executor:
        return run(targets, store, executor, watch=watch)
