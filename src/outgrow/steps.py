"""The verbs of an experiment: prepare, gold, fit, predict, score. Each is a frozen record; its key says what it is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from outgrow.graph import Context, Step
from outgrow.losses.base import Loss
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.base import Method, Predictor, Supervision, finished
from outgrow.models.base import Model, Stored
from outgrow.tasks.base import Readout, Split, Task
from outgrow.training.continuing import Generative
from outgrow.types import Examples, Labels, Scores, UserError


@dataclass(frozen=True, kw_only=True)
class Prepare(Step[Examples]):
    """`n` examples of one split, in the seed's order, after the first `skip`. Where the task asks for it, rows near
    those of `apart` (the test examples) go."""

    result: ClassVar[type[Any]] = Examples

    task: Task
    split: Split
    n: int | None = None
    seed: int = 0
    skip: int = 0
    apart: Prepare | None = None

    @property
    def title(self) -> str:
        return f"prepare {self.task.name} {self.split}"

    def run(self, ctx: Context) -> Examples:
        far_from = ctx.load(self.apart) if self.apart else None
        if not self.skip:
            return self.task.examples(self.split, self.n, self.seed, far_from)
        try:
            found = self.task.examples(self.split, self.n and self.n + self.skip, self.seed, far_from)
        except UserError as error:
            raise UserError(
                f'{error}. A chain takes a fresh part of {self.split} for each step: or say shares = "same"'
            ) from None
        return replace(found, rows=found.rows[self.skip :])


@dataclass(frozen=True, kw_only=True)
class Gold(Step[Labels]):
    """The ground truth of prepared examples."""

    result: ClassVar[type[Any]] = Labels

    examples: Prepare

    @property
    def title(self) -> str:
        return f"gold {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        return self.examples.task.gold(ctx.load(self.examples))


@dataclass(frozen=True, kw_only=True)
class Adapt(Step[Predictor]):
    """A causal model that has read the examples without their labels (Burns et al. 2023, section 5.2.2)."""

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
        read, held = (each.task.passages(ctx.load(each)) for each in (self.examples, self.validation))
        return finished(network, adapt(network, read, held, self.method, self.seed, ctx), ctx)


@dataclass(frozen=True, kw_only=True)
class Fit(Step[Predictor]):
    """A model fitted to labels: ground truth makes a supervisor or a ceiling, weak labels make a student."""

    result: ClassVar[type[Any]] = Predictor

    model: Model
    readout: Readout
    method: Method
    loss: Loss = field(default_factory=CrossEntropy)
    examples: Prepare
    labels: Said
    validation: Prepare
    validation_labels: Said
    start: Adapt | None = None  # the weights to start from; None: the model's own
    seed: int = 0

    @property
    def title(self) -> str:
        return f"fit {self.model.name} on {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Predictor:
        examples, validation = ctx.load(self.examples), ctx.load(self.validation)
        data = Supervision(
            examples=examples,
            labels=ctx.load(self.labels).aligned(examples),
            validation=validation,
            validation_labels=ctx.load(self.validation_labels).aligned(validation),
        )
        model = Stored(of=self.model, path=str(ctx.load(self.start).folder)) if self.start else self.model
        return self.method.fit(model, self.readout, self.loss, data, self.seed, ctx)


@dataclass(frozen=True, kw_only=True)
class Predict(Step[Labels]):
    """What a fitted model says of examples: weak labels on transfer, predictions on test."""

    result: ClassVar[type[Any]] = Labels

    fitted: Fit
    examples: Prepare

    @property
    def title(self) -> str:
        return f"predict {self.fitted.model.name} on {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        method, examples = self.fitted.method, ctx.load(self.examples)
        return method.predict(ctx.load(self.fitted), self.fitted.readout, examples, ctx.settings, ctx.progress)


@dataclass(frozen=True, kw_only=True)
class ZeroShot(Step[Labels]):
    """What a pretrained model says of examples before it is fitted to anything."""

    result: ClassVar[type[Any]] = Labels

    model: Model
    method: Method
    readout: Readout
    examples: Prepare

    @property
    def title(self) -> str:
        return f"zero-shot {self.model.name} on {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Labels:
        pretrained = Predictor(self.model.folder(ctx.settings))
        return self.method.predict(pretrained, self.readout, ctx.load(self.examples), ctx.settings, ctx.progress)


@dataclass(frozen=True, kw_only=True)
class Harden(Step[Labels]):
    """Weak labels with all the weight on their most probable choice (Burns et al. 2023, section 4.2: chess)."""

    result: ClassVar[type[Any]] = Labels

    labels: Predict

    def run(self, ctx: Context) -> Labels:
        soft = ctx.load(self.labels)
        return soft.hardened()


Said = Gold | Predict | Harden  # labels of any origin


@dataclass(frozen=True, kw_only=True)
class Score(Step[Scores]):
    """How right predictions on the test examples are. The only reader of test labels: it sees no weights."""

    result: ClassVar[type[Any]] = Scores

    predictions: Predict | ZeroShot
    examples: Prepare
    gold: Gold

    @property
    def title(self) -> str:
        return f"score {self.examples.task.name} {self.examples.split}"

    def run(self, ctx: Context) -> Scores:
        examples, gold = ctx.load(self.examples), ctx.load(self.gold)
        return self.examples.task.score(ctx.load(self.predictions), examples, gold)
