"""The base class of trackers, which write the results of an experiment for other tools to show."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar

from outgrow.types import UserError


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """One row of the results, as a tracker writes it.

    id: a digest of all the rest, so that nothing is written twice. name: of the row, with its seed. params: what was
    run, by name. metrics: the estimates by name, with the ends of their intervals. curve: what the student's fit
    measured, one mapping a check, in their order; empty for all seeds together.
    """

    id: str
    name: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    curve: Sequence[Mapping[str, float]] = ()


@dataclass(frozen=True, kw_only=True)
class Tracker(ABC):
    """Base class of trackers. Subclass it, add fields, implement `write`. A tracker is in no key.

    It is called when all results are stored, and what it raises is a warning, so that it can lose none of them.
    packages: the modules that it imports, with what installs them.
    """

    packages: ClassVar[Mapping[str, str]] = {}

    @property
    def name(self) -> str:
        """Its name in TOML: that of its file, or `package.module:Class` from outside the package."""
        module = type(self).__module__
        return module.rpartition(".")[2] if module.startswith("outgrow.") else f"{module}:{type(self).__qualname__}"

    def check(self) -> None:
        """Raise UserError where a package is missing, before anything is computed."""
        for module, install in self.packages.items():
            if find_spec(module) is None:
                raise UserError(f"the tracker {self.name} needs {module}: pip install {install}, or leave it out")

    @abstractmethod
    def write(self, rows: Sequence[Tracked]) -> int:
        """Write the rows that are not there yet, each whole or not at all. Returns how many these are."""
