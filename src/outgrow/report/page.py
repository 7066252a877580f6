"""The report of an experiment as one self-contained HTML page with results, protocol, and what is missing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from outgrow.experiment.definition import Experiment
from outgrow.graph import Failure
from outgrow.report.contents import Contents
from outgrow.report.rendering import rendered
from outgrow.store import Store
from outgrow.types import UserError


def write(experiment: Experiment, store: Store, path: Path, failures: Sequence[Failure] = (), toml: str = "") -> None:
    """Write the page of a pinned experiment to `path`, in place of an earlier page. `failures`: those of the run that
    has just ended, if any. `toml`: the experiment as TOML, to be downloaded from the page, if it is known.

    Raises UserError if the file cannot be written, which leaves an earlier page as it was, or if it is not a page.
    """
    write_page(path, html(experiment, store, failures, toml))


def write_page(path: Path, page: str) -> None:
    """Write a page in place of an earlier one. Raises UserError as `write` does."""
    try:
        if not is_page(path):
            raise UserError(f"the report {path} exists and is not an HTML page: choose another file")
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(Path(os.path.realpath(path)), encoded(page))
    except OSError as error:
        raise UserError(f"the report {path} cannot be written ({error.strerror}): choose another file") from None


def encoded(page: str) -> bytes:
    """A page as it is written: a name may have half of a surrogate pair."""
    return page.encode(errors="replace")


def is_page(path: Path) -> bool:
    """Whether a report may be written to `path`: nothing is there, or an HTML page, an empty file or a device."""
    if not path.is_file():
        return True
    with path.open("rb") as file:
        begin = file.read(100).lstrip().lower()
    return begin.startswith(b"<!doctype html") or not path.stat().st_size


def replace_file(path: Path, data: bytes) -> None:
    """Write a file, or a device; an earlier file is left as it was until the new one is complete."""
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    draft = path.with_name(f".outgrow-{os.getpid()}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def html(experiment: Experiment, store: Store, failures: Sequence[Failure] = (), toml: str = "") -> str:
    """The page as HTML; equal results give equal bytes."""
    contents = Contents(experiment, store, failures, toml)
    return rendered(
        "page.html.j2",
        **contents.words(),
        **contents.numbers(contents.results.records),
        **contents.protocol(),
        scores=contents.scores(contents.aggregates),
        figures=contents.figures(contents.aggregates),
        analyses=contents.analyses(),
        downloads=contents.downloads(),
    )
