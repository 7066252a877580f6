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
from outgrow.ranges import one_of, refuse_outside
from outgrow.steps import Adapt, Features, Fit, Gold, Predict, Prepare, Relabel, Said, Select, predicted
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

    A technique with `cheat` reads ground truth that a student should not, for reference: "labels" learns from that of
    transfer, "stop" stops on that of transfer_validation, "probe" learns from weak labels and then has a linear probe
    on its features learn from that of transfer.
    """

    label: str = "naive"
    adapt: Generative | None = None  # read the task's inputs without labels first; causal models only
    via: tuple[Model, ...] = ()  # the rungs of a bootstrapping chain, between supervisor and student
    shares: Literal["fresh", "same"] = "fresh"  # each step of a chain labels its own part of transfer, or the same one
    labels: tuple[Rule, ...] | None = None
    loss: Loss = field(default_factory=CrossEntropy)
    fit: Method | None = None  # None: the recipe of the model on the task
    cheat: Literal["", "labels", "stop", "probe"] = ""

    def __post_init__(self) -> None:
        refuse_outside(self, shares=one_of("fresh", "same"), cheat=one_of("", "labels", "stop", "probe"))
        if twice := [model.name for model in self.via if self.via.count(model) > 1]:
            raise UserError(f"via lists {twice[0]!r} twice: name each rung once")
        if self.shares == "same" and not self.via:
            raise UserError("shares divides transfer among the steps of a chain: give via too, or leave it out")
        if any(rule.aggregates for rule in (self.labels or ())[1:]):
            raise UserError("a rule that joins several supervisors' labels comes first: reorder labels")
        if self.cheat == "labels" and (self.via or self.labels):
            raise UserError('cheat = "labels" reads no weak labels: remove via and labels')

    @property
    def shown(self) -> str:
        """The label as tables give it."""
        return f"{self.label} (cheats)" if self.cheat else self.label

    def check(self, shape: Shape) -> None:
        """Raise a UserError, or a CollectedError, for every slot that does not fit a task of this shape."""
        wrong = Problems()
        for slot in (self.loss, *((self.fit,) if self.fit else ()), *(self.labels or ())):
            with wrong.caught():
                slot.check(shape)
        wrong.raised()

    def each(self, change: Callable[[Model], Model]) -> Technique:
        """The same with every model changed."""
        return replace(self, via=tuple(map(change, self.via)))


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
class Ground:
    """What all fits of a cell stand on: the prepared splits of a task, the recipes of its models, and the seed."""

    task: Task
    splits: Mapping[Split, Prepare]
    recipe: Callable[[Model], Method]
    seed: int

    @property
    def held(self) -> Prepare:
        """The slice that students and ceilings stop on."""
        return self.splits["transfer_validation"]

    def part(self, number: int) -> Prepare:
        """A part of transfer: 0 is the student's, the next ones share no group with it or with each other."""
        transfer = self.splits["transfer"]
        if number and transfer.n is None:
            raise UserError(
                f"task {self.task.name}: a chain takes fresh parts of transfer, so that needs a size: "
                'say sizes = { transfer = 1000 }, or shares = "same"'
            )
        return replace(transfer, part=number)

    def fit(
        self,
        model: Model,
        examples: Prepare,
        held: Prepare,
        *,
        labels: tuple[Said, Said] | None = None,
        method: Method | None = None,
        adapt: Generative | None = None,
        source: Fit | None = None,
        **others: Any,
    ) -> Fit:
        """A model on examples and a slice to stop on, with their labels (None: the ground truth), by its recipe.

        source: the fit whose features are frozen where the method reads some.
        """
        method = method or self.recipe(model)
        if method.reads and type(others.get("loss", CrossEntropy())) is not CrossEntropy:
            raise UserError(f"a probe learns by cross-entropy, and {model.name} is one: remove loss, or use finetune")
        start = self._adapted(model, adapt, examples, held)
        features: tuple[Features, Features] | None = None
        if method.reads:
            if self.task.readout == "tokens":
                raise UserError(f"a probe needs a task whose examples share their choices: {self.task.name} has none")
            read, start = source or start or model, None  # it reads weights only through the features
            here = Features(source=read, examples=examples, reading=method.reads)
            features = (here, replace(here, examples=held))
        of_examples, of_held = labels or (Gold(examples=examples), Gold(examples=held))
        fewer = isinstance(of_examples, Relabel) and of_examples.selects
        return Fit(
            model=model,
            readout=self.task.readout,
            method=method,
            examples=Select(examples=examples, labels=of_examples) if fewer else examples,
            labels=of_examples,
            validation=held,
            validation_labels=of_held,
            start=start,
            features=features,
            seed=self.seed,
            **others,
        )

    def _adapted(self, model: Model, method: Generative | None, examples: Prepare, held: Prepare) -> Adapt | None:
        if method is None:
            return None
        if model.causal is False:
            raise UserError(f"{model.name} is an encoder: adapt needs a causal model, such as ladder/knight")
        return Adapt(model=model, method=method, examples=examples, validation=held, seed=self.seed)


def supervisors(ground: Ground, weak: Model | Ensemble, adapt: Generative | None = None) -> tuple[Fit, ...]:
    """The weak models, on the ground truth of their own splits; where they are adapted, to the inputs of these."""
    models = weak.models if isinstance(weak, Ensemble) else (weak,)
    return tuple(
        ground.fit(model, ground.splits["weak_train"], ground.splits["validation"], adapt=adapt) for model in models
    )


def together(taught: tuple[Fit, ...], examples: Prepare) -> Predict | Relabel:
    """What supervisors say of examples: their mean, where there are several."""
    said = tuple(predicted(fit, examples) for fit in taught)
    return Relabel(rule=Mean(), labels=said) if len(said) > 1 else said[0]


def student(ground: Ground, model: Model, technique: Technique, taught: tuple[Fit, ...]) -> Fit:
    """The strong model on weak labels: those of the supervisors `taught`, or of the last rung of a chain that they
    start. The student learns from the first part of transfer, as every student and ceiling does; the rungs from later
    ones, each by its recipe."""
    part, held = ground.part(0), ground.held
    slots: dict[str, Any] = {"method": technique.fit, "loss": technique.loss, "adapt": technique.adapt}
    if technique.cheat == "labels":
        return ground.fit(model, part, held, **slots)
    for number, rung in enumerate(technique.via, start=1):
        own = ground.part(number if technique.shares == "fresh" else 0)
        taught = (ground.fit(rung, own, held, labels=_weak(taught, rung, own, held, technique)),)
    weak, weak_held = _weak(taught, model, part, held, technique)
    if technique.cheat == "stop":
        learned = ground.fit(model, part, held, labels=(weak, Gold(examples=held)), **slots)
        return learned if learned.features else replace(learned, watched=weak_held)
    learned = ground.fit(model, part, held, labels=(weak, weak_held), **slots)
    if technique.cheat == "probe":
        if learned.features:
            raise UserError(
                f'cheat = "probe" probes what was finetuned, and {model.name} is a probe: '
                'use finetune, or cheat = "labels"'
            )
        return ground.fit(model, part, held, method=Probe(), source=learned)
    return learned


def ceiling(ground: Ground, model: Model, technique: Technique, adapt: Generative | None = None) -> Fit:
    """A student with ground truth for labels and plain cross-entropy: the same examples, updates and stopping rule.
    Where a student is a probe, its ceiling is still finetuned (Burns et al. 2023, appendix D.1)."""
    method = None if technique.fit and technique.fit.reads else technique.fit
    return ground.fit(model, ground.part(0), ground.held, method=method, adapt=adapt)


def frozen_probe(ground: Ground, model: Model, taught: tuple[Fit, ...]) -> Fit:
    """A linear probe on the frozen features of the student and the weak labels: what a head starts from."""
    labels = _weak(taught, model, ground.part(0), ground.held, Technique())
    return ground.fit(model, ground.part(0), ground.held, labels=labels, method=Probe())


def _weak(
    taught: tuple[Fit, ...], learner: Model, examples: Prepare, held: Prepare, technique: Technique
) -> tuple[Said, Said]:
    """What supervisors say of these examples, to learn from, and of the held-out slice, to stop on."""
    rules = _rules(technique, examples.task)
    return (
        _ruled(rules, taught, learner, examples),
        _ruled(tuple(rule for rule in rules if not rule.selects), taught, learner, held),  # the slice stays whole
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


def _ruled(rules: tuple[Rule, ...], taught: tuple[Fit, ...], learner: Model, examples: Prepare) -> Predict | Relabel:
    """What supervisors say of examples after all rules: joined first, by the mean unless a rule does it."""
    said: tuple[Predict | Relabel, ...] = tuple(predicted(fit, examples) for fit in taught)
    if len(said) == 1:
        rules = tuple(rule for rule in rules if not rule.aggregates)
    elif not (rules and rules[0].aggregates):
        rules = (Mean(), *rules)
    elif len(said) < rules[0].fewest:
        joins, names = type(rules[0]).__name__, " + ".join(fit.model.name for fit in taught)
        raise UserError(f"{joins} needs {rules[0].fewest} supervisors, {names} are {len(said)}: use mean, or name more")
    for rule in rules:
        if rule.shared_choices and examples.task.readout == "tokens":
            name = type(rule).__name__
            raise UserError(f"{name} needs a task whose examples share their choices: {examples.task.name} has none")
        features = Features(source=learner, examples=examples) if rule.needs_features else None
        said = (Relabel(rule=rule, labels=said, features=features),)
    return said[0]
