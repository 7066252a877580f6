"""Learning to continue: what is learnt of a line, that every token counts the same, and how passages become lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny

from outgrow.tasks.base import Passage
from outgrow.training.language_model import Generative, LanguageModelObjective, Tokenised, adapt, tokenised
from outgrow.training.network import Network, open_network
from outgrow.types import UserError

PASSAGES = (
    Passage(text="w1 w2 w3"),
    Passage(given="w4 w5", text="w6"),
    Passage(text="w7"),  # one token: nothing to predict it from
    Passage(given="w8 w9 w10", text="w11 w12 w13 w14"),
)


def network(folder: Path, architecture: str = "gpt2") -> Network:
    return open_network(tiny.checkpoint(folder / architecture, architecture), "tokens", tiny.SETTINGS)


def test_passages_become_lines_whose_given_part_is_not_learnt(tmp_path: Path) -> None:
    """Of 3 tokens without anything given the last 2 are learnt; of 2 given and 1 more, 1; of 3 given and 4 more, 4."""
    found = tokenised(network(tmp_path), PASSAGES)
    ids = {word: i for i, word in enumerate(tiny.WORDS)}
    assert found.tokens.tolist() == [ids[f"w{i}"] for i in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14)]
    assert found.offsets.tolist() == [0, 3, 6, 13]
    assert found.starts.tolist() == [1, 5, 9]


def test_a_passage_that_is_too_long_is_read_as_far_as_the_model_reads(tmp_path: Path) -> None:
    lines = tokenised(network(tmp_path), [Passage(text="w1 " * 65), Passage(given="w2 " * 64, text="w3")])
    assert lines.offsets.tolist() == [0, 64]  # of the second nothing is left to learn


def test_a_task_without_passages_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leave out adapt"):
        tokenised(network(tmp_path), [Passage(text="")])


@pytest.mark.parametrize("architecture", [each for each in tiny.ARCHITECTURES if each != "bert"])
def test_the_loss_of_a_line_is_that_of_the_model_alone_on_it(architecture: str, tmp_path: Path) -> None:
    import torch

    opened = network(tmp_path, architecture)
    lines = tokenised(opened, PASSAGES)
    objective = LanguageModelObjective(opened.module, lines, lines)
    expected = []
    for i, start in enumerate(lines.starts):
        line = torch.tensor(lines.tokens[lines.offsets[i] : lines.offsets[i + 1]])[None]
        with torch.no_grad():
            log_probs = opened.module(line).logits[0].log_softmax(-1)
        places = range(int(start - lines.offsets[i]), line.shape[1])
        expected.append(-sum(float(log_probs[at - 1, line[0, at]]) for at in places))
    with torch.no_grad():
        found = objective.per_example(np.arange(3), 1.0).numpy()
    assert np.allclose(found, expected, atol=1e-4)
    assert objective.validate()["validation_loss"] == pytest.approx(sum(expected) / 7, abs=1e-4)


def test_every_token_of_a_batch_counts_the_same_however_it_is_cut(tmp_path: Path) -> None:
    import torch

    opened = network(tmp_path)
    lines = tokenised(opened, PASSAGES)

    def mean(most_rows: int | None) -> float:
        objective = LanguageModelObjective(opened.module, lines, lines, most_rows)
        micro_batches = objective.micro_batches(np.arange(3))
        targets = objective.targets(micro_batches, 0.0)
        with torch.no_grad():
            return (
                sum(float(objective.per_example(p, t).sum()) for p, t in zip(micro_batches, targets, strict=True)) / 3
            )

    whole = LanguageModelObjective(opened.module, lines, lines).validate()["validation_loss"]
    assert mean(None) == pytest.approx(whole, abs=1e-5)
    assert mean(1) == pytest.approx(whole, abs=1e-5)


def test_a_model_learns_to_continue_what_it_reads(tmp_path: Path) -> None:
    opened = network(tmp_path)
    passages = [Passage(given=f"w{i}", text=f"w{i + 1} w{i + 2}") for i in range(30)]
    config = Generative(epochs=15, learning_rate=1e-2, batch=8)
    curve = adapt(opened, passages, passages[:10], config, 0, tiny.Scratch(tmp_path / "run")).curve
    assert len(curve) == 15
    assert curve[-1]["validation_loss"] < 0.5 * curve[0]["validation_loss"]
    assert isinstance(tokenised(opened, passages), Tokenised)
