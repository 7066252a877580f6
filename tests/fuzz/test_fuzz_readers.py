"""Small files of every format, damaged at random: a result or a `UserError` in one line, in bounded time."""

from __future__ import annotations

import csv
import gzip
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from outgrow.tasks.base import Task
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.tasks.nlp import Nlp
from outgrow.tasks.reward import Reward
from outgrow.tasks.text import Text
from outgrow.text import tables
from outgrow.types import UserError

Rows = list[dict[str, Any]]
LONGEST = 10.0  # seconds that an input of a few kilobytes may take, on a busy machine

ODD: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        1.0,
        0.0,
        -0.0,
        1.5,
        1e400,
        float("nan"),
        10**30,
        2**63,
        "",
        " ",
        "1",
        "1.0",
        "true",
    ),
    *("True", "\ud83d", "\udc00x", "\0", "\r\n", "a\rb", '"', '"a', "'", "\t", ",", "\u2028", "\ufeff", "e\u0301", "é"),
    *("ａ", "{text}", "[", "\\", "NaN", "x" * 3000, [], {}, [None], [[]], ["a", "b"], {"a": {"b": []}}, [{"role": 1}]),
    *([{"role": "user", "content": None}], [{"role": "user", "content": [{"type": "image"}]}], [{"content": "x"}]),
    *([{"role": "assistant", "content": [{"type": "text", "text": "y"}]}], {"text": ["a"], "label": ["A"]}),
    *("a7a6 h5f7", "a7a6", "c7c8Q", "e1g1 0000", "8/8/8/8/8/8/8/8 w - - 0 1", "4k3/8/8/8/8/8/8/4K3 w KQkq e3 0 1"),
    *("K7/8/8/8/8/8/8/8 w - - 999999999999 0", "https://lichess.org/", "https://[", "inf", "-", "k" * 70, "9/9 w - -"),
)
SCHOLAR = "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 5 4"


def text(rng: Random) -> Rows:
    return [
        {"text": f"w{i} x{rng.random()}", "label": rng.choice("ab"), "by": i // 2} for i in range(rng.randint(1, 9))
    ]


def pairs(rng: Random) -> Rows:
    say = [{"role": "user", "content": "q"}, {"role": "assistant", "content": f"a{rng.random()}"}]
    forms: list[tuple[Any, Any]] = [("\n\nHuman: a\n\nAssistant: b", "\n\nHuman: a\n\nAssistant: c"), (say, say[:1])]
    return [dict(zip(("chosen", "rejected"), rng.choice(forms), strict=True)) for _ in range(rng.randint(1, 5))]


def lichess(rng: Random) -> Rows:
    row = {"FEN": SCHOLAR, "Moves": "a7a6 h5f7", "Rating": 600, "GameUrl": "https://lichess.org/787zsVup/black#48"}
    return [dict(row) for _ in range(rng.randint(1, 3))]


def collected(rng: Random) -> Rows:
    fen, about = "4k3/8/8/8/8/8/8/4K2R w K -", {"game": "7", "moves": "e2e4 e7e5", "difficulty": rng.random()}
    return [{"id": "x", "fen": fen, "solutions": "h1h8", **about} for _ in range(rng.randint(1, 3))]


def choices(rng: Random) -> Rows:
    listed = {"text": ["red", "blue"], "label": ["A", "B"]}
    return [{"para": f"p{rng.random()}", "question": "q", "choices": listed, "answerKey": "A"} for _ in range(2)]


TASKS: dict[str, tuple[Callable[[Random], Rows], Callable[[str], Task]]] = {
    "text": (text, lambda path: Text(path=path, prompt="{text}", label="label")),
    "grouped": (text, lambda path: Text(path=path, prompt="{text}", label="label", group="by", id="text")),
    "listed": (text, lambda path: Text(path=path, prompt="{text}", label="label", classes=("a", "b"))),
    "reward": (pairs, lambda path: Reward(path=path)),
    "lichess": (lichess, lambda path: ChessPuzzles(source=path)),
    "collected": (collected, lambda path: ChessPuzzles(source=path, prompt="moves")),
    "nlp": (choices, lambda path: Nlp(set="quartz", path=path)),
}


def odd_values(rng: Random, rows: Rows) -> Rows:
    """Rows some of whose cells, names and columns are others."""
    for row in rows:
        for name in list(row):
            match rng.randrange(12):
                case 0:
                    row[name] = rng.choice(ODD)
                case 1:
                    row[str(rng.choice(ODD))] = row.pop(name)
                case 2 if rng.random() < 0.3:
                    del row[name]
    return rows


def _json(rng: Random, rows: Rows) -> str:
    message = json.dumps(rows, ensure_ascii=rng.random() < 0.8)
    return (
        message
        if rng.random() < 0.9
        else message.replace("}", ', "label": 1}', 1).replace("[", "[" * rng.randint(1, 2000), 1)
    )


def _separated(rng: Random, rows: Rows, delimiter: str) -> str:
    out = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row))
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    writer = csv.DictWriter(out, names, delimiter=delimiter, quoting=quoting, lineterminator=rng.choice("\n\r"))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _parquet(rng: Random, rows: Rows) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [_column(rng, [row.get(name) for row in rows]) for name in names]
    out = io.BytesIO()
    names = [name.encode("utf-8", "replace").decode() for name in names]
    pq.write_table(pa.Table.from_arrays(columns, names=names), out, compression=rng.choice(["none", "snappy", "zstd"]))
    return out.getvalue()


def _column(rng: Random, values: list[Any]) -> Any:
    """A column of the values as they are; as text or bytes where Arrow has no type for all of them."""
    try:
        column = pa.array(values)
        pq.write_table(pa.table({"a": column}), io.BytesIO())
        return column
    except (pa.ArrowException, ValueError, OverflowError):
        kind = rng.choice([pa.string(), pa.binary(), pa.large_string()])
        return pa.array([str(value).encode("utf-8", "replace") for value in values], pa.binary()).cast(kind)


def _arrow(rng: Random, rows: Rows) -> bytes:
    """A file or a stream of the same columns, with or without compressed buffers."""
    table = pq.read_table(io.BytesIO(_parquet(rng, rows)))
    out = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=rng.choice([None, "lz4", "zstd"]))
    make = rng.choice([pa.ipc.new_file, pa.ipc.new_stream])
    with make(out, table.schema, options=options) as writer:
        writer.write_table(table)
    return out.getvalue()


FORMATS: dict[str, Callable[[Random, Rows], str | bytes]] = {
    ".csv": lambda rng, rows: _separated(rng, rows, ","),
    ".tsv": lambda rng, rows: _separated(rng, rows, "\t"),
    ".jsonl": lambda rng, rows: rng.choice(["\n", "\n\n", "\r\n"]).join(map(json.dumps, rows)),
    ".json": _json,
    ".parquet": _parquet,
    ".arrow": _arrow,
}


def damaged(rng: Random, content: bytes) -> bytes:
    """Bits turned, a part cut out, doubled or put elsewhere, or the end lost."""
    made = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        start = rng.randrange(len(made) + 1)
        end = min(len(made), start + rng.randint(0, 40))
        match rng.randrange(6):
            case 0 if made:
                made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
            case 1:
                del made[start:end]
            case 2:
                made[start:start] = made[start:end] * rng.randint(1, 50)
            case 3:
                made = made[:start]
            case 4:
                made[start:end] = rng.randbytes(end - start)
            case 5:
                made[start:start] = rng.choice(
                    [b"\0", b"\xff", b'"', b"\r", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"]" * 2000]
                )
    return bytes(made)


def files(rng: Random, folder: Path) -> tuple[str, Path]:
    """The name of a task, and a file for it in some format, odd or damaged or both."""
    kind = rng.choice(list(TASKS))
    suffix = rng.choice(list(FORMATS))
    rows = TASKS[kind][0](rng)
    if rng.random() < 0.6:
        rows = odd_values(rng, rows)
    made = FORMATS[suffix](rng, rows)
    content = made if isinstance(made, bytes) else made.encode("utf-8", rng.choice(["replace", "surrogatepass"]))
    if rng.random() < 0.5:
        content = damaged(rng, content)
    packing = rng.choice(["", "", ".gz", ".zst"])
    if packing:
        content = gzip.compress(content, 1) if packing == ".gz" else pa.compress(content, "zstd", asbytes=True)
        content = damaged(rng, content) if rng.random() < 0.3 else content
    path = folder / f"a{suffix}{packing}"
    path.write_bytes(content)
    return kind, path


def test_a_damaged_file_is_read_or_refused_in_one_line(inputs: Callable[[], Iterator[Random]], tmp_path: Path) -> None:
    for rng in inputs():
        kind, path = files(rng, tmp_path)
        started = time.monotonic()
        for message in (outcome(lambda path=path: tables.read(path)), outcome(TASKS[kind][1](str(path)).load)):
            message.encode()
        assert time.monotonic() - started < LONGEST
        path.unlink()


def outcome(read: Callable[[], Any]) -> str:
    """The rows that were read, or the one line that says why not."""
    try:
        return str(read().rows)
    except UserError as error:
        message = str(error)
    assert "\n" not in message
    return message
