"""Files below one root, on this machine or elsewhere: the few operations a store needs, and what their errors mean.

No operation leaves the root. A symbolic link that leads out of it is neither written through nor read: it counts as a
file without content, so that whoever reads it finds it damaged.
"""

from __future__ import annotations

import errno
import os
import stat
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import urlsplit

from outgrow.store.trouble import BROKEN, CLOSED, FULL, cause, is_remote, patiently, said
from outgrow.types import UserError

RIVALS = 10  # attempts where others are at work in the same folder

P = ParamSpec("P")
R = TypeVar("R")
Operation = Callable[Concatenate["Storage", P], R]


def _reads(operation: Operation[P, R]) -> Operation[P, R]:
    """An operation that is tried again where that helps, and whose last error is one line."""

    @wraps(operation)
    def tried(self: Storage, /, *args: P.args, **named: P.kwargs) -> R:
        with self.reading():
            return self.ask(partial(operation, self, *args, **named))

    return tried


def _writes(operation: Operation[P, R]) -> Operation[P, R]:
    @wraps(operation)
    def tried(self: Storage, /, *args: P.args, **named: P.kwargs) -> R:
        with self.writing():
            return self.ask(partial(operation, self, *args, **named))

    return tried


@dataclass(frozen=True)
class Storage:
    """A folder or a URL that fsspec knows. Paths are relative to it, with forward slashes."""

    url: str = field(repr=False)  # may carry a password

    @cached_property
    def local(self) -> Path | None:
        """The folder itself, when it is on this machine."""
        scheme, _, rest = self.url.partition("://")
        if rest and scheme not in ("file", "local"):
            return None
        return Path(rest or self.url).expanduser().absolute()

    @cached_property
    def _root(self) -> str:
        return os.path.realpath(self.local or "")

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        import fsspec

        try:
            fs, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise UserError(f"the store {self} cannot be opened: {said(error)}") from None
        return fs, root.rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}  # connections stay in the process that opened them

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else self.url

    def ask(self, attempt: Callable[[], R]) -> R:
        """An answer of this store, which is asked again where it is elsewhere and an error may pass."""
        return attempt() if self.local else patiently(attempt)

    def holds(self, path: str) -> bool:
        """Whether a local path stays below the root when its symbolic links are followed."""
        found = os.path.realpath(self._folder / path)
        return found == self._root or found.startswith(self._root.rstrip(os.sep) + os.sep)

    def at(self, path: str) -> Path:
        """Where a local path may be written. UserError if a folder on the way leads out of the store."""
        if not self.holds(os.path.dirname(path)):  # noqa: PTH120
            raise UserError(
                f"the store {self} has a symbolic link that leads out of it on the way to {path}: remove it"
            )
        return self._folder / path

    @property
    def _folder(self) -> Path:
        assert self.local is not None
        return self.local

    @_reads
    def names(self, folder: str) -> set[str]:
        """The entries of a folder, in one listing; none if there is no such folder."""
        try:
            if self.local:
                return {path.name for path in (self.local / folder).iterdir()}
            fs, root = self._opened
            found = fs.ls(f"{root}/{folder}".rstrip("/"), detail=False)
        except FileNotFoundError:
            return set()
        return {path.rstrip("/").rpartition("/")[2] for path in found} - {""}

    @_reads
    def files(self, folder: str) -> dict[str, tuple[int, float]]:
        """Every file below a folder: relative path -> (bytes, modification time in seconds since the epoch)."""
        if self.local:
            return dict(_files(self.local, self.local / folder))
        fs, root = self._opened
        every = fs.find(f"{root}/{folder}".rstrip("/"), detail=True)
        return {
            path[len(root) + 1 :]: (info["size"], info["LastModified"].timestamp() if "LastModified" in info else 0)
            for path, info in every.items()
        }

    def read(self, paths: Sequence[str]) -> dict[str, bytes]:
        """The contents of the files among `paths` that exist."""
        found: dict[str, bytes | None] = {}
        self._read_rest(paths, found)
        return {path: data for path, data in found.items() if data is not None}

    @_reads
    def _read_rest(self, paths: Sequence[str], found: dict[str, bytes | None]) -> None:
        """Read what is not in `found` yet: a new attempt does not ask again for what it has. None: no such file."""
        if self.local:
            found |= {path: self._content(path) for path in paths}
            return
        fs, root = self._opened
        left = {f"{root}/{path}": path for path in paths if path not in found}
        answers = fs.cat(list(left), on_error="return") if left else {}
        failed: Exception | None = None
        for full, answer in answers.items():
            if isinstance(answer, FileNotFoundError):
                found[left[full]] = None
            elif isinstance(answer, Exception):
                failed = answer
            else:
                found[left[full]] = answer
        if failed:
            raise failed

    def _content(self, path: str) -> bytes | None:
        """Empty for what is there and is no file of the store's: a folder, a pipe, a link that leads out of it."""
        file = self._folder / path
        try:
            if not file.is_file():
                return b"" if file.is_symlink() or file.exists() else None
            return file.read_bytes() if self.holds(path) else b""
        except FileNotFoundError:
            return None

    @_writes
    def write(self, path: str, data: bytes) -> None:
        """Write or replace a file; a reader sees the old bytes or the new."""
        if self.local:
            target = self.at(path)
            with _draft(target.parent, data) as draft:
                draft.replace(target)
        else:
            fs, root = self._opened
            fs.pipe_file(f"{root}/{path}", data)

    @_writes
    def create(self, path: str, data: bytes) -> bool:
        """Make a file whole and exclusively: False if there is one already."""
        try:
            if self.local:
                _link_new(self.at(path), data)
            else:
                fs, root = self._opened
                fs.pipe_file(f"{root}/{path}", data, mode="create")
        except FileExistsError:
            return self.read([path]).get(path) == data  # a retried request may meet its own success
        return True

    def upload(self, source: Path, folder: str) -> None:
        for path in sorted(source.rglob("*")):
            if path.is_file():
                self._put(path, f"{folder}/{path.relative_to(source).as_posix()}")

    @_writes
    def _put(self, source: Path, path: str) -> None:
        fs, root = self._opened
        fs.put_file(str(source), f"{root}/{path}")

    @_reads
    def download(self, path: str, target: Path) -> None:
        """Raises FileNotFoundError if there is no such file."""
        fs, root = self._opened
        fs.get_file(f"{root}/{path}", str(target))

    def remove(self, paths: Sequence[str]) -> None:
        """Delete files, and locally the folders this empties. What is gone already is fine."""
        for path in paths:
            self._remove(path)

    @_writes
    def _remove(self, path: str) -> None:
        if self.local is None:
            fs, root = self._opened
            with suppress(FileNotFoundError):
                fs.rm_file(f"{root}/{path}")
            return
        self.at(path).unlink(missing_ok=True)
        for parent in Path(path).parents[:-1]:
            with suppress(OSError):
                (self.local / parent).rmdir()

    @contextmanager
    def writing(self, folder: Path | None = None) -> Iterator[None]:
        """Turns what a full, closed, broken or missing store says into one line for the user.

        folder: where others write inside the block, in ways that do not say why they failed.
        """
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if full := self.explained(error, folder):
                raise full from error
            if isinstance(error, OSError) and folder is None:
                why = error.strerror if error.errno in CLOSED else ""
                hint = f" ({why}): choose another with --store" if why else f": {said(error)}"
                raise UserError(f"the store {self} cannot be written to{hint}") from error
            if is_remote(error):
                raise UserError(f"the store {self} cannot be reached: {said(error)}") from error
            raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turns what a broken or closed disk, or a server, says into one line. FileNotFoundError passes through."""
        try:
            yield
        except (UserError, FileNotFoundError):
            raise
        except OSError as error:
            if self.local is None and (full := self.explained(error)):  # the copy that was being downloaded
                raise full from error
            why = said(error.strerror if self.local and error.strerror else error)
            where = f" of {error.filename}" if self.local and error.filename else ""
            raise UserError(
                f"the store {self} cannot be read ({why}{where}): try again, or choose another with --store"
            ) from error
        except Exception as error:
            if is_remote(error):
                raise UserError(f"the store {self} cannot be reached: {said(error)}") from error
            raise

    def explained(self, error: BaseException, folder: Path | None = None) -> UserError | None:
        """What to tell the user if a full or broken disk is behind an error, whatever it is wrapped in."""
        code = cause(error, folder)
        if code not in FULL | BROKEN:
            return None
        where = f"the store {self}" if self.local else f"this machine's cache of the store {self}"
        if code in FULL:
            why = "is full: free some space (`outgrow check --prune`) and run again"
        else:
            why = f"lies on a disk that failed ({os.strerror(code or 0)}): check it and run again"
        kept = "what is finished and the last checkpoints are kept"
        return UserError(f"{where} {why}, or choose another with --store; {kept}")


def _files(root: Path, folder: Path) -> Iterator[tuple[str, tuple[int, float]]]:
    """Links are given with their own size and are not followed."""
    for parent, _, found in os.walk(folder):
        for name in found:
            path = Path(parent, name)
            with suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                    yield path.relative_to(root).as_posix(), (status.st_size, status.st_mtime)


def _link_new(path: Path, data: bytes) -> None:
    """Write under another name, then link: the file appears whole or not at all, and never replaces another."""
    with _draft(path.parent, data) as draft:
        handle = os.open(draft, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        os.link(draft, path)
        flush(path.parent, files=False)


@contextmanager
def _draft(folder: Path, data: bytes) -> Iterator[Path]:
    """A file in `folder` under a name of its own, gone afterwards if it is still there. Who removes the last file of a
    folder removes the folder: one that goes between the making of it and the draft is made again."""
    draft = folder / f".{uuid.uuid4().hex}"
    try:
        for attempt in range(RIVALS):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                draft.write_bytes(data)
                break
            except (FileNotFoundError, FileExistsError):  # the second where it goes while `mkdir` looks at it
                if attempt == RIVALS - 1:
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def flush(folder: Path, files: bool = True) -> None:
    """Force a folder, and what is below it, to the disk: a rename or link after it survives a power cut."""
    for path in [*(folder.rglob("*") if files else ()), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
