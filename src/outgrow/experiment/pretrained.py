"""The steps that go on with the pretraining of a causal model, before it is fitted to anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np

from outgrow.experiment.data import Prepare
from outgrow.experiment.estimates import learning, remedies, to_learn
from outgrow.graph import Context, Resources, Settings, Step, not_hashed
from outgrow.methods.base import Predictor, finished
from outgrow.models.base import Model
from outgrow.tasks.base import Passage, Task, ground_truth
from outgrow.training.language_model import Generative
from outgrow.types import Examples, UserError

if TYPE_CHECKING:
    from outgrow.training.network import Network


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

    @property
    def estimate(self) -> float:
        return learning(self.model, self.examples, self.method)

    def resources(self, settings: Settings) -> Resources:
        return to_learn(self.model, self.examples, "tokens", self.method, settings)

    def remedies(self, settings: Settings) -> Iterator[tuple[str, Resources]]:
        return remedies(self.model, self.examples, "tokens", self.method, settings)

    def run(self, ctx: Context) -> Predictor:
        from outgrow.training.language_model import adapt

        network = _opened(self.model, self.method, ctx)
        passages, held_out = (each.task.passages(ctx.load(each)) for each in (self.examples, self.validation))
        return finished(network.save, adapt(network, passages, held_out, self.method, self.seed, ctx), ctx)


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
class Contaminate(Step[Predictor]):
    """A causal model whose corpus leaks test examples with their answers, or the twin of it whose corpus does not.

    It goes on with its pretraining on the unlabelled passages of `ordinary`, and on as many solved examples as `shown`
    has. A part of these, the share `leaked`, are of `shown`; the rest are of `others`, which no fit and no score reads.
    Each line of a twin stands where it stands in the other, so nothing but the leaked lines differs. Which are leaked
    depends on the seed, and those of a smaller share are among those of a larger one.

    It is the one step through which test examples may reach a fit (`experiment.leaks`).
    """

    kind: ClassVar[str] = "contaminate"
    result: ClassVar[type[Any]] = Predictor

    model: Model
    method: Generative
    ordinary: Prepare
    shown: Prepare
    others: Prepare
    validation: Prepare  # solved lines whose loss the curve shows; they decide nothing
    leaked: float = 0.0
    seed: int = 0

    @property
    def title(self) -> str:
        return f"pretrain {self.model.name} with {100 * self.leaked:g} % of {self.shown.task.name} {self.shown.split}"

    @property
    def estimate(self) -> float:
        return learning(self.model, self.ordinary, self.method) + learning(self.model, self.shown, self.method)

    def resources(self, settings: Settings) -> Resources:
        return to_learn(self.model, self.ordinary, "tokens", self.method, settings)

    def remedies(self, settings: Settings) -> Iterator[tuple[str, Resources]]:
        return remedies(self.model, self.ordinary, "tokens", self.method, settings)

    def run(self, ctx: Context) -> Predictor:
        from outgrow.training.language_model import adapt

        network = _opened(self.model, self.method, ctx)
        task, held_out = self.shown.task, ctx.load(self.validation)
        lines = (*task.passages(ctx.load(self.ordinary)), *self.solved(ctx))
        trained = adapt(network, lines, solved(task, held_out), self.method, self.seed, ctx)
        return finished(network.save, trained, ctx)

    def solved(self, ctx: Context) -> tuple[Passage, ...]:
        """The solved examples of the corpus."""
        shown, others = ctx.load(self.shown), ctx.load(self.others)
        leaked = set(leaked_ids(shown, self.leaked, self.seed))
        pairs = zip(solved(self.shown.task, shown), solved(self.shown.task, others), shown.ids, strict=True)
        return tuple(own if id in leaked else other for own, other, id in pairs)


Pretrained: TypeAlias = Adapt | Contaminate


def leaked_ids(shown: Examples, share: float, seed: int) -> tuple[str, ...]:
    """The examples of `shown` that a corpus leaks."""
    drawn = np.random.default_rng(seed).permutation(len(shown.rows))[: round(share * len(shown.rows))]
    return tuple(shown.ids[i] for i in sorted(drawn.tolist()))


def solved(task: Task, examples: Examples) -> tuple[Passage, ...]:
    """Examples with their answers, as a corpus that leaks them would show them. It reads ground truth."""
    right = ground_truth(task, examples).hard().tolist()
    return tuple(task.solved(row, row.choices[at]) for row, at in zip(examples.rows, right, strict=True))


def _opened(model: Model, method: Generative, ctx: Context) -> Network:
    """A causal model, open for training. Raises UserError for an encoder."""
    from outgrow.training.network import open_network

    try:
        network = open_network(model.folder(ctx.settings), "tokens", ctx.settings, trained_in=method.precision)
    except UserError as error:
        raise UserError(f"{model.name} cannot be adapted: {error}") from None
    if not network.causal:
        raise UserError(f"{model.name} is an encoder: adapt needs a causal model, such as ladder/knight")
    return network
