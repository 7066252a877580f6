"""Probable truth: better than the labels, with probabilities that hold, and the channel of confident learning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from practice.made import drawn

from outgrow.practice.data import PracticeData
from outgrow.practice.truth import channel, predicted_out_of_fold, probable_truth, with_audits


def test_texts_and_labels_together_know_more_than_either() -> None:
    data, truth = drawn(1000)
    found = probable_truth(data)
    assert found.out_of_fold is not None
    own = truth[data.labelled]
    by_all, by_labels, by_texts = (
        float((p.argmax(1) == own).mean()) for p in (found.from_all, found.from_labels, found.out_of_fold)
    )
    assert by_all > max(by_labels, by_texts) + 0.01


def test_the_probability_of_an_error_is_the_share_of_errors() -> None:
    """With four annotators by Dawid-Skene, where errors do not depend on texts."""
    data, truth = drawn(3000)
    found = probable_truth(data)
    wrong = found.labels != truth[data.labelled]
    assert found.wrong.mean() == pytest.approx(wrong.mean(), abs=0.03)
    sure, unsure = found.wrong > np.quantile(found.wrong, 0.9), found.wrong < np.median(found.wrong)
    assert wrong[sure].mean() > 3 * wrong[unsure].mean()


@pytest.mark.parametrize("skill", [0.6, 0.75, 0.9])
def test_with_one_annotator_audits_make_the_probability_hold(skill: float) -> None:
    """Confident learning ranks errors, but takes texts that do not tell their class for errors of the labels."""
    data, truth = drawn(3000, (skill,))
    found = probable_truth(data)
    wrong = (found.labels != truth[data.labelled]).astype(float)
    assert found.wrong.mean() > wrong.mean() + 0.05
    sure = found.wrong > np.quantile(found.wrong, 0.8)
    assert wrong[sure].mean() > 1.2 * wrong.mean()
    audited = np.random.default_rng(0).permutation(len(wrong))[:200]
    checked = with_audits(found.wrong, audited, wrong[audited], np.ones(200))
    assert checked.mean() == pytest.approx(wrong.mean(), abs=0.07)
    assert (np.argsort(checked, kind="stable") == np.argsort(found.wrong, kind="stable")).mean() > 0.9


def test_without_texts_there_are_the_labels() -> None:
    data = PracticeData.from_values([["a", "b"], ["a", None]])
    found = probable_truth(data)
    assert found.from_labels.tolist() == [[0.5, 0.5], [1, 0]]
    assert found.from_all is found.from_labels
    assert found.estimated is None


def test_the_channel_by_hand() -> None:
    """Labels 0 0 0 1 1, probability of class 1: 0.1 0.2 0.9 0.9 0.3. Thresholds are the means of the own class: of 0
    (0.9 + 0.8 + 0.1) / 3 = 0.6, of 1 (0.9 + 0.3) / 2 = 0.6. So the items count for 0, 0, 1, 1, 0. With half a count on
    the diagonal label 0 has 2.5 and 1, label 1 has 1 and 1.5. In the sizes 3 and 2: 15 / 7 and 6 / 7; 0.8 and 1.2."""
    p = np.array([0.1, 0.2, 0.9, 0.9, 0.3])
    found = channel(np.stack([1 - p, p], 1), np.array([0, 0, 0, 1, 1]))
    joint = np.array([[15 / 7, 6 / 7], [0.8, 1.2]])  # [label, true class]
    assert found == pytest.approx((joint / joint.sum(0)).T, abs=1e-6)


def test_no_item_is_predicted_by_a_model_that_saw_its_group() -> None:
    """Two rows of a group have one feature of their own and the same label: only each other could tell it."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 2)
    labels = np.repeat(rng.integers(0, 2, 100), 2)
    x = np.eye(100)[groups]
    found = predicted_out_of_fold(x, labels, 2, groups, 0)
    assert (found.argmax(1) == labels).mean() < 0.6
    apart = predicted_out_of_fold(x, labels, 2, np.arange(200), 0)
    assert (apart.argmax(1) == labels).mean() > 0.7


def test_items_of_a_group_are_those_of_the_data() -> None:
    """Copies share a fold, whatever their case; without texts every item is alone; replies are part of a text."""
    data = PracticeData.from_values(["a", "b", "a"], ["One text", "another", "one  TEXT"], ids=["x", "y", "z"])
    assert data.groups == ("x", "y", "x")
    assert PracticeData.from_values(["a", "b"], ids=["x", "y"]).groups == ("x", "y")
    pairs = replace(data, replies=(("1", "2"), ("1", "2"), ("1", "3")))
    assert pairs.groups == ("x", "y", "z")


def test_copies_do_not_tell_each_other_s_labels() -> None:
    """Labels by chance of texts that each occur twice: predictions out of fold are by chance too."""
    rng = np.random.default_rng(0)
    words = [f"w{i} x{i} y{i}" for i in range(150)]
    weak = rng.integers(0, 2, 150)
    data = PracticeData.from_values(np.tile(weak, 2), [*words, *(text.upper() for text in words)], classes=["a", "b"])
    found = probable_truth(data)
    assert found.out_of_fold is not None
    assert (found.out_of_fold.argmax(1) == np.tile(weak, 2)).mean() < 0.6


def test_a_class_without_a_label_and_one_with_a_single_item() -> None:
    data = PracticeData.from_values(["a"] * 9 + ["b"], [f"text {i} words" for i in range(10)], classes=["a", "b", "c"])
    found = probable_truth(data)
    assert np.isfinite(found.from_all).all()
    assert found.from_all.sum(1) == pytest.approx(np.ones(10))
