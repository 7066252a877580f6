"""Mining with a real engine: games that can be replayed, puzzles that hold, shards that resume."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from outgrow.chess import board as chess
from outgrow.chess.collect import balanced, collect, collected, positions, puzzles, solutions
from outgrow.chess.engine import MATE, Engine, Verdict, win_probability
from outgrow.chess.mining import PLAYERS, Mining, Opponents, Player, mine_shard, one_wins, read_games
from outgrow.chess.rung import LADDER, Rung, rungs

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
        assert chess.position_key(chess.fen(board)) == puzzle["fen"]
        assert set(puzzle["solutions"].split()) <= set(chess.legal_moves(board))
    rows = positions(read_games(tmp_path))
    assert len({row["fen"] for row in rows}) == len(rows)
    counts = collect(tmp_path, tmp_path / "tables")
    assert counts["puzzles"] == len(found)
    assert counts["positions"] == len(balanced(rows))
    assert {row["id"] for row in (*found, *balanced(rows))} <= collected(tmp_path / "tables")


def test_as_many_won_positions_as_lost_ones() -> None:
    rows = [{"id": str(i), "score": 300 if i % 3 else -300} for i in range(9)]
    assert sum(row["score"] > 0 for row in balanced(rows)) * 2 == len(balanced(rows)) == 6


@engine
def test_a_rung_of_the_ladder_plays_its_own_move_and_a_limited_engine_its() -> None:
    board = chess.play(chess.parse(chess.START), "e2e4")
    verdict = Verdict(line=("e7e5",), score=0, second_move="c7c5", second=0, effort=1)
    others = Opponents(None)
    try:
        for rung in {player.rung for player in PLAYERS if player.rung}:
            says = Rung(LADDER / rung).move(board)
            assert says in chess.legal_moves(board)
            player = Player(name="it", rung=rung)
            assert player.move(random.Random(0), board, verdict, Mining(), others) == says
        weak = Player(name="it", skill=0).move(random.Random(0), board, verdict, Mining(), others)
        assert weak in chess.legal_moves(board)
    finally:
        others.close()
    for player, move in ((Player(name="strong"), "e7e5"), (Player(name="second", second=1.0), "c7c5")):
        assert player.move(random.Random(0), board, verdict, Mining(), others) == move


def test_a_rung_says_whether_its_likeliest_token_is_a_legal_move() -> None:
    best = Rung(LADDER / rungs()[-1])
    boards = [chess.parse(chess.START)]
    for _ in range(20):
        boards.append(chess.play(boards[-1], best.move(boards[-1])))
    assert any(best.legal_unaided(board) for board in boards)
