"""Steps that are cheaper together: computed by one call, stored one by one, each with a key of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from toys import Const, Number

from outgrow.executors.inline import Inline
from outgrow.executors.pool import Pool
from outgrow.graph import Context, Event, Step, identity, load, plan, run
from outgrow.store import Store


@dataclass(frozen=True, kw_only=True)
class Scaled(Step[Number]):
    """A multiple of a constant. Together it writes down how many were computed at once."""

    result: ClassVar[type[Any]] = Number

    source: Const
    times: float
    log: str
    breaks: bool = False
    breaks_together: bool = False

    def run(self, ctx: Context) -> Number:
        if self.breaks:
            raise ValueError("broken for good")
        return Number(self.times * ctx.load(self.source).value)

    @property
    def group(self) -> str:
        return self.source.key

    @classmethod
    def run_group(cls, steps: Sequence[Any], contexts: Sequence[Context]) -> Sequence[Number]:
        with Path(steps[0].log).open("a") as file:
            file.write(f"{len(steps)}\n")
        if any(step.breaks_together for step in steps):
            raise RuntimeError("only together")
        return [step.run(context) for step, context in zip(steps, contexts, strict=True)]


def steps(log: Path, n: int = 6, **fields: Any) -> list[Scaled]:
    return [Scaled(source=Const(value=2.0), times=float(i), log=str(log), **fields) for i in range(n)]


def sizes(log: Path) -> list[int]:
    return list(map(int, log.read_text().split())) if log.exists() else []


def test_ready_steps_of_a_group_are_computed_together(tmp_path: Path) -> None:
    store, members, events = Store(str(tmp_path / "store")), steps(tmp_path / "log"), list[Event]()
    outcome = run(members, store, Inline(), watch=events.append)
    assert sizes(tmp_path / "log") == [6]
    assert len(outcome.computed) == 7
    assert [load(step, store).value for step in members] == [0, 2, 4, 6, 8, 10]
    for kind in ("started", "finished"):
        assert sorted(event.key for event in events if event.kind == kind and event.key != members[0].source.key) == (
            sorted(step.key for step in members)
        )
    assert store.manifest(members[0].key).provenance["group"] == 6
    assert not plan(members, store).todo


def test_a_group_is_shared_out_among_free_workers(tmp_path: Path) -> None:
    with Pool(2) as pool:
        run(steps(tmp_path / "log", 9), Store(str(tmp_path / "store")), pool)
    assert sorted(sizes(tmp_path / "log")) == [4, 5]  # in any order: the workers write at once


def test_alone_or_together_the_artifacts_are_the_same(tmp_path: Path) -> None:
    together, alone = Store(str(tmp_path / "together")), Store(str(tmp_path / "alone"))
    members = steps(tmp_path / "log")
    run(members, together, Inline())
    for step in members:
        run([step], alone, Inline())
    for step in members:
        assert together.manifest(step.key).files == alone.manifest(step.key).files


def test_one_that_fails_does_not_take_the_others_with_it(tmp_path: Path) -> None:
    store, log = Store(str(tmp_path / "store")), tmp_path / "log"
    members = [*steps(log, 3), *steps(log, 1, breaks=True)]
    outcome = run(members, store, Inline())
    (failure,) = outcome.failures
    assert failure.step == members[3]
    assert "broken for good" in failure.error_text
    assert [load(step, store).value for step in members[:3]] == [0, 2, 4]


def test_what_fails_only_together_is_computed_one_by_one(tmp_path: Path) -> None:
    store, members = Store(str(tmp_path / "store")), steps(tmp_path / "log", 3, breaks_together=True)
    events = list[Event]()
    assert not run(members, store, Inline(), watch=events.append).failures
    assert [load(step, store).value for step in members] == [0, 2, 4]
    assert "3 steps could not be computed together (only together): now one by one" in [each.text for each in events]


@dataclass(frozen=True, kw_only=True)
class Following(Scaled):
    """Computed one after the other: the second looks whether the first is stored."""

    first: str = ""  # its key
    store: str = ""

    @classmethod
    def run_group(cls, steps: Sequence[Any], contexts: Sequence[Context]) -> Iterator[Number]:
        for step, context in zip(steps, contexts, strict=True):
            assert not step.first or Store(step.store).has(step.first)
            yield step.run(context)


def test_artifacts_of_an_iterator_are_stored_as_they_come(tmp_path: Path) -> None:
    folder, shared = str(tmp_path / "store"), {"source": Const(value=2.0), "log": str(tmp_path / "log")}
    first = Following(times=1.0, **shared)  # type: ignore[arg-type]
    second = Following(times=2.0, first=first.key, store=folder, **shared)  # type: ignore[arg-type]
    events, store = list[Event](), Store(folder)
    assert not run([first, second], store, Inline(), watch=events.append).failures
    assert [load(step, store).value for step in (first, second)] == [2, 4]
    assert not [event for event in events if "together" in event.text]
    assert store.manifest(second.key).provenance["group"] == 2


def test_what_another_run_has_computed_is_not_computed_again(tmp_path: Path) -> None:
    """Three of the six are there once the constant is: their leases came too late to stop another run."""
    store, other, members = Store(str(tmp_path / "store")), Store(str(tmp_path / "other")), steps(tmp_path / "log")
    run(members[:3], other, Inline())

    def watch(event: Event) -> None:
        if event.kind == "finished" and event.key == members[0].source.key:
            for step in members[:3]:
                store.commit(step.key, load(step, other).save, identity=identity(step), provenance={})

    outcome = run(members, store, Inline(), watch=watch)
    assert sizes(tmp_path / "log") == [3, 3]
    assert {step.key for step in outcome.cached} == {step.key for step in members[:3]}


@pytest.mark.parametrize("n", [64, 65, 130])
def test_a_group_has_a_largest_size(n: int, tmp_path: Path) -> None:
    run(steps(tmp_path / "log", n), Store(str(tmp_path / "store")), Inline())
    assert max(sizes(tmp_path / "log")) <= 64
