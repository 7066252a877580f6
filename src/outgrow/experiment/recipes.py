"""The committed hyperparameters of each model on each task, chosen on floor and ceiling validation runs (recipes.toml).

Never on students and never on test: an undertrained ceiling flatters the gap recovered.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from outgrow.methods.finetune import Finetune


@cache
def _bundled() -> dict[str, Any]:
    return tomllib.loads(files("outgrow").joinpath("recipes.toml").read_text())


@cache
def bundled(task: str, model: str) -> Finetune:
    """The recipe of a model on a task, by their names (`chess-puzzles`, `ladder/pawn`); the defaults where none is.

    A task read from a file, `text/sst2`, has the recipes of its kind, `text`.
    """
    tables = _bundled()
    found: dict[str, Any] = tables.get(task) or tables.get(task.partition("/")[0]) or {}
    return Finetune(**found.get(model, {}))
