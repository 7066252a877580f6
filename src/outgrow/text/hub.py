"""Tables of published data sets, from the Hugging Face hub: every set has a branch with Parquet files of its rows."""

from __future__ import annotations

from pathlib import Path

from outgrow.types import UserError

BRANCH = "refs/convert/parquet"


def commit_of(repo: str, revision: str = "") -> str:
    """The commit that `revision` (the Parquet branch where none is given) stands for now; without a network a commit is
    taken at its word, and a branch stands for what it stood for last. Raises UserError where that is not known."""
    from huggingface_hub import constants, dataset_info
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        return str(dataset_info(repo, revision=revision or BRANCH).sha)
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise UserError(f"the hub has no data set {repo!r} at {revision or BRANCH!r}: check the revision") from None
    except Exception:  # of whatever HTTP library: no network, a refusing proxy, offline mode
        known = Path(constants.HF_HUB_CACHE) / f"datasets--{repo.replace('/', '--')}" / "refs" / (revision or BRANCH)
        if found := known.read_text().strip() if known.is_file() else revision:
            return found
        raise UserError(
            f"the hub's {repo} cannot be reached: connect once, or set OUTGROW_DATA to a folder that has it"
        ) from None


def files(repo: str, commit: str, config: str, splits: tuple[str, ...]) -> list[Path]:
    """The Parquet files of some splits, downloaded where they are not there yet."""
    from huggingface_hub import snapshot_download

    patterns = [f"{config}/{split}/*.parquet" for split in splits]
    try:
        folder = Path(snapshot_download(repo, repo_type="dataset", revision=commit, allow_patterns=patterns))
    except Exception as error:
        why = str(error).partition("\n")[0]
        raise UserError(
            f"{repo} cannot be downloaded ({why}): connect once, or set OUTGROW_DATA to a folder that has it"
        ) from None
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    if not found:
        raise UserError(f"{repo} has no Parquet files of {', '.join(splits)}: put the file in OUTGROW_DATA")
    return found
