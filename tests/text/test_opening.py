"""Opening files: regular ones only, and no more of them than memory holds."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.tasks.nlp import Nlp
from outgrow.tasks.reward import Reward
from outgrow.tasks.text import Text
from outgrow.text import opening
from outgrow.text.tables import read, rows
from outgrow.types import UserError

PACKED = {".csv": b"a,b\n" + b"1,2\n" * 50_000, ".jsonl": b'{"a": 1}\n' * 50_000, ".json": b"[" + b" " * 200_000}


@pytest.mark.parametrize("packing", [".gz", ".zst"])
@pytest.mark.parametrize("suffix", PACKED)
def test_what_unpacks_to_more_than_the_limit_is_refused(
    suffix: str, packing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = PACKED[suffix]
    path = tmp_path / f"a{suffix}{packing}"
    path.write_bytes(gzip.compress(content) if packing == ".gz" else pa.compress(content, "zstd", asbytes=True))
    monkeypatch.setattr(opening, "MOST_BYTES", 100_000)
    with pytest.raises(UserError, match=r"holds more than .* of data: split it"):
        read(path)


def test_a_file_that_is_not_packed_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * 1000)
    monkeypatch.setattr(opening, "MOST_BYTES", 1000)
    with pytest.raises(UserError, match="of data: split it"):
        next(rows(tmp_path / "a.csv"))


def test_a_packed_parquet_file_is_limited_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"a": [os.urandom(16).hex() for _ in range(2000)]}), tmp_path / "a.parquet")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert read(tmp_path / "a.parquet.gz") == read(tmp_path / "a.parquet")
    monkeypatch.setattr(opening, "MOST_BYTES", 10_000)
    with pytest.raises(UserError, match="of data: split it"):
        read(tmp_path / "a.parquet.gz")


@pytest.mark.parametrize(
    ("limit", "name", "content"),
    [
        ("MOST_AT_ONCE", "a.jsonl", '{"a": "' + "x" * 100 + '"}'),
        ("MOST_AT_ONCE", "a.csv", "a,b\n1," + "x" * 100 + "\n"),
        ("MOST_AT_ONCE", "a.csv", 'a,b\n1,"' + "x\n" * 60 + '"\n'),
        ("MOST_AT_ONCE", "a.json", '[{"a": "' + "x" * 100 + '"}]'),
        ("MOST_LINES", "a.jsonl", "\n" * 101),
        ("MOST_LINES", "a.csv", "a,b\n" + "\n" * 100),
        ("MOST_CELLS", "a.csv", "a,b\n" + "1,2\n" * 17),  # 17 * (2 + 4) = 102
        ("MOST_CELLS", "a.jsonl", '{"a": [' + "[]," * 50 + "[]]}"),
        ("MOST_CELLS", "a.json", '[{"a": ' + "[" * 100 + "]" * 100 + "}]"),
    ],
)
def test_each_limit_is_reported(
    limit: str, name: str, content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_text(content)
    if "\n" * 50 not in content:
        read(tmp_path / name)
    monkeypatch.setattr(opening, limit, 100)
    with pytest.raises(UserError) as error:
        read(tmp_path / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bomb_is_read_no_further_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gibibyte of one row: memory stays near the limit."""
    import tracemalloc

    with gzip.open(tmp_path / "a.jsonl.gz", "wb", compresslevel=1) as file:
        for _ in range(256):
            file.write(b"x" * 2**20)
    monkeypatch.setattr(opening, "MOST_BYTES", 2**22)
    tracemalloc.start()
    with pytest.raises(UserError, match="holds more than"):
        read(tmp_path / "a.jsonl.gz")
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()


@pytest.mark.parametrize("where", ["folder", "pipe", "/dev/zero", "a\0b"])
@pytest.mark.parametrize("kind", ["text", "reward", "nlp", "chess"])
def test_what_is_no_file_is_refused_before_anything_is_read(kind: str, where: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    path = str(tmp_path / where)
    task = {
        "text": Text(path=path, prompt="{a}", label="b"),
        "reward": Reward(path=path),
        "nlp": Nlp(set="sst2", path=path),
        "chess": ChessPuzzles(source=path),
    }[kind]
    with pytest.raises(UserError, match=r"cannot be read|is not a path") as error:
        task.pinned()
    assert "\n" not in str(error.value)


def test_a_home_that_is_not_there_is_reported() -> None:
    with pytest.raises(UserError, match="no such home folder"):
        Text(path="~nobody-of-that-name/a.csv", prompt="{a}", label="b").pinned()
