"""Types for columns of text: one narrower than text only if every value survives the round trip."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from myriad.model import MOST_DIGITS, TEXT, Kind, Type, carried
from myriad.sources.options import Said
from myriad.sources.typing import amounts, casts, plain, written
from myriad.sources.typing.casts import TESTS
from myriad.sources.typing.form import Form
from myriad.sources.typing.sql import quoted
from myriad.sources.typing.words import THOUSAND
from myriad.sources.typing.written import Choice, Facts, Odd
from myriad.wording import number_of

SHOWN = 60  # characters of a value
FIRST = "of the first values "
_LABELS = {
    "boolean": "true or false",
    "whole": "whole numbers",
    "decimal": "decimals",
    "double": "numbers",
    "date": "dates",
    "timestamp": "timestamps",
    "timestamptz": "timestamps with an offset",
    "uuid": "UUIDs",
    "jsonb": "jsonb",
}
# Among values of these, words such as `NA` are none; the first that most values pass is the type.
_TYPED = ("whole", "decimal", "double", "date", "timestamp", "timestamptz", "boolean")
_PLAIN_POINT = amounts.Amount(".")
_COMMA = amounts.Amount(",")


@dataclass(frozen=True)
class Finding:
    """What all values of a column, seen so far, have in common.

    Attributes:
        type: the narrowest that all survive.
        why: a sentence for the report.
        candidates: tests that need another look at more values: those that all values passed.
        places: most digits behind the point among those that are decimals.
        digits: most before it.
        nulls: words that stand for null where it is no text.
        forms: see `Column.forms`.
        doubt: more values may tell what it is.
        settled: it is text, and no more values can make it anything else.
        rows: in how many the values stood, null ones too.
    """

    type: Type
    why: str
    candidates: frozenset[str]
    places: int = 0
    digits: int = 0
    nulls: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    doubt: bool = False
    settled: bool = False
    rows: int = 0


# Number of a column and value → the first line that has it there, None if that cannot be told.
Line = Callable[[int, str], int | None]


def guess(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[str],
    among: Sequence[frozenset[str] | None] | None = None,
    line: Line | None = None,
    said: Said | None = None,
) -> list[Finding]:
    """Return the narrowest type of each column that all values in `relation` survive.

    `relation` stands in FROM; `columns` are its columns' names, all VARCHAR. `among` limits each
    column to tests that an earlier part of the values passed (`Finding.candidates`).
    Values that look like one type but for a few are named in `why`, with the first line that has
    one, if `line` tells it. Columns that are no plain type are looked at once more, for the forms
    in which people write, unless `among` has None for them: they are settled (`Finding.settled`).
    """
    if among is None:
        allowed, seen = plain.look_first(con, relation, columns)
    else:
        allowed = [each or frozenset[str]() for each in among]
        seen = plain.look(con, relation, columns, allowed)
    settled = {number for number, each in enumerate(among or ()) if each is None}
    wide = len(columns) > plain.MOST_BIGINTS
    typed = [plain.typed(*pair, wide=wide) for pair in zip(allowed, seen, strict=True)]
    looks = {
        name: _Look(name, number, tests, facts, found)
        for number, (name, tests, facts, found) in enumerate(
            zip(columns, allowed, seen, typed, strict=True)
        )
    }
    looked = [look for look in looks.values() if look.open and look.number not in settled]
    _look_closer(con, relation, looked, said or Said())
    mark = _mark(list(looks.values()))
    table = _Table(con, relation, said or Said(), mark, line)
    return [_decide(table, look) for look in looks.values()]


def keeping(found: Sequence[Finding], before: Sequence[Finding]) -> list[Finding]:
    """Return what was found, with the reasons of before for text that was not looked at again.

    More values are put to those tests alone that the first ones passed.
    """
    return [
        replace(now, why=f"{FIRST}{then.why.removeprefix(FIRST)}")
        if now.why == "text" and then.type == TEXT and then.why.removeprefix(FIRST)[:1].isdigit()
        else now
        for now, then in zip(found, before, strict=True)
    ]


@dataclass
class _Look:
    """All that is known of one column.

    Attributes:
        plain: its plain type and why, if all values have one.
        masked: the same without its null words.
        nulls: how many values these are.
    """

    name: str
    number: int
    tests: frozenset[str]
    seen: plain.Seen
    plain: tuple[Type, str] | None
    odd: Odd = field(default_factory=lambda: Odd((), ()))
    masked: tuple[Type, str] | None = None
    nulls: int = 0
    facts: Facts | None = None

    @property
    def doubtful(self) -> bool:
        """Whether its numbers may be thousands: all places of `1.234` are three."""
        found = self.plain or self.masked
        numeric = found is not None and found[0].kind is Kind.NUMERIC
        return numeric and self.seen.scale == THOUSAND

    @property
    def open(self) -> bool:
        return self.doubtful or (self.plain is None and self.seen.values > 0)

    @property
    def best(self) -> str:
        """The plain test that most values pass; of equals the narrower one."""
        tests = (test for test in TESTS if self.seen.passed.get(test))
        return max(tests, key=lambda test: self.seen.passed[test], default="")

    def choice(self, said: Said, mark: str | None) -> Choice | None:
        return written.choose(self.facts, said, mark) if self.facts else None


@dataclass(frozen=True)
class _Table:
    """Where columns stand together, and what decides between their forms."""

    con: duckdb.DuckDBPyConnection
    relation: str
    said: Said
    mark: str | None
    line: Line | None


def _look_closer(
    con: duckdb.DuckDBPyConnection, relation: str, looks: Sequence[_Look], said: Said
) -> None:
    """Look at columns without a plain type for null words and forms."""
    for begin in range(0, len(looks), casts.WIDE):  # planning costs the square of the expressions
        some = looks[begin : begin + casts.WIDE]
        tests = {look.name: _passing(look) for look in some if not look.doubtful}
        odd = written.oddities(con, relation, tests, said) if tests else {}
        for look in some:
            look.odd = odd.get(look.name, look.odd)
        rest = casts.without({look.name: look.odd.nulls for look in some}, relation)
        _look_without_nulls(con, rest, [look for look in some if look.odd.nulls])
        forms = {look.name: forms for look in some if (forms := _forms(look, said))}
        facts = written.look(con, rest, forms) if forms else {}
        for look in some:
            look.facts = facts.get(look.name)


def _passing(look: _Look) -> str:
    return TESTS[look.best](quoted(look.name)) if look.best in _TYPED else "false"


def _forms(look: _Look, said: Said) -> Sequence[Form]:
    told = said.decimal and look.best == "decimal" and look.seen.scale == THOUSAND
    if look.doubtful or told:  # what is told holds for `1.234` beside what is no number, too
        return (_COMMA, _PLAIN_POINT)
    return () if look.masked else look.odd.forms(said)


def _look_without_nulls(
    con: duckdb.DuckDBPyConnection, relation: str, looks: Sequence[_Look]
) -> None:
    tests = frozenset(_TYPED)
    names = [look.name for look in looks]
    if names:
        for look, seen in zip(
            looks, plain.look(con, relation, names, [tests] * len(names)), strict=True
        ):
            look.nulls = look.seen.values - seen.values
            look.masked = plain.typed(tests, seen, wide=False) if seen.values else None
            look.seen = replace(seen, values=look.seen.values) if look.masked else look.seen


def _mark(looks: Sequence[_Look]) -> str | None:
    """Return the mark before decimals that columns prove, if they prove one."""
    proven = {
        choice.proof
        for look in looks
        if (choice := look.choice(Said(), None)) is not None and choice.proof
    }
    kinds = (look.plain or look.masked for look in looks if not look.doubtful)
    if any(kind and kind[0].kind is Kind.NUMERIC and kind[0].scale for kind in kinds):
        proven.add(".")
    return proven.pop() if len(proven) == 1 else None


def _decide(table: _Table, look: _Look) -> Finding:
    seen = look.seen
    if seen.values == 0:
        return Finding(TEXT, "no values", look.tests, rows=seen.rows)
    candidates = plain.candidates(look.tests, seen)
    if seen.passed.get("decimal"):  # its places are counted on, for a table that has numbers there
        candidates |= {"decimal"}
    facts = look.facts.forms.values() if look.facts else ()
    places = max([seen.scale, *(fact.scale for fact in facts)])
    digits = max([seen.whole_digits, *(fact.whole_digits for fact in facts)])
    choice = _choice(table, look)
    if choice is None:
        least = look.seen.passed.get(look.best, 0)
        forms = written.likeliest(look.facts, table.said, least)
        choice = Choice(None, _why_text(table, look), forms)
    kind, why = choice.type or TEXT, choice.why
    if kind != TEXT and look.odd.nulls:
        words = ", ".join(look.odd.nulls)
        why += f"; {number_of(look.nulls, 'value')} null: {words} (--no-null keeps words)"
    settled = kind == TEXT and look.facts is None and not (candidates or look.odd.nulls)
    rest = choice.forms, choice.doubt, settled, seen.rows
    return Finding(kind, why, candidates, places, digits, look.odd.nulls, *rest)


def _choice(table: _Table, look: _Look) -> Choice | None:
    """Return what a column is: plain where it can be, else what its form says."""
    choice = look.choice(table.said, table.mark)
    by_point = choice is not None and choice.type and choice.type.format == _PLAIN_POINT.name
    found = look.plain or look.masked
    return Choice(*found) if found is not None and (choice is None or by_point) else choice


def _why_text(table: _Table, look: _Look) -> str:
    """Say what most values of a column are, if it is one thing, and which are not."""
    best, passed, test = look.best, look.seen.passed.get(look.best, 0), ""
    label = _LABELS.get(best, best)
    values = look.seen.values
    nearest = written.nearest(look.facts)
    if nearest is not None and nearest[1].count > passed:
        form, fact = nearest
        passed, values = fact.count, look.facts.values if look.facts else 0
        test = written.test(form, quoted(look.name))
        label = f"written like {fact.example!r}"
    elif best and passed < values:
        test = TESTS[best](quoted(look.name))
    elif passed and not carried(look.seen.whole_digits, look.seen.scale):
        return f"{label} of more than {MOST_DIGITS:,} digits, kept as text"
    hint = written.hint(look.odd, table.said)
    if not test or passed == 0:
        return hint or "text"
    return _but(table, look, f"{passed} of {values} are {label}, {values - passed}", test)


def _but(table: _Table, look: _Look, most: str, test: str) -> str:
    """Name the values that most of the others are not."""
    name = quoted(look.name)
    relation = casts.without({look.name: look.odd.nulls}, table.relation)
    ((value, kinds),) = table.con.execute(
        f"SELECT first({name}), count(DISTINCT {name}) FROM {relation}"
        f" WHERE {name} IS NOT NULL AND NOT {test}"
    ).fetchall()
    if value is None:
        return "text"
    number = table.line(look.number, value) if table.line else None
    value = value[:SHOWN]
    shown = f"the first {value!r} in line {number}" if number else f"such as {value!r}"
    if kinds == 1 and not any(map(str.isdigit, value)):
        shown += f"; --null {shlex.quote(value)} makes that null"
    return f"{most} {'is' if most.endswith(' 1') else 'are'} not, {shown}"
