"""Plant, as a hostile owner, what fits Myriad's own SQL better than PostgreSQL's own names do."""

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import product

import psycopg

from tests import our_sql
from tests.hostile import Owner

SCHEMAS = ("theirs", "public")
# Types of what our SQL compares, joins and calls functions with.
TYPES = (
    "text",
    "name",
    "oid",
    "int4",
    "int8",
    "bool",
    '"char"',
    "timestamptz",
    "float8",
    "regclass",
)
ELEMENTS = ("text", "name", "oid", "bool", '"char"', "aclitem", "int4")
ANY = {"anyelement", "anynonarray", "anycompatible", "anycompatiblenonarray", '"any"'}
ANY_ARRAY = {"anyarray", "anycompatiblearray"}
# Of PostgreSQL's own: name, kind, arguments, result.
SIGNATURES = """
    SELECT proname, prokind, proargtypes::regtype[]::text[], prorettype::regtype::text, provariadic
    FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY(%s)
      AND prokind IN ('f', 'a') AND NOT EXISTS (
          SELECT FROM unnest(proargtypes) AS a JOIN pg_type AS t ON t.oid = a
          WHERE t.typtype = 'p' AND t.typname !~ '^any(element|nonarray|array|compatible.*)?$'
             OR t.typname = 'anycompatiblerange')"""
COLUMNS = """
    SELECT string_agg(
        CASE WHEN atttypid = 'anyarray'::regtype
             THEN format('%%1$I::text AS %%1$I', attname) ELSE quote_ident(attname) END, ', ')
    FROM pg_attribute
    WHERE attrelid = ('pg_catalog.' || quote_ident(%s))::regclass
      AND attnum > 0 AND NOT attisdropped"""
# Whoever runs it, besides the owner, is written down, whatever becomes of the transaction.
NOTE = """
    CREATE SCHEMA theirs;
    GRANT USAGE ON SCHEMA theirs TO PUBLIC;
    CREATE SEQUENCE theirs.ran;
    GRANT ALL ON SEQUENCE theirs.ran TO PUBLIC;
    CREATE FUNCTION theirs.note() RETURNS boolean BEGIN ATOMIC
        SELECT CASE WHEN session_user <> 'OWNER'
            THEN nextval('theirs.ran') IS NOT NULL ELSE true END;
    END"""
PATH = "SET search_path = pg_catalog, pg_temp;"

PSEUDO = ("event_trigger", "record", "trigger", "void")  # no domain can be made of them


def plant(owner: Owner) -> int:
    """Plant all in the owner's database, where names are then looked up in their schemas first.

    Returns how many things that are.
    """
    with closing(owner.connect()) as connection:
        connection.execute((PATH + NOTE.replace("OWNER", owner.name)).encode())
        statements = list(_statements(connection))
        connection.execute(";\n".join(statements).encode())
        for what in (f"DATABASE {owner.database}", f"ROLE {owner.name}"):
            path = ", ".join([*SCHEMAS, "pg_catalog"])
            connection.execute(f"ALTER {what} SET search_path = {path}".encode())
    return len(statements)


def ran(connection: psycopg.Connection) -> bool:
    """Say whether anything that was planted ran for anybody but the owner."""
    return connection.execute("SELECT is_called FROM theirs.ran").fetchall() == [(True,)]


def _statements(connection: psycopg.Connection) -> Iterator[str]:
    names = our_sql.names()
    rows = connection.execute(SIGNATURES, [list(names.functions)]).fetchall()
    for schema in SCHEMAS:
        yield from _aggregates(schema, {row[0] for row in rows if row[1] == "a"})
        yield from _functions(schema, (row for row in rows if row[1] == "f"))
        yield from _operators(schema, names.operators)
        yield from (
            f"CREATE DOMAIN {schema}.{_id(each)} AS pg_catalog.{_id(each)} CHECK (theirs.note())"
            for each in _there(connection, "pg_catalog.pg_type", "typname", names.types)
            if each not in PSEUDO
        )
        for each in _there(connection, "pg_catalog.pg_class", "relname", names.relations):
            [(columns,)] = connection.execute(COLUMNS, [each]).fetchall()
            yield (
                f"CREATE VIEW {schema}.{_id(each)} AS"
                f" SELECT {columns} FROM pg_catalog.{_id(each)} WHERE theirs.note()"
            )


def _id(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _there(
    connection: psycopg.Connection, catalog: str, column: str, names: Iterable[str]
) -> list[str]:
    """Return which of these names are PostgreSQL's own."""
    kind = {"typname": "regtype", "relname": "regclass"}[column]
    query = (
        f"SELECT {column} FROM {catalog} WHERE oid = to_{kind}('pg_catalog.' || quote_ident(%s))"
    )
    found = (connection.execute(query.encode(), [name]).fetchone() for name in sorted(names))
    return [row[0] for row in found if row]


def _functions(schema: str, rows: Iterable[tuple[str, str, list[str], str, int]]) -> Iterator[str]:
    made = set()
    for name, _, arguments, result, variadic in rows:
        for concrete in _concrete(arguments, variadic=bool(variadic)):
            head = f"{schema}.{_id(name)}({', '.join(concrete)})"
            if head in made:
                continue
            made.add(head)
            gives = result if result in TYPES else "text"
            body = f"SELECT theirs.note(); SELECT NULL::{gives}"
            yield f"CREATE FUNCTION {head} RETURNS {gives} BEGIN ATOMIC {body}; END"


def _concrete(arguments: list[str], *, variadic: bool) -> Iterator[list[str]]:
    """Return types that fit better than the polymorphic ones, and the plain ones as they are."""
    if variadic and arguments[-1] == '"any"':
        for number in (1, 2, 3):
            yield from _concrete([*arguments[:-1], *number * ['"any"']], variadic=False)
        return
    if not ANY.union(ANY_ARRAY).intersection(arguments):
        yield arguments
        return
    for element in ELEMENTS:
        yield [
            element if each in ANY else f"{element}[]" if each in ANY_ARRAY else each
            for each in arguments
        ]


def _aggregates(schema: str, names: Iterable[str]) -> Iterator[str]:
    for kind in ELEMENTS:
        for number, rest in ((1, kind), (2, f"{kind}, {kind}"), (3, f"{kind}, text")):
            yield (
                f"CREATE FUNCTION {schema}.step{number}(text, {rest}) RETURNS text"
                " BEGIN ATOMIC SELECT theirs.note(); SELECT $1; END"
            )
            for name in names:
                if number < 3 or kind != "text":
                    yield (
                        f"CREATE AGGREGATE {schema}.{_id(name)}({rest})"
                        f" (sfunc = {schema}.step{number}, stype = text)"
                    )
    yield (
        f"CREATE FUNCTION {schema}.step0(text) RETURNS text"
        " BEGIN ATOMIC SELECT theirs.note(); SELECT $1; END"
    )
    yield f"CREATE AGGREGATE {schema}.count(*) (sfunc = {schema}.step0, stype = text)"


def _operators(schema: str, names: Iterable[str]) -> Iterator[str]:
    for left, right in product(TYPES, TYPES):
        function = f"{schema}.evil_{re.sub('[^a-z0-9]', '', left + '_' + right)}"
        yield (
            f"CREATE FUNCTION {function}({left}, {right}) RETURNS boolean"
            " BEGIN ATOMIC SELECT theirs.note(); SELECT true; END"
        )
        for name in names:
            yield (
                f"CREATE OPERATOR {schema}.{name}"
                f" (function = {function}, leftarg = {left}, rightarg = {right})"
            )
