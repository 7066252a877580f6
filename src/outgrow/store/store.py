"""Content-addressed artifacts in a folder, on S3, or on another file system that fsspec supports.

manifests/<key>.json        exists if and only if the artifact exists
manifests/<key>.failed      the step failed on a worker that shares the store with others
<key>/<prefix>/...          the artifact's files; a prefix without a manifest is left over from an unfinished commit
leases/                     which run works on which keys
checkpoints/                checkpoints of steps whose worker was stopped, in a remote store
damaged/                    manifests of damaged artifacts
rows/<name>/                rows of numbers that several artifacts refer to
scratch/<key>/<owner>/      unfinished work, such as checkpoints, of each run that worked on the key (for a remote
                            store, in the cache folder of this machine)
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
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from outgrow.memory import out_of_memory
from outgrow.store.checkpoints import FOLDER as CHECKPOINTS
from outgrow.store.checkpoints import Checkpoints
from outgrow.store.failures import SUFFIX as FAILED
from outgrow.store.failures import Failures
from outgrow.store.lease import FOLDER as LEASES
from outgrow.store.lease import Leases, live_keys
from outgrow.store.manifest import Damaged, Gone, Manifest, describe, digest
from outgrow.store.names import is_key
from outgrow.store.rows import FOLDER as ROWS
from outgrow.store.rows import Rows
from outgrow.store.storage import Storage, flush
from outgrow.types import UserError

MANIFESTS, SET_ASIDE, SCRATCH = "manifests", "damaged", "scratch"
CHECKPOINT = re.compile(r"checkpoint-[0-9]{9}")
ABANDONED = 3600.0  # seconds without changes after which an unfinished file counts as abandoned


@dataclass(frozen=True)
class Check:
    """The result of verifying a store: the intact keys, and for damaged keys what is wrong. rows: the same for the
    segments of rows that are damaged, by path."""

    intact: tuple[str, ...]
    damaged: dict[str, str]
    rows: dict[str, str]


@dataclass(frozen=True)
class Store:
    """A store of finished artifacts. url: a folder, or a URL that fsspec supports (`s3://bucket/prefix`)."""

    url: str = field(repr=False)

    @cached_property
    def storage(self) -> Storage:
        """The file operations of the store."""
        return Storage(str(self.url))

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}

    def __str__(self) -> str:
        """The URL without credentials."""
        return str(self.storage)

    def listing(self) -> frozenset[str]:
        """The keys of all finished artifacts, from one listing."""
        return self.listings()[0]

    def listings(self) -> tuple[frozenset[str], frozenset[str]]:
        """The keys of all finished artifacts, and of the steps with a record of a failure, from one listing."""
        names = self.storage.names(MANIFESTS)
        return _keys(names, ".json"), _keys(names, FAILED)

    @cached_property
    def failures(self) -> Failures:
        """The records of steps that failed on workers that share the store."""
        return Failures(self.storage, MANIFESTS)

    def has(self, key: str) -> bool:
        """Whether there is an artifact of this key."""
        return bool(self.storage.read([_manifest(key)]))

    def manifests(self, keys: Collection[str]) -> dict[str, Manifest | Damaged]:
        """The manifests of those of the keys that have an artifact. For an invalid manifest, the error."""
        parsed: dict[str, Manifest | Damaged] = {}
        for path, data in self.storage.read([_manifest(key) for key in keys]).items():
            key = path.removeprefix(f"{MANIFESTS}/").removesuffix(".json")
            try:
                parsed[key] = self._known[key] = Manifest.parse(key, data)
            except Damaged as damage:
                parsed[key] = damage
        return parsed

    def manifest(self, key: str) -> Manifest:
        """The manifest of an artifact. Raises KeyError if there is none, Damaged for an invalid manifest."""
        match self.manifests([key]).get(key):
            case Manifest() as manifest:
                return manifest
            case Damaged() as damage:
                raise damage
        raise KeyError(f"{self} holds no {key}")

    def fetch(self, key: str, only: Collection[str] | None = None) -> Path:
        """A local folder with the artifact's files, after verifying their checksums. Do not write to it.

        only: the names of the files to fetch, ignoring names that the artifact does not have; None: all files. Raises
        Damaged for an artifact that is missing or damaged.
        """
        known = self._known
        if manifest := known.get(key):
            with suppress(Damaged):  # another run may have set it aside and computed it again
                return self._fetched(manifest, only)
        try:
            manifest = self.manifest(key)
        except KeyError:
            raise Gone(key) from None
        return self._fetched(manifest, only)

    def _fetched(self, manifest: Manifest, only: Collection[str] | None) -> Path:
        key, folder = manifest.key, self._local_folder(manifest)
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
        """Calls `save` with an empty folder and commits its content as the artifact of `key`.

        Returns False, and discards the content, if another run has committed the key before.
        """
        path, prefix = _manifest(key), uuid.uuid4().hex
        with self._draft(key, prefix) as folder:
            with self.storage.writing(folder):
                save(folder)
            files = describe(folder)
        manifest = Manifest(key=key, prefix=prefix, identity=identity, files=files, provenance=provenance)
        first = self.storage.create(path, manifest.dump())
        if first:
            self._known[key] = manifest
        else:
            self.storage.remove([f"{key}/{prefix}/{name}" for name in files])
        return first

    def quarantine(self, damage: Damaged) -> None:
        """Moves the manifest of a damaged artifact to damaged/, unless the artifact has been replaced since."""
        if isinstance(damage, Gone):
            return
        path = _manifest(damage.key)
        self._known.pop(damage.key, None)
        data = self.storage.read([path]).get(path)
        if data is None or (damage.prefix and damage.prefix.encode() not in data):
            return
        self.storage.write(f"{SET_ASIDE}/{damage.key}.{uuid.uuid4().hex[:8]}.json", data)
        self.storage.remove([path])

    def scratch(self, key: str, owner: str = "alone") -> Path:
        """A local folder for the unfinished work of an owner of the lease of `key`.

        The newest checkpoint of earlier owners, whether they still run or not, is moved into it. The rest of their work
        is deleted.
        """
        _manifest(key)
        name = f"{SCRATCH}/{key}"
        above = self.storage.at(f"{name}/{owner}/file").parents[1] if self.storage.local else self._cache / name
        with self.storage.writing():
            (above / owner).mkdir(parents=True, exist_ok=True)
            take_over(above, above / owner)
        return above / owner

    def push_checkpoint(self, key: str, folder: Path) -> None:
        """Uploads a checkpoint to a remote store, so that another machine can go on with a step. In a folder it is
        there already."""
        if self.storage.local is None:
            Checkpoints(self.storage).push(key, folder)

    def pull_checkpoint(self, key: str, scratch: Path) -> bool:
        """Downloads the checkpoint that another machine left in a remote store, unless there is a newer one here.
        Returns whether there is one in the store."""
        if self.storage.local is not None:
            return False
        remote = Checkpoints(self.storage)
        name = remote.name(key)
        if not CHECKPOINT.fullmatch(name) or any(each.name >= name for each in scratch.glob("checkpoint-*")):
            return bool(name)
        draft = scratch / f"draft-{uuid.uuid4().hex}"
        with self.storage.writing(scratch):
            draft.mkdir()
        if remote.pull(key, draft):
            draft.rename(scratch / name)
        else:
            shutil.rmtree(draft, ignore_errors=True)
        return True

    def drop_checkpoint(self, key: str) -> None:
        """Removes the checkpoint of a step from a remote store."""
        Checkpoints(self.storage).drop(key)

    def leases(self, worker: str = "") -> Leases:
        """The leases of one run, which keep other runs from doing the same work. worker: its name in `status`."""
        return Leases(self.storage, worker)

    def check(self) -> Check:
        """Verifies the checksums of all artifacts."""
        self._known.clear()  # manifests are read again, too
        intact, damaged = [], {}
        for key in sorted(self.listing()):
            try:
                self.fetch(key)
                intact.append(key)
            except Damaged as damage:
                damaged[key] = damage.why
        rows = {
            path: why for name in sorted(self.storage.names(ROWS)) for path, why in self.rows(name).damaged().items()
        }
        return Check(tuple(intact), damaged, rows)

    def rows(self, name: str) -> Rows:
        """The rows of a name such as `rows-3f9ac01b2d4e`."""
        _manifest(name)
        return Rows(self.storage, name)

    def discard_rows(self, path: str) -> None:
        """Deletes a segment of rows. Its rows are computed again when they are needed."""
        self.storage.remove([f"{path}.index", f"{path}.values"])

    def prune(self, keep: Set[str]) -> int:
        """Deletes all artifacts and rows except those in `keep`, damaged artifacts, and files of unfinished commits.

        Returns the number of bytes freed. Keys that a live run computes and files that are not part of a store are left
        alone.
        """
        manifests = self.manifests(self.listing())
        folders = {f"{key}/{m.prefix}": key in keep for key, m in manifests.items() if isinstance(m, Manifest)}
        cutoff = time.time() - ABANDONED
        live = {key.partition(".")[0] for key in live_keys(self.storage, cutoff)}
        sizes = {
            path: size
            for path, (size, modified) in self.storage.files("").items()
            if self._is_unneeded(path, keep, folders, modified < cutoff) and not any(key in path for key in live)
        }
        self.storage.remove(sorted(sizes, key=lambda path: not path.startswith(MANIFESTS)))  # manifests first
        if self.storage.local is None:
            for copy in {*self._cache.glob("*-*"), *self._cache.glob(f"{SCRATCH}/*")}:
                if copy.name not in keep | live:
                    shutil.rmtree(copy, ignore_errors=True)
        return sum(sizes.values())

    def _is_unneeded(self, path: str, keep: Collection[str], folders: dict[str, bool], old: bool) -> bool:
        """Whether no kept artifact needs the file. folders: for each artifact's folder, whether it is kept."""
        top, _, rest = path.partition("/")
        if top == LEASES:
            return old
        if top == MANIFESTS:
            return old if rest.startswith(".") else rest.removesuffix(".json") not in keep
        if top == SCRATCH:
            return rest.partition("/")[0] not in keep
        if top == CHECKPOINTS:
            return rest.partition("/")[0].removesuffix(".json") not in keep
        if top == SET_ASIDE:
            return True
        if top == ROWS:
            return rest.partition("/")[0] not in keep
        if not is_key(top):
            return False
        return not folders.get(f"{top}/{rest.partition('/')[0]}", not old)

    def owns(self, path: Path) -> bool:
        """Whether a path on this machine is in one of the folders that the store uses."""
        if self.storage.local is None:
            return False
        real, root = Path(os.path.realpath(path)), Path(os.path.realpath(self.storage.local))
        if not real.is_relative_to(root):
            return False
        top = (*real.relative_to(root).parts, "")[0]
        return is_key(top) or top in (MANIFESTS, LEASES, SET_ASIDE, ROWS, SCRATCH, CHECKPOINTS)

    def explained(self, error: BaseException) -> str | None:
        """A message for the user if a full or broken disk, or a lack of memory, is the cause of `error`; or None."""
        explanation = self.storage.explained(error)
        return str(explanation) if explanation else out_of_memory(error)

    @property
    def _known(self) -> dict[str, Manifest]:
        """The manifests that this process knows of a remote store. Those of a folder are read each time."""
        return {} if self.storage.local else _manifests_of(self.url)

    @cached_property
    def _cache(self) -> Path:
        """The folder for this machine's copies and checkpoints of a remote store."""
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
        """An empty folder. After the `with` block its files are in the store and flushed, but not yet an artifact."""
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


@lru_cache(maxsize=8)
def _manifests_of(url: str) -> dict[str, Manifest]:
    """The manifests of a remote store that this process has read or written, by key: they are committed once."""
    return {}


def _keys(names: Collection[str], suffix: str) -> frozenset[str]:
    stems = (name.removesuffix(suffix) for name in names if name.endswith(suffix))
    return frozenset(key for key in stems if is_key(key))


def _manifest(key: str) -> str:
    """The path of the manifest of `key`. Raises UserError for an invalid key, which might lead out of the store."""
    if not is_key(key):
        raise UserError(f"{ascii(key)[:90]} is not a key of a step: write one such as fit-3f9ac01b2d4e")
    return f"{MANIFESTS}/{key}.json"


def take_over(above: Path, target: Path) -> None:
    """Moves the newest complete checkpoint in the folders below `above` into `target`, and deletes the other folders.

    Renaming is atomic, so an earlier owner that still runs may write, move and delete files at the same time.
    """
    while True:
        folders = [folder for folder in _folders(above) if folder != target]
        paths = [path for folder in (*folders, target) for path in _folders(folder) if CHECKPOINT.fullmatch(path.name)]
        newest = max(paths, key=lambda path: path.name, default=None)
        if newest is None or newest.parent == target:
            break
        with suppress(FileNotFoundError):
            newest.rename(target / newest.name)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _folders(above: Path) -> list[Path]:
    """The subfolders of a folder, without symbolic links."""
    try:
        return [Path(entry.path) for entry in os.scandir(above) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
