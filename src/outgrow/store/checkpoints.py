"""Checkpoints in a remote store, by which another machine goes on with a step when its worker is stopped.

checkpoints/<key>.json              the manifest of the last checkpoint of a step, written last
checkpoints/<key>/<prefix>/...      its files

While a step runs its checkpoints stay on its machine; only a worker that is asked to stop uploads the last one.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from outgrow.store.manifest import Damaged, Manifest, describe, digest
from outgrow.store.storage import Storage

FOLDER = "checkpoints"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a remote store."""

    storage: Storage

    def keys(self) -> frozenset[str]:
        """The steps that have one, from one listing."""
        names = self.storage.names(FOLDER)
        return frozenset(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def push(self, key: str, folder: Path) -> None:
        """Uploads a checkpoint in place of an earlier one."""
        before, prefix = self._manifest(key), uuid.uuid4().hex
        self.storage.upload(folder, f"{FOLDER}/{key}/{prefix}")
        manifest = Manifest(key=key, prefix=prefix, identity={"name": folder.name}, files=describe(folder))
        self.storage.write(_path(key), manifest.dump())
        if before:
            self._remove(before)

    def name(self, key: str) -> str:
        """The name of the checkpoint of a step, which orders it among others; "" if there is none."""
        manifest = self._manifest(key)
        return str(manifest.identity.get("name", "")) if manifest else ""

    def pull(self, key: str, target: Path) -> bool:
        """Downloads the checkpoint of a step into the folder `target`. False if there is none that is intact."""
        manifest = self._manifest(key)
        if manifest is None:
            return False
        for name, (expected, _) in manifest.files.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                self.storage.download(f"{FOLDER}/{key}/{manifest.prefix}/{name}", path)
            if not path.is_file() or digest(path) != expected:
                return False
        return True

    def drop(self, key: str) -> None:
        """Removes the checkpoint of a step, whose artifact is stored."""
        if manifest := self._manifest(key):
            self.storage.remove([_path(key)])
            self._remove(manifest)

    def _manifest(self, key: str) -> Manifest | None:
        data = self.storage.read([_path(key)]).get(_path(key))
        try:
            return Manifest.parse(key, data) if data else None
        except Damaged:
            return None

    def _remove(self, manifest: Manifest) -> None:
        self.storage.remove([f"{FOLDER}/{manifest.key}/{manifest.prefix}/{name}" for name in manifest.files])


def _path(key: str) -> str:
    return f"{FOLDER}/{key}.json"
