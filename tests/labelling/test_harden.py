"""Hardening by hand."""

from __future__ import annotations

from outgrow.labelling.harden import Harden
from outgrow.types import Labels


def test_by_hand() -> None:
    labels = Labels.from_rows(["a", "b", "c"], [[0.2, 0.8], [0.5, 0.5], [0.1, 0.3, 0.6]])
    hard = Harden().apply([labels])
    assert hard.ids == labels.ids
    assert [row.tolist() for row in hard.rows()] == [[0, 1], [1, 0], [0, 0, 1]]
