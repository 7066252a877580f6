"""Judge every legal move of the shipped puzzles that are scored: `python -m bench.move_values`.

It writes `src/outgrow/chess/data/values.parquet`, which analyses read instead of an engine. `--first N` judges the
first N puzzles alone, and prints how long it took, without writing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from outgrow.chess.values import NODES, valued, write
from outgrow.tasks.chess_puzzles import VALUES, ChessPuzzles


def prompts(first: int | None) -> Iterator[tuple[str, str]]:
    """The id and the position of the test puzzles."""
    return ((row.id, row.prompt) for row in ChessPuzzles().examples("test", first, seed=0).rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=None, metavar="N")
    parser.add_argument("--engine", default=None)
    parser.add_argument("--nodes", type=int, default=NODES)
    arguments = parser.parse_args()
    start = time.perf_counter()
    rows = list(valued(prompts(arguments.first), arguments.engine, arguments.nodes))
    print(
        f"{len(rows)} positions, {sum(len(row['values']) for row in rows)} moves, {time.perf_counter() - start:.0f} s"
    )
    if arguments.first is None:
        path = Path(str(files("outgrow") / VALUES))
        write(rows, path)
        print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
