"""Rules that stop training without ground truth, each by hand."""

from __future__ import annotations

import numpy as np
import pytest

from outgrow.measures.stopping import (
    agreement_of_seeds,
    best_on_others,
    calmest,
    highest_agreement,
    lowest_loss,
    steadiest,
)


def test_the_lowest_loss_to_held_out_labels() -> None:
    """Of one row that is surely of the first choice: 0.6, then 0.9, then 0.7 for it."""
    probabilities = np.array([[[0.6, 0.4]], [[0.9, 0.1]], [[0.7, 0.3]]])
    assert lowest_loss(probabilities, np.array([[1.0, 0.0]])) == 1


def test_the_highest_agreement_with_held_out_labels() -> None:
    weak = np.array([0, 1, 1])
    assert highest_agreement(np.array([[1, 1, 0], [0, 1, 1], [0, 1, 1]]), weak) == 1  # the first of two


def test_the_calmest_check() -> None:
    """Of four answers 2, 1 and 3 change at one epoch each: the second change is a valley, before the third check. With
    five epochs between the first two checks there are 0.4, 1 and 3 changes an epoch, and no valley."""
    chosen = np.array([[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]])
    assert calmest(chosen, [1, 2, 3, 4]) == 2
    assert calmest(chosen, [1, 6, 7, 8]) == 3
    assert calmest(chosen[:2], [1, 2]) == 1


def test_the_check_at_which_seeds_agree_most() -> None:
    """Three seeds. At the first check they agree on 1, 0 and 1 of two examples, at the second all on both."""
    answers = np.array([[[0, 1], [1, 1]], [[0, 0], [1, 1]], [[1, 0], [1, 1]]])
    assert agreement_of_seeds(answers).tolist() == pytest.approx([(1 / 2 + 0 + 1 / 2) / 3, 1.0])
    assert steadiest(answers) == 1


def test_the_best_rule_is_chosen_on_other_tasks() -> None:
    """One rule gains on task a alone, another on task b alone, so each is chosen for the other task."""
    gains = np.array([[0.5, 0.3, 0.0], [0.0, 0.0, 0.4]])
    assert best_on_others(gains, ["a", "a", "b"]) == [1, 1, 0]
    assert best_on_others(gains[:, :2], ["a", "a"]) == [None, None]
