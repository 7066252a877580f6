"""Every architecture that can be read answers alike in batches, alone, stored and reloaded; the others are refused.

All of it is compared to 1e-5 with plain transformers, which reads one text at a time and padded by its own tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import architectures
import numpy as np
import pytest
import tiny
from architectures import CLASSIFYING, ENCODERS, REFUSED, SPEAKING

from outgrow.graph import Settings
from outgrow.models.header import read_header
from outgrow.tasks.base import Readout
from outgrow.training.batches import Encoded, collate
from outgrow.training.checkpoint import Kind
from outgrow.training.classification import probabilities
from outgrow.training.network import Network, check_network, open_encoder, open_network
from outgrow.types import Example, Examples, Floats, UserError

WORKING = [*ENCODERS, *CLASSIFYING, *SPEAKING]
CLASSES = {"head": ("no", "yes"), "pair": ("score",), "tokens": None}
KINDS: dict[Readout, Kind] = {"head": "classifier", "pair": "classifier", "tokens": "language model"}
SEES_PADDING = {"canine", "convbert", "fnet", "mobilebert", "nystromformer", "xlnet", "yoso"}


def form(name: str) -> str:
    """Half of the causal models have no padding token and end each text with <sep>."""
    if name in ENCODERS:
        return "encoder"
    return "ended" if WORKING.index(name) % 2 else "padded"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The checkpoint of an architecture, made once."""

    @cache
    def build(name: str) -> Path:
        unpadded = form(name) == "ended" and name not in ("rwkv", "modernbert-decoder")  # which cannot say so
        changes = {"pad_token_id": None} if unpadded else {}
        return architectures.checkpoint(tmp_path_factory.mktemp(name), name, form(name), **changes)

    return build


@pytest.fixture
def folder(request: pytest.FixtureRequest, built: Callable[[str], Path]) -> Path:
    return built(request.param)


BOUND = 1e-5
AMPLIFIED = {"rembert": 1e-4}  # its layers amplify the rounding of fp32 on some CPUs; in fp64 features differ by 2e-15


def close(one: Any, other: Any, bound: float = BOUND) -> bool:
    scale = max(1.0, float(np.abs(one).max()))
    return np.shape(one) == np.shape(other) and float(np.abs(np.asarray(one) - np.asarray(other)).max()) < bound * scale


def test_seventy_architectures_are_swept() -> None:
    """A lower bound, so that what works cannot silently become less."""
    assert len(set(WORKING)) >= 80
    assert sum(len(architectures.readouts(name)) + 1 for name in WORKING) >= 260


@pytest.mark.parametrize("folder", WORKING, indirect=True, ids=str)
def test_features_do_not_depend_on_the_batch(folder: Path, request: pytest.FixtureRequest) -> None:
    check_network("encoder", folder, Settings(), drawn=False)
    examples = architectures.examples("head")
    together, alone = (tiny.frozen(folder, examples, settings=Settings(microbatch=most)) for most in (None, 1))
    assert close(together, alone, AMPLIFIED.get(request.node.callspec.params["folder"], BOUND))
    assert np.ptp(together, axis=0).max() > 0.01, "every text has the same features: this test could not fail"


@pytest.mark.parametrize("folder", WORKING, indirect=True, ids=str)
def test_as_many_tokens_as_the_header_says_can_be_read(folder: Path) -> None:
    import torch

    network, longest = open_encoder(folder, Settings()), read_header(folder).longest
    assert network.longest == longest
    assert longest is None or 60 <= longest <= architectures.POSITIONS or longest == 1000
    most = longest or 100
    special = len(network.tokenizer("")["input_ids"])
    row = Example(id="e", group="g", prompt=" ".join(["w1"] * (most - special)), choices=("a", "b"))
    tokens = network.tokens([("e", row.prompt)], cut=False)
    assert [len(ids) for ids in tokens] == [most]
    encoded = Encoded(tokens=tokens, columns=np.zeros((1, 1), dtype=np.int64))
    with torch.inference_mode():
        assert network.hidden(collate(encoded, np.arange(1), 1)).isfinite().all()
    if longest:
        longer = Examples(rows=(Example(id="e", group="g", prompt=f"{row.prompt} w1", choices=("a", "b")),))
        with pytest.raises(UserError, match=f"the model reads {longest}"):
            network.encode(longer)


@pytest.mark.parametrize(
    ("folder", "readout"),
    [(name, readout) for name in WORKING for readout in architectures.readouts(name)],
    indirect=["folder"],
    ids=str,
)
def test_answers_in_batches_alone_and_reloaded_are_one(folder: Path, readout: Readout, tmp_path: Path) -> None:
    check_network(KINDS[readout], folder, Settings(), drawn=readout != "tokens")
    network = open_network(folder, readout, Settings(), classes=CLASSES[readout], seed=1)
    kind = network.module.config.model_type
    assert network.sees_padding == (kind in SEES_PADDING)
    examples = architectures.examples(readout)
    encoded = network.encode(examples)
    together = probabilities(network, encoded)
    assert close(together, probabilities(network, encoded, 1))
    assert np.ptp(together[:, 0]) > 1e-3, "the model says the same of everything: this test could not fail"
    network.save(tmp_path)
    again = open_network(tmp_path, readout, Settings())
    assert close(together, probabilities(again, again.encode(examples)))
    if readout == "tokens":
        assert close(together, spoken(tmp_path, examples))
        return
    texts = [row.prompt for row in examples.rows]
    if readout == "pair":
        texts = [row.prompt + choice for row in examples.rows for choice in row.choices]
    alone, padded, piped = classified(tmp_path, texts, network)
    for output in (alone, piped) if network.sees_padding else (alone, padded, piped):
        logits = output.reshape(len(examples), -1)  # for pairs one score of each text
        assert close(together, np.exp(logits) / np.exp(logits).sum(1, keepdims=True))


def spoken(folder: Path, examples: Examples) -> Floats:
    """The probability of each choice as the next token, by plain transformers, padded on the right."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    module, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    assert module.config.pad_token_id == tokenizer.pad_token_id is not None
    read = tokenizer([row.prompt for row in examples.rows], padding=True, padding_side="right", return_tensors="pt")
    choices = tokenizer.convert_tokens_to_ids(list(examples.rows[0].choices))
    with torch.no_grad():
        logits = module(input_ids=read["input_ids"], attention_mask=read["attention_mask"]).logits
    last = read["attention_mask"].sum(1) - 1
    return logits[torch.arange(len(last)), last][:, choices].softmax(1).numpy()  # type: ignore[no-any-return]


def classified(folder: Path, texts: list[str], network: Network) -> tuple[Floats, Floats, Floats]:
    """The logits of each text by plain transformers: alone, padded by the tokenizer, and by the pipeline."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    module = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    tokenizer, config = AutoTokenizer.from_pretrained(folder), module.config
    assert config.pad_token_id == tokenizer.pad_token_id is not None
    assert tokenizer.eos_token_id in (None, config.eos_token_id)
    assert config.problem_type == ("single_label_classification" if config.num_labels > 1 else "regression")
    if network.longest:
        assert tokenizer.model_max_length == network.longest
    with torch.no_grad():
        alone = torch.cat([module(**tokenizer(text, return_tensors="pt")).logits for text in texts])
        padded = module(**tokenizer(texts, padding=True, return_tensors="pt")).logits
    pipe = pipeline("text-classification", model=module, tokenizer=tokenizer)
    output = [{each["label"]: each["score"] for each in found} for found in pipe(texts, top_k=None)]
    scores = np.array([[row[name] for name in config.id2label.values()] for row in output])
    return alone.numpy(), padded.numpy(), np.log(scores) if config.num_labels > 1 else scores


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_right_is_refused_by_name(name: str, tmp_path: Path) -> None:
    folder = architectures.checkpoint(tmp_path, name)
    for readout in ("head", "pair"):
        with pytest.raises(UserError, match=REFUSED[name][1]) as caught:
            open_network(folder, readout, Settings(), classes=CLASSES[readout])  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=REFUSED[name][1]):
        open_encoder(folder, Settings())


@pytest.mark.parametrize("name", SPEAKING)
def test_an_architecture_without_classifier_is_refused_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"no classifier of the architecture {name}"):
        open_network(architectures.checkpoint(tmp_path, name), "head", Settings(), classes=("no", "yes"))


@pytest.mark.parametrize("name", ["xlm", "xlnet", "bert"])
def test_an_encoder_has_no_next_tokens(name: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    module = AutoModelForCausalLM.from_config(architectures.config(name))
    module.save_pretrained(tmp_path)
    architectures.tokenizer("encoder").save_pretrained(tmp_path)
    with pytest.raises(UserError, match="does not read from left to right"):
        open_network(tmp_path, "tokens", Settings())


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_a_decoder_that_classifies_by_its_first_token_is_refused(name: str, tmp_path: Path) -> None:
    """It sees no other token, so the answer would be the same for every text."""
    folder = architectures.checkpoint(tmp_path, name, is_decoder=True)
    with pytest.raises(UserError, match="does not read the last token"):
        open_network(folder, "head", Settings(), classes=("no", "yes"))
