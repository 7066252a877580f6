"""The protocol of an experiment for its page: the splits with their sizes, and what each fit was trained on and how."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from outgrow.experiment.cell import Cell
from outgrow.experiment.data import Gold, LabelsStep, Prepare
from outgrow.experiment.steps import Fit, Predict, Relabel, Select
from outgrow.graph import Step, T, load, walk
from outgrow.labelling.harden import Harden
from outgrow.store import Damaged, Store
from outgrow.types import Examples, Labels, classes_of

PURPOSES = {
    "weak_train": "supervisors are trained on its ground truth",
    "validation": "ground truth that supervisors are validated on",
    "transfer": "the supervisor labels it; students are trained on these labels, ceilings on its ground truth; "
    "the accuracy of the labels is scored, and read by no fit",
    "transfer_validation": "students are validated on its weak labels, ceilings on its ground truth; no fit is trained "
    "on it",
    "test": "every model is scored here; its labels are read by the scoring step alone, which sees no weights",
}
UNSETTLED = "; every model is scored here too, to choose a set-up: this is not a result"


ROLES = (
    *("supervisor", "supervisor that is adapted too", "ceiling", "ceiling that is adapted too"),
    *("intermediate", "student", "direct", "frozen probe"),
)


@dataclass(frozen=True, kw_only=True)
class SplitUsed:
    """The examples and groups of a split; None if it has not been prepared. redrawn: drawn anew for each seed."""

    split: str
    purpose: str
    examples: int | None
    groups: int | None
    redrawn: bool


@dataclass(frozen=True, kw_only=True)
class TaskUsed:
    """A task's splits, how many examples were dropped for which reason, its settings, and its classes with their share
    of each of `shared` splits; none for tasks whose examples do not share their choices."""

    task: str
    settings: tuple[tuple[str, str], ...]
    splits: tuple[SplitUsed, ...]
    dropped: tuple[tuple[str, int], ...]
    shared: tuple[str, ...]
    classes: tuple[tuple[str, tuple[float, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class FitUsed:
    """A kind of fit, the same for every seed of `tasks`. settings: the hyperparameters of its method, and its loss."""

    role: str
    tasks: tuple[str, ...] = ()
    model: str
    learns_from: str
    validated_on: str
    method: str
    settings: tuple[tuple[str, str], ...]


def tasks_used(grid: Sequence[Cell], store: Store) -> tuple[TaskUsed, ...]:
    """The splits of each task, with the sizes of the first seed that has been prepared."""
    tasks = []
    for name in dict.fromkeys(cell.task.name for cell in grid):
        here = [cell for cell in grid if cell.task.name == name]
        splits, dropped, shares = [], dict[str, int](), dict[str, dict[str, float]]()
        for split in PURPOSES:
            prepared = list(dict.fromkeys(used[split] for cell in here if split in (used := _prepared(cell))))
            if not prepared:
                continue
            step, examples = next(((s, e) for s in prepared if (e := _load(s, store)) is not None), (prepared[0], None))
            if examples and (found := class_shares(examples, _load(Gold(examples=step), store))):
                shares[split] = found
            dropped |= dict(examples.dropped if examples else ())
            scored = split == here[0].test.split != "test"
            splits.append(_split(split, examples, len(prepared) > 1, PURPOSES[split] + UNSETTLED * scored))
        left_out = tuple(sorted(dropped.items()))
        classes = {each: tuple(found.get(each, 0.0) for found in shares.values()) for each in _every(shares.values())}
        settings, of_classes = settings_of(here[0].task), tuple(classes.items())
        tasks.append(
            TaskUsed(task=name, settings=settings, splits=tuple(splits), dropped=left_out, shared=tuple(shares),
                     classes=of_classes)
        )  # fmt: skip
    return tuple(tasks)


def class_shares(examples: Examples, truth: Labels | None) -> dict[str, float]:
    """The share of each class in the ground truth of examples; {} if it is not stored or they do not share choices."""
    if truth is None or len({row.choices for row in examples.rows}) != 1:
        return {}
    shares = classes_of(truth).mean(axis=0)
    return dict(zip(examples.rows[0].choices, shares.tolist(), strict=True))


def _every(shares: Iterable[dict[str, float]]) -> tuple[str, ...]:
    """The classes of all splits, in their order."""
    return tuple(dict.fromkeys(each for found in shares for each in found))


def _split(split: str, examples: Examples | None, redrawn: bool, purpose: str) -> SplitUsed:
    count = len(examples) if examples else None
    groups = len(set(examples.groups)) if examples else None
    return SplitUsed(split=split, purpose=purpose, examples=count, groups=groups, redrawn=redrawn)


def _prepared(cell: Cell) -> dict[str, Prepare]:
    """The splits as they were prepared, before a rule selects from them."""
    prepared: dict[str, Prepare] = {}
    for fit in (cell.student_fit, *cell.supervisors):
        for used in (fit.examples, fit.validation):
            whole = used.examples if isinstance(used, Select) else used
            prepared[whole.split] = whole
    return prepared | {cell.test.split: cell.test}


def _fitted(predictions: object) -> Fit | None:
    return predictions.fitted if isinstance(predictions, Predict) else None


def _load(step: Step[T], store: Store) -> T | None:
    try:
        return load(step, store)
    except (Damaged, KeyError):
        return None


def fits_used(grid: Sequence[Cell]) -> tuple[FitUsed, ...]:
    """Every kind of fit of the grid, once for all seeds and tasks that share it."""
    tasks_of: dict[FitUsed, dict[str, None]] = {}
    for cell in grid:
        for used in _fits(cell):
            tasks_of.setdefault(used, {})[cell.task.name] = None
    order = {role: i for i, role in enumerate(ROLES)}
    merged = [replace(used, tasks=tuple(tasks)) for used, tasks in tasks_of.items()]
    return tuple(sorted(merged, key=lambda used: order[used.role.partition(":")[0]]))


def _fits(cell: Cell) -> Iterable[FitUsed]:
    roles = [
        *(("supervisor", fit) for fit in cell.supervisors),
        ("supervisor that is adapted too", _fitted(cell.matched_floor and cell.matched_floor.predictions)),
        ("ceiling", _fitted(cell.ceiling.predictions)),
        ("ceiling that is adapted too", _fitted(cell.matched_ceiling and cell.matched_ceiling.predictions)),
        *((f"intermediate: {cell.method.shown}", fit) for fit in chain_fits(cell.student_fit)),
        (f"student: {cell.method.shown}", cell.student_fit),
        ("direct", _fitted(cell.direct and cell.direct.predictions)),
        ("frozen probe", _fitted(cell.frozen_probe and cell.frozen_probe.predictions)),
    ]
    for role, fit in roles:
        if fit:
            yield FitUsed(
                role=role,
                model=fit.model.name,
                learns_from=_labels(fit.labels),
                validated_on=_labels(fit.validation_labels),
                method=type(fit.method).__name__,
                settings=(*settings_of(fit.method), ("loss", _value(fit.loss)), *_beforehand(fit)),
            )


def _beforehand(fit: Fit) -> tuple[tuple[str, str], ...]:
    """The adaptation of its model before it is trained on labels."""
    return (("adapted first", _value(fit.start.method)),) if fit.start else ()


def chain_fits(student: Fit) -> Iterable[Fit]:
    """The fits between supervisor and student."""
    fits = (step for step in walk([student]) if isinstance(step, Fit) and step.key != student.key)
    return (fit for fit in fits if fit.examples.split == "transfer")


def _labels(labels: LabelsStep) -> str:
    match labels:
        case Gold():
            return f"ground truth of {labels.examples.split}"
        case Predict():
            return f"soft weak labels of {labels.examples.split}"
        case Relabel():
            return f"{', then '.join(_rules(labels))} weak labels of {labels.examples.split}"
    return f"labels of {labels.examples.split}: {labels.title}"


def _rules(labels: LabelsStep) -> tuple[str, ...]:
    """The rules that were applied to labels, in order."""
    if not isinstance(labels, Relabel):
        return ()
    return (*_rules(labels.labels[0]), "hard" if isinstance(labels.rule, Harden) else _value(labels.rule))


def explained(grid: Sequence[Cell]) -> dict[str, str]:
    """The first paragraph of the docstring of each method and loss of the grid, by name."""
    scores = [score for cell in grid for score in (cell.floor, cell.student, cell.frozen_probe)]
    fits = [fit for score in scores if (fit := _fitted(score and score.predictions))]
    kinds = dict.fromkeys(type(record) for fit in fits for record in (fit.method, fit.loss))
    docs = {kind.__name__: inspect.getdoc(kind) or "" for kind in kinds}
    return {name: doc.partition("\n\n")[0] for name, doc in docs.items() if doc and not doc.startswith(f"{name}(")}


def settings_of(record: Any) -> tuple[tuple[str, str], ...]:
    """The fields of a record as text, for people."""
    counted = [each.name for each in fields(record) if each.metadata.get("identity", True)]
    return tuple((name.replace("_", " "), _value(getattr(record, name))) for name in counted)


def _value(value: object) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        inner = ", ".join(f"{name} {text}" for name, text in settings_of(value))
        return type(value).__name__ + (f" ({inner})" if inner else "")
    if isinstance(value, tuple):
        return ", ".join(map(_value, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None or value == "" else f"{value:g}" if isinstance(value, float) else str(value)
