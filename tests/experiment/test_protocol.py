"""What makes numbers mean something: no ground truth reaches a student, by no door; the ceiling is plain.

Each rule holds over a whole grid, and each is broken once by hand.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import FakeLoss, FakeMethod, FakeModel, FakeTask

from outgrow.chess import board as chess
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells, targets
from outgrow.experiment.leaks import check_no_leaks
from outgrow.experiment.scoring import Majority, Score
from outgrow.experiment.steps import Features, Fit, Predict, Relabel, ZeroShot
from outgrow.experiment.technique import Technique
from outgrow.graph import Step, walk
from outgrow.labelling.harden import Harden
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.finetune import Finetune
from outgrow.tasks import chess_advantage
from outgrow.tasks.base import Readout, Split, Task
from outgrow.tasks.chess_advantage import ChessAdvantage
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.types import Example, UserError


@dataclass(frozen=True, kw_only=True)
class Headed(FakeTask):
    """With a head and soft labels: the other half of what a task can ask of the graph."""

    readout: ClassVar[Readout] = "head"
    name = "headed"


@dataclass(frozen=True, kw_only=True)
class ClassificationObjective(FakeTask):
    """With hard labels."""

    soft_labels: ClassVar[bool] = False
    name = "classification"


SMALL, MEDIUM, LARGE = (FakeModel(size=size).pinned() for size in ("small", "medium", "large"))
GRID = Experiment(
    tasks=(FakeTask(), Headed(), ClassificationObjective()),
    weak=(SMALL, MEDIUM),
    strong=(MEDIUM, LARGE),
    methods=(
        Technique(),
        Technique(label="loss", loss=FakeLoss()),
        Technique(label="hard", rules=(Harden(),)),
        Technique(label="own", fit=Finetune(epochs=3)),
    ),
    seeds=(0, 1),
)
CELLS = cells(GRID)
STEPS = walk(targets(CELLS))


def ancestors(step: Step[Any]) -> tuple[Step[Any], ...]:
    return tuple(each for each in walk([step]) if each is not step)


def fitted(score: Score) -> Fit:
    assert isinstance(score.predictions, Predict)
    return score.predictions.fitted


def golds(step: Step[Any]) -> set[str]:
    """The splits whose ground truth a step descends from."""
    return {each.examples.split for each in walk([step]) if isinstance(each, Gold)}


# ---- the ground truth of transfer and test, over the whole grid


def test_the_grid_has_every_kind_of_step() -> None:
    assert {type(step) for step in STEPS} == {Prepare, Gold, Features, Fit, Predict, Relabel, ZeroShot, Score, Majority}


def test_students_descend_from_the_ground_truth_of_weak_train_and_validation_alone() -> None:
    for cell in CELLS:
        assert golds(cell.student_fit) == {"weak_train", "validation"}
        assert golds((cell.zero_shot or cell.frozen_probe).predictions) <= {"weak_train", "validation"}


def test_a_student_stops_on_weak_labels_of_its_own_supervisor() -> None:
    for cell in CELLS:
        student, supervisor = cell.student_fit, fitted(cell.floor)
        for labels, of in ((student.labels, "transfer"), (student.validation_labels, "transfer_validation")):
            soft = labels.labels[0] if isinstance(labels, Relabel) else labels
            assert isinstance(soft, Predict)
            assert (soft.fitted, soft.examples.split) == (supervisor, of)


def test_supervisors_are_trained_and_stopped_on_ground_truth_of_their_own_splits() -> None:
    for cell in CELLS:
        supervisor = fitted(cell.floor)
        assert (supervisor.labels, supervisor.examples.split) == (Gold(examples=supervisor.examples), "weak_train")
        assert supervisor.validation_labels == Gold(examples=supervisor.validation)
        assert supervisor.validation.split == "validation"


def test_only_scores_read_the_ground_truth_of_test_and_they_read_no_weights() -> None:
    for step in STEPS:
        reads_truth = any(isinstance(each, Gold) and each.examples.split == "test" for each in step.inputs())
        assert reads_truth is (isinstance(step, Score) and step.gold.examples.split == "test")
        if isinstance(step, Score):
            assert not any(isinstance(each, Fit) for each in step.inputs())


def test_no_fit_descends_from_the_ground_truth_of_test() -> None:
    for step in STEPS:
        if isinstance(step, Fit):
            assert "test" not in golds(step)


def test_a_fit_does_not_descend_from_test_examples() -> None:
    for step in STEPS:
        if isinstance(step, Fit):
            assert not any(isinstance(each, Prepare) and each.split == "test" for each in ancestors(step))


def test_label_accuracy_reads_the_ground_truth_of_transfer_and_nothing_reads_it() -> None:
    scores = {cell.label_accuracy.key: cell for cell in CELLS}
    assert not any(each.key in scores for step in STEPS for each in step.inputs())
    for cell in scores.values():
        assert cell.label_accuracy.predictions == cell.student_fit.labels
        assert cell.label_accuracy.examples == cell.student_fit.examples
        assert cell.label_accuracy.gold == Gold(examples=cell.student_fit.examples)
        assert cell.label_accuracy in cell.targets
        assert not any(isinstance(each, Fit) for each in cell.label_accuracy.inputs())


# ---- the rule broken by hand


def prepare(split: Split) -> Prepare:
    return Prepare(task=FakeTask(), split=split)


def fit(examples: Split, labels: Any, stop: Split, stop_labels: Any, **changes: Any) -> Fit:
    given = {"model": LARGE, "readout": "tokens", "method": FakeMethod(), **changes}
    return Fit(
        examples=prepare(examples),
        labels=labels,
        validation=prepare(stop),
        validation_labels=stop_labels,
        **given,
    )


def supervisor_fits(split: Split) -> Fit:
    """A model fitted to the ground truth of a split."""
    return fit(split, Gold(examples=prepare(split)), "validation", Gold(examples=prepare("validation")))


def student(supervisor: Fit, **changes: Any) -> Fit:
    labels, stop = (Predict(fitted=supervisor, examples=prepare(s)) for s in ("transfer", "transfer_validation"))
    return replace(fit("transfer", labels, "transfer_validation", stop), **changes)


@dataclass(frozen=True, kw_only=True)
class Prior:
    classes: tuple[Step[Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Informed(FakeMethod):
    """Carries steps in a record of its own."""

    prior: Prior = Prior()


def _hard(labels: Predict) -> Relabel:
    return Relabel(rule=Harden(), labels=(labels,), examples=labels.examples)


HONEST = student(supervisor_fits("weak_train"))
TRUTH: dict[Split, Gold] = {
    split: Gold(examples=prepare(split))
    for split in ("weak_train", "transfer", "transfer_validation", "validation", "test")
}
CHAIN = student(student(student(supervisor_fits("transfer"))))
LEAKS: dict[str, Fit] = {
    "labels of transfer": student(supervisor_fits("weak_train"), labels=TRUTH["transfer"]),
    "stopping on ground truth of transfer": replace(HONEST, validation_labels=TRUTH["transfer_validation"]),
    "stopping on ground truth of validation": replace(
        HONEST, validation=prepare("validation"), validation_labels=TRUTH["validation"]
    ),
    "its supervisor's labels": replace(HONEST, examples=prepare("weak_train"), labels=TRUTH["weak_train"]),
    "a supervisor taught on transfer": student(supervisor_fits("transfer")),
    "a supervisor stopped on transfer": student(
        replace(supervisor_fits("weak_train"), validation_labels=TRUTH["transfer_validation"])
    ),
    "a supervisor taught on test": student(supervisor_fits("test")),
    "a chain that starts on transfer": CHAIN,
    "hardened labels of a ceiling": replace(
        HONEST, labels=_hard(Predict(fitted=supervisor_fits("transfer"), examples=prepare("transfer")))
    ),
    "a record of its method": replace(HONEST, method=Informed(prior=Prior(classes=(TRUTH["transfer"],)))),
    "a record of its supervisor's method": student(
        replace(supervisor_fits("weak_train"), method=Informed(prior=Prior(classes=(TRUTH["test"],))))
    ),
    "weakly labelled test examples": replace(
        HONEST,
        examples=prepare("test"),
        labels=Predict(fitted=supervisor_fits("weak_train"), examples=prepare("test")),
    ),
    "a chain through test examples": student(
        replace(
            HONEST,
            examples=prepare("test"),
            labels=Predict(fitted=supervisor_fits("weak_train"), examples=prepare("test")),
        )
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_student_that_ground_truth_reaches_is_refused(leak: str) -> None:
    with pytest.raises(UserError, match=r"ground truth|learn from the test examples") as caught:
        check_no_leaks([HONEST, LEAKS[leak]])
    with pytest.raises(UserError):
        check_no_leaks([LEAKS[leak], HONEST])
    assert "\n" not in str(caught.value)


def test_honest_students_pass_and_so_do_chains_of_them() -> None:
    check_no_leaks([HONEST, student(HONEST), student(student(HONEST))])
    check_no_leaks(cell.student_fit for cell in CELLS)


def test_a_grid_with_a_leak_does_not_come_to_be() -> None:
    leaking = Technique(fit=Informed(prior=Prior(classes=(TRUTH["transfer"],))))
    with pytest.raises(UserError, match="would learn from ground truth"):
        cells(replace(GRID, methods=(leaking,)))


def test_a_technique_that_cheats_reads_no_test_either() -> None:
    for oracle, split in (("labels", "test"), ("stop", "test"), ("labels", "transfer")):
        informed = Technique(oracle=oracle, fit=Informed(prior=Prior(classes=(TRUTH[split],))))  # type: ignore[arg-type, index]
        if split == "transfer":  # an oracle: ground truth of transfer is allowed
            assert cells(replace(GRID, tasks=(FakeTask(),), methods=(informed,)))
            continue
        with pytest.raises(UserError, match="would learn from the test examples"):
            cells(replace(GRID, tasks=(FakeTask(),), methods=(informed,)))


# ---- the ceiling


def differing(one: Fit, other: Fit) -> set[str]:
    return {each.name for each in fields(Fit) if getattr(one, each.name) != getattr(other, each.name)}


def test_the_ceiling_is_its_student_with_ground_truth_for_labels() -> None:
    for cell in CELLS:
        ceiling, special = fitted(cell.ceiling), cell.method.label == "loss"
        labels = {"labels", "validation_labels"}
        assert differing(cell.student_fit, ceiling) == (labels | {"loss"} if special else labels)
        assert ceiling.loss == CrossEntropy()
        assert ceiling.labels == Gold(examples=cell.student_fit.examples)
        assert ceiling.validation_labels == Gold(examples=cell.student_fit.validation)


def test_the_slice_that_student_and_ceiling_stop_on_is_in_neithers_training() -> None:
    for cell in _first_of_each_task():
        for each in (cell.student_fit, fitted(cell.ceiling)):
            train, stop = (cell.task.examples(p.split, p.n, p.seed) for p in (each.examples, each.validation))
            assert not set(train.ids) & set(stop.ids)
            assert not set(train.groups) & set(stop.groups)
            assert stop.ids == cell.task.examples(each.validation.split, each.validation.n, 9).ids


def test_the_student_before_finetuning_has_seen_no_labels_or_is_a_probe_on_the_weak_ones() -> None:
    for cell in CELLS:
        assert (cell.zero_shot is None) == (cell.task.readout != "tokens") == (cell.frozen_probe is not None)
        if cell.zero_shot:
            assert isinstance(cell.zero_shot.predictions, ZeroShot)
            assert ancestors(cell.zero_shot.predictions) == (cell.test,)
        else:
            naive = next(each for each in CELLS if _row(each) == _row(cell))  # no technique touches it
            assert differing(fitted(cell.frozen_probe), naive.student_fit) == {"method", "features"}


def _row(cell: Cell) -> tuple[str, ...]:
    return cell.task.name, cell.weak.name, cell.strong.name, str(cell.seed)


def _first_of_each_task() -> Iterator[Cell]:
    yield from {cell.task.name: cell for cell in CELLS}.values()


# ---- side doors


def test_an_example_has_no_place_for_an_answer() -> None:
    assert [each.name for each in fields(Example)] == ["id", "group", "prompt", "choices"]
    with pytest.raises(AttributeError):
        object.__setattr__(Example(id="a", group="g", prompt="?", choices=("no", "yes")), "answer", 1)


def boards(n: int) -> list[chess.Board]:
    """Positions of random play with two legal moves at least, each once."""
    rng, found = random.Random(0), dict[str, chess.Board]()
    while len(found) < n:
        board = chess.parse(chess.START)
        for _ in range(rng.randrange(4, 40)):
            if moves := chess.legal_moves(board):
                board = chess.play(board, rng.choice(moves))
        if len(chess.legal_moves(board)) > 1:
            found[chess.position_key(chess.fen(board))] = board
    return list(found.values())


def mined(folder: Path, lie: bool) -> tuple[Path, Path]:
    """Puzzles and positions as they ship; with another answer and difficulty where `lie` is set."""
    folder.mkdir()
    rows = []
    for i, board in enumerate(boards(40)):
        legal = chess.legal_moves(board)
        place = chess.position_key(chess.fen(board))
        answer = {"solutions": legal[-1] if lie else legal[0], "difficulty": 900 if lie else i, "moves": "e2e4"}
        score = (-1 if lie else 1) * (500 if i % 2 else -500)
        rows.append({"id": f"p{i}", "fen": place, "game": f"game {i // 2}", "score": score, **answer})
    for name in ("puzzles", "positions"):
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return folder / "puzzles.parquet", folder / "positions.parquet"


def published(path: Path, lie: bool) -> str:
    """Rows of the Lichess database, with another answer, rating and theme where `lie` is set."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["PuzzleId", "FEN", "Moves", "Rating", "Themes", "GameUrl"])
        for i, board in enumerate(boards(40)):
            first = chess.legal_moves(board)[0]
            if len(legal := chess.legal_moves(chess.play(board, first))) < 2:
                continue
            answer = legal[-1] if lie else legal[0]
            about = [f"{9 - i % 9 if lie else i}00", "endgame" if lie else "mate"]
            writer.writerow([f"p{i}", chess.fen(board), f"{first} {answer}", *about, f"https://x.org/g{i // 2}#9"])
    return str(path)


def read_by_a_run(task: Task) -> tuple[dict[str, tuple[float, ...]], Any]:
    """The answers of a task, and all that a model may see: prompts, choices, ids, splits and order."""
    source = task.load()
    splits: tuple[Split, ...] = ("weak_train", "transfer", "test")
    return source.answers, ([row.example for row in source.rows], [task.examples(split, None, 3) for split in splits])


def assert_blind(one: Task, other: Task) -> None:
    (answers, seen), (others, also_seen) = read_by_a_run(one), read_by_a_run(other)
    assert all(answers[id] != others[id] for id in answers)
    assert seen == also_seen


PROMPTS: tuple[Literal["position", "moves"], ...] = ("position", "moves")


def test_puzzles_and_positions_tell_nothing_of_their_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth, lies = mined(tmp_path / "truth", lie=False), mined(tmp_path / "lies", lie=True)
    for prompt in PROMPTS:
        assert_blind(*(ChessPuzzles(source=str(each[0]), prompt=prompt) for each in (truth, lies)))
    monkeypatch.setattr(ChessAdvantage, "load", lambda self: chess_advantage._load(Path(self.digest)))
    assert_blind(ChessAdvantage(digest=str(truth[1])), ChessAdvantage(digest=str(lies[1])))


def test_published_puzzles_tell_nothing_of_their_answers(tmp_path: Path) -> None:
    truth, lies = published(tmp_path / "a.csv", lie=False), published(tmp_path / "b.csv", lie=True)
    for prompt in PROMPTS:
        assert_blind(*(ChessPuzzles(source=source, prompt=prompt) for source in (truth, lies)))
