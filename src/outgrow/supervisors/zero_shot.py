"""Zero-shot: a causal model without any training (Burns et al. 2023, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from outgrow.experiment.data import LabelsStep, Prepare
from outgrow.experiment.setup import CellSetup
from outgrow.graph import Settings
from outgrow.models.base import Model
from outgrow.models.header import read_config
from outgrow.supervisors.base import Supervisor
from outgrow.training.language_model import Generative
from outgrow.training.lengths import refuse_choices
from outgrow.types import UserError, same_choices

LANGUAGE_MODELS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")  # how their classes' names end

ADVICE = "give one token for each choice (verbalizer = [...])"


@dataclass(frozen=True, kw_only=True)
class ZeroShot(Supervisor):
    """A causal model whose labels are its probabilities of the choices as the next token after the prompt, which sum
    to 1 over the choices.

    verbalizer: the tokens that stand for the choices, in their order (Schick and Schütze 2021), such as
    `[" bad", " good"]` for the classes 0 and 1. Default: the choices themselves. Each must be one token.
    """

    model: Model
    verbalizer: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if twice := next((word for word in self.verbalizer if self.verbalizer.count(word) > 1), None):
            raise UserError(f"verbalizer lists {twice!r} twice: give each choice a token of its own")

    @property
    def name(self) -> str:
        words = f" ({', '.join(word.strip() for word in self.verbalizer)})" if self.verbalizer else ""
        return f"zero-shot {self.model.name}{words}"

    @property
    def models(self) -> tuple[Model, ...]:
        return (self.model,)

    def map_models(self, change: Callable[[Model], Model]) -> Self:
        return replace(self, model=change(self.model))

    def check(self, setup: CellSetup, settings: Settings) -> None:
        task = setup.task
        if task.readout == "pair":
            raise UserError(f"task {task.name}: it compares two texts, and a zero-shot answer is a token: use a model")
        _refuse_without_language_head(self.model, settings)
        if task.readout == "tokens" and not self.verbalizer:
            return  # the choices of all models are checked
        try:
            choices = same_choices(setup.splits["test"].read())
            if self.verbalizer and len(self.verbalizer) != len(choices):
                counts = f"{len(self.verbalizer)} tokens for {len(choices)} choices"
                raise UserError(f"verbalizer lists {counts}: give one for each of {', '.join(choices)}")
            refuse_choices(self.model, self.verbalizer or choices, settings, ADVICE)
        except UserError as error:
            raise UserError(f"task {task.name}: {error}") from None

    def labels(self, setup: CellSetup, examples: Prepare, adapt: Generative | None = None) -> tuple[LabelsStep, ...]:
        return (setup.zero_shot(self.model, examples, self.verbalizer),)


def _refuse_without_language_head(model: Model, settings: Settings) -> None:
    """Raises UserError for a checkpoint that config.json says is of another class than a language model."""
    folder = model.tokenizer_folder(settings)
    if not folder.is_dir():
        return
    named = read_config(folder).get("architectures")
    kinds = [kind for kind in named if isinstance(kind, str)] if isinstance(named, list) else []
    if kinds and not any(kind.endswith(LANGUAGE_MODELS) for kind in kinds):
        raise UserError(f"{model.name} is a {kinds[0]}, which has no language head: zero-shot needs a causal model")
