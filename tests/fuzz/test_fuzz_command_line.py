"""Wrong uses of the command line: every command with values of a wrong kind for its arguments and options.

Commands and options are read from the application itself, so that a new one is tried without being listed here. A use
ends with a known code, says why in lines of a known form, and leaves the files that were there as they were.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, get_type_hints

import pytest
import typer
from test_cli import QUIZ

from outgrow.cli import app, main

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
SLOW = {"mine"}  # starts processes, and is tried apart
ALWAYS = {"model", "on"}  # by default a model that takes long, and processes
HOLD = {"--wait", "--help", "--version"}  # waits for others, or ends the command
NUMBERS = (
    "0",
    "-1",
    "1",
    "3",
    "1.5",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "x",
    "",
    " ",
    "9" * 20,
    "٣",
    "0x10",
    "None",
    "1_0",
)
TEXTS = (
    *("", " ", "x", "naive", "ÄÖ\u202e", "\udcff", "x" * 5000, "--", "-", "{", "{x", "{0}", "{text", "a,b", ",", "[0]"),
    *("a=b", "=", "x=", "=1", "seeds=[1", "seeds=1234", "sizes.test=NaN", "sizes.test=-1", "methods[9].label=x"),
    *("methods[0].loss.weight=[]", "task=7", "task.rows=0", "weak=[]", "strong=nope/x", 'methods[0]={"a"', "a.b.c=1"),
    *(
        "pool:",
        ":x",
        "os:system",
        "nope",
        "text,label",
        "text",
        "label",
        "é\x1b[31m",
        "../x",
        "0-4",
        "4-0",
        "0,0",
        "1,,2",
    ),
    *(
        "csv",
        "json",
        "md",
        "svg",
        "parity",
        "number",
        "imitation",
        "s3://",
        "memory://x",
        "file:///nowhere",
        "0 1 2",
        "1e3,",
    ),
)


def _special(folder: Path) -> None:
    """Files of every kind that a command may be given."""
    (folder / "quiz.toml").write_text(QUIZ, encoding="utf-8")
    (folder / "broken.toml").write_text(QUIZ.replace("seeds", "seed s"), encoding="utf-8")
    (folder / "odd.toml").write_text(QUIZ.replace("[0, 1]", "[-1]"), encoding="utf-8")
    (folder / "utf16.toml").write_text(QUIZ, encoding="utf-16")
    rows = "\n".join(f"text {i} is {'good' if i % 2 else 'bad'},{i % 2}" for i in range(60))
    (folder / "data.csv").write_text(f"text,label\n{rows}\n", encoding="utf-8")
    (folder / "ragged.csv").write_text("text,label\na\nb,c,d\n", encoding="utf-8")
    (folder / "junk.csv").write_bytes(bytes(range(256)) * 20)
    (folder / "junk.parquet").write_bytes(b"PAR1" + bytes(range(256)) + b"PAR1")
    (folder / "empty").touch()
    (folder / "a folder").mkdir()
    (folder / "answers.txt").write_text("mine\n", encoding="utf-8")
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")


PATHS = (
    *(
        "quiz.toml",
        "broken.toml",
        "odd.toml",
        "utf16.toml",
        "data.csv",
        "ragged.csv",
        "junk.csv",
        "junk.parquet",
        "empty",
    ),
    *("a folder", "answers.txt", "dangling", "loop", "pipe", "missing.toml", "missing/dir/file.html", "data.csv/below"),
    *(
        "/dev/null",
        "/dev/full",
        "/proc/self/mem",
        "/proc/1/fd/0",
        "~nobody/x",
        "\udcff.toml",
        "x" * 300,
        "",
        ".",
        "..",
        "-",
    ),
    *("runs", "runs/manifests", "hub:nobody/nothing", "hub:", "new/report.html", "C:\\x", "é.csv"),
)


def _value(option: Any, kind: str, rng: Random) -> str:
    """kind: the option's type, as text."""
    if "Path" in kind or option.name in ("data", "folder", "store", "recipe", "mined", "model"):
        return rng.choice(PATHS)
    if "int" in kind or "float" in kind:
        return rng.choice(NUMBERS)
    return rng.choice((*TEXTS, *NUMBERS, *PATHS[:6]))


def _values(option: Any, kind: str, rng: Random) -> list[str]:
    if option.name == "on":
        return [rng.choice(("inline", "nope", "os:path", ":"))]
    if option.name == "workers":
        return [rng.choice(("0", "-1", "x", "1025"))]
    return [_value(option, kind, rng) for _ in range(max(option.nargs, 1))]


def _use(rng: Random) -> list[str]:
    """A command with most of its arguments, and some of its options."""
    name = rng.choice(sorted(COMMANDS.keys() - SLOW))
    words, given = [name], list(COMMANDS[name].params)
    kinds = {key: str(hint) for key, hint in get_type_hints(COMMANDS[name].callback).items()}
    for param in rng.sample(given, len(given)):
        if param.param_type_name == "argument":
            optional = not param.required  # without a file, the bundled experiment would run
            words += _values(param, kinds[param.name], rng) if optional or rng.random() < 0.9 else []
        elif HOLD & set(param.opts):
            continue
        elif rng.random() < (0.15 if not param.required and param.name not in ALWAYS else 0.9):
            words += [rng.choice(param.opts), *([] if param.is_flag else _values(param, kinds[param.name], rng))]
    if name == "fit" and "--model" not in words:
        words += ["--model", "missing"]
    if name in ("run", "work") and "--on" not in words:
        words += ["--on", "inline"]
    if rng.random() < 0.05:
        words.insert(rng.randrange(len(words) + 1), rng.choice(TEXTS))
    return words


def _contents(folder: Path) -> dict[str, str]:
    """The digests of the ordinary files in a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.suffix != ".lock"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of every kind, and a store with the finished experiment."""
    folder = tmp_path_factory.mktemp("prepared")
    _special(folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["run", "quiz.toml", "--on", "inline", "--report", "quiz.html"]) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(prepared)
    monkeypatch.delenv("OUTGROW_STORE", raising=False)
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("outgrow.api._cores", lambda: 1)
    return prepared


def _checked(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> int:
    """The exit code of a use, after the checks that hold for all."""
    code = main(list(words))
    captured = capsys.readouterr()
    error_lines = captured.err.splitlines()
    assert code in (0, 1, 2), (code, words)
    assert "Traceback" not in captured.out + captured.err, words
    if code == 2:
        assert any(re.match("(error|failed): ", line) for line in error_lines), (words, error_lines)
        assert max(map(len, error_lines)) < 1500, (words, error_lines)
    if code == 1:
        assert words[0] == "check", (words, error_lines)
    return code


def test_wrong_uses_end_in_one_line(
    folder: Path, inputs: Callable[[], Iterator[Random]], capsys: pytest.CaptureFixture[str]
) -> None:
    before, codes = _contents(folder), [0, 0, 0]
    for rng in inputs():
        words = _use(rng)
        codes[_checked(words, capsys)] += 1
        now = _contents(folder)
        lost = {path for path in before if now.get(path) != before[path]}
        assert not lost, (words, lost)
        for path in now.keys() - before.keys():
            if not path.startswith(str(folder / "runs")):
                Path(path).unlink()
    assert codes[2] > sum(codes) / 2, codes
    shutil.rmtree(folder / "new", ignore_errors=True)
