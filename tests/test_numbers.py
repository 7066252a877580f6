"""How numbers are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.numbers import percent, signed, span


@pytest.mark.parametrize(
    ("value", "text"), [(None, "—"), (0.0, "0.0"), (-0.0001, "0.0"), (0.1234, "12.3"), (-0.05, "−5.0"), (1.2, "120.0")]
)
def test_percent(value: float | None, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "—"), (0.0, "0.0"), (0.012, "+1.2"), (-0.003, "−0.3")])
def test_signed(value: float | None, text: str) -> None:
    assert signed(value) == text


def test_an_interval_with_a_minus_is_written_in_words() -> None:
    assert span(0.123, 0.156) == "12.3–15.6"
    assert span(-0.012, 0.034) == "−1.2 to 3.4"
    assert span(None, 0.034) == span(0.1, None) == ""


@given(st.floats(-2, 2), st.floats(-2, 2))
def test_what_is_written_reads_back_to_a_tenth_of_a_point(low: float, high: float) -> None:
    read_back = [float(part.replace("−", "-")) for part in span(low, high).replace(" to ", "–").split("–")]
    assert read_back == [pytest.approx(100 * low, abs=0.051), pytest.approx(100 * high, abs=0.051)]
