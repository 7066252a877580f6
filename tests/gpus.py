"""GPUs that do not exist, for tests of what is done with their numbers. As a program it is a worker that has them:

`gpus.py MEMORY_GB,MEMORY_GB work EXPERIMENT ...` is `outgrow work ...` on such a machine.
"""

from __future__ import annotations

import sys

import pytest

from outgrow.executors import _gpus
from outgrow.executors._gpus import GPU


def invented(*memory_gb: float) -> list[GPU]:
    return [GPU(number=i, identity=f"GPU-{i}", memory_gb=gb) for i, gb in enumerate(memory_gb)]


def invent(monkeypatch: pytest.MonkeyPatch, *memory_gb: float) -> None:
    """Let this process see GPUs with so much memory."""
    monkeypatch.setattr(_gpus, "found", lambda: invented(*memory_gb))


if __name__ == "__main__":
    from outgrow.__main__ import main
    from outgrow.training import network

    there = invented(*map(float, sys.argv.pop(1).split(",")))
    _gpus.found = lambda: there
    network.check_device = lambda settings: None
    sys.exit(main())
