"""The mean by hand, and who cannot be averaged."""

from __future__ import annotations

import pytest

from outgrow.labelling.mean import Mean
from outgrow.types import Labels, UserError


def test_by_hand_joined_by_id() -> None:
    one = Labels.from_rows("ab", [[0.2, 0.8], [0.1, 0.3, 0.6]])
    two = Labels.from_rows("ba", [[0.5, 0.5, 0.0], [0.6, 0.4]])
    rows = Mean().apply([one, two]).rows()
    assert rows[0].tolist() == pytest.approx([0.4, 0.6])
    assert rows[1].tolist() == pytest.approx([0.3, 0.4, 0.3])


def test_who_abstains_does_not_count() -> None:
    # "a" has two labels, 0.2 and 0.6 for its first choice; "b" and "c" have one each.
    one = Labels.from_rows("ab", [[0.2, 0.8], [0.5, 0.5]])
    found = Mean().apply([one, Labels.from_rows("ca", [[0.1, 0.9], [0.6, 0.4]])])
    assert found.ids == ("a", "b", "c")
    assert [row[0] for row in found.rows()] == pytest.approx([0.4, 0.5, 0.1])


def test_one_alone_stays_as_it_is() -> None:
    one = Labels.from_rows("ab", [[0.2, 0.8], [0.1, 0.3, 0.6]])
    assert Mean().apply([one]).probs.tolist() == one.probs.tolist()


def test_other_choices_are_refused() -> None:
    one = Labels.from_rows("ab", [[0.2, 0.8], [0.5, 0.5]])
    with pytest.raises(UserError, match="different choices"):
        Mean().apply([one, Labels.from_rows("ab", [[0.2, 0.8], [0.5, 0.3, 0.2]])])
