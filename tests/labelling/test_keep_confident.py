"""Which examples stay, by hand."""

from __future__ import annotations

import pytest

from outgrow.labelling.keep_confident import KeepConfident
from outgrow.types import Labels, UserError

# Five lean to the first choice, the surest of them at 0.95; three to the second, the surest at 0.7.
ROWS = {"a": 0.95, "b": 0.9, "c": 0.85, "d": 0.8, "e": 0.6, "f": 0.3, "g": 0.4, "h": 0.45}
LABELS = Labels.from_rows(list(ROWS), [[p, 1 - p] for p in ROWS.values()])


def test_the_surest_stay_in_their_order() -> None:
    kept = KeepConfident(share=0.5).apply([LABELS])
    assert kept.ids == ("a", "b", "c", "d")
    assert kept.rows()[1].tolist() == LABELS.rows()[1].tolist()


def test_a_share_of_each_class() -> None:
    # Half of five is three, half of three is two, rounded up.
    assert KeepConfident(share=0.5, per_class=True).apply([LABELS]).ids == ("a", "b", "c", "f", "g")


def test_one_stays_at_least_and_all_at_one() -> None:
    assert KeepConfident(share=0.01).apply([LABELS]).ids == ("a",)
    assert KeepConfident(share=1.0).apply([LABELS]).ids == LABELS.ids


def test_equals_go_by_id() -> None:
    same = Labels.from_rows(["z", "y", "x"], [[0.5, 0.5]] * 3)
    assert KeepConfident(share=0.3).apply([same]).ids == ("x",)


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_no_share_is_refused(share: float) -> None:
    with pytest.raises(UserError, match="share"):
        KeepConfident(share=share)
