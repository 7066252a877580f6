"""Tables in the documentation keep the reasons that stand below them."""

from __future__ import annotations

import importlib
import re
from types import ModuleType

import pytest
from text_files import REPOSITORY

PRINTED = """\
| task | seed | PGR |
|---|---|---:|
| chess | all | — [1] |
| chess | 0 | — [3] |
| text | all | 20 (10–30) |
| text | all | — [12] |

PGR: the gap recovered.
vs first: against naive; ↑ clearly better, ↓ clearly worse.
[1] PGR withheld: the gap is 0.8 points  \n[3] PGR withheld: the gap is 0.1 points  \n[12] PGR withheld: one seed
"""


@pytest.fixture
def refresh(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(REPOSITORY))
    return importlib.import_module("docs.refresh")


def test_rows_over_all_seeds_stay_with_their_notes(refresh: ModuleType) -> None:
    assert refresh.over_all_seeds(PRINTED).splitlines() == [
        "| task | seed | PGR |",
        "|---|---|---:|",
        "| chess | all | — [1] |",
        "| text | all | 20 (10–30) |",
        "| text | all | — [12] |",
        "",
        "vs first: against naive; ↑ clearly better, ↓ clearly worse.",
        "[1] PGR withheld: the gap is 0.8 points  ",
        "[12] PGR withheld: one seed",
    ]


def test_a_table_without_notes_ends_with_its_rows(refresh: ModuleType) -> None:
    table = "| task | seed |\n|---|---|\n| chess | all |\n"
    assert refresh.over_all_seeds(table) == table.strip()


@pytest.mark.parametrize("page", ["heads", "paper"])
def test_every_mark_in_a_published_table_has_its_note(page: str, refresh: ModuleType) -> None:
    text = (REPOSITORY / f"docs/results/{page}.md").read_text()
    tables = list(refresh.MARKS.finditer(text))
    assert tables
    for table in tables:
        rows = "\n".join(line for line in table[2].splitlines() if line.startswith("|"))
        notes = {line.split()[0] for line in table[2].splitlines() if line.startswith("[")}
        assert set(re.findall(r"\[\d+\]", rows)) == notes, table[1]
