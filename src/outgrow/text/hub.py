"""Files of published data sets, from the Hugging Face hub."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from outgrow.types import UserError

BRANCHES = ("main", "refs/convert/parquet")
ABBREVIATED = re.compile("[0-9a-f]{7,39}")


def commit_of(repo: str, revision: str) -> str:
    """The commit that a revision stands for now: itself where it is one, the one commit that begins like an
    abbreviation, or a branch's newest; without a network what it stood for last.

    Raises UserError where that is not known."""
    if re.fullmatch("[0-9a-f]{40}", revision):
        return revision
    from huggingface_hub import constants
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        return _asked(repo, revision)
    except UserError:
        raise
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise UserError(f"the hub has no data set {repo!r} at {revision!r}: check the revision") from None
    except Exception:  # of whatever HTTP library: no network, a refusing proxy, offline mode
        cached = Path(constants.HF_HUB_CACHE) / f"datasets--{repo.replace('/', '--')}"
        if (named := cached / "refs" / revision).is_file():
            return named.read_text().strip()
        known = [path.name for path in (cached / "snapshots").glob("*") if path.name.startswith(revision)]
        if ABBREVIATED.fullmatch(revision) and len(known) == 1:
            return known[0]
        raise UserError(
            f"the hub's {repo} cannot be reached: connect once, or set OUTGROW_DATA to a folder that has it"
        ) from None


def _asked(repo: str, revision: str) -> str:
    """A branch's newest commit, or the full name of a commit, which the hub itself does not find by an abbreviation."""
    from huggingface_hub import dataset_info, list_repo_commits
    from huggingface_hub.errors import RevisionNotFoundError

    if not ABBREVIATED.fullmatch(revision):
        return str(dataset_info(repo, revision=revision).sha)
    known = set[str]()
    for branch in BRANCHES:
        with suppress(RevisionNotFoundError):
            known |= {str(commit.commit_id) for commit in list_repo_commits(repo, repo_type="dataset", revision=branch)}
    found = sorted(commit for commit in known if commit.startswith(revision))
    if len(found) != 1:
        raise UserError(f"{len(found)} commits of the hub's {repo!r} begin with {revision!r}: give one in full")
    return found[0]


def files(repo: str, commit: str, patterns: list[str]) -> list[Path]:
    """The files of a commit that match, downloaded where they are not there yet."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repo, repo_type="dataset", revision=commit, allow_patterns=patterns))
    except Exception as error:
        why = str(error).partition("\n")[0]
        raise UserError(
            f"{repo} cannot be downloaded ({why}): connect once, or set OUTGROW_DATA to a folder that has it"
        ) from None
    found = {pattern: sorted(folder.glob(pattern)) for pattern in patterns}
    if missing := [pattern for pattern, paths in found.items() if not paths]:
        raise UserError(f"{repo} has no {missing[0]} at {commit}: give another revision, or the file in OUTGROW_DATA")
    return sorted(path for paths in found.values() for path in paths)
