"""What all tests share. Beside it lie modules that several tests import: it puts their folder on the path."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("outgrow", deadline=None)  # a busy machine is no finding
settings.load_profile("outgrow")


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data sets; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("OUTGROW_DATA", Path(__file__).parents[1] / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set OUTGROW_DATA")
    return folder
