"""The page on reports: its commands and scripts run one after the other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from test_cli import QUIZ, outgrow

from outgrow.types import Example

PAGE = (Path(__file__).parents[1] / "docs/reports.md").read_text()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTGROW_STORE", raising=False)
    Path("experiment.toml").write_text(QUIZ)
    Path("other.toml").write_text(QUIZ)
    return tmp_path


def test_the_commands_run_one_after_the_other(folder: Path) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", PAGE, re.S)
    commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert [command[1] for command in commands] == ["run", "report", "results", "compare"]
    for command in commands:
        done = outgrow(*command[1:])
        assert done.exit_code == 0, done.output
    pages = {re.sub(r"^(cell|analysis)-.*", r"\1", path.name) for path in Path("site").glob("*.html")}
    assert pages == {"index.html", "protocol.html", "cell"}
    assert Path("beside.html").is_file()


def test_the_scripts_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import outgrow as package

    api, task = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    found: dict[str, object] = {"outgrow": package}
    exec(api, found)
    assert "Students of second against those of first" in capsys.readouterr().out
    assert isinstance(found["rows"], list)
    exec(task, found)
    example = Example(id="a", group="a", prompt="3", choices=("x", "y"))
    assert 'r="3"' in found["Dials"].drawing(None, example, {})  # type: ignore[attr-defined]
