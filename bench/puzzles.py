"""Puzzle accuracy on validation: what a choice about the ladder may look at. Test puzzles are never read here."""

from __future__ import annotations

from typing import Any

from outgrow.experiment.data import Gold, Prepare
from outgrow.experiment.scoring import Score
from outgrow.experiment.steps import Fit, Predict, ZeroShot
from outgrow.methods.base import Method, TextMethod
from outgrow.models.base import Model
from outgrow.tasks.chess_puzzles import ChessPuzzles


def prepared(split: Any, seed: int = 0) -> Prepare:
    task = ChessPuzzles().pinned()
    return Prepare(task=task, split=split, n=task.sizes[split], seed=seed)


def zero_shot(model: Model, method: TextMethod) -> Score:
    """A pretrained model before it is fitted to anything."""
    examples = prepared("validation")
    predictions = ZeroShot(model=model, method=method.inference_config, readout="tokens", examples=examples)
    return Score(predictions=predictions, examples=examples, gold=Gold(examples=examples))


def finetuned(model: Model, method: Method, seed: int) -> Score:
    """A ceiling: ground truth of transfer, stopped on that of transfer_validation."""
    examples, train, validation = prepared("validation"), prepared("transfer", seed), prepared("transfer_validation")
    fit = Fit(
        model=model,
        readout="tokens",
        method=method,
        examples=train,
        labels=Gold(examples=train),
        validation=validation,
        validation_labels=Gold(examples=validation),
        seed=seed,
    )
    return Score(predictions=Predict(fitted=fit, examples=examples), examples=examples, gold=Gold(examples=examples))
