"""Fuzzers run for a few seconds in the default tier and for half a minute each in the slow one (`make slow`)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random

import pytest

SHORT, LONG = 3.0, 30.0  # seconds a fuzzer


@pytest.fixture(params=[SHORT, pytest.param(LONG, marks=pytest.mark.slow)], ids=["short", "long"])
def inputs(request: pytest.FixtureRequest) -> Callable[[], Iterator[Random]]:
    """`for rng in inputs():` gives one seeded generator of random numbers an input, until the time is up. The seed is
    the input's number, so that a failure can be repeated: it is printed when the test ends."""

    def draw() -> Iterator[Random]:
        end, number = time.monotonic() + request.param, 0
        while number == 0 or time.monotonic() < end:
            yield Random(number)
            number += 1
            print(f"input {number} was fine")

    return draw
