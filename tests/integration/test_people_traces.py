"""People and groups are removed with all that they were given, whatever an owner does about it."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from myriad.errors import PeopleError
from myriad.people import People
from myriad.people.postgres import traces
from myriad.settings import Settings
from tests.harness import as_admin
from tests.hostile import Owner, each_owner

ROLES = "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)"


@pytest.fixture(scope="module", params=["embedded", "attached"])
def owner(request: pytest.FixtureRequest) -> Iterator[Owner]:
    yield from each_owner(request)


@pytest.fixture
def names(owner: Owner, tag: str) -> list[str]:
    """Two people of one group: one to be removed, one who helps against it."""
    names = [f"{name} {tag}" for name in ("rose", "helper")]
    People(owner.server, Settings()).add_people(names, [f"friends {tag}"])
    return names


def test_what_was_given_by_anybody_goes_with_the_role(
    owner: Owner, names: list[str], tag: str
) -> None:
    rose, helper = (f'"{name}"' for name in names)
    database = owner.database
    owner.run(
        f"CREATE SCHEMA s{tag}; CREATE TABLE s{tag}.t (a int, b int); CREATE SEQUENCE s{tag}.q;"
        f"CREATE FUNCTION s{tag}.f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        f"CREATE TYPE s{tag}.e AS ENUM ('x');"
        f"GRANT ALL ON SCHEMA s{tag} TO {helper} WITH GRANT OPTION;"
        f"GRANT ALL ON s{tag}.t, s{tag}.q TO {helper} WITH GRANT OPTION;"
        f"GRANT ALL ON ROUTINE s{tag}.f TO {helper} WITH GRANT OPTION;"
        f"GRANT ALL ON TYPE s{tag}.e TO {helper} WITH GRANT OPTION;"
        f"GRANT ALL ON DATABASE {database} TO {helper} WITH GRANT OPTION;"
        f"GRANT CONNECT ON DATABASE {database} TO {rose}; GRANT SELECT ON s{tag}.t TO {rose};"
        f"CREATE POLICY p ON s{tag}.t TO {rose} USING (true);"
        f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {rose}"
    )
    _as(
        owner,
        names[1],
        f"GRANT ALL ON SCHEMA s{tag} TO {rose}; GRANT ALL ON s{tag}.q TO {rose};"
        f"GRANT SELECT, UPDATE (a) ON s{tag}.t TO {rose};"
        f"GRANT ALL ON ROUTINE s{tag}.f TO {rose}; GRANT ALL ON TYPE s{tag}.e TO {rose};"
        f"GRANT CONNECT ON DATABASE {database} TO {rose}",
    )
    _removed(owner, names)


def _as(owner: Owner, name: str, statements: str) -> None:
    """Run statements in the owner's database as somebody whom they let in."""
    with closing(as_admin(owner.server, autocommit=True)) as connection:
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD 'x'").format(sql.Identifier(name)))
    address = {"user": name, "password": "x", "dbname": owner.database, "options": ""}
    with closing(psycopg.connect(make_conninfo(owner.server.dsn, **address))) as connection:
        connection.execute(statements.encode())
        connection.commit()


def _removed(owner: Owner, names: list[str]) -> None:
    people = People(owner.server, Settings())
    for name in names:
        people.remove([name])
    with closing(owner.server.connect()) as connection:
        assert connection.execute(ROLES, [names]).fetchall() == []


CLOSED = {
    "no connections": "ALTER DATABASE {} ALLOW_CONNECTIONS false",
    "a limit": "ALTER DATABASE {} CONNECTION LIMIT 0",
    "no right": "REVOKE ALL ON DATABASE {} FROM PUBLIC",
}
STATE = "SELECT datallowconn, datconnlimit, datacl::text FROM pg_database WHERE datname = %s"


@pytest.mark.nightly(by_day=["embedded-no connections", "embedded-no right", "attached-a limit"])
@pytest.mark.parametrize("how", CLOSED)
def test_a_database_that_its_owner_closed_keeps_nobody(
    owner: Owner, names: list[str], how: str, tag: str
) -> None:
    owner.run(f'CREATE TABLE t{tag} (); GRANT SELECT ON t{tag} TO "{names[0]}"')
    owner.run(CLOSED[how].format(owner.database), "main")
    with closing(owner.server.connect(autocommit=True)) as connection:
        before = connection.execute(STATE, [owner.database]).fetchall()
        _removed(owner, names)
        assert connection.execute(STATE, [owner.database]).fetchall() == before
    owner.run(f"ALTER DATABASE {owner.database} ALLOW_CONNECTIONS true CONNECTION LIMIT -1", "main")


def test_whoever_holds_what_was_given_holds_up_a_removal_for_a_while_only(
    owner: Owner, names: list[str], tag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "LOCKED_WITHIN", "200ms")
    owner.run(f'CREATE TABLE t{tag} (); GRANT SELECT ON t{tag} TO "{names[0]}"')
    with closing(owner.connect()) as connection:
        connection.execute("BEGIN")
        connection.execute(f'GRANT INSERT ON t{tag} TO "{names[1]}"'.encode())
        with pytest.raises(PeopleError, match=f"in database '{owner.database}' somebody's open"):
            People(owner.server, Settings()).remove([names[0]])
        connection.execute("ROLLBACK")
    _removed(owner, names)
