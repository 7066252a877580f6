"""What does each share of the ladder's corpus add? `python -m bench.shares recipes/ladder/knight.toml` prints it.

The rung of that recipe is trained anew on as many lines of one kind alone, of every kind but one, and of the mix; what
counts is puzzle accuracy on validation, zero-shot and finetuned on ground truth.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.puzzles import finetuned, zero_shot
from outgrow import graph
from outgrow.api import executor
from outgrow.chess.corpus import Mix
from outgrow.config import pretraining
from outgrow.measures.accuracy import accuracy
from outgrow.models.hf import HF
from outgrow.recipes import bundled
from outgrow.store import Store

KINDS = ("engine", "players", "masters")


def mixes(whole: Mix, lines: int) -> dict[str, Mix]:
    """`lines` lines in the proportions of `whole`, of each kind alone, and without each kind."""
    weights = {kind: getattr(whole, kind) for kind in KINDS}

    def of(kinds: tuple[str, ...]) -> Mix:
        total = sum(weights[kind] for kind in kinds)
        return replace(whole, **{kind: lines * weights[kind] // total if kind in kinds else 0 for kind in KINDS})

    return {
        "the mix": of(KINDS),
        **{f"{kind} alone": of((kind,)) for kind in KINDS},
        **{f"no {kind}": of(tuple(other for other in KINDS if other != kind)) for kind in KINDS},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipe")
    parser.add_argument("--lines", type=int, default=60_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--store", default="runs")
    asked = parser.parse_args()
    store, whole = Store(asked.store), pretraining(asked.recipe)
    trained = {
        name: replace(whole, corpus=replace(whole.corpus, mix=mix), checks=4)
        for name, mix in mixes(whole.corpus.mix, asked.lines).items()
    }
    method = bundled("chess-puzzles", "ladder/knight")
    show = Table("corpus", "held-out loss", "zero-shot %", "finetuned %")
    with executor() as runner:
        _completed(graph.run(list(trained.values()), store, runner))
        for name, step in trained.items():
            predictor = graph.load(step, store)
            model = HF(size=str(predictor.folder)).pinned()
            plain, tuned = zero_shot(model, method), [finetuned(model, method, seed) for seed in range(asked.seeds)]
            _completed(graph.run([plain, *tuned], store, runner))
            curve = json.loads((predictor.folder / "curve.json").read_text())["curve"]
            scores = [graph.load(score, store) for score in tuned]
            groups = scores[0].groups
            zero = accuracy(graph.load(plain, store).correct[None], groups)
            fine = accuracy(np.stack([score.correct for score in scores]), groups)
            spans = (f"{100 * a.mean:.1f} ({100 * a.low:.1f} to {100 * a.high:.1f})" for a in (zero, fine))
            show.add_row(name, f"{curve[-1]['validation_loss']:.3f}", *spans)
    Console().print(show)


def _completed(outcome: graph.Outcome) -> None:
    if outcome.failures:
        raise SystemExit(outcome.failures[0].error_text)


if __name__ == "__main__":
    main()
