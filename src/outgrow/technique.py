"""The slots of a method, and the fits that they mean: supervisor, chain, student, ceiling.

A slot that is not given does nothing; chains, adaptation, features and rules become steps, so whatever two techniques
share is computed once (Burns et al. 2023, sections 4.3 and 5, appendices B and D).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from outgrow.labelling.base import Rule
from outgrow.labelling.harden import Harden
from outgrow.labelling.mean import Mean
from outgrow.losses.base import Loss
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import Method
from outgrow.methods.probe import Probe
from outgrow.models.base import Model
from outgrow.ranges import check_ranges, one_of
from outgrow.steps import Adapt, Features, Fit, Gold, LabelsStep, Predict, Prepare, Relabel, Select, predicted
from outgrow.tasks.base import Split, Task
from outgrow.training.continuing import Generative
from outgrow.types import Problems, Shape, UserError


@dataclass(frozen=True, kw_only=True)
class Technique:
    """One row of the comparison: how a student learns from weak labels. The label is for people and is not hashed.

    `labels` are rules that change weak labels. None: the task's own rules (chess hardens); (): none. Where the rules
    only select or aggregate, the task's own stay and come last; a rule that transforms labels replaces them. A rule
    that selects is applied before rules that only rescale (harden, sharpen), so that it reads the confidence that the
    supervisor had.

    A technique with `oracle` reads ground truth that a student should not, for reference: "labels" learns from that of
    transfer, "stop" stops on that of transfer_validation, "probe" learns from weak labels and then has a linear probe
    on its features learn from that of transfer.
    """

    label: str = "naive"
    adapt: Generative | None = None  # read the task's inputs without labels first; causal models only
    chain: tuple[Model, ...] = ()  # the rungs of a bootstrapping chain, between supervisor and student
    chain_data: Literal["fresh", "same"] = (
        "fresh"  # each step of a chain labels its own part of transfer, or the same one
    )
    labels: tuple[Rule, ...] | None = None
    loss: Loss = field(default_factory=CrossEntropy)
    fit: Method | None = None  # None: the recipe of the model on the task
    oracle: Literal["", "labels", "stop", "probe"] = ""

    def __post_init__(self) -> None:
        check_ranges(self, chain_data=one_of("fresh", "same"), oracle=one_of("", "labels", "stop", "probe"))
        if twice := [model.name for model in self.chain if self.chain.count(model) > 1]:
            raise UserError(f"chain lists {twice[0]!r} twice: name each rung once")
        if self.chain_data == "same" and not self.chain:
            raise UserError("chain_data divides transfer among the steps of a chain: give chain too, or leave it out")
        if any(rule.aggregates for rule in (self.labels or ())[1:]):
            raise UserError("a rule that joins several supervisors' labels comes first: reorder labels")
        if self.oracle == "labels" and (self.chain or self.labels):
            raise UserError('oracle = "labels" reads no weak labels: remove chain and labels')

    @property
    def shown(self) -> str:
        """The label as tables give it."""
        return f"{self.label} (oracle)" if self.oracle else self.label

    def check(self, shape: Shape) -> None:
        """Raise a UserError, or a CollectedError, for every slot that does not fit a task of this shape."""
        wrong = Problems()
        for slot in (self.loss, *((self.fit,) if self.fit else ()), *(self.labels or ())):
            with wrong.caught():
                slot.check(shape)
        wrong.raised()

    def each(self, change: Callable[[Model], Model]) -> Technique:
        """The same with every model changed."""
        return replace(self, chain=tuple(map(change, self.chain)))


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """Several supervisors whose labels become one."""

    models: tuple[Model, ...]

    def __post_init__(self) -> None:
        if twice := [model.name for model in self.models if self.models.count(model) > 1]:
            raise UserError(f"an ensemble lists {twice[0]!r} twice: name each supervisor once")

    @property
    def name(self) -> str:
        return " + ".join(model.name for model in self.models)

    def each(self, change: Callable[[Model], Model]) -> Ensemble:
        """The same with every model changed."""
        return replace(self, models=tuple(map(change, self.models)))


@dataclass(frozen=True, kw_only=True)
class CellSetup:
    """What all fits of a cell stand on: the prepared splits of a task, the recipes of its models, and the seed."""

    task: Task
    splits: Mapping[Split, Prepare]
    recipe: Callable[[Model], Method]
    seed: int

    @property
    def validation(self) -> Prepare:
        """The slice that students and ceilings stop on."""
        return self.splits["transfer_validation"]

    def part(self, number: int) -> Prepare:
        """A part of transfer: 0 is the student's, the next ones share no group with it or with each other."""
        transfer = self.splits["transfer"]
        if number and transfer.n is None:
            raise UserError(
                f"task {self.task.name}: a chain takes fresh parts of transfer, so that needs a size: "
                'say sizes = { transfer = 1000 }, or chain_data = "same"'
            )
        return replace(transfer, part=number)

    def fit(
        self,
        model: Model,
        examples: Prepare,
        validation: Prepare,
        *,
        labels: tuple[LabelsStep, LabelsStep] | None = None,
        method: Method | None = None,
        adapt: Generative | None = None,
        source: Fit | None = None,
        **others: Any,
    ) -> Fit:
        """A model on examples and a slice to stop on, with their labels (None: the ground truth), by its recipe.

        source: the fit whose features are frozen where the method reads some.
        """
        method = method or self.recipe(model)
        if method.feature_spec and type(others.get("loss", CrossEntropy())) is not CrossEntropy:
            raise UserError(f"a probe learns by cross-entropy, and {model.name} is one: remove loss, or use finetune")
        start = self._adapted(model, adapt, examples, validation)
        features: tuple[Features, Features] | None = None
        if method.feature_spec:
            if self.task.readout == "tokens":
                raise UserError(f"a probe needs a task whose examples share their choices: {self.task.name} has none")
            read, start = source or start or model, None  # it reads weights only through the features
            here = Features(source=read, examples=examples, spec=method.feature_spec)
            features = (here, replace(here, examples=validation))
        of_examples, validation_labels = labels or (Gold(examples=examples), Gold(examples=validation))
        fewer = isinstance(of_examples, Relabel) and of_examples.selects
        return Fit(
            model=model,
            readout=self.task.readout,
            method=method,
            examples=Select(examples=examples, labels=of_examples) if fewer else examples,
            labels=of_examples,
            validation=validation,
            validation_labels=validation_labels,
            start=start,
            features=features,
            seed=self.seed,
            **others,
        )

    def _adapted(self, model: Model, method: Generative | None, examples: Prepare, validation: Prepare) -> Adapt | None:
        if method is None:
            return None
        if model.causal is False:
            raise UserError(f"{model.name} is an encoder: adapt needs a causal model, such as ladder/knight")
        return Adapt(model=model, method=method, examples=examples, validation=validation, seed=self.seed)


def supervisors(setup: CellSetup, weak: Model | Ensemble, adapt: Generative | None = None) -> tuple[Fit, ...]:
    """The weak models, on the ground truth of their own splits; where they are adapted, to the inputs of these."""
    models = weak.models if isinstance(weak, Ensemble) else (weak,)
    return tuple(
        setup.fit(model, setup.splits["weak_train"], setup.splits["validation"], adapt=adapt) for model in models
    )


def ensemble_labels(supervisor_fits: tuple[Fit, ...], examples: Prepare) -> Predict | Relabel:
    """What supervisors say of examples: their mean, where there are several."""
    weak_labels = tuple(predicted(fit, examples) for fit in supervisor_fits)
    return Relabel(rule=Mean(), labels=weak_labels) if len(weak_labels) > 1 else weak_labels[0]


def student(setup: CellSetup, model: Model, technique: Technique, supervisor_fits: tuple[Fit, ...]) -> Fit:
    """The strong model on weak labels: those of the supervisors `taught`, or of the last rung of a chain that they
    start. The student learns from the first part of transfer, as every student and ceiling does; the rungs from later
    ones, each by its recipe."""
    part, validation = setup.part(0), setup.validation
    slots: dict[str, Any] = {"method": technique.fit, "loss": technique.loss, "adapt": technique.adapt}
    if technique.oracle == "labels":
        return setup.fit(model, part, validation, **slots)
    for number, rung in enumerate(technique.chain, start=1):
        own = setup.part(number if technique.chain_data == "fresh" else 0)
        supervisor_fits = (
            setup.fit(rung, own, validation, labels=_weak(supervisor_fits, rung, own, validation, technique)),
        )
    weak, weak_validation = _weak(supervisor_fits, model, part, validation, technique)
    if technique.oracle == "stop":
        learned = setup.fit(model, part, validation, labels=(weak, Gold(examples=validation)), **slots)
        return learned if learned.features else replace(learned, monitored=weak_validation)
    learned = setup.fit(model, part, validation, labels=(weak, weak_validation), **slots)
    if technique.oracle == "probe":
        if learned.features:
            raise UserError(
                f'oracle = "probe" probes what was finetuned, and {model.name} is a probe: '
                'use finetune, or oracle = "labels"'
            )
        return setup.fit(model, part, validation, method=Probe(), source=learned)
    return learned


def ceiling(setup: CellSetup, model: Model, technique: Technique, adapt: Generative | None = None) -> Fit:
    """A student with ground truth for labels and plain cross-entropy: the same examples, updates and stopping rule.
    Where a student is a probe, its ceiling is still finetuned (Burns et al. 2023, appendix D.1)."""
    method = None if technique.fit and technique.fit.feature_spec else technique.fit
    return setup.fit(model, setup.part(0), setup.validation, method=method, adapt=adapt)


def frozen_probe(setup: CellSetup, model: Model, supervisor_fits: tuple[Fit, ...]) -> Fit:
    """A linear probe on the frozen features of the student and the weak labels: what a head starts from."""
    labels = _weak(supervisor_fits, model, setup.part(0), setup.validation, Technique())
    return setup.fit(model, setup.part(0), setup.validation, labels=labels, method=Probe())


def _weak(
    supervisor_fits: tuple[Fit, ...], learner: Model, examples: Prepare, validation: Prepare, technique: Technique
) -> tuple[LabelsStep, LabelsStep]:
    """What supervisors say of these examples, to learn from, and of the held-out slice, to stop on."""
    rules = _rules(technique, examples.task)
    return (
        _apply_rules(rules, supervisor_fits, learner, examples),
        _apply_rules(
            tuple(rule for rule in rules if not rule.selects), supervisor_fits, learner, validation
        ),  # the slice stays whole
    )


def _rules(technique: Technique, task: Task) -> tuple[Rule, ...]:
    """The rules of a technique and its task, in the order in which they are applied."""
    usual = () if task.soft_labels else (Harden(),)
    named = usual if technique.labels is None else technique.labels
    if technique.labels and not any(rule.transforms for rule in technique.labels):
        named = (*technique.labels, *usual)
    ordered: list[Rule] = []
    for rule in named:
        at = len(ordered)
        while rule.selects and at and ordered[at - 1].rescales:
            at -= 1
        ordered.insert(at, rule)
    return tuple(ordered)


def _apply_rules(
    rules: tuple[Rule, ...], supervisor_fits: tuple[Fit, ...], learner: Model, examples: Prepare
) -> Predict | Relabel:
    """What supervisors say of examples after all rules: joined first, by the mean unless a rule does it."""
    weak_labels: tuple[Predict | Relabel, ...] = tuple(predicted(fit, examples) for fit in supervisor_fits)
    if len(weak_labels) == 1:
        rules = tuple(rule for rule in rules if not rule.aggregates)
    elif not (rules and rules[0].aggregates):
        rules = (Mean(), *rules)
    elif len(weak_labels) < rules[0].fewest:
        joins, names = type(rules[0]).__name__, " + ".join(fit.model.name for fit in supervisor_fits)
        raise UserError(
            f"{joins} needs {rules[0].fewest} supervisors, {names} are {len(weak_labels)}: use mean, or name more"
        )
    for rule in rules:
        if rule.shared_choices and examples.task.readout == "tokens":
            name = type(rule).__name__
            raise UserError(f"{name} needs a task whose examples share their choices: {examples.task.name} has none")
        features = Features(source=learner, examples=examples) if rule.needs_features else None
        weak_labels = (Relabel(rule=rule, labels=weak_labels, features=features),)
    return weak_labels[0]
