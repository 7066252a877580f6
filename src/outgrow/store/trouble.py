"""What goes wrong with disks and servers: which errors pass by themselves, and what to tell the user of the others."""

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
PASSING = {
    *(errno.EAGAIN, errno.EBUSY, errno.EIO, errno.EREMOTEIO, errno.EPIPE, errno.ETIMEDOUT, errno.ECONNRESET),
    *(errno.ECONNABORTED, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN),
}  # of a server; a local disk that says so is not asked again
CLIENTS = {"aiobotocore", "aiohttp", "botocore", "gcsfs", "google", "http", "requests", "urllib3"}
BREAKS = {
    *("HTTPClientError", "ClientError", "HTTPException", "HTTPError", "IncompleteReadError", "ResponseParserError"),
    *("TransportError", "RequestException"),
}  # a connection or an answer that broke off, in each client's words
RETRIED = 60.0  # seconds for which a server that does not answer is asked again
FORBIDDEN = 5.0  # seconds for one that says 403, which is seldom an accident
PAUSE, LONGEST_PAUSE = 0.25, 15.0  # seconds before the first new attempt, doubled with each; and at most
LITTLE = 1 << 20  # bytes: a disk with less to spare is full

R = TypeVar("R")


def patiently(attempt: Callable[[], R]) -> R:
    """The answer of a server. Where an error may pass, it is asked again after a pause that grows; each is random, so
    that many who were refused at once do not come back at once."""
    started, pause = time.monotonic(), PAUSE
    while True:
        try:
            return attempt()
        except Exception as error:
            wait = pause * random.uniform(0.5, 1.0)
            if time.monotonic() - started + wait > worth(error):
                raise
        time.sleep(wait)
        pause = min(2 * pause, LONGEST_PAUSE)


def worth(error: Exception) -> float:
    """For how many seconds it is worth to ask a server again that gave this error."""
    if isinstance(error, UserError | FileNotFoundError | FileExistsError):
        return 0.0
    status = _status(error)
    if status == 403 or isinstance(error, PermissionError):
        return FORBIDDEN
    if status is not None and status != 409 and status != 429 and status < 500:
        return 0.0
    passing = isinstance(error, TimeoutError) or (isinstance(error, OSError) and error.errno in {*PASSING, None})
    return RETRIED if passing or status is not None or _is_break(error) else 0.0


def is_remote(error: BaseException) -> bool:
    """Whether it comes from a library that speaks to a server."""
    return any(kind.__module__.partition(".")[0] in CLIENTS for kind in type(error).__mro__)


def _is_break(error: Exception) -> bool:
    return is_remote(error) and any(kind.__name__ in BREAKS for kind in type(error).__mro__)


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error or its cause carries."""
    for each in (error, error.__cause__):
        answer = getattr(each, "response", None)
        found = answer.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(answer, dict) else None
        for status in (found, getattr(each, "status", None), getattr(each, "code", None)):
            if isinstance(status, int) and 400 <= status < 600:
                return status
    return None


def cause(error: BaseException | None, folder: Path | None = None) -> int | None:
    """The errno of a full or broken disk behind an error; libraries wrap it in exceptions of their own.

    folder: where something was being written. If no error says why and the disk has no room left, that is the reason.
    """
    room = shutil.disk_usage(folder).free if folder and folder.exists() else LITTLE
    chain = list(_chain(error))
    if any(map(is_remote, chain)):
        return None  # a server's words, not a disk's
    for each in chain:
        code = each.errno if isinstance(each, OSError) else None
        text = str(each)
        if told := re.search(r"\(os error (\d+)\)|\[Errno (\d+)\]", text):
            code = code or int(told[1] or told[2])
        code = code or next((known for known in FULL | {errno.EIO} if os.strerror(known) in text), None)
        if code in FULL | BROKEN:
            return code
    return errno.ENOSPC if room < LITTLE else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def said(error: Any) -> str:
    """What an error says, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:297]}..."
