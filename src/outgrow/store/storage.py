"""File operations of a store, below a local folder or a remote URL, with errors as one-line messages.

No operation leaves the root. A symbolic link to a place outside is neither written through nor read: it counts as an
empty file, so that its artifact is found to be damaged.
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

from outgrow.store.trouble import (
    CLOSED,
    FULL,
    StoreError,
    cause,
    client_options,
    is_remote,
    one_line,
    with_retries,
)
from outgrow.types import UserError

# Read in one request: s3fs else asks for the size of each file first, and lists its folder where there is none.
AT_ONCE = {"max_concurrency": 1}
AT_A_TIME = 200  # files that are read at the same time
ATTEMPTS = 10  # how often an operation is tried if other processes work in the same folder

P = ParamSpec("P")
R = TypeVar("R")
Operation = Callable[Concatenate["Storage", P], R]


def _reads(operation: Operation[P, R]) -> Operation[P, R]:
    """Decorates a reading operation: temporary errors are retried, and the last error becomes a UserError."""

    @wraps(operation)
    def wrapper(self: Storage, /, *args: P.args, **named: P.kwargs) -> R:
        with self.reading():
            return self.ask(partial(operation, self, *args, **named))

    return wrapper


def _writes(operation: Operation[P, R]) -> Operation[P, R]:
    """Decorates a writing operation in the same way."""

    @wraps(operation)
    def wrapper(self: Storage, /, *args: P.args, **named: P.kwargs) -> R:
        with self.writing():
            return self.ask(partial(operation, self, *args, **named))

    return wrapper


@dataclass(frozen=True)
class Storage:
    """A folder, or a URL that fsspec supports. Paths are relative to it, with forward slashes."""

    url: str = field(repr=False)  # may contain a password

    @cached_property
    def local(self) -> Path | None:
        """The folder, if the store is on this machine; otherwise None."""
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
            fs, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False, **client_options(self.url))
        except (ImportError, ValueError) as error:
            raise UserError(f"the store {self} cannot be opened: {one_line(error)}") from None
        return fs, root.rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}  # connections are not pickled

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else self.url

    def ask(self, attempt: Callable[[], R], done: Callable[[], int] = lambda: 0) -> R:
        """The result of `attempt`. For a remote store, temporary errors are retried, as long as `done` grows."""
        return attempt() if self.local else with_retries(attempt, done)

    def holds(self, path: str) -> bool:
        """Whether a local path is below the root after symbolic links are resolved."""
        resolved = os.path.realpath(self._folder / path)
        return resolved == self._root or resolved.startswith(self._root.rstrip(os.sep) + os.sep)

    def at(self, path: str) -> Path:
        """The absolute local path for writing. Raises UserError if one of its folders is a link out of the store."""
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
        """The names in a folder, from one listing; empty if there is no such folder."""
        try:
            if self.local:
                return {path.name for path in (self.local / folder).iterdir()}
            return {path[len(folder) + 1 :].partition("/")[0] for path in self._found(folder)}
        except FileNotFoundError:
            return set()

    @_reads
    def files(self, folder: str) -> dict[str, tuple[int, float]]:
        """All files below a folder: from relative path to (bytes, modification time in seconds since the epoch)."""
        if self.local:
            return dict(_files(self.local, self.local / folder))
        return {
            path: (info["size"], info["LastModified"].timestamp() if "LastModified" in info else 0)
            for path, info in self._found(folder).items()
        }

    def _found(self, folder: str) -> dict[str, dict[str, Any]]:
        """What the server knows of all files below a folder, by relative path."""
        fs, root = self._opened
        if "s3" in fs.protocol and folder:  # by prefix, since s3fs asks twice more for a folder that is empty
            every = fs.find(root, prefix=f"{folder}/", detail=True)
        else:
            every = fs.find(f"{root}/{folder}".rstrip("/"), detail=True)
        return {path[len(root) + 1 :]: info for path, info in every.items()}

    def read(self, paths: Sequence[str]) -> dict[str, bytes]:
        """The contents of the files among `paths` that exist."""
        found: dict[str, bytes | None] = {}
        for start in range(0, len(paths), AT_A_TIME):  # each part is retried for as long as one file alone
            rest = partial(self._read_rest, paths[start : start + AT_A_TIME], found)
            with self.reading():
                self.ask(rest, lambda: len(found))
        return {path: data for path, data in found.items() if data is not None}

    def _read_rest(self, paths: Sequence[str], found: dict[str, bytes | None]) -> None:
        """Reads the files that are not in `found` yet, so that a retry does not read twice. None: no such file."""
        if self.local:
            found |= {path: self._content(path) for path in paths}
            return
        fs, root = self._opened
        left = {f"{root}/{path}": path for path in paths if path not in found}
        options = AT_ONCE if "s3" in fs.protocol else {}
        contents = fs.cat(list(left), on_error="return", **options) if left else {}
        failed: Exception | None = None
        for full, content in contents.items():
            if isinstance(content, FileNotFoundError):
                found[left[full]] = None
            elif isinstance(content, Exception):
                failed = content
            else:
                found[left[full]] = content
        if failed:
            raise failed

    def _content(self, path: str) -> bytes | None:
        """The bytes of a local file; empty for a folder, a pipe, or a link out of the store. None: no such file."""
        file = self._folder / path
        try:
            if not file.is_file():
                return b"" if file.is_symlink() or file.exists() else None
            return file.read_bytes() if self.holds(path) else b""
        except FileNotFoundError:
            return None

    @_reads
    def ranges(self, path: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes from start to end of each range of a file: fewer where the file ends before, none without it."""
        if self.local is None:
            fs, root = self._opened
            starts, ends = zip(*ranges, strict=True)
            parts = fs.cat_ranges([f"{root}/{path}"] * len(ranges), list(starts), list(ends), on_error="return")
            for part in parts:
                if isinstance(part, Exception) and not isinstance(part, FileNotFoundError):
                    raise part
            return [part if isinstance(part, bytes) else b"" for part in parts]
        file = self._folder / path
        if not (file.is_file() and self.holds(path)):
            return [b""] * len(ranges)
        with file.open("rb") as opened:
            return [os.pread(opened.fileno(), end - start, start) for start, end in ranges]

    @_writes
    def write(self, path: str, data: bytes) -> None:
        """Writes or replaces a file atomically."""
        if self.local:
            target = self.at(path)
            with _draft(target.parent, data) as draft:
                draft.replace(target)
        else:
            fs, root = self._opened
            fs.pipe_file(f"{root}/{path}", data)

    @_writes
    def create(self, path: str, data: bytes) -> bool:
        """Creates a file atomically. Returns False if it exists with other content."""
        try:
            if self.local:
                _link_new(self.at(path), data)
            else:
                fs, root = self._opened
                fs.pipe_file(f"{root}/{path}", data, mode="create")
        except FileExistsError:
            return self.read([path]).get(path) == data  # an earlier attempt of this request may have succeeded
        return True

    def upload(self, source: Path, folder: str) -> None:
        """Uploads all files below the local folder `source`."""
        for path in sorted(source.rglob("*")):
            if path.is_file():
                self._put(path, f"{folder}/{path.relative_to(source).as_posix()}")

    @_writes
    def _put(self, source: Path, path: str) -> None:
        fs, root = self._opened
        fs.put_file(str(source), f"{root}/{path}")

    @_reads
    def download(self, path: str, target: Path) -> None:
        """Downloads a file. Raises FileNotFoundError if there is no such file."""
        fs, root = self._opened
        fs.get_file(f"{root}/{path}", str(target))

    def remove(self, paths: Sequence[str]) -> None:
        """Deletes files, and in a local store also folders that become empty. Missing files are ignored."""
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
        """Converts errors of a full, read-only, broken or unreachable store in the `with` block to UserError.

        folder: a folder to which other code writes in the block, if its errors may not give the cause.
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
                hint = f" ({why}): choose another with --store" if why else f": {one_line(error)}"
                raise StoreError(f"the store {self} cannot be written to{hint}") from error
            if is_remote(error):
                raise StoreError(f"the store {self} cannot be reached: {one_line(error)}") from error
            raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Converts errors of an unreadable or unreachable store to UserError. FileNotFoundError passes through."""
        try:
            yield
        except (UserError, FileNotFoundError):
            raise
        except OSError as error:
            if self.local is None and (full := self.explained(error)):  # the disk of the downloaded copy
                raise full from error
            why = one_line(error.strerror if self.local and error.strerror else error)
            where = f" of {error.filename}" if self.local and error.filename else ""
            raise StoreError(
                f"the store {self} cannot be read ({why}{where}): try again, or choose another with --store"
            ) from error
        except Exception as error:
            if is_remote(error):
                raise StoreError(f"the store {self} cannot be reached: {one_line(error)}") from error
            raise

    def explained(self, error: BaseException, folder: Path | None = None) -> UserError | None:
        """A UserError if a full or broken disk is the cause of an error, also if it is wrapped; otherwise None."""
        code = cause(error, folder, self.local)
        if code is None:
            return None
        where = f"the store {self}" if self.local else f"this machine's cache of the store {self}"
        if code == errno.EROFS:
            why = f"cannot be written to ({os.strerror(code)}): check its disk and run again"
        elif code in FULL:
            why = "is full: free some space (`outgrow check --prune`) and run again"
        else:
            why = f"lies on a disk that failed ({os.strerror(code or 0)}): check it and run again"
        kept = "what is finished and the last checkpoints are kept"
        return StoreError(f"{where} {why}, or choose another with --store; {kept}")


def _files(root: Path, folder: Path) -> Iterator[tuple[str, tuple[int, float]]]:
    """The regular files and links below a folder. Links are not followed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with suppress(FileNotFoundError):
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                    yield path.relative_to(root).as_posix(), (status.st_size, status.st_mtime)


def _link_new(path: Path, data: bytes) -> None:
    """Creates a file atomically: writes it under another name, then links it. Raises FileExistsError if it exists."""
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
    """A temporary file in `folder`. The folder is created again if another process removes it, because it is empty,
    before the file is written."""
    draft = folder / f".{uuid.uuid4().hex}"
    try:
        for attempt in range(ATTEMPTS):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                draft.write_bytes(data)
                break
            except (FileNotFoundError, FileExistsError):  # FileExistsError: removed while `mkdir` was running
                if attempt == ATTEMPTS - 1:
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def flush(folder: Path, files: bool = True) -> None:
    """Flushes a folder and its content to the disk, so that a rename or link afterwards survives a power failure."""
    for path in [*(folder.rglob("*") if files else ()), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
