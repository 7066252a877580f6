"""Weak-to-strong generalization: train a strong student on weak labels, and measure how far it outgrows its supervisor.

    import outgrow

    results = outgrow.run("examples/chess.toml")
    print(results.table())

Names are imported when they are first used, so that `import outgrow` costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing.TYPE_CHECKING without an import, which would take most of the time
if TYPE_CHECKING:
    from typing import Any

    from outgrow.api import Results, plan, results, run
    from outgrow.config import read
    from outgrow.experiment.definition import Experiment
    from outgrow.experiment.technique import Technique
    from outgrow.graph import Plan, Resources, Settings, Worker
    from outgrow.practice.classifier import WeakToStrongClassifier
    from outgrow.practice.estimate import estimate
    from outgrow.sharing import status, work
    from outgrow.store import Store
    from outgrow.types import Example, Examples, Labels, Scores, UserError

__version__ = "0.1.0"

_HOMES = {
    "outgrow.api": ("Results", "plan", "results", "run"),
    "outgrow.config": ("read",),
    "outgrow.experiment.definition": ("Experiment",),
    "outgrow.graph": ("Plan", "Resources", "Settings", "Worker"),
    "outgrow.practice.classifier": ("WeakToStrongClassifier",),
    "outgrow.practice.estimate": ("estimate",),
    "outgrow.sharing": ("status", "work"),
    "outgrow.store": ("Store",),
    "outgrow.experiment.technique": ("Technique",),
    "outgrow.types": ("Example", "Examples", "Labels", "Scores", "UserError"),
}
__all__ = [
    "Example",
    "Examples",
    "Experiment",
    "Labels",
    "Plan",
    "Resources",
    "Results",
    "Scores",
    "Settings",
    "Store",
    "Technique",
    "UserError",
    "WeakToStrongClassifier",
    "Worker",
    "estimate",
    "plan",
    "read",
    "results",
    "run",
    "status",
    "work",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(module), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
