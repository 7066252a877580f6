"""What is written of an experiment reads back as the same experiment."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from text_files import REPOSITORY

from outgrow.config import as_toml, experiment_from, read
from outgrow.config.toml import written
from outgrow.types import UserError

EXAMPLES = sorted(path for path in (REPOSITORY / "examples").glob("chess*.toml"))

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PLAIN = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), TEXT)
VALUES = st.recursive(
    PLAIN, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4))
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_any_table_reads_back(table: dict[str, Any]) -> None:
    assert tomllib.loads(written(table)) == table


def test_by_hand() -> None:
    table = {"weak": ["a", "b"], "methods": [{"label": "x"}, {"loss": {"weight": 0.5}}], "sizes": {}, "seeds": None}
    assert written(table) == (
        'weak = ["a", "b"]\nmethods = [\n    { label = "x" },\n    { loss = { weight = 0.5 } },\n]\nsizes = {}\n'
    )


def test_a_file_that_nothing_changes_is_given_word_for_word(tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text('# why\ntask = "chess-puzzles"\nweak = "ladder/pawn"\nstrong = "ladder/knight"\n')
    assert as_toml(path) == path.read_text()
    changed = as_toml(path, ["sizes.test=50"], "0,1")
    assert tomllib.loads(changed) == tomllib.loads(path.read_text()) | {"sizes": {"test": 50}, "seeds": [0, 1]}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_options_are_in_what_is_written(path: Path) -> None:
    overrides = ["sizes.test=77", 'recipes."ladder/knight".epochs=3']
    table = tomllib.loads(as_toml(path, overrides, 2))
    assert experiment_from(table, folder=path.parent) == read(path, overrides, 2)


def test_a_table_is_written_too_and_a_wrong_option_is_refused() -> None:
    table = {"task": "chess-puzzles", "weak": ("ladder/pawn",), "strong": "ladder/knight"}
    assert experiment_from(tomllib.loads(as_toml(table))) == experiment_from(table)
    with pytest.raises(UserError, match="write it as field=value"):
        as_toml(table, ["sizes.test"])
