"""Min-K%++: by hand, of a model that has read a text, and of passages that cannot be scored."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import tiny

from outgrow.tasks.base import Passage
from outgrow.training.language_model import Generative, adapt
from outgrow.training.membership import membership, standardised
from outgrow.training.network import open_network
from outgrow.types import UserError


def silent(fraction: float) -> None:
    pass


def test_a_standardised_token_by_hand() -> None:
    """Of probabilities 3/4 and 1/4 the log-probability has the mean ln 3/4 − (ln 3)/4 and the deviation √3/4 · ln 3, so
    the second token is −ln 3 · 3/4 from the mean: −√3 deviations."""
    import torch

    logits = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]])
    found = standardised(logits, torch.tensor([0, 1]))
    assert found.tolist() == pytest.approx([1 / math.sqrt(3), -math.sqrt(3)], abs=1e-5)


def test_a_certain_model_gives_no_score_that_is_not_finite() -> None:
    import torch

    found = standardised(torch.tensor([[200.0, -200.0]]), torch.tensor([0]))
    assert found.tolist() == [0.0]


def test_the_least_expected_share_of_the_tokens_counts(tmp_path: Path) -> None:
    """Of ten predicted tokens the two lowest; of three the lowest one; what is given does not count."""
    import torch

    network = open_network(tiny.checkpoint(tmp_path / "m"), "tokens", tiny.SETTINGS)
    passages = [Passage(text=" ".join(f"w{i}" for i in range(11))), Passage(given="w1 w2", text="w3 w4 w5")]
    scores, lengths = membership(network, passages, 0.2, silent)
    assert lengths.tolist() == [11, 5]
    for passage, score, first, count in zip(passages, scores, (1, 2), (2, 1), strict=True):
        ids = network.tokenizer(f"{passage.given} {passage.text}".strip(), return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = network.module(ids).logits[0]
        values = np.sort(standardised(logits[first - 1 : -1], ids[0, first:]).numpy())
        assert score == pytest.approx(float(values[:count].mean()), abs=1e-5)


def test_a_text_that_was_read_scores_higher_than_before(tmp_path: Path) -> None:
    network = open_network(tiny.checkpoint(tmp_path / "m"), "tokens", tiny.SETTINGS)
    rng = np.random.default_rng(0)
    texts = [Passage(text=" ".join(f"w{i}" for i in rng.integers(0, 40, 8))) for _ in range(40)]
    read, unread = texts[:20], texts[20:]
    before, _ = membership(network, read, 0.2, silent)
    adapt(network, read, read, Generative(epochs=60, learning_rate=1e-2), 0, tiny.Scratch(tmp_path / "s"))
    after, _ = membership(network, read, 0.2, silent)
    other, _ = membership(network, unread, 0.2, silent)
    assert after.mean() > before.mean() + 1
    assert after.min() > np.median(other)


def test_a_passage_whose_answer_is_out_of_reach_is_refused(tmp_path: Path) -> None:
    network = open_network(tiny.checkpoint(tmp_path / "m"), "tokens", tiny.SETTINGS)
    with pytest.raises(UserError, match="shorten the prompts"):
        membership(network, [Passage(text="w1 w2"), Passage(given="w1 " * 64, text="w2")], 0.2, silent)
