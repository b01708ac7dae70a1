"""Whatever setting a person changes, nobody else's statement is parsed or planned with it.

Every setting of PostgreSQL that a person may change is tried. Two people of one group use one
server connection in turn, with the very same texts; each gets what a connection of their own gives.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count

import psycopg
import pytest
from psycopg.pq import DiagnosticField, Format
from psycopg.pq.abc import PGresult

from myriad import Myriad
from myriad.door.verdict.setting_changes import HARMLESS
from tests.door_script import Place, shared

DATABASE, ALICE, BOB = "door settings", "alice of settings", "bob of settings"
TABLE = """
    CREATE TABLE sale (id int, d date, at timestamptz, name text);
    INSERT INTO sale
    VALUES (1, '2024-04-03', '2024-01-01Z', 'a'), (2, '2024-03-04', '2024-01-02Z', 'b')
"""
# What is worked out from a literal when a text is parsed, and what when it is planned.
PARSED = b"""
    SELECT '01/02/2024'::date, extract(epoch from '2024-01-01 00:00'::timestamptz)::bigint,
        extract(epoch from '2024-01-01 00:00 EST'::timestamptz)::bigint,
        extract(epoch from '-1 02:03:04'::interval)::bigint, '{NULL,a}'::text[] = ARRAY[NULL, 'a'],
        (SELECT count(*) FROM sale WHERE name = NULL),
        (SELECT min(id) FROM sale WHERE d = '04/03/2024'),
        (SELECT count(*) FROM sale WHERE at < '2024-01-01 05:00'), 'sale'::regclass::oid > 0
"""
PLANNED = b"""
    SELECT (0.1::float8 + 0.2::float8)::text, '\\x00ff'::bytea::text, quote_ident('a'),
        '-1 02:03'::interval::text, '2024-02-01'::date::text, '1.5'::money::text,
        '2024-01-01 00:00+00'::timestamptz::text, to_tsvector('houses')::text
"""
# Where another value is not found by rule; a person may not change the others in a shared pool.
SPECIAL = {
    "DateStyle": "SQL, DMY",
    "TimeZone": "Asia/Tokyo",
    "timezone_abbreviations": "Australia",
    "search_path": "pg_catalog",
    "client_encoding": "LATIN9",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "default_text_search_config": "pg_catalog.german",
    "application_name": "mine",
    "temp_tablespaces": "pg_default",
    "default_tablespace": "pg_default",
    "default_table_access_method": "heap",
    "createrole_self_grant": "set",
    "debug_io_direct": "",
    "log_line_prefix": "",
    "restrict_nonsystem_relation_kind": "view",
    "backtrace_functions": "",
}
NOT_OURS = {"role", "session_authorization", "seed", "standard_conforming_strings", "is_superuser"}
CHANGEABLE = """
    SELECT name, vartype, enumvals, setting, min_val, max_val FROM pg_settings
    WHERE context = 'user' AND name !~ '^transaction_(isolation|read_only|deferrable)$'
"""


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with shared(installation, DATABASE, [ALICE, BOB], TABLE) as place:
        yield place


def others(place: Place) -> Iterator[tuple[str, str]]:
    """Yield each setting with another value than it has."""
    with closing(place.admin(DATABASE)) as connection:
        rows = connection.execute(CHANGEABLE).fetchall()
    for name, kind, values, now, least, most in rows:
        if name in NOT_OURS:
            continue
        if name in SPECIAL:
            yield name, SPECIAL[name]
        elif kind == "bool":
            yield name, "off" if now == "on" else "on"
        elif kind == "enum":
            yield from ((name, value) for value in values if value != now)
        elif kind in {"integer", "real"}:
            yield name, _number(name, now, least, most)


def _number(name: str, now: str, least: str, most: str) -> str:
    if name.endswith("_timeout"):
        return "3600000"  # one that ends nothing here
    small, large = float(least), float(most)
    return next(f"{value:g}" for value in (small, small + 1, large) if value != float(now))


def through(place: Place, person: str) -> psycopg.Connection:
    server, password = place.server, place.passwords[person]
    return psycopg.connect(
        host=server.host, port=server.port, user=person, password=password, dbname=DATABASE,
        autocommit=True,
    )  # fmt: skip


def straight(place: Place, person: str) -> psycopg.Connection:
    return psycopg.connect(
        place.server.dsn, user=person, dbname=DATABASE, autocommit=True, options=""
    )


Rows = tuple[object, ...]
Connect = Callable[[Place, str], psycopg.Connection]


def rows(result: PGresult) -> Rows:
    """Return what a statement gave: its values as bytes, or its SQLSTATE."""
    if result.error_message:
        return (result.error_field(DiagnosticField.SQLSTATE),)
    return tuple(
        result.get_value(row, column)
        for row in range(result.ntuples)
        for column in range(result.nfields)
    )


NAMES = count()


def in_every_way(connection: psycopg.Connection) -> list[Rows]:
    """Run the texts as simple and as prepared statements, with answers as text and in binary."""
    wire, found = connection.pgconn, []
    for text in (PARSED, PLANNED):
        found.append(rows(wire.exec_(text)))
        name = b"s%d" % next(NAMES)
        wire.prepare(name, text)
        found += [rows(wire.exec_prepared(name, None, result_format=form)) for form in Format]
    return found


def in_turn(alice: psycopg.Connection, bob: psycopg.Connection, change: bytes) -> list[list[Rows]]:
    """Let Alice change something; then both run the same texts, in turn."""
    changed = rows(alice.pgconn.exec_(change))
    found = [[changed], in_every_way(alice), in_every_way(bob), in_every_way(alice)]
    alice.pgconn.exec_(b"RESET ALL")
    return [*found, in_every_way(alice), in_every_way(bob)]


@contextmanager
def both(place: Place, connect: Connect) -> Iterator[tuple[psycopg.Connection, psycopg.Connection]]:
    with closing(connect(place, ALICE)) as alice, closing(connect(place, BOB)) as bob:
        yield alice, bob


def test_no_setting_of_one_person_reaches_what_another_prepares(
    place: Place, by_day: Callable[[int], int]
) -> None:
    changes = list(others(place))
    assert len(changes) > 120
    delicate = [change for change in changes if change[0] in {*SPECIAL, *HARMLESS}]
    changes = [*delicate, *changes[:: len(changes) // by_day(len(changes))]]
    with both(place, through) as here, both(place, straight) as there:
        for name, value in changes:
            change = f"SET {name} = '{value}'".encode()
            alone = in_turn(*there, change)
            assert in_turn(*here, change) == alone, (name, value)
            assert name not in HARMLESS or alone[1] == alone[2], name


def test_what_was_prepared_before_a_setting_changed_is_parsed_with_the_old_one_elsewhere(
    place: Place,
) -> None:
    changes = [(name, value) for name, value in others(place) if name in SPECIAL]
    for name, value in [*changes, ("IntervalStyle", "sql_standard"), ("array_nulls", "off")]:
        found = []
        for connect in (through, straight):
            with both(place, connect) as (alice, bob):
                found.append(elsewhere(alice, bob, f"SET {name} = '{value}'".encode()))
        assert found[0] == found[1], name


def elsewhere(alice: psycopg.Connection, bob: psycopg.Connection, change: bytes) -> list[Rows]:
    """Let Alice prepare, then change something; meanwhile Bob takes her server connection."""
    wire = alice.pgconn
    wire.prepare(b"before", PARSED)
    found = [rows(wire.exec_prepared(b"before", None)), rows(wire.exec_(change))]
    bob.execute("BEGIN")
    found += [rows(wire.exec_prepared(b"before", None)) for _ in range(2)]
    wire.exec_(b"BEGIN")
    found.append(rows(wire.exec_prepared(b"before", None)))
    wire.exec_(b"COMMIT")
    bob.execute("COMMIT")
    wire.exec_(b"RESET ALL")
    return [*found, rows(wire.exec_prepared(b"before", None))]


def test_settings_of_one_transaction_stay_with_what_is_prepared_in_it(place: Place) -> None:
    def prepare_within(alice: psycopg.Connection, bob: psycopg.Connection) -> list[Rows]:
        wire = alice.pgconn
        wire.exec_(b"BEGIN; SET LOCAL TimeZone = 'Asia/Tokyo'; SET LOCAL DateStyle = 'SQL, DMY'")
        wire.prepare(b"within", PARSED)
        found = [rows(wire.exec_prepared(b"within", None))]
        wire.exec_(b"COMMIT")
        bob.execute("BEGIN")
        found.append(rows(wire.exec_prepared(b"within", None)))
        wire.prepare(b"after", PARSED)
        wire.exec_(b"BEGIN; SET LOCAL TimeZone = 'Asia/Tokyo'; SET LOCAL DateStyle = 'SQL, DMY'")
        found.append(rows(wire.exec_prepared(b"after", None)))
        bob.execute("COMMIT")
        wire.exec_(b"ROLLBACK")
        return [*found, rows(wire.exec_prepared(b"after", None))]

    found = []
    for connect in (through, straight):
        with both(place, connect) as (alice, bob):
            found.append(prepare_within(alice, bob))
    assert found[0] == found[1]
