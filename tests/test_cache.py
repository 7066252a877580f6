"""What is kept between runs: found again by its key, never trusted when damaged, never needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from outgrow.cache import cache_folder, cached


class Counted:
    """A computation that says how often it was done."""

    def __init__(self, value: Any) -> None:
        self.value, self.times = value, 0

    def __call__(self) -> Any:
        self.times += 1
        return self.value


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_second_call_reads_what_the_first_computed() -> None:
    compute = Counted({"ids": ["a", "b"], "most": 3})
    assert cached("lengths", ["digest", 1], compute) == cached("lengths", ["digest", 1], compute) == compute.value
    assert compute.times == 1


def test_another_key_or_name_is_another_value() -> None:
    assert cached("lengths", ["digest", 1], Counted(1)) == 1
    assert cached("lengths", ["digest", 2], Counted(2)) == 2
    assert cached("choices", ["digest", 1], Counted(3)) == 3


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"checksum": 1}'])
def test_a_damaged_file_is_computed_again(folder: Path, damage: bytes) -> None:
    compute = Counted(["a"])
    cached("lengths", 1, compute)
    (file,) = (folder / "facts").iterdir()
    file.write_bytes(damage)
    assert cached("lengths", 1, compute) == ["a"]
    assert compute.times == 2
    assert cached("lengths", 1, compute) == ["a"]
    assert compute.times == 2


def test_a_changed_value_is_not_believed(folder: Path) -> None:
    cached("lengths", 1, Counted(["a"]))
    (file,) = (folder / "facts").iterdir()
    file.write_bytes(file.read_bytes().replace(b'"a"', b'"b"'))
    assert cached("lengths", 1, Counted(["a"])) == ["a"]


def test_the_file_of_another_key_is_not_believed(folder: Path) -> None:
    cached("lengths", 1, Counted(["a"]))
    (file,) = (folder / "facts").iterdir()
    content = file.read_bytes()
    cached("lengths", 2, Counted(["b"]))
    for path in (folder / "facts").iterdir():
        path.write_bytes(content)
    assert cached("lengths", 2, Counted(["b"])) == ["b"]


def test_where_nothing_can_be_written_everything_is_computed(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    compute = Counted(5)
    assert cached("lengths", 1, compute) == cached("lengths", 1, compute) == 5
    assert compute.times == 2
    assert cache_folder() == folder
