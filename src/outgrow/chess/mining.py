"""Mines games with errors, with an engine evaluation of every position. They are the source of puzzles, positions and
the corpus.

One search for each position is used for everything: the evaluation, the move of a strong player, and whether exactly
one move wins. In that case a longer search confirms the position as a puzzle.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from outgrow.chess import board as chess
from outgrow.chess.engine import Engine, Verdict, win_probability
from outgrow.chess.rung import LADDER, Rung
from outgrow.text import tables
from outgrow.types import UserError

WINS, WINS_NOT = 0.70, 0.60  # win probabilities: at least WINS for the solution, at most WINS_NOT for all other moves
CANDIDATE = 0.65, 0.65  # the looser thresholds of the short search, for positions that the longer search checks


@dataclass(frozen=True, kw_only=True)
class Mining:
    """Parameters of mining. Shards are seeded, but not reproducible: the errors of a limited Stockfish depend
    on the clock. The bundled data is therefore identified by its digest."""

    seed: int = 0
    games_per_shard: int = 100
    nodes: int = 1200  # of the evaluation of a position
    confirm_nodes: int = 10_000  # of the confirmation of a puzzle
    skill_nodes: int = 60  # of a move of a limited player
    max_plies: int = 100


@dataclass(frozen=True, kw_only=True)
class Player:
    """A player that mixes moves at random.

    second, chance: the probabilities of the engine's second best move and of a random legal move. Otherwise it plays
    the move of a limited engine (`skill`) or of a ladder model (`rung`) if given, else the engine's best move.
    """

    name: str
    second: float = 0.0
    chance: float = 0.0
    skill: int | None = None
    rung: str | None = None

    def move(
        self, rng: random.Random, board: chess.Board, verdict: Verdict, recipe: Mining, opponents: Opponents
    ) -> str:
        draw = rng.random()
        if draw < self.chance:
            return rng.choice(chess.legal_moves(board))
        if draw < self.chance + self.second:
            return verdict.second_move or verdict.line[0]
        if self.rung is not None:
            return opponents.rungs[self.rung].move(board)
        if self.skill is not None:
            return opponents.limited[self.skill].best(chess.fen(board), recipe.skill_nodes)
        return verdict.line[0]


PLAYERS = (  # by strength, weakest first
    *(Player(name=f"ladder/{rung}", rung=rung) for rung in ("knight", "bishop")),
    Player(name="wild", chance=0.7),
    Player(name="blunders", second=0.1, chance=0.3),
    Player(name="slips", chance=0.12),
    Player(name="skill 0", skill=0),
    Player(name="skill 2", skill=2),
    Player(name="careless", second=0.25, chance=0.03),
    Player(name="skill 5", skill=5),
    Player(name="skill 10", skill=10),
    Player(name="skill 15", skill=15),
    Player(name="strong"),
)
MAX_DISTANCE = 2  # of opponents in that list: games between unequal players are decided early and have fewer puzzles


class Opponents:
    """The engines of limited strength and the ladder models that players use."""

    def __init__(self, engine: str | None) -> None:
        skills = [player.skill for player in PLAYERS if player.skill is not None]
        self.limited = {skill: Engine(engine, skill=skill) for skill in skills}
        self.rungs = {player.rung: Rung(LADDER / player.rung) for player in PLAYERS if player.rung}

    def new_game(self) -> None:
        for limited in self.limited.values():
            limited.new_game()

    def close(self) -> None:
        for limited in self.limited.values():
            limited.close()


def pair(rng: random.Random) -> tuple[Player, Player]:
    """Two random players of similar strength, White first."""
    white = rng.randrange(len(PLAYERS))
    return PLAYERS[white], rng.choice(PLAYERS[max(0, white - MAX_DISTANCE) : white + MAX_DISTANCE + 1])


def one_wins(verdict: Verdict, wins: float = WINS, wins_not: float = WINS_NOT) -> bool:
    """Whether exactly one move wins. wins, wins_not: thresholds of the win probability."""
    return (
        verdict.second is not None
        and win_probability(verdict.score) >= wins
        and win_probability(verdict.second) <= wins_not
    )


def play_game(recipe: Mining, number: int, judge: Engine, opponents: Opponents) -> dict[str, Any]:
    """Plays one game. Returns it as JSON data: the players, the moves, and an evaluation of every position."""
    rng = random.Random(f"{recipe.seed}/{number}")
    sides = pair(rng)
    judge.new_game()
    opponents.new_game()
    position = chess.parse(chess.START)
    moves: list[str] = []
    plies: list[dict[str, Any]] = []
    decided = 0
    for _ in range(rng.randint(2, 10)):  # a random opening, so that games differ
        if legal := chess.legal_moves(position):
            moves.append(rng.choice(legal))
            position = chess.play(position, moves[-1])
    opening = len(moves)
    while len(moves) < recipe.max_plies and decided < 12 and not position.is_insufficient_material():
        if not chess.legal_moves(position):
            break
        fen = chess.fen(position)
        verdict = judge.judge(fen, recipe.nodes)
        ply: dict[str, Any] = asdict(verdict)
        if one_wins(verdict, *CANDIDATE):
            ply["confirmed"] = asdict(judge.judge(fen, recipe.confirm_nodes))
        plies.append(ply)
        decided = decided + 1 if abs(verdict.score) > 1200 else 0
        player = sides[len(moves) % 2]
        moves.append(player.move(rng, position, verdict, recipe, opponents))
        position = chess.play(position, moves[-1])
    players = [side.name for side in sides]
    return {"game": f"{recipe.seed}-{number}", "players": players, "opening": opening, "moves": moves, "plies": plies}


def shard_path(folder: Path, recipe: Mining, shard: int) -> Path:
    """The file of a shard of mined games."""
    return folder / f"games-{recipe.seed}-{shard:05d}.jsonl.gz"


def mine_shard(folder: Path, recipe: Mining, shard: int, engine: str | None = None) -> Path:
    """Writes one shard of games atomically, unless it exists. Returns its path."""
    path = shard_path(folder, recipe, shard)
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    judge, opponents = Engine(engine, lines=2), Opponents(engine)
    try:
        first = shard * recipe.games_per_shard
        games = [play_game(recipe, first + i, judge, opponents) for i in range(recipe.games_per_shard)]
    finally:
        judge.close()
        opponents.close()
    draft = path.with_suffix(f".{os.getpid()}")
    with gzip.GzipFile(draft, "wb", mtime=0) as file:
        for game in games:
            file.write((json.dumps(game, separators=(",", ":")) + "\n").encode())
    draft.replace(path)
    return path


def read_games(folder: Path) -> Iterator[dict[str, Any]]:
    """The games of all shards in a folder and its subfolders, in the order of the shards. Raises UserError for a row
    that is not a game."""
    for path in sorted(folder.rglob("games-*.jsonl.gz"), key=lambda path: path.name):
        for number, game in tables.rows(path):
            if lacking := {"game", "opening", "moves", "plies"} - game.keys():
                raise UserError(f"{path}, row {number}: this game has no {min(lacking)}: mine the shard again")
            yield game
