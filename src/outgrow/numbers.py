"""Numbers as text: fractions in percent, differences with their sign, intervals."""

from __future__ import annotations

ABSENT = "—"


def percent(value: float | None) -> str:
    """A fraction in percent with one decimal and a minus sign: `12.3`; a dash for None."""
    return ABSENT if value is None else f"{round(100 * value, 1) + 0.0:.1f}".replace("-", "−")


def signed(value: float | None, is_percent: bool = True) -> str:
    """A difference of fractions in points, or of values: `+1.2`, `−0.3`, `0.0`."""
    text = number(value, is_percent)
    return f"+{text}" if value is not None and text[0] not in "−" and float(text) else text


def span(low: float | None, high: float | None, is_percent: bool = True) -> str:
    """An interval of fractions in percent, or of values: `12.3–15.6`, `−1.2 to 3.4`; "" for None."""
    if low is None or high is None:
        return ""
    texts = number(low, is_percent), number(high, is_percent)
    return (" to " if "−" in "".join(texts) else "–").join(texts)


def number(value: float | None, is_percent: bool) -> str:
    """A fraction in percent, or a value with three decimals: `0.693`; a dash for None."""
    return percent(value) if is_percent or value is None else f"{round(value, 3) + 0.0:.3f}".replace("-", "−")
