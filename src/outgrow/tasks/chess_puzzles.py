"""Chess puzzles: find the one move that wins (Burns et al. 2023, section 4.2). Answers are legal moves."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from outgrow.chess import board as chess
from outgrow.chess.collect import identifier, solutions
from outgrow.chess.themes import themes
from outgrow.content import digest_of
from outgrow.graph import located
from outgrow.tasks.base import Facet, Passage, Readout, Row, Source, Split, Task
from outgrow.types import Example, Examples, UserError

SHIPPED = "chess/data/puzzles.parquet"
MINED = ".parquet"  # how files of mined puzzles end
MOST_WRONG = 0.001  # a file with more bad rows than this share is refused, not mended
LEAD_UP = 8  # plies before a puzzle that a passage has at most, where the prompt is the position
LONGEST = 150  # plies: after a position of up to 35 words they fit the 192 tokens that the ladder reads


@dataclass(frozen=True, kw_only=True)
class ChessPuzzles(Task):
    """Chess puzzles: choose the winning move among the legal ones.

    `source` is the Lichess puzzle database as published (.csv, .csv.zst, or its rows as .jsonl.gz), where the first of
    `Moves` is played and the second is the answer, or the `puzzles.parquet` of `outgrow collect`; without it,
    the puzzles that ship.

    `prompt`: the `position`, or, as in the paper, the `moves` that led to it. These stand after the position that they
    begin from, as in the lines that the ladder was trained on, and are the last `plies` at most. Of a mined puzzle they
    are the game from its first move; of a Lichess puzzle only the opponent's last move is known. No move is played from
    the position of a puzzle: it may be the solution of an earlier one of the same game, so of the same split, and would
    show a student ground truth beside the weak label. A prompt begins after the last such position, and is the puzzle's
    own position alone where that was one move ago.
    """

    readout: ClassVar[Readout] = "tokens"
    soft_labels: ClassVar[bool] = False  # greedy decoding, as in the paper
    sizes: ClassVar[dict[Split, int | None]] = {
        "weak_train": 1000,
        "transfer": 1000,
        "transfer_validation": 300,
        "validation": 1000,
        "test": 3000,
    }

    source: str = located(default="")
    digest: str = ""
    prompt: Literal["position", "moves"] = "position"
    plies: int = LONGEST

    def __post_init__(self) -> None:
        if self.plies < 1:
            raise UserError(f"plies is {self.plies}: give at least 1")
        if self.prompt == "position" and self.plies != LONGEST:
            raise UserError('plies limits a prompt of moves: say prompt = "moves" too, or leave it out')

    @property
    def short(self) -> str:
        """`chess-puzzles/moves`: rows of its own in the tables, and the recipes of `chess-puzzles`."""
        return super().short if self.prompt == "position" else f"{super().short}/{self.prompt}"

    @property
    def place(self) -> Path | None:
        return Path(self.source) if self.source else None

    @property
    def path(self) -> Path:
        return Path(self.source) if self.source else Path(str(files("outgrow") / SHIPPED))

    def pinned(self) -> Self:
        return replace(self, digest=digest_of(self.path))

    def load(self) -> Source:
        return _puzzles(self.path).source if self.prompt == "position" else _from_moves(self.path, self.plies)

    def facets(self, examples: Examples) -> Mapping[str, Mapping[str, Facet]]:
        """`theme`: what the solutions do, as far as the board tells. How hard it is: `difficulty`, the nodes an engine
        searched before it settled on the solution, or, from Lichess, the `rating` of the players who solve half."""
        known = _puzzles(self.path)
        rows = {row.example.id: row for row in known.source.rows}
        hard = {id: known.hard[id] for id in examples.ids if id in known.hard}
        theme = {id: _themes(rows[id]) for id in examples.ids}
        return {"difficulty" if self.path.suffix == MINED else "rating": hard, "theme": theme}

    def passages(self, examples: Examples) -> tuple[Passage, ...]:
        """The moves that led to a puzzle, after the position that they began from, at most `LEAD_UP` of them or, for
        prompts of moves, `plies`. There are none where an earlier puzzle stood in the game, as far as that is known:
        what followed that one would tell of its solution."""
        known, most = _puzzles(self.path), LEAD_UP if self.prompt == "position" else self.plies
        found = (_lead_up(known, id, most) for id in examples.ids if not _follows(known, id))
        return tuple(passage for passage in found if passage.text)


@dataclass(frozen=True, kw_only=True)
class _Puzzles:
    """What a file says: the puzzles by their positions, and, by id, how hard they are where that is known and the moves
    that led to them, after the FEN that these began from. `places` are the positions of all puzzles."""

    source: Source
    hard: dict[str, float]
    games: dict[str, tuple[str, tuple[str, ...]]]
    places: Set[str]


def _puzzles(path: Path) -> _Puzzles:
    return _mined(path) if path.suffix == MINED else _lichess(path)


@cache
def _mined(path: Path) -> _Puzzles:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["id", "fen", "solutions", "game", "moves", "difficulty"]).to_pylist()
    rows = [_row(row["id"], row["game"], chess.parse(row["fen"]), tuple(row["solutions"].split())) for row in table]
    return _Puzzles(
        source=Source(rows),
        hard={row["id"]: row["difficulty"] for row in table},
        games={row["id"]: (chess.START, tuple(row["moves"].split())) for row in table},
        places={row["fen"] for row in table},
    )


@cache
def _from_moves(path: Path, plies: int) -> Source:
    """The puzzles of a file with the moves that led to them for prompts; all else stays."""
    known = _puzzles(path)
    rows = []
    for row in known.source.rows:
        led = _lead_up(known, row.example.id, plies)
        prompt = f"{led.given} {led.text}".rstrip()
        rows.append(Row(example=replace(row.example, prompt=prompt), answer=row.answer))
    return Source(rows, Counter(dict(known.source.dropped)))


def _lead_up(known: _Puzzles, id: str, most: int) -> Passage:
    """The last moves that led to a puzzle, none of them played from a puzzle's position."""
    moves, boards = known.games[id][1], _boards(known, id)
    first = max(0, len(moves) - most)
    for number in range(first, len(moves)):
        if chess.place(chess.fen(boards[number])) in known.places:
            first = number + 1
    return Passage(given=chess.position_text(boards[first]), text=" ".join(moves[first:]))


def _follows(known: _Puzzles, id: str) -> bool:
    """Whether a puzzle stood in its game before this one."""
    return any(chess.place(chess.fen(board)) in known.places for board in _boards(known, id)[:-1])


def _boards(known: _Puzzles, id: str) -> list[chess.Board]:
    """The positions of a puzzle's game as far as it is known, its own last."""
    start, moves = known.games[id]
    boards = [chess.parse(start)]
    for move in moves:
        boards.append(chess.play(boards[-1], move))
    return boards


def _themes(row: Row) -> tuple[str, ...]:
    right = [move for move, share in zip(row.example.choices, row.answer, strict=True) if share > 0]
    return themes(chess.read_position(row.example.prompt), right)


@cache
def _lichess(path: Path) -> _Puzzles:
    rows: dict[str, Row] = {}
    ratings: dict[str, float] = {}
    games: dict[str, tuple[str, tuple[str, ...]]] = {}
    places: set[str] = set()
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
        if place in places:
            dropped["the same position again"] += 1
            continue
        id = identifier(place)
        places.add(place)
        # The database names a game only in a web address, which some copies lack: a position is its own group.
        rows[id] = _row(id, _game(record) or place, board, right)
        games[id] = (record["FEN"], (moves[0],))
        if record.get("Rating"):
            ratings[id] = _rating(path, number, record["Rating"])
    if len(wrong) > MOST_WRONG * len(rows):
        raise UserError(wrong[0])
    if not rows:
        raise UserError(f"{path} is empty: it needs rows with FEN and Moves")
    if wrong:
        dropped["no position, or a move that is not legal"] = len(wrong)
    return _Puzzles(source=Source(list(rows.values()), dropped), hard=ratings, games=games, places=places)


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
