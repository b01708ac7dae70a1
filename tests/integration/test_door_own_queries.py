"""What somebody sets never hits what the door asks by itself, and stays theirs as it was set."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from myriad import Myriad
from myriad.pgwire import wire
from tests.door_script import Answer, Place, Wire, goes_on, owning, shared
from tests.harness import wait_until

DATABASE, OWN = "own_queries", "own_queries_own"
PEOPLE = ["set one", "set two"]
ONE, TWO = PEOPLE
OWNER = "set_owner"
# Beside the least and most that each setting may be. The others are refused where people share.
MORE = {
    "statement_timeout": ["2500"],
    "transaction_timeout": ["2500"],
    "client_encoding": ["LATIN1", "SQL_ASCII", "EUC_JP"],
    "search_path": ["schön, public", "''", "pg_catalog"],
    "application_name": ["naïve 'app' \\ \""],
    "DateStyle": ["SQL, DMY"],
    "TimeZone": ["Asia/Tokyo", "<+05>-05"],
    "default_transaction_isolation": ["serializable"],
}
# They end a session by themselves, are no session's, or are always refused.
NOT_HERE = {"idle_session_timeout", "role", "session_authorization", "seed", "random_page_cost"}


@pytest.fixture(scope="module")
def place(installation: Myriad) -> Iterator[Place]:
    table = "CREATE TABLE t (a int)"
    with shared(installation, DATABASE, PEOPLE, table) as found, owning(found, OWNER, OWN):
        yield found


@pytest.fixture(scope="module")
def other(place: Place) -> Iterator[Wire]:
    with closing(place.door(TWO, DATABASE)) as found:
        yield found


def extremes(place: Place) -> list[tuple[str, str]]:
    """Return each setting that people may change, with the values at its ends."""
    with closing(place.admin(DATABASE)) as connection:
        rows = connection.execute(
            "SELECT name, coalesce(enumvals, ARRAY[min_val, max_val]) FROM pg_settings"
            " WHERE context = 'user' AND vartype <> 'bool'"
            " UNION ALL SELECT name, '{on,off}' FROM pg_settings"
            " WHERE context = 'user' AND vartype = 'bool' ORDER BY 1"
        ).fetchall()
    return [
        (name, value)
        for name, values in rows
        if name not in NOT_HERE and not name.startswith("debug_print")  # they fill the log
        for value in [*(each for each in values if each is not None), *MORE.get(name, [])]
    ]


def seen(session: Wire, name: str) -> list[Answer]:
    return session.query(f"SHOW {name}")


def refused(answers: list[Answer]) -> bool:
    return any(answer[0] == "E" and answer[2] in {"42501", "0A000"} for answer in answers)


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def test_each_setting_holds_at_both_its_ends_whoever_comes_in_between(
    place: Place, other: Wire
) -> None:
    settings = extremes(place)
    assert len(settings) > 200
    different = []
    with (
        closing(place.door(ONE, DATABASE)) as session,
        closing(place.alike(ONE, DATABASE)) as direct,
    ):
        for name, value in settings:
            text = f"SET {name} TO {value if name == 'search_path' else quoted(value)}"
            answers = session.query(text)
            if refused(answers):
                continue
            found = [answers, seen(session, name)]
            other.query("SELECT 1")
            found += [seen(session, name), session.query("RESET ALL"), seen(session, name)]
            wanted = [direct.query(text), seen(direct, name)]
            wanted += [seen(direct, name), direct.query("RESET ALL"), seen(direct, name)]
            if found != wanted:
                different.append((text, found, wanted))
    assert different == []


LIMITS = ["statement_timeout", "transaction_timeout", "lock_timeout"]
WHO = pytest.mark.parametrize("who", [(ONE, DATABASE), (OWNER, OWN)], ids=["shared", "owner"])
STEPS = {
    "for the session": ["SET {} TO '2s'", "SELECT 1", "SHOW {}", "SET {} TO 0", "SHOW {}"],
    "by a function": ["SELECT set_config('{}', '2s', false)", "SHOW {}", "RESET {}", "SHOW {}"],
    "in a transaction": ["BEGIN", "SET {} TO '2s'", "SHOW {}", "COMMIT", "SHOW {}", "RESET ALL"],
    "for a transaction": ["BEGIN", "SET LOCAL {} TO '2s'", "SHOW {}", "COMMIT", "SHOW {}"],
    "rolled back": ["BEGIN", "SET {} TO '2s'", "ROLLBACK", "SHOW {}"],
    "with a connection of one's own": ["PREPARE p AS SELECT 1", "SET {} TO '2s'", "SHOW {}"],
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("name", LIMITS)
@WHO
def test_a_limit_of_time_is_set_as_on_a_direct_connection(
    place: Place, name: str, steps: list[str], who: tuple[str, str]
) -> None:
    texts = [step.format(name) for step in steps]
    with closing(place.door(*who)) as session, closing(place.direct(*who)) as direct:
        for text in texts:
            assert session.query(text) == direct.query(text), text


@pytest.mark.parametrize("name", LIMITS)
@WHO
def test_a_limit_of_time_hits_nothing_that_the_door_asks(
    place: Place, name: str, who: tuple[str, str]
) -> None:
    """The door reads settings after SET; here it cannot for longer than the limit allows."""
    with closing(place.admin(who[1])) as holder, closing(place.door(*who)) as session:
        holder.execute("BEGIN; LOCK TABLE pg_catalog.pg_settings IN ACCESS EXCLUSIVE MODE")
        session.send(wire.query(f"SET {name} TO '400ms'; SET work_mem TO '5MB'"))
        wait_until(lambda: waits_for_longer_than(place, 0.8))
        holder.execute("COMMIT")
        assert session.until() == [("C", "SET\0")] * 2 + [("Z", "I")]
        assert session.rows(f"SHOW {name}") == [("'400ms'",)]
        assert session.rows("SHOW work_mem") == [("'5MB'",)]


def waits_for_longer_than(place: Place, seconds: float) -> bool:
    """Say whether something waits for a lock."""
    with closing(place.admin("myriad")) as connection:
        [(waits,)] = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            " AND clock_timestamp() - query_start > %s * interval '1 second'",
            (seconds,),
        ).fetchall()
    return bool(waits)


def test_nothing_of_the_doors_waits_for_others_who_write(place: Place, other: Wire) -> None:
    """A deferrable transaction waits, before it begins, for all that might conflict with it."""
    with closing(place.admin(DATABASE)) as writer, closing(place.door(ONE, DATABASE)) as session:
        writer.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
        writer.execute("INSERT INTO t VALUES (1)")
        modes = "SERIALIZABLE, READ ONLY, DEFERRABLE"
        session.query(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {modes}")
        goes_on(other)
        assert session.rows("SHOW default_transaction_deferrable") == [("'on'",)]
        session.query("RESET ALL")
        assert session.rows("SHOW default_transaction_deferrable") == [("'off'",)]


@pytest.mark.parametrize(("encoding", "name"), [("LATIN1", "schön"), ("EUC_JP", "漢字")])
def test_text_in_any_encoding_comes_back_as_it_was_set(
    place: Place, other: Wire, encoding: str, name: str
) -> None:
    with closing(place.door(ONE, DATABASE)) as session:
        session.query(f'SET search_path TO "{name}"')
        for each in (encoding, "UTF8"):
            goes_on(other)
            session.query(f"SET client_encoding TO '{each}'")
        goes_on(other)
        assert session.rows("SHOW search_path") == [(repr(f'"{name}"'),)]


@pytest.mark.parametrize("way", ["SET", "at login"])
def test_a_session_ends_when_it_is_idle_for_longer_than_it_said(place: Place, way: str) -> None:
    startup = {"idle_session_timeout": "300ms"} if way == "at login" else {}
    with closing(place.door(ONE, DATABASE, **startup)) as session:
        if way == "SET":
            session.query("SET idle_session_timeout TO 300")
        assert session.rows("SHOW idle_session_timeout") == [("'300ms'",)]
        session.query("BEGIN")
        time.sleep(0.5)  # in a transaction it is no matter
        session.query("COMMIT")
        assert session.to_the_end() == [IDLE]


IDLE = ("E", "FATAL", "57P05", "terminating connection due to idle-session timeout")
