"""The console script and `python -m outgrow`: how the process ends when a signal stops it.

Nothing is imported before `main` has installed its handlers, so that a signal during the imports ends it in one line,
too. Before that, while Python itself starts, Ctrl-C prints Python's traceback.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from types import FrameType
    from typing import NoReturn

WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}


class Stopped(KeyboardInterrupt):
    """A signal asks the process to stop. After KeyboardInterrupt itself in code that `exec` runs, as in dataclasses,
    Python would end as if by SIGINT, whatever the exit code is."""


def main() -> NoReturn:
    """Run the command line and exit. A signal that asks the process to stop raises KeyboardInterrupt: unfinished work
    is cleaned up, one line says so, and the exit code is 128 and the signal's number. Inside a class statement Python
    turns KeyboardInterrupt into another error, so that any error after a signal counts."""
    import signal

    received: list[signal.Signals] = []

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        _print(WORDS[signal.Signals(number).name])
        os._exit(128 + number)

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        received.append(signal.Signals(number))
        raise Stopped

    caught = _caught()
    _handle(caught, leave)  # while there is nothing to clean up
    from outgrow.cli import main as command_line

    try:
        _handle(caught, stop)
        code = command_line(sys.argv[1:] or ["--help"])
        _handle(caught, signal.SIG_DFL)
    except BaseException as interrupt:
        _handle(caught, signal.SIG_DFL)  # a second one ends the process at once
        if not received:
            raise
        hints = map(str, interrupt.args) if isinstance(interrupt, KeyboardInterrupt) else ()  # or what it turned into
        _print(": ".join([WORDS[received[-1].name], *hints]))
        code = 128 + received[-1]
    sys.exit(code)


def _caught() -> list[signal.Signals]:
    """The signals of this platform that stop a process, except those that are ignored, as under nohup."""
    import signal

    every = [getattr(signal, name) for name in WORDS if hasattr(signal, name)]
    return [each for each in every if signal.getsignal(each) is not signal.SIG_IGN]


def _handle(signals: list[signal.Signals], handler: object) -> None:
    import signal

    for each in signals:
        signal.signal(each, handler)  # type: ignore[arg-type]


def _print(line: str) -> None:
    """Print to stderr without its buffer, which may be what was interrupted."""
    from contextlib import suppress

    with suppress(OSError):
        os.write(2, f"{line}\n".encode())


if __name__ == "__main__":
    main()
