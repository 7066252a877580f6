"""Checkpoints made ready to answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from outgrow.graph import Settings
from outgrow.plugins import find
from outgrow.training.classification import probabilities
from outgrow.training.network import Network, open_encoder, open_network
from outgrow.types import Example, Examples, UserError

READOUTS = [(a, r) for a in tiny.ARCHITECTURES for r in ("head", "tokens") if (a, r) != ("bert", "tokens")]


def opened(folder: Path, readout: str, seed: int = 0) -> Network:
    classes = ("a", "b") if readout == "head" else None
    return open_network(folder, readout, Settings(), classes=classes, seed=seed)  # type: ignore[arg-type]


@pytest.mark.parametrize(("architecture", "readout"), READOUTS)
def test_padding_changes_nothing(architecture: str, readout: str, tmp_path: Path) -> None:
    network = opened(tiny.checkpoint(tmp_path, architecture), readout)
    assert network.causal == (architecture != "bert")
    examples = tiny.examples(24, ("a", "b") if readout == "head" else None)
    together = probabilities(network, network.encode(examples))
    assert np.allclose(together.sum(1), 1, atol=1e-6)
    for i, row in enumerate(examples.rows):
        alone = probabilities(network, network.encode(Examples(rows=(row,))))[0]
        assert np.allclose(together[i, : len(row.choices)], alone, atol=1e-5)
        assert not together[i, len(row.choices) :].any()
    assert np.ptp(together[:, 0]) > 0.01, "the model says the same of everything: this test could not fail"


@pytest.mark.parametrize("architecture", ["gpt2", "opt"])
def test_token_choices_are_the_language_models_own_next_tokens(architecture: str, tmp_path: Path) -> None:
    """Against transformers' own forward pass over one prompt, normalised over the example's choices."""
    from transformers import AutoModelForCausalLM

    network = opened(tiny.checkpoint(tmp_path, architecture), "tokens")
    examples = tiny.examples(6, None)
    ours = probabilities(network, network.encode(examples))
    plain = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    for i, row in enumerate(examples.rows):
        ids = [tiny.WORDS.index(word) for word in row.prompt.split()]
        with torch.no_grad():
            logits = plain(input_ids=torch.tensor([ids])).logits[0, -1]
        choices = [tiny.WORDS.index(choice) for choice in row.choices]
        assert np.allclose(ours[i, : len(choices)], logits[choices].softmax(0).numpy(), atol=1e-5)


def test_a_classifier_answers_as_transformers_does(tmp_path: Path) -> None:
    """For prompts that hold no padding token, the last token is the same one."""
    from transformers import AutoModelForSequenceClassification

    network = opened(tiny.checkpoint(tmp_path / "base", "gpt2"), "head")
    network.save(tmp_path / "fitted")
    examples = tiny.examples(6)
    ours = probabilities(network, network.encode(examples))
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "fitted").eval()
    assert plain.config.id2label == {0: "a", 1: "b"}
    for i, row in enumerate(examples.rows):
        ids = torch.tensor([[tiny.WORDS.index(word) for word in row.prompt.split()]])
        with torch.no_grad():
            assert np.allclose(ours[i], plain(input_ids=ids).logits[0].softmax(0).numpy(), atol=1e-5)


def test_the_head_comes_from_the_seed_alone(tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path)
    torch.manual_seed(1)
    first, state = opened(tmp_path, "head", seed=5).module.score.weight, torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(state, torch.get_rng_state()), "opening a model drew from everybody's random numbers"
    torch.manual_seed(2)
    assert torch.equal(first, opened(tmp_path, "head", seed=5).module.score.weight)
    assert not torch.equal(first, opened(tmp_path, "head", seed=6).module.score.weight)


def test_weights_are_loaded_in_fp32_whatever_is_stored(tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    tiny.checkpoint(tmp_path)
    AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16).save_pretrained(tmp_path)
    assert {p.dtype for p in opened(tmp_path, "tokens").module.parameters()} == {torch.float32}


def test_a_tokenizer_without_padding_token_gets_one(tmp_path: Path) -> None:
    network = opened(tiny.checkpoint(tmp_path, pad=False), "head")
    assert network.tokenizer.pad_token is not None


def test_too_long_names_the_limit_to_set(tmp_path: Path) -> None:
    network = opened(tiny.checkpoint(tmp_path, max_position_embeddings=8), "tokens")
    with pytest.raises(UserError, match=r"tokens, the model reads 8: lower the task's `max_chars` or `plies`"):
        network.encode(tiny.examples(20, longest=20))


def test_a_choice_of_two_tokens_is_named(tmp_path: Path) -> None:
    network = opened(tiny.checkpoint(tmp_path), "tokens")
    with pytest.raises(UserError, match="'w1 w2' is not one token"):
        network.encode(tiny.examples(2, ("a", "w1 w2")))
    with pytest.raises(UserError, match="'unheard-of' is not one token"):
        network.encode(tiny.examples(2, ("a", "unheard-of")))


def test_a_head_needs_the_same_choices_everywhere(tmp_path: Path) -> None:
    network = opened(tiny.checkpoint(tmp_path), "head")
    rows = tiny.examples(2).rows
    with pytest.raises(UserError, match="has other choices than"):
        network.encode(Examples(rows=(rows[0], replace(rows[1], choices=("b", "a")))))


@pytest.mark.parametrize("gone", ["config.json", "model.safetensors", "tokenizer*"])
def test_an_incomplete_folder_is_one_line(gone: str, tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path)
    for path in tmp_path.glob(gone):
        path.unlink()
    with pytest.raises(UserError) as caught:
        opened(tmp_path, "tokens")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_pickled_weights_need_trust(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tiny.checkpoint(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickle"):
        opened(tmp_path, "tokens")
    open_network(tmp_path, "tokens", Settings(trust_pickle=True))


def test_a_base_model_is_not_a_classifier(tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path, "bert")
    with pytest.raises(UserError, match="is not a classifier"):
        open_network(tmp_path, "head", Settings())


def test_an_absent_device_is_reported(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    tiny.checkpoint(tmp_path)
    with pytest.raises(UserError, match="no device 'cuda' here"):
        open_network(tmp_path, "tokens", Settings(device="cuda"))


def pairs(n: int, seed: int = 0) -> Examples:
    """Two or three texts of several words to choose from, after a prompt of two words."""
    random = np.random.default_rng(seed)

    def text(most: int) -> str:
        return " ".join(f"w{i}" for i in random.integers(0, 40, random.integers(1, most)))

    rows = [
        Example(id=f"p{i}", group=f"g{i}", prompt=f"w{i} ! ", choices=tuple(text(12) for _ in range(2 + i % 2)))
        for i in range(n)
    ]
    return Examples(rows=tuple(rows))


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_a_pair_is_scored_text_by_text(architecture: str, tmp_path: Path) -> None:
    """The softmax of what transformers' own one-output classifier gives each text, whatever else is in the batch."""
    from transformers import AutoModelForSequenceClassification

    folder = tiny.checkpoint(tmp_path / "base", architecture)
    network, examples = open_network(folder, "pair", Settings(), classes=("score",)), pairs(12)
    encoded = network.encode(examples)
    together = probabilities(network, encoded)
    assert together.shape == (12, 3)
    assert list(encoded.lengths) == [
        max(len((row.prompt + choice).split()) for choice in row.choices) * len(row.choices) for row in examples.rows
    ]
    network.save(tmp_path / "fitted")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "fitted").eval()
    assert plain.config.num_labels == 1
    for i, row in enumerate(examples.rows):
        scores = []
        for choice in row.choices:
            ids = torch.tensor([[tiny.WORDS.index(word) for word in (row.prompt + choice).split()]])
            with torch.no_grad():
                scores.append(float(plain(input_ids=ids).logits))
        assert np.allclose(together[i, : len(scores)], torch.tensor(scores).softmax(0).numpy(), atol=1e-5)
        assert not together[i, len(scores) :].any()
    assert np.ptp(together[:, 0]) > 0.01, "the model says the same of everything: this test could not fail"


def test_swapping_a_pair_swaps_its_probabilities_exactly(tmp_path: Path) -> None:
    network = open_network(tiny.checkpoint(tmp_path), "pair", Settings(), classes=("score",))
    rows = [row for row in pairs(40).rows if len(row.choices) == 2]
    swapped = [replace(row, choices=row.choices[::-1]) for row in rows]
    forth, back = (probabilities(network, network.encode(Examples(rows=tuple(each)))) for each in (rows, swapped))
    assert np.array_equal(forth, back[:, ::-1])


def test_a_classifier_cannot_score_texts(tmp_path: Path) -> None:
    network = open_network(tiny.checkpoint(tmp_path), "pair", Settings(), classes=("a", "b"))
    with pytest.raises(UserError, match="needs one output"):
        network.encode(pairs(2))


def test_answers_that_are_not_numbers_are_reported(tmp_path: Path) -> None:
    network = opened(tiny.checkpoint(tmp_path), "head")
    with torch.no_grad():
        network.module.score.weight[0, 0] = float("nan")
    with pytest.raises(UserError, match="the model's answers are not numbers"):
        probabilities(network, network.encode(tiny.examples(4)))


@pytest.mark.parametrize("family", ["ladder/pawn", "minilm/l6"])
def test_what_ships_reads_in_padded_batches(family: str) -> None:
    """Measured as seeing padding it would still be right, and slower."""
    kind, _, size = family.partition("/")
    folder = find("model", kind)(size=size).folder(Settings())
    assert not open_encoder(folder, Settings()).sees_padding
    assert not opened(folder, "head").sees_padding


def test_a_text_that_is_too_long_is_cut_where_that_is_asked_for_and_an_error_elsewhere(tmp_path: Path) -> None:
    network = opened(tiny.checkpoint(tmp_path, max_position_embeddings=8), "head")
    words = [f"w{i}" for i in range(20)]
    prompts = {"long": words, "cut": words[:8], "other": [*words[:8], *words[12:]], "short": words[:7]}
    rows = [Example(id=id, group=id, prompt=" ".join(each), choices=("a", "b")) for id, each in prompts.items()]
    encoded = network.encode(Examples(rows=tuple(rows), cut=True))
    assert [list(tokens) for tokens in encoded.tokens[:3]] == [[tiny.WORDS.index(word) for word in words[:8]]] * 3
    answers = probabilities(network, encoded)
    assert answers[0] == pytest.approx(answers[1], abs=1e-6)
    assert answers[2] == pytest.approx(answers[1], abs=1e-6)
    assert not np.allclose(answers[3], answers[1], atol=1e-6)
    with pytest.raises(UserError, match="example 'long' has 20 tokens, the model reads 8"):
        network.encode(Examples(rows=tuple(rows)))
