"""A step's notes reach whoever watches the run, on every executor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from outgrow.executors.base import Executor
from outgrow.executors.inline import Inline
from outgrow.executors.pool import Pool
from outgrow.graph import Context, Event, Step, run
from outgrow.labelling.base import NotedLabels
from outgrow.store import Store
from outgrow.types import Labels


@dataclass(frozen=True, kw_only=True)
class Noted(Step[Labels]):
    """Labels with a note."""

    result = NotedLabels

    def run(self, ctx: Context) -> Labels:
        made = Labels.from_rows(["a"], [[1.0]])
        return NotedLabels(ids=made.ids, probs=made.probs, offsets=made.offsets, notes=("ties decide",))


@pytest.mark.parametrize("kind", [Inline, Pool])
def test_the_watcher_is_reported(kind: type[Executor], tmp_path: Path) -> None:
    events: list[Event] = []
    with kind() as executor:
        assert not run([Noted()], Store(str(tmp_path)), executor, watch=events.append).failures
    assert [event.text for event in events if event.kind == "finished"] == ["ties decide"]
