"""Chess puzzles: find the one move that wins (Burns et al. 2023, section 4.2). Answers are legal moves."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Self

from outgrow.chess import board as chess
from outgrow.chess.collect import identifier, solutions
from outgrow.chess.themes import themes
from outgrow.content import digest_of
from outgrow.graph import located
from outgrow.tasks.base import Facet, Passage, Readout, Row, Source, Split, Task
from outgrow.types import Example, Examples, UserError

SHIPPED = "chess/data/puzzles.parquet"
MOST_WRONG = 0.001  # a file with more bad rows than this share is refused, not mended
LEAD_UP = 8  # plies before a puzzle that a passage has at most


@dataclass(frozen=True, kw_only=True)
class ChessPuzzles(Task):
    """Chess puzzles: choose the winning move among the legal ones.

    `source` is the Lichess puzzle database as published (.csv, .csv.zst, or its rows as .jsonl.gz), where the first of
    `Moves` is played and the second is the answer, or the `puzzles.parquet` of `outgrow mine --collect`; without it,
    the puzzles that ship.
    """

    readout: ClassVar[Readout] = "tokens"
    soft_labels: ClassVar[bool] = False  # greedy decoding, as in the paper
    sizes: ClassVar[dict[Split, int | None]] = {
        "weak_train": 1000,
        "transfer": 1000,
        "transfer_validation": 300,
        "validation": 400,
        "test": 1500,
    }

    source: str = located(default="")
    digest: str = ""

    @property
    def path(self) -> Path:
        return Path(self.source) if self.source else Path(str(files("outgrow") / SHIPPED))

    def pinned(self) -> Self:
        return replace(self, digest=digest_of(self.path))

    def load(self) -> Source:
        return _mined(self.path) if self._is_mined else _lichess(self.path)[0]

    def facets(self, examples: Examples) -> Mapping[str, Mapping[str, Facet]]:
        """`theme`: what the solutions do, as far as the board tells. How hard it is: `difficulty`, the nodes an engine
        searched before it settled on the solution, or, from Lichess, the `rating` of the players who solve half."""
        known = _difficulties(self.path) if self._is_mined else _lichess(self.path)[1]
        hard = {id: known[id] for id in examples.ids if id in known}
        answers = self.load().answers
        theme = {row.id: _themes(row, answers[row.id]) for row in examples.rows}
        return {"difficulty" if self._is_mined else "rating": hard, "theme": theme}

    def passages(self, examples: Examples) -> tuple[Passage, ...]:
        """The moves that led to a puzzle, at most `LEAD_UP` of them, after the position that they began from. No move
        is played from the position of a puzzle: it might be the solution of an earlier one of the same game."""
        games, puzzles = _lead_ups(self.path)
        found = (_passage(*games[id], puzzles) for id in examples.ids if id in games)
        return tuple(passage for passage in found if passage.text)

    @property
    def _is_mined(self) -> bool:
        return self.path.suffix == ".parquet"


@cache
def _mined(path: Path) -> Source:
    import pyarrow.parquet as pq

    rows = []
    for row in pq.read_table(path, columns=["id", "fen", "solutions", "game"]).to_pylist():
        rows.append(_row(row["id"], row["game"], chess.parse(row["fen"]), tuple(row["solutions"].split())))
    return Source(rows)


@cache
def _lead_ups(path: Path) -> tuple[dict[str, tuple[str, tuple[str, ...]]], frozenset[str]]:
    """The moves that led to each puzzle and the FEN that they began from, by id; the places of all puzzles."""
    games: dict[str, tuple[str, tuple[str, ...]]] = {}
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows = pq.read_table(path, columns=["id", "fen", "moves"]).to_pylist()
        for row in rows:
            games[row["id"]] = (chess.START, tuple(row["moves"].split()))
        return games, frozenset(row["fen"] for row in rows)
    puzzles = set()
    for record in _records(path):
        first = record["Moves"].split()[0]
        place = chess.place(chess.fen(chess.play(chess.parse(record["FEN"]), first)))
        puzzles.add(place)
        games.setdefault(identifier(place), (record["FEN"], (first,)))
    return games, frozenset(puzzles)


def _passage(start: str, moves: tuple[str, ...], puzzles: frozenset[str]) -> Passage:
    boards = [chess.parse(start)]
    for move in moves:
        boards.append(chess.play(boards[-1], move))
    first = max(0, len(moves) - LEAD_UP)
    for number in range(first, len(moves)):
        if chess.place(chess.fen(boards[number])) in puzzles:
            first = number + 1
    return Passage(given=chess.position_text(boards[first]), text=" ".join(moves[first:]))


@cache
def _difficulties(path: Path) -> dict[str, float]:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["id", "difficulty"])
    return dict(zip(table["id"].to_pylist(), table["difficulty"].to_pylist(), strict=True))


def _themes(example: Example, answer: tuple[float, ...]) -> tuple[str, ...]:
    right = [move for move, share in zip(example.choices, answer, strict=True) if share > 0]
    return themes(chess.read_position(example.prompt), right)


@cache
def _lichess(path: Path) -> tuple[Source, dict[str, float]]:
    """The puzzles, and the ratings by id of those that have one."""
    rows: dict[str, Row] = {}
    ratings: dict[str, float] = {}
    dropped: Counter[str] = Counter()
    wrong: list[str] = []
    for number, record in enumerate(_records(path), start=1):
        try:
            moves = record["Moves"].split()
            board = chess.play(chess.parse(record["FEN"]), moves[0])
            right = solutions(board, moves[1])
        except KeyError as error:
            raise UserError(f"{path} has no column {error}: the Lichess puzzle database has FEN and Moves") from None
        except IndexError:
            raise UserError(f"{path}, row {number}: Moves needs the opponent's move and the answer") from None
        except UserError as error:  # copies of the database have such rows, one in some hundred thousand
            wrong.append(f"{path}, row {number}: {error}")
            continue
        place = chess.place(chess.fen(board))
        if identifier(place) in rows:
            dropped["the same position again"] += 1
        else:
            # The database names a game only in a web address, which some copies lack: a position is its own group.
            rows[identifier(place)] = _row(identifier(place), _game(record) or place, board, right)
            if record.get("Rating"):
                ratings[identifier(place)] = _rating(path, number, record["Rating"])
    if len(wrong) > MOST_WRONG * len(rows):
        raise UserError(wrong[0])
    if not rows:
        raise UserError(f"{path} is empty: it needs rows with FEN and Moves")
    if wrong:
        dropped["no position, or a move that is not legal"] = len(wrong)
    return Source(list(rows.values()), dropped), ratings


def _rating(path: Path, number: int, said: Any) -> float:
    try:
        return float(said)
    except ValueError:
        raise UserError(f"{path}, row {number}: the Rating {said!r} is not a number: leave it empty") from None


def _row(id: str, group: str, board: chess.Board, right: tuple[str, ...]) -> Row:
    moves = chess.legal_moves(board)
    if wrong := set(right) - set(moves):
        raise UserError(f"{min(wrong)!r} is not a legal move in {chess.fen(board)!r}")
    example = Example(id=id, group=group, prompt=chess.position_text(board), choices=moves)
    return Row(example=example, answer=tuple(float(move in right) / len(right) for move in moves))


def _game(record: dict[str, Any]) -> str:
    """`https://lichess.org/F8M8OS71#53` names game F8M8OS71."""
    return str(record.get("GameUrl") or "").rpartition("/")[2].partition("#")[0]


def _records(path: Path) -> Iterator[dict[str, Any]]:
    raw = path.open("rb")
    stream: Any = raw
    if path.suffix == ".gz":
        stream = gzip.GzipFile(fileobj=raw)
    elif path.suffix == ".zst":
        try:
            import zstandard
        except ImportError:
            raise UserError(f"{path} is compressed with zstd: pip install 'outgrow[zstd]'") from None
        stream = zstandard.ZstdDecompressor().stream_reader(raw)
    with raw, io.TextIOWrapper(stream, encoding="utf-8", newline="") as text:
        if ".jsonl" in path.suffixes:
            yield from map(json.loads, text)
        else:
            yield from csv.DictReader(text)
