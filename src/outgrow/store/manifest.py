"""The manifest: the one file that makes an artifact exist. It names the artifact's files with their checksums, the
identity they were computed from and where they come from."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

LIBRARIES = ("outgrow", "torch", "numpy", "transformers", "tokenizers", "scikit-learn")


class Damaged(Exception):  # noqa: N818 - it is a finding, acted upon
    """An artifact whose bytes are not those that were committed."""

    def __init__(self, key: str, prefix: str, why: str) -> None:
        super().__init__(key, prefix, why)
        self.key, self.prefix, self.why = key, prefix, why

    def __str__(self) -> str:
        return f"{self.key} is damaged: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`files` maps relative names to (sha256, bytes); `prefix` is the folder below the key's that holds them."""

    key: str
    prefix: str
    identity: dict[str, Any]
    files: dict[str, tuple[str, int]]
    provenance: dict[str, Any] = field(default_factory=dict)

    def dump(self) -> bytes:
        body = json.loads(json.dumps(asdict(self)))
        return json.dumps({"checksum": _checksum(body), **body}, indent=1).encode()

    @classmethod
    def parse(cls, key: str, data: bytes) -> Self:
        """Raises Damaged unless every byte is as it was written."""
        try:
            body = json.loads(data)
            checksum = body.pop("checksum")
            body["files"] = {name: (digest, size) for name, (digest, size) in body["files"].items()}
            manifest = cls(**body)
        except (ValueError, TypeError, KeyError, AttributeError):
            raise Damaged(key, "", "its manifest cannot be read") from None
        if checksum != _checksum(body) or manifest.key != key:
            raise Damaged(key, manifest.prefix, "its manifest has changed")
        return manifest

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.files.values())


def describe(folder: Path) -> dict[str, tuple[str, int]]:
    """Checksum and size of every file below `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (digest(path), path.stat().st_size) for path in files}


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@cache
def versions() -> dict[str, str]:
    """Installed versions of what can move a number, read without importing any of it."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def machine() -> dict[str, Any]:
    """The class of machine: equal ones give equal bytes."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = (line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line)
        cpu = next(names, cpu)
    return {"arch": platform.machine(), "cpu": cpu, "cores": os.cpu_count(), "system": platform.system()}
