"""Seeds from a file, from `--seeds` and from Python follow the same rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_api import experiment
from test_cli import QUIZ

import outgrow
from outgrow.config import read, seeds_from
from outgrow.source import resolved
from outgrow.types import UserError

FORMS: list[tuple[Any, tuple[int, ...]]] = [
    (3, (0, 1, 2)),
    ("3", (0, 1, 2)),
    ([4, 7], (4, 7)),
    ("4,7", (4, 7)),
    ((7,), (7,)),
    ("7,", (7,)),
    (range(2, 5), (2, 3, 4)),
    ("2-4", (2, 3, 4)),
    (" 2 - 4 ", (2, 3, 4)),
    ("4-4", (4,)),
    (np.array([1, 5]), (1, 5)),
    ("0", (0,)),
    ("[0, 1]", (0, 1)),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "quiz.toml").write_text(QUIZ)
    return tmp_path / "quiz.toml"


@pytest.mark.parametrize(("seeds", "expected"), FORMS)
def test_every_form_is_taken_beside_a_file_a_table_and_an_experiment(
    path: Path, seeds: Any, expected: tuple[int, ...]
) -> None:
    assert seeds_from(seeds) == expected
    assert all(type(seed) is int for seed in seeds_from(seeds))
    assert read(path, seeds=seeds).seeds == expected
    assert resolved(path, seeds=seeds).seeds == expected
    assert resolved(experiment(), seeds=seeds).seeds == expected


ODD: list[tuple[Any, str]] = [
    (0, "seeds = 0 asks for no seeds: for the one seed 0 write [0] (--seeds 0,)"),
    (101, "seeds = 101 asks for 101 seeds, more than 100: for the one seed 101 write [101] (--seeds 101,)"),
    (-1, "seeds is -1 but should be a list such as [0, 1, 2], or how many: 5"),
    (True, "seeds is True but should be a list such as"),
    ([True], "seeds is [True] but should be a list such as"),
    ([], "seeds is [] but should be a list such as"),
    (2.0, "seeds is 2.0 but should be a list such as"),
    ([0, 1.5], "seeds is [0, 1.5] but should be a list such as"),
    ([1, 2, 1], "seeds lists 1 twice: name each once"),
    ([0, -1], "the seed -1 is not between 0 and 4294967295: give another"),
    ("many", "--seeds many: say how many seeds (--seeds 5), or which (--seeds 0,1,2 or 0-4; one alone as --seeds 7,)"),
    ("4-2", "--seeds 4-2: say how many seeds (--seeds 5), or which"),
    ("0-100", "--seeds 0-100: seeds from 0 to 100 are 101, more than 100: give fewer"),
    ("0-9999999999", "--seeds 0-9999999999: seeds from 0 to 9999999999 are 10000000000, more than 100: give fewer"),
    ("1,1", "--seeds 1,1: seeds lists 1 twice: name each once"),
]


@pytest.mark.parametrize(("seeds", "expected"), ODD)
def test_what_is_not_seeds_is_the_same_line_everywhere(path: Path, tmp_path: Path, seeds: Any, expected: str) -> None:
    messages = []
    for call in (
        lambda: read(path, seeds=seeds),
        lambda: outgrow.plan(path, store=tmp_path / "runs", seeds=seeds),
        lambda: outgrow.run(experiment(), store=tmp_path / "runs", seeds=seeds),
    ):
        with pytest.raises(UserError) as caught:
            call()
        messages.append(str(caught.value))
    assert len(set(messages)) == 1
    assert messages[0].startswith(expected)
    assert "\n" not in messages[0]


@given(st.one_of(st.text(), st.text(alphabet="0123456789,-[] "), st.integers(), st.lists(st.integers())))
def test_anything_is_seeds_or_one_line(seeds: Any) -> None:
    try:
        found = seeds_from(seeds)
    except UserError:
        return
    assert found
    assert len(set(found)) == len(found)
    assert all(0 <= seed < 2**32 for seed in found)
