"""LoRA: low-rank updates of frozen weights (Hu et al. 2021). It needs peft: the extra `outgrow[lora]`."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from outgrow.graph import Context
from outgrow.losses.base import Loss
from outgrow.methods.base import Predictor, TextMethod, TrainingData, finished
from outgrow.methods.finetune import open_for_training, train_network
from outgrow.models.base import Model
from outgrow.ranges import check_ranges, whole
from outgrow.tasks.base import Readout
from outgrow.training.loop import TrainingConfig
from outgrow.types import Shape, UserError

if TYPE_CHECKING:
    from outgrow.training.footprint import Architecture
    from outgrow.training.network import Network


@dataclass(frozen=True, kw_only=True)
class LoRA(TrainingConfig, TextMethod):
    """A trained low-rank update for every linear layer; the head is trained too, all else is frozen. The stored
    checkpoint is an ordinary one, with the updates merged.

    rank: of each update. alpha: an update counts alpha / rank. The other fields are as in `finetune`.
    """

    kind: ClassVar[str] = "method/lora"

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
        adapted = _adapted(network, self, seed)
        trained = train_network(network, loss, data, self, seed, ctx)
        adapted.merge_and_unload()
        return finished(network, trained, ctx)


def _adapted(network: Network, method: LoRA, seed: int) -> Any:
    """Insert the updates into the network's module, initialised from the seed, and freeze all else but the head."""
    import torch

    try:
        from peft import LoraConfig
        from peft.tuners.lora import LoraModel
    except ImportError:
        raise UserError("LoRA needs peft: pip install 'outgrow[lora]', or use finetune") from None
    from transformers.pytorch_utils import Conv1D

    from outgrow.training.checkpoint import in_backbone

    module = network.module
    head = [weight for name, weight in module.named_parameters() if not in_backbone(module, name)]
    layers = {name: layer for name, layer in module.named_modules() if in_backbone(module, name)}
    linear = [name for name, layer in layers.items() if isinstance(layer, torch.nn.Linear | Conv1D)]
    turned = isinstance(layers[linear[0]], Conv1D)  # GPT-2's linear layers, whose weights are transposed
    config = LoraConfig(r=method.rank, lora_alpha=method.alpha, target_modules=linear, fan_in_fan_out=turned)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = LoraModel(module, {"default": config}, "default")
    for weight in head if network.readout != "tokens" else []:  # an output embedding is pretrained too
        weight.requires_grad_(True)
    return adapted
