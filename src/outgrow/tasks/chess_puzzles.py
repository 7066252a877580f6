"""Chess puzzles: find the one move that wins (Burns et al. 2023, section 4.2). Answers are legal moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from outgrow.chess import board as chess
from outgrow.chess.puzzle import Puzzle, length_limit, number_in, of_lichess
from outgrow.chess.themes import themes
from outgrow.graph import not_hashed
from outgrow.ranges import check_ranges, one_of, whole
from outgrow.tasks.base import Facet, Passage, Readout, Row, Source, Split, Task
from outgrow.tasks.text import on_this_machine
from outgrow.text import tables
from outgrow.text.opening import digest_of_files, refuse_changed
from outgrow.types import Example, Examples, UserError

SHIPPED = "chess/data/puzzles.parquet"
MOST_WRONG = 0.001  # a file with more bad rows than this share is refused, not mended
LEAD_UP = 8  # plies before a puzzle that a passage has at most, where the prompt is the position
LONGEST = 150  # plies: after a position of up to 35 words they fit the 192 tokens that the ladder reads


@dataclass(frozen=True, kw_only=True)
class ChessPuzzles(Task):
    """Chess puzzles: choose the winning move among the legal ones.

    `source` is the Lichess puzzle database as published (any format that `text` reads), where the first of `Moves` is
    played and the second is the answer, or the `puzzles.parquet` of `outgrow collect`; without it, the puzzles that
    ship. A game is a group: Lichess names it in `GameId` or `GameUrl`; where both are absent a position is its own.

    `prompt`: the `position`, or, as in the paper, the `moves` that led to it. These stand after the position that they
    begin from, as in the lines that the ladder was trained on, and are the last `plies` at most. Of a mined puzzle they
    are the game from its first move; of a Lichess puzzle only the opponent's last move is known. No move is played from
    the position of a puzzle: it may be the solution of an earlier one of the same game, so of the same split, and would
    show a student ground truth beside the weak label. A prompt begins after the last such position, and is the puzzle's
    own position alone where that was one move ago.
    """

    kind: ClassVar[str] = "task/chess-puzzles"
    version: ClassVar[int] = 3  # 3: a Lichess game is named by the first part of its address, not by the last
    readout: ClassVar[Readout] = "tokens"
    soft_labels: ClassVar[bool] = False  # greedy decoding, as in the paper
    sizes: ClassVar[dict[Split, int | None]] = {
        "weak_train": 1000,
        "transfer": 1000,
        "transfer_validation": 300,
        "validation": 1000,
        "test": 3000,
    }

    source: str = not_hashed(default="")
    digest: str = ""
    prompt: Literal["position", "moves"] = "position"
    plies: int = LONGEST

    def __post_init__(self) -> None:
        check_ranges(self, prompt=one_of("position", "moves"), plies=whole(1))
        if self.prompt == "position" and self.plies != LONGEST:
            raise UserError('plies limits a prompt of moves: say prompt = "moves" too, or leave it out')

    @property
    def short(self) -> str:
        """`chess-puzzles/moves`: rows of its own in the tables, and the recipes of `chess-puzzles`."""
        return super().short if self.prompt == "position" else f"{super().short}/{self.prompt}"

    @property
    def location(self) -> Path | None:
        return Path(self.source) if self.source else None

    @property
    def path(self) -> Path:
        return on_this_machine(self.source) if self.source else Path(str(files("outgrow") / SHIPPED))

    def pinned(self) -> Self:
        return replace(self, digest=digest_of_files([self.path]))

    def load(self) -> Source:
        if self.prompt == "position":
            return self._known().source
        return _from_moves(self.path, self.digest or self.pinned().digest, self.plies)

    def _known(self) -> _Puzzles:
        return _puzzles(self.path, self.digest or self.pinned().digest)

    def facets(self, examples: Examples) -> Mapping[str, Mapping[str, Facet]]:
        """`theme`: what the solutions do, as far as the board tells. How hard it is: `difficulty`, the nodes an engine
        searched before it settled on the solution, or, from Lichess, the `rating` of the players who solve half."""
        known = self._known()
        rows = {row.example.id: row for row in known.source.rows}
        hard = {id: known.hard[id] for id in examples.ids if id in known.hard}
        theme = {id: _themes(rows[id]) for id in examples.ids}
        return {known.measure: hard, "theme": theme}

    def passages(self, examples: Examples) -> tuple[Passage, ...]:
        """The moves that led to a puzzle, after the position that they began from, at most `LEAD_UP` of them or, for
        prompts of moves, `plies`. There are none where an earlier puzzle stood in the game, as far as that is known:
        what followed that one would tell of its solution."""
        known, most = self._known(), LEAD_UP if self.prompt == "position" else self.plies
        found = (_lead_up(known, id, most) for id in examples.ids if not _follows(known, id))
        return tuple(passage for passage in found if passage.text)


@dataclass(frozen=True, kw_only=True)
class _Puzzles:
    """What a file says: the puzzles by their positions, and, by id, how hard they are where that is known (`measure`
    says by what) and the moves that led to them, after the FEN that these began from. `places` are the positions of all
    puzzles."""

    source: Source
    measure: str
    hard: dict[str, float]
    games: dict[str, tuple[str, tuple[str, ...]]]
    locations: Set[str]


@lru_cache(maxsize=4)
def _puzzles(path: Path, digest: str) -> _Puzzles:
    """The puzzles of a file, each position once. Of very few bad rows each is left out and counted."""
    refuse_changed([path], digest)
    rows: dict[str, Row] = {}
    hard: dict[str, float] = {}
    games: dict[str, tuple[str, tuple[str, ...]]] = {}
    locations: set[str] = set()
    dropped: Counter[str] = Counter()
    wrong: list[str] = []
    of_row: Callable[[dict[str, Any]], Puzzle] = of_lichess
    measure = "Rating"
    for number, record in tables.rows(path):
        if not (rows or wrong):
            of_row, measure = length_limit(path, record)
        fault = "no position, or a move that is not legal"
        try:
            puzzle = of_row(record)
            fault = f"the {measure} is not a number"
            difficulty = number_in(record, measure)
        except UserError as error:  # copies of the database have such rows, one in some hundred thousand
            wrong.append(f"{path}, row {number}: {error}")
            dropped[fault] += 1
            continue
        if puzzle.position in locations:
            dropped["the same position again"] += 1
            continue
        locations.add(puzzle.position)
        rows[puzzle.id] = _row(puzzle)
        games[puzzle.id] = puzzle.start, puzzle.moves
        if difficulty is not None:
            hard[puzzle.id] = difficulty
    if len(wrong) > MOST_WRONG * len(rows):
        raise UserError(wrong[0])
    if not rows:
        raise UserError(f"{path} is empty: it needs rows with FEN and Moves")
    found = Source(list(rows.values()), dropped)
    return _Puzzles(source=found, measure=measure.lower(), hard=hard, games=games, locations=locations)


def _row(puzzle: Puzzle) -> Row:
    """A puzzle of a game that is not known is a group of its own."""
    answer = tuple(float(move in puzzle.right) / len(puzzle.right) for move in puzzle.legal)
    group, prompt = puzzle.game or puzzle.position, chess.position_text(puzzle.board)
    return Row(example=Example(id=puzzle.id, group=group, prompt=prompt, choices=puzzle.legal), answer=answer)


@lru_cache(maxsize=4)
def _from_moves(path: Path, digest: str, plies: int) -> Source:
    """The puzzles of a file with the moves that led to them for prompts; all else stays."""
    known = _puzzles(path, digest)
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
        if chess.position_key(chess.fen(boards[number])) in known.locations:
            first = number + 1
    return Passage(given=chess.position_text(boards[first]), text=" ".join(moves[first:]))


def _follows(known: _Puzzles, id: str) -> bool:
    """Whether a puzzle stood in its game before this one."""
    return any(chess.position_key(chess.fen(board)) in known.locations for board in _boards(known, id)[:-1])


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
