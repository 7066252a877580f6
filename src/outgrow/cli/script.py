"""The console script: the exit code and message for every way in which a command can end."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
import warnings
from contextlib import suppress

import typer

from outgrow.cli.options import app
from outgrow.memory import out_of_memory

USAGE = typer.BadParameter.__mro__[1]  # UsageError, of the click that typer brings
CLOSED_PIPE = 141  # 128 + SIGPIPE, as a shell reports it
PLAIN = "outgrow-plain"  # the error handler for characters that an encoding lacks
INSTEAD = {"−": "-", "–": "-", "—": "-", "→": "->", "’": "'", "·": ",", "…": "...", "×": "x"}


def main(arguments: list[str]) -> int:
    """Run the command line and return its exit code. A UserError and what the system says of a path are printed on one
    line, with exit code 2; other errors keep their traceback."""
    _replace_unencodable()
    sys.unraisablehook = _unraisable
    warnings.formatwarning = lambda message, *rest, **named: f"warning: {message}\n"
    try:
        command = typer.main.get_command(app)
        with command.make_context("outgrow", arguments) as context:
            command.invoke(context)
        sys.stdout.flush()
    except typer.Exit as end:
        return int(end.exit_code)
    except typer.Abort:
        return _print_error("aborted", code=1)
    except Exception as error:
        if lacking := out_of_memory(error):
            return _print_error(f"error: {lacking}")
        from outgrow.types import UserError

        if isinstance(error, UserError):
            return _print_error("\n".join(f"error: {message}" for message in error.messages))
        if isinstance(error, USAGE):
            message = UserError(error.format_message())  # type: ignore[attr-defined]
            return _print_error(f"error: {message}")
        if isinstance(error, OSError) and _is_of_output(error):
            return _output_failed(error)
        if isinstance(error, OSError) and error.filename and error.strerror:  # a path that nobody else has looked at
            return _print_error(f"error: {UserError(f'{error.filename}: {error.strerror}: check the path')}")
        raise
    return 0


def _replace_unencodable() -> None:
    """Replace characters that the terminal's encoding lacks, the minus sign by a hyphen. Without a stream, nothing is
    printed."""
    codecs.register_error(PLAIN, _plain)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for as long as Python runs
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=PLAIN)


def _unraisable(failed: sys.UnraisableHookArgs) -> None:
    """Print an error of a finalizer as Python does, except a lack of memory, which the command says in a line."""
    if not out_of_memory(failed.exc_value):
        sys.__unraisablehook__(failed)


def _plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return "".join(INSTEAD.get(letter, "?") for letter in missing), error.end


def _print_error(line: str, code: int = 2) -> int:
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
    return code


def _is_of_output(error: OSError) -> bool:
    """Whether stdout or stderr is what failed: then writing fails again. (Unbuffered output that failed is lost, so
    something must be written: a line end.)"""
    if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF):
        return False
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
            os.write(stream.fileno(), b"\n")
        except OSError:
            return True
        except ValueError:
            continue
    return False


def _output_failed(error: OSError) -> int:
    """The exit code. The rest of the output goes to the null device, or Python would complain about it at exit."""
    code = (
        CLOSED_PIPE
        if error.errno == errno.EPIPE
        else _print_error(f"error: the output cannot be written: {error.strerror}")
    )
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
    return code
