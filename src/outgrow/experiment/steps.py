"""The steps of an experiment: prepare, gold, adapt, features, fit, predict, relabel, select; see also `scoring`.

Each is a frozen record; its key says what it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from outgrow.graph import Context, Settings, Step, identity, not_hashed
from outgrow.labelling.base import Evidence, NotedLabels, Rule, notes_of
from outgrow.losses.base import Loss
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import (
    FeatureData,
    FeatureMethod,
    HeadWeights,
    Method,
    Predictor,
    TextMethod,
    TrainingData,
    design_of,
    finished,
    saved_head,
)
from outgrow.models.base import Model
from outgrow.tasks.base import Readout, Split, Task, ground_truth
from outgrow.training.continuing import Generative
from outgrow.training.features import FeatureSpec, FeatureTable
from outgrow.training.lengths import LengthLimit, too_long
from outgrow.types import Examples, Labels, UserError


@dataclass(frozen=True, kw_only=True)
class Prepare(Step[Examples]):
    """`n` examples of one split, in the seed's order: the first, or a later `part`, as many that share no group with
    those of the parts before. What one of the `readers` cannot read whole is left out, or, where `cut`, is read by each
    model as far as it reads."""

    kind: ClassVar[str] = "prepare"
    version: ClassVar[int] = 2  # 2: near-duplicates leave every split, not those of test alone
    result: ClassVar[type[Any]] = Examples

    task: Task
    split: Split
    n: int | None = None
    seed: int = 0
    part: int = 0
    length_limits: tuple[LengthLimit, ...] = ()
    cut: bool = False

    @property
    def title(self) -> str:
        return f"prepare {self.task.name} {self.split}"

    def run(self, ctx: Context) -> Examples:
        left_out = frozenset(id for length_limit in self.length_limits for id in too_long(self.task, length_limit).ids)
        found = self.task.examples(self.split, self.n, self.seed, self.part, left_out)
        return replace(found, cut=self.cut)


@dataclass(frozen=True, kw_only=True)
class LabelsStep(Step[Labels]):
    """A step that gives labels of examples, whatever their origin: ground truth, predictions, annotations, rules."""

    result: ClassVar[type[Any]] = Labels

    examples: Prepare

    @property
    def partial(self) -> bool:
        """Whether examples may be left without a label."""
        return False


@dataclass(frozen=True, kw_only=True)
class Gold(LabelsStep):
    """The ground truth of prepared examples: the only step that reads it from the data."""

    kind: ClassVar[str] = "gold"

    @property
    def title(self) -> str:
        return f"gold {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        return ground_truth(self.examples.task, ctx.load(self.examples))


@dataclass(frozen=True, kw_only=True)
class Adapt(Step[Predictor]):
    """A causal model that has read the examples without their labels (Burns et al. 2023, section 5.2.2)."""

    kind: ClassVar[str] = "adapt"
    version: ClassVar[int] = 2  # 2: of the puzzles of a game, only the first one's passage
    result: ClassVar[type[Any]] = Predictor

    model: Model
    method: Generative
    examples: Prepare
    validation: Prepare
    seed: int = 0

    @property
    def title(self) -> str:
        return f"adapt {self.model.name} to {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Predictor:
        from outgrow.training.continuing import adapt
        from outgrow.training.network import open_network

        try:
            network = open_network(self.model.folder(ctx.settings), "tokens", ctx.settings)
        except UserError as error:
            raise UserError(f"{self.model.name} cannot be adapted: {error}") from None
        if not network.causal:
            raise UserError(f"{self.model.name} is an encoder: adapt needs a causal model, such as ladder/knight")
        passages, held_out = (each.task.passages(ctx.load(each)) for each in (self.examples, self.validation))
        return finished(network, adapt(network, passages, held_out, self.method, self.seed, ctx), ctx)


@dataclass(frozen=True, kw_only=True)
class Adapted(Model):
    """A model with the weights of an `Adapt` step."""

    kind: ClassVar[str] = "model/adapted"

    of: Model
    path: str = not_hashed()

    @property
    def name(self) -> str:
        return self.of.name

    def pinned(self) -> Self:
        return self

    def folder(self, settings: Settings) -> Path:
        return Path(self.path)


@dataclass(frozen=True, kw_only=True)
class Features(Step[FeatureTable]):
    """The frozen features of examples, computed once for all probes, rules, seeds and techniques that read them."""

    kind: ClassVar[str] = "features"
    result: ClassVar[type[Any]] = FeatureTable

    source: Model | Adapt | Fit
    examples: Prepare
    spec: FeatureSpec = field(default_factory=FeatureSpec)

    @property
    def title(self) -> str:
        model = self.source if isinstance(self.source, Model) else self.source.model
        return f"features of {model.name} on {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> FeatureTable:
        from outgrow.training.features import features

        source = self.source
        folder = source.folder(ctx.settings) if isinstance(source, Model) else ctx.load(source).folder
        examples, readout = ctx.load(self.examples), self.examples.task.readout
        return features(folder, examples, readout, self.spec, ctx.settings, ctx.progress)


@dataclass(frozen=True, kw_only=True)
class Fit(Step[Predictor]):
    """A model fitted to labels: ground truth makes a supervisor or a ceiling, weak labels make a student.

    monitored: labels of the validation examples that are measured at every check and decide nothing. start: the
    weights to start from; None: the model's own. features: for a method that learns from frozen ones, those of the
    examples and of the validation examples.
    """

    kind: ClassVar[str] = "fit"
    result: ClassVar[type[Any]] = Predictor

    model: Model
    readout: Readout
    method: Method
    loss: Loss = field(default_factory=CrossEntropy)
    examples: Prepare | Select
    labels: LabelsStep
    validation: Prepare | Select
    validation_labels: LabelsStep
    monitored: LabelsStep | None = None
    start: Adapt | None = None
    features: tuple[Features, Features] | None = None
    seed: int = 0

    @property
    def title(self) -> str:
        return f"fit {self.model.name} on {self.examples.task.name} {self.examples.split}"

    @property
    def group(self) -> str | None:
        """Heads on the same features, which differ in labels and seeds alone."""
        if not (isinstance(self.method, FeatureMethod) and self.features):
            return None
        inputs = (*self.features, self.examples, self.validation)
        return json.dumps([*(step.key for step in inputs), identity(self.method), identity(self.loss)])

    def run(self, ctx: Context) -> Predictor:
        if isinstance(self.method, FeatureMethod):
            return self.run_group([self], [ctx])[0]
        assert isinstance(self.method, TextMethod)
        data, notes = self._data(ctx)
        model = self.model
        if self.start:
            start = ctx.load(self.start)
            model = Adapted(size=model.size, of=model, path=str(start.folder))
            notes = (*(f"Adapting to the inputs: {note}" for note in start.notes()), *notes)
        return self.method.fit(model, self.readout, self.loss, data, self.seed, ctx).noted(notes)

    @classmethod
    def run_group(cls, steps: Sequence[Any], contexts: Sequence[Context]) -> Sequence[Predictor]:
        first: Fit = steps[0]
        if not isinstance(first.method, FeatureMethod):
            return super().run_group(steps, contexts)
        assert first.features
        every = [step._data(context) for step, context in zip(steps, contexts, strict=True)]
        train, validation = (contexts[0].load(each) for each in first.features)
        design = design_of(first.readout, train.of(every[0][0].examples.ids))
        held_out = validation.of(every[0][0].validation.ids)
        data = [FeatureData.of(each, first.readout, design, held_out) for each, _ in every]
        heads = first.method.fit_group(data, first.loss, [step.seed for step in steps])
        return [
            saved_head(head, context).noted(notes)
            for head, context, (_, notes) in zip(heads, contexts, every, strict=True)
        ]

    def _data(self, ctx: Context) -> tuple[TrainingData, tuple[str, ...]]:
        """The examples with their labels, and the notes of these."""
        examples, validation = ctx.load(self.examples), ctx.load(self.validation)
        labels = ctx.load(self.labels)
        data = TrainingData(
            examples=examples,
            labels=labels.aligned(examples),
            validation=validation,
            validation_labels=ctx.load(self.validation_labels).aligned(validation),
            monitored=ctx.load(self.monitored).aligned(validation) if self.monitored else None,
        )
        return data, notes_of(labels)


@dataclass(frozen=True, kw_only=True)
class Predict(LabelsStep):
    """The predictions of a fitted model: weak labels on transfer, answers on test."""

    kind: ClassVar[str] = "predict"

    fitted: Fit
    features: Features | None = None  # of the examples, where the fit reads frozen ones

    @property
    def title(self) -> str:
        return f"predict {self.fitted.model.name} on {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        method, examples, predictor = self.fitted.method, ctx.load(self.examples), ctx.load(self.fitted)
        if isinstance(method, FeatureMethod):
            assert self.features
            probs = method.predict(HeadWeights.load(predictor.folder), ctx.load(self.features).of(examples.ids))
            return Labels.from_rows(examples.ids, probs)
        assert isinstance(method, TextMethod)
        return method.predict(predictor, self.fitted.readout, examples, ctx.settings, ctx.progress)


def predicted(fitted: Fit, examples: Prepare) -> Predict:
    """The step that predicts `examples` with a fit, from the features that it reads."""
    features = replace(fitted.features[0], examples=examples) if fitted.features else None
    return Predict(fitted=fitted, examples=examples, features=features)


@dataclass(frozen=True, kw_only=True)
class ZeroShot(LabelsStep):
    """The answers of a pretrained model before it is fitted to anything."""

    kind: ClassVar[str] = "zero_shot"

    model: Model
    method: TextMethod
    readout: Readout

    @property
    def title(self) -> str:
        return f"zero-shot {self.model.name} on {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        pretrained = Predictor(self.model.folder(ctx.settings))
        return self.method.predict(pretrained, self.readout, ctx.load(self.examples), ctx.settings, ctx.progress)


@dataclass(frozen=True, kw_only=True)
class Relabel(LabelsStep):
    """Labels as a rule changes them: harder, smoother, fewer, or one out of those of several annotators.

    evidence: what the rule needs beside labels, each by the name that it asks for.
    """

    kind: ClassVar[str] = "relabel"
    result: ClassVar[type[Any]] = NotedLabels

    rule: Rule
    labels: tuple[LabelsStep, ...]  # of the same examples, an annotator each
    evidence: tuple[tuple[str, Features | LabelsStep], ...] = ()
    seed: int = 0  # for rules that need evidence; other rules have a seed of their own

    @property
    def partial(self) -> bool:
        return self.rule.selects or any(labels.partial for labels in self.labels)

    @property
    def title(self) -> str:
        return f"{type(self.rule).__name__} labels of {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        labels = [ctx.load(step) for step in self.labels]
        changed = self.rule.apply(labels, self._evidence(labels[0].ids, ctx))
        notes = tuple(note for each in (*labels, changed) for note in notes_of(each))
        return NotedLabels(ids=changed.ids, probs=changed.probs, offsets=changed.offsets, notes=notes)

    def _evidence(self, ids: tuple[str, ...], ctx: Context) -> Evidence:
        features = {name: ctx.load(step).of(ids) for name, step in self.evidence if isinstance(step, Features)}
        predictions = {name: ctx.load(step) for name, step in self.evidence if isinstance(step, LabelsStep)}
        return Evidence(features=features, predictions=predictions, seed=self.seed)


@dataclass(frozen=True, kw_only=True)
class Select(Step[Examples]):
    """The examples that have a label."""

    kind: ClassVar[str] = "select"
    result: ClassVar[type[Any]] = Examples

    examples: Prepare
    labels: LabelsStep

    @property
    def task(self) -> Task:
        return self.examples.task

    @property
    def split(self) -> Split:
        return self.examples.split

    @property
    def title(self) -> str:
        return f"select {self.task.name} {self.split}"

    def run(self, ctx: Context) -> Examples:
        examples, kept = ctx.load(self.examples), set(ctx.load(self.labels).ids)
        return replace(examples, rows=tuple(row for row in examples.rows if row.id in kept))
