"""The objective over an example's choices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny

from outgrow.losses.confidence import Confidence
from outgrow.training.classification import ClassificationObjective
from outgrow.training.network import open_network
from outgrow.types import Labels


def test_a_single_example_is_an_epoch(tmp_path: Path) -> None:
    data = tiny.supervision(2)
    one = type(data.examples)(rows=data.examples.rows[:1])
    network = open_network(tiny.checkpoint(tmp_path), "head", tiny.SETTINGS, classes=one.rows[0].choices)
    labels, encoded = Labels.from_rows(one.ids, [[0.25, 0.75]]), network.encode(one)
    objective = ClassificationObjective(network, Confidence(), encoded, labels, encoded, labels, monitored=labels)
    (micro_batch,) = objective.micro_batches(np.array([0]))
    (targets,) = objective.targets([micro_batch], 0.0)
    assert targets.tolist() == [[0.25, 0.75]]
    logits = network.choice_logits(micro_batch)[0]
    expected = -(np.array([0.25, 0.75]) * logits.log_softmax(-1).detach().numpy()).sum()
    assert objective.per_example(micro_batch, targets).item() == pytest.approx(expected, rel=1e-5)
    figures = objective.validate()
    assert figures["validation_loss"] == pytest.approx(expected, rel=1e-5)
    assert figures["monitored_loss"] == figures["validation_loss"]


def test_a_padding_token_is_not_taken_from_the_config_where_it_is_a_word(tmp_path: Path) -> None:
    """Token 5 is a word: padding with it would make of padding what a text may say."""
    folder = tiny.checkpoint(tmp_path / "word", "gpt2", pad=False, pad_token_id=5)
    network = open_network(folder, "tokens", tiny.SETTINGS)
    assert network.tokenizer.pad_token != tiny.WORDS[5]
