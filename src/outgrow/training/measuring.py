"""Properties that are measured when a model is opened: whether it is causal, whether padding changes its outputs, and
whether its head and its gradients work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from outgrow.training.batches import Batch, Encoded, collate
from outgrow.training.checkpoint import readable
from outgrow.types import Ints, Readout, UserError

if TYPE_CHECKING:
    import torch

LENGTHS = (4, 7, 18)  # tokens of the texts that a model is tried on
CLOSE = 2e-5  # tolerance for rounding in fp32, at a scale of 1
UNABLE = "cannot answer a text"


class OpenedModel(Protocol):
    """What is measured of an opened model; `training.network.Network` is the class."""

    @property
    def module(self) -> Any: ...
    @property
    def tokenizer(self) -> Any: ...
    @property
    def readout(self) -> Readout: ...
    @property
    def device(self) -> str: ...
    @property
    def causal(self) -> bool: ...
    @property
    def longest(self) -> int | None: ...
    def hidden(self, batch: Batch) -> torch.Tensor: ...
    def outputs(self, batch: Batch) -> torch.Tensor: ...


def is_causal(module: Any, folder: Path) -> bool:
    """Whether the first token's state is blind to the second. A model whose tokens are blind to each other either way
    is a UserError: transformers leaves the attention out where a kernel is missing."""
    import torch

    tokens = torch.tensor([[1, 2], [1, 3], [3, 2]], device=module.device)
    with torch.inference_mode(), readable(str(folder), UNABLE):
        states = module.base_model(input_ids=tokens).last_hidden_state
    causal = bool(torch.allclose(states[0, 0], states[1, 0], atol=1e-6))
    if causal and torch.allclose(states[0, 1], states[2, 1], atol=1e-6):
        raise UserError(f"{folder}: no token of the model sees another one, so it cannot read here: choose another")
    return causal


def sees_padding(network: OpenedModel, folder: Path) -> bool:
    """Whether the answer for a text changes when it is padded.

    Raises UserError for a model that cannot be run, whose answer for a text changes with the copies of it in a batch,
    or whose classifier reads another token than the last of a causal model.
    """
    import torch

    texts = _texts(network)
    with torch.random.fork_rng(devices=[]), torch.inference_mode(), readable(str(folder), UNABLE):
        alone = [_answers(network, [text])[0] for text in texts]
        twice = _answers(network, [texts[-1]] * 2)
        together = _answers(network, texts)
        _require_training(network, texts[-1])
    if not all(bool(answer.isfinite().all()) for answer in alone):
        raise UserError(f"{folder}: the model's answers are not numbers (NaN or infinite): fetch or train it again")
    if not all(_close(alone[-1], each) for each in twice):
        raise UserError(f"{folder} answers the same text differently each time: choose another model")
    if network.causal and network.readout != "tokens" and network.module.base_model is not network.module:
        _require_last_token(network, texts, alone, folder)
    return not all(_close(one, each) for one, each in zip(alone, together, strict=True))


def can_pack(packed: OpenedModel, plain: OpenedModel) -> bool:
    """Whether a model gives the same states to the tokens of a batch when it is packed and when it is not."""
    import torch

    texts = _texts(plain)
    batch = _batch(plain, texts)
    try:
        with torch.inference_mode():
            expected, found = plain.hidden(batch), packed.hidden(batch)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception:  # what layers make of packed tokens is not known
        return False
    pairs = zip(found, expected, texts, strict=True)
    return all(_close(one[: len(text)], other[: len(text)]) for one, other, text in pairs)


def _require_last_token(network: OpenedModel, texts: list[Ints], alone: list[torch.Tensor], folder: Path) -> None:
    """The head of a causal model reads the last token's state, and stored it does so in plain transformers."""
    import torch

    other = texts[-1].copy()
    other[-1] = texts[0][0]
    with torch.inference_mode(), readable(str(folder), UNABLE):
        plain = network.module(input_ids=torch.from_numpy(texts[-1][None]).to(network.device)).logits[0]
        changed = _answers(network, [other])[0]
    drawn_as_zero = not bool(alone[-1].any())
    if not _close(alone[-1], plain) or (_close(alone[-1], changed) and not drawn_as_zero):
        raise UserError(
            f"{folder} reads from left to right, and its classifier does not read the last token: "
            "choose a model made for classification"
        )


def _require_training(network: OpenedModel, text: Ints) -> None:
    """Refuses architectures that predict but cannot be trained, such as Reformer at other lengths than its own."""
    network.module.train()
    try:
        _answers(network, [text])
    finally:
        network.module.eval()


def _texts(network: OpenedModel) -> list[Ints]:
    """Texts of a few lengths, of tokens that mean nothing special and differ from each other where there are enough."""
    special, most = set(network.tokenizer.all_special_ids), network.longest or max(LENGTHS)
    words = [id for id in range(min(len(network.tokenizer), 200)) if id not in special] or [0]
    drawn = np.random.default_rng(0).permutation(np.resize(words, max(len(words), sum(LENGTHS))))
    ends = np.cumsum(LENGTHS)
    return [drawn[end - n : end][: max(most, 1)].astype(np.int64) for n, end in zip(LENGTHS, ends, strict=True)]


def _answers(network: OpenedModel, texts: list[Ints]) -> list[torch.Tensor]:
    """What is read of each text in one batch: the outputs of the readout, or the states of all tokens."""
    batch = _batch(network, texts)
    if network.module.base_model is network.module:
        states = network.hidden(batch)
        return [state[: len(text)] for state, text in zip(states, texts, strict=True)]
    return list(network.outputs(batch))


def _batch(network: OpenedModel, texts: list[Ints]) -> Batch:
    columns = np.zeros((len(texts), 1), dtype=np.int64)
    return collate(Encoded(tokens=tuple(texts), columns=columns), np.arange(len(texts)), 1, network.device)


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two outputs are equal up to rounding, relative to the median: a few large entries do not hide others."""
    import torch

    scale = max(float(one.abs().median()), 1.0)
    return bool(torch.allclose(one, other, rtol=1e-4, atol=CLOSE * scale))
