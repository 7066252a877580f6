"""Records with any names, numbers and notes: every table and figure can be written, and read back."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any
from xml.etree import ElementTree

from rich.console import Console

from outgrow.report import answers, figures, tables
from outgrow.report.measures import MEASURES
from outgrow.report.record import Caveat, Record
from outgrow.report.row import Estimate
from outgrow.report.scaling import scaling
from outgrow.report.verdicts import judged

LETTERS = "ab _$^\\|`*<>&\"'[]{}\n\t\0\x1b\u202e\ud800\uffff\u0301é方🙂~#%/.→−—"


def name(rng: Random) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.choice([0, 1, 3, 10, 40, 500])))


def estimates(rng: Random) -> dict[str, Estimate]:
    """Some of the measures, with an interval or without."""
    found = {}
    for name in MEASURES:
        value = rng.choice([None, 0.0, 1.0, rng.random(), rng.uniform(-3, 3)])
        width = rng.choice([None, 0.0, rng.random()])
        p = rng.choice([None, 0.0, rng.random()])
        if value is not None and width is None:
            found[name] = Estimate(value=value, p=p)
        elif value is not None and width is not None:
            found[name] = Estimate(value=value, low=value - width, high=value + width, p=p)
    return found


def record(rng: Random, names: list[str]) -> Record:
    stated = estimates(rng)
    withheld = {measure: name(rng) for measure in ("pgr", "pgr_matched") if rng.random() < 0.3}
    stated = {measure: estimate for measure, estimate in stated.items() if measure not in withheld}
    task, weak, strong, method = (rng.choice(names) for _ in range(4))
    role = rng.choice(["student", "floor", "ceiling", name(rng)])
    notes = tuple(f"{role}, seed 1, {name(rng)}: {name(rng)}" for _ in range(rng.choice([0, 0, 1, 2])))
    caveats = tuple(Caveat(about=rng.choice(list(MEASURES)), text=name(rng)) for _ in range(rng.choice([0, 0, 1, 2])))
    seed = rng.choice([None, None, 0, 10**20])
    status: Any = rng.choice(["done", "missing", "failed"])
    return Record(task=task, weak=weak, strong=strong, method=method, seed=seed, status=status,
                  slice=rng.choice([None, name(rng)]), n_seeds=rng.randrange(4), notes=notes, caveats=caveats,
                  estimates=stated, withheld=withheld, baseline=rng.choice([None, *names]))  # fmt: skip


def test_any_records_can_be_written(inputs: Callable[[], Iterator[Random]]) -> None:
    for rng in inputs():
        names = [name(rng) for _ in range(3)]
        records = [record(rng, names) for _ in range(rng.randrange(1, 5))]
        assert json.loads(tables.text(records, "json")) == [each.to_dict() for each in records]
        assert len(list(csv.DictReader(io.StringIO(tables.text(records, "csv"), newline="")))) == len(records)
        lines = tables.text(records, "md").encode().decode().split("\n")
        table = lines[: 2 + len(records)]
        assert len({_cells(line) for line in table}) == 1
        assert lines[len(table)] == ""
        console = Console(width=140, record=True, file=io.StringIO(), force_terminal=True, no_color=True)
        console.print(tables.table(records))
        assert not {"\x1b", "\0", "\u202e"} & set(console.export_text())
        assert_answered(judged(records))
        draw = rng.choice([figures.scores, figures.recovery, lambda shown: scaling(shown, {})])
        if svg := draw(records):
            ElementTree.fromstring(svg.encode())


def assert_answered(records: tuple[Record, ...]) -> None:
    """Each comparison has an answer, in the sentences or in the ranking, and each caveat is said once."""
    compared = [record for record in records if record.seed is None]
    sentences = answers.sentences(records)
    assert len(sentences) in (0, len(compared))
    assert sorted(map(id, answers.ranked(records))) == sorted(map(id, compared))
    assert all(answers.certain(record) is not None for record in compared)
    texts = [limit.text for limit in answers.limits(records)]
    assert len(texts) == len(set(texts))
    assert all((record.verdict is None) == (record.p_holm is None) for record in records)


def _cells(line: str) -> int:
    """The bars of a line that no backslash takes away."""
    bars, escaped = 0, False
    for letter in line:
        bars += letter == "|" and not escaped
        escaped = letter == "\\" and not escaped
    return bars
