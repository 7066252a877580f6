"""The Hugging Face hub: the commit that a revision stands for, and the files of a commit.

The hub's client tries again for half a minute where there is no network. So the hub is asked once a process whether it
answers; where it does not, what is cached is used and the rest is refused at once.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from outgrow.types import UserError

Kind = Literal["model", "dataset"]

PATIENCE = 5.0  # seconds in which the hub must answer a question
BRANCHES = ("main", "refs/convert/parquet")
ABBREVIATED = re.compile("[0-9a-f]{7,39}")
_COMMIT = re.compile("[0-9a-f]{40}")
_LACKS: dict[Kind, str] = {
    "model": "there is no folder {repo!r} and no model of this name on the hub: check the name",
    "dataset": "there is no data set {repo!r} on the hub: check the name",
}
_SILENT: dict[Kind, str] = {
    "model": "there is no folder {repo!r}, and the hub cannot be reached: connect once, or give a checkpoint's folder",
    "dataset": "the hub's {repo} cannot be reached: connect once, or set OUTGROW_DATA to a folder that has it",
}
_INSTEAD: dict[Kind, str] = {
    "model": "connect to the hub, or give a folder",
    "dataset": "connect once, or set OUTGROW_DATA to a folder that has it",
}

R = TypeVar("R")


@cache
def answers() -> bool:
    """Whether the hub answers in time and without an error of its own. In its client's offline mode there is nothing to
    find out: the client refuses at once."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return True
    try:
        return bool(_in_time(lambda: get_session().head(f"{constants.ENDPOINT}/api/models")).status_code < 500)
    except Exception:  # of whatever HTTP library
        return False


def commit_of(repo: str, revision: str, kind: Kind) -> str:
    """The commit that a revision stands for now: itself where it is one, the one commit that begins like an
    abbreviation, or a branch's or tag's newest; without a network what it stood for last.

    Raises UserError where that is not known."""
    if _COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        if answers():
            return _in_time(lambda: _asked(repo, revision, kind))
    except UserError:
        raise
    except RevisionNotFoundError:
        raise UserError(f"the hub's {repo!r} has no revision {revision!r}: check it") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise UserError(_LACKS[kind].format(repo=repo)) from None
    except Exception:  # of whatever HTTP library: no network, a refusing proxy, offline mode
        pass
    if (known := _known(repo, revision, kind)) is None:
        raise UserError(_SILENT[kind].format(repo=repo))
    return known


def snapshot(
    repo: str, commit: str, kind: Kind, patterns: Sequence[str], *, ignored: Sequence[str] = (), offline: bool = False
) -> Path:
    """The folder of a commit with the files that match, downloaded where they are not there yet.

    Raises UserError where they cannot be."""
    from huggingface_hub import snapshot_download

    try:
        with _without_warnings():
            found = snapshot_download(
                repo,
                repo_type=kind,
                revision=commit,
                allow_patterns=list(patterns),
                ignore_patterns=list(ignored) or None,
                local_files_only=offline or not answers(),
            )
    except Exception as error:
        why = str(error).partition("\n")[0] if offline or answers() else "the hub does not answer"
        raise UserError(f"{repo} cannot be downloaded ({why}): {_INSTEAD[kind]}") from None
    return Path(found)


def files(repo: str, commit: str, patterns: list[str]) -> list[Path]:
    """The files of a data set's commit that match."""
    folder = snapshot(repo, commit, "dataset", patterns)
    found = {pattern: sorted(folder.glob(pattern)) for pattern in patterns}
    if missing := [pattern for pattern, paths in found.items() if not paths]:
        raise UserError(f"{repo} has no {missing[0]} at {commit}: give another revision, or the file in OUTGROW_DATA")
    return sorted(path for paths in found.values() for path in paths)


def _asked(repo: str, revision: str, kind: Kind) -> str:
    """A branch's newest commit, or the full name of a commit, which the hub itself does not find by an abbreviation."""
    from huggingface_hub import dataset_info, list_repo_commits, model_info
    from huggingface_hub.errors import RevisionNotFoundError

    if not ABBREVIATED.fullmatch(revision):
        info = model_info(repo, revision=revision) if kind == "model" else dataset_info(repo, revision=revision)
        return str(info.sha)
    known = set[str]()
    for branch in BRANCHES:
        with suppress(RevisionNotFoundError):
            known |= {str(commit.commit_id) for commit in list_repo_commits(repo, repo_type=kind, revision=branch)}
    found = sorted(commit for commit in known if commit.startswith(revision))
    if len(found) != 1:
        raise UserError(f"{len(found)} commits of the hub's {repo!r} begin with {revision!r}: give one in full")
    return found[0]


def _known(repo: str, revision: str, kind: Kind) -> str | None:
    """What a revision stood for when the hub was last asked."""
    from huggingface_hub import constants

    cached = Path(constants.HF_HUB_CACHE) / f"{kind}s--{repo.replace('/', '--')}"
    if (named := cached / "refs" / revision).is_file():
        return named.read_text().strip()
    known = [path.name for path in (cached / "snapshots").glob("*") if path.name.startswith(revision)]
    return known[0] if ABBREVIATED.fullmatch(revision) and len(known) == 1 else None


def _in_time(ask: Callable[[], R]) -> R:
    """The answer to a question. TimeoutError where it takes too long in all: a client's own limits are for each packet,
    and none for looking up the host."""
    found: list[R] = []
    failed: list[Exception] = []

    def asking() -> None:
        try:
            found.append(ask())
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=asking, daemon=True)
    with _without_warnings():
        thread.start()
        thread.join(PATIENCE)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"no answer in {PATIENCE:g} s")
    return found[0]


@contextmanager
def _without_warnings() -> Iterator[None]:
    """The hub's client says nothing of its attempts meanwhile: what comes of them is said in one line."""
    from huggingface_hub.utils import logging as untyped

    logging: Any = untyped
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
