"""Frozen features of texts, computed without a store and not kept."""

from __future__ import annotations

import numpy as np

from outgrow.graph import Settings
from outgrow.models.base import Model
from outgrow.practice.memory import refuse_too_large
from outgrow.training.features import FeatureSpec, read_all, texts_of
from outgrow.types import Doubles, Examples


def frozen_features(model: Model, examples: Examples, settings: Settings) -> Doubles:
    """The pooled hidden states of each prompt, float64 [n, width]. Long prompts are read as far as the model reads.

    Raises UserError for a model that does not fit into memory, or whose checkpoint cannot be opened.
    """
    from outgrow.training.network import open_encoder

    refuse_too_large(model, settings)
    network = open_encoder(model.folder(settings), settings)
    named = [(row.id, prompt) for row, (prompt,) in zip(examples.rows, texts_of(examples, "head"), strict=True)]
    return read_all(network, named, FeatureSpec(), settings.microbatch, cut=True).astype(np.float64)
