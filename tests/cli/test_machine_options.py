"""Options on the machine reach the steps of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_cli import QUIZ, outgrow

from outgrow import api, sharing
from outgrow.graph import Settings
from outgrow.types import UserError


@pytest.mark.parametrize(("command", "module", "function"), [("run", api, "run"), ("work", sharing, "work")])
@pytest.mark.parametrize("asked", [False, True])
def test_kernels_are_deterministic_where_asked(
    command: str, module: Any, function: str, asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Settings] = []

    def stopped(*args: Any, settings: Settings, **options: Any) -> None:
        seen.append(settings)
        raise UserError("seen")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, function, stopped)
    (tmp_path / "quiz.toml").write_text(QUIZ)
    options = ["--deterministic"] if asked else []
    with pytest.raises(UserError, match="seen"):
        outgrow(command, "quiz.toml", "--on", "inline", "--store", "runs", *options)
    assert [settings.deterministic for settings in seen] == [asked]
