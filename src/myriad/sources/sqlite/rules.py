"""CHECKs and views of a SQLite file that mean the same in PostgreSQL; the others are named."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from myriad.model import Check, Kind, Type, View
from myriad.sources.sqlite import words
from myriad.sources.sqlite.phrases import Seen, Writer
from myriad.sources.sqlite.schema import DeclaredTable
from myriad.sources.sqlite.selects import Select
from myriad.sources.sqlite.words import Refused, Word

SHOWN = 80  # characters of what is not carried over
MOST = 200  # checks of a table, views of a file
Kinds = Mapping[str, tuple[Type, str]]


def checks(table: DeclaredTable, kinds: Kinds, notes: list[str]) -> tuple[Check, ...]:
    """Return the CHECKs of a table that can be carried over; a note on each that cannot."""
    if "CHECK" not in table.sql.upper():
        return ()
    try:
        found = words.checks(words.words(table.sql))
    except Refused as why:
        notes.append(f"CHECK constraints not carried over: {why}")
        return ()
    seen = {"": _seen(table, kinds)}
    made: list[Check] = []
    for given in found[:MOST]:
        said = _short(words.shown(given, table.sql))
        with _named(f"CHECK ({said})", notes):
            made.append(_check(given, said, seen))
    notes += [f"CHECK constraints not carried over: {len(found) - MOST} more"] * (len(found) > MOST)
    return tuple(made)


def _check(given: Sequence[Word], said: str, seen: Mapping[str, Seen]) -> Check:
    text = words.for_postgres(given, seen[""].columns.keys(), whole=True)
    statement = _parsed(f"SELECT 1 WHERE ({text})")
    others = [name for name in statement.__slots__ if name not in ("targetList", "whereClause")]
    plain = ("limitOption", "op")
    if any(getattr(statement, name) for name in others if name not in plain):
        raise Refused("it is no condition")
    node = statement.whereClause
    if type(node).__name__ in ("A_Const", "FuncCall") or (
        type(node).__name__ == "ColumnRef"
        and Writer(seen, view=False).kind(node) is not Kind.BOOLEAN
    ):
        raise Refused("it is no condition")
    return Check(Writer(seen, view=False).write(node), said)


def views(
    given: Mapping[str, str], tables: Sequence[DeclaredTable], kinds: Mapping[str, Kinds]
) -> tuple[tuple[View, ...], list[str]]:
    """Return the views that can be carried over, of all by name, and a note on each that cannot."""
    notes: list[str] = []
    if not given:
        return (), notes
    seen = {table.name.lower(): _seen(table, kinds[table.name]) for table in tables}
    made: list[View] = []
    for name, sql in sorted(given.items())[:MOST]:
        with _named(f"view {name}", notes):
            made.append(_view(name, sql, seen))
    notes += [f"views not carried over: {len(given) - MOST} more"] * (len(given) > MOST)
    return tuple(made), notes


def _view(name: str, sql: str, seen: Mapping[str, Seen]) -> View:
    columns, body = words.view(words.words(sql))
    names = {*seen, *(column for each in seen.values() for column in each.columns)}
    select = Select(seen)
    phrase = select.write(_parsed(words.for_postgres(body, names, whole=False)))
    return View(name, tuple(columns), phrase)


def _seen(table: DeclaredTable, kinds: Kinds) -> Seen:
    columns = {name.lower(): (name, kind.kind) for name, (kind, _) in kinds.items()}
    return Seen(table.name, columns, "COLLATE" in table.sql.upper())


@cache
def _parser() -> Callable[[str], Any]:
    from pglast import parse_sql  # noqa: PLC0415 - costs 0.1 s, and few files have rules

    return parse_sql


def _parsed(text: str) -> Any:  # noqa: ANN401 - pglast has no types
    """Return the one statement that a text is; raises Refused."""
    from pglast.parser import ParseError  # noqa: PLC0415

    try:
        statements = _parser()(text)
    except ParseError as error:
        raise Refused(f"PostgreSQL reads it otherwise: {error.args[0]}") from None
    if len(statements) != 1 or type(statements[0].stmt).__name__ != "SelectStmt":
        raise Refused("it is no plain SELECT")
    return statements[0].stmt


@contextmanager
def _named(what: str, notes: list[str]) -> Iterator[None]:
    """Add a note if what is tried is refused."""
    try:
        yield
    except Refused as why:
        notes.append(f"{what} not carried over: {why}")
    except RecursionError:
        notes.append(f"{what} not carried over: it is too deep")


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
