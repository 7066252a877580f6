"""What an engine says that each legal move of a position is worth, and what playing another than the best loses."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from outgrow.chess import board as chess
from outgrow.chess.engine import Engine, win_probability
from outgrow.text import tables
from outgrow.types import UserError

NODES = 6_000  # of the search of all moves of a position
MOST_MOVES = 218  # that a position can have
MAKE = "make the file with outgrow move-values PUZZLES --out values.parquet"


def lost(values: Sequence[int]) -> tuple[float, ...]:
    """The win probability that each move loses: that of the best move minus its own. values: in centipawns, one for
    each move."""
    chances = [win_probability(value) for value in values]
    return tuple(max(chances) - chance for chance in chances)


def valued(
    prompts: Iterable[tuple[str, str]], engine: str | None = None, nodes: int = NODES
) -> Iterator[dict[str, Any]]:
    """Rows with `id` and `values`, centipawns for the side to move, in the order of the legal moves. prompts: the id
    and the `position_text` of each position. The engine has seen no other position: the order does not matter."""
    with Engine(engine, lines=MOST_MOVES) as judge:
        for id, prompt in prompts:
            board = chess.read_position(prompt)
            judge.new_game()
            found = judge.values(chess.fen(board), nodes)
            yield {"id": id, "values": [found[move] for move in chess.legal_moves(board)]}


def write(rows: Iterable[dict[str, Any]], path: Path) -> None:
    """Write the rows as Parquet, all of them or no file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = pa.schema([("id", pa.string()), ("values", pa.list_(pa.int16()))])
    table = pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["id"])), kinds)
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    pq.write_table(table, draft, compression="zstd", compression_level=19)
    draft.replace(path)


def read(path: Path) -> dict[str, tuple[int, ...]]:
    """The values of a file, by id. Raises UserError for a file that has none."""
    found: dict[str, tuple[int, ...]] = {}
    for number, row in tables.some_rows(path):
        id, own = row.get("id"), row.get("values")
        if not isinstance(id, str) or not isinstance(own, list) or not all(type(each) is int for each in own):
            raise UserError(f"{path}, row {number}: it needs an id and a list of whole numbers, values: {MAKE}")
        found[id] = tuple(own)
    return found


def is_values(path: Path) -> bool:
    """Whether values may be written to `path`: nothing is there, or an empty file, or a table of values."""
    if not path.is_file() or not path.stat().st_size:
        return True
    try:
        return bool(read(path))
    except UserError:
        return False
