"""The console script and `python -m outgrow`: how the process ends when a signal stops it.

The command line is imported inside `main`, so that a signal during the imports ends it in one line, too.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

WORDS = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}


def main() -> NoReturn:
    """Run the command line and exit. Signals that ask the process to stop raise KeyboardInterrupt: unfinished work is
    cleaned up, one line says so, and the exit code is 128 and the signal's number."""
    received: list[signal.Signals] = []

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        received.append(signal.Signals(number))
        raise KeyboardInterrupt

    caught = _handle(stop)
    try:
        from outgrow.cli import main as command_line

        code = command_line(sys.argv[1:] or ["--help"])
    except KeyboardInterrupt as interrupt:
        for each in caught:
            signal.signal(each, signal.SIG_DFL)  # a second one ends the process at once
        last = received[-1] if received else signal.SIGINT
        _print(": ".join([WORDS[last.name], *map(str, interrupt.args)]))
        code = 128 + last
    sys.exit(code)


def _handle(stop: object) -> list[signal.Signals]:
    """Install the handler for the signals of this platform, except those that are ignored, as under nohup."""
    every = [getattr(signal, name) for name in WORDS if hasattr(signal, name)]
    caught = [each for each in every if signal.getsignal(each) is not signal.SIG_IGN]
    for each in caught:
        signal.signal(each, stop)  # type: ignore[arg-type]
    return caught


def _print(line: str) -> None:
    """Print to stderr without its buffer, which may be what was interrupted."""
    with suppress(OSError):
        os.write(2, f"{line}\n".encode())


if __name__ == "__main__":
    main()
