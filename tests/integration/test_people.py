"""Accounts, groups and grants on a real server."""

import uuid
from collections.abc import Callable
from contextlib import closing

import psycopg
import pytest
from psycopg import sql

from myriad import Myriad
from myriad.engines.postgres.base import CONTROL_DATABASE
from myriad.errors import PeopleError
from myriad.people import NewPerson, People, tables
from tests.harness import as_admin

HOSTILE = [
    "Rose",
    "rose of tudor",
    "O'Brien",
    'quo"te',
    "Zoë Łuczak 🦉",
    "山田太郎",
    "x'; DROP TABLE person; --",
    '"; DROP ROLE myriad; --',
    "100% sure",
    "back\\slash",
    "comma,semi;colon:@/?#[]",
    "select",
    "-flag",
    "$$; x",
    "n" * 63,
    "é" * 31,
]


@pytest.fixture
def people(installation: Myriad) -> People:
    return installation.people


@pytest.fixture
def tag() -> str:
    return uuid.uuid4().hex[:8]


Login = Callable[..., psycopg.Connection]


@pytest.fixture
def login(installation: Myriad) -> Login:
    server = installation.server()

    def log_in(name: str, password: str, database: str = "main") -> psycopg.Connection:
        return psycopg.connect(
            host=server.host,
            port=server.port,
            user=name,
            password=password,
            dbname=database,
            autocommit=True,
        )

    return log_in


def as_administrator(installation: Myriad, database: str, *statements: str) -> None:
    with closing(as_admin(installation.server(), database, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_somebody_added_logs_in_with_the_generated_password(
    people: People, login: Login, tag: str, database: str
) -> None:
    people.add_groups([f"g{tag}"])
    people.grant(f"g{tag}", "public", database)
    [(name, password)] = people.add_people([f"Rose {tag}"], [f"g{tag}"])
    with closing(login(name, password, database)) as connection:
        assert connection.execute("SELECT session_user").fetchone() == (name,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        login(name, f"{password}x", database)


@pytest.mark.nightly(by_day=["Rose", 'quo"te', "x'; DROP TABLE person; --", "back\\\\slash"])
@pytest.mark.parametrize("base", HOSTILE)
def test_any_text_is_just_a_name(
    people: People, login: Login, base: str, database: str, tag: str
) -> None:
    people.add_groups([f"{base[:10]} {tag}"])
    people.grant(f"{base[:10]} {tag}", "public", database)
    [(name, password)] = people.add_people([base], [f"{base[:10]} {tag}"])
    with closing(login(name, password, database)) as connection:
        assert connection.execute("SELECT session_user").fetchone() == (base,)
    person = next(person for person in people.list_people() if person.name == base)
    assert person.groups == (f"{base[:10]} {tag}",)
    new = people.set_password(base)
    login(base, new, database).close()
    people.leave(f"{base[:10]} {tag}", [base])
    people.remove([base])
    people.remove_group(f"{base[:10]} {tag}")
    assert base not in {person.name for person in people.list_people()}


IMPOSSIBLE = ["", " ", " rose", "rose ", "a\nb", "a\0b", "n" * 64, "é" * 32, "\udcff"]
RESERVED = ["pg_rose", "PG_rose", "myriad", "myriad_owner", "Myriad", "public", "none"]


@pytest.mark.parametrize("name", IMPOSSIBLE + RESERVED)
def test_an_impossible_name_is_refused_with_a_hint(people: People, name: str) -> None:
    with pytest.raises(PeopleError, match="cannot be the name of a person") as error:
        people.add_people([name])
    assert error.value.hint
    with pytest.raises(PeopleError, match="cannot be the name of a group"):
        people.add_groups([name])


def test_adding_is_all_or_nothing_and_lists_who_is_there(people: People, tag: str) -> None:
    people.add_people([f"a{tag}", f"b{tag}"])
    people.add_groups([f"g{tag}"])
    with pytest.raises(PeopleError, match=f"person already called 'a{tag}', 'b{tag}'"):
        people.add_people([f"new{tag}", f"a{tag}", f"b{tag}"])
    with pytest.raises(PeopleError, match=f"group already called 'g{tag}'"):
        people.add_people([f"new{tag}", f"g{tag}"])
    with pytest.raises(PeopleError, match=f"more than once: 'new{tag}'"):
        people.add_people([f"new{tag}", f"new{tag}"])
    with pytest.raises(PeopleError, match="password must not be empty"):
        people.add([NewPerson(f"new{tag}"), NewPerson(f"new2{tag}", password="")])
    assert f"new{tag}" not in {person.name for person in people.list_people()}


def test_a_role_that_myriad_did_not_make_is_left_alone(
    installation: Myriad, people: People, tag: str
) -> None:
    as_administrator(installation, "myriad", f"CREATE ROLE foreign_{tag}")
    with pytest.raises(PeopleError, match="role already called") as error:
        people.add_people([f"foreign_{tag}"])
    assert "not made by Myriad" in error.value.hint
    with pytest.raises(PeopleError, match="no person called"):
        people.remove([f"foreign_{tag}"])


@pytest.mark.parametrize(
    "typed", ["pass word", "\uff50\uff41\uff53\uff53\u00ad\u2168", "p'\"\\;%", "ünï🦉", "x" * 500]
)
def test_a_typed_password_works_as_typed(
    people: People, login: Login, typed: str, tag: str
) -> None:
    people.add_people([f"o{tag}"], owner=True, passwords={f"o{tag}": typed})
    login(f"o{tag}", typed).close()
    assert people.set_password(f"o{tag}", f"{typed}2") == f"{typed}2"
    login(f"o{tag}", f"{typed}2").close()
    with pytest.raises(psycopg.OperationalError):
        login(f"o{tag}", typed)


def test_only_verifiers_are_stored_and_nothing_is_logged(
    installation: Myriad, people: People, tag: str
) -> None:
    as_administrator(installation, "myriad", "ALTER ROLE myriad SET log_statement = 'all'")
    try:
        [(name, password)] = people.add_people([f"s{tag}"])
        typed = people.set_password(name, f"typed{tag}")
    finally:
        as_administrator(installation, "myriad", "ALTER ROLE myriad RESET log_statement")
    with closing(as_admin(installation.server())) as connection:
        stored = connection.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = %s", [name]
        ).fetchone()
    log = (installation.home.logs / "postgres.log").read_text("utf-8", "replace")
    assert stored is not None
    assert stored[0].startswith("SCRAM-SHA-256$4096:")
    assert "LOCK TABLE public.person" in log  # statements were logged up to there
    assert "SCRAM-SHA-256$" not in log
    assert password not in log
    assert typed not in log


def test_a_reader_reads_what_was_granted_also_when_it_comes_later(
    installation: Myriad, people: People, login: Login, database: str, tag: str
) -> None:
    as_administrator(
        installation,
        database,
        "CREATE TABLE before (a int)",
        "INSERT INTO before VALUES (1)",
        "CREATE SCHEMA other",
        "CREATE TABLE other.secret (a int)",
    )
    [(name, password)] = people.add_people([f"r{tag}"], [f"g{tag}"])
    people.grant(f"g{tag}", "public", database)
    as_administrator(installation, database, "CREATE TABLE later AS SELECT 2 AS a")
    with closing(login(name, password, database)) as connection:
        assert connection.execute("SELECT a FROM before").fetchone() == (1,)
        assert connection.execute("SELECT a FROM later").fetchone() == (2,)
        for refused in (
            "INSERT INTO before VALUES (1)",
            "UPDATE later SET a = 1",
            "DELETE FROM before",
            "TRUNCATE before",
            "SELECT * FROM other.secret",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(refused)


def test_a_writer_writes_with_sequences_and_read_again_takes_that_away(
    installation: Myriad, people: People, login: Login, database: str, tag: str
) -> None:
    as_administrator(installation, database, "CREATE TABLE t (id serial, a int)")
    [(name, password)] = people.add_people([f"w{tag}"], [f"g{tag}"])
    people.grant(f"g{tag}", "public", database, write=True)
    as_administrator(installation, database, "CREATE TABLE later (id serial, a int)")
    with closing(login(name, password, database)) as connection:
        for table in (sql.Identifier("t"), sql.Identifier("later")):
            for text in ("INSERT INTO {} (a) VALUES (1)", "UPDATE {} SET a = 2", "DELETE FROM {}"):
                connection.execute(sql.SQL(text).format(table))
        people.grant(f"g{tag}", "public", database)
        for name in ("t", "later"):
            connection.execute(f"SELECT * FROM {name}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"INSERT INTO {name} VALUES (1, 1)")


def test_revoke_undoes_everything_and_connect_goes_with_the_last_grant(
    installation: Myriad, people: People, login: Login, database: str, tag: str
) -> None:
    as_administrator(
        installation,
        database,
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (a int)",
        "CREATE TABLE t (a int)",
    )
    [(name, password)] = people.add_people([f"r{tag}"], [f"g{tag}"])
    people.grant(f"g{tag}", "public", database)
    people.grant(f"g{tag}", "s", database, write=True)
    people.revoke(f"g{tag}", "s", database)
    as_administrator(installation, database, "CREATE TABLE s.later (a int)")
    with closing(login(name, password, database)) as connection:
        connection.execute("SELECT * FROM t")
        for table in ("s.t", "s.later"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT * FROM {table}")
    people.revoke(f"g{tag}", "public", database)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        login(name, password, database)
    assert [grant for grant in people.list_grants() if grant.group == f"g{tag}"] == []
    with pytest.raises(PeopleError, match="has no grant"):
        people.revoke(f"g{tag}", "public", database)


def test_a_grant_names_what_is_there_when_group_dataset_or_database_is_not(
    installation: Myriad, people: People, database: str, tag: str
) -> None:
    with pytest.raises(PeopleError, match="no group called"):
        people.grant(f"g{tag}", "public", database)
    people.add_groups([f"g{tag}"])
    as_administrator(installation, database, "CREATE SCHEMA myriad")  # as publish does
    for unknown in ("nowhere", "myriad", "pg_catalog", "information_schema"):
        with pytest.raises(PeopleError, match=f"no dataset '{unknown}'") as error:
            people.grant(f"g{tag}", unknown, database)
        assert "There are: 'public'." in error.value.hint
    for forbidden in ("nowhere", "myriad", "template1", "template0", "postgres"):
        with pytest.raises(PeopleError, match="no database") as error:
            people.grant(f"g{tag}", "public", forbidden)
        assert database in error.value.hint
    assert [group.grants for group in people.list_groups() if group.name == f"g{tag}"] == [()]


def test_apply_makes_the_engine_equal_to_the_grants(
    installation: Myriad, people: People, login: Login, database: str, tag: str
) -> None:
    as_administrator(installation, database, "CREATE SCHEMA s", "CREATE TABLE s.t (a int)")
    [(name, password)] = people.add_people([f"r{tag}"], [f"g{tag}"])
    people.add_groups([f"stray{tag}"])
    people.grant(f"g{tag}", "s", database)
    as_administrator(
        installation,
        database,
        "DROP SCHEMA s CASCADE",
        "CREATE SCHEMA s",
        "CREATE TABLE s.t (a int)",
        f'GRANT USAGE ON SCHEMA s TO "stray{tag}"',
    )
    with closing(login(name, password, database)) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM s.t")
        people.apply(database, "s")
        people.apply(database, "s")
        connection.execute("SELECT * FROM s.t")
        stray = connection.execute(
            "SELECT has_schema_privilege(%s, 's', 'USAGE')", [f"stray{tag}"]
        ).fetchone()
    assert stray == (False,)


def test_removing_somebody_ends_their_sessions_and_leaves_nothing(
    installation: Myriad, people: People, login: Login, database: str, tag: str
) -> None:
    as_administrator(installation, database, "CREATE TABLE t (a int)")
    [(name, password)] = people.add_people([f"r{tag}"], [f"g{tag}"])
    people.grant(f"g{tag}", "public", database)
    as_administrator(installation, database, f'GRANT SELECT ON t TO "{name}"')  # of their own
    sessions = [login(name, password, database) for _ in range(3)]
    people.remove([name])
    for session in sessions:
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        login(name, password, database)
    people.add_people([name])  # the name is free again


def test_an_owner_of_something_is_not_removed_until_it_is_gone(
    people: People, login: Login, tag: str
) -> None:
    [(name, password)] = people.add_people([f"o{tag}"], owner=True)
    with closing(login(name, password)) as connection:
        connection.execute(f'CREATE DATABASE "of {tag}"')
    with closing(login(name, password, f"of {tag}")) as connection:
        connection.execute("CREATE TABLE t (a int)")
    with pytest.raises(PeopleError, match=f'owns database "of {tag}"') as error:
        people.remove([name])
    assert f'1 objects in database "of {tag}"' in error.value.message
    with closing(login(name, password)) as connection:  # nothing has happened to them
        connection.execute(f'DROP DATABASE "of {tag}"')
    people.remove([name])


def test_removing_a_group_takes_its_grants_and_leaves_its_members(
    people: People, login: Login, database: str, tag: str
) -> None:
    [(name, password)] = people.add_people([f"r{tag}"], [f"g{tag}", f"h{tag}"])
    people.grant(f"g{tag}", "public", database, write=True)
    people.remove_group(f"g{tag}")
    assert next(p for p in people.list_people() if p.name == name).groups == (f"h{tag}",)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        login(name, password, database)


def test_joining_and_leaving_count_at_once(
    people: People, login: Login, database: str, tag: str
) -> None:
    [(name, password)] = people.add_people([f"r{tag}"])
    people.add_groups([f"g{tag}"])
    people.grant(f"g{tag}", "public", database)
    people.join(f"g{tag}", [name])
    people.join(f"g{tag}", [name])
    login(name, password, database).close()
    people.leave(f"g{tag}", [name])
    people.leave(f"g{tag}", [name])
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        login(name, password, database)


def test_a_database_that_an_owner_made_opens_only_by_grant(
    people: People, login: Login, tag: str
) -> None:
    [(owner, owners)] = people.add_people([f"o{tag}"], owner=True)
    [(guest, guests)] = people.add_people([f"r{tag}"], [f"g{tag}"])
    [(rival, rivals)] = people.add_people([f"rival{tag}"], owner=True)
    with closing(login(owner, owners, "postgres")) as connection:
        connection.execute(f'CREATE DATABASE "of {tag}"')
    try:
        with closing(login(owner, owners, f"of {tag}")) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS a")
        for name, password in ((guest, guests), (rival, rivals)):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                login(name, password, f"of {tag}")
        people.grant(f"g{tag}", "public", f"of {tag}")
        with closing(login(owner, owners, f"of {tag}")) as connection:
            connection.execute("CREATE TABLE later AS SELECT 1 AS a")
        with closing(login(guest, guests, f"of {tag}")) as connection:
            assert connection.execute("SELECT a FROM t JOIN later USING (a)").fetchone() == (1,)
    finally:
        with closing(login(owner, owners)) as connection:
            connection.execute(f'DROP DATABASE "of {tag}" WITH (FORCE)')


def test_who_changes_people_waits_for_others_only_so_long_and_hears_who_they_are(
    installation: Myriad, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "LOCKED_WITHIN", 0.2)
    with closing(as_admin(installation.server(), CONTROL_DATABASE)) as other:
        other.execute("LOCK TABLE public.person IN SHARE ROW EXCLUSIVE MODE")
        with pytest.raises(PeopleError, match="somebody else has been changing people") as refused:
            people.add_groups(["late"])
        assert f"pg_terminate_backend({other.info.backend_pid})" in refused.value.hint
    assert "late" not in {group.name for group in people.list_groups()}
