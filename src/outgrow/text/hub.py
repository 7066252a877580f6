"""Files of published data sets, from the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from outgrow.types import UserError


def commit_of(repo: str, revision: str) -> str:
    """The commit that a revision stands for now: itself where it is one; a branch without a network what it stood for
    last. Raises UserError where that is not known."""
    if re.fullmatch("[0-9a-f]{7,40}", revision):
        return revision
    from huggingface_hub import constants, dataset_info
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        return str(dataset_info(repo, revision=revision).sha)
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise UserError(f"the hub has no data set {repo!r} at {revision!r}: check the revision") from None
    except Exception:  # of whatever HTTP library: no network, a refusing proxy, offline mode
        known = Path(constants.HF_HUB_CACHE) / f"datasets--{repo.replace('/', '--')}" / "refs" / revision
        if known.is_file():
            return known.read_text().strip()
        raise UserError(
            f"the hub's {repo} cannot be reached: connect once, or set OUTGROW_DATA to a folder that has it"
        ) from None


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
