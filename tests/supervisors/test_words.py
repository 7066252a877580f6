"""Words as a supervisor: what its steps read, what a document says, and what is refused before a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeTask, chance
from slots import BASE, SMALL, done
from text_files import write_jsonl

from outgrow.config import experiment_from
from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.experiment.grid import cells
from outgrow.experiment.leaks import check_no_leaks
from outgrow.experiment.steps import Fit
from outgrow.graph import Settings, load, walk
from outgrow.preflight import checked
from outgrow.store import Store
from outgrow.supervisors.ensemble import Ensemble
from outgrow.supervisors.words import FitWords, PredictWords, Words
from outgrow.tasks.base import Row, Source
from outgrow.types import Example, UserError

TABLE: dict[str, Any] = {"task": "fakes:FakeTask", "strong": "fakes:FakeModel/large"}


@dataclass(frozen=True, kw_only=True)
class Films(FakeTask):
    """Prompts in which a word is right nine times in ten."""

    name = "fakes"

    def load(self) -> Source:
        rows = []
        for i in range(self.rows):
            yes = int(chance("answer", i) < 0.5)
            word = ("dull", "fine")[yes if chance("word", i) < 0.9 else 1 - yes]
            example = Example(id=f"q{i}", group=f"g{i // 2}", prompt=f"film{i} {word} {yes}", choices=("no", "yes"))
            rows.append(Row(example=example, answer=(1.0 - yes, float(yes))))
        return Source(rows)


FILMS = (Films(digest="fake"),)


def words_cell(words: Words = Words(), **changes: Any) -> Cell:  # noqa: B008
    (found,) = cells(replace(BASE, weak=(words,), tasks=FILMS, **changes))
    return found


def fit_of(cell: Cell) -> FitWords:
    predictions = cell.floor.predictions
    assert isinstance(predictions, PredictWords)
    return predictions.fitted


def test_a_student_learns_from_words(tmp_path: Path) -> None:
    found = words_cell()
    assert not done(found, tmp_path).failures
    store = Store(str(tmp_path))
    assert 0.8 < load(found.floor, store).correct.mean() < 1
    classifier, train = load(fit_of(found), store), load(fit_of(found).examples, store)
    assert set(classifier.bag.vocabulary) == {
        term for row in train.rows for term in (*row.prompt.split()[:2], " ".join(row.prompt.split()[:2]))
    }


def test_its_ground_truth_is_that_of_weak_train_alone() -> None:
    found = words_cell()
    truths = [step for step in walk([fit_of(found)]) if isinstance(step, Gold)]
    assert [truth.examples.split for truth in truths] == ["weak_train"]
    prepared = {step.split for step in walk([fit_of(found)]) if isinstance(step, Prepare)}
    assert prepared == {"weak_train"}


@pytest.mark.parametrize("split", ["transfer", "transfer_validation", "test"])
def test_words_that_learned_from_other_ground_truth_are_a_leak(split: str) -> None:
    found = words_cell()

    def swapped(labels: LabelsStep) -> LabelsStep:
        assert isinstance(labels, PredictWords)
        other = replace(labels.fitted.examples, split=split)
        return replace(labels, fitted=replace(labels.fitted, examples=other, labels=Gold(examples=other)))

    leaking: Fit = replace(found.student_fit, labels=swapped(found.student_fit.labels))
    check_no_leaks([found.student_fit])
    with pytest.raises(UserError, match=f"would read the ground truth of {split}|the test examples"):
        check_no_leaks([leaking])


def test_the_seed_of_the_cell_and_each_field_make_another_fit() -> None:
    plain = fit_of(words_cell())
    assert plain.key == fit_of(words_cell()).key
    others = [
        fit_of(words_cell(seeds=(1,))),
        *(fit_of(words_cell(Words(**change))) for change in ({"ngrams": (1, 1)}, {"min_df": 2}, {"folds": 3})),
        fit_of(words_cell(Words(penalties=(1.0,)))),
    ]
    assert len({plain.key, *(fit.key for fit in others)}) == 6


def test_its_name_says_what_is_not_the_default() -> None:
    assert Words().name == "words"
    assert Words(ngrams=(1, 1), min_df=2).name == "words (ngrams 1-1, min df 2)"
    assert [cell.weak.name for cell in cells(replace(BASE, weak=(Words(), Words(folds=3)), tasks=FILMS))] == [
        "words",
        "words (folds 3)",
    ]
    assert Ensemble(members=(SMALL, Words())).name == f"{SMALL.name} + words"


@pytest.mark.parametrize(
    ("weak", "expected"),
    [
        ("words", Words()),
        ({"name": "words", "ngrams": [1, 3], "penalties": [1.0]}, Words(ngrams=(1, 3), penalties=(1.0,))),
        (["fakes:FakeModel/small", {"name": "words"}], None),
    ],
)
def test_a_document_names_it(weak: Any, expected: Words | None) -> None:
    found = experiment_from({**TABLE, "weak": weak}).weak
    assert found[-1] == (expected or Words())


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ngrams": [0, 2]}, "from 1 to 10"),
        ({"ngrams": [2, 1]}, "from 1 to 10"),
        ({"ngrams": [1]}, "ngrams"),
        ({"min_df": 0}, "min_df is 0"),
        ({"folds": 1}, "folds is 1"),
        ({"penalties": []}, "penalties"),
        ({"penalties": [0.0]}, "above 0"),
    ],
)
def test_fields_outside_their_range_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        experiment_from({**TABLE, "weak": {"name": "words", **fields}})


def experiment(folder: Path, texts: list[str], labels: list[str], words: Words) -> Any:
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    path = write_jsonl(folder / "rows.jsonl", rows)
    task = {"name": "text", "path": str(path), "prompt": "{text}", "label": "label", "near_share": 0.0}
    table = {"task": task, "weak": "words", "strong": "fakes:FakeModel/large"}
    return replace(experiment_from(table, folder=folder), weak=(words,))


def test_what_cannot_be_learned_is_reported_before_a_run(tmp_path: Path) -> None:
    numbers = [f"{i}" for i in range(400)]
    good = experiment(tmp_path, [f"word{i}" for i in range(400)], ["a", "b"] * 200, Words())
    assert checked(good, Settings()).weak == (Words(),)
    for texts, labels, words, message in (
        ([f"word{i}" for i in range(400)], ["a", "b"] * 200, Words(folds=21), "20 groups .* cannot be cut into 21"),
        (list(map(chr, range(1000, 1400))), ["a", "b"] * 200, Words(), "no word or n-gram of words is in 1 of the"),
        ([f"word{i}" for i in range(400)], ["a", "b"] * 200, Words(min_df=2), "no word .* is in 2 of the"),
        ([f"w {number}" for number in numbers], ["a"] * 399 + ["b"], Words(), "words learn from are all of one class"),
    ):
        wrong = replace(experiment(tmp_path, texts, labels, words), sizes={"weak_train": 20})
        with pytest.raises(UserError, match=f"task text/rows: .*{message}") as error:
            checked(wrong, Settings())
        assert len(error.value.messages) == len({*error.value.messages})


def test_a_task_whose_examples_have_choices_of_their_own_is_refused() -> None:
    table = {"task": "chess-puzzles", "weak": "words", "strong": "ladder/knight", "seeds": [0]}
    wrong = replace(experiment_from(table), sizes={"weak_train": 20})
    with pytest.raises(UserError, match="chess-puzzles: words need a task whose examples share their choices"):
        checked(wrong, Settings())
