"""Pretraining a rung: it learns, it resumes to the byte, and what comes out is an ordinary checkpoint."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outgrow import graph
from outgrow.chess import board as chess
from outgrow.chess.corpus import Corpus, Mix, build, positions_in_corpus
from outgrow.executors.inline import Inline
from outgrow.graph import Context
from outgrow.pretrain import BuildCorpus, Pretrain, corpus_step
from outgrow.store import Store
from outgrow.tasks.base import Shares, split_of
from outgrow.types import UserError

OPEN = ("weak_train", "transfer", "transfer_validation")
MIX = Mix(engine=120, players=40, masters=10)


def game(number: int) -> dict[str, Any]:
    """A game of random moves whose engine line is always the two moves that were played next."""
    rng, board, moves = random.Random(number), chess.parse(chess.START), []
    for _ in range(20):
        moves.append(rng.choice(chess.legal_moves(board)))
        board = chess.play(board, moves[-1])
    plies = [{"line": moves[i : i + 2], "score": 0, "second": 0, "second_move": None, "effort": 1} for i in range(20)]
    return {"game": f"t-{number}", "players": ["a", "b"], "opening": 0, "moves": moves, "plies": plies}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("games")
    (folder / "mined").mkdir()
    with gzip.open(folder / "mined/games-0-00000.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(game(number)) + "\n" for number in range(60))
    with gzip.open(folder / "masters.jsonl.gz", "wt") as file:
        file.writelines(
            json.dumps({"m": f"e4 e5 Nf3 Nc6 Bb5 a6 Ba4 Nf6 O-O Be7 Re1 b5 Bb3 d6 {number}-0"}) + "\n"
            for number in range(60)
        )
    puzzle = {"id": ["p"], "fen": ["8/8/8/8/8/8/8/K1k5 w - -"], "solutions": ["a1a2"], "game": ["t-1"]}
    pq.write_table(pa.table(puzzle | {"moves": [""], "difficulty": [1.0]}), folder / "puzzles.parquet")
    pq.write_table(pa.table({}), folder / "mined/puzzles.parquet")  # no puzzle was found in these games
    return folder


def step(files: Path, **changes: Any) -> Pretrain:
    at = (files / "mined", files / "masters.jsonl.gz", [files / "puzzles.parquet"])
    validation = corpus_step(*at, Mix(engine=5, players=1, masters=1), "validation")
    shape = {"width": 8, "layers": 1, "heads": 2, "batch": 8, "epochs": 1.5, "checks": 4, **changes}
    return Pretrain(corpus=corpus_step(*at, MIX, "train"), held_out=validation, **shape)


def lines(corpus: Corpus) -> list[list[str]]:
    words = chess.vocabulary()
    ends = zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True)
    return [[words[token] for token in corpus.tokens[a:b]] for a, b in ends]


def test_every_line_is_a_position_and_legal_moves_from_it(files: Path) -> None:
    corpus = build(files / "mined", files / "masters.jsonl.gz", MIX, lambda game: True, frozenset(), 0)
    assert len(corpus) == 170
    for words, start, offset in zip(lines(corpus), corpus.starts, corpus.offsets, strict=False):
        assert words[start - offset - 1].startswith("ep:")
        assert 1 <= len(words) - (start - offset) <= 16


def test_no_line_touches_a_forbidden_position_or_a_game_held_out(files: Path) -> None:
    board = chess.parse(chess.START)
    for move in game(3)["moves"][:6]:
        board = chess.play(board, move)
    secret = frozenset([chess.identifier(chess.position_key(chess.fen(board)))])

    def open_to(game: str) -> bool:
        return game in ("t-3", "t-4") or not game.startswith("t-")

    mix = Mix(engine=30, players=4, masters=1)
    corpus = build(files / "mined", files / "masters.jsonl.gz", mix, open_to, secret, 0)
    # Plies 4, 5 and 6 of game 3 have engine lines of two moves that pass through the position after its sixth move.
    assert corpus.counts["engine: left out"] <= 3
    assert corpus.counts["engine"] == 30
    for words in lines(corpus):
        assert chess.position_text(board) != " ".join(
            w for w in words if not (w[:2] in _squares() and w[2:4] in _squares())
        )
    with pytest.raises(UserError, match="mine more"):
        build(files / "mined", files / "masters.jsonl.gz", Mix(engine=99, players=1, masters=1), open_to, secret, 0)


def test_a_position_stands_on_a_line_that_begins_there_or_comes_to_it(files: Path) -> None:
    corpus = build(files / "mined", files / "masters.jsonl.gz", MIX, lambda game: True, frozenset(), 0)
    words = lines(corpus)[0]
    start = int(corpus.starts[0])
    boards = [chess.read_position(" ".join(words[:start]))]
    for move in words[start:]:
        boards.append(chess.play(boards[-1], move))
    names = {chess.identifier(chess.position_key(chess.fen(board))) for board in boards}
    assert positions_in_corpus(corpus, frozenset({*names, "elsewhere"})) == names


def test_no_line_touches_a_row_of_the_tables_beside_the_games(files: Path, tmp_path: Path) -> None:
    shutil.copytree(files / "mined", tmp_path / "mined")
    at = (tmp_path / "mined", files / "masters.jsonl.gz", [])
    free = corpus_step(*at, MIX, "train")
    board = chess.play(chess.parse(chess.START), game(3)["moves"][0])
    row = chess.identifier(chess.position_key(chess.fen(board)))
    pq.write_table(pa.table({"id": [row]}), tmp_path / "mined/positions.parquet")
    kept = corpus_step(*at, MIX, "train")
    assert kept.key != free.key
    context: Any = None  # reads nothing of it
    assert positions_in_corpus(kept.run(context), frozenset([row])) == frozenset()


def test_games_that_nothing_was_collected_from_make_no_corpus(files: Path, tmp_path: Path) -> None:
    (tmp_path / "mined").mkdir()
    shutil.copy(files / "mined/games-0-00000.jsonl.gz", tmp_path / "mined")
    context: Any = None
    with pytest.raises(UserError, match=r"no tables .* run outgrow collect"):
        corpus_step(tmp_path / "mined", files / "masters.jsonl.gz", [], MIX, "train").run(context)


def _squares() -> frozenset[str]:
    return frozenset(chess.SQUARES)


def test_games_of_the_tasks_test_and_validation_splits_are_held_out(files: Path) -> None:
    train, validation = (step(files).corpus, step(files).held_out)
    games = {f"t-{number}" for number in range(60)}
    assert set(filter(train.open_to, games)) == {name for name in games if split_of(name, Shares()) in OPEN}
    assert set(filter(validation.open_to, games)) == {
        name for name in games if split_of(name, Shares()) == "validation"
    }


def test_it_learns_and_what_comes_out_is_an_ordinary_checkpoint(files: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    wanted, store = step(files, epochs=6.0), Store(str(tmp_path / "store"))
    assert not graph.run([wanted], store, Inline()).failures
    folder = store.fetch(wanted.key)
    curve = json.loads((folder / "curve.json").read_text())["curve"]
    assert curve[-1]["training_loss"] < curve[0]["training_loss"] - 0.3
    model, tokenizer = (auto.from_pretrained(folder) for auto in (AutoModelForCausalLM, AutoTokenizer))
    text = chess.position_text(chess.parse(chess.START)) + " e2e4"
    ids = tokenizer(text)["input_ids"]
    assert len(ids) == len(text.split())
    assert tokenizer.unk_token_id not in ids
    assert model.get_input_embeddings().weight.data_ptr() == model.get_output_embeddings().weight.data_ptr()


def test_an_interrupted_training_ends_with_the_same_bytes(files: Path, tmp_path: Path, monkeypatch: Any) -> None:
    wanted = step(files)
    plain, broken = Store(str(tmp_path / "plain")), Store(str(tmp_path / "broken"))
    assert not graph.run([wanted], plain, Inline()).failures
    monkeypatch.setenv("OUTGROW_CHECKPOINT_SECONDS", "0")
    progress, fractions = Context.progress, []

    def interrupted(self: Context, fraction: float, note: str = "") -> None:
        fractions.append(fraction)
        if len(fractions) in (4, 9) and isinstance(self._step, Pretrain):
            raise KeyboardInterrupt
        progress(self, fraction, note)

    monkeypatch.setattr(Context, "progress", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            graph.run([wanted], broken, Inline())
    assert not graph.run([wanted], broken, Inline()).failures
    for file in plain.fetch(wanted.key).iterdir():
        assert file.read_bytes() == (broken.fetch(wanted.key) / file.name).read_bytes(), file.name


def test_a_changed_corpus_is_another_corpus(files: Path) -> None:
    base: BuildCorpus = step(files).corpus
    at = (Path(base.mined), Path(base.masters), [files / "puzzles.parquet"])
    assert base.key == corpus_step(*at, MIX, "train").key
    assert base.key != corpus_step(*at, Mix(engine=121, players=40, masters=10), "train").key


def test_muon_works_in_the_precision_of_training(files: Path) -> None:
    import torch

    kinds = {"bf16": torch.bfloat16, "fp32": torch.float32}
    for precision, kind in kinds.items():
        pretrain = step(files, precision=precision)
        muon, adamw = pretrain.optimisers(pretrain._network())
        assert muon._dtype is kind  # type: ignore[attr-defined]
        assert muon.param_groups[0]["lr"] == pretrain.matrix_learning_rate
        assert adamw.param_groups[0]["lr"] == pretrain.learning_rate


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 9}, "width is 9, heads 2"),
        ({"width": 0}, "width is 0"),
        ({"heads": 0}, "heads is 0"),
        ({"layers": -1}, "layers is -1"),
        ({"positions": 50}, "lines of the corpus have up to 51 tokens"),
        ({"matrix_learning_rate": 0.0}, "matrix_learning_rate is 0.0"),
        ({"batch": 0}, "batch is 0"),
    ],
)
def test_sizes_that_make_no_model_are_refused(changes: dict[str, Any], message: str, files: Path) -> None:
    with pytest.raises(UserError, match=message):
        step(files, **changes)
    step(files, positions=51)


def test_a_corpus_without_lines_is_refused() -> None:
    for fields, message in (
        ({"engine": 0}, "no lines"),
        ({"engine": -1}, "engine is -1"),
        ({"game_moves": 0}, "game_moves"),
    ):
        with pytest.raises(UserError, match=message):
            Mix(**{"engine": 0, "players": 0, "masters": 0, **fields})
