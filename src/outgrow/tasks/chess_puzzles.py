"""Chess puzzles: find the only winning move (Burns et al. 2023, section 4.2). The choices are the legal moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from outgrow.chess import board as chess
from outgrow.chess import drawing, values
from outgrow.chess.puzzle import Puzzle, number_in, of_lichess, row_format
from outgrow.chess.themes import themes
from outgrow.chess.values import lost
from outgrow.graph import not_hashed
from outgrow.ranges import check_ranges, one_of, whole
from outgrow.tasks._parsed import parsed
from outgrow.tasks.base import Facet, Passage, Readout, Row, Source, Split, Task
from outgrow.tasks.text import on_this_machine
from outgrow.text import tables
from outgrow.text.opening import digest_of_files, refuse_changed
from outgrow.types import Example, Examples, UserError

SHIPPED = "chess/data/puzzles.parquet"
VALUES = "chess/data/values.parquet"  # of every legal move of the test puzzles
MOST_WRONG = 0.001  # the largest fraction of bad rows that are skipped; a file with more is an error
LEAD_UP = 8  # the largest number of plies in a passage if the prompt is the position
LONGEST = 150  # default plies: with a position of up to 35 tokens they fit the context of the ladder, 192 tokens


@dataclass(frozen=True, kw_only=True)
class ChessPuzzles(Task):
    """Chess puzzles: choose the winning move among the legal ones.

    source: the published Lichess puzzle database in any format that `text` reads, where the first of `Moves` is played
    and the second is the answer; or the `puzzles.parquet` of `outgrow collect`. Default: the bundled puzzles. The
    puzzles of a game are one group: Lichess gives the game in `GameId` or `GameUrl`; without either, a position is a
    group by itself.

    prompt: "position", or as in the paper "moves", the moves that led to the position. They follow the position that
    they start from, as in the training data of the ladder. Mined puzzles have all moves of the game; Lichess puzzles
    only the opponent's last one. plies: the largest number of moves; longer games are truncated from the left.

    values: what an engine says that each legal move is worth, a file of `outgrow move-values`. The bundled puzzles of
    test have theirs. They are read by scores alone.

    A prompt of moves contains no move that was played in the position of a puzzle. Such a move may be the solution of
    an earlier puzzle of the same game, so of the same split, and would show the student ground truth beside the weak
    label. The prompt therefore starts after the last such position.
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
    values: str = not_hashed(default="")

    def __post_init__(self) -> None:
        check_ranges(self, prompt=one_of("position", "moves"), plies=whole(1))
        if self.prompt == "position" and self.plies != LONGEST:
            raise UserError('plies limits a prompt of moves: set prompt = "moves" too, or leave it out')

    @property
    def short_name(self) -> str:
        """`chess-puzzles`, or `chess-puzzles/moves`, which has separate rows in tables but the same recipes."""
        return super().short_name if self.prompt == "position" else f"{super().short_name}/{self.prompt}"

    @property
    def location(self) -> Path | None:
        return Path(self.source) if self.source else None

    @property
    def path(self) -> Path:
        return on_this_machine(self.source) if self.source else Path(str(files("outgrow") / SHIPPED))

    def pinned(self) -> Self:
        return replace(self, digest=digest_of_files([self.path]))

    def load(self) -> Source:
        return _load(self if self.digest else self.pinned())

    def _puzzles(self) -> _Puzzles:
        return _puzzles(self.path, self.digest or self.pinned().digest)

    def facets(self, examples: Examples) -> Mapping[str, Mapping[str, Facet]]:
        """`theme`: tactical themes of the solutions. Also the difficulty, if known: `difficulty`, the nodes an engine
        searched until the solution stayed its first choice, or for Lichess puzzles the Elo `rating`."""
        puzzles = self._puzzles()
        rows = {row.example.id: row for row in puzzles.source.rows}
        difficulty = {id: puzzles.difficulty[id] for id in examples.ids if id in puzzles.difficulty}
        theme = {id: _themes(rows[id]) for id in examples.ids}
        return {puzzles.measure: difficulty, "theme": theme}

    @property
    def _values_path(self) -> Path | None:
        if self.values:
            return on_this_machine(self.values)
        return None if self.source else Path(str(files("outgrow") / VALUES))

    @property
    def regret_digest(self) -> str:
        return digest_of_files([path]) if (path := self._values_path) else ""

    @property
    def regret_advice(self) -> str:
        return (
            f"judge the moves of the test puzzles once, outgrow move-values {self.source or 'PUZZLES'} --out "
            'values.parquet, and set the field values = "values.parquet" of the task'
        )

    def regret(self, examples: Examples) -> Mapping[str, tuple[float, ...]]:
        """The win probability that each move loses beside the best one, by the engine's value of every legal move.

        Raises UserError for another number of values than of legal moves.
        """
        path = self._values_path
        known = _values(path, self.regret_digest) if path else {}
        for row in examples.rows:
            if len(known.get(row.id, row.choices)) != len(row.choices):
                raise UserError(
                    f"{path}: the puzzle {row.id} has {len(known[row.id])} values and {len(row.choices)} legal moves: "
                    f"{values.MAKE}"
                )
        return {id: lost(known[id]) for id in examples.ids if id in known}

    def drawing(self, example: Example, marked: Mapping[str, str]) -> str:
        """The board, with arrows for the moves."""
        return drawing.of_prompt(example.prompt, marked)

    def passages(self, examples: Examples) -> tuple[Passage, ...]:
        """The position and the moves that led to a puzzle, at most `LEAD_UP` moves or, for prompts of moves, `plies`.

        A puzzle whose game passes through the position of another puzzle has no passage: the moves after it may give
        away that puzzle's solution.
        """
        puzzles, most = self._puzzles(), LEAD_UP if self.prompt == "position" else self.plies
        passages = (_lead_up(puzzles, id, most) for id in examples.ids if not _follows_a_puzzle(puzzles, id))
        return tuple(passage for passage in passages if passage.text)

    def solved(self, example: Example, answer: str) -> Passage:
        """The position, then the answer: the ladder learns moves, and never the position that it is given."""
        return Passage(given=example.prompt, text=answer)


@lru_cache(maxsize=4)
def _values(path: Path, digest: str) -> dict[str, tuple[int, ...]]:
    """The values of moves in a file, by the id of the puzzle."""
    refuse_changed([path], digest)
    return values.read(path)


@lru_cache(maxsize=4)
def _load(task: ChessPuzzles) -> Source:
    """The rows of a pinned task. Raises UserError if its file has changed since."""
    refuse_changed([task.path], task.digest)
    return parsed(task, [task.path], lambda: _rows(task))


def _rows(task: ChessPuzzles) -> Source:
    puzzles = _puzzles(task.path, task.digest)
    return puzzles.source if task.prompt == "position" else _from_moves(puzzles, task.plies)


@dataclass(frozen=True, kw_only=True)
class _Puzzles:
    """The puzzles of a file. measure: the name of the difficulty facet. difficulty: by id, if known. games: by id, the
    FEN from which the game is known and the moves from there to the puzzle. positions: the keys of all puzzles."""

    source: Source
    measure: str
    difficulty: dict[str, float]
    games: dict[str, tuple[str, tuple[str, ...]]]
    positions: Set[str]


@lru_cache(maxsize=4)
def _puzzles(path: Path, digest: str) -> _Puzzles:
    """The puzzles of a file, without duplicate positions. Bad rows are skipped and counted, up to `MOST_WRONG`.

    Raises UserError if the file has changed, is empty or has more bad rows.
    """
    refuse_changed([path], digest)
    rows: dict[str, Row] = {}
    difficulties: dict[str, float] = {}
    games: dict[str, tuple[str, tuple[str, ...]]] = {}
    positions: set[str] = set()
    dropped: Counter[str] = Counter()
    errors: list[str] = []
    parse: Callable[[dict[str, Any]], Puzzle] = of_lichess
    measure = "Rating"
    for number, record in tables.rows(path):
        if not (rows or errors):
            parse, measure = row_format(path, record)
        reason = "no position, or a move that is not legal"
        try:
            puzzle = parse(record)
            reason = f"the {measure} is not a number"
            difficulty = number_in(record, measure)
        except UserError as error:  # copies of the database have such rows, one in some hundred thousand
            errors.append(f"{path}, row {number}: {error}")
            dropped[reason] += 1
            continue
        if puzzle.position in positions:
            dropped["the same position again"] += 1
            continue
        positions.add(puzzle.position)
        rows[puzzle.id] = _row(puzzle)
        games[puzzle.id] = puzzle.start, puzzle.moves
        if difficulty is not None:
            difficulties[puzzle.id] = difficulty
    if len(errors) > MOST_WRONG * len(rows):
        raise UserError(errors[0])
    if not rows:
        raise UserError(f"{path} is empty: it needs rows with FEN and Moves")
    source = Source(list(rows.values()), dropped)
    return _Puzzles(source=source, measure=measure.lower(), difficulty=difficulties, games=games, positions=positions)


def _row(puzzle: Puzzle) -> Row:
    """The row of a puzzle. Without a known game, its position is its group."""
    answer = tuple(float(move in puzzle.right) / len(puzzle.right) for move in puzzle.legal)
    group, prompt = puzzle.game or puzzle.position, chess.position_text(puzzle.board)
    return Row(example=Example(id=puzzle.id, group=group, prompt=prompt, choices=puzzle.legal), answer=answer)


def _from_moves(puzzles: _Puzzles, plies: int) -> Source:
    """Puzzles with prompts of moves."""
    rows = []
    for row in puzzles.source.rows:
        lead_up = _lead_up(puzzles, row.example.id, plies)
        prompt = f"{lead_up.given} {lead_up.text}".rstrip()
        rows.append(Row(example=replace(row.example, prompt=prompt), answer=row.answer))
    return Source(rows, Counter(dict(puzzles.source.dropped)))


def _lead_up(puzzles: _Puzzles, id: str, most: int) -> Passage:
    """The last moves that led to a puzzle, at most `most`, none of them played in the position of a puzzle."""
    moves, boards = puzzles.games[id][1], _boards(puzzles, id)
    first = max(0, len(moves) - most)
    for number in range(first, len(moves)):
        if chess.position_key(chess.fen(boards[number])) in puzzles.positions:
            first = number + 1
    return Passage(given=chess.position_text(boards[first]), text=" ".join(moves[first:]))


def _follows_a_puzzle(puzzles: _Puzzles, id: str) -> bool:
    """Whether the known part of the game passes through the position of another puzzle before this one."""
    return any(chess.position_key(chess.fen(board)) in puzzles.positions for board in _boards(puzzles, id)[:-1])


def _boards(puzzles: _Puzzles, id: str) -> list[chess.Board]:
    """The positions of the known part of a puzzle's game, ending with the puzzle."""
    start, moves = puzzles.games[id]
    boards = [chess.parse(start)]
    for move in moves:
        boards.append(chess.play(boards[-1], move))
    return boards


def _themes(row: Row) -> tuple[str, ...]:
    right = [move for move, share in zip(row.example.choices, row.answer, strict=True) if share > 0]
    return themes(chess.read_position(row.example.prompt), right)
