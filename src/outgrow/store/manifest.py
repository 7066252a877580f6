"""The manifest of an artifact: its files with their checksums, the identity of the step, and provenance.

An artifact exists if and only if its manifest does.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from outgrow.store import names
from outgrow.store.names import PREFIX
from outgrow.types import UserError

DEEPEST = 60  # the largest nesting depth of an identity, ten times that of real ones
LIBRARIES = ("outgrow", "torch", "numpy", "transformers", "tokenizers", "scikit-learn")


class Damaged(Exception):  # noqa: N818 - callers handle it as a result
    """An artifact is missing files, or its bytes differ from those that were committed."""

    def __init__(self, key: str, prefix: str, why: str) -> None:
        super().__init__(key, prefix, why)
        self.key, self.prefix, self.why = key, prefix, why

    def __str__(self) -> str:
        return f"{self.key} is damaged: {self.why}"


class Gone(Damaged):
    """An artifact has gone from the store. If it is there again, somebody has committed it since."""

    def __init__(self, key: str, prefix: str = "", why: str = "it has gone from the store") -> None:
        super().__init__(key, prefix, why)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """files: from relative name to (SHA-256, bytes). prefix: the subfolder of the key's folder that has the files."""

    key: str
    prefix: str
    identity: dict[str, Any]
    files: dict[str, tuple[str, int]]
    provenance: dict[str, Any] = field(default_factory=dict)

    def dump(self) -> bytes:
        """The manifest as JSON with a checksum."""
        body = json.loads(json.dumps(asdict(self)))
        return json.dumps({"checksum": _checksum(body), **body}, indent=1).encode()

    @classmethod
    def parse(cls, key: str, data: bytes) -> Self:
        """Parses the bytes of a manifest. Raises Damaged if they were changed or if a name leads out of the folder, and
        UserError for a whole manifest of a newer format, which must not be taken for damage."""
        try:
            body = json.loads(data, object_pairs_hook=_without_duplicates, parse_constant=_refuse)
            checksum = body.pop("checksum")
            if (newer := body.keys() - {each.name for each in fields(cls)}) and checksum == _checksum(body):
                raise UserError(
                    f"{key} is of a newer version of outgrow ({min(newer)!r}): update it, or name another store"
                )
            manifest = cls(**{**body, "files": {name: tuple(file) for name, file in body["files"].items()}})
            unchanged = checksum == _checksum(body)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Damaged(key, "", "its manifest cannot be read") from None
        if why := _fault(manifest):
            raise Damaged(key, "", why)
        if not unchanged or manifest.key != key:
            raise Damaged(key, manifest.prefix, "its manifest has changed")
        return manifest

    @property
    def bytes(self) -> int:
        """The total size of the files."""
        return sum(size for _, size in self.files.values())


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is given twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


def _fault(manifest: Manifest) -> str:
    """What is invalid in a manifest, even if its checksum is right; "" if nothing is."""
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
        case (str(checksum), int(size)) if not isinstance(size, bool):
            return 0 <= size < 2**63 and re.fullmatch(r"[0-9a-f]{64}", checksum) is not None
    return False


def _is_provenance(provenance: object) -> bool:
    """Whether the entries that are read have the expected types."""
    if not isinstance(provenance, dict):
        return False
    times = (provenance.get(name, 0) for name in ("started", "finished", "seconds"))
    groups = (provenance.get(name, {}) for name in ("versions", "machine"))
    return (
        all(isinstance(time, int | float) and abs(time) < 1e11 for time in times)
        and all(isinstance(group, dict) for group in groups)
        and all(isinstance(number, str) for number in provenance.get("versions", {}).values())
    )


def _depth(item: Any) -> int:
    depth, level = 0, [item]
    while level := [child for one in level for child in (one.values() if isinstance(one, dict) else one)
                    if isinstance(child, dict | list)]:  # fmt: skip
        depth += 1
    return depth


def describe(folder: Path) -> dict[str, tuple[str, int]]:
    """Checksum and size of every file below `folder`. Raises UserError for links out of it and for invalid names."""
    root = folder.resolve()
    files: dict[str, tuple[str, int]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise UserError(f"{name} is a symbolic link that leads out of the artifact: save a copy of what it names")
        if path.is_file():
            files[name] = (digest(path), path.stat().st_size)
    if why := names.fault(files):
        raise UserError(f"the artifact cannot be stored: {why}; save its files under other names")
    return files


def digest(path: Path) -> str:
    """The SHA-256 of a file, 64 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checksum(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


@cache
def versions() -> dict[str, str]:
    """The installed versions of libraries that can change results, without importing them."""
    installed = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


@cache
def machine() -> dict[str, Any]:
    """The kind of machine: equal kinds give equal bytes."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = (line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line)
        cpu = next(names, cpu)
    return {"arch": platform.machine(), "cpu": cpu, "cores": os.cpu_count(), "system": platform.system()}
