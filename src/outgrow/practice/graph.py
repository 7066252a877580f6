"""The graph of a fit to a person's data: the student, and what it is compared with, as steps of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.experiment.steps import Fit, Relabel, predicted
from outgrow.experiment.students import student
from outgrow.experiment.weak_labels import LabelledExamples, Labeller, out_of_fold
from outgrow.graph import Step
from outgrow.methods.base import FeatureMethod, Method
from outgrow.methods.cross_validated_head import CrossValidatedHead
from outgrow.models.base import Model
from outgrow.practice.choice import Choice
from outgrow.practice.data import PracticeData
from outgrow.practice.steps import Annotated, Audited, TimesAudited
from outgrow.practice.task import Practice
from outgrow.tasks.base import SPLITS
from outgrow.training.precision import Precision
from outgrow.types import UserError

FOLDS = 5  # of the audited rows, where a fit takes seconds
GAIN_TEXTS = 200, 20_000  # distinct labelled texts, between which the gain is predicted where there is no ground truth
FEW = 0.2  # the share of the rows that may be audited, for all of them to be set aside


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be fitted. method: how the model is fitted, a head or finetuning."""

    task: Practice
    data: PracticeData
    model: Model
    choice: Choice
    method: Method
    precision: Precision
    seed: int = 0
    zero_shot: tuple[str, ...] = ()  # the tokens that stand for the classes, where the model is asked too


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The steps of a fit. scored: the predictions of all rows by students that have not learned from the audited rows
    of one of `tasks`, each; where several, they are of the folds. alone: the same of the model that learned from the
    audited rows alone, by the fold that it has not learned from. out_of_fold: predictions of heads that have not
    learned from the weak label of a row, where no row is audited and the gain is predicted from them."""

    fit: Fit
    predictions: LabelsStep
    weak: LabelsStep
    scored: Mapping[Practice, LabelsStep] = field(default_factory=dict)
    alone: Mapping[Practice, LabelsStep] = field(default_factory=dict)
    zero_shot: LabelsStep | None = None
    out_of_fold: LabelsStep | None = None

    @property
    def targets(self) -> tuple[Step[Any], ...]:
        others = (step for step in (self.zero_shot, self.out_of_fold) if step)
        return (self.predictions, self.weak, *self.scored.values(), *self.alone.values(), *others)


def graph_of(wanted: Wanted) -> Graph:
    """The steps of what is wanted. Raises UserError for slots that do not fit together."""
    final, scored = _tasks(wanted)
    fit, everything = _student(wanted, final), setup_of(wanted, wanted.task).splits["test"]
    fits = {task: _student(wanted, task) for task in scored}
    folds = _folds(wanted) if len(wanted.data.audited) else ()
    alone = {task: audited_alone(wanted, setup_of(wanted, task)) for task in folds}
    zero_shot = setup_of(wanted, wanted.task).zero_shot(wanted.model, everything, wanted.zero_shot)
    return Graph(
        fit=fit,
        predictions=predicted(fit, everything),
        weak=_joined(wanted, everything),
        scored={task: predicted(each, everything) for task, each in fits.items()},
        alone={task: predicted(each, everything) for task, each in alone.items()},
        zero_shot=zero_shot if wanted.zero_shot else None,
        out_of_fold=_out_of_fold(wanted),
    )


def _out_of_fold(wanted: Wanted) -> LabelsStep | None:
    """Predictions of the labelled rows by heads that have not learned from their labels; None where no gain is
    predicted: with ground truth, which is better, on pairs, and on too few or too many texts."""
    data, (fewest, most) = wanted.data, GAIN_TEXTS
    ids = set(data.annotations.ids)
    texts = {text for id, text in zip(data.ids, data.texts, strict=True) if id in ids}
    if len(data.audited) or data.replies or not fewest <= len(texts) <= most:
        return None
    setup = setup_of(wanted, wanted.task)
    part, labels = setup.splits["transfer"], _joined(wanted, setup.splits["transfer"])
    labelled = LabelledExamples(
        setup=setup,
        labeller=_labeller(wanted, setup),
        learner=wanted.model,
        examples=part,
        labels=(labels,),
        validation_labels=(_joined(wanted, setup.validation),),
    )
    return out_of_fold(labelled, wanted.model, labels, FOLDS)


def _tasks(wanted: Wanted) -> tuple[Practice, tuple[Practice, ...]]:
    """The rows that the model learns from, and those that the scored models learn from: never a row that scores them.

    Where ground truth is not learned from and is of few rows, all of these are set aside: the model is scored itself.
    Else heads are fitted once more for each of 5 folds of the audited rows; a finetuned model is not, and half of the
    audited rows are set aside.
    """
    audited, task, groups = len(wanted.data.audited), wanted.task, _audited_groups(wanted)
    if not audited:
        return task, ()
    if not wanted.choice.audited and audited <= FEW * len(wanted.data.annotations):
        aside = replace(task, folds=1, fold=0)
        return aside, (aside,)
    if isinstance(wanted.method, FeatureMethod):
        return task, _folds(wanted)
    if groups < 2:
        raise UserError(f"one audited text cannot teach and score a finetuned model: audit more, or use {'naive'}")
    half = replace(task, folds=2, fold=0)
    return half, (half,)


def _audited_groups(wanted: Wanted) -> int:
    """How many different texts are audited."""
    return len({wanted.data.groups[i] for i in wanted.data.audited.tolist()}) if wanted.data.texts else 0


def _folds(wanted: Wanted) -> tuple[Practice, ...]:
    folds = min(FOLDS, _audited_groups(wanted))
    return tuple(replace(wanted.task, folds=folds, fold=fold) for fold in range(folds)) if folds > 1 else ()


def setup_of(wanted: Wanted, task: Practice) -> CellSetup:
    """What all fits to the rows of a task share."""
    splits = {split: Prepare(task=task, split=split, cut=True) for split in SPLITS}
    return CellSetup(
        task=task, splits=splits, recipe=lambda _: wanted.method, seed=wanted.seed, precision=wanted.precision
    )


def _student(wanted: Wanted, task: Practice) -> Fit:
    setup = setup_of(wanted, task)
    return student(setup, wanted.model, wanted.choice.technique, _labeller(wanted, setup))


def _labeller(wanted: Wanted, setup: CellSetup) -> Labeller:
    """The sources; where audited rows are learned from, one source that they have weighed."""
    if not wanted.choice.audited:
        return Labeller(name="the labels", models=(), labels=lambda examples: _sources(wanted, examples))
    teacher = audited_alone(wanted, setup)

    def labels(examples: Prepare) -> tuple[LabelsStep, ...]:
        audited = Audited(examples=setup.splits["weak_train"])
        weighed = TimesAudited(
            examples=examples,
            labels=_joined(wanted, examples),
            predictions=predicted(teacher, examples),
            audited=audited,
        )
        return (weighed,)

    return Labeller(name="the labels", models=(), labels=labels)


def audited_alone(wanted: Wanted, setup: CellSetup) -> Fit:
    """A head on the frozen features of the model that learned from the audited rows alone."""
    rows = setup.splits["weak_train"]
    labels = Audited(examples=rows)
    return setup.fit(wanted.model, rows, rows, labels=(labels, labels), method=CrossValidatedHead())


def _sources(wanted: Wanted, examples: Prepare) -> tuple[LabelsStep, ...]:
    return tuple(Annotated(examples=examples, annotator=name) for name in wanted.data.annotations.annotators)


def _joined(wanted: Wanted, examples: Prepare) -> LabelsStep:
    sources = _sources(wanted, examples)
    return Relabel(rule=wanted.choice.joins, labels=sources, examples=examples) if len(sources) > 1 else sources[0]
