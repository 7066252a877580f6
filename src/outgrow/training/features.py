"""Frozen features: hidden states of a model without training, pooled over each prompt."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np

from outgrow.graph import Settings
from outgrow.ranges import check_ranges, one_of, whole
from outgrow.tasks.base import Readout
from outgrow.types import Doubles, Examples, Floats, UserError


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """Which hidden states are used.

    pooling: the mean over the prompt or its last token; `auto` is the mean for encoders, the last token for causal
    models. layer: 0 for the embeddings, 1 for the first layer, ..., -1 for the last, normed as the head sees it.
    """

    kind: ClassVar[str] = "features/spec"

    pooling: Literal["auto", "mean", "last"] = "auto"
    layer: int = -1

    def __post_init__(self) -> None:
        check_ranges(self, pooling=one_of("auto", "mean", "last"), layer=whole(-1000, 1000))


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureTable:
    """Features by example: values float32 [n, width], in the order of `ids`."""

    ids: tuple[str, ...]
    values: Floats

    def of(self, ids: tuple[str, ...]) -> Doubles:
        """The rows of these examples, float64 [len(ids), width]."""
        where = {id: i for i, id in enumerate(self.ids)}
        return self.values[[where[id] for id in ids]].astype(np.float64)

    def save(self, folder: Path) -> None:
        from safetensors.numpy import save_file

        save_file({"values": self.values}, folder / "features.safetensors")
        (folder / "ids.json").write_text(json.dumps(self.ids))

    @classmethod
    def load(cls, folder: Path) -> Self:
        from safetensors.numpy import load_file

        ids = tuple(json.loads((folder / "ids.json").read_text()))
        return cls(ids=ids, values=load_file(folder / "features.safetensors")["values"])


def features(
    folder: Path,
    examples: Examples,
    readout: Readout,
    spec: FeatureSpec,
    settings: Settings,
    progress: Callable[[float], None],
) -> FeatureTable:
    """The pooled hidden states of the checkpoint in `folder`, without its head; for pairs those of the first text less
    those of the second. Raises UserError for pairs of more than two texts, and for features that are not finite."""
    import torch

    from outgrow.training.batches import at
    from outgrow.training.choosing import NO_NUMBERS, inference_batches
    from outgrow.training.network import open_encoder

    network = open_encoder(folder, settings)
    if readout == "pair" and any(len(row.choices) != 2 for row in examples.rows):
        raise UserError("features compare two texts: this task has examples with more, use finetune for it")
    encoded = network.texts(examples, readout)
    last_token = spec.pooling == "last" or (spec.pooling == "auto" and network.causal)
    pooled = np.zeros((len(examples), 0), dtype=np.float32)
    with torch.inference_mode():
        for batch in inference_batches(encoded, network.device, settings.microbatch, progress):
            hidden = network.hidden(batch, spec.layer)
            if last_token:
                states = at(hidden, batch.last)
            else:
                real = torch.arange(hidden.shape[1], device=hidden.device) <= batch.last[:, None]
                states = (hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True)
            assert batch.texts is not None
            states = states[batch.texts[:, 0]] - (states[batch.texts[:, 1]] if readout == "pair" else 0)
            if not pooled.shape[1]:
                pooled = np.zeros((len(examples), states.shape[1]), dtype=np.float32)
            pooled[batch.rows] = states.float().cpu().numpy()
    if not np.isfinite(pooled).all():
        raise UserError(NO_NUMBERS)
    return FeatureTable(ids=examples.ids, values=pooled)
