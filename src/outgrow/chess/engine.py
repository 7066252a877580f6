"""A UCI engine in a subprocess. Only mining and corpus building need it, not training or scoring."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from types import TracebackType
from typing import Self

from outgrow.types import UserError

MATE = 10_000  # centipawns that stand for a forced mate; one less for each move it takes


def win_probability(centipawns: float) -> float:
    """The win probability for the side to move, by lichess.org's logistic fit to rated games."""
    return 1.0 / (1.0 + exp(-0.00368208 * max(-4000.0, min(4000.0, centipawns))))


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """The result of a search: the best line, and the scores of the best two moves, in centipawns for the side to move.

    second_move, second: None if only one move is legal. effort: the number of nodes searched until the best move stayed
    best, a measure of difficulty.
    """

    line: tuple[str, ...]
    score: int
    second_move: str | None
    second: int | None
    effort: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """A line of a search: its rank among the `lines`, the score in centipawns, and the nodes searched until then."""

    rank: int
    score: int
    moves: tuple[str, ...]
    nodes: int


class Engine:
    """An engine process with one thread. It is deterministic, except with limited strength (`skill`), where its errors
    are random and depend on the clock. Raises UserError if no engine is installed, and where it stops."""

    def __init__(self, path: str | None = None, *, lines: int = 1, skill: int | None = None) -> None:
        program = path or shutil.which("stockfish", path="/usr/games:/usr/local/bin:/usr/bin:/opt/homebrew/bin")
        program = program or shutil.which("stockfish")
        if program is None:
            raise UserError(
                "no chess engine found: install stockfish (apt-get install stockfish) or name it by --engine"
            )
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen([program], stdin=pipe, stdout=pipe, text=True, bufsize=1)
        except OSError as error:
            raise UserError(f"the chess engine {program} cannot be started ({error.strerror}): name another") from None
        self._program = program
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
        try:
            self._process.stdin.write(command + "\n")
        except OSError:
            raise self._stopped() from None

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._stopped()
        return line.rstrip("\n")

    def _stopped(self) -> UserError:
        return UserError(f"the chess engine {self._program} has stopped: name one that speaks UCI by --engine")

    def new_game(self) -> None:
        """Resets the engine, so that results do not depend on earlier games."""
        self._send("ucinewgame")
        self._send("isready")
        while self._read() != "readyok":
            pass

    def best(self, position: str, nodes: int) -> str:
        """The move that the engine plays after searching `nodes` nodes."""
        self._send(f"position fen {position}")
        self._send(f"go nodes {nodes}")
        while not (line := self._read()).startswith("bestmove"):
            pass
        return line.split()[1]

    def judge(self, position: str, nodes: int) -> Verdict:
        """Evaluates a position with a search of `nodes` nodes. The position must have a legal move."""
        latest: dict[int, _Line] = {}
        first, effort = "", 0
        for line in self._search(position, nodes):
            latest[line.rank] = line
            if line.rank == 1 and line.moves[0] != first:
                first, effort = line.moves[0], line.nodes
        best, second = latest[1], latest.get(2)
        return Verdict(
            line=best.moves,
            score=best.score,
            second_move=second.moves[0] if second else None,
            second=second.score if second else None,
            effort=effort,
        )

    def values(self, position: str, nodes: int) -> dict[str, int]:
        """The score of each legal move, in centipawns for the side to move, by one search of `nodes` nodes of all of
        them. The engine needs as many `lines` as there are moves."""
        return {line.moves[0]: line.score for line in self._search(position, nodes)}

    def _search(self, position: str, nodes: int) -> Iterator[_Line]:
        """The lines that a search reports, the last of each rank at the end."""
        self._send(f"position fen {position}")
        self._send(f"go nodes {nodes}")
        while not (line := self._read()).startswith("bestmove"):
            if " pv " not in line or "bound" in line:
                continue
            words = line.split(" pv ", 1)
            fields = words[0].split()
            at = fields.index("score")
            value = int(fields[at + 2])
            yield _Line(
                rank=int(fields[fields.index("multipv") + 1]),
                score=value if fields[at + 1] == "cp" else (MATE - value if value > 0 else -MATE - value),
                moves=tuple(words[1].split()),
                nodes=int(fields[fields.index("nodes") + 1]),
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
