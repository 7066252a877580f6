"""What a step's key depends on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from toys import AnyRecord, AnyStep, Const, Number

from outgrow.graph import Step, identity, not_hashed


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
        AnyStep(value=AnyRecord(value=1)),
    ]
    assert len({step.key for step in different}) == len(different)


def test_an_int_and_a_float_differ_where_both_are_allowed() -> None:
    assert Outer(either=1).key != Outer(either=1.0).key


def test_scalars_at_their_default_are_left_out_and_records_count() -> None:
    found = identity(Outer())
    assert set(found) == {"@kind", "@version", "@source", "inner"}
    assert found["inner"]["@kind"] == "test_identity.Inner"


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
