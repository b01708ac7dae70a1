"""What a few values plainly are, without SQL: to plan its tests takes longer than to read them."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

# As in `casts`, but for numbers that a double may not hold, and what only DuckDB can tell.
_WHOLE = re.compile(r"-?[1-9][0-9]{0,14}|0")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MARKS = re.compile(r"\.|[eE][+-]|^NaN|Infinity")
_OF_WHOLE = ("whole", "decimal", "double")
_WORDS_WITH_A_TYPE = frozenset({"t", "f", "true", "false", "nan", "infinity"})
_UUID = 36  # characters


@dataclass
class Obvious:
    """What the values of a column are.

    Attributes:
        values: how many there are.
        passed: test → how many values pass it, if any does.
        whole: the whole numbers.
        marks: a value has something in it that only a floating-point number has.
    """

    values: int = 0
    passed: dict[str, int] = field(default_factory=dict)
    whole: list[int] = field(default_factory=list)
    marks: bool = False

    def take(self, value: str) -> bool:
        """Count one more value; false: it is not obvious what it is."""
        if _WHOLE.fullmatch(value):
            self.whole.append(int(value))
            self._pass(*_OF_WHOLE)
        elif _DAY.fullmatch(value) and _is_day(value):
            self._pass("date")
        elif not _is_word(value):
            return False
        self.values += 1
        self.marks = self.marks or bool(_MARKS.search(value))
        return True

    def _pass(self, *tests: str) -> None:
        for test in tests:
            self.passed[test] = self.passed.get(test, 0) + 1


def obvious(values: Sequence[str | None]) -> Obvious | None:
    """Return what all values are, null ones left out; None if one of them needs the SQL."""
    found = Obvious()
    return found if all(found.take(value) for value in values if value is not None) else None


def _is_day(value: str) -> bool:
    try:
        dt.date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_word(value: str) -> bool:
    """Say whether a value passes no test: it begins with a letter, and is no word with a type."""
    return value[:1].isalpha() and len(value) != _UUID and value.lower() not in _WORDS_WITH_A_TYPE
