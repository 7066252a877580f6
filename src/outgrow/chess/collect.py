"""From mined games to tables: puzzles (one move wins), positions (who stands to win), and pairs of moves."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from outgrow.chess import board as chess
from outgrow.chess.engine import MATE, Verdict, win_probability
from outgrow.chess.mining import one_wins, read_games

MARGIN = 0.15  # a position is kept where the win probability is at least this far from a half
EVEN = 1  # and where neither side is ahead by more pawns than this: elsewhere counting pieces answers 9 in 10
POSITIONS_A_GAME = 8
WORTH = {"p": 1, "n": 3, "b": 3, "r": 5, "q": 9}


def identifier(place: str) -> str:
    """A position's name: equal positions are equal puzzles, in whatever game they stood."""
    return hashlib.blake2b(place.encode(), digest_size=8).hexdigest()


def solutions(board: chess.Board, best: str) -> tuple[str, ...]:
    """The right moves: every mating one where the best move mates, else the best one alone."""
    if not chess.is_mate(chess.play(board, best)):
        return (best,)
    return tuple(move for move in chess.legal_moves(board) if chess.is_mate(chess.play(board, move)))


def puzzles(games: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The confirmed puzzles, each position once: `fen`, `moves` that led there, `solutions`, `difficulty`, `game`.

    `difficulty` is the nodes the engine searched before the solution became its first choice for good.
    """
    found: dict[str, dict[str, Any]] = {}
    for game in games:
        board, at = chess.parse(chess.START), 0
        for number, ply in enumerate(game["plies"], start=game["opening"]):
            if "confirmed" not in ply:
                continue
            verdict = _verdict(ply["confirmed"])
            if not one_wins(verdict):
                continue
            for move in game["moves"][at:number]:
                board = chess.play(board, move)
            at = number
            place = chess.place(chess.fen(board))
            found.setdefault(
                place,
                {
                    "id": identifier(place),
                    "fen": place,
                    "moves": " ".join(game["moves"][:number]),
                    "solutions": " ".join(solutions(board, verdict.line[0])),
                    "score": min(verdict.score, MATE),
                    "difficulty": verdict.effort,
                    "game": game["game"],
                },
            )
    return list(found.values())


def positions(games: Iterable[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """Positions with a clear verdict and about even material, at most `POSITIONS_A_GAME` of each game, as many won as
    lost ones, each once."""
    sides: dict[bool, dict[str, dict[str, Any]]] = {True: {}, False: {}}
    for game in games:
        clear = []
        board = chess.parse(chess.START)
        for number, move in enumerate(game["moves"]):
            if number >= game["opening"]:
                score = game["plies"][number - game["opening"]]["score"]
                place = chess.place(chess.fen(board))
                if abs(win_probability(score) - 0.5) >= MARGIN and abs(material(place)) <= EVEN:
                    clear.append({"id": identifier(place), "fen": place, "score": score, "game": game["game"]})
            board = chess.play(board, move)
        rng = random.Random(f"{seed}/{game['game']}")
        for row in rng.sample(clear, min(POSITIONS_A_GAME, len(clear))):
            if row["fen"] not in sides[row["score"] < 0]:
                sides[row["score"] > 0].setdefault(row["fen"], row)
    n = min(map(len, sides.values()))
    rows = [row for side in sides.values() for row in random.Random(seed).sample(list(side.values()), n)]
    return sorted(rows, key=lambda row: str(row["id"]))


def material(place: str) -> int:
    """White's pieces less Black's, in pawns."""
    return sum(WORTH.get(c.lower(), 0) * (1 if c.isupper() else -1) for c in place.split()[0])


def collect(mined: Path, out: Path) -> dict[str, int]:
    """Write `puzzles.parquet`, `positions.parquet` and `preferences.parquet`; returns how many rows each has."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from outgrow.chess.preferences import preferences  # which names positions as this file does

    out.mkdir(parents=True, exist_ok=True)
    found = {"puzzles": puzzles, "positions": positions, "preferences": preferences}
    tables = {name: make(read_games(mined)) for name, make in found.items()}
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), out / f"{name}.parquet", compression="zstd", compression_level=19)
    return {name: len(rows) for name, rows in tables.items()}


def _verdict(fields: dict[str, Any]) -> Verdict:
    return Verdict(**{**fields, "line": tuple(fields["line"])})
