"""The values of moves, by hand, by an engine, and those that ship."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from outgrow.chess import board as chess
from outgrow.chess import values
from outgrow.chess.engine import Engine, win_probability
from outgrow.tasks.base import ground_truth
from outgrow.tasks.chess_preferences import ChessPreferences
from outgrow.tasks.chess_puzzles import ChessPuzzles, _values_path
from outgrow.types import Examples

BACK_RANK = "6k1/5ppp/8/8/8/8/8/R5K1 w - - 0 1"  # a1a8 mates


def test_what_moves_lose_by_hand() -> None:
    """A move that is worth 300 wins with probability 0.7511, one that is worth 0 with a half."""
    assert values.lost([300, 0, 300]) == pytest.approx((0.0, 0.2511, 0.0), abs=1e-4)
    assert values.lost([0, -300]) == pytest.approx((0.0, 0.2511), abs=1e-4)


@pytest.mark.skipif(
    not (shutil.which("stockfish") or Path("/usr/games/stockfish").exists()), reason="stockfish is not installed"
)
def test_an_engine_values_every_legal_move(tmp_path: Path) -> None:
    prompt = chess.position_text(chess.parse(BACK_RANK))
    rows = list(values.valued([("b", prompt), ("a", prompt)], nodes=2000))
    legal = chess.legal_moves(chess.parse(BACK_RANK))
    assert [len(row["values"]) for row in rows] == [len(legal)] * 2
    assert rows[0]["values"] == rows[1]["values"]  # no position depends on another
    assert legal[int(np.argmax(rows[0]["values"]))] == "a1a8"
    values.write(rows, tmp_path / "v.parquet")
    assert values.read(tmp_path / "v.parquet") == {row["id"]: tuple(row["values"]) for row in rows}


@pytest.mark.skipif(
    not (shutil.which("stockfish") or Path("/usr/games/stockfish").exists()), reason="stockfish is not installed"
)
def test_a_value_is_that_of_the_position_after_the_move() -> None:
    """Within what short searches differ by: a rook is won or is not."""
    with Engine(lines=values.MOST_MOVES) as all_moves, Engine() as one:
        found = all_moves.values(BACK_RANK, 20_000)
        for move, value in list(found.items())[1:4]:
            after = one.judge(chess.fen(chess.play(chess.parse(BACK_RANK), move)), 5000)
            assert win_probability(value) == pytest.approx(win_probability(-after.score), abs=0.15)


def test_every_test_puzzle_has_a_value_for_each_move() -> None:
    task = ChessPuzzles()
    examples = task.examples("test", None, 0)
    regret = task.regret(examples)
    assert set(regret) == set(examples.ids)
    assert all(len(regret[row.id]) == len(row.choices) for row in examples.rows)
    assert all(min(each) == 0 and max(each) <= 1 for each in regret.values())
    assert task.regret(task.examples("transfer", 50, 0)) == {}  # what students learn from has none


def test_the_solution_loses_nothing_and_other_moves_much() -> None:
    """The puzzles were confirmed by another search, of two lines: in a few the longer search of all moves differs."""
    task = ChessPuzzles()
    examples = task.examples("test", 1000, 0)
    truth, regret = ground_truth(task, examples), task.regret(examples)
    rows = [np.array(regret[id]) for id in examples.ids]
    solved = [own[right > 0].min() for own, right in zip(rows, truth.rows(), strict=True)]
    others = [own[right == 0].min() for own, right in zip(rows, truth.rows(), strict=True)]
    assert np.mean(np.array(solved) == 0) > 0.9
    assert np.median(others) >= 0.1


def test_the_file_is_small() -> None:
    assert _values_path().stat().st_size <= 2_000_000


def test_puzzles_of_your_own_have_no_values(tmp_path: Path) -> None:
    task = ChessPuzzles(source=str(tmp_path / "lichess.csv"))
    assert task.regret_digest == ""
    assert task.regret(Examples(rows=())) == {}


def test_the_worse_of_two_moves_loses_the_margin() -> None:
    task = ChessPreferences()
    examples = task.examples("test", 100, 0)
    margins, regret = task.facets(examples)["margin"], task.regret(examples)
    truth = ground_truth(task, examples)
    assert task.regret_digest
    for i, id in enumerate(examples.ids):
        assert [regret[id][j] for j in (int(truth.hard()[i]), 1 - int(truth.hard()[i]))] == [0.0, margins[id]]
