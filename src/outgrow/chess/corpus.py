"""The ladder's pretraining corpus: lines of a position followed by moves, with both strong and weak play.

There are three kinds of lines: the engine's best line from a mined position, the moves played in a mined game, and the
moves of master games. Lines from games start at a random move. The corpus contains no forbidden position and no game of
the validation and test splits of the tasks.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import rust_chess

from outgrow.chess import board as chess
from outgrow.chess.mining import read_games
from outgrow.ranges import check_ranges, whole
from outgrow.text import tables
from outgrow.types import UserError

Line = tuple[str, tuple[str, ...]]  # the text of a position, the moves that follow


@dataclass(frozen=True, kw_only=True)
class Mix:
    """The number of lines of each kind, and the largest number of moves of a line.

    Raises UserError for a corpus without lines.
    """

    kind: ClassVar[str] = "corpus/mix"

    engine: int
    players: int
    masters: int
    engine_moves: int = 6
    game_moves: int = 16

    def __post_init__(self) -> None:
        check_ranges(self, engine=whole(0), players=whole(0), masters=whole(0))
        check_ranges(self, engine_moves=whole(1), game_moves=whole(1))
        if not self.engine + self.players + self.masters:
            raise UserError("the corpus has no lines: give a number above 0 for engine, players or masters")


@dataclass(frozen=True, kw_only=True, eq=False)
class Corpus:
    """The token ids of all lines.

    tokens: uint16 [total number of tokens]. offsets: int64 [lines + 1]; line i is tokens[offsets[i]:offsets[i + 1]].
    starts: int64 [lines], where the moves of a line begin. counts: the lines of each kind, and those left out.
    """

    tokens: np.ndarray[Any, np.dtype[np.uint16]]
    offsets: np.ndarray[Any, np.dtype[np.int64]]
    starts: np.ndarray[Any, np.dtype[np.int64]]
    counts: dict[str, int]

    def __len__(self) -> int:
        return len(self.starts)

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        arrays: dict[str, Any] = {"tokens": self.tokens, "offsets": self.offsets, "starts": self.starts}
        save_file(arrays, folder / "corpus.safetensors")
        (folder / "counts.json").write_text(json.dumps(self.counts, indent=1, sort_keys=True))

    @classmethod
    def load(cls, folder: Path) -> Self:
        from safetensors.numpy import load_file

        return cls(**load_file(folder / "corpus.safetensors"), counts=json.loads((folder / "counts.json").read_text()))


def build(
    mined: Path, masters: Path, mix: Mix, open_to: Callable[[str], bool], forbidden: frozenset[str], seed: int
) -> Corpus:
    """Builds a corpus in random order.

    open_to: whether the game of a given name may be used. forbidden: ids of positions that no line may contain. Raises
    UserError if there are too few lines.
    """
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    games = [game for game in read_games(mined) if open_to(game["game"])]
    kinds = {
        "engine": (engine_lines(games, mix, rng), mix.engine),
        "players": (player_lines(games, mix, rng), mix.players),
        "masters": (master_lines(masters, mix, open_to, rng), mix.masters),
    }
    corpus_lines: list[Line] = []
    for kind, (lines, wanted) in kinds.items():
        kept = _kept(lines, wanted, forbidden, counts, kind)
        if len(kept) < wanted:
            raise UserError(
                f"the corpus asks for {wanted} {kind} lines but there are {len(kept)}: mine more, or ask less"
            )
        corpus_lines += kept
    rng.shuffle(corpus_lines)
    return _encode(corpus_lines, dict(counts))


def engine_lines(games: list[dict[str, Any]], mix: Mix, rng: random.Random) -> Iterator[Any]:
    """Every evaluated position with the engine's best line, from the longer search if there is one."""
    for game in rng.sample(games, len(games)):
        board = chess.parse(chess.START)
        for number, move in enumerate(game["moves"]):
            if number >= game["opening"]:
                ply = game["plies"][number - game["opening"]]
                yield board, tuple(ply.get("confirmed", ply)["line"][: mix.engine_moves])
            board = chess.play(board, move)


def player_lines(games: list[dict[str, Any]], mix: Mix, rng: random.Random) -> Iterator[Any]:
    """Positions of mined games with the moves that were played, good or bad. Without end, unless there are no games."""
    while games:
        for game in rng.sample(games, len(games)):
            yield _cut(game["moves"], mix.game_moves, rng)


def master_lines(path: Path, mix: Mix, open_to: Callable[[str], bool], rng: random.Random) -> Iterator[Any]:
    """Positions of master games with the moves that were played. The column `m` has the moves in SAN, which also serve
    as the name of the game. Raises UserError for a row without it."""
    for number, row in tables.rows(path):
        if not isinstance(san := row.get("m"), str):
            raise UserError(f"{path}, row {number}: a game has its moves as text in column 'm'")
        if open_to(san) and len(moves := _uci(san.split())) > 8:
            yield _cut(moves, mix.game_moves, rng)


def _cut(moves: list[str], length: int, rng: random.Random) -> tuple[chess.Board, tuple[str, ...]]:
    """A random position of a game, and up to `length` moves from there."""
    start = rng.randrange(max(1, len(moves) - 4))
    board = chess.parse(chess.START)
    for move in moves[:start]:
        board = chess.play(board, move)
    return board, tuple(moves[start : start + length])


def _uci(san: list[str]) -> list[str]:
    """Moves in SAN converted to UCI, up to the first illegal move."""
    board, moves = chess.parse(chess.START), []
    for word in san:
        try:
            move = board.get_move_from_san(word)
        except ValueError:
            break
        moves.append(move.get_uci())
        board = board.make_move_new(move)
    return moves


def _kept(lines: Iterator[Any], wanted: int, forbidden: frozenset[str], counts: Counter[str], kind: str) -> list[Line]:
    """The first `wanted` lines without a forbidden position."""
    kept: list[Line] = []
    for board, moves in lines:
        if len(kept) == wanted:
            break
        if _contains(board, moves, forbidden):
            counts[f"{kind}: left out"] += 1
        else:
            kept.append((chess.position_text(board), moves))
            counts[kind] += 1
    return kept


def _contains(board: chess.Board, moves: tuple[str, ...], forbidden: frozenset[str]) -> bool:
    """Whether a line contains a forbidden position."""
    for move in (*moves, None):
        if chess.identifier(chess.position_key(chess.fen(board))) in forbidden:
            return True
        if move is not None:
            board = board.make_move_new(rust_chess.Move.from_uci(move))
    return False


def positions_in_corpus(corpus: Corpus, ids: frozenset[str]) -> frozenset[str]:
    """The ids, out of `ids`, of positions that are on a line of the corpus."""
    words = chess.vocabulary()
    present = set()
    for first, start, end in zip(corpus.offsets[:-1], corpus.starts, corpus.offsets[1:], strict=True):
        board = chess.read_position(" ".join(words[token] for token in corpus.tokens[first:start]))
        for token in (*corpus.tokens[start:end], None):
            present.add(chess.identifier(chess.position_key(chess.fen(board))))
            if token is not None:
                board = board.make_move_new(rust_chess.Move.from_uci(words[token]))
        if len(present) > len(ids):  # limits memory
            present &= ids
    return frozenset(present & ids)


def _encode(lines: list[Line], counts: dict[str, int]) -> Corpus:
    ids = {token: i for i, token in enumerate(chess.vocabulary())}
    tokens: list[int] = []
    offsets, starts = [0], []
    for position, moves in lines:
        tokens += [ids[token] for token in position.split()]
        starts.append(len(tokens))
        tokens += [ids[move] for move in moves]
        offsets.append(len(tokens))
    return Corpus(
        tokens=np.array(tokens, np.uint16),
        offsets=np.array(offsets, np.int64),
        starts=np.array(starts, np.int64),
        counts=counts,
    )
