"""What stands in columns that are no plain type: which forms their values have, and which words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from myriad.model import BIG, MAX_DIGITS, Kind, Type, carried
from myriad.sources.options import Said
from myriad.sources.typing import amounts, calendars
from myriad.sources.typing.all_forms import proposed
from myriad.sources.typing.amounts import Amount
from myriad.sources.typing.calendars import Calendar
from myriad.sources.typing.flags import Flag
from myriad.sources.typing.form import Form
from myriad.sources.typing.sql import literal, quoted
from myriad.sources.typing.words import NULLS
from myriad.wording import as_written, number_of

MOST_ODD = 100  # values of a column that are looked at one by one
LONGEST = 64  # characters: what is longer is written in no form


@dataclass(frozen=True)
class Odd:
    """Values of a column that are not of its commonest plain type: some of them, and null words."""

    values: tuple[str, ...]
    nulls: tuple[str, ...]

    def forms(self, said: Said) -> list[Form]:
        """Return the forms that they may have."""
        return proposed(self.values, said)


@dataclass(frozen=True)
class Fact:
    """What the values of one form have in common.

    Attributes:
        count: values of this form.
        marks: one of them has a mark that may stand before decimals.
        example: the longest of them.
    """

    count: int
    lowest: int
    highest: int
    whole_digits: int
    scale: int
    marks: bool
    example: str


@dataclass(frozen=True)
class Facts:
    """What is known of a column's values: how many they are, and what of each form.

    Attributes:
        whole_pair: a flag's two words both stand there.
    """

    values: int
    forms: Mapping[Form, Fact]
    kinds: int = 0

    @property
    def fitting(self) -> list[Form]:
        """The forms of which all values are."""
        return [form for form, fact in self.forms.items() if fact.count == self.values]


@dataclass(frozen=True)
class Choice:
    """What a column's values were found to be: a type, or the reason why it has to be text.

    Attributes:
        type: None: text.
        why: for people.
        forms: names of those that fit and were not chosen.
        proof: the mark before decimals that they prove.
        doubt: the fitting forms differ, and the file may say elsewhere which it is.
    """

    type: Type | None
    why: str
    forms: tuple[str, ...] = ()
    proof: str = ""
    doubt: bool = False


def oddities(
    con: duckdb.DuckDBPyConnection, relation: str, tests: Mapping[str, str], said: Said
) -> dict[str, Odd]:
    """Return what is odd in each column: `tests` has the SQL that the others pass."""
    words = NULLS if said.nulls else ("",)
    nulls = ", ".join(map(literal, words))
    # Each word a bit: `DISTINCT` would take five megabytes for each column.
    bits = " ".join(f"WHEN {literal(word)} THEN {1 << at}" for at, word in enumerate(words))
    selected: list[str] = []
    for name, test in tests.items():
        column = quoted(name)
        odd = f"{column} IS NOT NULL AND NOT {test} AND {column} NOT IN ({nulls})"
        selected += [
            f"approx_top_k(left({column}, {LONGEST + 1}), {MOST_ODD}) FILTER (WHERE {odd})",
            f"bit_or(CASE {column} {bits} END)",
        ]
    (row,) = con.execute(f"SELECT {', '.join(selected)} FROM {relation}").fetchall()
    values = iter(row)
    return {name: Odd(tuple(next(values) or ()), _words(words, next(values))) for name in tests}


def _words(words: Sequence[str], bits: int | None) -> tuple[str, ...]:
    found = (word for at, word in enumerate(words) if (bits or 0) >> at & 1)
    return tuple(sorted(filter(None, found)))


def look(
    con: duckdb.DuckDBPyConnection, relation: str, forms: Mapping[str, Sequence[Form]]
) -> dict[str, Facts]:
    """Return what all values say of the forms that their columns may have."""
    selected: list[str] = []
    for name, own in forms.items():
        column = quoted(name)
        selected += [f"count({column})", f"approx_count_distinct(lower(left({column}, {LONGEST})))"]
        for form in own:
            selected += _aggregates(column, form)
    (row,) = con.execute(f"SELECT {', '.join(selected)} FROM {relation}").fetchall()
    values = iter(row)
    found = {}
    for name, own in forms.items():
        count, kinds = next(values), next(values)
        found[name] = Facts(count, {form: _fact(values) for form in own}, kinds)
    return found


def test(form: Form, column: str) -> str:
    """Return the SQL that is true for values of a form, of however many digits."""
    if isinstance(form, Amount):
        return form.shape(column)
    kind = Type(min(form.kinds))
    return form.fits(column, kind, form.cast(column, kind))


def _aggregates(column: str, form: Form) -> list[str]:
    passing, where = test(form, column), f"FILTER (WHERE {form.shape(column)})"
    counted = f"count_if({column} IS NOT NULL AND {passing})"
    if not isinstance(form, Amount):
        where = f"FILTER (WHERE {column} IS NOT NULL AND {passing})"
        return [counted, *["0"] * 4, "false", f"max_by({column}, length({column})) {where}"]
    plain = form.plain(column)
    return [
        counted,
        f"min(try_cast(split_part({plain}, '.', 1) AS HUGEINT)) {where}",
        f"max(try_cast(split_part({plain}, '.', 1) AS HUGEINT)) {where}",
        f"max(length(ltrim(split_part({plain}, '.', 1), '-'))) {where}",
        f"max(length(split_part({plain}, '.', 2))) {where}",
        f"bool_or({amounts.has_mark(column)}) {where}",
        f"max_by({column}, length({column})) {where}",
    ]


def _fact(values: Iterator[Any]) -> Fact:
    count, low, high, digits, scale, marks, example = (next(values) for _ in range(7))
    return Fact(count, low or 0, high or 0, digits or 0, scale or 0, bool(marks), example or "")


def choose(facts: Facts, said: Said, mark: str | None) -> Choice | None:
    """Return what a column is by its forms; None if no form has all of its values.

    `mark`: what stands before decimals elsewhere in the file, where that is known.
    """
    fitting = facts.fitting
    if flags := [form for form in fitting if isinstance(form, Flag)]:
        return _flag(flags, facts)
    if dates := [form for form in fitting if isinstance(form, Calendar)]:
        return _calendar(dates, said)
    if numbers := [form for form in fitting if isinstance(form, Amount)]:
        return _amount(numbers, facts, said.decimal or mark)
    return None


def _flag(forms: Sequence[Flag], facts: Facts) -> Choice:
    form = forms[0]
    if facts.kinds < 2:  # noqa: PLR2004 - both of a pair
        names = tuple(each.name for each in forms)
        return Choice(None, "text: one word of a pair alone", names[:1], doubt=True)
    return Choice(Type(Kind.BOOLEAN, format=form.name), f"true or false, written {form.name}")


def _calendar(forms: Sequence[Calendar], said: Said) -> Choice:
    names = tuple(form.name for form in forms)
    asked = [form for form in forms if form.order == said.dates]
    if len({form.order for form in forms}) > 1 and not asked:
        why = "dates whose day and month cannot be told apart; --dates dmy or --dates mdy decides"
        return Choice(None, why, names, doubt=True)
    chosen = asked or list(forms)
    if len(chosen) > 1:
        languages = " or ".join(form.mark for form in chosen)
        return Choice(None, f"dates with months in {languages}", names, doubt=True)
    form = chosen[0]
    what = "timestamps" if form.clock else "dates"
    years = " (years 1969 to 2068)" if form.short else ""
    return Choice(
        Type(min(form.kinds), format=form.name), f"{what} written {as_written(form.name)}{years}"
    )


def _amount(forms: Sequence[Amount], facts: Facts, wanted: str | None) -> Choice:
    both = len(forms) > 1
    marked = facts.forms[forms[0]].marks
    if both and marked:
        if wanted is None:
            example = facts.forms[forms[0]].example
            why = f"numbers such as {example!r}, which may be either; --decimal . or , decides"
            return Choice(None, why, tuple(form.name for form in forms), doubt=True)
        forms = [form for form in forms if form.mark == wanted]
    form = forms[-1]  # without a mark both say the same
    return _numbers(form, facts.forms[form], form.mark if marked and not both else "")


def _numbers(form: Amount, fact: Fact, proof: str) -> Choice:
    precision = carried(fact.whole_digits, fact.scale)
    if not precision:
        return Choice(None, "numbers of too many digits", (form.name,), proof)
    if not (fact.scale or form.is_sure):
        return Choice(None, f"text: whole numbers with {form.unit}, which may be codes")
    unit = f", in {form.unit_words}" if form.unit else ""
    shown = f"{unit}; written like {fact.example!r}"
    if fact.scale:
        why = f"decimals with up to {number_of(fact.scale, 'place')}, exact{shown}"
        return Choice(Type(Kind.NUMERIC, precision, fact.scale, format=form.name), why, (), proof)
    why = f"whole numbers from {fact.lowest} to {fact.highest}{shown}"
    if fact.whole_digits > MAX_DIGITS:
        why = f"whole numbers of up to {fact.whole_digits} digits{shown}"
    elif fact.lowest >= -BIG and fact.highest < BIG:
        return Choice(Type(Kind.BIGINT, format=form.name), why, (), proof)
    return Choice(Type(Kind.NUMERIC, precision, 0, format=form.name), why, (), proof)


def hint(odd: Odd, said: Said) -> str:
    """Return what a person should know of values that stay text, as a clause; else nothing."""
    if said.dates is None and calendars.short_years(odd.values):
        return "dates with years of two digits; --dates dmy, mdy or ymd decides"
    return ""


def nearest(facts: Facts | None) -> tuple[Form, Fact] | None:
    """Return the form that most values have, where it is half of them at least."""
    if facts is None or not facts.forms:
        return None
    form, fact = max(facts.forms.items(), key=lambda item: item[1].count)
    return (form, fact) if 2 * fact.count >= facts.values else None


def likeliest(facts: Facts | None, said: Said, least: int) -> tuple[str, ...]:
    """Return the forms of most values of a column that has others: for a type that is asked for.

    `least`: so many values are of a plain type, which goes before unless something else was said.
    """
    found = nearest(facts)
    if facts is None or found is None:
        return ()
    most = found[1].count
    if most < least or (most == least and not said.decimal):
        return ()
    return tuple(
        form.name
        for form, fact in facts.forms.items()
        if fact.count == most and _as_said(form, said)
    )


def _as_said(form: Form, said: Said) -> bool:
    match form:
        case Amount():
            return said.decimal in (None, form.mark)
        case Calendar():
            return said.dates in (None, form.order)
    return True
