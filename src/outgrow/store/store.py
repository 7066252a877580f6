"""Content-addressed artifacts in a folder, on S3 or wherever fsspec reaches.

manifests/<key>.json        exists if and only if the artifact does
<key>/<prefix>/...          its files; a prefix that no manifest names is the rest of an unfinished commit
leases/  damaged/           who works on what; manifests set aside
scratch/<key>/<owner>/      unfinished work, checkpoints among it, of each run that has worked on the key (in a cache
                            folder of this machine when the store is elsewhere)
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Set
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from outgrow.store.lease import FOLDER as LEASES
from outgrow.store.lease import Lease, lease, live_keys
from outgrow.store.manifest import Damaged, Manifest, describe, digest
from outgrow.store.names import is_key
from outgrow.store.storage import Storage, flush
from outgrow.types import UserError

MANIFESTS, SET_ASIDE, SCRATCH = "manifests", "damaged", "scratch"
CHECKPOINT = re.compile(r"checkpoint-[0-9]{9}")
FORGOTTEN = 3600.0  # seconds after which whoever wrote an unfinished file has gone


@dataclass(frozen=True)
class Check:
    """What a look at every byte found: keys that are intact, and what is wrong with the others."""

    intact: tuple[str, ...]
    damaged: dict[str, str]


@dataclass(frozen=True)
class Store:
    """A place for finished artifacts. `url` is a folder, or a URL that fsspec knows (`s3://bucket/prefix`)."""

    url: str = field(repr=False)

    @cached_property
    def storage(self) -> Storage:
        return Storage(str(self.url))

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}

    def __str__(self) -> str:
        """The URL without its secrets."""
        return str(self.storage)

    def listing(self) -> frozenset[str]:
        """The keys of all finished artifacts, in one listing."""
        names = self.storage.names(MANIFESTS)
        found = (name.removesuffix(".json") for name in names if name.endswith(".json"))
        return frozenset(key for key in found if is_key(key))

    def has(self, key: str) -> bool:
        return bool(self.storage.read([_manifest(key)]))

    def manifests(self, keys: Collection[str]) -> dict[str, Manifest | Damaged]:
        """The manifests of the artifacts among `keys`; for one that cannot be trusted, what is wrong with it."""
        found: dict[str, Manifest | Damaged] = {}
        for path, data in self.storage.read([_manifest(key) for key in keys]).items():
            key = path.removeprefix(f"{MANIFESTS}/").removesuffix(".json")
            try:
                found[key] = Manifest.parse(key, data)
            except Damaged as damage:
                found[key] = damage
        return found

    def manifest(self, key: str) -> Manifest:
        """Raises KeyError if there is no such artifact, Damaged if its manifest cannot be trusted."""
        match self.manifests([key]).get(key):
            case Manifest() as manifest:
                return manifest
            case Damaged() as damage:
                raise damage
        raise KeyError(f"{self} holds no {key}")

    def fetch(self, key: str, only: Collection[str] | None = None) -> Path:
        """A local folder with the artifact's files, every checksum verified; to be read only.

        only: the names of the files that are wanted, those that it has; None: all. Raises Damaged.
        """
        try:
            manifest = self.manifest(key)
        except KeyError:
            raise Damaged(key, "", "it has gone from the store") from None
        folder = self._local_folder(manifest)
        for name, (expected, _) in manifest.files.items():
            if only is not None and name not in only:
                continue
            path = folder / name
            if self.storage.local and not self.storage.holds(f"{key}/{manifest.prefix}/{name}"):
                raise Damaged(key, manifest.prefix, f"{name} is a symbolic link that leads out of the store")
            if self.storage.local is None and not (path.is_file() and self._digest(path) == expected):
                self._download(manifest, name, path)
            if not path.is_file():
                raise Damaged(key, manifest.prefix, f"{name} is missing")
            if self._digest(path) != expected:
                raise Damaged(key, manifest.prefix, f"the checksum of {name} is wrong")
        return folder

    def commit(
        self, key: str, save: Callable[[Path], None], *, identity: dict[str, Any], provenance: dict[str, Any]
    ) -> bool:
        """Let `save` fill a folder and make that the artifact of `key`. False if another run was first."""
        path, prefix = _manifest(key), uuid.uuid4().hex
        with self._draft(key, prefix) as folder:
            with self.storage.writing(folder):
                save(folder)
            files = describe(folder)
        manifest = Manifest(key=key, prefix=prefix, identity=identity, files=files, provenance=provenance)
        first = self.storage.create(path, manifest.dump())
        if not first:
            self.storage.remove([f"{key}/{prefix}/{name}" for name in files])
        return first

    def quarantine(self, damage: Damaged) -> None:
        """Take a damaged artifact out of the way, unless someone has replaced it since."""
        path = _manifest(damage.key)
        data = self.storage.read([path]).get(path)
        if data is None or (damage.prefix and damage.prefix.encode() not in data):
            return
        self.storage.write(f"{SET_ASIDE}/{damage.key}.{uuid.uuid4().hex[:8]}.json", data)
        self.storage.remove([path])

    def scratch(self, key: str, owner: str = "alone") -> Path:
        """A local folder for unfinished work of one owner of the lease of `key`. What earlier owners left there, alive
        or not, is taken away from them: the newest of their checkpoints moves into it, the rest is deleted."""
        _manifest(key)
        name = f"{SCRATCH}/{key}"
        above = self.storage.at(f"{name}/{owner}/file").parents[1] if self.storage.local else self._cache / name
        with self.storage.writing():
            (above / owner).mkdir(parents=True, exist_ok=True)
            take_over(above, above / owner)
        return above / owner

    def lease(self, key: str, waiting: Callable[[str], None] = lambda owner: None) -> AbstractContextManager[Lease]:
        """Inside the block nobody else works on `key`, or it is finished. `waiting` is told who has it before."""
        _manifest(key)
        return lease(self.storage, key, waiting, lambda: self.has(key))

    def check(self) -> Check:
        """Verify every byte of every artifact."""
        intact, damaged = [], {}
        for key in sorted(self.listing()):
            try:
                self.fetch(key)
                intact.append(key)
            except Damaged as damage:
                damaged[key] = damage.why
        return Check(tuple(intact), damaged)

    def prune(self, keep: Set[str]) -> int:
        """Delete every artifact but those in `keep`, what was set aside, and what unfinished commits left.

        Returns the bytes freed. Stays away from what a live run computes and from files that are not a store's.
        """
        manifests = self.manifests(self.listing())
        folders = {f"{key}/{m.prefix}": key in keep for key, m in manifests.items() if isinstance(m, Manifest)}
        past = time.time() - FORGOTTEN
        live = live_keys(self.storage, past)
        doomed = {
            path: size
            for path, (size, modified) in self.storage.files("").items()
            if self._is_spare(path, keep, folders, modified < past) and not any(key in path for key in live)
        }
        self.storage.remove(sorted(doomed, key=lambda path: not path.startswith(MANIFESTS)))  # first it ceases to exist
        if self.storage.local is None:
            for copy in {*self._cache.glob("*-*"), *self._cache.glob(f"{SCRATCH}/*")}:
                if copy.name not in keep | live:
                    shutil.rmtree(copy, ignore_errors=True)
        return sum(doomed.values())

    def _is_spare(self, path: str, keep: Collection[str], folders: dict[str, bool], old: bool) -> bool:
        """Whether nothing kept needs the file. `folders` says of every artifact's folder whether it is kept."""
        top, _, rest = path.partition("/")
        if top == LEASES:
            return old
        if top == MANIFESTS:
            return old if rest.startswith(".") else rest.removesuffix(".json") not in keep
        if top == SCRATCH:
            return rest.partition("/")[0] not in keep
        if top == SET_ASIDE:
            return True
        if not is_key(top):
            return False
        return not folders.get(f"{top}/{rest.partition('/')[0]}", not old)

    def explained(self, error: BaseException) -> str | None:
        """One line for the user if a full or broken disk is behind `error`."""
        found = self.storage.explained(error)
        return str(found) if found else None

    @cached_property
    def _cache(self) -> Path:
        """Where this machine keeps copies and checkpoints of a store that is elsewhere."""
        home = os.environ.get("OUTGROW_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "outgrow")
        return Path(home).expanduser() / hashlib.sha256(self.url.encode()).hexdigest()[:12]

    def _digest(self, path: Path) -> str:
        with self.storage.reading():
            try:
                return digest(path)
            except FileNotFoundError:
                return ""

    def _local_folder(self, manifest: Manifest) -> Path:
        return (self.storage.local or self._cache) / manifest.key / manifest.prefix

    def _download(self, manifest: Manifest, name: str, path: Path) -> None:
        draft = path.with_name(f".{uuid.uuid4().hex}")
        try:
            with self.storage.writing():
                path.parent.mkdir(parents=True, exist_ok=True)
            self.storage.download(f"{manifest.key}/{manifest.prefix}/{name}", draft)
            with self.storage.writing():
                draft.replace(path)
        except FileNotFoundError:
            raise Damaged(manifest.key, manifest.prefix, f"{name} is missing") from None
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def _draft(self, key: str, prefix: str) -> Iterator[Path]:
        """A folder to fill; afterwards its files are in the store, on the disk, and not yet an artifact."""
        if self.storage.local is None:
            with tempfile.TemporaryDirectory() as temporary:
                yield Path(temporary)
                self.storage.upload(Path(temporary), f"{key}/{prefix}")
            return
        folder = self.storage.at(f"{key}/{prefix}")
        try:
            with self.storage.writing():
                folder.mkdir(parents=True)
            yield folder
            with self.storage.writing():
                flush(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _manifest(key: str) -> str:
    """Where the manifest of `key` lies. A key that could lie elsewhere is a UserError."""
    if not is_key(key):
        raise UserError(f"{ascii(key)[:90]} is no key of a step: write one such as fit-3f9ac01b2d4e")
    return f"{MANIFESTS}/{key}.json"


def take_over(above: Path, own: Path) -> None:
    """Move the newest whole checkpoint of the folders below `above` into `own`, and delete the other folders. A rename
    is all or nothing, so an owner who was robbed without notice can write, move and delete at the same time."""
    while True:
        folders = [folder for folder in _folders(above) if folder != own]
        left = [path for folder in (*folders, own) for path in _folders(folder) if CHECKPOINT.fullmatch(path.name)]
        last = max(left, key=lambda path: path.name, default=None)
        if last is None or last.parent == own:
            break
        with suppress(FileNotFoundError):
            last.rename(own / last.name)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _folders(above: Path) -> list[Path]:
    """The folders in a folder, symbolic links left out."""
    try:
        return [Path(entry.path) for entry in os.scandir(above) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
