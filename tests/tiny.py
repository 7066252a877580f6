"""Tiny random checkpoints of several architectures, and examples that fit them. Nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.graph import Context, Settings
from outgrow.methods.base import FeatureData, TrainingData, design_of
from outgrow.models.base import Model
from outgrow.store import Rows, Store
from outgrow.tasks.base import Readout
from outgrow.training.features import FeatureSpec, pooled, texts_of
from outgrow.training.network import open_encoder
from outgrow.types import Doubles, Example, Examples, Labels

WORDS = ("!", "[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(40)), "a", "b", "c", "d")
SETTINGS = Settings()
ARCHITECTURES = ("bert", "gpt2", "llama", "gpt_neox", "opt")


def tokenizer(pad: bool = True) -> Any:
    """One word, one token. Token 0 is "!", as in GPT-2."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"pad_token": "[PAD]"} if pad else {}
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="[UNK]", model_max_length=64, **special)


def config(architecture: str, **changes: Any) -> Any:
    from transformers import AutoConfig

    shape = {
        "vocab_size": len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "pad_token_id": 1,
        "bos_token_id": 3,
        "eos_token_id": 4,
        "initializer_range": 0.5,  # large, so that a mistake is seen
    }
    if architecture == "opt":
        shape |= {"ffn_dim": 32, "word_embed_proj_dim": 16}
    elif architecture != "gpt2":
        shape |= {"intermediate_size": 32}
    return AutoConfig.for_model(architecture, **{**shape, **changes})


def checkpoint(folder: Path, architecture: str = "gpt2", seed: int = 0, pad: bool = True, **changes: Any) -> Path:
    """A random checkpoint: a language model for the causal architectures, an encoder for BERT and MPNet."""
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    auto = AutoModel if architecture in ("bert", "mpnet") else AutoModelForCausalLM
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = auto.from_config(config(architecture, **changes))
    module.save_pretrained(folder)
    tokenizer(pad).save_pretrained(folder)
    return folder


@dataclass(frozen=True, kw_only=True)
class TinyModel(Model):
    """A checkpoint folder as a model."""

    path: str

    def folder(self, settings: Settings) -> Path:
        return Path(self.path)


def examples(n: int, choices: tuple[str, ...] | None = ("a", "b"), seed: int = 0, longest: int = 20) -> Examples:
    """Prompts of 1 to `longest` words, some of which end in "!". Without `choices` each row has 2 to 4 of its own."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        words = [f"w{j}" for j in rng.integers(0, 40, rng.integers(1, longest + 1))]
        own = choices or tuple("abcd"[: rng.integers(2, 5)])
        prompt = " ".join([*words[:-1], "!"] if i % 3 == 0 else words)
        rows.append(Example(id=f"e{seed}-{i}", group=f"g{i}", prompt=prompt, choices=own))
    return Examples(rows=tuple(rows))


def labels(of: Examples) -> Labels:
    """Soft labels that can be learnt: the first choice where "w1" to "w19" come first, else the last."""
    rows = []
    for row in of.rows:
        first = row.prompt.split()[0]
        p = np.full(len(row.choices), 0.1 / (len(row.choices) - 1), dtype=np.float32)
        p[0 if first != "!" and int(first[1:]) < 20 else -1] = 0.9
        rows.append(p)
    return Labels.from_rows(of.ids, rows)


def supervision(n: int = 40, choices: tuple[str, ...] | None = ("a", "b"), longest: int = 20) -> TrainingData:
    train, validation = examples(n, choices, longest=longest), examples(12, choices, seed=1, longest=longest)
    return TrainingData(
        examples=train, labels=labels(train), validation=validation, validation_labels=labels(validation)
    )


def pairs(n: int, seed: int = 0) -> TrainingData:
    """Two words after "a", one of the first twenty and one of the last: the first ones are better, labels say by 0.9.
    A quarter is held out."""
    random = np.random.default_rng(seed)
    drawn = [random.permutation([random.integers(0, 20), random.integers(20, 40)]) for _ in range(n)]
    rows = tuple(
        Example(id=f"p{i}", group=f"p{i}", prompt="a ", choices=(f"w{one}", f"w{two}"))
        for i, (one, two) in enumerate(drawn)
    )
    truth = Labels.from_rows([row.id for row in rows], [(0.9, 0.1) if a < b else (0.1, 0.9) for a, b in drawn])
    train, validation = Examples(rows=rows[n // 4 :]), Examples(rows=rows[: n // 4])
    return TrainingData(
        examples=train,
        labels=truth.aligned(train),
        validation=validation,
        validation_labels=truth.aligned(validation),
    )


def swapped(examples: Examples) -> Examples:
    """The same with each example's choices the other way round."""
    return Examples(rows=tuple(replace(row, choices=row.choices[::-1]) for row in examples.rows))


def frozen(
    folder: Path,
    examples: Examples,
    readout: Readout = "head",
    spec: FeatureSpec = FeatureSpec(),  # noqa: B008 - frozen
    settings: Settings = SETTINGS,
) -> Doubles:
    """The frozen features of examples, [n, width], without a store."""
    texts = texts_of(examples, readout)
    named = [(row.id, text) for row, own in zip(examples.rows, texts, strict=True) for text in own]
    parts = list(pooled(open_encoder(folder, settings), named, spec, settings.microbatch, cut=examples.cut))
    which, values = (np.concatenate(each) for each in list(zip(*parts, strict=True))[:2])
    found = np.empty(values.shape)
    found[which] = values
    each = found.reshape(len(texts), len(texts[0]), -1)
    return each[:, 0] if each.shape[1] == 1 else each[:, 0] - each[:, 1]


def read(model: Model, data: TrainingData, spec: FeatureSpec, readout: Readout = "head") -> FeatureData:
    """The frozen features of a model, with the labels."""
    train, validation = (
        frozen(model.folder(SETTINGS), each, readout, spec) for each in (data.examples, data.validation)
    )
    return FeatureData.of(data, readout, design_of(readout, train), validation)


class Scratch(Context):
    """A context on a plain folder, that may call a function after each checkpoint."""

    def __init__(self, folder: Path, settings: Settings = SETTINGS, every: int = 0) -> None:
        self.settings, self.scratch = settings, folder
        folder.mkdir(parents=True, exist_ok=True)
        self.every, self.updates, self.fractions = every, 0, list[float]()

    def rows(self, name: str) -> Rows:
        """Rows beside the folder, so that contexts in the same place share them."""
        return Store(str(self.scratch.parent / "store")).rows(name)

    def progress(self, fraction: float, note: str = "") -> None:
        self.updates += 1
        self.fractions.append(fraction)

    def checkpoint_due(self) -> bool:
        return bool(self.every) and self.updates % self.every == 0
