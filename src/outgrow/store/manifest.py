"""The manifest: the one file that makes an artifact exist. It names the artifact's files with their checksums, the
identity they were computed from and where they come from."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from outgrow.store import names
from outgrow.store.names import PREFIX
from outgrow.types import UserError

DEEPEST = 60  # how deep an identity nests; those of records have a tenth of it
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
        """Raises Damaged unless every byte is as it was written and every name stays inside the artifact's folder."""
        try:
            body = json.loads(data, object_pairs_hook=_once, parse_constant=_refuse)
            checksum = body.pop("checksum")
            manifest = cls(**{**body, "files": {name: tuple(file) for name, file in body["files"].items()}})
            known = checksum == _checksum(body)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Damaged(key, "", "its manifest cannot be read") from None
        if why := _fault(manifest):
            raise Damaged(key, "", why)
        if not known or manifest.key != key:
            raise Damaged(key, manifest.prefix, "its manifest has changed")
        return manifest

    @property
    def bytes(self) -> int:
        return sum(size for _, size in self.files.values())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is given twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _fault(manifest: Manifest) -> str:
    """What of a manifest no commit would have written, whatever its checksum says; empty if there is nothing."""
    if not (isinstance(manifest.prefix, str) and PREFIX.fullmatch(manifest.prefix)):
        return "its manifest names no folder of a store"
    if why := names.fault(manifest.files):
        return f"its manifest is not to be trusted: {why}"
    files = all(map(_is_file, manifest.files.values()))
    if not (files and isinstance(manifest.identity, dict) and _is_provenance(manifest.provenance)):
        return "its manifest cannot be read"
    return "its manifest is nested too deep" if _depth([manifest.identity, manifest.provenance]) > DEEPEST else ""


def _is_file(entry: object) -> bool:
    match entry:
        case (str(found), int(size)) if not isinstance(size, bool):
            return 0 <= size < 2**63 and re.fullmatch(r"[0-9a-f]{64}", found) is not None
    return False


def _is_provenance(found: object) -> bool:
    """Whether it says what its readers expect of those things that they look at."""
    if not isinstance(found, dict):
        return False
    times = (found.get(name, 0) for name in ("started", "finished", "seconds"))
    groups = (found.get(name, {}) for name in ("versions", "machine"))
    return (
        all(isinstance(time, int | float) and abs(time) < 1e11 for time in times)
        and all(isinstance(group, dict) for group in groups)
        and all(isinstance(number, str) for number in found.get("versions", {}).values())
    )


def _depth(item: Any) -> int:
    depth, level = 0, [item]
    while level := [each for one in level for each in (one.values() if isinstance(one, dict) else one)
                    if isinstance(each, dict | list)]:  # fmt: skip
        depth += 1
    return depth


def describe(folder: Path) -> dict[str, tuple[str, int]]:
    """Checksum and size of every file below `folder`. What cannot be an artifact's file is a UserError."""
    root = folder.resolve()
    found: dict[str, tuple[str, int]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise UserError(f"{name} is a symbolic link that leads out of the artifact: save a copy of what it names")
        if path.is_file():
            found[name] = (digest(path), path.stat().st_size)
    if why := names.fault(found):
        raise UserError(f"the artifact cannot be stored: {why}; save its files under other names")
    return found


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
