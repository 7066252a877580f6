"""Who runs steps, and how the steps of a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from outgrow.graph.room import Resources
from outgrow.graph.step import Step


@dataclass(frozen=True)
class Failure:
    """A step that failed. error_text: a traceback, or with `user_error` one line that says what to change."""

    step: Step[Any]
    error_text: str
    user_error: bool


@dataclass(frozen=True, kw_only=True)
class Worker:
    """One of several workers of a store. resources: what it has; steps that need more are left to others.

    wait: stay until these are done, too. Steps that failed on another worker are not tried again.
    """

    name: str
    resources: Resources
    wait: bool = False


@dataclass(frozen=True)
class Outcome:
    """The steps of a run by how they ended. `skipped` steps depend on one that failed.

    idle: the share of the time of all workers in which they computed no step, 0 to 1. unfit: the skipped steps that
    could start, but need more than the worker has.
    """

    computed: tuple[Step[Any], ...]
    cached: tuple[Step[Any], ...]
    failures: tuple[Failure, ...]
    skipped: tuple[Step[Any], ...]
    idle: float = 0.0
    unfit: tuple[Step[Any], ...] = ()
