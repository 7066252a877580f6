"""The cache of these tests is a folder of their own."""

from __future__ import annotations

import pytest
from cheap import bert  # noqa: F401 - a fixture


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTGROW_CACHE", str(tmp_path_factory.mktemp("cache")))
