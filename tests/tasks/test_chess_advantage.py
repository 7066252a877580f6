"""Who stands to win: balanced, one game in one split, nothing of the verdict in the prompt."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from outgrow.chess import board as chess
from outgrow.chess.collect import MARGIN
from outgrow.chess.engine import win_probability
from outgrow.tasks.chess_advantage import ChessAdvantage, _path
from outgrow.tasks.chess_puzzles import ChessPuzzles


def test_at_least_20000_positions_ship_half_of_them_won() -> None:
    rows = ChessAdvantage().pinned().load().rows
    assert len(rows) >= 20_000
    assert sum(row.answer[1] for row in rows) / len(rows) == pytest.approx(0.5)
    assert {row.example.choices for row in rows} == {("no", "yes")}


def test_the_label_is_the_engines_verdict_beyond_the_margin() -> None:
    answers = ChessAdvantage().pinned().load().answers
    for row in pq.read_table(_path()).to_pylist():
        chance = win_probability(row["score"])
        assert abs(chance - 0.5) >= MARGIN
        assert answers[row["id"]] == (0.0, 1.0) if chance > 0.5 else (1.0, 0.0)


def test_the_prompt_is_the_position_and_nothing_else() -> None:
    known = set(chess.vocabulary())
    for row in ChessAdvantage().pinned().load().rows[:500]:
        words = row.example.prompt.split()
        assert known.issuperset(words)
        assert words[-1].startswith("ep:")


def test_a_game_is_in_the_same_split_for_both_tasks() -> None:
    puzzles, positions = ChessPuzzles().pinned(), ChessAdvantage().pinned()
    tested = set(puzzles.examples("test", None, 0).groups)
    assert tested.isdisjoint(positions.examples("transfer", None, 0).groups)
    assert tested & set(positions.examples("test", None, 0).groups)


def test_the_margin_is_the_distance_of_the_win_probability_from_a_half() -> None:
    task = ChessAdvantage().pinned()
    margins = task.facets(task.examples("test", 100, 0))["margin"]
    scores = {row["id"]: row["score"] for row in pq.read_table(_path()).to_pylist()}
    assert len(margins) == 100
    for id, margin in margins.items():
        chance = 1 / (1 + 10 ** (-0.0015991 * scores[id]))  # 0.00368208 / ln 10 = 0.0015991
        assert margin == pytest.approx(abs(chance - 0.5), abs=1e-4)
