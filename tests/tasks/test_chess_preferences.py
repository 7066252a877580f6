"""The pairs of moves that ship."""

from __future__ import annotations

from outgrow.chess import board as chess
from outgrow.tasks.chess_preferences import ChessPreferences


def test_pairs_are_legal_moves_of_their_position() -> None:
    for row in ChessPreferences().load().rows[::50]:
        legal = chess.legal_moves(chess.read_position(row.example.prompt.strip()))
        assert {*row.example.choices} <= {*legal}
        assert len({*row.example.choices}) == 2


def test_which_comes_first_carries_no_information() -> None:
    rows = ChessPreferences().load().rows
    first = sum(row.answer[0] for row in rows) / len(rows)
    assert abs(first - 0.5) < 3 * 0.5 / len(rows) ** 0.5


def test_the_splits_are_large_enough_for_the_sizes() -> None:
    task = ChessPreferences()
    for split, n in task.sizes.items():
        assert len(task.examples(split, n, 0)) == n


def test_margins_are_graded_and_no_example_holds_one() -> None:
    task = ChessPreferences()
    test = task.examples("test", 200, 0)
    margins = task.facets(test)["margin"]
    assert margins.keys() == set(test.ids)
    assert all(isinstance(margin, float) and 0.05 <= margin <= 1 for margin in margins.values())
    assert len(set(margins.values())) > 50
    assert all(row.prompt == chess.position_text(chess.read_position(row.prompt.strip())) + " " for row in test.rows)


def test_passages_say_both_moves() -> None:
    test = ChessPreferences().examples("transfer", 3, 0)
    found = ChessPreferences().passages(test)
    assert [p.text for p in found] == [choice for row in test.rows for choice in row.choices]
