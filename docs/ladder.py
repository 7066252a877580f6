"""Measure the ladder and write docs/results/ladder.md: `python -m docs.ladder`.

Its own measurements use validation puzzles and held-out games only. Test scores come from the experiments that it
quotes (`examples/chess-grid.toml`, `examples/lichess.toml`), which have to be run before it. The card in each rung's
folder is written as well. With `--recipe recipes/ladder/knight.toml` it also says what each share of the corpus adds,
for which the mined games are needed.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench import shares, strength
from bench.puzzles import finetuned, prepared, zero_shot
from docs.refresh import over_all_seeds
from outgrow import graph
from outgrow.api import executor
from outgrow.chess import board as chess
from outgrow.chess.rung import LADDER, rungs
from outgrow.chess.rung import Rung as Player
from outgrow.experiment.recipes import bundled
from outgrow.measures.accuracy import accuracy
from outgrow.measures.difference import paired
from outgrow.methods.finetune import Finetune
from outgrow.models.ladder import Ladder
from outgrow.store import Store
from outgrow.tasks.base import Shares, split_of
from outgrow.tasks.chess_puzzles import ChessPuzzles
from outgrow.types import Doubles

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/results/ladder.md"
SEEDS = range(5)


@dataclass(frozen=True)
class Rung:
    """One model of the ladder and what its folder says of its training."""

    name: str

    @cached_property
    def config(self) -> dict[str, Any]:
        return dict(json.loads((LADDER / self.name / "config.json").read_text()))

    @cached_property
    def curve(self) -> list[dict[str, float]]:
        points: list[dict[str, float]] = json.loads((LADDER / self.name / "curve.json").read_text())["curve"]
        return points

    @cached_property
    def corpus(self) -> dict[str, int]:
        return dict(json.loads((LADDER / self.name / "curve.json").read_text())["corpus"])

    @cached_property
    def model(self) -> Ladder:
        return Ladder(size=self.name).pinned()

    @property
    def method(self) -> Finetune:
        return bundled("chess-puzzles", self.model.name)

    @property
    def inside(self) -> int:
        """Weights of the matrices between the embeddings."""
        return 12 * int(self.config["n_layer"]) * int(self.config["n_embd"]) ** 2

    @property
    def lines(self) -> int:
        return sum(n for kind, n in self.corpus.items() if ":" not in kind)

    @property
    def compute(self) -> float:
        """Floating-point operations of the training, but for attention: 6 a weight and token, 33 tokens a line, and
        the output embedding where a move follows, 7 a line."""
        head = int(self.config["vocab_size"]) * int(self.config["n_embd"])
        return 6.0 * self.curve[-1]["epoch"] * self.lines * (33 * self.inside + 7 * head)


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def span(found: Any) -> str:
    return f"{percent(found.mean)} ({percent(found.low)} to {percent(found.high)})"


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def curves(ladder: list[Rung]) -> None:
    """Held-out loss by lines seen, by compute and by weights."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "ladder"
    from matplotlib import pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), sharey=True)
    for rung in ladder:
        seen = [point["epoch"] * rung.lines for point in rung.curve]
        share = [point["epoch"] / rung.curve[-1]["epoch"] for point in rung.curve]
        losses = [point["validation_loss"] for point in rung.curve]
        left.plot(seen, losses, label=rung.name)
        middle.plot([part * rung.compute for part in share], losses)
        right.plot([rung.inside], losses[-1:], "o")
    for axes, label in ((left, "lines seen"), (middle, "operations"), (right, "weights between the embeddings")):
        axes.set_xscale("log")
        axes.set_xlabel(label)
    left.set_ylabel("held-out loss, nats a move")
    left.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(PAGE.with_name("ladder.svg"), metadata={"Date": None})


def quoted(*arguments: str) -> str:
    """The table over all seeds that a command prints, under its own name."""
    command = [sys.executable, "-m", "outgrow", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return f"From `outgrow {' '.join(arguments)}`:\n\n{over_all_seeds(done.stdout)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--store", default="runs")
    parser.add_argument("--recipe", help="the rung that is trained without each share of the corpus")
    arguments = parser.parse_args()
    store = Store(arguments.store)
    ladder = [Rung(name) for name in rungs()]
    plain = {rung: zero_shot(rung.model, rung.method) for rung in ladder}
    tuned = {rung: [finetuned(rung.model, rung.method, seed) for seed in SEEDS] for rung in ladder}
    with executor() as runner:
        outcome = graph.run([*plain.values(), *(score for row in tuned.values() for score in row)], store, runner)
    if outcome.failures:
        sys.exit(outcome.failures[0].error_text)
    raw = {rung: graph.load(plain[rung], store) for rung in ladder}
    groups = raw[ladder[0]].groups
    zero: dict[Rung, Doubles] = {rung: raw[rung].correct[None] for rung in ladder}
    fine: dict[Rung, Doubles] = {
        rung: np.stack([graph.load(score, store).correct for score in tuned[rung]]) for rung in ladder
    }
    curves(ladder)
    for rung in ladder:
        (LADDER / rung.name / "README.md").write_text(card(rung))
    parts = [HEAD, sizes(ladder), CURVES, rises(ladder, zero, fine, groups)]
    if arguments.recipe:
        parts.append(added(arguments.recipe, store))
    parts += [by_theme(ladder, fine, store), by_effort(ladder, fine, store), abilities(ladder), a_game(ladder)]
    parts += ["## Every pair on the shipped tasks\n", quoted("results", "examples/chess-grid.toml", "--format", "md")]
    parts += ["## Lichess puzzles by rating\n"]
    parts += [quoted("results", "examples/lichess.toml", "--by", "rating", "--format", "md")]
    PAGE.write_text("\n\n".join(part.strip() for part in parts) + "\n")


HEAD = """
# The ladder

Five small chess language models of rising size ship with the package, trained on one corpus with one tokenizer.
Held-out loss falls and puzzle accuracy rises with every step in size. This page is written by
`python -m docs.ladder --recipe recipes/ladder/knight.toml` after `outgrow run examples/chess-grid.toml` and
`outgrow run examples/lichess.toml`.
"""
COLUMNS = """
`weights inside` are those of the matrices between the embeddings, `lines` those that the rung was trained on, and
`operations` the floating-point operations of its training. On held-out games, `held-out loss` is in nats a move,
`next move` is how often the most probable move is the one that was played, and `first move` the same for the first
move of each line.
"""
EFFORT = """
Puzzles by the nodes that the engine searched until the solution stayed its first choice. `rungs that solve it` is the
mean number of rungs, of five, that solve a puzzle with most of their seeds.
"""
LEGAL = """
`legal unaided` is how often the most probable token is a legal move, before illegal moves are left out.
"""
CURVES = "![Held-out loss against lines, operations and weights](ladder.svg)"


def sizes(ladder: list[Rung]) -> str:
    header = ["rung", "layers × width", "weights inside", "lines", "operations"]
    header += ["held-out loss", "next move %", "first move %"]
    rows = []
    for rung in ladder:
        end, shape = rung.curve[-1], f"{rung.config['n_layer']} × {rung.config['n_embd']}"
        row = [rung.name, shape, f"{rung.inside:,}", f"{end['epoch'] * rung.lines:,.0f}", f"{rung.compute:.1e}"]
        row.append(f"{end['validation_loss']:.3f}")
        rows.append([*row, percent(end["validation_accuracy"]), percent(end["validation_first_move"])])
    corpora: dict[str, list[str]] = {}
    for rung in ladder:
        kinds = ", ".join(f"{kind.replace(': touches a puzzle', ' left out')} {n:,}" for kind, n in rung.corpus.items())
        corpora.setdefault(kinds, []).append(rung.name)
    counts = [f"- {', '.join(names)}: {counts}" for counts, names in corpora.items()]
    introduction = (
        "Lines of the corpus by kind, and lines left out of it because they touch a position of a task or of Lichess:"
    )
    return f"## Size and loss\n\n{COLUMNS.strip()}\n\n{table(header, rows)}\n\n{introduction}\n\n" + "\n".join(counts)


def card(rung: Rung) -> str:
    """The model card: what a rung is, what it was made of, and what it is good for."""
    end = rung.curve[-1]
    embedded = (int(rung.config["vocab_size"]) + int(rung.config["n_positions"])) * int(rung.config["n_embd"])
    text = f"""
# ladder/{rung.name}

A GPT-2 of {rung.config["n_layer"]} layers and width {rung.config["n_embd"]}: {rung.inside:,} weights in its matrices
beside {embedded:,} of embeddings (output tied to input), bfloat16. It reads a position (one token a piece, then side to
move, castling, en passant) and moves in UCI, and predicts the next move.

Made by `outgrow pretrain recipes/ladder/{rung.name}.toml` from {rung.lines:,} lines, each read {end["epoch"]:g}×:
{rung.corpus["engine"]:,} of what Stockfish 15.1 would play from a position of a mined game (1,200 nodes; in those games
players of very different strength err), {rung.corpus["players"]:,} of what such players played,
{rung.corpus["masters"]:,} from master games. No position of a shipped task and none of a Lichess puzzle stands on any
line. `curve.json` holds the training curve, and what the corpus was made of.

On moves of held-out games its loss is {end["validation_loss"]:.2f} nats and its accuracy
{percent(end["validation_accuracy"])} %. It is meant for experiments on weak supervision, not to play well.
"""
    return text.lstrip()


def added(recipe: str, store: Store) -> str:
    """What each share of the corpus adds to a rung."""
    rows = [list(row) for row in shares.shares(recipe, store)]
    introduction = (
        f"`python -m bench.shares {recipe}`: the rung of that recipe on {shares.LINES:,} lines of the mix, and of all "
        f"kinds but one; {shares.SEEDS} seeds of finetuning, validation puzzles. Engine lines are what Stockfish would "
        "play from a position, players' lines what the players of the mined games played, masters' lines master games."
    )
    return f"## What each share of the corpus adds\n\n{introduction}\n\n{table(list(shares.HEADER), rows)}"


def rises(ladder: list[Rung], zero: dict[Rung, Doubles], fine: dict[Rung, Doubles], groups: tuple[str, ...]) -> str:
    header = ["rung", "zero-shot %", "more than the rung below", "finetuned %", "more than the rung below"]
    rows = []
    for i, rung in enumerate(ladder):
        row = [rung.name]
        for scores in (zero, fine):
            row.append(span(accuracy(scores[rung], groups)))
            row.append(span(paired(scores[rung], scores[ladder[i - 1]], groups)) if i else "")
        rows.append(row)
    n = f"{len(groups):,} validation puzzles, {len(SEEDS)} seeds of finetuning on ground truth; 95 % intervals."
    return f"## Puzzle accuracy\n\n{n}\n\n{table(header, rows)}"


def by_theme(ladder: list[Rung], fine: dict[Rung, Doubles], store: Store) -> str:
    examples = graph.load(prepared("validation"), store)
    themes: Any = ChessPuzzles().facets(examples)["theme"]
    found: dict[str, list[int]] = {}
    for i, id in enumerate(examples.ids):
        for theme in themes[id]:
            found.setdefault(theme, []).append(i)
    rows = [
        [theme, str(len(at)), *(percent(float(fine[rung][:, at].mean())) for rung in ladder)]
        for theme, at in sorted(found.items())
    ]
    return f"## By theme, finetuned\n\n{table(['theme', 'puzzles', *(rung.name for rung in ladder)], rows)}"


def by_effort(ladder: list[Rung], fine: dict[Rung, Doubles], store: Store) -> str:
    """Difficulty in the engine's nodes, against how many rungs solve a puzzle."""
    examples = graph.load(prepared("validation"), store)
    known: Any = ChessPuzzles().facets(examples)["difficulty"]
    effort = np.array([known[id] for id in examples.ids])
    edges = np.unique(np.quantile(effort, [0, 0.2, 0.4, 0.6, 0.8, 1]))
    band = np.clip(np.searchsorted(edges, effort, "right") - 1, 0, len(edges) - 2)
    solved = sum((fine[rung].mean(0) > 0.5).astype(int) for rung in ladder)
    rows = []
    for i in range(len(edges) - 1):
        at = band == i
        row = [f"{edges[i]:.0f}–{edges[i + 1]:.0f}", str(int(at.sum()))]
        row += [percent(float(fine[rung][:, at].mean())) for rung in ladder]
        rows.append([*row, f"{float(np.mean(solved[at])):.2f}"])
    header = ["engine's nodes", "puzzles", *(rung.name for rung in ladder), "rungs that solve it"]
    return f"## By difficulty, finetuned\n\n{EFFORT.strip()}\n\n{table(header, rows)}"


def abilities(ladder: list[Rung]) -> str:
    boards = [chess.parse(fen) for fen in held_out_positions(500)]
    rows = []
    for rung in ladder:
        mover = Player(LADDER / rung.name)
        rows.append([rung.name, percent(float(np.mean([mover.legal_unaided(board) for board in boards])))])
    legal = table(["rung", "legal unaided %"], rows)
    introduction = (
        f"`python -m bench.strength`: {strength.GAMES} games between every two, pretrained and not finetuned, with "
        "95 % intervals over games. Ratings are relative to the random mover, so "
        "its uncertainty is part of all of them. A Stockfish with a share plays the other moves at random."
    )
    elo = table(list(strength.HEADER), [list(row) for row in strength.table()])
    return f"## Legal moves, and strength\n\n{LEGAL.strip()}\n\n{legal}\n\n{introduction}\n\n{elo}"


def held_out_positions(n: int) -> list[str]:
    """Positions of the validation split of `chess-advantage`: quiet and sharp ones alike."""
    rows = pq.read_table(LADDER.parent / "data/positions.parquet", columns=["fen", "game"]).to_pylist()
    return [row["fen"] for row in rows if split_of(row["game"], Shares()) == "validation"][:n]


def a_game(ladder: list[Rung]) -> str:
    best, smallest = (Player(LADDER / ladder[i].name) for i in (-1, 0))
    moves, points = strength.play(best.move, smallest.move, random.Random(1), opening=2)
    score = {1.0: "1–0", 0.0: "0–1", 0.5: "½–½"}[points]
    numbered = [f"{i // 2 + 1}. {' '.join(moves[i : i + 2])}" for i in range(0, len(moves), 2)]
    title = f"## A game: ladder/{ladder[-1].name} (White) against ladder/{ladder[0].name}"
    return f"{title}\n\nThe first move of each side is random.\n\n> {' '.join(numbered)} {score}"


if __name__ == "__main__":
    main()
