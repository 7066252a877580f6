"""Which examples stay, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from outgrow.labelling.base import NotedLabels, notes_of
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


def test_of_equals_a_hash_draws_and_a_note_says_how_many() -> None:
    """Ids that follow the content, the first half of one class: neither half is preferred."""
    ids = [f"{i:04}" for i in range(1000)]
    kept = KeepConfident(share=0.5).apply([Labels.from_rows(ids, [[1.0, 0.0]] * 500 + [[0.0, 1.0]] * 500)])
    assert len(kept) == 500
    assert 200 < sum(id < "0500" for id in kept.ids) < 300  # 250 expected, standard deviation 11
    assert notes_of(kept) == (
        "keep-confident: 500 of the 500 examples kept were drawn at random from equally sure ones.",
    )
    back = KeepConfident(share=0.5).apply([Labels.from_rows(ids[::-1], [[0.0, 1.0]] * 500 + [[1.0, 0.0]] * 500)])
    assert set(back.ids) == set(kept.ids)


def test_equals_that_do_not_decide_are_not_mentioned() -> None:
    # Of 0.9, 0.8, 0.8, 0.6 a quarter keeps the first, half draws one of two, three quarters keep both.
    labels = Labels.from_rows("abcd", [[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.4, 0.6]])
    assert notes_of(KeepConfident(share=0.25).apply([labels])) == ()
    assert notes_of(KeepConfident(share=0.75).apply([labels])) == ()
    half = KeepConfident(share=0.5).apply([labels])
    assert half.ids[0] == "a"
    assert "1 of the 2 examples" in notes_of(half)[0]
    assert notes_of(KeepConfident(share=1.0).apply([labels])) == ()


@pytest.mark.parametrize(("share", "n", "count"), [(0.1, 30, 3), (0.3, 10, 3), (0.5, 5, 3), (1e-12, 9, 1)])
def test_a_share_is_rounded_up_but_for_the_error_of_floating_point(share: float, n: int, count: int) -> None:
    # 0.1 * 30 is 3.0000000000000004.
    labels = Labels.from_rows([f"e{i}" for i in range(n)], [[0.5 + i / 100, 0.5 - i / 100] for i in range(n)])
    kept = KeepConfident(share=share).apply([labels])
    assert kept.ids == labels.ids[n - count :]


def test_notes_are_stored_with_the_labels(tmp_path: Path) -> None:
    kept = KeepConfident().apply([Labels.from_rows("abcd", [[1.0, 0.0]] * 4)])
    kept.save(tmp_path)
    again = NotedLabels.load(tmp_path)
    assert (again.ids, again.notes) == (kept.ids, notes_of(kept))
    assert again.probs.tolist() == kept.probs.tolist()
    (tmp_path / "plain").mkdir()
    KeepConfident(share=1.0).apply([LABELS]).save(tmp_path / "plain")
    assert not (tmp_path / "plain/notes.json").exists()


@pytest.mark.parametrize("share", [0.0, 1.1, float("nan")])
def test_no_share_is_refused(share: float) -> None:
    with pytest.raises(UserError, match="share"):
        KeepConfident(share=share)


def test_a_note_counts_what_was_drawn_of_every_class() -> None:
    # Half of four alike and half of two alike: two and one.
    labels = Labels.from_rows("abcdef", [[0.9, 0.1]] * 4 + [[0.2, 0.8]] * 2)
    kept = KeepConfident(share=0.5, per_class=True).apply([labels])
    assert notes_of(kept)[0].startswith("keep-confident: 3 of the 3 examples")


def test_the_draw_is_that_of_earlier_versions() -> None:
    """Another salt or byte order would draw others, and needs another version of the rule."""
    kept = KeepConfident(share=0.25).apply([Labels.from_rows("abcdefghijklmnop", [[1.0, 0.0]] * 16)])
    assert "".join(kept.ids) == "bdgp"


def test_labels_that_no_rule_made_have_no_notes() -> None:
    assert notes_of(LABELS) == ()
