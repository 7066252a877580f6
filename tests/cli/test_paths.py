"""Where a report or a folder cannot be written is found before anything is computed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_cli import QUIZ, ended, outgrow

from outgrow import __version__, source
from outgrow.graph import Settings
from outgrow.types import UserError


@pytest.fixture
def quiz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTGROW_STORE", raising=False)
    (tmp_path / "quiz.toml").write_text(QUIZ)
    return tmp_path


CLOSED = {
    ".": "is a folder: name a file in it, such as report.html",
    "": "is a folder",
    "quiz.toml/page.html": "cannot be written",
    "fifo": "is not a regular file",
    "x" * 300: "cannot be written (File name too long)",
    "/proc/page.html": "cannot be written",
    "/dev/full": "cannot be written (No space left on device)",
}


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("verb", ["run", "report"])
def test_a_report_that_cannot_be_written(verb: str, path: str, quiz: Path, capsys) -> None:
    if path.startswith("/") and not Path(path).parent.is_dir():
        pytest.skip(f"no {path}")
    os.mkfifo(quiz / "fifo")
    option = {"run": "--report", "report": "--out"}[verb]
    code, text = ended(capsys, verb, "quiz.toml", option, path)
    assert (code, text.count("\n")) == (2, 1)
    assert text.startswith(f"error: {option} {path or '.'} {CLOSED[path]}")
    assert not (quiz / "runs").exists()


def test_the_default_report_is_looked_at_too(quiz: Path, capsys) -> None:
    (quiz / "quiz-report.html").mkdir()
    code, text = ended(capsys, "run", "quiz.toml")
    assert (code, text) == (
        2,
        "error: --report quiz-report.html is a folder: name a file in it, such as quiz-report.html/report.html\n",
    )


def test_looking_changes_nothing(quiz: Path, capsys) -> None:
    """A report that is there stays as it was, and none appears, when the run cannot begin."""
    (quiz / "old.html").write_bytes(b"<!doctype html>\xff old")
    (quiz / "link.html").symlink_to("nowhere.html")
    for path in ("old.html", "link.html", "new/new.html"):
        assert ended(capsys, "run", "quiz.toml", "--report", path, "--on", "nothing")[0] == 2
    assert (quiz / "old.html").read_bytes() == b"<!doctype html>\xff old"
    assert (quiz / "link.html").is_symlink()
    assert not (quiz / "new" / "new.html").exists()


def test_a_report_in_place_of_another_file_and_in_a_new_folder(quiz: Path) -> None:
    (quiz / "old.html").write_bytes(b"\n<!DOCTYPE html>\xff old")
    (quiz / "empty").touch()
    for path in ("old.html", "empty", "a/b/new.html"):
        assert outgrow("run", "quiz.toml", "--on", "inline", "--report", path).exit_code == 0
        assert (quiz / path).read_text().lstrip().lower().startswith("<!doctype html")
    assert outgrow("run", "quiz.toml", "--on", "inline", "--report", "/dev/null").exit_code == 0


@pytest.mark.parametrize("args", [("mine",), ("collect", "games"), ("pretrain", "rung.toml")])
def test_a_folder_that_cannot_be_written(args: tuple[str, ...], quiz: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("outgrow.config.pretraining", lambda path: None)
    (quiz / "games").mkdir()
    (quiz / "games" / "games-0.jsonl.gz").write_bytes(b"")
    code, text = ended(capsys, *args, "--out", "quiz.toml")
    assert (code, text) == (
        2,
        "error: --out quiz.toml cannot be written to (File exists): name another folder\n",
    )


def test_version() -> None:
    assert outgrow("--version").stdout == f"outgrow {__version__}\n"


USAGE = {
    ("run", "--sed", "1"): "No such option: --sed",
    ("nosuch",): "No such command 'nosuch'.",
    ("run", "quiz.toml", "more"): "Got unexpected extra argument",
    ("run", "quiz.toml", "--workers", "0"): "Invalid value for '--workers'",
    ("plan", "quiz.toml", "--store", ""): "Invalid value for '--store'",
    ("plan", "quiz.toml", "--set"): "Option '--set' requires an argument.",
    ("results", "quiz.toml", "--by", ""): "no facet called ''.",
    ("plan", ""): ". cannot be read: it is a folder",
    ("list", ""): "nothing called '' to list.",
}


@pytest.mark.parametrize("args", USAGE)
def test_wrong_usage_is_one_line(args: tuple[str, ...], quiz: Path, capsys) -> None:
    code, text = ended(capsys, *args)
    assert (code, text.count("\n")) == (2, 1)
    assert text.startswith(f"error: {USAGE[args]}")


def test_no_plugins_on_the_command_line(quiz: Path, capsys) -> None:
    outgrow("run", "quiz.toml", "--on", "inline")
    for verb in (("run",), ("plan",), ("results",), ("report",), ("check", "--prune"), ("check", "--repair")):
        code, text = ended(capsys, *verb, "quiz.toml", "--no-plugins")
        refused = "'fakes:FakeTask' is from outside the package, which --no-plugins (plugins=False) refuses"
        assert (code, text) == (2, f"error: quiz.toml, line 1: {refused}\n")


@pytest.mark.parametrize("verb", ["plan", "results", "report"])
def test_the_options_of_a_run_are_those_of_a_plan(verb: str, quiz: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokenizers and headers are read with the trust that is given, before a run too."""
    given: list[Settings] = []
    checked = source.checked
    monkeypatch.setattr(source, "checked", lambda found, settings: given.append(settings) or checked(found, settings))
    done = outgrow(verb, "quiz.toml", "--trust-pickle", "--trust-remote-code", "--offline")
    assert done.exit_code == 0, done.output
    assert {(each.trust_pickle, each.trust_remote_code, each.offline) for each in given} == {(True, True, True)}


def test_a_device_that_is_not_there_is_reported_when_planning(quiz: Path) -> None:
    with pytest.raises(UserError, match="no device 'cuda:9' here"):
        outgrow("plan", "quiz.toml", "--device", "cuda:9")


FOREIGN = {"quiz.toml": b"", "notes.txt": b"my notes", "data.csv": b"text,y\na,b\n", "weights.bin": bytes(range(256))}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize(
    ("verb", "option", "kind"),
    [("run", "--report", "HTML page"), ("report", "--out", "HTML page"), ("run", "--log", "log")],
)
def test_a_file_of_another_kind_is_not_overwritten(
    verb: str, option: str, kind: str, name: str, quiz: Path, capsys
) -> None:
    path = quiz / name
    path.write_bytes(FOREIGN[name] or path.read_bytes())
    before = path.read_bytes()
    code, text = ended(capsys, verb, "quiz.toml", option, name)
    assert (code, text.count("\n")) == (2, 1)
    assert text.startswith(f"error: {option} {name} exists and is not ")
    assert text.endswith("and is not overwritten: name another file\n")
    assert kind in text
    assert path.read_bytes() == before
    assert not (quiz / "runs").exists()


@pytest.mark.parametrize(
    ("verb", "option", "name"),
    [("run", "--report", "run.log"), ("report", "--out", "run.log"), ("run", "--log", "page.html")],
)
def test_a_log_and_a_report_do_not_replace_each_other(verb: str, option: str, name: str, quiz: Path, capsys) -> None:
    made = outgrow("run", "quiz.toml", "--on", "inline", "--report", "page.html", "--log", "run.log")
    assert made.exit_code == 0
    before = (quiz / name).read_bytes()
    code, text = ended(capsys, verb, "quiz.toml", option, name)
    assert (code, text.startswith(f"error: {option} {name} exists and is not ")) == (2, True)
    assert (quiz / name).read_bytes() == before
