"""Shared by the commands on experiments: what was asked for, writable paths, the log file, and how a run ends."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from outgrow.graph import Failure, Settings
    from outgrow.store import Store


def writable_file(path: Path, option: str, store: Store | None, is_own: Callable[[Path], bool], kind: str) -> Path:
    """`path`, after a check that a file can be written there. An existing file is unchanged.

    is_own: whether the command may replace or extend an existing file; kind: what it would be. Raises UserError, also
    for a path in the store's folders.
    """
    from outgrow.types import UserError

    try:
        if store is not None:
            _refuse_stored(path, option, store)
        if path.is_dir():
            raise UserError(f"{option} {path} is a folder: name a file in it, such as {path / 'report.html'}")
        if path.is_fifo() or path.is_socket():
            raise UserError(f"{option} {path} is not a regular file: name one")
        if not is_own(path):
            raise UserError(f"{option} {path} exists and is not {kind}, and is not overwritten: name another file")
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not os.path.lexists(path)
        with path.open("a", encoding="utf-8") as file:
            if path.is_char_device():
                file.write("\n")
        if is_new:
            path.unlink()
    except OSError as error:
        raise UserError(f"{option} {path} cannot be written ({error.strerror}): name another file") from None
    return path


def writable_folder(path: Path, option: str, store: Store | None = None) -> Path:
    """`path`, made if it does not exist, after a check that files can be written in it. Raises UserError, also for a
    folder of the store."""
    from outgrow.types import UserError

    draft = path / f".outgrow-{os.getpid()}"
    try:
        if store is not None:
            _refuse_stored(path, option, store)
        path.mkdir(parents=True, exist_ok=True)
        draft.touch()
        draft.unlink()
    except OSError as error:
        raise UserError(f"{option} {path} cannot be written to ({error.strerror}): name another folder") from None
    return path


def _refuse_stored(path: Path, option: str, store: Store) -> None:
    from outgrow.types import UserError

    try:
        stored = store.owns(path)
    except (RuntimeError, OSError):  # a loop of links: opening it says so
        stored = False
    if stored:
        raise UserError(f"{option} {path} is in a folder of the store {store}: name a place outside")


@contextmanager
def logging_to(path: Path | None, store: Store) -> Iterator[None]:
    """Append what is logged in the block, from INFO up, to a log file. Raises UserError if it cannot be written."""
    if path is None:
        yield
        return
    writable_file(path, "--log", store, _is_log, "a log")
    handler = _LogFile(path, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("outgrow")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        with suppress(OSError):  # a full disk again
            handler.close()


def _is_log(path: Path) -> bool:
    """Whether a log may be appended to `path`: nothing is there, or a log, an empty file or a device."""
    if not path.is_file():
        return True
    with path.open("rb") as file:
        begin = file.read(30)
    return not begin or re.match(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", begin) is not None


class _LogFile(logging.FileHandler):
    failed = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name in logging
        """A full disk must not stop the run: one warning says that the log is incomplete."""
        if not self.failed:
            self.failed = True
            typer.echo(f"warning: the log is incomplete ({sys.exc_info()[1]}): the run goes on", err=True)


def settings_from(device: str, trust_pickle: bool, trust_remote_code: bool, offline: bool, **memory: Any) -> Settings:
    """The settings that the options of a command mean. memory: those on memory and devices, None where not given."""
    from outgrow.graph import Settings

    given: dict[str, Any] = {name: value for name, value in memory.items() if value is not None}
    given |= {"trust_pickle": trust_pickle, "trust_remote_code": trust_remote_code, "offline": offline}
    return Settings(device=device, **given)


def path_of(file: Path | None) -> Path:
    """The given TOML file, or the bundled experiment."""
    if file:
        return file
    from outgrow.config import bundled_example

    return bundled_example()


def read_experiment(
    file: Path | None, overrides: list[str] | None, seeds: str | None, no_plugins: bool, analyses: str = ""
) -> Any:
    """The experiment that the arguments of a command mean. analyses: names with commas between. Raises UserError."""
    from outgrow.config import read

    return read(path_of(file), overrides or (), seeds, _names(analyses), plugins=not no_plugins)


def source_from(
    file: Path | None, overrides: list[str] | None, seeds: str | None, no_plugins: bool, analyses: str = ""
) -> dict[str, Any]:
    """The same as arguments of `api.run` and `api.results`, which embed the file in the report."""
    changes = {"overrides": overrides or (), "seeds": seeds, "analyses": _names(analyses)}
    return {"source": path_of(file), **changes, "plugins": not no_plugins}


def _names(analyses: str) -> list[str]:
    return [name.strip() for name in analyses.split(",") if name.strip()]


def print_json(data: Any) -> None:
    """Print data as indented JSON."""
    import json

    typer.echo(json.dumps(data, indent=1))


@contextmanager
def resumable() -> Iterator[None]:
    """Say how to go on if the block is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("finished steps are stored, run again to go on") from None


def fail(failures: tuple[Failure, ...], skipped: int) -> NoReturn:
    """Print every failure, equal tracebacks once, and exit: with code 2 if the user can fix them all, else 1."""
    printed: set[str] = set()
    for failure in failures:
        text = failure.error_text.strip()
        last = text.rpartition("\n")[2]
        if not failure.user_error and last not in printed:
            printed.add(last)
            typer.echo(text, err=True)
        name = f"{failure.step.title} ({failure.step.key})"
        typer.echo(f"{'error' if failure.user_error else 'failed'}: {name}: {last}", err=True)
    if skipped:
        typer.echo(f"{skipped} steps that need these were not run", err=True)
    raise typer.Exit(2 if all(failure.user_error for failure in failures) else 1)
