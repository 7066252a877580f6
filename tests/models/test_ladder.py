"""The rungs that ship: known by content, and never mistaken for a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from outgrow.config import experiment_from
from outgrow.graph import identity
from outgrow.models.ladder import Ladder, rungs


def test_two_names_of_one_checkpoint_are_one_model() -> None:
    one = Ladder(size=rungs()[0]).pinned()
    assert identity(replace(one, size="another name")) == identity(one)
    assert identity(replace(one, digest="another")) != identity(one)


def test_a_folder_of_the_same_name_beside_an_experiment_is_not_taken_for_a_rung(tmp_path: Path) -> None:
    (tmp_path / "pawn").mkdir()
    experiment = experiment_from(
        {"task": "chess-puzzles", "weak": "ladder/pawn", "strong": "ladder/knight"}, folder=tmp_path
    )
    assert experiment.weak == (Ladder(size="pawn"),)
