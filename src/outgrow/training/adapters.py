"""LoRA's low-rank updates (Hu et al. 2021): inserted into a model, stored without its weights, and merged into them.

It needs peft: the extra `outgrow[lora]`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from outgrow.graph import Settings
from outgrow.tasks.base import Readout
from outgrow.training.checkpoint import in_backbone
from outgrow.training.network import Network, open_network
from outgrow.training.state import load_weights, save_weights
from outgrow.types import UserError

WEIGHTS, FACTS = "adapters.safetensors", "adapters.json"


def inserted(network: Network, rank: int, alpha: int, seed: int) -> Any:
    """Insert an update into every linear layer of the network's module, initialised from the seed, and freeze all else
    but the head. What is returned merges them: `merge_and_unload`. Raises UserError without peft."""
    import torch

    try:
        from peft import LoraConfig
        from peft.tuners.lora import LoraModel
    except ImportError:
        raise UserError("LoRA needs peft: pip install 'outgrow[lora]', or use finetune") from None
    from transformers.pytorch_utils import Conv1D

    module = network.module
    head = [weight for name, weight in module.named_parameters() if not in_backbone(module, name)]
    layers = {name: layer for name, layer in module.named_modules() if in_backbone(module, name)}
    linear = [name for name, layer in layers.items() if isinstance(layer, torch.nn.Linear | Conv1D)]
    turned = isinstance(layers[linear[0]], Conv1D)  # GPT-2's linear layers, whose weights are transposed
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=linear, fan_in_fan_out=turned)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = LoraModel(module, {"default": config}, "default")
    for weight in head if network.readout != "tokens" else []:  # an output embedding is pretrained too
        weight.requires_grad_(True)
    return adapted


def are_in(folder: Path) -> bool:
    """Whether a fit keeps only its updates."""
    return (folder / WEIGHTS).is_file()


def save(network: Network, rank: int, alpha: int, folder: Path) -> None:
    """Write the updates and the head of a network into a new folder, without the weights that were frozen."""
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(folder / WEIGHTS, _learned(network))
    classes = list(network.module.config.id2label.values()) if network.readout != "tokens" else None
    (folder / FACTS).write_text(json.dumps({"rank": rank, "alpha": alpha, "classes": classes}))


def merged(folder: Path, base: Path, readout: Readout, settings: Settings) -> Network:
    """The network of the checkpoint in `base` with the updates in `folder` merged into its weights.

    Raises UserError for updates of another model.
    """
    from safetensors import safe_open

    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    classes = tuple(facts["classes"]) if facts["classes"] else None
    network = open_network(base, readout, settings, classes=classes)
    adapted = inserted(network, facts["rank"], facts["alpha"], 0)
    with safe_open(folder / WEIGHTS, "pt") as stored:
        shapes = {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118
    if shapes != {name: tuple(weight.shape) for name, weight in _learned(network).items()}:
        raise UserError(f"{base} is not the model that the updates in {folder} belong to: fit it again")
    load_weights(folder / WEIGHTS, network.module)
    adapted.merge_and_unload()
    return network


def _learned(network: Network) -> dict[str, Any]:
    return {name: weight.detach() for name, weight in network.module.named_parameters() if weight.requires_grad}
