"""Frozen features of texts, computed without a store and not kept."""

from __future__ import annotations

import numpy as np

from outgrow.executors._machine import machine
from outgrow.experiment.estimates import to_read_texts
from outgrow.graph import Settings, lacking
from outgrow.models.base import Model
from outgrow.training.features import FeatureSpec, read_all, texts_of
from outgrow.training.network import check_device, open_encoder
from outgrow.types import Doubles, Examples, UserError


def frozen_features(model: Model, examples: Examples, settings: Settings) -> Doubles:
    """The pooled hidden states of each prompt, float64 [n, width]. Long prompts are read as far as the model reads.

    Raises UserError for a device that is not there, a model that does not fit into memory, or one whose checkpoint
    cannot be opened.
    """
    check_device(settings)
    if missing := lacking(to_read_texts(model, settings), machine(settings)):
        raise UserError(f"{model.name} needs {missing}: name a smaller model, or use a larger machine")
    network = open_encoder(model.folder(settings), settings)
    named = [(row.id, prompt) for row, (prompt,) in zip(examples.rows, texts_of(examples, "head"), strict=True)]
    return read_all(network, named, FeatureSpec(), settings.microbatch, cut=True).astype(np.float64)
