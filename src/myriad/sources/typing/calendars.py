"""Dates and times as people write them: orders, marks, names of months, clocks of 12 hours."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from myriad.model import Kind, Type
from myriad.sources.options import ORDERS, Said
from myriad.sources.typing.form import Form
from myriad.sources.typing.sql import literal, matches
from myriad.sources.typing.words import COMMON, EXCEL, languages, months

MARKS = "/.-"
_CLOCKS = ("", "%H:%M:%S", "%I:%M:%S %p")
_PIVOT = "69"  # of years of two digits, as POSIX has it: 1969 to 2068
_DAY = _MONTH = "([0-9]{1,2})"
# PostgreSQL has no year 0.
_YEAR = "([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)"
_SHORT_YEAR = "([0-9]{2})"
_SECONDS = r"(:[0-5][0-9](?:\.[0-9]{1,6})?)?"
_GAP = "[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]"
_CLOCK = {
    "": "",
    "%H:%M:%S": rf"(?:,? |T)([01]?[0-9]|2[0-3]):([0-5][0-9]){_SECONDS}",
    "%I:%M:%S %p": rf",? (0?[1-9]|1[0-2]):([0-5][0-9]){_SECONDS}{_GAP}?([AaPp])\.?[Mm]\.?",
}
_WORD = "([\N{LATIN SMALL LETTER A}]{3,})"  # stands for letters: RE2 and Python name them otherwise
_RE2_LETTERS, _PYTHON_LETTERS = r"\p{L}", r"[^\W\d_]"
_ORDINAL = "(?:\\.|\N{MASCULINE ORDINAL INDICATOR}|er|st|nd|rd|th)?"
_NAMED = {
    "dmy": ("%d %B %Y", f"{_DAY}{_ORDINAL}[ /-]?(?:de )?{_WORD}\\.?,?[ /-]?(?:de )?"),
    "mdy": ("%B %d %Y", f"{_WORD}\\.? {_DAY}{_ORDINAL},? "),
    "ymd": ("%Y %B %d", ""),
}


@dataclass(frozen=True)
class Calendar(Form):
    """Dates, or timestamps without a zone, in one order; days, months and hours unpadded or not.

    Attributes:
        order: of day, month and year.
        mark: between them; a language where months have names.
        clock: empty for dates.
        short: years have two digits.
    """

    order: str
    mark: str
    clock: str = ""
    short: bool = False

    @property
    def named(self) -> bool:
        """Whether months have names."""
        return self.mark not in MARKS

    @property
    def kinds(self) -> frozenset[Kind]:  # type: ignore[override]
        """See Form."""
        return frozenset({Kind.TIMESTAMP if self.clock else Kind.DATE})

    @cached_property
    def name(self) -> str:  # type: ignore[override]
        """The form as strptime has it; behind it the language of its months."""
        if self.named:
            day = _NAMED[self.order][0]
        else:
            day = self.mark.join({"d": "%d", "m": "%m", "y": "%Y"}[part] for part in self.order)
        if self.short:
            day = day.replace("%Y", "%y")
        return " ".join(filter(None, (day, self.clock, f"[{self.mark}]" if self.named else "")))

    @cached_property
    def _pattern(self) -> str:
        year = _SHORT_YEAR if self.short else _YEAR
        if not self.named:
            gap = r"\. ?" if self.mark == "." else re.escape(self.mark)
            parts = {"d": _DAY, "m": _MONTH, "y": year}
            day = gap.join(parts[part] for part in self.order)
        elif self.order == "ymd":
            day = f"{year}[ /-]{_WORD}\\.?[ /-]{_DAY}"
        else:
            day = _NAMED[self.order][1] + year
        return day + _CLOCK[self.clock]

    @cached_property
    def python(self) -> re.Pattern[str]:
        """The regular expression of such a text for Python."""
        return re.compile(self._pattern.replace(_WORD, f"({_PYTHON_LETTERS}{{3,}})"))

    @cached_property
    def _re2(self) -> str:
        return self._pattern.replace(_WORD, f"({_RE2_LETTERS}{{3,}})")

    def _groups(self, column: str, wanted: str) -> str:
        r"""Return the SQL of parts of a text: `wanted` names them by \1, \2, …."""
        return f"regexp_replace({column}, {literal(f'^(?:{self._re2})$')}, {literal(wanted)})"

    def shape(self, column: str) -> str:
        """See Form."""
        if not self.named:
            return matches(self._re2, column)
        return f"({matches(self._re2, column)} AND {self._month(column)} IS NOT NULL)"

    def word(self, column: str) -> str:
        """Return the SQL of a month's name as it stands."""
        return self._groups(column, rf"\{self.order.index('m') + 1}")

    def _month(self, column: str) -> str:
        pairs = (f"{literal(word)}: '{number}'" for word, number in months(self.mark).items())
        return f"(MAP {{{', '.join(pairs)}}})[lower({self.word(column)})]"

    def cast(self, column: str, kind: Type) -> str:  # noqa: ARG002 - there is one
        """See Form."""
        day, month, year = (f"\\{self.order.index(part) + 1}" for part in "dmy")
        clock = r" \4:\5\6" if self.clock else ""
        if self.named:
            date = (
                f"({self._groups(column, year + '-')} || {self._month(column)} ||"
                f" {self._groups(column, '-' + day + clock)})"
            )
        else:
            date = self._groups(column, f"{year}-{month}-{day}{clock}")
        if self.short:
            date = f"(CASE WHEN {date} < '{_PIVOT}' THEN '20' ELSE '19' END || {date})"
        if not self.clock:
            return f"try_cast({date} AS DATE)"
        return self._at_noon(column, f"try_cast({date} AS TIMESTAMP)")

    def _at_noon(self, column: str, value: str) -> str:
        """Return the SQL of a timestamp whose hours are those of its clock."""
        if not self.clock.endswith("%p"):
            return value
        half, hour = f"lower({self._groups(column, chr(92) + '7')})", f"hour({value})"
        return (
            f"({value} + CASE WHEN {half} = 'p' AND {hour} < 12 THEN INTERVAL 12 HOUR"
            f" WHEN {half} = 'a' AND {hour} = 12 THEN INTERVAL (-12) HOUR"
            f" ELSE INTERVAL 0 HOUR END)"
        )

    def fits(self, column: str, kind: Type, value: str) -> str:  # noqa: ARG002
        """See Form."""
        return f"({self.shape(column)} AND {value} IS NOT NULL)"


@dataclass(frozen=True)
class Serial(Form):
    """Days as Excel counts them since the end of 1899; digits behind the point are the time.

    Those before March 1900 are none: Excel has a 29 February 1900.
    """

    name: str = EXCEL

    kinds = frozenset({Kind.DATE, Kind.TIMESTAMP})

    def shape(self, column: str) -> str:
        """See Form."""
        return f"({matches('[1-9][0-9]{1,6}([.][0-9]{1,12})?', column)} AND {column}::DOUBLE >= 61)"

    def cast(self, column: str, kind: Type) -> str:
        """See Form."""
        if kind.kind is Kind.DATE:
            return f"(DATE '1899-12-30' + try_cast({column} AS INTEGER))"
        # A clock in Excel has milliseconds.
        milliseconds = f"round(try_cast({column} AS DECIMAL(19,12)) * 86400000)::BIGINT"
        return f"(TIMESTAMP '1899-12-30' + to_milliseconds({milliseconds}))"

    def fits(self, column: str, kind: Type, value: str) -> str:
        """See Form."""
        whole = f" AND NOT contains({column}, '.')" if kind.kind is Kind.DATE else ""
        return f"CASE WHEN {self.shape(column)} THEN {value} IS NOT NULL{whole} ELSE false END"


def parse(name: str) -> Form | None:
    """Return the form of that name, if it is one of dates or timestamps."""
    return Serial() if name == EXCEL else _BY_NAME.get(name) or _with_language(name)


def _with_language(name: str) -> Calendar | None:
    found = re.fullmatch(r"(%.*) \[([a-z]{2,3})\]", name)
    if found is None or not months(found[2]):
        return None
    forms = (
        Calendar(order, found[2], clock, short)
        for order in ORDERS
        for clock in _CLOCKS
        for short in (False, True)
    )
    return next((form for form in forms if form.name == name), None)


_BY_NAME = {
    form.name: form
    for short in (False, True)
    for clock in _CLOCKS
    for mark in MARKS
    for order in ORDERS
    for form in (Calendar(order, mark, clock, short),)
}
# Nothing that does not look like one of these needs to be tried in all of them: they take 80 ms to
# compile, as long as 10,000 rows to publish.
_LIKE = re.compile(r"[0-9]{1,4}([/.-]) ?[0-9]{1,2}\1 ?[0-9]{1,4}(?!\d)([,T ].*)?")
_LIKE_NAMED = re.compile(
    rf"(?=[^:]*[0-9][^0-9:]+[0-9])(?=[^:]*{_PYTHON_LETTERS}{{3}})[^\n]{{8,40}}"
)


def proposed(values: Sequence[str], said: Said) -> list[Calendar]:
    """Return the forms that most of a few values have, each order among them that fits these."""
    least = len(values) / 2
    if sum(bool(_LIKE.fullmatch(value)) for value in values) >= least > 0:
        forms = [form for form in _BY_NAME.values() if not form.short or said.dates == form.order]
    elif sum(bool(_LIKE_NAMED.fullmatch(value)) for value in values) >= least > 0:
        forms = _named(values, said)
    else:
        return []
    return [
        form
        for form in forms
        if sum(bool(form.python.fullmatch(value)) for value in values) >= least
    ]


def short_years(values: Sequence[str]) -> bool:
    """Say whether all of a few values are dates with years of two digits."""
    if not values or not all(map(_LIKE.fullmatch, values)):
        return False
    short = [form for form in _BY_NAME.values() if form.short]
    return any(all(map(form.python.fullmatch, values)) for form in short)


def _named(values: Sequence[str], said: Said) -> list[Calendar]:
    found = []
    for order in ORDERS:
        for clock in _CLOCKS:
            for short in (False, True)[: 2 if said.dates == order else 1]:
                form = Calendar(order, "en", clock, short)
                written = [m[order.index("m") + 1] for m in map(form.python.fullmatch, values) if m]
                if 2 * len(written) >= len(values):
                    names = _languages([word.lower() for word in written])
                    found += [Calendar(order, name, clock, short) for name in names]
    return found


def _languages(words: Sequence[str]) -> list[str]:
    """Return the languages in which all words are months, one for each meaning they may have."""
    known = Counter(words)
    fitting = [
        name
        for name in languages()
        if 2 * sum(known[w] for w in known if w in months(name)) > known.total()
    ]
    best = [name for name in fitting if all(word in months(name) for word in known)] or fitting
    chosen = [name for name in best if name in COMMON] or best
    meanings = {tuple(months(name).get(word) for word in known): name for name in reversed(chosen)}
    return list(reversed(meanings.values()))
