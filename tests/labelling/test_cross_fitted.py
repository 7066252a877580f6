"""Cross-fitted agreement and product by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from outgrow.labelling.base import Evidence
from outgrow.labelling.cross_fitted_agreement import CrossFittedAgreement
from outgrow.labelling.cross_fitted_product import CrossFittedProduct
from outgrow.types import Labels, UserError

# Three rows of the first class, two of the second.
WEAK = Labels.from_rows("abcde", [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.1, 0.9]])
STUDENT = Labels.from_rows("abcde", [[0.5, 0.5], [0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.9, 0.1]])
SEEN = Evidence(predictions={"student/folds:5": STUDENT})


def test_each_class_keeps_the_half_with_the_largest_products() -> None:
    # Of the first class 0.9 * 0.5 = 0.45, 0.8 * 0.9 = 0.72, 0.6 * 0.9 = 0.54: two of three, b and c, although the
    # supervisor is most sure of a. Of the second 0.7 * 0.8 = 0.56 and 0.9 * 0.1 = 0.09: d.
    kept = CrossFittedAgreement().apply([WEAK], SEEN)
    assert kept.ids == ("b", "c", "d")
    assert [row.tolist() for row in kept.rows()] == [[1, 0], [1, 0], [0, 1]]


def test_the_share_is_rounded_up_within_each_class() -> None:
    assert CrossFittedAgreement(share=0.1).apply([WEAK], SEEN).ids == ("b", "d")
    assert CrossFittedAgreement(share=1).apply([WEAK], SEEN).ids == WEAK.ids


def test_a_round_learns_from_the_round_before_and_the_first_from_the_labels() -> None:
    rule = CrossFittedAgreement(share=0.4, rounds=3)
    assert rule.training_rule == replace(rule, rounds=2)
    assert CrossFittedAgreement(rounds=1).training_rule is None
    assert CrossFittedProduct(share=0.4, rounds=3).training_rule == rule


def test_the_product_is_normalised_and_keeps_every_row() -> None:
    found = CrossFittedProduct().apply([WEAK], SEEN)
    assert found.ids == WEAK.ids
    # a: (0.45, 0.05) / 0.5; e: (0.09, 0.09) / 0.18.
    assert found.row(0).tolist() == pytest.approx([0.9, 0.1])
    assert found.row(4).tolist() == pytest.approx([0.5, 0.5])


def test_where_the_product_is_zero_everywhere_the_weak_label_stays() -> None:
    hard = Labels.from_rows("a", [[1.0, 0.0]])
    never = Evidence(predictions={"student/folds:5": Labels.from_rows("a", [[0.0, 1.0]])})
    assert CrossFittedProduct().apply([hard], never).row(0).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("rule", [CrossFittedAgreement, CrossFittedProduct])
@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 1.5}, {"rounds": 0}, {"rounds": 21}])
def test_values_out_of_range_are_refused(rule: type[CrossFittedAgreement], wrong: dict[str, int]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        rule(**wrong)  # type: ignore[arg-type]
