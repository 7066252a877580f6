"""A UCI engine as a subprocess. Needed to mine and to write the corpus, never to train or score."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from math import exp
from types import TracebackType
from typing import Self

from outgrow.types import UserError

MATE = 10_000  # centipawns that stand for a forced mate; one less for each move it takes


def win_probability(centipawns: float) -> float:
    """The chance to win, from the engine's score for the side to move: lichess.org's logistic fit on rated games."""
    return 1.0 / (1.0 + exp(-0.00368208 * max(-4000.0, min(4000.0, centipawns))))


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a search says: the best line, the scores of the best two moves in centipawns for the side to move.

    `second` is None where only one move is legal. `effort` is the nodes searched when the best move became best for
    good: how hard it was to see.
    """

    line: tuple[str, ...]
    score: int
    second_move: str | None
    second: int | None
    effort: int


class Engine:
    """One engine process with one thread: the same questions in the same order get the same answers, but for a
    limited one (`skill`), which errs at random by the clock."""

    def __init__(self, path: str | None = None, *, lines: int = 1, skill: int | None = None) -> None:
        program = path or shutil.which("stockfish", path="/usr/games:/usr/local/bin:/usr/bin:/opt/homebrew/bin")
        program = program or shutil.which("stockfish")
        if program is None:
            raise UserError(
                "no chess engine found: install stockfish (apt-get install stockfish) or name it by --engine"
            )
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._send("uci")
        self.name = ""
        while (line := self._read()) != "uciok":
            if line.startswith("id name "):
                self.name = line.removeprefix("id name ")
        options = {"Threads": 1, "Hash": 4, "MultiPV": lines}
        if skill is not None:
            options["Skill Level"] = skill
        for name, value in options.items():
            self._send(f"setoption name {name} value {value}")
        self.new_game()

    def _send(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the chess engine stopped")
        return line.rstrip("\n")

    def new_game(self) -> None:
        """Forget the last game, so that a game's answers do not depend on the games before it."""
        self._send("ucinewgame")
        self._send("isready")
        while self._read() != "readyok":
            pass

    def best(self, position: str, nodes: int) -> str:
        """The move the engine plays (a limited engine errs on purpose)."""
        self._send(f"position fen {position}")
        self._send(f"go nodes {nodes}")
        while not (line := self._read()).startswith("bestmove"):
            pass
        return line.split()[1]

    def judge(self, position: str, nodes: int) -> Verdict:
        """Search `nodes` nodes. The position must have a legal move."""
        self._send(f"position fen {position}")
        self._send(f"go nodes {nodes}")
        latest: dict[int, tuple[int, tuple[str, ...]]] = {}
        first, effort = "", 0
        while not (line := self._read()).startswith("bestmove"):
            if " pv " not in line or "bound" in line:
                continue
            words = line.split(" pv ", 1)
            moves, fields = tuple(words[1].split()), words[0].split()
            rank = int(fields[fields.index("multipv") + 1])
            at = fields.index("score")
            value = int(fields[at + 2])
            score = value if fields[at + 1] == "cp" else (MATE - value if value > 0 else -MATE - value)
            latest[rank] = (score, moves)
            if rank == 1 and moves[0] != first:
                first, effort = moves[0], int(fields[fields.index("nodes") + 1])
        best, second = latest[1], latest.get(2)
        return Verdict(
            line=best[1],
            score=best[0],
            second_move=second[1][0] if second else None,
            second=second[0] if second else None,
            effort=effort,
        )

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
