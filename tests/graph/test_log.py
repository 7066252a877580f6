"""The logger `outgrow`: each event of a run at its level, for whoever has a handler, and nothing otherwise."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest
from test_api import experiment
from test_cli import QUIZ

import outgrow
from outgrow.graph import Event
from outgrow.graph.log import LEVELS, described, log_event


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Event(kind="planned", key="fit-a", title="fit a"), "fit a (fit-a): planned"),
        (Event(kind="found", key="fit-a", title="fit a"), "fit a (fit-a): already stored"),
        (Event(kind="started", key="fit-a", title="fit\na"), "fit a (fit-a): started"),
        (Event(kind="progress", key="fit-a", title="fit a", fraction=0.5), "fit a (fit-a): 50%"),
        (Event(kind="finished", key="fit-a", title="fit a", seconds=3.21), "fit a (fit-a): finished in 3.2 s"),
        (Event(kind="waiting", key="fit-a", title="fit a", text="x is at it"), "fit a (fit-a): waiting (x is at it)"),
        (Event(kind="damaged", key="fit-a", text="a wrong checksum"), "fit-a: damaged (a wrong checksum)"),
        (Event(kind="failed", key="fit-a", title="a", text="no data"), "a (fit-a): failed (no data)"),
        (
            Event(kind="failed", key="fit-a", title="a", text="Traceback ...\n  line 1\nValueError: no"),
            "a (fit-a): failed (ValueError: no)\nTraceback ...\n  line 1\nValueError: no",
        ),
    ],
)
def test_an_event_is_logged_at_its_level(event: Event, line: str, caplog: pytest.LogCaptureFixture) -> None:
    assert described(event) == line
    with caplog.at_level(logging.DEBUG, logger="outgrow"):
        log_event(event)
    (record,) = caplog.records
    assert (record.name, record.levelno, record.getMessage()) == ("outgrow", LEVELS[event.kind], line)
    assert record.__dict__["event"] is event


def test_a_run_from_python_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="outgrow"):
        found = outgrow.run(experiment(), store=tmp_path, on="inline", seeds=[0])
    assert found.outcome is not None
    computed = len(found.outcome.computed)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0] == f"{computed} steps to do, 0 cached"
    assert lines[-1] == f"{computed} steps computed, 0 cached, 0 failed, 0 skipped"
    events = [record.__dict__["event"] for record in caplog.records[1:-1]]
    kinds: dict[str, list[str]] = {}
    for event in events:  # steps of a group start together
        kinds.setdefault(event.key, []).append(event.kind)
    assert list(kinds.values()) == [["started", "finished"]] * computed
    assert {record.levelno for record in caplog.records} == {logging.INFO}


def test_a_failure_is_an_error_with_its_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "quiz.toml"
    path.write_text(QUIZ.replace('label = "other"', 'label = "other"\nfit = "fakes:BrokenMethod"'))
    found = outgrow.run(path, store=tmp_path / "runs", on="inline", seeds=[0])
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == len(found.failures) > 0
    assert all(line.endswith("failed (the fake method does not like this: try another)") for line in errors)


def test_a_damaged_artifact_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    outgrow.run(experiment(), store=tmp_path, on="inline", seeds=[0])
    score = next(tmp_path.glob("score-*/*/scores.parquet"))
    score.write_bytes(score.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING, logger="outgrow"):
        outgrow.run(experiment(), store=tmp_path, on="inline", seeds=[0])
    assert any(f"({score.parents[1].name}): damaged (" in record.getMessage() for record in caplog.records)


def test_without_a_handler_nothing_is_written() -> None:
    code = (
        "import logging, outgrow.graph as graph\n"
        "from outgrow.graph.log import log_event\n"
        "log_event(graph.Event(kind='failed', key='fit-a', text='no'))\n"
        "assert [type(each) for each in graph.LOGGER.handlers] == [logging.NullHandler]\n"
        "assert graph.LOGGER.level == logging.NOTSET and not logging.getLogger().handlers"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
