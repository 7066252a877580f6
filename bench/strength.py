"""How strong are the rungs, in Elo? `python -m bench.strength` prints it. Needs stockfish.

Stockfish at skill 0 beats the rungs in nearly every game, which says nothing of how far away it is. So it is diluted:
of its moves a share is drawn at random from the legal ones. Everybody meets everybody, and one scale is fitted to all
points (Bradley and Terry 1952; a draw is half a point), on which the random mover has 0. Skill 0 errs by the clock: a
second run gives the like, not the same.
"""

from __future__ import annotations

import argparse
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from multiprocessing import get_context

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression

from outgrow.chess import board as chess
from outgrow.chess.engine import Engine
from outgrow.chess.rung import LADDER, Rung, rungs
from outgrow.types import Doubles

NODES, PLIES, GAMES = 60, 200, 40
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
HEADER = ("player", "Elo")

Mover = Callable[[chess.Board], str]
Points = Mapping[tuple[str, str], Sequence[float]]  # of the first, in each game


def diluted(share: float) -> str:
    return f"Stockfish, skill 0, {NODES} nodes, {100 * share:.0f} % of its moves" if share else "random moves"


DILUTED = {diluted(share): share for share in SHARES}


@cache
def rung(name: str) -> Rung:
    return Rung(LADDER / name)


@contextmanager
def player(name: str, rng: random.Random) -> Iterator[Mover]:
    if name not in DILUTED:
        yield rung(name).move
        return
    with Engine(skill=0) as engine:

        def move(board: chess.Board) -> str:
            if rng.random() < DILUTED[name]:
                return engine.best(chess.fen(board), NODES)
            return rng.choice(chess.legal_moves(board))

        yield move


def play(white: Mover, black: Mover, rng: random.Random, opening: int = 4) -> tuple[list[str], float]:
    """A game after random opening moves: its moves and White's points. A position that stands for the third time is a
    draw, and so are two hundred plies without mate."""
    board = chess.parse(chess.START)
    moves: list[str] = []
    stood: Counter[str] = Counter()
    while len(moves) < PLIES and (legal := chess.legal_moves(board)) and not board.is_insufficient_material():
        stood[here := chess.position_key(chess.fen(board))] += 1
        if stood[here] == 3:
            return moves, 0.5
        mover = white if len(moves) % 2 == 0 else black
        moves.append(rng.choice(legal) if len(moves) < opening else mover(board))
        board = chess.play(board, moves[-1])
    return moves, (float(len(moves) % 2 == 1) if chess.is_mate(board) else 0.5)


def meet(one: str, other: str, games: int) -> list[float]:
    """The points of `one` in games against `other`, colours in turn."""
    rng = random.Random(f"{one}/{other}")
    with player(one, rng) as first, player(other, rng) as second:
        white = [play(*((first, second) if i % 2 == 0 else (second, first)), rng)[1] for i in range(games)]
    return [points if i % 2 == 0 else 1 - points for i, points in enumerate(white)]


def elo(points: Points) -> dict[str, float]:
    """Ratings that make the points likeliest, the first name's being 0. Each player counts one drawn game more than it
    played, spread over the others, or who never lost would be infinitely strong."""
    names = list(dict.fromkeys(name for pair in points for name in pair))
    half = 0.5 / (len(names) - 1)
    rows, won, weights = [], [], []
    for (one, other), scored in points.items():
        against = np.zeros(len(names))
        against[names.index(one)], against[names.index(other)] = 1.0, -1.0
        rows += [against, against]
        won += [1, 0]
        weights += [sum(scored) + half, len(scored) - sum(scored) + half]
    fitted = LogisticRegression(C=math.inf, fit_intercept=False, tol=1e-8, max_iter=1000)
    fitted.fit(np.stack(rows), won, sample_weight=weights)
    scale = fitted.coef_[0] * 400.0 / math.log(10.0)
    return {name: float(value - scale[0]) for name, value in zip(names, scale, strict=True)}


@dataclass(frozen=True)
class Rating:
    name: str
    elo: float
    low: float
    high: float


def ratings(points: Points, resamples: int = 200) -> list[Rating]:
    """Everybody's rating with a 95 % interval by resampling the games of each pair, weakest first."""
    rng = np.random.default_rng(0)
    drawn: list[list[float]] = []
    for _ in range(resamples):
        again = {pair: rng.choice(np.asarray(scored), len(scored)).tolist() for pair, scored in points.items()}
        drawn.append(list(elo(again).values()))
    spread: Doubles = np.quantile(np.array(drawn), [0.025, 0.975], axis=0)
    found = elo(points)
    return sorted((Rating(name, found[name], *spread[:, i]) for i, name in enumerate(found)), key=lambda r: r.elo)


def tournament(names: Sequence[str], games: int, workers: int) -> dict[tuple[str, str], list[float]]:
    pairs = list(combinations([*DILUTED, *names], 2))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        scored = pool.map(meet, *zip(*pairs, strict=True), [games] * len(pairs))
        return dict(zip(pairs, scored, strict=True))


def table(games: int = GAMES, workers: int = 2) -> list[tuple[str, str]]:
    found = ratings(tournament(rungs(), games, workers))
    return [(each.name, f"{each.elo:.0f} ({each.low:.0f} to {each.high:.0f})") for each in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--games", type=int, default=GAMES)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    show = Table(*HEADER)
    for row in table(arguments.games, arguments.workers):
        show.add_row(*row)
    Console().print(show)


if __name__ == "__main__":
    main()
