"""The logger `outgrow`: what happens in a run, for `logging`. The library itself installs no handler that writes."""

from __future__ import annotations

import logging

from outgrow.graph.context import Event, Kind

LOGGER = logging.getLogger("outgrow")
LOGGER.addHandler(logging.NullHandler())

LEVELS: dict[Kind, int] = {
    "planned": logging.DEBUG,
    "found": logging.DEBUG,
    "started": logging.INFO,
    "progress": logging.DEBUG,
    "finished": logging.INFO,
    "waiting": logging.INFO,
    "damaged": logging.WARNING,
    "failed": logging.ERROR,
}


def log_event(event: Event) -> None:
    """Log an event: progress, planned and cached steps as DEBUG, started and finished ones as INFO, damaged artifacts
    as WARNING, failures as ERROR. The log record has the event itself as its attribute `event`."""
    level = LEVELS[event.kind]
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, "%s", described(event), extra={"event": event})


def described(event: Event) -> str:
    """`fit a (fit-3f9ac01b2d4e): finished in 3.2 s`. Notes and a traceback follow on lines of their own."""
    name = f"{' '.join(event.title.split())} ({event.key})" if event.title else event.key
    match event.kind:
        case "finished":
            notes = "".join(f"\n{note}" for note in event.text.splitlines())
            return f"{name}: finished in {event.seconds or 0:.1f} s{notes}"
        case "progress":
            return f"{name}: {event.fraction or 0:.0%}{f', {event.text}' if event.text else ''}"
        case "found":
            return f"{name}: already stored"
    *traceback, reason = event.text.strip().split("\n")  # the last line of a traceback names the error
    line = f"{name}: {event.kind}{f' ({reason})' if reason else ''}"
    return "\n".join([line, *traceback, reason]) if traceback else line
