"""Records of steps that failed, so that the other workers of a store do not try them again."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from outgrow.store.owner import fields_of
from outgrow.store.storage import Storage

SUFFIX = ".failed"  # beside the manifests, so that one listing shows what is finished and what has failed
ATTEMPTS = 3  # workers that try a step which fails for a reason that is not the user's to mend


@dataclass(frozen=True, kw_only=True)
class FailureRecord:
    """A step that failed. user_error: the user must change something, so trying again is pointless. attempts: how many
    workers have tried. when: seconds since the epoch."""

    text: str
    user_error: bool
    attempts: int = 1
    host: str = ""
    when: float = 0.0

    @property
    def is_final(self) -> bool:
        """Whether no worker should try the step again."""
        return self.user_error or self.attempts >= ATTEMPTS

    @classmethod
    def parse(cls, data: bytes) -> FailureRecord | None:
        """The record in a file; None for other content."""
        match fields_of(data):
            case {
                "text": str(text), "user_error": bool(user_error), "attempts": int(attempts), "host": str(host),
                "when": float(when),
            }:  # fmt: skip
                return cls(text=text, user_error=user_error, attempts=attempts, host=host, when=when)
        return None


@dataclass(frozen=True)
class Failures:
    """The records of a store. folder: where they are."""

    storage: Storage
    folder: str

    def read(self, keys: Collection[str]) -> dict[str, FailureRecord]:
        """The records of those of the keys that have one."""
        found = self.storage.read([self._path(key) for key in keys])
        records = {path[len(self.folder) + 1 : -len(SUFFIX)]: FailureRecord.parse(data) for path, data in found.items()}
        return {key: record for key, record in records.items() if record}

    def add(self, key: str, text: str, user_error: bool) -> None:
        """Record that a step failed here, beside the attempts before."""
        before = self.read([key]).get(key)
        attempts = before.attempts + 1 if before else 1
        where: dict[str, Any] = {"host": platform.node(), "when": time.time(), "attempts": attempts}
        record = FailureRecord(text=text, user_error=user_error, **where)
        self.storage.write(self._path(key), json.dumps(asdict(record)).encode())

    def forget(self, keys: Collection[str]) -> None:
        """Remove the records of these keys."""
        self.storage.remove([self._path(key) for key in self.read(keys)])

    def _path(self, key: str) -> str:
        return f"{self.folder}/{key}{SUFFIX}"
