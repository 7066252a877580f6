"""LoRA: low-rank updates of frozen weights (Hu et al. 2021). It needs peft: the extra `outgrow[lora]`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from outgrow.graph import Context
from outgrow.losses.base import Loss
from outgrow.methods.base import Predictor, TextMethod, TrainingData, finished
from outgrow.methods.finetune import open_for_training, train_network
from outgrow.models.base import Model
from outgrow.ranges import check_ranges, whole
from outgrow.tasks.base import Readout
from outgrow.training.adapters import inserted, save
from outgrow.training.loop import TrainingConfig
from outgrow.types import Shape, UserError

if TYPE_CHECKING:
    from outgrow.training.footprint import Architecture


@dataclass(frozen=True, kw_only=True)
class LoRA(TrainingConfig, TextMethod):
    """A trained low-rank update for every linear layer; the head is trained too, all else is frozen. Only what is
    trained is stored; `outgrow export` writes an ordinary checkpoint, with the updates merged into the model's weights.

    rank: of each update. alpha: an update counts alpha / rank. The other fields are as in `finetune`.
    """

    kind: ClassVar[str] = "method/lora"
    version: ClassVar[int] = 2  # 2: batches are packed

    learning_rate: float = 2e-4  # LoRA wants about ten times the rate of full finetuning
    rank: int = 8
    alpha: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        check_ranges(self, rank=whole(1), alpha=whole(1))

    def trained(self, of: Architecture) -> int:
        return self.rank * of.sides

    def check(self, shape: Shape) -> None:
        if find_spec("peft") is None:
            raise UserError("LoRA needs peft: pip install 'outgrow[lora]', or use finetune")

    @property
    def inference_config(self) -> LoRA:
        return LoRA(precision=self.precision)

    def fit(self, model: Model, readout: Readout, loss: Loss, data: TrainingData, seed: int, ctx: Context) -> Predictor:
        network = open_for_training(model, readout, data.examples, self.precision, seed, ctx)
        inserted(network, self.rank, self.alpha, seed)
        trained = train_network(network, loss, data, self, seed, ctx)
        return finished(partial(save, network, self.rank, self.alpha), trained, ctx).of(model)
