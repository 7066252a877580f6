"""A person's data as a task: which rows are learned from, and which are set aside."""

from __future__ import annotations

from dataclasses import replace

import cheap
import numpy as np
import pytest

from outgrow.practice.data import PracticeData
from outgrow.practice.task import PairPractice, Practice, task_of
from outgrow.types import UserError


def ids(task: Practice, split: str) -> set[str]:
    return set(task.examples(split, None, 0).ids)  # type: ignore[arg-type]


def test_every_row_is_predicted_and_a_slice_of_the_labelled_ones_is_held_out() -> None:
    task = task_of(cheap.data(60))
    assert len(ids(task, "test")) == 60
    learned, slice_ = ids(task, "transfer"), ids(task, "transfer_validation")
    assert (len(learned), len(slice_)) == (54, 6)
    assert not learned & slice_
    assert not ids(task, "weak_train")


def test_a_row_without_a_label_is_predicted_and_nothing_else() -> None:
    texts, truth = cheap.rows(30)
    task = task_of(PracticeData.from_values([None, None, *truth[2:]], texts))
    assert len(ids(task, "test")) == 30
    assert not {"0", "1"} & (ids(task, "transfer") | ids(task, "transfer_validation"))


def test_audited_rows_are_for_learning_and_not_for_the_slice() -> None:
    task = task_of(cheap.data(60, audited=50))
    assert ids(task, "weak_train") == {str(i) for i in range(50)} <= ids(task, "transfer")
    assert ids(task, "transfer_validation") < {str(i) for i in range(50, 60)}


def test_an_audited_row_without_a_weak_label_is_learned_from() -> None:
    texts, truth = cheap.rows(30)
    task = task_of(PracticeData.from_values([None, *truth[1:]], texts, gold=[truth[0], *[None] * 29]))
    assert "0" in ids(task, "transfer")


def test_the_rows_of_a_fold_are_in_no_split_that_is_learned_from() -> None:
    task = task_of(cheap.data(60, audited=20))
    folds = [replace(task, folds=5, fold=fold) for fold in range(5)]
    assert sorted(id for each in folds for id in each.held_out()) == sorted(str(i) for i in range(20))
    for each in folds:
        assert len(each.held_out()) == 4
        for split in ("weak_train", "transfer", "transfer_validation"):
            assert not each.held_out() & ids(each, split)
        assert not each.held_out() & set(each.audited().ids)
        assert each.held_out() < ids(each, "test")
    assert replace(task, folds=1, fold=0).held_out() == {str(i) for i in range(20)}


def test_copies_of_a_text_are_held_out_together() -> None:
    """Else the ground truth of one would be learned, and another would score what has learned it."""
    texts, truth = cheap.rows(40)
    twice, gold = [text.upper() if i else text for text in texts for i in (0, 1)], np.repeat(truth, 2).tolist()
    data = PracticeData.from_values(gold, twice, classes=cheap.CLASSES, gold=gold)
    text_of = dict(zip(data.ids, map(str.lower, data.texts), strict=True))
    for fold in range(5):
        task = replace(task_of(data), fold=fold)
        held_out = {text_of[id] for id in task.held_out()}
        assert held_out
        assert not held_out & {text_of[id] for id in task.audited().ids}


def test_the_digest_is_that_of_the_content() -> None:
    same, other = task_of(cheap.data(60)), task_of(cheap.data(60, audited=1))
    assert same == task_of(cheap.data(60))
    assert len({same.digest, other.digest, task_of(cheap.data(59)).digest}) == 3


def test_two_replies_are_a_pair() -> None:
    random = np.random.default_rng(0)
    pairs = tuple((f"w{a}", f"w{b}") for a, b in random.integers(0, 40, (20, 2)))
    data = replace(cheap.data(20), replies=pairs)
    assert isinstance(task_of(data), PairPractice)


def test_too_few_labels_and_one_class_are_refused() -> None:
    with pytest.raises(UserError, match="the data has 9 rows with a label: give 10 at least"):
        task_of(cheap.data(9))
    texts, _ = cheap.rows(20)
    with pytest.raises(UserError, match="has the same label in every row, 'low': nothing can be learned"):
        task_of(PracticeData.from_values(["low"] * 20, texts, classes=cheap.CLASSES))


def test_probabilities_that_all_prefer_one_class_can_be_learned_from() -> None:
    texts, truth = cheap.rows(20)
    weak = [[0.9, 0.1] if name == "low" else [0.6, 0.4] for name in truth]
    assert len(ids(task_of(PracticeData.from_values(weak, texts)), "transfer")) == 18


def test_fresh_parts_for_a_chain_are_refused() -> None:
    with pytest.raises(UserError, match='chain_data = "same"'):
        task_of(cheap.data(60)).examples("transfer", None, 0, part=1)
