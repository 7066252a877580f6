"""Errors of disks and servers: which are temporary and retried, and how the others are reported."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from outgrow.types import UserError

FULL = {errno.ENOSPC, errno.EDQUOT}
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
BROKEN = {errno.EIO, errno.EFBIG, errno.ENXIO, errno.ENODEV, errno.ESTALE}
TEMPORARY = {
    *(errno.EAGAIN, errno.EBUSY, errno.EIO, errno.EREMOTEIO, errno.EPIPE, errno.ETIMEDOUT, errno.ECONNRESET),
    *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN),
}  # temporary errors of a server; a local disk is not retried
CLIENTS = {"aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "http", "requests", "urllib3"}
INTERRUPTED = {
    *("HTTPClientError", "ClientError", "HTTPException", "HTTPError", "IncompleteReadError", "ResponseParserError"),
    *("TransportError", "RequestException", "EndpointConnectionError"),
}  # the names of each client's errors for an interrupted connection or response
RETRIED = 60.0  # seconds for which requests to a server are retried
FORBIDDEN = 5.0  # seconds for which a 403 is retried, which is seldom temporary
REFUSALS = 4  # attempts at least after a 403, however long each takes: one of many requests may fail
PAUSE, LONGEST_PAUSE = 0.25, 15.0  # seconds: the pause before the first retry, which doubles, and the longest pause
LITTLE = 1 << 20  # bytes: a disk with less free space counts as full

R = TypeVar("R")


class StoreError(UserError):
    """A store or its machine is in trouble: full, broken or out of reach. The same may work elsewhere, or later."""


def with_retries(attempt: Callable[[], R], done: Callable[[], int] = lambda: 0) -> R:
    """The result of `attempt`. Temporary errors are retried with exponential backoff and random jitter, so that many
    clients do not retry at the same time.

    done: how much of the work is done, of an attempt that goes on where the last one failed. While it grows, the time
    begins anew: of many requests to a slow server some always fail.
    """
    started, pause, attempts, before = time.monotonic(), PAUSE, 0, done()
    while True:
        try:
            return attempt()
        except Exception as error:
            if (now := done()) > before:
                started, pause, attempts, before = time.monotonic(), PAUSE, 0, now
            wait, attempts, limit = pause * random.uniform(0.5, 1.0), attempts + 1, retry_seconds(error)
            late = time.monotonic() - started + wait > limit
            if late and not (limit == FORBIDDEN and attempts < REFUSALS):
                raise
        time.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE)


def client_options(url: str) -> dict[str, Any]:
    """Options with which fsspec opens a client of a server. botocore's own retries are off: a server that never answers
    would be asked fifty times, for 15 seconds each. What the user configures for fsspec counts first."""
    from fsspec.config import conf

    scheme = url.partition("://")[0]
    if scheme not in ("s3", "s3a"):
        return {}
    configured = conf.get(scheme, {}).get("config_kwargs", {})
    return {"config_kwargs": {"retries": {"max_attempts": 0}, **configured}}


def retry_seconds(error: Exception) -> float:
    """The number of seconds for which requests with this error are retried; 0 for permanent errors."""
    if isinstance(error, UserError | FileNotFoundError | FileExistsError):
        return 0.0
    status = _status(error)
    if status == 403 or isinstance(error, PermissionError):
        return FORBIDDEN
    if status is not None and status != 409 and status != 429 and status < 500:
        return 0.0
    temporary = isinstance(error, TimeoutError) or (isinstance(error, OSError) and error.errno in {*TEMPORARY, None})
    return RETRIED if temporary or status is not None or _is_interruption(error) else 0.0


def is_remote(error: BaseException) -> bool:
    """Whether an error comes from a client library of a server."""
    return any(kind.__module__.partition(".")[0] in CLIENTS for kind in type(error).__mro__)


def _is_interruption(error: Exception) -> bool:
    return is_remote(error) and any(kind.__name__ in INTERRUPTED for kind in type(error).__mro__)


def _status(error: BaseException) -> int | None:
    """The HTTP status of an error or its cause; None if there is none."""
    for source in (error, error.__cause__):
        if type(source).__module__ == "aiohttp.http_exceptions":
            continue  # the client's code for an answer that was cut off, not what the server said
        response = getattr(source, "response", None)
        code = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
        for status in (code, getattr(source, "status", None), getattr(source, "code", None)):
            if isinstance(status, int) and 400 <= status < 600:
                return status
    return None


def cause(error: BaseException | None, folder: Path | None = None, root: Path | None = None) -> int | None:
    """The errno of a full or broken disk behind an error, or of one that has become read-only, also if a library has
    wrapped it; None if it is none of these.

    folder: the folder that was written to. If its disk is full, that is the cause unless an error gives another.
    root: the folder of a local store; a file elsewhere that is read-only is not its concern.
    """
    free = shutil.disk_usage(folder).free if folder and folder.exists() else LITTLE
    chain = list(_chain(error))
    if any(map(is_remote, chain)):
        return None  # an error of a server, not of a disk
    for link in chain:
        code = link.errno if isinstance(link, OSError) else None
        text = str(link)
        if match := re.search(r"\(os error (\d+)\)|\[Errno (\d+)\]", text):
            code = code or int(match[1] or match[2])
        named = FULL | {errno.EIO, errno.EROFS}
        code = code or next((number for number in named if os.strerror(number) in text), None)
        if code in FULL | BROKEN or (code == errno.EROFS and not _is_elsewhere(link, root)):
            return code
    return errno.ENOSPC if free < LITTLE else None


def _is_elsewhere(error: BaseException, folder: Path | None) -> bool:
    """Whether an error names a file outside the folder: one that a step writes for itself."""
    name = getattr(error, "filename", None)
    return folder is not None and isinstance(name, str) and not Path(name).is_relative_to(folder)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its cause or context, and so on."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def one_line(error: Any) -> str:
    """An error's message on one line, at most 300 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."
