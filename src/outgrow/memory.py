"""A lack of memory: its errors, of a machine or a limit such as `ulimit -v`, whatever a library calls them; and a limit
for a part of the work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATM = Path("/proc/self/statm")  # Linux; its first number counts the pages of the address space

SIGNS = (
    *("bad_alloc", "cannot allocate memory", "can't allocate memory", "unable to allocate", "out of memory"),
    *("failed to map segment", "can't start new thread"),
)  # of C++, the kernel, torch, numpy, CUDA, the dynamic linker and Python's threads, in lower case
HINT = "free some, raise the limit, or use fewer --workers, a smaller --microbatch or smaller models"


def out_of_memory(error: BaseException | None) -> str | None:
    """One line for the user if a lack of memory is the cause of an error, also if a library has wrapped it; else None.

    >>> out_of_memory(MemoryError())
    'not enough memory: free some, raise the limit, or use fewer --workers, a smaller --microbatch or smaller models'
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        text = str(error).lower()
        if isinstance(error, MemoryError) or any(sign in text for sign in SIGNS):
            return f"not enough memory: {HINT}"
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def at_most(more: int) -> Iterator[None]:
    """Limits how many bytes the process may ask for in the `with` block, beyond what it has; then a MemoryError.

    Without effect where the system does not tell how many it has.
    """
    if not _STATM.is_file():
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = int(_STATM.read_text().split()[0]) * resource.getpagesize() + more
    known = [each for each in (limit, soft, hard) if each != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(known), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
