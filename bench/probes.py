"""Linear heads on frozen features: a grid of two seeds on SST-2 beside a plain script.

The plain script is `bench.plain_heads`: transformers and scikit-learn. It needs the extra `models` and OUTGROW_DATA.
`python -m bench.probes` prints the table.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bench.turns import REPEATS, Measured, measured, process
from bench.work import OURS, rows_of
from outgrow import api, source
from outgrow.config import as_toml
from outgrow.graph import Settings

PLAIN = "scikit-learn"
ROLES = ("floor", "student", "ceiling", "direct")
GRID: Mapping[str, Any] = {
    "task": {"name": "text", "path": "$OUTGROW_DATA/text/sst2.jsonl.gz", "prompt": "{sentence}", "label": "label"},
    "weak": ["minilm/l3"],
    "strong": ["minilm/l6"],
    "seeds": [0, 1],
    "sizes": {"weak_train": 300, "transfer": 300, "transfer_validation": 100, "validation": 100, "test": 500},
    "recipes": {"minilm/l3": {"name": "head"}, "minilm/l6": {"name": "head"}},
    "methods": [{"label": "naive"}],
}


def measure(experiment: Mapping[str, Any] = GRID, repeats: int = REPEATS) -> list[Measured]:
    if not (Path(os.environ.get("OUTGROW_DATA", "nowhere")) / "text/sst2.jsonl.gz").is_file():
        print("the grid of linear heads: skipped, there is no SST-2: set OUTGROW_DATA")
        return []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "job.json").write_text(json.dumps(plain_job(experiment)))
        (folder / "experiment.toml").write_text(as_toml(experiment))
        contestants = {OURS: partial(ours, experiment, folder), PLAIN: partial(plain, folder)}
        return measured(f"grid of linear heads, {len(experiment['seeds'])} seeds", contestants, PLAIN, repeats)


def ours(experiment: Mapping[str, Any], folder: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory(dir=folder) as store:
        file, page = str(folder / "experiment.toml"), str(folder / "report.html")
        took = process(["outgrow", "run", file, "--store", store, "--on", "inline", "--report", page])
        record = next(record for record in api.results(experiment, store=store).records if record["seed"] is None)
    return {**took, **{f"% {role}": 100 * record[role] for role in ROLES}}


def plain(folder: Path) -> dict[str, float]:
    took = process(["bench.plain_heads", str(folder / "job.json"), str(folder / "plain.json")])
    found = json.loads((folder / "plain.json").read_text())
    return {**took, **{f"% {role}": found[role] for role in ROLES}}


def plain_job(experiment: Mapping[str, Any]) -> dict[str, Any]:
    resolved = source.resolved(experiment)
    models = {model.name: {"folder": str(model.folder(Settings()))} for model in resolved.models}
    seeds = [rows_of(resolved, seed) for seed in resolved.seeds]
    return {"models": models, "weak": experiment["weak"], "strong": experiment["strong"], "seeds": seeds}


if __name__ == "__main__":
    from bench.tables import show

    show("probes", measure())
