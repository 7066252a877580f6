"""Ranges of allowed values for the fields of records, checked when a record is made."""

from __future__ import annotations

from dataclasses import dataclass

from outgrow.types import UserError

LARGEST = 3.4e38  # about the largest float32
LARGEST_WHOLE = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers from `least` to `most`. NaN and infinities are in no range.

    above: whether `least` itself is excluded. whole: whether only integers are allowed.
    """

    least: float
    most: float
    above: bool = False
    whole: bool = False

    def holds(self, value: object) -> bool:
        """Whether the value is in the range."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return (self.least < value if self.above else self.least <= value) and value <= self.most

    def advice(self, value: object) -> str:
        """What to give instead of a value outside the range, for an error message."""
        number = "a whole number" if self.whole else "a number"
        if self.most < LARGEST_WHOLE and not self.above:
            return f"give {number} between {self.least:g} and {self.most:g}"
        lower = f"give {number} {'above' if self.above else 'of at least'} {self.least:g}"
        mention_upper = self.most < LARGEST_WHOLE or (isinstance(value, int | float) and value > self.most)
        return f"{lower}, at most {self.most:.10g}" if mention_upper else lower


@dataclass(frozen=True)
class OneOf:
    """A fixed set of allowed strings."""

    values: tuple[str, ...]

    def holds(self, value: object) -> bool:
        """Whether the value is one of them."""
        return value in self.values

    def advice(self, value: object) -> str:
        """What to give instead, for an error message."""
        *others, last = (f'"{value}"' for value in self.values)
        return f"choose {', '.join(others)} or {last}"


SHARE = Range(least=0, most=1)


def at_least(least: float, most: float = LARGEST) -> Range:
    """Numbers from `least` to `most`."""
    return Range(least=least, most=most)


def above(least: float, most: float = LARGEST) -> Range:
    """Numbers greater than `least`, up to `most`."""
    return Range(least=least, most=most, above=True)


def whole(least: int, most: int = LARGEST_WHOLE) -> Range:
    """Integers from `least` to `most`."""
    return Range(least=least, most=most, whole=True)


def one_of(*values: str) -> OneOf:
    """One of these strings."""
    return OneOf(values)


def check_ranges(record: object, **allowed: Range | OneOf) -> None:
    """Raises UserError for the first field outside its range, with its value and what is allowed."""
    for name, values in allowed.items():
        value = getattr(record, name)
        if not values.holds(value):
            raise UserError(f"{name} is {_shown(value)}: {values.advice(value)}")


def _shown(value: object) -> str:
    """The repr of a value. Very long integers are described, since Python refuses to print more than 4,300 digits."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a whole number of {value.bit_length() * 0.30103:,.0f} digits"
    return repr(value)
