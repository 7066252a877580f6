"""What does each share of the ladder's corpus add? `python -m bench.shares recipes/ladder/knight.toml` prints it.

The rung of that recipe is trained anew on as many lines of the mix and of every kind but one; what counts is puzzle
accuracy on validation, zero-shot and finetuned on ground truth.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.puzzles import finetuned, zero_shot
from outgrow import graph
from outgrow.api import executor
from outgrow.chess.corpus import Mix
from outgrow.config import pretraining
from outgrow.experiment.recipes import bundled
from outgrow.measures.accuracy import accuracy
from outgrow.models.hf import HF
from outgrow.store import Store

KINDS = ("engine", "players", "masters")
HEADER = ("corpus", "held-out loss", "zero-shot %", "finetuned %")
LINES, SEEDS = 40_000, 3


def mixes(whole: Mix, lines: int) -> dict[str, Mix]:
    """`lines` lines in the proportions of `whole`, and without each kind."""
    weights = {kind: getattr(whole, kind) for kind in KINDS}

    def of(kinds: tuple[str, ...]) -> Mix:
        total = sum(weights[kind] for kind in kinds)
        return replace(whole, **{kind: lines * weights[kind] // total if kind in kinds else 0 for kind in KINDS})

    return {"the mix": of(KINDS), **{f"no {kind}": of(tuple(k for k in KINDS if k != kind)) for kind in KINDS}}


def shares(recipe: str, store: Store, lines: int = LINES, seeds: int = SEEDS) -> list[tuple[str, ...]]:
    """A row of `HEADER` for each mix."""
    whole = pretraining(recipe)
    trained = {
        name: replace(whole, corpus=replace(whole.corpus, mix=mix), checks=4)
        for name, mix in mixes(whole.corpus.mix, lines).items()
    }
    method = bundled("chess-puzzles", f"ladder/{Path(recipe).stem}")
    rows = []
    with executor() as runner:
        _completed(graph.run(list(trained.values()), store, runner))
        models = {name: HF(size=str(graph.load(step, store).folder)).pinned() for name, step in trained.items()}
        plain = {name: zero_shot(model, method) for name, model in models.items()}
        tuned = {name: [finetuned(model, method, seed) for seed in range(seeds)] for name, model in models.items()}
        _completed(graph.run([*plain.values(), *(score for each in tuned.values() for score in each)], store, runner))
    for name, step in trained.items():
        curve = json.loads((graph.load(step, store).folder / "curve.json").read_text())["curve"]
        scores = [graph.load(score, store) for score in tuned[name]]
        zero = accuracy(graph.load(plain[name], store).correct[None], scores[0].groups)
        fine = accuracy(np.stack([score.correct for score in scores]), scores[0].groups)
        spans = (f"{100 * a.mean:.1f} ({100 * a.low:.1f} to {100 * a.high:.1f})" for a in (zero, fine))
        rows.append((name, f"{curve[-1]['validation_loss']:.3f}", *spans))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipe")
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--store", default="runs")
    arguments = parser.parse_args()
    show = Table(*HEADER)
    for row in shares(arguments.recipe, Store(arguments.store), arguments.lines, arguments.seeds):
        show.add_row(*row)
    Console().print(show)


def _completed(outcome: graph.Outcome) -> None:
    if outcome.failures:
        raise SystemExit(outcome.failures[0].error_text)


if __name__ == "__main__":
    main()
