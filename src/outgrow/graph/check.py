"""Refuse steps that need more than a machine has, before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outgrow.graph.context import Settings
from outgrow.graph.room import Resources, lacking
from outgrow.graph.step import Step
from outgrow.types import Problems


def check_resources(todo: Sequence[Step[Any]], there: Resources, settings: Settings) -> None:
    """Raises UserError, or CollectedError for several, where a step needs more than a machine has: with the least
    change that would make it fit."""
    problems = Problems()
    seen: set[tuple[str, Resources]] = set()
    for step in todo:
        needed = step.resources(settings)
        if (step.title, needed) not in seen and (missing := lacking(needed, there)):
            enough = next((how for how, then in step.remedies(settings) if not lacking(then, there)), "")
            advice = f"{enough} would do" if enough else "use a larger machine or a smaller model"
            problems.messages.append(f"{step.title} needs {missing}: {advice}")
        seen.add((step.title, needed))
    problems.raise_collected()
