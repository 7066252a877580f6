"""The progress of a run: a live display on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, TextIO

from outgrow.graph import Event, Report

if TYPE_CHECKING:
    from rich.console import RenderableType

INTERVAL = 30.0  # seconds between two plain progress lines
QUICK = 1.0  # seconds, below which a step has no line of its own


@contextmanager
def showing(stream: TextIO, slots: int) -> Iterator[Report]:
    """Show the events of a run on `stream` while the block lasts. slots: steps that run at once.

    Yields the function to pass as `watch`.
    """
    state = State(slots)
    if not stream.isatty():
        yield _Lines(state, stream)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream)
    live = Live(console=console, get_renderable=lambda: _display(state), refresh_per_second=4, transient=True)

    def watch(event: Event) -> None:
        state.update(event)
        if event.kind in ("failed", "damaged", "waiting"):
            console.print(_outcome(event), highlight=False, markup=False)
        for note in _notes(event):
            console.print(note, highlight=False, markup=False)

    with live:
        yield watch


@dataclass
class Running:
    """A running step. fraction: how much of it is done, as it reports."""

    title: str
    started: float
    fraction: float = 0.0


@dataclass
class State:
    """The steps to do, running and done, and the durations of finished ones. Times are seconds of a monotonic clock."""

    slots: int = 1
    planned: dict[str, str] = field(default_factory=dict)  # the title by key, of every step that was to do
    expected: dict[str, float] = field(default_factory=dict)  # seconds by key, of the same steps
    done: set[str] = field(default_factory=set)
    cached: set[str] = field(default_factory=set)
    running: dict[str, Running] = field(default_factory=dict)
    took: dict[str, list[float]] = field(default_factory=dict)  # seconds by title
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def update(self, event: Event, now: float | None = None) -> None:
        now = time.monotonic() if now is None else now
        with self.lock:
            match event.kind:
                case "planned":
                    self.planned[event.key] = event.title
                    self.expected[event.key] = event.seconds or 0.0
                    self.done.discard(event.key)
                    self.cached.discard(event.key)
                case "found" if event.key not in self.planned:
                    self.cached.add(event.key)
                case "started":
                    self.running[event.key] = Running(event.title or self.planned.get(event.key, event.key), now)
                case "progress" if event.key in self.running:
                    self.running[event.key].fraction = event.fraction or 0.0
                case "finished" | "failed" | "found":
                    self.running.pop(event.key, None)
                    self.done.add(event.key)
                    if event.kind == "finished" and event.seconds is not None:
                        self.took.setdefault(self.planned.get(event.key, ""), []).append(event.seconds)

    def remaining(self, now: float | None = None) -> float:
        """Estimated seconds until the end: from steps of the same title in this run, else what was expected."""
        now = time.monotonic() if now is None else now
        with self.lock:
            left = [self._left(key, now) for key in self.planned if key not in self.done]
        return max(sum(left) / self.slots, max(left, default=0.0))

    def _left(self, key: str, now: float) -> float:
        running = self.running.get(key)
        elapsed = now - running.started if running else 0.0
        if running and running.fraction > 0.05:
            return elapsed * (1 - running.fraction) / running.fraction
        like = self.took.get(self.planned[key]) or [self.expected[key]]
        return max(0.0, fmean(like) - elapsed)

    @property
    def count(self) -> str:
        """The steps that are done, of those planned: `3/40`."""
        return f"{len(self.done & self.planned.keys())}/{len(self.planned)}"


class _Lines:
    """One line for each step that ends and took a second, and for the last one; one every thirty seconds else."""

    def __init__(self, state: State, stream: TextIO) -> None:
        self._state, self._stream = state, stream
        self._counted = False
        self._last = time.monotonic()

    def __call__(self, event: Event) -> None:
        state = self._state
        state.update(event)
        if event.kind not in ("planned", "found") and not self._counted:
            self._counted = True
            self._print(f"{len(state.planned)} steps to do, {len(state.cached)} cached")
        if event.kind == "finished":
            is_last = len(state.done & state.planned.keys()) == len(state.planned)
            if (event.seconds or 0) >= QUICK or is_last or time.monotonic() - self._last >= INTERVAL:
                self._print(f"[{state.count}] {event.title} · {duration(event.seconds or 0)}")
            for note in _notes(event):
                self._print(note)
        elif event.kind in ("failed", "damaged", "waiting"):
            self._print(f"[{state.count}] {_outcome(event)}")
        elif event.kind == "progress" and time.monotonic() - self._last >= INTERVAL:
            running = ", ".join(f"{run.title} {run.fraction:.0%}" for run in state.running.values())
            self._print(f"[{state.count}] {running}{_about(state.remaining())}")

    def _print(self, line: str) -> None:
        self._last = time.monotonic()
        try:
            print(line, file=self._stream, flush=True)
        except BrokenPipeError:
            raise  # the reader of the pipe has gone
        except OSError:
            pass  # the disk of the stream is full: the run goes on


def _outcome(event: Event) -> str:
    text = event.text.strip().rpartition("\n")[2]  # the last line of a traceback names the error
    return f"{event.title or event.key}: {event.kind}{f' ({text})' if text else ''}"


def _notes(event: Event) -> list[str]:
    """What the artifact of a step that has ended says of itself, a line each."""
    return [f"note: {event.title or event.key}: {note}" for note in event.text.splitlines() if event.kind == "finished"]


def _display(state: State) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    rows = Table.grid(padding=(0, 1))
    with state.lock:
        for run in state.running.values():
            bar = ProgressBar(total=1.0, completed=run.fraction, width=24)
            rows.add_row(bar, f"{run.fraction:4.0%}", Text(run.title, overflow="ellipsis", no_wrap=True))
        done, total = len(state.done & state.planned.keys()), len(state.planned)
        rows.add_row(
            ProgressBar(total=max(total, 1), completed=done, width=24),
            f"{done}/{total}",
            Text(f"steps, {len(state.cached)} cached{_about(state.remaining())}", style="bold"),
        )
    return Group(rows)


def _about(seconds: float) -> str:
    return f", about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`"""
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
