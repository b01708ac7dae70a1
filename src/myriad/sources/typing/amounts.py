"""Numbers as people write them: decimal comma, thousands, currency, percent, other minus signs."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from myriad.model import Kind, Type
from myriad.sources.options import MARKS
from myriad.sources.typing import digits
from myriad.sources.typing.form import Form
from myriad.sources.typing.sql import literal, matches
from myriad.sources.typing.words import currencies

PERCENT = "%"
_WITH_POINT = frozenset({Kind.NUMERIC, Kind.REAL, Kind.DOUBLE})
_KINDS = _WITH_POINT | {Kind.SMALLINT, Kind.INTEGER, Kind.BIGINT}
_SPACES = " \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"
_GROUPS = f"{_SPACES}'\N{RIGHT SINGLE QUOTATION MARK}"
_MINUS = "[-\N{MINUS SIGN}]"
_NEGATIVE = "[-\N{MINUS SIGN}(]"
_GAP = f"[{_SPACES}]?"
# What is left of a value without its number and sign is its unit.
_NUMBER = re.compile(rf"[0-9](?:[0-9.,{_GROUPS}]*[0-9])?")
# Of currencies that people write behind whole amounts and nobody begins a code with.
_SURE_WORDS = ("kr", "kr.", "zł", "Kč", "Ft", "Rs", "Rp", "лв.")
_SURE_DIGITS = 15  # of decimal that every IEEE 754 double holds


@dataclass(frozen=True)
class Amount(Form):
    """Numbers with one mark before their decimals and one unit, or none, throughout.

    Thousands may be parted by the other mark, a space or an apostrophe. A minus stands before or
    behind the number, or brackets around it.

    Attributes:
        mark: what stands before the decimals.
        unit: a currency's sign or code, a percent sign, or nothing.
    """

    mark: str
    unit: str = ""

    kinds = _KINDS

    @cached_property
    def name(self) -> str:  # type: ignore[override]
        """The form as an example of it."""
        return f"1234{self.mark}5 {self.unit}".rstrip()

    @cached_property
    def pattern(self) -> str:
        """The regular expression of such a text, in Python's words and RE2's."""
        others = [mark for mark in (*MARKS, *_GROUPS) if mark != self.mark]
        grouped = "|".join(f"[1-9][0-9]{{0,2}}(?:{re.escape(g)}[0-9]{{3}})+" for g in others)
        body = f"(?:0|[1-9][0-9]*|{grouped})(?:{re.escape(self.mark)}[0-9]+)?"
        if not self.unit:
            return rf"{_MINUS}?{body}|{body}{_MINUS}|\({body}\)"
        unit = re.escape(self.unit)
        before = rf"{_MINUS}?{unit}{_GAP}|{unit}{_GAP}{_MINUS}"
        behind = rf"{_GAP}{unit}|{_MINUS}{_GAP}{unit}|{_GAP}{unit}{_MINUS}"
        inner = rf"{unit}{_GAP}{body}|{body}{_GAP}{unit}"
        return (
            rf"(?:{before}){body}|{unit}{_GAP}{body}{_MINUS}|{_MINUS}{body}{_GAP}{unit}"
            rf"|{body}(?:{behind})|\((?:{inner})\)|{unit}{_GAP}\({body}\)|\({body}\){_GAP}{unit}"
        )

    def shape(self, column: str) -> str:
        """See Form."""
        return matches(self.pattern, column)

    def plain(self, column: str) -> str:
        """Return the SQL of the number as PostgreSQL writes it."""
        bare = f"replace({column}, {literal(self.unit)}, '')" if self.unit else column
        figures = f"regexp_replace({bare}, '[^0-9{self.mark}]', '', 'g')"
        if self.mark != ".":
            figures = f"replace({figures}, {literal(self.mark)}, '.')"
        minus = f"regexp_matches({column}, '{_NEGATIVE}') AND regexp_matches({column}, '[1-9]')"
        return f"(CASE WHEN {minus} THEN '-' ELSE '' END || {figures})"

    def cast(self, column: str, kind: Type) -> str:
        """See Form."""
        if kind.long:
            return digits.cast(self.plain(column), kind)
        names = {Kind.NUMERIC: f"DECIMAL({kind.precision},{kind.scale})", Kind.REAL: "FLOAT"}
        name = names.get(kind.kind, kind.kind.name)
        return f"try_cast({self.plain(column)} AS {name})"

    def fits(self, column: str, kind: Type, value: str) -> str:
        """See Form."""
        plain = self.plain(column)
        match kind.kind:
            case Kind.NUMERIC if kind.long:
                held = f"{value} IS NOT NULL"
            case Kind.NUMERIC:
                places = rf"(\.[0-9]{{1,{kind.scale}}})?" if kind.scale else ""
                figures = rf"-?[0-9]{{1,{max(kind.precision - kind.scale, 1)}}}{places}"
                held = f"{matches(figures, plain)} AND {value} IS NOT NULL"
            case Kind.REAL | Kind.DOUBLE:
                held = f"length({plain}) <= {_SURE_DIGITS}"
            case _:
                held = f"{matches('-?[0-9]+', plain)} AND {value} IS NOT NULL"
        return f"CASE WHEN {self.shape(column)} THEN {held} ELSE false END"

    @property
    def is_sure(self) -> bool:
        """Whether the unit makes whole numbers amounts; letters alone may be those of a code."""
        return self.unit in ("", PERCENT, *_SURE_WORDS) or any(map(_is_sign, self.unit))

    @property
    def unit_words(self) -> str:
        """The unit as a person is told of it."""
        return "percent" if self.unit == PERCENT else self.unit


def parse(name: str) -> Amount | None:
    """Return the form of that name, if it is one of numbers."""
    found = re.fullmatch(r"1234([.,])5(?: (.+))?", name)
    return Amount(found[1], found[2] or "") if found else None


def common(one: Type, two: Type) -> str | None:
    """Return the form in which numbers of two types can both be read; None if there is none."""
    if one.format == two.format:
        return one.format
    name, plain = (one.format, two) if one.format else (two.format, one)
    form = parse(name)
    if form is None or plain.format or form.unit:
        return None
    return name if form.mark == "." or plain.kind not in _WITH_POINT else None


def _is_sign(mark: str) -> bool:
    return unicodedata.category(mark) == "Sc"


class _Parts(NamedTuple):
    number: str
    unit: str


def _parts(value: str) -> _Parts | None:
    """Return the number in a text and its unit; None if there is anything else."""
    found = _NUMBER.search(value)
    if found is None:
        return None
    rest = value[: found.start()] + value[found.end() :]
    unit = re.sub(rf"[-\N{{MINUS SIGN}}(){_SPACES}]", "", rest)
    letter = len(unit) == 1 and unit.isalpha()  # `Q1`, `K10`: a code, and not quetzals
    known = unit in ("", PERCENT) or (unit in currencies() and not letter)
    return _Parts(found[0], unit) if known else None


def proposed(values: Sequence[str]) -> list[Amount]:
    """Return the forms that most of a few values may have; their decimal marks are yet to prove."""
    found = [parts for parts in map(_parts, values) if parts is not None]
    if 2 * len(found) < len(values) or not found:
        return []
    unit, _ = Counter(parts.unit for parts in found).most_common(1)[0]
    forms = [Amount(mark, unit) for mark in MARKS]
    compiled = [re.compile(form.pattern) for form in forms]
    return [
        form
        for form, pattern in zip(forms, compiled, strict=True)
        if 2 * sum(bool(pattern.fullmatch(value)) for value in values) >= len(values)
    ]


def has_mark(column: str) -> str:
    """Return the SQL that says whether a text has a mark that may stand before decimals."""
    return f"regexp_matches({column}, '[.,]')"
