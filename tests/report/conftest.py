"""An experiment of two methods and three seeds, computed once for all tests that only look at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from browsing import opened
from invented import BETTER, computed, experiment

from outgrow.experiment.definition import Experiment
from outgrow.experiment.technique import Technique
from outgrow.store import Store


@pytest.fixture(scope="session")
def planned() -> Experiment:
    return experiment(methods=(Technique(), BETTER))


@pytest.fixture(scope="session")
def finished(planned: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """All of `planned`, without a failure. To be looked at only."""
    store = Store(str(tmp_path_factory.mktemp("finished")))
    assert not computed(planned, store).failures
    return store


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from opened(tmp_path_factory.mktemp("chromium"))
