"""The scope `read`: whatever is sent, nothing is written."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from typing import Any

import psycopg
import pytest

from myriad import Myriad
from myriad.door.verdict.verdict import analyse
from myriad.pgwire import wire
from tests.door_clients import Place, connect, made_place
from tests.door_inner import Inner
from tests.door_script import (
    FLUSH,
    SYNC,
    Answer,
    Ended,
    Wire,
    bind,
    execute,
    hold_log,
    parse,
    unit,
)
from tests.harness import as_admin

INSERT = "INSERT INTO note (body) VALUES ('written')"
OFF = "set_config('default_transaction_read_only', 'off', false)"
# What an owner may have made, to be called by whoever reads: as herself, by views, with COMMIT.
MADE = f"""
    CREATE TABLE note (id bigserial, body text);
    CREATE SEQUENCE counter;
    CREATE FUNCTION write() RETURNS int SECURITY DEFINER AS $$ {INSERT} RETURNING 1 $$ LANGUAGE sql;
    CREATE FUNCTION count_on() RETURNS bigint SECURITY DEFINER AS $$ SELECT nextval('counter') $$
        LANGUAGE sql;
    CREATE FUNCTION flip() RETURNS text AS $$ SELECT {OFF} $$ LANGUAGE sql;
    CREATE FUNCTION flip_now() RETURNS text AS
        $$ SELECT set_config('transaction_read_only', 'off', true) $$ LANGUAGE sql;
    CREATE FUNCTION with_setting() RETURNS int SET default_transaction_read_only = off
        AS $$ {INSERT} RETURNING 1 $$ LANGUAGE sql;
    CREATE FUNCTION keeps() RETURNS oid SECURITY DEFINER AS $$ SELECT lo_create(0) $$ LANGUAGE sql;
    CREATE FUNCTION unescape() RETURNS text AS
        $$ SELECT set_config('standard_conforming_strings', 'off', false) $$ LANGUAGE sql;
    CREATE FUNCTION unescape_now() RETURNS text AS
        $$ SELECT set_config('standard_conforming_strings', 'off', true) $$ LANGUAGE sql;
    CREATE FUNCTION encode() RETURNS text AS
        $$ SELECT set_config('client_encoding', 'SJIS', false) $$ LANGUAGE sql;
    CREATE VIEW flips AS SELECT flip() AS f;
    CREATE VIEW writes AS SELECT write() AS w;
    CREATE PROCEDURE commits() AS
        $$ BEGIN COMMIT; SET TRANSACTION READ WRITE; {INSERT}; END $$ LANGUAGE plpgsql;
    CREATE FUNCTION calls() RETURNS int AS
        $$ BEGIN CALL commits(); RETURN 1; END $$ LANGUAGE plpgsql;
"""
# What a function has the server read otherwise than the door does.
HIDDEN = "COMMIT; BEGIN READ WRITE; INSERT INTO note (body) VALUES ($$written$$); COMMIT; --"
STATE = """
    SELECT (SELECT count(*) FROM note), (SELECT count(*) FROM pg_class),
        (SELECT count(*) FROM pg_proc),
        (SELECT last_value FROM {counter}), (SELECT count(*) FROM pg_largeobject_metadata),
        (SELECT count(*) FROM pg_description), (SELECT count(*) FROM pg_db_role_setting),
        (SELECT count(*) FROM pg_roles WHERE rolname !~ '^myriad'),
        (SELECT count(*) FROM pg_namespace)"""
# Statements, one after the other; what each leaves open, the next one may use.
HOSTILE: list[list[str]] = [
    [INSERT],
    ["UPDATE note SET body = 'written'"],
    ["DELETE FROM note"],
    ["MERGE INTO note USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT (id) VALUES (1)"],
    ["TRUNCATE note"],
    [f"WITH w AS ({INSERT} RETURNING 1) SELECT * FROM w"],
    [f"SELECT 1; {INSERT}"],
    [f"/* SELECT */ ; ; {INSERT} -- ;"],
    ["SELECT 1 AS a INTO written"],
    ["CREATE TABLE written AS SELECT 1"],
    ["CREATE TEMP TABLE written (a int)", "INSERT INTO written VALUES (1)"],
    ["CREATE SCHEMA written"],
    ["COMMENT ON TABLE note IS 'written'"],
    ["GRANT SELECT ON note TO PUBLIC"],
    [f"EXPLAIN ANALYZE {INSERT}"],
    [f"PREPARE w AS {INSERT}", "EXECUTE w"],
    [f"DECLARE w CURSOR FOR {INSERT}", "FETCH w"],
    ["COPY note (body) FROM STDIN"],
    ["COPY note TO '/tmp/written'", "COPY note TO PROGRAM 'cat'"],
    [f"COPY ({INSERT} RETURNING 1) TO STDOUT"],
    ["SELECT body FROM note FOR UPDATE", "LOCK TABLE note"],
    [
        "SELECT nextval('counter')",
        "SELECT setval('counter', 77)",
        "SELECT * FROM nextval('counter')",
    ],
    ["SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')", "SELECT keeps()"],
    ["VACUUM note", "ANALYZE note", "REINDEX TABLE note"],
    ["LISTEN told", "NOTIFY told", "SELECT pg_notify('told', '')"],
    [f"DO $$ BEGIN {INSERT}; END $$"],
    [f"DO $$ BEGIN COMMIT; SET TRANSACTION READ WRITE; {INSERT}; END $$"],
    ["CALL commits()", "SELECT calls()", "DO 'BEGIN CALL commits(); END'"],
    ["SELECT write()", "SELECT * FROM writes", "SELECT count_on()", "SELECT with_setting()"],
    ["SET TRANSACTION READ WRITE", INSERT],
    [f"SET TRANSACTION READ WRITE; {INSERT}"],
    ["BEGIN READ WRITE", INSERT, "COMMIT"],
    [f"BEGIN READ WRITE; {INSERT}; COMMIT"],
    ["BEGIN", "SET TRANSACTION READ WRITE", INSERT, "COMMIT"],
    ["BEGIN", "SET LOCAL transaction_read_only = off", INSERT, "COMMIT"],
    ["START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE", INSERT, "COMMIT"],
    ["BEGIN", "SELECT flip_now()", INSERT, "COMMIT"],
    ["BEGIN", "SAVEPOINT a", "SELECT flip_now()", INSERT, "ROLLBACK TO a", INSERT, "COMMIT"],
    ["SET default_transaction_read_only = off", INSERT],
    ["SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", INSERT],
    ["SET default_transaction_read_only TO DEFAULT", INSERT],
    ["RESET default_transaction_read_only", INSERT],
    ["RESET ALL", INSERT],
    ["DISCARD ALL", INSERT],
    [f"SELECT {OFF}", INSERT],
    ["SELECT set_config('default_transaction_' || 'read_only', 'off', false)", INSERT],
    ["SELECT set_config(name, 'off', false) FROM pg_settings WHERE name ~ 'read_only'", INSERT],
    ["UPDATE pg_settings SET setting = 'off' WHERE name = 'default_transaction_read_only'", INSERT],
    [f"PREPARE s AS SELECT {OFF}", "EXECUTE s", INSERT],
    ["PREPARE s AS SELECT set_config($1, $2, false)", "EXECUTE s('transaction_read_only', 'off')"],
    ["ALTER ROLE CURRENT_USER SET default_transaction_read_only = off"],
    ["SELECT flip()", INSERT],
    ["SELECT * FROM flips", INSERT],
    [f"SELECT flip(); {INSERT}"],
    [f"SELECT flip(); COMMIT; {INSERT}"],
    [f"SELECT flip(); ROLLBACK; {INSERT}"],
    [f"SELECT flip(); COMMIT AND CHAIN; {INSERT}; COMMIT"],
    [f"SELECT flip(); END; BEGIN; {INSERT}; END"],
    ["BEGIN", "SELECT flip()", "COMMIT", INSERT],
    ["BEGIN", "SELECT flip()", "COMMIT; SELECT write()"],
    ["PREPARE f AS SELECT flip()", f"EXECUTE f; COMMIT; {INSERT}"],
    ["DECLARE f CURSOR WITH HOLD FOR SELECT flip(), write()", "FETCH ALL FROM f", INSERT],
    ["BEGIN", "DECLARE f CURSOR FOR SELECT flip()", "FETCH f", "COMMIT", INSERT],
    ["EXPLAIN ANALYZE SELECT flip()", INSERT],
    ["COPY (SELECT flip()) TO STDOUT", INSERT],
    ["SET standard_conforming_strings = off", f"SELECT '\\'; {INSERT}; --'"],
    ["SET client_encoding = SJIS", INSERT],
    ["SELECT unescape()", f"SELECT '\\', '; {HIDDEN}'"],
    ["SELECT unescape()", f"PREPARE x AS SELECT '\\', '; {HIDDEN}'"],
    ["BEGIN", "SELECT unescape_now()", f"SELECT '\\', '; {HIDDEN}'"],
    ["BEGIN", "PREPARE TRANSACTION 'written'"],
    ["SET ROLE NONE", INSERT],
]
PIPELINES: list[list[bytes]] = [
    [unit(INSERT)],
    [unit("SELECT 1"), unit(INSERT)],
    [unit("SET TRANSACTION READ WRITE"), unit(INSERT)],
    [unit("BEGIN READ WRITE"), unit(INSERT), unit("COMMIT")],
    [unit("SELECT flip()"), unit(INSERT)],
    [unit("SELECT flip()"), unit("COMMIT"), unit(INSERT)],
    [unit("SELECT flip()"), unit("COMMIT"), unit("SELECT write()")],
    [unit("SELECT flip()"), FLUSH, unit("COMMIT"), FLUSH, unit("SELECT * FROM writes")],
    [unit("SELECT flip()"), FLUSH, unit("COMMIT"), FLUSH, unit(INSERT), FLUSH],
    [unit("SELECT flip()"), unit("ROLLBACK"), unit("SELECT write()")],
    [
        unit("BEGIN"),
        unit("SELECT flip()"),
        unit("COMMIT"),
        unit("BEGIN"),
        unit("SELECT write()"),
        unit("COMMIT"),
    ],
    [unit("SELECT flip()"), unit("COMMIT AND CHAIN"), unit("SELECT write()"), unit("COMMIT")],
    [unit("SELECT flip()"), SYNC, unit("SELECT write()")],
    [unit("SELECT flip()"), SYNC, wire.query(INSERT)],
    [unit("SELECT flip()"), unit("COMMIT"), wire.query(INSERT)],
    [wire.query("SELECT flip()"), wire.query(INSERT), unit("SELECT write()")],
    [
        # All is bound before the first is executed.
        *(parse("SELECT flip()", "f"), parse("COMMIT", "c"), parse("SELECT write()", "w")),
        *(bind(portal=each, name=each) for each in "fcw"),
        *(execute(each) for each in "fcw"),
    ],
    [
        # The ending is bound last, and executed in the middle.
        *(parse("SELECT flip()", "f"), parse("SELECT write()", "w"), parse("COMMIT", "c")),
        *(bind(portal=each, name=each) for each in "fwc"),
        *(execute(each) for each in "fcw"),
    ],
    [wire.query("SELECT unescape()"), wire.query(f"SELECT '\\', '; {HIDDEN}'")],
    [unit("SELECT unescape()"), SYNC, wire.query(f"SELECT '\\', '; {HIDDEN}'")],
    [unit("SELECT unescape()"), wire.query(f"SELECT '\\', '; {HIDDEN}'")],
    [unit("SELECT unescape()"), unit("COMMIT"), wire.query(f"SELECT '\\', '; {HIDDEN}'")],
    # In SJIS a letter may end with the byte of a backslash.
    [
        wire.query("SELECT encode()"),
        wire.message(b"Q", b"SELECT E'\x95\x5c'; " + HIDDEN.encode() + b"'\0"),
    ],
    [parse("COMMIT", "c"), unit("SELECT flip()"), unit("EXECUTE c"), unit("SELECT write()")],
    [parse("COMMIT", "c"), SYNC, wire.query(f"SELECT flip(); EXECUTE c; {INSERT}")],
    [parse("SET TRANSACTION READ WRITE", "s"), SYNC, wire.query("EXECUTE s"), wire.query(INSERT)],
    [parse(INSERT, "i"), SYNC, wire.query("EXECUTE i")],
    [parse("SELECT set_config($1, $2, false)"), bind("transaction_read_only", "off"), execute()],
    [wire.message(b"F", (952).to_bytes(4, "big") + b"\0\0\0\0\0\0")],
]


def count(steps: list[Any]) -> str:
    return f"{len(steps)} steps"


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    with made_place(installation) as made:
        with connect(made.owner) as owner:
            owner.execute(MADE)
        yield made
    hold_log(installation)


@pytest.fixture
def way_in(installation: Myriad) -> Inner:
    return Inner(installation)


@pytest.fixture(scope="module")
def sees(place: Place) -> Iterator[Callable[[str], object]]:
    """Return what tells of a database all that must stay as it is."""
    counters = {place.owner.database: "counter", place.writer.database: "note_id_seq"}
    with ExitStack() as stack:
        watching = {
            name: stack.enter_context(closing(as_admin(place.server, name, autocommit=True)))
            for name in counters
        }
        yield (
            lambda name: (
                watching[name].execute(STATE.format(counter=counters[name]).encode()).fetchone()
            )
        )


def plays(session: Wire, *messages: bytes) -> list[Answer]:
    """Send it all, and return what is answered; an empty query marks the end in any state."""
    session.send(*messages, SYNC, wire.query(""))
    return session.until("I") + session.until()


def try_all(session: Wire, steps: list[str]) -> list[Answer]:
    answers: list[Answer] = []
    for step in steps:
        answers += plays(session, wire.query(step))
    return answers


@pytest.mark.parametrize("whose", ["shared", "own"])
@pytest.mark.parametrize("steps", HOSTILE, ids=count)
def test_no_statement_writes(
    way_in: Inner, place: Place, steps: list[str], whose: str, sees: Callable[[str], object]
) -> None:
    who = place.owner if whose == "own" else place.writer
    before = sees(who.database)
    entered = way_in.enter(who.user, who.database, scope="read")
    with closing(entered) as session, suppress(Ended):
        try_all(session, steps)
    assert sees(who.database) == before


@pytest.mark.parametrize("messages", PIPELINES, ids=count)
def test_no_pipeline_writes(
    way_in: Inner, place: Place, messages: list[bytes], sees: Callable[[str], object]
) -> None:
    who = place.owner
    before = sees(who.database)
    entered = way_in.enter(who.user, who.database, scope="read")
    with closing(entered) as session, suppress(Ended):
        plays(session, *messages)
    assert sees(who.database) == before


@pytest.mark.parametrize(
    "named",
    [
        {"default_transaction_read_only": "off"},
        {"Default_Transaction_Read_Only": "false"},
        {"options": "-c default_transaction_read_only=off"},
        {"options": "--default-transaction-read-only=0"},
        {"transaction_read_only": "off"},
    ],
)
def test_no_startup_message_turns_it_off(
    way_in: Inner, place: Place, named: dict[str, str]
) -> None:
    for who in (place.owner, place.writer):
        with pytest.raises(Ended, match="25006"):
            way_in.enter(who.user, who.database, named, scope="read")


def test_the_attacks_write_where_there_is_no_scope(
    way_in: Inner, place: Place, sees: Callable[[str], object]
) -> None:
    """So the tests above could fail."""
    who = place.owner
    for steps in ([INSERT], ["SELECT write()"], ["SELECT flip()", INSERT], ["CALL commits()"]):
        before = sees(who.database)
        with closing(way_in.enter(who.user, who.database)) as session:
            try_all(session, steps)
        assert sees(who.database) != before, steps


def test_what_is_read_is_read(way_in: Inner, place: Place) -> None:
    for who in (place.owner, place.writer):
        with closing(way_in.enter(who.user, who.database, scope="read")) as session:
            assert session.parameters["default_transaction_read_only"] == "on"
            assert session.rows("SHOW transaction_read_only") == [("'on'",)]
            for text in ("SELECT 1", "BEGIN; SELECT 1; COMMIT", "EXPLAIN ANALYZE SELECT 1"):
                assert not [a for a in plays(session, wire.query(text)) if a[0] == "E"]
            session.send(unit("BEGIN"), unit("SELECT $1::int", "7"), unit("COMMIT"), SYNC)
            assert ("D", "'7'") in session.until()
            copied = session.query("COPY (SELECT 8) TO STDOUT")
            assert ("d", "8\n") in copied


def test_it_is_said_why(way_in: Inner, place: Place) -> None:
    with closing(way_in.enter(place.writer.user, place.writer.database, scope="read")) as session:
        assert session.rows(INSERT) == [
            ("ERROR", "25006", "cannot execute INSERT here: this session only reads")
        ]
        session.send(unit("SELECT 1"), unit("COMMIT"), unit("SELECT 2"), SYNC)
        assert "nothing may follow the end of a transaction" in str(session.until())
        assert session.rows("SELECT 1") == [("'1'",)]


def test_a_function_that_turns_it_off_costs_the_server_connection_and_is_told(
    way_in: Inner, place: Place
) -> None:
    entered = way_in.enter(place.owner.user, place.owner.database, scope="read")
    with closing(entered) as session:
        assert "a session that only reads" in str(session.query("SELECT flip()"))
        assert session.rows("SHOW default_transaction_read_only") == [("'on'",)]


def test_the_scope_of_one_session_is_nothing_to_another(way_in: Inner, place: Place) -> None:
    """The same person, the same texts and names, in turn: prepared, pooled, told."""
    who, text = place.writer, "INSERT INTO note (body) VALUES ($1) RETURNING body"
    with (
        closing(way_in.enter(who.user, who.database, scope="read")) as reads,
        closing(way_in.enter(who.user, who.database, scope="all")) as writes,
        connect(who) as direct,
    ):
        for number in range(3):
            for session, may in ((writes, True), (reads, False)):
                session.send(
                    parse(text, f"s{number}"), bind("x", name=f"s{number}"), execute(), SYNC
                )
                assert (("D", "'x'") in session.until()) is may
            assert reads.rows("SHOW transaction_read_only") == [("'on'",)]
            assert writes.rows("SHOW transaction_read_only") == [("'off'",)]
            assert direct.execute(
                text.replace("$1", "%s").encode(), ["y"], prepare=True
            ).fetchone() == ("y",)
            direct.execute("DELETE FROM note")


def test_functions_of_postgresql_that_act_are_known(place: Place) -> None:
    """Of all that are volatile, these change nothing for others, or the server refuses them."""
    passed = {
        *("amvalidate", "array_sample", "array_shuffle", "clock_timestamp", "current_query"),
        *("currtid2", "currval", "cursor_to_xml", "cursor_to_xmlschema", "gen_random_uuid"),
        *("lastval", "loread", "plpgsql_call_handler", "plpgsql_inline_handler"),
        *("plpgsql_validator", "query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema"),
        *("random", "random_normal", "setseed", "timeofday", "ts_rewrite", "ts_stat"),
        *("txid_current", "txid_status", "uuidv4", "uuidv7"),
    }
    with closing(as_admin(place.server)) as administrator:
        names = administrator.execute(
            "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
            " AND provolatile = 'v' AND prorettype NOT IN ('trigger'::regtype, 'internal'::regtype)"
            " AND NOT ('internal'::regtype = ANY(proargtypes))"
        ).fetchall()
    let_through = {
        name
        for (name,) in names
        if analyse(f'SELECT pg_catalog."{name}"()', frozenset(), reads=True).refusal is None
    }
    assert {name for name in let_through - passed if not name.startswith(("pg_", "lo_"))} == set()


def test_psycopgs_errors_are_those_of_a_read_only_transaction(way_in: Inner, place: Place) -> None:
    assert psycopg.errors.lookup("25006") is psycopg.errors.ReadOnlySqlTransaction
    with closing(way_in.enter(place.reader.user, place.reader.database, scope="read")) as session:
        assert session.rows("UPDATE flight SET id = 1")[0][1] == "25006"
