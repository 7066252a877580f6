"""A lack of memory: its errors, of a machine or a limit such as `ulimit -v`, whatever a library calls them; and a limit
for a part of the work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIMITED = threading.RLock()  # the limit is of the process, so one thread at a time sets it
_STATM = Path("/proc/self/statm")  # Linux; its first number counts the pages of the address space

SIGNS = (
    *("bad_alloc", "cannot allocate memory", "can't allocate memory", "unable to allocate", "out of memory"),
    *("failed to map segment", "can't start new thread"),
)  # of C++, the kernel, torch, numpy, CUDA, the dynamic linker and Python's threads, in lower case
HINT = "free some, raise the limit, or use fewer --workers, a smaller --microbatch or smaller models"


def device_out_of_memory(error: BaseException | None) -> bool:
    """Whether a GPU lacks memory, by the name of torch's class, also if a library has wrapped it."""
    return any(type(each).__name__ == "OutOfMemoryError" for each in _causes(error))


def out_of_memory(error: BaseException | None) -> str | None:
    """One line for the user if a lack of memory is the cause of an error, also if a library has wrapped it; else None.

    >>> out_of_memory(MemoryError())
    'not enough memory: free some, raise the limit, or use fewer --workers, a smaller --microbatch or smaller models'
    """
    for each in _causes(error):
        text = str(each).lower()
        if isinstance(each, MemoryError) or any(sign in text for sign in SIGNS):
            return f"not enough memory: {HINT}"
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


@contextmanager
def at_most(more: int) -> Iterator[None]:
    """Limits how many bytes the process may allocate in the `with` block beyond what it has; then a MemoryError.

    It has no effect where the system does not say how many these are.
    """
    if not _STATM.is_file():
        yield
        return
    import resource

    with _LIMITED:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = int(_STATM.read_text().split()[0]) * resource.getpagesize() + more
        known = [each for each in (limit, soft, hard) if each != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_AS, (min(known), hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
