"""Any Hugging Face checkpoint: a local folder, or a name on the hub."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

from outgrow import hub
from outgrow.content import digest_of
from outgrow.graph import Settings, not_hashed
from outgrow.models.base import Model
from outgrow.models.header import is_known, read_config, read_header
from outgrow.types import UserError

WEIGHTS = ("model.safetensors", "model-*.safetensors")
PICKLED = ("pytorch_model.bin", "pytorch_model-*.bin")
TOKENIZER = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model")
BESIDE = ("*.json", "*.txt", "*.model", "*.jinja", "*.py")  # config, tokenizer, chat template, custom code
TRAINING = ("trainer_state.json", "all_results.json", "train_results.json", "eval_results.json")  # not hashed
_HUB_NAME = re.compile(r"(?P<repo>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True, kw_only=True)
class HF(Model):
    """Hugging Face: any encoder or causal checkpoint, `hf/FOLDER` or `hf/NAME` on the hub, or `hf/NAME@REVISION`.

    A folder is identified by the digest of its files, a name on the hub by its current commit. Pickled weights and
    custom code are used only if the settings allow them.
    """

    kind: ClassVar[str] = "model/hf"

    size: str = not_hashed(default="")

    @property
    def short_name(self) -> str:
        """`hf/google/bert_uncased_L-2_H-128_A-2`; for a local folder, its last part."""
        return f"hf/{self._local.name}" if self._local else f"hf/{self.size}"

    @property
    def location(self) -> Path | None:
        return self._local

    @property
    def _local(self) -> Path | None:
        path = os.path.abspath(os.path.expanduser(self.size))  # noqa: PTH100, PTH111 - takes any text, as a name may be
        return Path(path) if self.size and os.path.isdir(path) else None  # noqa: PTH112

    def pinned(self) -> Self:
        if self._local:
            return replace(self, digest=checkpoint_digest(self._local))
        repo, revision = self._hub()
        return replace(self, digest=hub.commit_of(repo, revision, "model"))

    def folder(self, settings: Settings) -> Path:
        folder = self._local or _downloaded(self._hub()[0], self.digest, settings)
        check(folder, settings)
        return folder

    def local_folder(self, settings: Settings) -> Path | None:
        if self._local:
            return self._local
        with suppress(UserError):
            return _downloaded(self._hub()[0], self.digest, replace(settings, offline=True))
        return None

    def tokenizer_folder(self, settings: Settings) -> Path:
        folder = self._local or _snapshot(self._hub()[0], self.digest, settings, BESIDE)
        _require_allowed_code(folder, settings)
        return folder

    def _hub(self) -> tuple[str, str]:
        match = _HUB_NAME.fullmatch(self.size)
        if not match or self.size.startswith("."):
            raise UserError(f"there is no folder {self.size!r}, and no hub name looks like it: check the path")
        return match["repo"], match["revision"] or "main"


def checkpoint_files(folder: Path) -> list[Path]:
    """The files of a checkpoint: config, tokenizer and weights. Pickled weights only if there are no others."""
    weights = _matching(folder, WEIGHTS) or _matching(folder, PICKLED)
    return sorted({*weights, *_matching(folder, BESIDE)} - {folder / name for name in TRAINING})


def checkpoint_digest(folder: Path) -> str:
    """SHA-256 of the names and contents of a checkpoint's files, as 16 hex digits. Excludes optimiser state.

    Raises UserError if config, tokenizer or weights are missing.
    """
    _require_parts(folder)
    lines = [f"{path.name}\0{digest_of(path)}\n" for path in checkpoint_files(folder)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def check(folder: Path, settings: Settings) -> None:
    """Raises UserError if a checkpoint is incomplete, as far as its header shows, or if it has pickled weights or
    custom code that the settings do not allow."""
    _require_parts(folder)
    if not _matching(folder, WEIGHTS) and not settings.trust_pickle:
        raise UserError(f"{folder} has pickled weights only: allow it with --trust-pickle, or save it as safetensors")
    _require_allowed_code(folder, settings)
    read_header(folder)


def _require_allowed_code(folder: Path, settings: Settings) -> None:
    config = read_config(folder)
    if config.get("auto_map") and not settings.trust_remote_code and not is_known(config["model_type"]):
        raise UserError(f"{folder} brings its own code: allow it with --trust-remote-code, or choose another model")


def _require_parts(folder: Path) -> None:
    read_config(folder)
    if not _matching(folder, TOKENIZER):
        raise UserError(f"{folder} has no tokenizer: save one there with tokenizer.save_pretrained({folder.name!r})")
    if not (_matching(folder, WEIGHTS) or _matching(folder, PICKLED)):
        raise UserError(f"{folder} has no weights: it needs model.safetensors")


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    """The files directly in `folder` that match the patterns.

    Raises UserError for a symbolic link to a file outside. The hub's cache is an exception: there snapshots/COMMIT/FILE
    is a link to blobs/DIGEST.
    """
    matches = sorted(path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
    root = folder.resolve()
    allowed = [root, *([root.parents[1] / "blobs"] if root.parent.name == "snapshots" else [])]
    for path in matches:
        if path.is_symlink() and not any(path.resolve().is_relative_to(location) for location in allowed):
            raise UserError(f"{path} is a link to {path.resolve()}, outside the checkpoint: copy the file there")
    return matches


def _downloaded(repo: str, commit: str, settings: Settings) -> Path:
    folder = _snapshot(repo, commit, settings, WEIGHTS + BESIDE)
    if not _matching(folder, WEIGHTS):
        if not settings.trust_pickle:
            raise UserError(f"{repo} has no safetensors: allow pickled weights with --trust-pickle, or choose another")
        _snapshot(repo, commit, settings, PICKLED)
    return folder


def _snapshot(repo: str, commit: str, settings: Settings, patterns: tuple[str, ...]) -> Path:
    """The local folder of a commit with these files of its top level. Subfolders have exports for other programs."""
    return hub.snapshot(repo, commit, "model", patterns, ignored=["*/*"], offline=settings.offline)
