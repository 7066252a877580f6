"""How long do the examples on the ladder take? `python -m bench.examples` prints it for steps that are stored.

A store keeps how long each step took; here they are added up, as if one core had done everything. Where a whole example
takes long there is a quick form of it beside it, with fewer students or seeds and the same techniques.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from outgrow.experiment.grid import cells, targets
from outgrow.graph import walk
from outgrow.source import resolved
from outgrow.store import Store
from outgrow.store.manifest import Manifest

FOLDER = Path(__file__).parents[1] / "examples"
SHOWN: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "naive by size": ("chess-grid", "chess", ()),
    "confidence": ("confidence", "confidence", ('strong=["ladder/queen"]', "seeds=[0, 1, 2]")),
    "bootstrapping": ("bootstrap", "bootstrap", ("seeds=[0, 1]",)),
    "generative": ("generative", "generative", ('task="chess-puzzles"',)),
    "saliency": ("saliency", "saliency", ()),
    "agreement": ("agreement", "agreement", ()),
    "early stopping": ("early-stopping", "early-stopping", ()),
}
HEADER = ("figure", "whole", "minutes of a core", "quick form", "minutes of a core")


def minutes(example: str, overrides: Sequence[str], store: Store) -> float | None:
    """What the steps of an experiment took together; None where one is not stored."""
    keys = [step.key for step in walk(targets(cells(resolved(FOLDER / f"{example}.toml", overrides=overrides))))]
    found = store.manifests(keys)
    took = [each.provenance["seconds"] for each in found.values() if isinstance(each, Manifest)]
    return sum(took) / 60 if len(took) == len(set(keys)) else None


def command(example: str, overrides: Sequence[str]) -> str:
    return " ".join([f"examples/{example}.toml", *(f"--set '{each}'" for each in overrides)])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--store", default="runs")
    store = Store(parser.parse_args().store)
    table = Table(*HEADER)
    for figure, (whole, quick, overrides) in SHOWN.items():
        took = [minutes(whole, (), store), minutes(quick, overrides, store)]
        shown = [f"{each:.1f}" if each is not None else "not stored" for each in took]
        table.add_row(figure, whole, shown[0], command(quick, overrides), shown[1])
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
