"""What all tests share. Beside it lie modules that several tests import: it puts their folder on the path."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["expected_skips"]
settings.register_profile("outgrow", deadline=None)  # a busy machine is no finding
settings.load_profile("outgrow")

BESIDE = Path(__file__).parents[2] / "shared" / "data"  # beside a checkout; outgrow itself looks at OUTGROW_DATA alone
if BESIDE.is_dir():
    os.environ.setdefault("OUTGROW_DATA", str(BESIDE))
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:  # as in a background job, or under nohup: tests send signals
        signal.signal(number, handler)
os.environ["HF_HUB_OFFLINE"] = "1"  # no test needs a network, and the hub's client tries for half a minute


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data sets; tests that need it skip where it is absent."""
    folder = os.environ.get("OUTGROW_DATA", "")
    if not Path(folder or "nowhere").is_dir():
        pytest.skip("no real data: set OUTGROW_DATA")
    return Path(folder).resolve()


@pytest.fixture(autouse=True)
def _no_stop_is_left() -> Iterator[None]:
    """A process that is asked to stop computes nothing more: a test that leaves it so would break those after it."""
    yield
    if context := sys.modules.get("outgrow.graph.context"):
        left = context.STOPPING.is_set()
        context.STOPPING.clear()
        assert not left, "the test has left the process asked to stop"
