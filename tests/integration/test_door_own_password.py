"""People change their own password at the door: each way of it, and what an attacker would try."""

import base64
import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from myriad import verifiers
from myriad.pgwire import scram, wire
from tests.door_attackers import TABLES
from tests.door_inner import Inner
from tests.door_own_passwords import DATABASE, READERS, REFUSED, People
from tests.door_script import (
    SYNC,
    add_database,
    bind,
    close,
    describe,
    execute,
    parse,
    unit,
    up_with,
)
from tests.harness import run, wait_until

ALTERED = ("C", "ALTER ROLE\0")


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    with up_with(door_processes=2) as place:
        add_database(place, DATABASE, TABLES)
        place.installation.people.add_groups([READERS])
        place.installation.people.grant(READERS, "public", DATABASE)
        yield People(place)


WAYS = r"""
ALTER ROLE CURRENT_USER PASSWORD '{new}'
alter user session_user with encrypted password E'\x{hex}{rest}'
ALTER USER {name} PASSWORD $x${new}$x$
ALTER ROLE "{name}" PASSWORD U&'!{hex4}{rest}' UESCAPE '!' -- a comment
ALTER ROLE U&"\{name4}{name_rest}" WITH PASSWORD '{new}';
""".strip().splitlines()


@pytest.mark.parametrize("text", WAYS)
def test_each_way_of_writing_it_changes_it_at_once_and_sessions_go_on(
    people: People, text: str
) -> None:
    name, new = people.reader(), secrets.token_hex(8)
    old = people.place.passwords[name]
    before = people.state()
    with closing(people.wire(name)) as session, closing(people.wire(name)) as other:
        written = text.format(
            name=name,
            new=new,
            hex=f"{ord(new[0]):02x}",
            hex4=f"{ord(new[0]):04x}",
            rest=new[1:],
            name4=f"{ord(name[0]):04x}",
            name_rest=name[1:],
        )
        assert session.query(written) == [ALTERED, ("Z", "I")]
        people.has(name, new, but=old)
        for each in (session, other):
            assert each.rows("SELECT current_user") == [(f"'{name}'",)]
    after = people.state()
    assert {each for each in after if after[each] != before.get(each)} == {name}
    scram_in_catalog, scram_kept, bcrypt = after[name]
    assert scram_in_catalog == scram_kept
    assert str(scram_kept).startswith("SCRAM-SHA-256$4096:")
    assert str(bcrypt).startswith("$2a$06$")


@pytest.mark.parametrize(
    "new",
    ["pässwörd", "a\u00a0b\u00ad and c", "\u2168 ½ and ¼", "\x07 a bell", "山田太郎と花子さん"],
)
def test_every_text_is_a_password_as_libpq_prepares_it(people: People, new: str) -> None:
    name = people.reader()
    with closing(people.connect(name)) as session:
        session.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(new))
    people.place.passwords[name] = new
    people.connect(name).close()


def test_psql_asks_twice_and_sends_no_password(people: People) -> None:
    name = people.reader()
    said = people.psql(name, "\\password\nby psql\nby psql\nSELECT 'went on';\n")
    assert "went on" in said
    assert "ERROR" not in said
    people.has(name, "by psql")


def test_libpq_as_psql_does_it_for_readers_and_owners(people: People) -> None:
    for name in (people.reader(), people.owner()):
        with closing(people.connect(name)) as session:
            assert session.execute("SHOW password_encryption").fetchone() == ("scram-sha-256",)
            [(who,)] = session.execute("SELECT CURRENT_USER").fetchall()
            session.pgconn.change_password(who.encode(), b"by libpq")
        people.has(name, "by libpq")
        assert people.state()[name][2] is None  # Cassandra cannot have what is not known


def test_an_owner_does_it_in_their_own_database_by_the_same_way(people: People) -> None:
    name = people.owner()
    with closing(people.wire(name)) as session:
        session.query("CREATE TEMP TABLE keeps_the_connection (a int)")
        refused = session.query("ALTER ROLE CURRENT_USER PASSWORD 'a new one'")
        assert refused[0][2:] == ("0A000", "CURRENT_USER may be somebody else in this session")
        assert session.query("ALTER ROLE SESSION_USER PASSWORD 'a new one'")[0] == ALTERED
        assert session.rows("SELECT count(*) FROM keeps_the_connection") == [("'0'",)]
        session.send(parse(f"ALTER ROLE {name} PASSWORD 'a newer one'") + bind() + execute() + SYNC)
        assert ALTERED in session.until()
    people.has(name, "a newer one", but="a new one")
    assert people.state()[name][0] == people.state()[name][1]


def test_by_the_extended_protocol_each_answer_is_in_its_place(people: People) -> None:
    name = people.reader()
    with closing(people.wire(name)) as session:
        one = "ALTER ROLE CURRENT_USER PASSWORD 'number one'"
        session.send(parse(one) + bind() + describe() + execute() + SYNC)
        kinds = [("1", ""), ("2", ""), ("n", ""), ALTERED, ("Z", "I")]
        assert session.until() == kinds
        people.has(name, "number one")
        session.send(parse("ALTER ROLE SESSION_USER PASSWORD 'number two'", "named"))
        session.send(describe("S", "named") + SYNC)
        assert session.until() == [("1", ""), ("t", "0000"), ("n", ""), ("Z", "I")]
        session.send(bind(name="named", portal="p") + execute("p") + unit("SELECT 7"))
        session.send(close(name="named") + SYNC)
        assert [each[0] for each in session.until()] == [*"2C12TDC3Z"]
        people.has(name, "number two", but="number one")


def test_a_statement_is_carried_out_only_where_the_server_would_have_come_to_it(
    people: People,
) -> None:
    name = people.reader()
    own = unit("ALTER ROLE CURRENT_USER PASSWORD 'x'")
    before = people.state()
    with closing(people.wire(name)) as session:
        for hostile in (
            parse("SELECT no_such_column") + own + SYNC,
            parse("SELECT 1/0") + bind() + execute() + own + SYNC,
            unit("SELECT 1") + own + SYNC,
            bind(name="nothing") + own + SYNC,
            parse("ALTER ROLE CURRENT_USER PASSWORD 'x'") + bind() + SYNC + execute() + SYNC,
            parse("ALTER ROLE CURRENT_USER PASSWORD 'x'")
            + bind()
            + parse("SELECT 1")
            + bind()
            + execute()
            + SYNC,
            parse("ALTER ROLE CURRENT_USER PASSWORD 'x'", "s")
            + SYNC
            + wire.query("BEGIN")
            + bind(name="s")
            + execute()
            + SYNC
            + wire.query("ROLLBACK")
            + wire.query("EXECUTE s"),
        ):
            session.send(hostile)
            times = hostile.count(SYNC) + hostile.count(b"Q\0\0\0")
            answers = session.until(times=times)
            assert ALTERED not in answers
        assert session.rows("SELECT 1") == [("'1'",)]
    assert people.state() == before


def test_what_is_refused_changes_nothing_and_ends_in_a_hint(people: People) -> None:
    me, other = people.reader(), people.reader()
    filled = {
        "own": "ALTER ROLE CURRENT_USER PASSWORD",
        "me": me,
        "ME": me.upper(),
        "other": other,
        "md5": "0" * 32,
        "long": "x" * 1001,
        "salt": base64.b64encode(b"s" * 16).decode(),
        "huge": base64.b64encode(b"s" * 65).decode(),
        "key": base64.b64encode(b"k" * 32).decode(),
        "empty": verifiers.scram_sha_256(""),
    }
    before, tried = people.state(), people
    for line in REFUSED:
        expected, _, text = line.partition("| ")
        code, _, said = expected.strip().partition(" ")
        if code == "22023":  # tries are counted by person: see the flood
            me = tried.reader()
            before[me] = people.state()[me]
        with closing(people.connect(me)) as session:
            with pytest.raises(psycopg.Error) as caught:
                session.execute(text.format(**filled).encode())
            diagnostic = caught.value.diag
            assert diagnostic.sqlstate == code, text
            assert said in str(diagnostic.message_primary), text
            assert diagnostic.message_hint, text
        me = filled["me"]
    assert people.state() == before


def test_an_owner_cannot_change_others_or_lose_their_own(people: People) -> None:
    owner, other = people.owner(), people.reader()
    before = people.state()
    with closing(people.wire(owner)) as session:
        for text in (
            f"ALTER ROLE {other} PASSWORD 'x'",
            f"DO $$ BEGIN EXECUTE 'ALTER ROLE {other} PASSWORD ''x'''; END $$",
            "SET ROLE readers; ALTER ROLE CURRENT_USER PASSWORD 'x'",
            f"ALTER ROLE {owner} PASSWORD NULL",
            f"SELECT 1; ALTER ROLE {owner} PASSWORD 'x'",
            f"ALTER ROLE {other} PASSWORD 'x'; ALTER ROLE {owner} PASSWORD 'x'",
        ):
            assert session.query(text)[-2][0] == "E", text
            session.query("ROLLBACK")
        session.query("SET ROLE readers")
        assert session.query("ALTER ROLE CURRENT_USER PASSWORD 'x'")[0][2] == "0A000"
        of_readers = session.query("ALTER ROLE readers PASSWORD 'readers know'")[0]
        assert of_readers[2:] == ("42501", "only your own password is yours to change here")
        session.send(unit("ALTER ROLE readers PASSWORD 'readers know'") + SYNC)
        assert session.until()[0][2] == "42501"
    password = "SELECT rolpassword FROM pg_authid WHERE rolname = 'readers'"
    with closing(people.place.admin("myriad")) as admin:
        assert admin.execute(password).fetchall() == [(None,)]
    assert people.state() == before


def test_another_encoding_does_not_make_another_password(people: People) -> None:
    name = people.reader()
    with closing(people.wire(name)) as session:
        session.query("SET client_encoding = 'WIN1251'")
        text = "ALTER ROLE CURRENT_USER PASSWORD 'пароль'".encode("cp1251")
        session.send(wire.message(b"Q", text + b"\0"))
        assert session.until()[0][2] == "0A000"
        assert session.query("ALTER ROLE CURRENT_USER PASSWORD 'in ascii'")[0] == ALTERED
    people.has(name, "in ascii")


def test_who_only_reads_does_not_change_it(people: People) -> None:
    name = people.reader()
    way_in = Inner(people.place.installation)
    before = people.state()
    with closing(way_in.enter(name, DATABASE, scope="read")) as session:
        text = "ALTER ROLE CURRENT_USER PASSWORD 'x'"
        assert session.rows(text)[0][1] == "25006"
        session.send(unit(text) + SYNC)
        assert session.until()[0][2] == "25006"
    assert people.state() == before
    with closing(way_in.enter(name, DATABASE, scope="all")) as session:
        assert session.query("ALTER ROLE CURRENT_USER PASSWORD 'by a program'")[0] == ALTERED
    people.has(name, "by a program")


def test_a_login_that_has_begun_with_the_old_password_does_not_end_well(people: People) -> None:
    name = people.reader()
    client = scram.Client(people.place.passwords[name])
    late = people.place.stranger()
    late.send(wire.startup({"user": name, "database": DATABASE}))
    late.read()
    first = client.first()
    named = wire.text(scram.PLAIN) + len(first).to_bytes(4, "big") + first
    late.send(wire.message(b"p", named))
    [(_, body)] = [late.read()]
    with closing(people.wire(name)) as session:
        assert session.query("ALTER ROLE CURRENT_USER PASSWORD 'a new one'")[0] == ALTERED
    people.place.installation.people.activity()  # so all processes have heard of it
    late.send(wire.message(b"p", client.final(body[4:])))
    assert late.to_the_end()[-1][2] in {"57P01", "28P01"}


def test_a_flood_of_changes_slows_down_who_sends_it_alone(people: People) -> None:
    name, other = people.reader(), people.reader()
    before = people.state()[name]
    sessions = [people.wire(name) for _ in range(4)]
    text = wire.query("ALTER ROLE CURRENT_USER PASSWORD 'in a flood'")
    for session in sessions:
        session.send(text * 2500)
    wait_until(lambda: people.state()[name] != before)
    began = time.monotonic()
    with closing(people.wire(other)) as calm:
        assert calm.query("ALTER ROLE CURRENT_USER PASSWORD 'in a calm'")[0] == ALTERED
        assert calm.rows("SELECT 1") == [("'1'",)]
    people.has(other, "in a calm")
    took = time.monotonic() - began
    wait_until(lambda: people.changes(name))
    for session in sessions:
        session.vanish()
    assert took < 10
    assert (
        len(people.changes(name)) < 20
    )  # five at once in each process, and then one in 0.25 s, 0.5 s ...
    wait_until(lambda: not people.place.installation.people.activity([name]))
    people.has(name, "in a flood")


def test_what_is_cut_off_in_the_middle_leaves_the_old_password(people: People) -> None:
    name = people.reader()
    old, before = people.place.passwords[name], people.state()[name]
    text = "ALTER ROLE CURRENT_USER PASSWORD 'never ever'"
    with closing(people.place.admin("myriad")) as admin, closing(people.wire(name)) as session:
        admin.execute("BEGIN; LOCK TABLE public.person IN SHARE ROW EXCLUSIVE MODE")
        session.send(wire.query(text))
        wait_until(people.waits_for_lock)
        people.wire(name).close()  # nobody else waits
        for pid in people.waits_for_lock():
            admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        assert session.until()[0][2] == "08006"
        session.send(wire.query(text))
        wait_until(people.waits_for_lock)
        assert session.until()[0][2:] == ("55P03", "somebody else is changing accounts")
        session.send(wire.query(text))
        wait_until(people.waits_for_lock)
        doors = people.doors()
        for pid in doors:
            os.kill(pid, signal.SIGKILL)
        admin.execute("ROLLBACK")
    wait_until(lambda: people.logs_in(name))
    assert people.state()[name] == before
    people.has(name, old, but="never ever")


def test_neither_password_nor_verifier_is_written_down_anywhere(people: People) -> None:
    name, mark = people.reader(), secrets.token_hex(6)
    made = verifiers.scram_sha_256(f"verified{mark}")
    place = people.place
    with closing(place.admin("myriad")) as admin:
        for setting in ("log_statement = 'all'", "log_min_duration_statement = 0"):
            admin.execute(f"ALTER SYSTEM SET {setting}".encode())
        admin.execute("SELECT pg_reload_conf()")
        wait_until(lambda: admin.execute("SHOW log_statement").fetchone() == ("all",))
    with closing(people.wire(name)) as session:
        assert session.query(f"ALTER ROLE CURRENT_USER PASSWORD 'plain{mark}'")[0] == ALTERED
        session.send(unit(f"ALTER ROLE CURRENT_USER PASSWORD '{made}'") + SYNC)
        assert ALTERED in session.until()
        session.send(parse(f"ALTER ROLE CURRENT_USER PASSWORD 'named{mark}'", "s") + SYNC)
        session.until()
        session.send(parse(f"ALTER ROLE CURRENT_USER PASSWORD 'again{mark}'", "s") + SYNC)
        assert session.until()[0][2] == "42P05"
        assert session.query(f"ALTER ROLE CURRENT_USER PASSWORD '{made}x'")[0][2] == "22023"
        shown = str(place.installation.people.activity())
    wait_until(lambda: len(people.changes(name)) == 2)
    told = [path.read_text(errors="replace") for path in place.installation.home.logs.glob("*")]
    asked = ("audit", "statements")
    told += [run(place.installation.home, "people", each, "--json").stdout for each in asked]
    with closing(place.admin("myriad")) as admin:
        told.append(str(admin.execute("SELECT * FROM pg_stat_activity").fetchall()))
        told.append(str(admin.execute("TABLE public.statement").fetchall()))
        admin.execute("ALTER SYSTEM RESET ALL")
        admin.execute("SELECT pg_reload_conf()")
    everything = "\n".join([shown, *told])
    stored = people.state()[name][1]
    for secret in (mark, made[20:], str(stored)[20:]):
        assert secret not in everything
    people.has(name, f"verified{mark}")
