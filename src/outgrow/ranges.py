"""What values a record's fields may have. Checked where the record is made, so that no plan holds a value outside."""

from __future__ import annotations

from dataclasses import dataclass

from outgrow.types import UserError

LARGEST = 3.4e38  # what float32 holds
LARGEST_WHOLE = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers from `least` to `most`, both included unless `above`; NaN and infinities are in no range."""

    least: float
    most: float
    above: bool = False  # `least` itself is left out
    whole: bool = False

    def holds(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return (self.least < value if self.above else self.least <= value) and value <= self.most

    def advice(self, value: object) -> str:
        what = "a whole number" if self.whole else "a number"
        if self.most < LARGEST_WHOLE and not self.above:
            return f"give {what} between {self.least:g} and {self.most:g}"
        lower = f"give {what} {'above' if self.above else 'of at least'} {self.least:g}"
        huge = self.most < LARGEST_WHOLE or (isinstance(value, int | float) and value > self.most)
        return f"{lower}, at most {self.most:.10g}" if huge else lower


@dataclass(frozen=True)
class OneOf:
    """A few values, named one by one."""

    values: tuple[str, ...]

    def holds(self, value: object) -> bool:
        return value in self.values

    def advice(self, value: object) -> str:
        *others, last = (f'"{value}"' for value in self.values)
        return f"choose {', '.join(others)} or {last}"


SHARE = Range(least=0, most=1)


def at_least(least: float, most: float = LARGEST) -> Range:
    return Range(least=least, most=most)


def above(least: float, most: float = LARGEST) -> Range:
    return Range(least=least, most=most, above=True)


def whole(least: int, most: int = LARGEST_WHOLE) -> Range:
    return Range(least=least, most=most, whole=True)


def one_of(*values: str) -> OneOf:
    return OneOf(values)


def check_ranges(record: object, **allowed: Range | OneOf) -> None:
    """Raise UserError, with the field, its value and what is allowed, for the first field outside its range."""
    for name, values in allowed.items():
        value = getattr(record, name)
        if not values.holds(value):
            raise UserError(f"{name} is {_shown(value)}: {values.advice(value)}")


def _shown(value: object) -> str:
    """Python refuses to print integers of more than 4,300 digits."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a whole number of {value.bit_length() * 0.30103:,.0f} digits"
    return repr(value)
