"""Converts mined games to tables: puzzles with one winning move, evaluated positions, and pairs of moves."""

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

MARGIN = 0.15  # the smallest distance of the win probability from 0.5 of a position in the table
EVEN = 1  # the largest material difference in pawns; without this limit, counting pieces would solve 90 %
POSITIONS_A_GAME = 12
PIECE_VALUES = {"p": 1, "n": 3, "b": 3, "r": 5, "q": 9}


def solutions(board: chess.Board, best: str) -> tuple[str, ...]:
    """The solutions of a puzzle: all mating moves if the best move mates, else only the best move."""
    if not chess.is_mate(chess.play(board, best)):
        return (best,)
    return tuple(move for move in chess.legal_moves(board) if chess.is_mate(chess.play(board, move)))


def puzzles(games: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The confirmed puzzles, without duplicate positions: `fen`, `moves` that led there, `solutions`, `difficulty`,
    `game`.

    `difficulty` is the number of nodes that the engine searched until the solution stayed its first choice.
    """
    rows: dict[str, dict[str, Any]] = {}
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
            rows.setdefault(
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
    return list(rows.values())


def positions(games: Iterable[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """Positions with a clear evaluation and about equal material, at most `POSITIONS_A_GAME` from each game, without
    duplicates."""
    rows: dict[str, dict[str, Any]] = {}
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
            rows.setdefault(row["fen"], row)
    return list(rows.values())


def balanced(rows: list[dict[str, Any]], seed: int = 0) -> list[dict[str, Any]]:
    """A random subsample with as many winning as losing positions."""
    classes = [[row for row in rows if (row["score"] > 0) == won] for won in (True, False)]
    n = min(map(len, classes))
    rows = [row for members in classes for row in random.Random(seed).sample(members, n)]
    return sorted(rows, key=lambda row: str(row["id"]))


def material(position: str) -> int:
    """The material balance from White's side, in pawns."""
    return sum(PIECE_VALUES.get(c.lower(), 0) * (1 if c.isupper() else -1) for c in position.split()[0])


def collect(mined: Path, out: Path, corpus: Corpus | None = None) -> dict[str, int]:
    """Writes `puzzles.parquet`, `positions.parquet` and `preferences.parquet` from the games in `mined`.

    corpus: if given, positions on its lines are left out (decontamination). Returns the number of rows of each table,
    and with a corpus the number left out.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    out.mkdir(parents=True, exist_ok=True)
    games = list(read_games(mined))
    candidates = {"puzzles": puzzles(games), "positions": positions(games), "preferences": preferences(games)}
    ids = frozenset(row["id"] for rows in candidates.values() for row in rows)
    in_corpus = positions_in_corpus(corpus, ids) if corpus else frozenset()
    counts: dict[str, int] = {}
    for name, table in candidates.items():
        kept = [row for row in table if row["id"] not in in_corpus]
        rows = balanced(kept) if name == "positions" else kept
        pq.write_table(pa.Table.from_pylist(rows), out / f"{name}.parquet", compression="zstd", compression_level=19)
        counts[name] = len(rows)
        if corpus:
            counts[f"{name} on a line of the corpus"] = len(table) - len(kept)
    return counts


def collected(folder: Path) -> frozenset[str]:
    """The ids of all rows of the tables in a folder and its subfolders. Raises UserError if there are no tables."""
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        raise UserError(f"{folder} has no tables to keep away from: run outgrow collect {folder} --out {folder} first")
    ids = set()
    for file in files:
        for number, row in tables.rows(file):
            if not isinstance(row.get("id"), str):
                raise UserError(f"{file}, row {number}: there is no 'id': this is not a table of outgrow collect")
            ids.add(row["id"])
    return frozenset(ids)


def _verdict(fields: dict[str, Any]) -> Verdict:
    return Verdict(**{**fields, "line": tuple(fields["line"])})
