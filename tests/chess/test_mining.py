"""Mining with a real engine: games that can be replayed, puzzles that hold, shards that resume."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from outgrow.chess import board as chess
from outgrow.chess.collect import positions, puzzles, solutions
from outgrow.chess.engine import MATE, Engine, Verdict, win_probability
from outgrow.chess.mining import Mining, mine_shard, one_wins, read_games

engine = pytest.mark.skipif(
    not (shutil.which("stockfish") or Path("/usr/games/stockfish").exists()), reason="stockfish is not installed"
)
SMALL = Mining(games_per_shard=6, nodes=300, confirm_nodes=1000)


def test_win_probability_is_a_half_when_even_and_symmetric() -> None:
    # 1 / (1 + exp(-0.00368208 * 300)) = 1 / (1 + 0.33137) = 0.7511
    assert win_probability(0) == 0.5
    assert win_probability(300) == pytest.approx(0.7511, abs=1e-4)
    assert win_probability(300) + win_probability(-300) == pytest.approx(1)


@pytest.mark.parametrize(
    ("score", "second", "wins"), [(400, 0, True), (400, 300, False), (100, 0, False), (400, None, False)]
)
def test_a_puzzle_has_one_winning_move(score: int, second: int | None, wins: bool) -> None:
    assert one_wins(Verdict(line=("e2e4",), score=score, second_move="d2d4", second=second, effort=1)) is wins


def test_every_mating_move_is_a_solution_where_the_best_one_mates() -> None:
    two_mates = chess.parse("6k1/5ppp/8/8/8/8/8/RR4K1 w - - 0 1")
    assert solutions(two_mates, "a1a8") == ("a1a8", "b1b8")
    assert solutions(two_mates, "a1a2") == ("a1a2",)


@engine
def test_the_engine_sees_a_mate_in_one_and_says_so() -> None:
    with Engine(lines=2) as judge:
        verdict = judge.judge("6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1", 2000)
    assert verdict.line[0] == "a1a8"
    assert verdict.score == MATE - 1
    assert one_wins(verdict) == (win_probability(verdict.second or 0) <= 0.6)


@engine
def test_judgements_repeat_and_a_finished_shard_is_left_alone(tmp_path: Path) -> None:
    with Engine(lines=2) as one, Engine(lines=2) as other:
        assert one.judge(chess.START, 800) == other.judge(chess.START, 800)
    stamp = mine_shard(tmp_path / "a", SMALL, 1).stat().st_mtime_ns
    assert mine_shard(tmp_path / "a", SMALL, 1).stat().st_mtime_ns == stamp
    (game, *_) = read_games(tmp_path / "a")
    board = chess.parse(chess.START)
    for move in game["moves"]:
        board = chess.play(board, move)
    assert len(game["plies"]) == len(game["moves"]) - game["opening"]


@engine
def test_what_is_collected_follows_from_the_games(tmp_path: Path) -> None:
    for shard in range(3):
        mine_shard(tmp_path, SMALL, shard)
    found = puzzles(read_games(tmp_path))
    assert found
    for puzzle in found:
        board = chess.parse(chess.START)
        for move in puzzle["moves"].split():
            board = chess.play(board, move)
        assert chess.place(chess.fen(board)) == puzzle["fen"]
        assert set(puzzle["solutions"].split()) <= set(chess.legal_moves(board))
    rows = positions(read_games(tmp_path))
    assert len({row["fen"] for row in rows}) == len(rows)
    assert sum(row["score"] > 0 for row in rows) * 2 == len(rows)
