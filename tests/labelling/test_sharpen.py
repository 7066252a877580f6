"""Sharpening by hand."""

from __future__ import annotations

import pytest

from outgrow.labelling.sharpen import Sharpen
from outgrow.types import Labels, UserError

LABELS = Labels.from_rows(["a", "b", "c"], [[0.2, 0.8], [0.5, 0.5], [0.1, 0.3, 0.6]])


def test_by_hand() -> None:
    # At temperature 1/2 probabilities are squared: 0.04 and 0.64 of 0.68; 0.01, 0.09 and 0.36 of 0.46.
    rows = Sharpen(temperature=0.5).apply([LABELS]).rows()
    assert rows[0].tolist() == pytest.approx([0.04 / 0.68, 0.64 / 0.68])
    assert rows[1].tolist() == [0.5, 0.5]
    assert rows[2].tolist() == pytest.approx([0.01 / 0.46, 0.09 / 0.46, 0.36 / 0.46])


def test_one_changes_nothing_and_almost_zero_hardens() -> None:
    assert Sharpen(temperature=1.0).apply([LABELS]).probs == pytest.approx(LABELS.probs)
    assert Sharpen(temperature=1e-4).apply([LABELS]).rows()[0].tolist() == [0, 1]


def test_no_temperature_is_refused() -> None:
    with pytest.raises(UserError, match="temperature"):
        Sharpen(temperature=0.0)
