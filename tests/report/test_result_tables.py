"""How numbers are written for people and for programs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from outgrow.experiment.definition import Experiment
from outgrow.report import tables
from outgrow.report.record import Record
from outgrow.report.results import read
from outgrow.report.row import Estimate
from outgrow.store import Store
from outgrow.types import UserError

RECORD = Record(
    task="a|b",
    weak="w",
    strong="s",
    method="naive",
    seed=None,
    status="done",
    estimates={"floor": Estimate(value=0.4, low=0.3549, high=0.4451)},
    withheld={"pgr": "too few test groups (3): at least 20 groups are needed"},
)


def stating(record: Record, **estimates: Estimate) -> Record:
    """The same record with these estimates too, none of them withheld."""
    withheld = {name: reason for name, reason in record.withheld.items() if name not in estimates}
    return replace(record, estimates={**record.estimates, **estimates}, withheld=withheld)


def without(record: Record, name: str) -> Record:
    return replace(record, estimates={other: each for other, each in record.estimates.items() if other != name})


def test_json_and_csv_hold_every_number_unrounded(planned: Experiment, finished: Store) -> None:
    found = read(planned, finished).records
    assert json.loads(tables.text(found, "json")) == [record.to_dict() for record in found]
    rows = list(csv.DictReader(io.StringIO(tables.text(found, "csv"))))
    for row, record in zip(rows, found, strict=True):
        expected = {name: "" if value is None else str(value) for name, value in record.to_dict().items()}
        caveats = "; ".join(caveat.text for caveat in record.caveats)
        assert row == {**expected, "caveats": caveats, "notes": "; ".join(record.notes)}


def test_markdown_puts_aggregates_first_and_explains_what_is_withheld() -> None:
    lines = tables.text([replace(RECORD, seed=0, n_seeds=1), RECORD], "md").splitlines()
    assert lines[2] == "| a\\|b | w → s | naive | all | — [1] | 40.0 (35.5–44.5) | — | — | — |"
    assert lines[3].split(" | ")[3] == "0"
    assert "[1] PGR withheld: too few test groups (3): at least 20 groups are needed" in lines[-1]


READ = stating(
    replace(RECORD, method="generative"),
    pgr=Estimate(value=0.75),
    pgr_matched=Estimate(value=0.5, low=0.25, high=0.75),
    versus_first=Estimate(value=0.1),
)


def test_a_matched_pgr_has_a_column_and_a_sentence_where_a_record_has_one() -> None:
    unread = without(replace(READ, method="naive"), "pgr_matched")
    withheld = replace(unread, method="other", withheld={"pgr_matched": "the gap reaches zero"})
    lines = tables.text([unread, READ, withheld], "md").splitlines()
    assert "| seed | PGR | PGR matched | floor |" in lines[0]
    assert lines[1].count("|") == lines[0].count("|")
    assert [line.split(" | ")[5] for line in lines[2:5]] == ["—", "50.0 (25.0–75.0)", "— [1]"]
    assert lines[-2].startswith("PGR matched: the gap recovered between a supervisor and a ceiling that were")
    assert lines[-1].startswith("[1] PGR matched withheld: the gap reaches zero")
    assert "matched" not in tables.text([unread], "md")


def test_the_terminal_shows_a_matched_pgr_too() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(tables.table([READ]))
    output = console.export_text()
    for word in ("matched", "50.0", "25.0–75.0", "+10.0", "PGR matched: the gap recovered"):
        assert word in output
    console.print(tables.table([RECORD]))
    assert "matched" not in console.export_text()


ERRING = stating(RECORD, versus_first=Estimate(value=0.1), agreement_wrong=Estimate(value=0.553, low=0.501, high=0.604))


def test_methods_are_compared_in_what_they_repeat_of_errors_and_one_alone_is_not() -> None:
    unread = without(replace(ERRING, method="other"), "agreement_wrong")
    header, rule, *rows = tables.text([ERRING, unread], "md").splitlines()
    assert header.endswith("| vs first | agrees when wrong |")
    assert rule.count("|") == header.count("|")
    assert [row.split(" | ")[-1] for row in rows[:2]] == ["55.3 (50.1–60.4) |", "— |"]
    assert rows[3].startswith("agrees when wrong: how often the student repeats its supervisor’s answer where that is")
    for alone in ([ERRING], [replace(ERRING, strong="t"), ERRING], [unread, replace(unread, method="third")]):
        assert "agrees" not in tables.text(alone, "md")


def test_what_is_repeated_is_in_the_table_of_a_finished_experiment(planned: Experiment, finished: Store) -> None:
    """Of the 24 that the supervisor has wrong, naive students repeat 18, 16 and 14, better ones four fewer each."""
    naive, better = read(planned, finished).aggregates
    assert [tables.text([naive, better], "md").splitlines()[i].split(" | ")[-1][:4] for i in (2, 3)] == ["66.7", "50.0"]


def test_the_widest_terminal_table_keeps_within_140_columns() -> None:
    """Long names of methods are broken; every number has its widest interval."""
    label = "finetune on weak labels, probe on ground truth (oracle)"
    wide, score = Estimate(value=-0.173, low=-1.128, high=-0.077), Estimate(value=0.5, low=0.5, high=0.5)
    full = replace(ERRING, weak="ladder/knight", strong="ladder/bishop", method=label)
    full = stating(full, pgr=wide, pgr_matched=wide, versus_first=Estimate(value=0.1, low=-0.15, high=0.12))
    full = stating(full, **dict.fromkeys(("floor", "label_accuracy", "student", "ceiling", "zero_shot"), score))
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(tables.table([replace(full, method="naive"), full, replace(full, seed=0)]))
    output = console.export_text()
    assert "…" not in output
    for word in ("agrees", "50.1–60.4", "−112.8 to −7.7", "−15.0 to 12.0", "ground truth"):
        assert word in output
    assert max(map(len, output.splitlines())) <= 140


def test_an_unfinished_aggregate_says_how_many_seeds_it_is_over() -> None:
    assert "unfinished: over 1 complete seed  \n" in tables.text([replace(RECORD, n_seeds=1, status="failed")], "md")
    assert "unfinished" not in tables.text([replace(RECORD, n_seeds=1)], "md")


def test_a_single_seed_limits_what_intervals_say() -> None:
    assert "test examples only" in tables.scope([replace(RECORD, n_seeds=1)])
    assert tables.scope([replace(RECORD, n_seeds=2)]) == tables.scope([replace(RECORD, seed=0, n_seeds=1)]) == ""


def test_the_terminal_table_fits_ninety_columns_and_tells_all(planned: Experiment, finished: Store) -> None:
    found = [record for record in read(planned, finished).records if record.method == "naive"]
    console = Console(width=90, record=True, file=io.StringIO())
    console.print(tables.table(found))
    output = console.export_text()
    for word in ("riddles-cats", "mind/small", "→ mind/big", "naive · 2", "24.1–55.9", "50.0", "zero-shot", "labels"):
        assert word in output
    assert "…" not in output


def test_an_unknown_format_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="no format called 'xml': choose one of table, json, csv, md"):
        tables.text([RECORD], "xml")
