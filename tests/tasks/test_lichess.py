"""The Lichess puzzle database in whatever form it is passed on."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.types import Examples, UserError

SCHOLAR = "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 5 4"
CASTLES = "4k3/2p5/8/3P4/8/8/8/4K3 b - - 0 1"
ROWS: list[dict[str, Any]] = [
    {"FEN": SCHOLAR, "Moves": "a7a6 h5f7", "Rating": 600, "GameUrl": "https://lichess.org/787zsVup/black#48"},
    {"FEN": CASTLES, "Moves": "c7c5 d5c6", "Rating": 900, "GameUrl": "https://lichess.org/4MWQCxQ6/black#31"},
]


def _csv(path: Path, delimiter: str = ",", start: str = "") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(start)
        writer = csv.DictWriter(file, list(ROWS[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)


def _published(path: Path) -> None:
    """As the Parquet files of the data set are: long text, small numbers, a game's own column, lists of themes."""
    columns = {
        "FEN": pa.array([row["FEN"] for row in ROWS], pa.large_string()),
        "Moves": pa.array([row["Moves"] for row in ROWS], pa.large_string()),
        "Rating": pa.array([row["Rating"] for row in ROWS], pa.uint16()),
        "GameId": ["787zsVup", "4MWQCxQ6"],
        "Themes": [["mate"], ["short", "enPassant"]],
    }
    pq.write_table(pa.table(columns), path)


FILES = {
    "a.csv": _csv,
    "bom.csv": lambda path: _csv(path, start="\ufeff"),
    "a.tsv": lambda path: _csv(path, "\t"),
    "a.jsonl": lambda path: path.write_text("\n\n".join(map(json.dumps, ROWS))),
    "a.json": lambda path: path.write_text(json.dumps(ROWS)),
    "a.jsonl.gz": lambda path: path.write_bytes(gzip.compress("\n".join(map(json.dumps, ROWS)).encode())),
    "a.parquet": _published,
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_puzzles(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path / name)
    task = ChessPuzzles(source=str(tmp_path / name)).pinned()
    rows = task.load().rows
    assert [row.example.group for row in rows] == ["787zsVup", "4MWQCxQ6"]
    assert [row.example.choices[row.answer.index(1.0)] for row in rows] == ["h5f7", "d5c6"]
    facets = task.facets(Examples(rows=tuple(row.example for row in rows)))
    assert list(facets["rating"].values()) == [600, 900]


def many(path: Path, bad: dict[str, Any]) -> ChessPuzzles:
    """1,001 rows of one position, of which one is bad in its own way, after a good one."""
    rows = [ROWS[0], ROWS[1] | bad, *(ROWS[1] | {"FEN": f"{CASTLES[:-1]}{i}"} for i in range(1, 3))]
    path.write_text("\n".join(map(json.dumps, rows)))
    return ChessPuzzles(source=str(path)).pinned()


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"Moves": None}, "no position, or a move that is not legal"),
        ({"Moves": ["c7c5"]}, "no position, or a move that is not legal"),
        ({"FEN": ["x"]}, "no position, or a move that is not legal"),
        ({"Rating": "high"}, "the Rating is not a number"),
        ({"Rating": float("inf")}, "the Rating is not a number"),
    ],
)
def test_a_rare_bad_row_is_left_out_and_counted_and_many_are_refused(
    bad: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from outgrow.tasks import chess_puzzles

    with pytest.raises(UserError, match=r"a\.jsonl, row 2: "):
        many(tmp_path / "a.jsonl", bad).load()
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(chess_puzzles, "MOST_WRONG", 0.5)
    source = many(tmp_path / "b.jsonl", bad).load()
    assert dict(source.dropped) == {why: 1, "the same position again": 1}
    assert len(source.rows) == 2


def test_a_file_that_changes_is_read_again_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS[:1]))
    planned, unplanned = ChessPuzzles(source=str(path)).pinned(), ChessPuzzles(source=str(path))
    assert len(unplanned.load().rows) == 1
    path.write_text(json.dumps(ROWS))
    assert len(unplanned.load().rows) == len(ChessPuzzles(source=str(path), prompt="moves").load().rows) == 2
    assert len(planned.load().rows) == 1, "read before, and known by its digest"
    with pytest.raises(UserError, match="has changed since"):
        ChessPuzzles(source=str(path), prompt="moves", plies=9, digest="0" * 16).load()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"FEN": ', "row 1: this is not JSON"),
        ("a.csv", b"FEN,Moves,x\n8/8,a1a2,caf\xe9\n", "line 2: this is not UTF-8"),
        ("a.csv.gz", gzip.compress(b"FEN,Moves\n" + b"8/8,a1a2\n" * 99, mtime=0)[:-9], "not a whole .gz file"),
        ("a.csv.zst", pa.compress(b"FEN,Moves\n" + b"8/8,a1a2\n" * 99, "zstd", asbytes=True)[:-5], "not a whole .zst"),
        ("a.parquet", b"PAR1", "not a whole Parquet file"),
        ("a.txt", b"", "format is not known"),
        ("a.csv", b"FEN,Answer\n8/8,a1a2\n", "no column 'Moves'"),
    ],
)
def test_a_broken_file_is_named(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        ChessPuzzles(source=str(tmp_path / name)).load()
    assert says in str(error.value)
    assert name in str(error.value)
    assert "\n" not in str(error.value)
