"""The base class of supervisors: a record that names the steps which label examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from outgrow.annotations import Annotations, Bools
from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Fit
from outgrow.graph import Settings, defaults_of, identity
from outgrow.models.base import Model
from outgrow.naming import alias
from outgrow.tasks.base import Split
from outgrow.training.language_model import Generative
from outgrow.types import Example, UserError

LEARNED_FROM: tuple[Split, ...] = ("transfer", "transfer_validation")
SHOWN: tuple[Split, ...] = (*LEARNED_FROM, "test")

Coverage = Callable[[Prepare], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Supervisor(ABC):
    """Base class of supervisors. Subclass it, add fields, implement `name` and `labels`.

    Only the steps that it returns enter cache keys, so it needs no `kind`.
    """

    alias: str = alias()  # set by an experiment that has several supervisors of the same short name

    @property
    @abstractmethod
    def name(self) -> str:
        """Its name in tables."""

    @property
    def short_name(self) -> str:
        """The name, unless another supervisor of the experiment has the same."""
        return self.name

    @property
    def location(self) -> Path | None:
        """The file that the user gave. Its path distinguishes supervisors of the same short name."""
        return None

    @property
    def parts(self) -> tuple[Supervisor, ...]:
        """The supervisors that it is made of. Default: itself."""
        return (self,)

    def map_parts(self, change: Callable[[Supervisor], Supervisor]) -> Supervisor:
        """A copy with `change` applied to each of its parts."""
        return change(self)

    @property
    def fitted(self) -> bool:
        """Whether it learns from the ground truth of weak_train, so that the student could learn from it as well
        (`direct`). Default: no."""
        return False

    @property
    def models(self) -> tuple[Model, ...]:
        """The models that it uses. Their checkpoints are checked before a run. Default: none."""
        return ()

    def map_models(self, change: Callable[[Model], Model]) -> Self:
        """A copy with `change` applied to each of its models."""
        return self

    def pinned(self) -> Self:
        """A copy with the digest of its data filled in. Its models are pinned by themselves. Default: no data."""
        return self

    @property
    def code(self) -> str:
        """The file of Python code from outside the package that it runs; `--no-plugins` refuses it. Default: none."""
        return ""

    def check(self, setup: CellSetup, settings: Settings) -> None:  # noqa: B027 - a model is checked by itself
        """Raise UserError where it cannot label the examples of a task, before a run. Default: never."""

    def notes(self, setups: Sequence[CellSetup]) -> tuple[str, ...]:
        """Notes for the user before a run on a task, one line each. setups: one a seed. Default: none."""
        return ()

    def parameters(self, settings: Settings) -> int:
        """The number of parameters of its largest model; 0 without models."""
        return max((model.parameters(settings) for model in self.models), default=0)

    def fits(self, setup: CellSetup, adapt: Generative | None = None) -> tuple[Fit, ...]:
        """The steps that fit its models. Default: none."""
        return ()

    @abstractmethod
    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        """The steps that label these examples, one for each of its annotators.

        Several are aggregated by a labelling rule: the mean, unless a technique names another. adapt: if given, causal
        models are first trained as language models on the inputs of their training examples; supervisors without causal
        models ignore it.
        """


def name_with_settings(name: str, supervisor: Supervisor) -> str:
    """A name with the fields that differ from their defaults, so that two of a kind can be compared:
    `words (ngrams 1-1)`."""
    given, defaults = identity(supervisor), defaults_of(type(supervisor))
    changed = [each for each in fields(supervisor) if each.name in given and each.name in defaults]
    shown = ", ".join(f"{each.name.replace('_', ' ')} {_shown(getattr(supervisor, each.name))}" for each in changed)
    return f"{name} ({shown})" if shown else name


def _shown(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


def coverage_of(rows: Sequence[Example], annotations: Annotations) -> dict[str, Any]:
    """How many of the examples some annotator labels, and the only class of these labels where they are equal and
    certain, else ""."""
    wanted = {row.id for row in rows}
    at = np.array([id in wanted for id in annotations.ids], dtype=bool)
    return {"examples": len(rows), "labelled": int(at.sum()), "constant": _only_class(annotations, at, rows)}


def _only_class(annotations: Annotations, at: Bools, rows: Sequence[Example]) -> str:
    choices = rows[0].choices
    if not at.any() or any(row.choices != choices for row in rows):
        return ""
    given = annotations.classes()[annotations.given & at]
    is_constant = bool((given == given[0]).all() and given[0].max() == 1)
    return choices[int(given[0].argmax())] if is_constant else ""


def refuse_uncovered(setup: CellSetup, source: str, coverage: Coverage, advice: str) -> None:
    """Raises UserError where a source labels no example that students learn from, or gives all of transfer one class.

    coverage: what `coverage_of` finds for prepared examples.
    """
    task = setup.task.name
    for split in LEARNED_FROM:
        found = coverage(setup.splits[split])
        if not found["labelled"]:
            raise UserError(
                f"task {task}: {source} labels none of the {found['examples']:,} examples of {split} "
                f"(seed {setup.seed}), which students learn from: {advice}"
            )
        if split == "transfer" and found["constant"]:
            raise UserError(
                f"task {task}: {source} gives all {found['labelled']:,} labels of {split} to the class "
                f"{found['constant']!r}: nothing can be learned from them"
            )


def coverage_note(name: str, by: str, setups: Sequence[CellSetup], coverage: Coverage, more: Sequence[str] = ()) -> str:
    """`supervisor file/llm on task text/reviews: labels 90 of 112 examples of transfer, ...`. by: who labels."""
    parts = [_counted(split, [coverage(setup.splits[split]) for setup in setups]) for split in SHOWN]
    sentences = [f"supervisor {name} on task {setups[0].task.name}: {by} {', '.join(parts)}", *more]
    if not coverage(setups[0].splits["test"])["labelled"]:
        sentences.append("without labels of test there is no floor and no PGR")
    return "; ".join(sentences)


def _counted(split: Split, found: Sequence[dict[str, Any]]) -> str:
    """`1,790 to 1,812 of 2,000 examples of transfer`, over seeds."""
    counts = [each["labelled"] for each in found]
    most = f" to {max(counts):,}" if max(counts) > min(counts) else ""
    return f"{min(counts):,}{most} of {found[0]['examples']:,} examples of {split}"
