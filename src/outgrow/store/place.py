"""Files below one root, on this machine or elsewhere: the few operations a store needs, and what their errors mean."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from outgrow.types import UserError

FULL = {errno.ENOSPC, errno.EDQUOT}
RIVALS = 10  # attempts where others are at work in the same place
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class Place:
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
    def _opened(self) -> tuple[Any, str]:
        import fsspec

        try:
            fs, root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise UserError(f"the store {self} cannot be opened: {error}") from None
        return fs, root.rstrip("/")

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}  # connections stay in the process that opened them

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else self.url

    def names(self, folder: str) -> set[str]:
        """The entries of a folder, in one listing; none if there is no such folder."""
        with self._reading():
            try:
                if self.local:
                    return {path.name for path in (self.local / folder).iterdir()}
                fs, root = self._opened
                found = fs.ls(f"{root}/{folder}".rstrip("/"), detail=False)
            except FileNotFoundError:
                return set()
            return {path.rstrip("/").rpartition("/")[2] for path in found} - {""}

    def files(self, folder: str) -> dict[str, tuple[int, float]]:
        """Every file below a folder: relative path -> (bytes, modification time in seconds since the epoch)."""
        with self._reading():
            if self.local:
                found = [path for path in (self.local / folder).rglob("*") if path.is_file()]
                return {
                    str(path.relative_to(self.local)): (path.stat().st_size, path.stat().st_mtime) for path in found
                }
            fs, root = self._opened
            every = fs.find(f"{root}/{folder}".rstrip("/"), detail=True)
            return {
                path[len(root) + 1 :]: (info["size"], info["LastModified"].timestamp() if "LastModified" in info else 0)
                for path, info in every.items()
            }

    def read(self, paths: Sequence[str]) -> dict[str, bytes]:
        """The contents of the files among `paths` that exist."""
        with self._reading():
            if self.local:
                found: dict[str, bytes] = {}
                for path in paths:
                    with suppress(FileNotFoundError):
                        found[path] = (self.local / path).read_bytes()
                return found
            fs, root = self._opened
            answers = fs.cat([f"{root}/{path}" for path in paths], on_error="return") if paths else {}
            for answer in answers.values():
                if isinstance(answer, Exception) and not isinstance(answer, FileNotFoundError):
                    raise answer
            return {path[len(root) + 1 :]: data for path, data in answers.items() if isinstance(data, bytes)}

    def write(self, path: str, data: bytes) -> None:
        """Write or replace a file; a reader sees the old bytes or the new."""
        with self.writing():
            if self.local:
                target = self.local / path
                with _draft(target.parent, data) as draft:
                    draft.replace(target)
            else:
                fs, root = self._opened
                fs.pipe_file(f"{root}/{path}", data)

    def create(self, path: str, data: bytes) -> bool:
        """Make a file whole and exclusively: False if there is one already."""
        with self.writing():
            try:
                if self.local:
                    _link_new(self.local / path, data)
                else:
                    self._create_remote(path, data)
            except FileExistsError:
                return self.read([path]).get(path) == data  # a retried request may meet its own success
            return True

    def _create_remote(self, path: str, data: bytes) -> None:
        fs, root = self._opened
        for attempt in range(RIVALS):
            try:
                fs.pipe_file(f"{root}/{path}", data, mode="create")
                return
            except OSError as error:  # S3 asks rivals of the same moment to try again
                if "ConditionalRequestConflict" not in str(error) or attempt == RIVALS - 1:
                    raise

    def upload(self, source: Path, folder: str) -> None:
        with self.writing():
            fs, root = self._opened
            for path in sorted(source.rglob("*")):
                if path.is_file():
                    fs.put_file(str(path), f"{root}/{folder}/{path.relative_to(source).as_posix()}")

    def download(self, path: str, target: Path) -> None:
        with self._reading():
            fs, root = self._opened
            fs.get_file(f"{root}/{path}", str(target))

    def remove(self, paths: Sequence[str]) -> None:
        """Delete files, and locally the folders this empties. What is gone already is fine."""
        with self.writing():
            if self.local is None:
                fs, root = self._opened
                for path in paths:
                    with suppress(FileNotFoundError):
                        fs.rm_file(f"{root}/{path}")
                return
            for path in paths:
                file = self.local / path
                file.unlink(missing_ok=True)
                for parent in file.relative_to(self.local).parents[:-1]:
                    with suppress(OSError):
                        (self.local / parent).rmdir()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turns what a full, closed or missing store says into one line for the user."""
        try:
            yield
        except OSError as error:
            raise self.explained(error) from error
        except Exception as error:
            if type(error).__module__.startswith("botocore"):
                raise UserError(f"the store {self} cannot be reached: {error}") from error
            raise

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (PermissionError, NotADirectoryError) as error:
            why = error.strerror or error
            raise UserError(f"the store {self} cannot be read ({why}): choose another with --store") from error
        except Exception as error:
            if type(error).__module__.startswith("botocore"):
                raise UserError(f"the store {self} cannot be reached: {error}") from error
            raise

    def explained(self, error: OSError) -> UserError:
        if error.errno in FULL:
            return UserError(
                f"the store {self} is full: free some space (`outgrow check --prune`) and run again, or choose another "
                "with --store; what is finished and the last checkpoints are kept"
            )
        if error.errno in CLOSED:
            return UserError(f"the store {self} cannot be written to ({error.strerror}): choose another with --store")
        return UserError(f"the store {self} cannot be written to: {error}")


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
