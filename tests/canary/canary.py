"""A tiny experiment whose numbers are pinned, and the defaults of every record. As a script it pins them anew.

Weights and data come from a frozen generator and from arithmetic, so that nothing but this package and the libraries
below it can move the numbers.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import tiny

import outgrow
from outgrow.chess.corpus import Mix
from outgrow.experiment.cell import Cell
from outgrow.experiment.definition import Experiment
from outgrow.experiment.grid import cells
from outgrow.experiment.technique import Technique
from outgrow.graph import Step, T, walk
from outgrow.graph.step import kind_of
from outgrow.labelling.base import Rule
from outgrow.losses.base import Loss
from outgrow.losses.confidence import Confidence
from outgrow.methods.base import Method
from outgrow.methods.finetune import Finetune
from outgrow.models.base import Model
from outgrow.models.hf import HF
from outgrow.supervisors.base import Supervisor
from outgrow.tasks.base import Readout, Shares, Split, Task
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.tasks.text import Text
from outgrow.training.language_model import Generative
from outgrow.types import Labels

PINNED = Path(__file__).parent / "pinned.json"
ROWS = 240
SIZES: dict[Split, int | None] = {"weak_train": 48, "transfer": 48}
RECIPE = Finetune(learning_rate=1e-2, epochs=2, batch=16, warmup=0.3, weight_decay=0.1)


@dataclass(frozen=True, kw_only=True)
class Spoken(Text):
    """The same rows, answered by the next token, hard labels."""

    readout: ClassVar[Readout] = "tokens"
    soft_labels: ClassVar[bool] = False


def write_rows(path: Path) -> None:
    """Prompts of 3 to 9 words; the answer is the side that more of the first three lie on, and often wrong."""
    random = np.random.RandomState(2)
    with path.open("w") as file:
        for i in range(ROWS):
            words = random.randint(0, 40, 3 + i % 7)
            answer = "a" if (sum(word < 20 for word in words[:3]) >= 2) != (i % 11 == 0) else "b"
            file.write(json.dumps({"words": " ".join(f"w{word}" for word in words), "answer": answer}) + "\n")


def write_checkpoint(folder: Path, seed: int, width: int, layers: int) -> None:
    """A GPT-2 with weights of numpy's frozen generator: torch's own may differ between processors."""
    import torch
    from transformers import AutoModelForCausalLM

    from outgrow.models.base import quiet

    module = AutoModelForCausalLM.from_config(tiny.config("gpt2", hidden_size=width, num_hidden_layers=layers))
    random = np.random.RandomState(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            drawn = random.standard_normal(tuple(weight.shape)).astype(np.float32) * 0.2
            weight.copy_(torch.from_numpy(drawn + (1 if ".ln_" in name and name.endswith("weight") else 0)))
    with quiet():
        module.save_pretrained(folder)
    tiny.tokenizer().save_pretrained(folder)


class Memory(tiny.Scratch):
    """Keeps artifacts in memory: nothing here is about the store."""

    def __init__(self, folder: Path, artifacts: dict[str, Any]) -> None:
        super().__init__(folder)
        self.artifacts = artifacts

    def load(self, step: Step[T]) -> T:
        artifact: T = self.artifacts[step.key]
        return artifact


def experiment(task: Task, folder: Path) -> tuple[Cell, ...]:
    """A naive student, and one that reads first and learns with the confidence loss. Both models
    are known by a digest of their own, wherever they lie."""
    models = {name: HF(size=str(folder / name), digest=f"canary-{name}") for name in ("weak", "strong")}
    recipes = {(task.name, model.name): RECIPE for model in models.values()}
    return cells(
        Experiment(
            tasks=(task,),
            weak=(models["weak"],),
            strong=(models["strong"],),
            methods=(Technique(), Technique(label="confident", adapt=Generative(), loss=Confidence())),
            seeds=(0,),
            sizes=SIZES,
            recipes=recipes,
        )
    )


def numbers(found: tuple[Cell, ...], folder: Path) -> dict[str, dict[str, Any]]:
    """The probability of the second choice for the first test examples, and the accuracy on all."""
    artifacts: dict[str, Any] = {}
    naive, confident = found
    before = "zero_shot" if naive.zero_shot else "frozen_probe"
    scores = {name: getattr(naive, name) for name in ("floor", "student", "ceiling", before)}
    scores["confident"] = confident.student
    for step in walk(scores.values()):
        artifacts[step.key] = step.run(Memory(folder / step.key, artifacts))
    shown = {}
    for name, score in scores.items():
        predictions: Labels = artifacts[score.predictions.key]
        probs = [float(row[1]) for row in predictions.rows()]
        shown[name] = {"probabilities": probs[:12], "accuracy": float(artifacts[score.key].correct.mean())}
    return shown


def measured(folder: Path) -> dict[str, dict[str, Any]]:
    """The numbers of both readouts."""
    write_rows(folder / "canary.jsonl")
    write_checkpoint(folder / "weak", 0, width=8, layers=1)
    write_checkpoint(folder / "strong", 1, width=16, layers=2)
    found = {}
    for kind in (Text, Spoken):
        task = kind(path=str(folder / "canary.jsonl"), prompt="{words}", label="answer").pinned()
        found[task.readout] = numbers(experiment(task, folder), folder / task.readout)
    return found


def keys() -> dict[str, list[str]]:
    """The keys of two experiments whose records have default fields, but for what names the content."""
    tasks = Text(path="", digest="canary", prompt="{words}", label="answer"), ChessPuzzles(digest="canary")
    models = HF(size="weak", digest="canary-weak"), HF(size="strong", digest="canary-strong")
    found = {}
    for task in tasks:
        (cell,) = cells(Experiment(tasks=(task,), weak=models[:1], strong=models[1:], seeds=(0,)))
        found[type(task).__name__] = [step.key for step in walk(cell.targets)]
    return found


def defaults() -> dict[str, dict[str, Any]]:
    """The version and the default fields of every record that enters a key, or that decides what a key stands for.

    Fields at their default are left out of keys: a default that changes without a new version would find old
    artifacts and call them its own.
    """
    for module in pkgutil.walk_packages(outgrow.__path__, "outgrow."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds: list[Any] = [
        Shares,
        Mix,
        *(
            kind
            for base in (Step, Method, Loss, Rule, Task, Model, Supervisor)
            for kind in _below(base)
            if "kind" in vars(kind)
        ),
    ]
    versions = {Shares: Task.version}  # they are in no key but through the version of every task
    return {
        kind_of(kind): {
            "version": versions.get(kind, getattr(kind, "version", 1)),
            "fields": _fields(kind),
        }
        for kind in sorted(kinds, key=kind_of)
    }


def _below(base: type) -> set[type]:
    """The subclasses that belong to the package, at any depth."""
    every = {each for child in base.__subclasses__() for each in {child, *_below(child)}}
    return {each for each in every if each.__module__.startswith("outgrow.")}


def _fields(kind: Any) -> dict[str, str]:
    found = {}
    for each in dataclasses.fields(kind):
        if each.metadata.get("identity", True):
            if each.default_factory is not dataclasses.MISSING:
                found[each.name] = f"{each.default_factory()!r}"
            elif each.default is not dataclasses.MISSING:
                found[each.name] = repr(each.default)
    return found


def unversioned(pinned: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The defaults that changed or went although their record kept its version. A new field changes nothing old."""
    return [
        f"{name}.{each}"
        for name, record in pinned.items()
        if name in found and found[name]["version"] == record["version"]
        for each, value in record["fields"].items()
        if found[name]["fields"].get(each) != value
    ]


def main() -> None:
    """Pin anew; defaults that changed without a new version are refused."""
    with tempfile.TemporaryDirectory() as folder:
        found = {"numbers": measured(Path(folder)), "keys": keys(), "defaults": defaults()}
    if PINNED.exists() and (bare := unversioned(json.loads(PINNED.read_text())["defaults"], found["defaults"])):
        sys.exit(f"changed under an old version: {', '.join(bare)}. Bump `version` of the record, then pin again")
    PINNED.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
