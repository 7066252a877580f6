"""The values of moves, by hand, by an engine, and those that ship."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import outgrow
from outgrow.chess import board as chess
from outgrow.chess import values
from outgrow.chess.engine import Engine, win_probability
from outgrow.experiment.grid import cells
from outgrow.graph.step import identity
from outgrow.source import resolved
from outgrow.tasks.base import ground_truth
from outgrow.tasks.chess_preferences import ChessPreferences
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.types import UserError

DATA = Path(outgrow.__file__).parent / "chess" / "data"
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
    assert (DATA / "values.parquet").stat().st_size <= 2_000_000


def own(tmp_path: Path, **changes: list[int]) -> tuple[ChessPuzzles, Path]:
    """The puzzles that ship as if they were a file of one's own, with values for five of test: their numbers from 0.
    changes: the values of some of the five, by number, `v2`."""
    examples = ChessPuzzles().examples("test", 5, 0)
    rows = [{"id": row.id, "values": list(range(len(row.choices)))} for row in examples.rows]
    for number, each in changes.items():
        rows[int(number[1:])]["values"] = each
    path = tmp_path / "values.parquet"
    values.write(rows, path)
    return ChessPuzzles(source=str(DATA / "puzzles.parquet"), values=str(path)), path


def test_puzzles_of_your_own_have_the_values_of_a_file(tmp_path: Path) -> None:
    task, _ = own(tmp_path)
    examples = task.examples("test", 8, 0)
    assert examples.ids == ChessPuzzles().examples("test", 8, 0).ids
    found = task.regret(examples)
    assert list(found) == list(examples.ids[:5])
    assert found[examples.ids[0]] == values.lost(range(len(examples.rows[0].choices)))
    assert task.regret_digest not in ("", ChessPuzzles().regret_digest)
    without = ChessPuzzles(source=task.source)
    assert (without.regret_digest, without.regret(examples)) == ("", {})


def test_the_values_are_in_the_key_of_what_reads_them_alone(tmp_path: Path) -> None:
    task, _ = own(tmp_path)
    assert identity(task) == identity(ChessPuzzles(source=task.source))


def test_values_that_do_not_belong_to_the_puzzles_are_refused(tmp_path: Path) -> None:
    task, path = own(tmp_path, v3=[1, 2])
    with pytest.raises(UserError, match=r"has 2 values and \d+ legal moves: make the file with outgrow move-values"):
        task.regret(task.examples("test", 8, 0))
    path.with_suffix(".jsonl").write_text('{"id": "x", "values": "1 2"}\n')
    with pytest.raises(UserError, match=r"row 1: it needs an id and a list of whole numbers, values"):
        values.read(path.with_suffix(".jsonl"))
    assert not values.is_values(path.with_suffix(".jsonl"))
    assert values.is_values(path)
    assert values.is_values(tmp_path / "new.parquet")
    with pytest.raises(UserError, match=r"gone\.parquet does not exist"):
        ChessPuzzles(values=str(tmp_path / "gone.parquet")).regret_digest  # noqa: B018 - it is read at plan time


def test_tasks_without_values_are_refused_with_what_to_do() -> None:
    def refused(task: object) -> str:
        table = {"task": task, "weak": ["ladder/pawn"], "strong": ["ladder/knight"], "analyses": ["teachers"]}
        with pytest.raises(UserError) as error:
            cells(resolved(table))
        return str(error.value)

    path = str(DATA / "puzzles.parquet")
    needed = f"outgrow move-values {path} --out values.parquet, and set the field values"
    assert needed in refused({"name": "chess-puzzles", "source": path})
    assert refused("chess-advantage").endswith(
        "its answers are no moves, so none is lost: use chess-puzzles or chess-preferences"
    )


def test_the_worse_of_two_moves_loses_the_margin() -> None:
    task = ChessPreferences()
    examples = task.examples("test", 100, 0)
    margins, regret = task.facets(examples)["margin"], task.regret(examples)
    truth = ground_truth(task, examples)
    assert task.regret_digest
    for i, id in enumerate(examples.ids):
        assert [regret[id][j] for j in (int(truth.hard()[i]), 1 - int(truth.hard()[i]))] == [0.0, margins[id]]
