"""The steps of an experiment between its data (`data`) and its scores (`scoring`).

Each is a frozen record; its key says what it is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.estimates import alone, learning, reading, remedies, to_learn, to_read
from outgrow.experiment.pretrained import Adapted, Pretrained
from outgrow.graph import Context, Resources, Settings, Step, identity
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
    saved_head,
)
from outgrow.models.base import Model
from outgrow.store import Damaged, as_digests, digest_of_text
from outgrow.tasks.base import Readout, Split, Task
from outgrow.training.features import FeatureIndex, FeatureSpec, fill, texts_of
from outgrow.training.ranks import in_ranks, is_shared
from outgrow.types import Doubles, Examples, Labels

HEAD = 0.5  # seconds to fit a head on frozen features, roughly


@dataclass(frozen=True, kw_only=True)
class Features(Step[FeatureIndex]):
    """The frozen features of examples. No text is read twice by the same model with the same spec: the features are
    rows of the store, by the digest of the text, whatever split, seed, size or task draws it."""

    kind: ClassVar[str] = "features"
    version: ClassVar[int] = 2  # 2: rows of the store, of texts padded to a multiple of 8 tokens
    result: ClassVar[type[Any]] = FeatureIndex

    source: Model | Pretrained | Fit
    examples: Prepare
    spec: FeatureSpec = field(default_factory=FeatureSpec)

    @property
    def title(self) -> str:
        return f"features of {self._model.name} on {self.examples.task.name} {self.examples.split}"

    @property
    def estimate(self) -> float:
        return reading(self._model, self.examples)

    @property
    def _model(self) -> Model:
        return self.source if isinstance(self.source, Model) else self.source.model

    def resources(self, settings: Settings) -> Resources:
        return to_read(self._model, self.examples, "head", self.spec.precision, alone(settings))

    @property
    def rows(self) -> tuple[str, ...]:
        source = identity(self.source) if isinstance(self.source, Model) else self.source.key
        text = json.dumps([source, identity(self.spec), self.version], sort_keys=True)
        return (f"rows-{hashlib.sha256(text.encode()).hexdigest()[:12]}",)

    def run(self, ctx: Context) -> FeatureIndex:
        examples = ctx.load(self.examples)
        texts = texts_of(examples, self.examples.task.readout)
        digests = [[digest_of_text(text) for text in own] for own in texts]
        flat = (zip(*each, strict=True) for each in zip(digests, texts, strict=True))
        named = {digest: (id, text) for id, own in zip(examples.ids, flat, strict=True) for digest, text in own}
        notes = fill(ctx.rows(self.rows[0]), self._folder(ctx), named, self.spec, examples.cut, ctx)
        flattened = as_digests([digest for own in digests for digest in own])
        return FeatureIndex(ids=examples.ids, texts=flattened.reshape(len(texts), -1), notes=notes)

    def _folder(self, ctx: Context) -> Path:
        """Where the checkpoint is whose hidden states they are."""
        match self.source:
            case Model() as model:
                return model.folder(ctx.settings)
            case Fit() as fit:
                return fit.fitted(ctx).whole(fit.readout, ctx.settings, ctx.scratch / "whole").folder
            case pretrained:
                return ctx.load(pretrained).folder

    def values(self, index: FeatureIndex, ids: tuple[str, ...], ctx: Context) -> Doubles:
        """The features of some of the examples, float64 [len(ids), width]. Raises Damaged where rows are missing."""
        texts = index.of(ids)
        values, found = ctx.rows(self.rows[0]).read(texts.ravel())
        if not found.all():
            raise Damaged(self.key, "", "rows of it are missing or damaged")
        each = values.astype(np.float64).reshape(*texts.shape, -1)
        return each[:, 0] if texts.shape[1] == 1 else each[:, 0] - each[:, 1]


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
    start: Pretrained | None = None
    features: tuple[Features, Features] | None = None
    seed: int = 0

    @property
    def title(self) -> str:
        return f"fit {self.model.name} on {self.examples.task.name} {self.examples.split}"

    @property
    def estimate(self) -> float:
        if isinstance(self.method, FeatureMethod):
            return HEAD
        return learning(self.model, self._prepared, self.method)

    @property
    def _prepared(self) -> Prepare:
        return self.examples if isinstance(self.examples, Prepare) else self.examples.examples

    def resources(self, settings: Settings) -> Resources:
        if not isinstance(self.method, TextMethod):
            return Resources()
        return to_learn(self.model, self._prepared, self.readout, self.method, settings)

    def remedies(self, settings: Settings) -> Iterator[tuple[str, Resources]]:
        if isinstance(self.method, TextMethod):
            yield from remedies(self.model, self._prepared, self.readout, self.method, settings)

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
        if is_shared(ctx):
            return in_ranks(self, ctx, batch=getattr(self.method, "batch", None))  # type: ignore[no-any-return]
        data, notes = self._data(ctx)
        model = self.model
        if self.start:
            start = ctx.load(self.start)
            model = Adapted(size=model.size, of=model, path=str(start.folder))
            notes = (*(f"Adapting to the inputs: {note}" for note in start.notes()), *notes)
        fitted = self.method.fit(model, self.readout, self.loss, data, self.seed, ctx)
        if self.start:  # readers of this step do not load what it started from
            fitted = fitted.whole(self.readout, ctx.settings, ctx.scratch / "whole")
        return fitted.noted(notes)

    def fitted(self, ctx: Context) -> Predictor:
        """The stored fit, for a step that reads it."""
        return ctx.load(self).of(self.model)

    @classmethod
    def run_group(cls, steps: Sequence[Any], contexts: Sequence[Context]) -> Sequence[Predictor]:
        first: Fit = steps[0]
        if not isinstance(first.method, FeatureMethod):
            return [step.run(context) for step, context in zip(steps, contexts, strict=True)]
        assert first.features
        features, held_out_features = first.features
        train, held_out = (contexts[0].load(each) for each in first.features)
        every = [step._data(context) for step, context in zip(steps, contexts, strict=True)]
        design = design_of(first.readout, features.values(train, every[0][0].examples.ids, contexts[0]))
        validation = held_out_features.values(held_out, every[0][0].validation.ids, contexts[0])
        data = [FeatureData.of(each, first.readout, design, validation) for each, _ in every]
        heads = first.method.fit_group(data, first.loss, [step.seed for step in steps])
        return [
            saved_head(head, context).noted((*train.notes, *notes))
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

    @property
    def estimate(self) -> float:
        return super().estimate if self.features else reading(self.fitted.model, self.examples)

    def resources(self, settings: Settings) -> Resources:
        if self.features:
            return Resources()
        return to_read(self.fitted.model, self.examples, self.fitted.readout, self.fitted.method.precision, settings)

    @property
    def group(self) -> str | None:
        """What one fit predicts."""
        return self.fitted.key if isinstance(self.fitted.method, TextMethod) else None

    def run(self, ctx: Context) -> Labels:
        return next(iter(self.run_group([self], [ctx])))

    @classmethod
    def run_group(cls, steps: Sequence[Any], contexts: Sequence[Context]) -> Iterator[Labels]:
        """One after the other, by a model that is opened once."""
        first: Predict = steps[0]
        if not first.features and is_shared(contexts[0]):
            yield from (in_ranks(step, context) for step, context in zip(steps, contexts, strict=True))
            return
        predictor = first.fitted.fitted(contexts[0])
        for step, context in zip(steps, contexts, strict=True):
            yield step._answers(predictor, context)

    def _answers(self, predictor: Predictor, ctx: Context) -> Labels:
        method, examples = self.fitted.method, ctx.load(self.examples)
        if isinstance(method, FeatureMethod):
            assert self.features
            features = self.features.values(ctx.load(self.features), examples.ids, ctx)
            probs = method.predict(HeadWeights.load(predictor.folder), features)
            return Labels.from_rows(examples.ids, probs)
        assert isinstance(method, TextMethod)
        return method.predict(predictor, self.fitted.readout, examples, ctx.settings, ctx.progress)


def predicted(fitted: Fit, examples: Prepare) -> Predict:
    """The step that predicts `examples` with a fit, from the features that it reads."""
    features = replace(fitted.features[0], examples=examples) if fitted.features else None
    return Predict(fitted=fitted, examples=examples, features=features)


@dataclass(frozen=True, kw_only=True)
class ZeroShot(LabelsStep):
    """The answers of a pretrained model before it is fitted to anything.

    verbalizer: if given, the tokens that stand for the choices, in their order. start: the weights to answer with;
    None: the model's own.
    """

    kind: ClassVar[str] = "zero_shot"

    model: Model
    method: TextMethod
    readout: Readout
    verbalizer: tuple[str, ...] = ()
    start: Pretrained | None = None

    @property
    def title(self) -> str:
        return f"zero-shot {self.model.name} on {self.examples.task.name} {self.examples.split}"

    @property
    def estimate(self) -> float:
        return reading(self.model, self.examples)

    def resources(self, settings: Settings) -> Resources:
        return to_read(self.model, self.examples, self.readout, self.method.precision, settings)

    def run(self, ctx: Context) -> Labels:
        if is_shared(ctx):
            return in_ranks(self, ctx)  # type: ignore[no-any-return]
        examples = ctx.load(self.examples)
        pretrained = ctx.load(self.start) if self.start else Predictor(self.model.folder(ctx.settings))
        if self.verbalizer:
            examples = replace(examples, rows=tuple(replace(row, choices=self.verbalizer) for row in examples.rows))
        return self.method.predict(pretrained, self.readout, examples, ctx.settings, ctx.progress)


@dataclass(frozen=True, kw_only=True)
class Relabel(LabelsStep):
    """Labels as a rule changes them: harder, smoother, fewer, or one out of those of several annotators.

    evidence: what the rule needs other than labels, each by its name in `needs`.
    """

    kind: ClassVar[str] = "relabel"

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
        features = {
            name: step.values(ctx.load(step), ids, ctx) for name, step in self.evidence if isinstance(step, Features)
        }
        predictions = {name: ctx.load(step).of(ids) for name, step in self.evidence if isinstance(step, LabelsStep)}
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
