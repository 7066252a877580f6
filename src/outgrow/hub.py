"""The Hugging Face hub: resolves revisions to commits, and downloads files.

Without a network, the hub's client retries for half a minute. Therefore each process checks once whether the hub
answers. If it does not, only cached files are used, and anything else is an error at once.
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

TIMEOUT = 5.0  # seconds for a request
BRANCHES = ("main", "refs/convert/parquet")
ABBREVIATED = re.compile("[0-9a-f]{7,39}")
_COMMIT = re.compile("[0-9a-f]{40}")
_MISSING: dict[Kind, str] = {
    "model": "there is no folder {repo!r} and no model of this name on the hub: check the name",
    "dataset": "there is no data set {repo!r} on the hub: check the name",
}
_UNREACHABLE: dict[Kind, str] = {
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
    """Whether the hub answers in time and without a server error. True in the client's offline mode, in which the
    client itself fails at once."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return True
    try:
        return bool(_in_time(lambda: get_session().head(f"{constants.ENDPOINT}/api/models")).status_code < 500)
    except Exception:  # from any HTTP library
        return False


def commit_of(repo: str, revision: str, kind: Kind) -> str:
    """The commit of a revision: a commit, an abbreviated commit, a branch or a tag. Without a network, the commit when
    the hub was last asked.

    Raises UserError if the repository or revision does not exist, or if the commit is not cached and the hub cannot be
    reached.
    """
    if _COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        if answers():
            return _in_time(lambda: _resolved(repo, revision, kind))
    except UserError:
        raise
    except RevisionNotFoundError:
        raise UserError(f"the hub's {repo!r} has no revision {revision!r}: check it") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise UserError(_MISSING[kind].format(repo=repo)) from None
    except Exception:  # from any HTTP library: no network, a refusing proxy, offline mode
        pass
    if (commit := _cached_commit(repo, revision, kind)) is None:
        raise UserError(_UNREACHABLE[kind].format(repo=repo))
    return commit


def snapshot(
    repo: str, commit: str, kind: Kind, patterns: Sequence[str], *, ignored: Sequence[str] = (), offline: bool = False
) -> Path:
    """The local folder of a commit with the files that match, downloaded unless they are cached.

    patterns, ignored: glob patterns. offline: whether to use cached files only. Raises UserError if the download fails.
    """
    from huggingface_hub import snapshot_download

    try:
        with _without_warnings():
            folder = snapshot_download(
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
    return Path(folder)


def files(repo: str, commit: str, patterns: list[str]) -> list[Path]:
    """The files of a data set's commit that match. Raises UserError for a pattern without any file."""
    folder = snapshot(repo, commit, "dataset", patterns)
    matches = {pattern: sorted(folder.glob(pattern)) for pattern in patterns}
    if missing := [pattern for pattern, paths in matches.items() if not paths]:
        raise UserError(f"{repo} has no {missing[0]} at {commit}: give another revision, or the file in OUTGROW_DATA")
    return sorted(path for paths in matches.values() for path in paths)


def _resolved(repo: str, revision: str, kind: Kind) -> str:
    """The commit of a revision, from the hub. It does not resolve abbreviated commits, so these are looked up in the
    list of commits."""
    from huggingface_hub import dataset_info, list_repo_commits, model_info
    from huggingface_hub.errors import RevisionNotFoundError

    if not ABBREVIATED.fullmatch(revision):
        info = model_info(repo, revision=revision) if kind == "model" else dataset_info(repo, revision=revision)
        return str(info.sha)
    commits = set[str]()
    for branch in BRANCHES:
        with suppress(RevisionNotFoundError):
            commits |= {str(commit.commit_id) for commit in list_repo_commits(repo, repo_type=kind, revision=branch)}
    matches = sorted(commit for commit in commits if commit.startswith(revision))
    if len(matches) != 1:
        raise UserError(f"{len(matches)} commits of the hub's {repo!r} begin with {revision!r}: give one in full")
    return matches[0]


def _cached_commit(repo: str, revision: str, kind: Kind) -> str | None:
    """The commit of a revision when the hub was last asked, from the client's cache; None if it is not there."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"{kind}s--{repo.replace('/', '--')}"
    if (ref := folder / "refs" / revision).is_file():
        return ref.read_text().strip()
    commits = [path.name for path in (folder / "snapshots").glob("*") if path.name.startswith(revision)]
    return commits[0] if ABBREVIATED.fullmatch(revision) and len(commits) == 1 else None


def _in_time(request: Callable[[], R]) -> R:
    """The result of a request. Raises TimeoutError if it takes longer than `TIMEOUT` in total: the client's own limits
    are for each packet and do not cover the DNS lookup."""
    results: list[R] = []
    errors: list[Exception] = []

    def target() -> None:
        try:
            results.append(request())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=target, daemon=True)
    with _without_warnings():
        thread.start()
        thread.join(TIMEOUT)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer in {TIMEOUT:g} s")
    return results[0]


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Turns off the warnings of the hub's client in the `with` block, since errors become one-line messages."""
    from huggingface_hub.utils import logging as untyped

    logging: Any = untyped
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
