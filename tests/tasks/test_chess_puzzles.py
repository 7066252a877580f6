"""The puzzles that ship, and the Lichess puzzle database as it is published."""

from __future__ import annotations

import csv
import gzip
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from outgrow.chess import board as chess
from outgrow.chess.engine import Engine, win_probability
from outgrow.config import experiment_from
from outgrow.experiment.recipes import bundled
from outgrow.graph import identity
from outgrow.models.ladder import LADDER, rungs
from outgrow.tasks import chess_puzzles
from outgrow.tasks.base import SPLITS, ground_truth
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.types import Examples, Labels, UserError

SCHOLAR = "r1bqkb1r/pppp1ppp/2n2n2/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR b KQkq - 5 4"  # Black errs, White mates by h5f7
ROW = {"PuzzleId": "aaaaa", "FEN": SCHOLAR, "Moves": "a7a6 h5f7", "Rating": "600", "Themes": "mate", "GameUrl": ""}


def lichess(path: Path, rows: list[dict[str, str]]) -> ChessPuzzles:
    if path.suffix == ".zst":
        plain = path.with_suffix("")
        lichess(plain, rows)
        path.write_bytes(pa.compress(plain.read_bytes(), "zstd", asbytes=True))
    elif path.suffix == ".gz":
        with gzip.open(path, "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(ROW))
            writer.writeheader()
            writer.writerows(rows)
    return ChessPuzzles(source=str(path)).pinned()


@pytest.mark.parametrize("name", ["puzzles.csv", "puzzles.csv.zst", "puzzles.jsonl.gz"])
def test_the_first_move_is_played_and_the_second_is_the_answer(tmp_path: Path, name: str) -> None:
    (row,) = lichess(tmp_path / name, [ROW]).load().rows
    assert row.example.prompt.endswith("w castle:KQkq ep:-")
    assert row.example.choices[row.answer.index(1.0)] == "h5f7"
    assert row.example.choices == chess.legal_moves(chess.play(chess.parse(SCHOLAR), "a7a6"))


def test_any_mating_move_counts_where_the_solution_mates(tmp_path: Path) -> None:
    row = ROW | {"FEN": "5rk1/5ppp/8/8/8/8/8/RR4K1 b - - 0 1", "Moves": "f8d8 a1a8"}
    task = lichess(tmp_path / "p.csv", [row | {"FEN": "7k/r4ppp/8/8/8/8/8/1RR3K1 b - - 0 1", "Moves": "a7a2 b1b8"}])
    (only,) = task.load().rows
    examples = Examples(rows=(only.example,))
    right = {move for move, p in zip(only.example.choices, only.answer, strict=True) if p > 0}
    assert right == {"b1b8", "c1c8"}
    for move in only.example.choices:
        predictions = Labels.from_rows(examples.ids, [[float(move == choice) for choice in only.example.choices]])
        assert task.score(predictions, examples, ground_truth(task, examples)).correct[0] == (move in right)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"FEN": "8/8 w"}, "row 2: .*not a FEN"),
        ({"Moves": "a7a6 h5h8"}, "row 2: .*'h5h8' is not a legal move"),
        ({"Moves": "e2e5 h5f7"}, "row 2: .*'e2e5' is not a legal move"),
        ({"Moves": "a7a6"}, "row 2: Moves needs"),
    ],
)
def test_a_bad_row_is_named_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: dict[str, str], message: str
) -> None:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))  # another limit may have let the same file pass
    with pytest.raises(UserError, match=message):
        lichess(tmp_path / "p.csv", [ROW, ROW | broken]).load()


def test_a_rare_bad_row_is_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(chess_puzzles, "MOST_WRONG", 1.0)
    task = lichess(tmp_path / "p.csv", [ROW, ROW | {"Moves": "e2e5 h5f7"}])
    source = task.load()
    assert len(source.rows) == 1
    assert len(task.passages(Examples(rows=(source.rows[0].example,)))) == 1
    assert dict(source.dropped) == {"no position, or a move that is not legal": 1}


def test_a_missing_or_empty_file_and_a_missing_column_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        ChessPuzzles(source=str(tmp_path / "none.csv")).pinned()
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(UserError, match="is empty"):
        ChessPuzzles(source=str(tmp_path / "empty.csv")).pinned().load()
    (tmp_path / "other.csv").write_text("FEN,Answer\n8/8,e2e4\n")
    with pytest.raises(UserError, match="no column 'Moves'"):
        ChessPuzzles(source=str(tmp_path / "other.csv")).pinned().load()


def test_a_position_that_comes_twice_is_kept_once_and_counted(tmp_path: Path) -> None:
    source = lichess(tmp_path / "p.csv", [ROW, ROW | {"PuzzleId": "bbbbb"}]).load()
    assert (len(source.rows), source.dropped) == (1, (("the same position again", 1),))


def test_real_lichess_puzzles_are_read(data: Path) -> None:
    with gzip.open(data / "chess/lichess_puzzles.jsonl.gz", "rt") as file:
        lines = [next(file) for _ in range(300)]
    rows = [json.loads(line) for line in lines]
    for row in rows:
        board = chess.parse(row["FEN"])
        for move in row["Moves"].split()[:2]:
            board = chess.play(board, move)


def test_every_shipped_solution_is_legal_and_every_position_there_once() -> None:
    rows = ChessPuzzles().pinned().load().rows
    assert len(rows) >= 8000
    assert len({row.example.prompt for row in rows}) == len(rows)
    for row in rows:
        assert sum(row.answer) == pytest.approx(1)


def test_the_moves_that_led_to_a_shipped_puzzle_lead_there() -> None:
    import pyarrow.parquet as pq

    rows = pq.read_table(ChessPuzzles().path).to_pylist()
    for row in random.Random(0).sample(rows, 300):
        board = chess.parse(chess.START)
        for move in row["moves"].split():
            board = chess.play(board, move)
        assert chess.position_key(chess.fen(board)) == row["fen"]


@pytest.mark.skipif(
    not (shutil.which("stockfish") or Path("/usr/games/stockfish").exists()), reason="stockfish is not installed"
)
def test_the_engine_agrees_with_a_sample_of_the_shipped_solutions() -> None:
    rows = random.Random(1).sample(ChessPuzzles().pinned().load().rows, 60)
    import pyarrow.parquet as pq

    fens = {row["id"]: row["fen"] for row in pq.read_table(ChessPuzzles().path, columns=["id", "fen"]).to_pylist()}
    agreed = []
    with Engine(lines=2) as judge:
        for row in rows:
            right = {move for move, p in zip(row.example.choices, row.answer, strict=True) if p > 0}
            judge.new_game()
            verdict = judge.judge(fens[row.example.id] + " 0 1", 30_000)
            agreed.append(verdict.line[0] in right and win_probability(verdict.score) > 0.65)
    assert np.mean(agreed) >= 0.9


def test_splits_keep_a_game_together_and_a_seed_moves_nothing_between_them() -> None:
    task = ChessPuzzles().pinned()
    groups = {split: set(task.examples(split, None, 0).groups) for split in SPLITS}
    for split in SPLITS:
        for other in SPLITS:
            assert split == other or not groups[split] & groups[other]
        assert set(task.examples(split, None, 1).groups) == groups[split]
    assert task.examples("test", 200, 0).ids == task.examples("test", 200, 7).ids
    assert task.examples("transfer", 200, 0).ids != task.examples("transfer", 200, 7).ids


def test_lichess_puzzles_have_a_rating_and_themes(tmp_path: Path) -> None:
    """The queen mates on f7 by taking a pawn. Of a row without a rating only the theme is known."""
    unrated = ROW | {"FEN": "7k/5ppp/8/8/8/8/8/1R4K1 b - - 0 1", "Moves": "h8g8 b1b8", "Rating": ""}
    task = lichess(tmp_path / "p.csv", [ROW, unrated])
    rows = task.load().rows
    facets = task.facets(Examples(rows=tuple(row.example for row in rows)))
    assert facets["rating"] == {rows[0].example.id: 600.0}
    assert [facets["theme"][row.example.id] for row in rows] == [("mate", "check", "capture"), ("mate", "check")]


def test_a_rating_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="row 1: the Rating 'high' is not a number"):
        lichess(tmp_path / "p.csv", [ROW | {"Rating": "high"}]).load()


def test_shipped_puzzles_have_a_difficulty_and_themes() -> None:
    task = ChessPuzzles().pinned()
    test = task.examples("test", 200, 0)
    facets = task.facets(test)
    assert set(facets) == {"difficulty", "theme"}
    assert all(facets["difficulty"][id] >= 0 for id in test.ids)
    assert all(facets["theme"][id] for id in test.ids)


# ---- what may be read without labels


def test_a_passage_is_the_way_to_a_puzzle_and_never_follows_another() -> None:
    """Every passage leads from its position to a puzzle by legal moves, in a game where none stood before."""
    import pyarrow.parquet as pq

    task = ChessPuzzles()
    examples = task.examples("transfer", 100, 0)
    passages = task.passages(examples)
    known = {row.example.prompt for row in task.load().rows}
    games = {row["id"]: row["moves"].split() for row in pq.read_table(task.path, columns=["id", "moves"]).to_pylist()}
    first = []
    for row in examples.rows:
        boards = [chess.parse(chess.START)]
        for move in games[row.id]:
            boards.append(chess.play(boards[-1], move))
        texts = [chess.position_text(board) for board in boards]
        if not known.intersection(texts[:-1]):
            before = max(0, len(boards) - 1 - chess_puzzles.LEAD_UP)
            first.append((texts[before], " ".join(games[row.id][before:])))
    assert [(passage.given, passage.text) for passage in passages] == [each for each in first if each[1]]
    assert 30 < len(passages) < 100, "some puzzles follow another"


def test_what_follows_a_puzzle_is_read_by_nobody(tmp_path: Path) -> None:
    """Puzzles after 2, 5 and 6 plies of one game: only the way to the first is a passage."""
    opening = ["e2e4", "e7e5", "d1h5", "b8c6", "f1c4", "g8f6"]
    puzzles_of = of_moves(tmp_path / "p.parquet", *(" ".join(opening[:n]) for n in (2, 5, 6)))
    for task in (puzzles_of, ChessPuzzles(source=puzzles_of.source).pinned()):
        (passage,) = task.passages(Examples(rows=tuple(row.example for row in task.load().rows)))
        assert passage.text == "e2e4 e7e5"


def test_a_published_puzzle_has_the_move_before_it(tmp_path: Path) -> None:
    task = lichess(tmp_path / "p.csv", [ROW])
    (passage,) = task.passages(Examples(rows=tuple(row.example for row in task.load().rows)))
    assert passage.text == "a7a6"
    assert passage.given == chess.position_text(chess.parse(SCHOLAR))


# ---- the moves that led to a puzzle as its prompt


def read(prompt: str) -> tuple[chess.Board, list[str]]:
    """The position that a prompt begins with, and the moves after it."""
    words = prompt.split()
    ends = 1 + next(i for i, word in enumerate(words) if word.startswith("ep:"))
    return chess.read_position(" ".join(words[:ends])), words[ends:]


def assert_leads_there(prompt: str, position: str, known: set[str]) -> None:
    """Its moves are legal, end at the position, and none is made where a puzzle stands."""
    board, moves = read(prompt)
    for move in moves:
        assert chess.position_text(board) not in known
        board = chess.play(board, move)
    assert chess.position_text(board) == position


def of_moves(path: Path, *games: str) -> ChessPuzzles:
    """A puzzle where each of these lines from the first move on ends, all in one game; any legal move solves it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for moves in games:
        board = chess.parse(chess.START)
        for move in moves.split():
            board = chess.play(board, move)
        place, about = chess.position_key(chess.fen(board)), {"moves": moves, "game": "one", "difficulty": 1.0}
        rows.append({"id": chess.identifier(place), "fen": place, "solutions": chess.legal_moves(board)[0], **about})
    pq.write_table(pa.Table.from_pylist(rows), path)
    return ChessPuzzles(source=str(path), prompt="moves").pinned()


def test_a_prompt_of_moves_leads_to_its_puzzle_and_no_further() -> None:
    by_position, by_moves = ChessPuzzles().load().rows, ChessPuzzles(prompt="moves").load().rows
    known = {row.example.prompt for row in by_position}
    for there, led in random.Random(0).sample(list(zip(by_position, by_moves, strict=True)), 400):
        assert_leads_there(led.example.prompt, there.example.prompt, known)


def test_a_game_without_an_earlier_puzzle_is_there_from_its_first_move() -> None:
    import pyarrow.parquet as pq

    task = ChessPuzzles(prompt="moves")
    prompts = {row.example.id: row.example.prompt for row in task.load().rows}
    start = chess.position_text(chess.parse(chess.START))
    rows = pq.read_table(task.path, columns=["id", "moves"]).to_pylist()
    whole = [row for row in rows if prompts[row["id"]] == f"{start} {row['moves']}"]
    assert len(whole) > len(rows) / 2
    assert len(whole) == sum(prompt.startswith(start) for prompt in prompts.values())


def test_no_prompt_plays_a_move_from_an_earlier_puzzle_of_its_game(tmp_path: Path) -> None:
    """Puzzles after 2, 5 and 6 plies: the second prompt begins after the move made in the first, the third has none."""
    opening = ["e2e4", "e7e5", "d1h5", "b8c6", "f1c4", "g8f6"]
    task = of_moves(tmp_path / "p.parquet", *(" ".join(opening[:n]) for n in (2, 5, 6)))
    first, second, third = (row.example.prompt for row in task.load().rows)
    boards = [chess.parse(chess.START)]
    for move in opening:
        boards.append(chess.play(boards[-1], move))
    texts = [chess.position_text(board) for board in boards]
    assert first == f"{texts[0]} e2e4 e7e5"
    assert second == f"{texts[3]} b8c6 f1c4"
    assert third == texts[6]


def test_only_the_prompt_differs_between_prompts() -> None:
    by_position, by_moves = ChessPuzzles().pinned(), ChessPuzzles(prompt="moves").pinned()
    for split in SPLITS:
        there, led = (task.examples(split, 100, 3) for task in (by_position, by_moves))
        for name in ("id", "group", "choices"):
            assert [getattr(row, name) for row in there.rows] == [getattr(row, name) for row in led.rows]
        assert any(one.prompt != other.prompt for one, other in zip(there.rows, led.rows, strict=True))
        assert ground_truth(by_position, there).rows()[0].tolist() == ground_truth(by_moves, led).rows()[0].tolist()
        assert by_position.facets(there) == by_moves.facets(led)
    assert by_position.load().answers == by_moves.load().answers


def test_a_prompt_of_moves_is_what_the_ladder_reads() -> None:
    prompts = [row.example.prompt.split() for row in ChessPuzzles(prompt="moves").load().rows]
    assert set().union(*prompts) <= set(chess.vocabulary())
    reads = min(json.loads((LADDER / rung / "config.json").read_text())["n_positions"] for rung in rungs())
    assert max(map(len, prompts)) <= 35 + chess_puzzles.LONGEST <= reads  # 32 pieces, side, castling, en passant


def test_a_prompt_has_no_more_moves_than_asked_for() -> None:
    by_position, short = ChessPuzzles().load().rows, ChessPuzzles(prompt="moves", plies=5).load().rows
    known, counts = {row.example.prompt for row in by_position}, set()
    for there, led in random.Random(1).sample(list(zip(by_position, short, strict=True)), 200):
        assert_leads_there(led.example.prompt, there.example.prompt, known)
        counts.add(len(read(led.example.prompt)[1]))
    assert max(counts) == 5


def test_of_a_published_puzzle_the_prompt_has_the_one_move_that_is_known(tmp_path: Path) -> None:
    by_position = lichess(tmp_path / "p.csv", [ROW])
    task = ChessPuzzles(source=by_position.source, prompt="moves").pinned()
    (row,) = task.load().rows
    assert row.example.prompt == f"{chess.position_text(chess.parse(SCHOLAR))} a7a6"
    (there,) = by_position.load().rows
    assert (row.answer, row.example.choices) == (there.answer, there.example.choices)
    examples = Examples(rows=(row.example,))
    assert task.facets(examples) == by_position.facets(examples)
    assert task.facets(examples)["theme"] == {row.example.id: ("mate", "check", "capture")}


def test_a_published_puzzle_that_follows_another_has_the_position_alone(tmp_path: Path) -> None:
    """The second row begins where the first one's answer is asked for."""
    puzzles_of = chess.fen(chess.play(chess.parse(SCHOLAR), "a7a6"))
    by_position = lichess(tmp_path / "p.csv", [ROW, ROW | {"FEN": puzzles_of, "Moves": "h5h3 d7d5"}])
    rows = ChessPuzzles(source=by_position.source, prompt="moves").load().rows
    assert [len(read(row.example.prompt)[1]) for row in rows] == [1, 0]


def test_a_passage_is_the_whole_prompt_of_moves_that_follows_no_puzzle() -> None:
    task = ChessPuzzles(prompt="moves")
    examples = task.examples("transfer", 50, 0)
    start = chess.position_text(chess.parse(chess.START))
    prompts = {row.prompt for row in examples.rows if row.prompt.startswith(start)}
    assert {f"{passage.given} {passage.text}" for passage in task.passages(examples)} == prompts


def test_a_prompt_is_asked_for_by_name_and_the_default_is_in_no_key(tmp_path: Path) -> None:
    def puzzles_of(**task: object) -> ChessPuzzles:
        table = {"task": {"name": "chess-puzzles", **task}, "weak": "ladder/pawn", "strong": "ladder/knight"}
        (found,) = experiment_from(table, folder=tmp_path).tasks
        assert isinstance(found, ChessPuzzles)
        return found

    assert puzzles_of(prompt="moves", plies=16) == ChessPuzzles(prompt="moves", plies=16)
    assert identity(puzzles_of(prompt="position")) == identity(ChessPuzzles())
    assert "prompt" not in str(identity(ChessPuzzles()))
    assert identity(puzzles_of(prompt="moves")) != identity(ChessPuzzles())
    with pytest.raises(UserError, match=r"task.prompt is 'move' but should be 'position' or 'moves'"):
        puzzles_of(prompt="move")
    with pytest.raises(UserError, match='plies limits a prompt of moves: set prompt = "moves" too'):
        puzzles_of(plies=16)
    with pytest.raises(UserError, match="plies is 0: give a whole number of at least 1"):
        puzzles_of(prompt="moves", plies=0)


def test_both_prompts_stand_in_one_table_and_have_one_recipe(tmp_path: Path) -> None:
    tasks = ["chess-puzzles", {"name": "chess-puzzles", "prompt": "moves"}]
    table = {"task": tasks, "weak": "ladder/pawn", "strong": "ladder/knight"}
    names = [task.name for task in experiment_from(table, folder=tmp_path).tasks]
    assert names == ["chess-puzzles", "chess-puzzles/moves"]
    assert bundled(names[0], "ladder/pawn") == bundled(names[1], "ladder/pawn") != bundled("other", "ladder/pawn")
