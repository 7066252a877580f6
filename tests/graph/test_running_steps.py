"""Steps are run once, in order, and again where an artifact is damaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from inline import done
from toys import Add, Boom, Const, Number, Sleep, Weight

from outgrow.executors.pool import Pool
from outgrow.graph import Context, Event, Step, load, plan, run
from outgrow.store import Store


@dataclass(frozen=True, kw_only=True)
class Timed(Const):
    """Expected to take five seconds."""

    result = Number

    @property
    def estimate(self) -> float:
        return 5.0


def test_a_shared_input_runs_once_and_a_second_run_finds_everything(store: Store, tmp_path: Path) -> None:
    shared = Add(terms=(Const(value=2),), log=tmp_path / "log")
    tops = [Add(terms=(shared,), weight=Weight(value=w), log=tmp_path / "log") for w in (3, 4)]
    outcome = done([*tops], store)
    assert not outcome.failures
    assert [load(top, store).value for top in tops] == [6, 8]
    again = done([*tops], store)
    assert not again.computed
    assert {s.key for s in again.cached} == {top.key for top in tops}
    assert sorted((tmp_path / "log").read_text().split()) == sorted([shared.key, *(top.key for top in tops)])


def test_a_failing_branch_does_not_stop_the_others(store: Store) -> None:
    bad, mendable = Boom(), Boom(message="type --x instead", mendable=True)
    after = Add(terms=(bad, Const(value=1)))
    last = Add(terms=(after,))
    good = Add(terms=(Const(value=5),))
    outcome = done([last, mendable, good], store)
    assert load(good, store).value == 5
    failures = {failure.step.key: failure for failure in outcome.failures}
    assert set(failures) == {bad.key, mendable.key}
    assert failures[mendable.key].user_error
    assert failures[mendable.key].error_text == "type --x instead"
    assert not failures[bad.key].user_error
    assert "ValueError: boom" in failures[bad.key].error_text
    assert {step.key for step in outcome.skipped} == {after.key, last.key}


def test_the_longest_remaining_chain_starts_first(store: Store) -> None:
    short = [Const(value=v) for v in range(3)]
    long = Add(terms=(Add(terms=(Const(value=9),)),))
    started: list[str] = []
    done([*short, long], store, lambda e: started.append(e.key) if e.kind == "started" else None)
    assert started[0] == Const(value=9).key


def test_a_long_step_starts_before_a_chain_of_short_ones(store: Store) -> None:
    """Step by step the chain is longer, in seconds the step: 5 against 3 x 0.1."""
    slow = Timed(value=1)
    chain = Add(terms=(Add(terms=(Const(value=9),)),))
    assert plan([chain, slow], store).seconds == {
        slow.key: 5.0,
        **dict.fromkeys([Const(value=9).key, Add(terms=(Const(value=9),)).key, chain.key], 0.1),
    }
    started: list[str] = []
    done([chain, slow], store, lambda e: started.append(e.key) if e.kind == "started" else None)
    assert started[0] == slow.key


def test_stored_durations_of_the_same_title_replace_the_estimate(store: Store) -> None:
    done([Timed(value=1)], store)
    seconds = plan([Timed(value=2), Const(value=1)], store).seconds
    assert 0 <= seconds[Timed(value=2).key] < 1  # as the stored one took, not the estimated five seconds
    assert seconds[Const(value=1).key] == 0.1


def test_the_share_of_time_that_workers_are_idle(store: Store, tmp_path: Path) -> None:
    """Two workers and one step: one of them is idle throughout."""
    step = Sleep(seconds=0.5, marks=tmp_path)
    with Pool(2) as pool:
        outcome = run([step], store, pool)
    assert 0.5 <= outcome.idle < 1
    assert done([step], store).idle == 0  # nothing was computed


def test_only_declared_inputs_can_be_read(store: Store) -> None:
    done([Const(value=1)], store)
    with pytest.raises(ValueError, match="which is not an input: no field of it"):
        Context(step=Add(), store=store).load(Const(value=1))


def flip(store: Store, step: Step[Any]) -> None:
    path = store.fetch(step.key) / "number.txt"
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


def test_a_flipped_byte_is_found_set_aside_and_computed_again(store: Store) -> None:
    base = Const(value=1)
    middle = Add(terms=(base,))
    done([middle], store)
    store.prune({middle.key})  # the input's own input is gone too
    flip(store, middle)
    events: list[Event] = []
    top = Add(terms=(middle,), weight=Weight(value=2))
    outcome = done([top], store, events.append)
    assert not outcome.failures
    assert not outcome.skipped
    assert load(top, store).value == 2
    assert load(middle, store).value == 1
    assert {s.key for s in outcome.computed} == {base.key, middle.key, top.key}
    assert [e.key for e in events if e.kind == "damaged"] == [middle.key]
    assert len(store.storage.names("damaged")) == 1


def test_a_damaged_target_is_computed_again(store: Store) -> None:
    step = Const(value=1)
    done([step], store)
    flip(store, step)
    events: list[Event] = []
    assert done([step], store, events.append).computed
    assert [e.kind for e in events].count("damaged") == 1
    assert load(step, store).value == 1


def test_a_damaged_manifest_is_computed_again(store: Store) -> None:
    step = Const(value=1)
    done([step], store)
    path = Path(store.url) / "manifests" / f"{step.key}.json"
    path.write_text(path.read_text().replace('"seconds"', '"secunds"'))
    assert plan([step], store).why == {step.key: "its manifest has changed"}
    assert done([step], store).computed
    assert load(step, store).value == 1


def test_an_artifact_that_never_holds_is_a_failure_not_a_loop(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from outgrow.store import Damaged

    def broken(self: Store, key: str) -> Path:
        raise Damaged(key, "", "the checksum of everything is wrong")

    monkeypatch.setattr(Store, "fetch", broken)
    top = Add(terms=(Const(value=1),))
    (failure,) = done([top], store).failures
    assert failure.step.key == top.key
    assert "damaged" in failure.error_text


def test_the_graph_needs_no_ml_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, outgrow.executors.pool, outgrow.executors.inline; "
        "bad = {'torch', 'transformers', 'datasets', 'pyarrow', 'fsspec'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
