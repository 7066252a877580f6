"""Rows by digest: read as added, whatever the segments; damage counts as absence and is mended; parts are exclusive."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.store import Rows, Store, as_digests, digest_of_text
from outgrow.store.rows import Digests, Values

NAME = "rows-0123456789ab"


def rows_in(folder: Path) -> Rows:
    return Store(str(folder)).rows(NAME)


def made(count: int, first: int = 0, width: int = 3) -> tuple[Digests, Values]:
    digests = as_digests([digest_of_text(f"text {i}") for i in range(first, first + count)])
    values = np.arange(first * width, (first + count) * width, dtype=np.float32).reshape(count, width)
    return digests, values


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5), seed=st.integers(0, 999))
def test_any_selection_is_read_as_it_was_added(
    sizes: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows, first = rows_in(tmp_path_factory.mktemp("store")), 0
    for size in sizes:
        rows.add(*made(size, first), seconds=1.0)
        first += size
    digests, values = made(first + 3)
    chosen = np.random.default_rng(seed).integers(0, first + 3, 20)
    read, found = rows.read(digests[chosen])
    assert np.array_equal(found, chosen < first)
    assert np.array_equal(read[found], values[chosen[found]])


def test_a_digest_that_ends_in_a_null_byte_is_another(tmp_path: Path) -> None:
    rows = rows_in(tmp_path)
    digests = as_digests([b"a" * 15 + b"\0", b"a" * 16, b"\0" * 16])
    rows.add(digests[:2], np.array([[1.0], [2.0]], dtype=np.float32), 0.0)
    read, found = rows.read(digests)
    assert found.tolist() == [True, True, False]
    assert read[:2, 0].tolist() == [1.0, 2.0]


def test_equal_rows_of_different_texts_are_two_segments(tmp_path: Path) -> None:
    rows, (digests, _) = rows_in(tmp_path), made(2)
    for i in (0, 1):
        rows.add(digests[i : i + 1], np.ones((1, 4), dtype=np.float32), 0.0)
    assert rows.read(digests)[1].all()


def test_nothing_is_read_from_an_empty_store(tmp_path: Path) -> None:
    values, found = rows_in(tmp_path).read(made(2)[0])
    assert not found.any()
    assert len(values) == 2


@pytest.mark.parametrize(
    ("suffix", "damage", "lost"),
    [
        (".values", lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:], {3}),  # byte 40 is in row 3 of 12 bytes
        (".values", lambda data: data[:30], {2, 3, 4}),
        (".values", None, {0, 1, 2, 3, 4}),
        (".index", lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:], {0, 1, 2, 3, 4}),
        (".index", None, {0, 1, 2, 3, 4}),
    ],
)
def test_damaged_rows_are_absent_are_found_by_check_and_are_mended(
    suffix: str, damage: object, lost: set[int], tmp_path: Path
) -> None:
    digests, values = made(5)
    rows_in(tmp_path).add(digests, values, 0.0)
    (file,) = (tmp_path / "rows" / NAME).glob(f"*{suffix}")
    if callable(damage):
        file.write_bytes(damage(file.read_bytes()))
    else:
        file.unlink()
    from outgrow.store.rows import _segment

    _segment.cache_clear()  # as in another process
    store = Store(str(tmp_path))
    read, found = store.rows(NAME).read(digests)
    assert set(np.flatnonzero(~found)) == lost
    assert not found.any() or np.array_equal(read[found], values[found])
    assert bool(store.check().rows) == (suffix == ".values" or callable(damage))
    store.rows(NAME).add(digests, values, 0.0)
    assert np.array_equal(store.rows(NAME).read(digests)[0], values)
    assert not store.check().rows


def test_one_process_at_a_time_fills_a_part(tmp_path: Path) -> None:
    rows, inside, most, waited = rows_in(tmp_path), list[int](), list[int](), list[str]()

    def fill() -> None:
        with rows.filling(3, waited.append):
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.05)
            inside.pop()

    threads = [threading.Thread(target=fill) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == [1] * 4
    assert waited
    with rows.filling(1, waited.append), rows.filling(2, waited.append):  # other parts are free
        pass


def test_prune_keeps_the_rows_that_are_named(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    other = store.rows("rows-ba9876543210")
    for rows in (store.rows(NAME), other):
        rows.add(*made(3), seconds=0.0)
    assert store.prune({NAME}) > 0
    assert store.rows(NAME).read(made(3)[0])[1].all()
    assert not list((tmp_path / "rows").glob("rows-ba*/*"))
