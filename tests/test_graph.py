from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import Add, Boom, Const, Number, Weight

from outgrow.executors.inline import Inline
from outgrow.graph import Context, Event, Outcome, Step, identity, load, not_hashed, plan, run, walk
from outgrow.store import Store
from outgrow.types import UserError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def done(targets: list[Step[Any]], store: Store, watch: Any = lambda event: None) -> Outcome:
    with Inline() as executor:
        return run(targets, store, executor, watch=watch)


# ---- identity


@dataclass(frozen=True, kw_only=True)
class Inner:
    version: ClassVar[int] = 1
    rate: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Outer(Step[Number]):
    result = Number
    rate: float = 1.0
    count: int = 3
    flag: bool = False
    name: str = ""
    either: int | float | None = None
    mode: Literal["a", "b"] = "a"
    many: tuple[float, ...] = ()
    pairs: tuple[tuple[str, float], ...] = ()
    inner: Inner = Inner()
    above: Step[Any] | None = None
    where: Path = not_hashed(default=Path("/somewhere"))
    fresh: tuple[int, ...] = field(default_factory=tuple)


def test_a_key_reads_like_a_folder() -> None:
    name, _, digest = Outer().key.partition("-")
    assert name == "outer"
    assert len(digest) == 12
    assert int(digest, 16) >= 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Outer(rate=2), Outer(rate=2.0)),
        (Outer(rate=True), Outer(rate=1.0)),
        (Outer(count=True), Outer(count=1)),
        (Outer(count=3.0), Outer()),  # type: ignore[arg-type]
        (Outer(flag=1), Outer(flag=True)),  # type: ignore[arg-type]
        (Outer(flag=0), Outer()),  # type: ignore[arg-type]
        (Outer(many=(1, 2)), Outer(many=(1.0, 2.0))),
        (Outer(pairs=(("a", 1),)), Outer(pairs=(("a", 1.0),))),
        (Outer(rate=-0.0), Outer(rate=0.0)),
        (Outer(where=Path("/here")), Outer(where=Path("/there"))),
        (Outer(inner=Inner(rate=0.5)), Outer()),
    ],
)
def test_equal_identity_equal_key(one: Outer, other: Outer) -> None:
    assert one.key == other.key


def test_whatever_differs_enters_the_key() -> None:
    different = [
        Outer(),
        Outer(rate=1.5),
        Outer(either=1),
        Outer(either=0),
        Outer(name="1"),
        Outer(mode="b"),
        Outer(many=(1.0,)),
        Outer(many=(1.0, 1.0)),
        Outer(inner=Inner(rate=0.25)),
        Outer(above=Const(value=1)),
        Outer(above=Const(value=2)),
        Outer(name=Const(value=1).key),
        AnyStep(value=True),
        AnyStep(value=1),
        AnyStep(value=1.0),
        AnyStep(value="1"),
        AnyStep(value=(1,)),
        AnyStep(value=Const(value=1)),
        AnyStep(value=Const(value=1).key),
        AnyStep(value=Any_(value=1)),
    ]
    assert len({step.key for step in different}) == len(different)


def test_an_int_and_a_float_differ_where_both_are_allowed() -> None:
    assert Outer(either=1).key != Outer(either=1.0).key


def test_scalars_at_their_default_are_left_out_and_records_count() -> None:
    found = identity(Outer())
    assert set(found) == {"@kind", "@version", "@source", "inner"}
    assert found["inner"]["@kind"] == "test_graph.Inner"


def test_the_version_of_a_default_record_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Outer().key
    monkeypatch.setattr(Inner, "version", 2)
    assert Outer().key != before


def test_classes_of_the_package_need_no_hash_of_their_source() -> None:
    from outgrow.losses.cross_entropy import CrossEntropy

    assert set(identity(CrossEntropy())) == {"@kind", "@version"}


def test_a_new_option_at_its_default_keeps_the_key() -> None:
    def declare(extra: bool) -> Any:
        space: dict[str, Any] = {"__annotations__": {"rate": float}, "rate": 0.5, "__module__": __name__}
        if extra:
            space["__annotations__"]["option"] = int
            space["option"] = 7
        return dataclass(frozen=True, kw_only=True)(type("Grown", (Step,), space))

    assert declare(False)(rate=0.1).key == declare(True)(rate=0.1).key
    assert declare(False)(rate=0.1).key != declare(True)(rate=0.1, option=8).key


@dataclass
class Loose:
    value: int = 1


@pytest.mark.parametrize("value", [[1], {"a": 1}, {1}, Path("x"), object(), b"x", Loose(), print, Number])
def test_only_plain_frozen_data_has_an_identity(value: object) -> None:
    with pytest.raises(TypeError, match=r"has no identity|frozen=True"):
        identity(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_are_finite(value: float) -> None:
    with pytest.raises(TypeError, match=r"rate.*finite"):
        _ = Outer(rate=value).key


@pytest.mark.parametrize("fields", [{"rate": "fast"}, {"count": 2.5}, {"name": 3}, {"flag": 2}])
def test_a_value_that_does_not_fit_its_annotation_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=f"Outer.{next(iter(fields))}: .* is not "):
        _ = Outer(**fields).key


# ---- inputs and identity walk the same way

leaves = st.builds(Const, value=st.integers(0, 5))
values = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2) | leaves,
    lambda inner: (
        st.tuples(inner, inner)
        | st.builds(lambda v: Any_(value=v), inner)
        | st.builds(lambda v: AnyStep(value=v), inner)
    ),
    max_leaves=12,
)


@dataclass(frozen=True, kw_only=True)
class Any_:  # noqa: N801
    value: Any = None


@dataclass(frozen=True, kw_only=True)
class AnyStep(Step[Number]):
    result = Number
    value: Any = None


def keys_in(item: Any) -> Iterator[str]:
    """The step keys in an identity."""
    if isinstance(item, dict):
        if "@step" in item:
            yield item["@step"]
        else:
            for each in item.values():
                yield from keys_in(each)
    elif isinstance(item, list):
        for each in item:
            yield from keys_in(each)


@given(values)
def test_inputs_are_the_steps_of_the_identity(value: Any) -> None:
    step = AnyStep(value=value)
    assert {parent.key for parent in step.inputs()} == set(keys_in(identity(step)))


@given(values, values)
def test_keys_agree_exactly_when_identities_do(one: Any, other: Any) -> None:
    a, b = AnyStep(value=one), AnyStep(value=other)
    assert (a.key == b.key) == (identity(a) == identity(b))
    assert a.key == dataclasses.replace(a).key


@given(st.lists(values, max_size=4))
def test_walk_gives_each_ancestor_once_inputs_first(several: list[Any]) -> None:
    steps = [AnyStep(value=value) for value in several]
    order = [step.key for step in walk(steps)]
    assert len(order) == len(set(order))
    seen: set[str] = set()
    for step in walk(steps):
        assert {parent.key for parent in step.inputs()} <= seen
        seen.add(step.key)
    assert {step.key for step in steps} <= seen


def test_inputs_are_found_in_nested_records() -> None:
    deep = Const(value=7)
    step = Add(terms=(Const(value=1),), weight=Weight(source=deep))
    assert deep in step.inputs()


# ---- planning


def test_a_plan_says_why(store: Store) -> None:
    old = Add(terms=(Const(value=1), Const(value=2)), weight=Weight(value=0.5))
    assert set(plan([old], store).why.values()) == {"nothing like it yet"}
    done([old], store)
    new = Add(terms=(Const(value=1), Const(value=2)), weight=Weight(value=0.75))
    assert plan([new], store).why == {new.key: "weight.value 0.5 -> 0.75"}
    other = Add(terms=(Const(value=1), Const(value=3)), weight=Weight(value=0.5))
    why = plan([other], store).why
    assert why[other.key] == f"input {Const(value=3).key} is new"
    assert why[Const(value=3).key] in ("value 1.0 -> 3.0", "value 2.0 -> 3.0")


def test_what_is_finished_is_not_looked_behind(store: Store) -> None:
    middle = Add(terms=(Const(value=1),))
    done([middle], store)
    store.prune({middle.key})
    top = Add(terms=(middle,))
    assert [s.key for s in plan([top], store).todo] == [top.key]
    both = Add(terms=(middle, Const(value=1)))
    assert [s.key for s in plan([both], store).todo] == [Const(value=1).key, both.key]


def test_ten_thousand_steps_plan_with_one_listing_and_no_recursion(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    listings: list[int] = []
    ask = Store.listing
    monkeypatch.setattr(Store, "listing", lambda self: listings.append(1) or ask(self))
    step: Step[Any] = Const(value=0)
    for _ in range(9_999):
        step = Add(terms=(step,))
    started = time.perf_counter()
    going = plan([step], store)
    assert time.perf_counter() - started < 20  # 1.5 s on an idle core
    assert len(going.todo) == 10_000
    assert going.todo[-1] is step
    assert len(listings) == 1
    assert len(going.why) == 10_000


def test_a_hit_with_another_identity_is_an_error(store: Store) -> None:
    step = Const(value=1)
    other = Const(value=2)
    store.commit(step.key, Number(2).save, identity=identity(other), provenance={})
    with pytest.raises(UserError, match=r"another identity \(value 2.0 -> 1.0\)"):
        plan([step], store)


def test_a_hit_from_another_minor_version_of_torch_warns(store: Store) -> None:
    step = Const(value=1)
    store.commit(step.key, Number(1).save, identity=identity(step), provenance={"versions": {"torch": "1.0.3"}})
    with pytest.warns(UserWarning, match=r"torch 1\.0\.3"):
        plan([step], store)


# ---- running


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
    told = {failure.step.key: failure for failure in outcome.failures}
    assert set(told) == {bad.key, mendable.key}
    assert told[mendable.key].user_error
    assert told[mendable.key].error_text == "type --x instead"
    assert not told[bad.key].user_error
    assert "ValueError: boom" in told[bad.key].error_text
    assert {step.key for step in outcome.skipped} == {after.key, last.key}


def test_the_longest_remaining_chain_starts_first(store: Store) -> None:
    short = [Const(value=v) for v in range(3)]
    long = Add(terms=(Add(terms=(Const(value=9),)),))
    started: list[str] = []
    done([*short, long], store, lambda e: started.append(e.key) if e.kind == "started" else None)
    assert started[0] == Const(value=9).key


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


# ---- checkpoints


def test_a_half_written_checkpoint_is_never_returned(store: Store) -> None:
    context = Context(step=Const(value=1), store=store)
    assert context.last_checkpoint() is None
    context.save_checkpoint(lambda folder: (folder / "state").write_text("first") and None)

    def fails(folder: Path) -> None:
        (folder / "state").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        context.save_checkpoint(fails)
    last = Context(step=Const(value=1), store=store).last_checkpoint()
    assert last is not None
    assert (last / "state").read_text() == "first"
    context.save_checkpoint(lambda folder: (folder / "state").write_text("second") and None)
    assert [p.name for p in context.scratch.iterdir()] == ["checkpoint-000000001"]


def test_a_checkpoint_is_due_when_the_time_has_come(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Context(step=Const(value=1), store=store).checkpoint_due()
    monkeypatch.setenv("OUTGROW_CHECKPOINT_SECONDS", "0")
    assert Context(step=Const(value=1), store=store).checkpoint_due()


def test_scratch_goes_with_the_commit(store: Store) -> None:
    step = Const(value=1)
    done([step], store)
    assert not (Path(store.url) / "scratch" / step.key).exists()


def test_the_graph_needs_no_ml_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, outgrow.executors.pool, outgrow.executors.inline; "
        "bad = {'torch', 'transformers', 'datasets', 'pyarrow', 'fsspec'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
