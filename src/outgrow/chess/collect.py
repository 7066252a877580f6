"""From mined games to tables: puzzles (one move wins), positions (who stands to win), and pairs of moves."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from outgrow.chess import board as chess
from outgrow.chess.corpus import Corpus, positions_in_corpus
from outgrow.chess.engine import MATE, Verdict, win_probability
from outgrow.chess.mining import one_wins, read_games
from outgrow.chess.preferences import preferences
from outgrow.text import tables
from outgrow.types import UserError

MARGIN = 0.15  # a position is kept where the win probability is at least this far from a half
EVEN = 1  # and where neither side is ahead by more pawns than this: elsewhere counting pieces answers 9 in 10
POSITIONS_A_GAME = 12
WORTH = {"p": 1, "n": 3, "b": 3, "r": 5, "q": 9}


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
            position = chess.position_key(chess.fen(board))
            found.setdefault(
                position,
                {
                    "id": chess.identifier(position),
                    "fen": position,
                    "moves": " ".join(game["moves"][:number]),
                    "solutions": " ".join(solutions(board, verdict.line[0])),
                    "score": min(verdict.score, MATE),
                    "difficulty": verdict.effort,
                    "game": game["game"],
                },
            )
    return list(found.values())


def positions(games: Iterable[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """Positions with a clear verdict and about even material, at most `POSITIONS_A_GAME` of each game, each once."""
    found: dict[str, dict[str, Any]] = {}
    for game in games:
        clear = []
        board = chess.parse(chess.START)
        for number, move in enumerate(game["moves"]):
            if number >= game["opening"]:
                score = game["plies"][number - game["opening"]]["score"]
                position = chess.position_key(chess.fen(board))
                if abs(win_probability(score) - 0.5) >= MARGIN and abs(material(position)) <= EVEN:
                    clear.append(
                        {"id": chess.identifier(position), "fen": position, "score": score, "game": game["game"]}
                    )
            board = chess.play(board, move)
        rng = random.Random(f"{seed}/{game['game']}")
        for row in rng.sample(clear, min(POSITIONS_A_GAME, len(clear))):
            found.setdefault(row["fen"], row)
    return list(found.values())


def balanced(rows: list[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """As many won positions as lost ones."""
    sides = [[row for row in rows if (row["score"] > 0) == won] for won in (True, False)]
    n = min(map(len, sides))
    rows = [row for side in sides for row in random.Random(seed).sample(side, n)]
    return sorted(rows, key=lambda row: str(row["id"]))


def material(position: str) -> int:
    """White's pieces less Black's, in pawns."""
    return sum(WORTH.get(c.lower(), 0) * (1 if c.isupper() else -1) for c in position.split()[0])


def collect(mined: Path, out: Path, corpus: Corpus | None = None) -> dict[str, int]:
    """Write `puzzles.parquet`, `positions.parquet` and `preferences.parquet`. Returns how many rows each has, and, of a
    corpus, how many were left out because they stand on a line of it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out.mkdir(parents=True, exist_ok=True)
    games = list(read_games(mined))
    found = {"puzzles": puzzles(games), "positions": positions(games), "preferences": preferences(games)}
    names = frozenset(row["id"] for rows in found.values() for row in rows)
    known = positions_in_corpus(corpus, names) if corpus else frozenset()
    counts: dict[str, int] = {}
    for name, made in found.items():
        kept = [row for row in made if row["id"] not in known]
        rows = balanced(kept) if name == "positions" else kept
        pq.write_table(pa.Table.from_pylist(rows), out / f"{name}.parquet", compression="zstd", compression_level=19)
        counts[name] = len(rows)
        if corpus:
            counts[f"{name} on a line of the corpus"] = len(made) - len(kept)
    return counts


def collected(folder: Path) -> frozenset[str]:
    """The identifiers of every row of the tables in a folder and the folders in it. UserError where there are none."""
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        raise UserError(f"{folder} has no tables to keep away from: run outgrow collect {folder} --out {folder} first")
    found = set()
    for file in files:
        for number, row in tables.rows(file):
            if not isinstance(row.get("id"), str):
                raise UserError(f"{file}, row {number}: there is no 'id': this is no table of outgrow collect")
            found.add(row["id"])
    return frozenset(found)


def _verdict(fields: dict[str, Any]) -> Verdict:
    return Verdict(**{**fields, "line": tuple(fields["line"])})
