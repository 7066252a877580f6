"""Lichess files of odd shape: a task with the rows that are right, or one line; never a traceback or an abort."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.chess import board as chess
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.types import Examples, UserError

SCHOLAR = "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 5 4"
PROMOTES = "8/2P1k3/8/8/8/8/6K1/q7 b - - 0 1"
PASSES = "4k3/2p5/8/3P4/8/8/8/4K3 b - - 0 1"
LINES = {SCHOLAR: "a7a6 h5f7", PROMOTES: "a1a7 c7c8q", PASSES: "c7c5 d5c6"}
CLOCKS = ("0 1", "0", "", "- -", "-1 -1", "99999999999999999999 1", "0 0 0", "x y", "5 4\n", "\u00a05 4")
CASTLING = ("KQkq", "-", "HAha", "QK", "KKKK", "kq-", "AHah", "", "KQkq KQkq", "0")
PASSANT = ("-", "e3", "e6", "a9", "c6", "--", "E6", "h3 h3")
URLS = (
    *(
        "https://lichess.org/787zsVup/black#48",
        "https://lichess.org/787zsVupAbCd",
        "https://lichess.org/training/00sHx",
    ),
    *(
        "//lichess.org",
        "lichess.org/",
        "https://lichess.org/%37%38",
        "https://lichess.org/游戏",
        787,
        7.0,
        True,
        [],
        {},
    ),
    *("", None, " ", "https://lichess.org/a b", "x" * 5000, "\ud800", "https://user@lichess.org:443/787zsVup"),
)
RATINGS: tuple[Any, ...] = (
    *(
        600,
        "600",
        "1,500",
        "1_500",
        "１５００",
        "0x10",
        "1e3",
        "1e400",
        "-0",
        "+7",
        "½",
        "nan",
        "",
        None,
        True,
        -5,
        1e308,
    ),
    *(10**400, [600], {"a": 1}, b"600", "600?", "６", "Infinity", "  700  "),
)
MOVES: tuple[Any, ...] = (
    *("a7a6,h5f7", "a7a6  h5f7", "a7a6\th5f7", "a7-a6 h5xf7", "a6 Qxf7#", "0000 h5f7", "e8g8 e1g1", "e8h8 e1h1"),
    *("a7a6 h5f7 " * 300, "a7a6", " ", None, 7, ["a7a6", "h5f7"], [["a7a6"], ["h5f7"]], "A7A6 H5F7", "a7a6\nh5f7"),
    *("a7a6 h5f7\u0000", "a７a6 h5f7", "a7a6 h5f7q", "P@e4 h5f7", "a7a6 h5h5", "@@@@ @@@@", "a7a6 \u202eh5f7"),
)


def fen(rng: Random) -> str:
    """A position of pieces anywhere: many kings or none, pawns on the last rank, checks by both sides."""
    if rng.random() < 0.3:
        board = list(rng.choice(list(LINES)).split()[0])
        for _ in range(rng.randrange(4)):
            board[rng.randrange(len(board))] = rng.choice("pnbrqkPNBRQK/12345678x")
        pieces = "".join(board)
    else:
        rows = []
        for _ in range(rng.choice((8, 8, 8, 8, 7, 9))):
            row, left = "", rng.choice((8, 8, 8, 8, 8, 7, 9, 0))
            while left > 0:
                step = rng.randint(1, left)
                row += str(step) if rng.random() < 0.7 else rng.choice("pnbrqkPNBRQK") * min(step, 8)
                left -= step
            rows.append(row)
        pieces = "/".join(rows)
        if rng.random() < 0.8:
            pieces = pieces.replace("k", "p").replace("K", "P").replace("p", "k", 1).replace("P", "K", 1)
    fields = [pieces, rng.choice("wwbbx"), rng.choice(CASTLING), rng.choice(PASSANT), rng.choice(CLOCKS)]
    return rng.choice((" ", " ", " ", "  ", "_", "\t")).join(fields)


def move(rng: Random) -> str:
    squares = [rng.choice("abcdefgh") + rng.choice("12345678") for _ in range(2)]
    return "".join(squares) + rng.choice(("", "", "", "q", "Q", "k", "n", "="))


def row(rng: Random) -> dict[str, Any]:
    position, line = rng.choice(list(LINES.items()))
    made: dict[str, Any] = {"PuzzleId": f"p{rng.random()}", "FEN": position, "Moves": line}
    made |= {"Rating": rng.choice(RATINGS), "GameUrl": rng.choice(URLS)}
    match rng.randrange(6):
        case 0:
            made["FEN"] = fen(rng)
        case 1:
            made["Moves"] = rng.choice(MOVES)
        case 2:
            made["FEN"], made["Moves"] = fen(rng), f"{move(rng)} {move(rng)}"
        case 3:
            made["GameId"] = rng.choice(URLS)
    return made


def _text(value: Any) -> str:
    return "" if value is None else str(value).encode("utf-8", "replace").decode()


def _csv(rows: list[dict[str, Any]], rng: Random) -> bytes:
    """With columns in any order, quotes and line ends of any sort."""
    names = list(dict.fromkeys(name for each in rows for name in each))
    rng.shuffle(names)
    file = io.StringIO()
    quoting: Any = rng.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC))
    writer = csv.writer(file, lineterminator=rng.choice(("\n", "\r\n", "\r")), quoting=quoting)
    writer.writerow([rng.choice((name, name, name, f" {name} ", name.lower())) for name in names])
    writer.writerows([_text(each.get(name)) for name in names] for each in rows)
    return (rng.choice(("", "\ufeff")) + file.getvalue()).encode()


def _jsonl(rows: list[dict[str, Any]], rng: Random) -> bytes:
    lines = (json.dumps(each, default=str, ensure_ascii=rng.random() < 0.5) for each in rows)
    return rng.choice(("\n", "\n\n", "\r\n")).join(lines).encode("utf-8", "surrogatepass")


def _parquet(rows: list[dict[str, Any]], rng: Random) -> bytes:
    """Columns of text, categories, lists, dates or numbers."""
    texts = [[_text(each.get(name)) for each in rows] for name in ("FEN", "Moves", "GameUrl")]
    moves: list[Callable[[], Any]] = [
        lambda: pa.array(texts[1]),
        lambda: pa.array(texts[1]).dictionary_encode(),
        lambda: pa.array([each.split() for each in texts[1]], pa.list_(pa.string())),
        lambda: pa.array([{"uci": each} for each in texts[1]]),
        lambda: pa.array([each.encode() for each in texts[1]], pa.binary()),
    ]
    ratings: list[Callable[[], Any]] = [
        lambda: pa.array([rng.choice((None, 600)) for _ in rows], pa.uint16()),
        lambda: pa.array([rng.choice((None, 6.5, float("nan"))) for _ in rows], pa.float16()),
        lambda: pa.array([rng.choice((None, 600)) for _ in rows], pa.decimal128(9, 2)),
        lambda: pa.array([0 for _ in rows], pa.timestamp("us")),
        lambda: pa.array([None for _ in rows], pa.null()),
    ]
    table = pa.table(
        {"FEN": texts[0], "Moves": rng.choice(moves)(), "Rating": rng.choice(ratings)(), "GameUrl": texts[2]}
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=rng.choice((1, 2, 100)))
    content: bytes = sink.getvalue().to_pybytes()
    return content


FORMATS: dict[str, Callable[[list[dict[str, Any]], Random], bytes]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}


def test_lichess_files_of_any_shape(inputs: Callable[[], Iterator[Random]], tmp_path: Path, monkeypatch: Any) -> None:
    from outgrow.tasks import chess_puzzles

    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(chess_puzzles, "MOST_WRONG", 1e9)  # so that the rows beside the bad ones are looked at
    tried = 0
    for rng in inputs():
        name = rng.choice(list(FORMATS))
        path = tmp_path / f"{rng.choice('ab')}.{name}"
        path.write_bytes(FORMATS[name]([row(rng) for _ in range(rng.randint(1, 6))], rng))
        tried += 1
        try:
            task = ChessPuzzles(source=str(path), prompt=rng.choice(("position", "moves"))).pinned()
            source = task.load()
            task.facets(Examples(rows=tuple(each.example for each in source.rows)))
            task.passages(Examples(rows=tuple(each.example for each in source.rows)))
        except UserError as error:
            if "\n" in str(error):
                raise
            continue
        for each in source.rows:
            assert sum(each.answer) == 1
            assert each.example.group
            board = chess.read_position(each.example.prompt) if task.prompt == "position" else None
            assert board is None or chess.legal_moves(board) == each.example.choices
    print(f"{tried} files")
