"""The door in front of a PostgreSQL that somebody else runs: passwords, TCP, few rights."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import myriad
from myriad import Myriad
from myriad.engines.postgres.base import Server
from myriad.home.home import Home
from tests.door_inner import Inner
from tests.door_script import Ended
from tests.elsewhere import elsewhere
from tests.harness import as_admin, reachable_folder, up, wait_until

SECRET = "a person's pässword"
OWN_PASSWORD = "wants a password of your own, and has none"


@dataclass(frozen=True)
class Attached:
    """A door of ours, and the server behind it as its superuser reaches it."""

    installed: Myriad
    theirs: Server

    def enter(self, name: str, password: str = SECRET, **options: str) -> psycopg.Connection:
        """Log in through the door."""
        server = self.installed.server()
        dsn = make_conninfo(
            host=server.host, port=server.port, user=name, password=password, dbname="main"
        )
        return psycopg.connect(make_conninfo(dsn, **options), autocommit=True)

    def sessions(self, name: str) -> int:
        """Return how many sessions a role has on the server itself."""
        with closing(self.theirs.connect("postgres")) as connection:
            text = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
            [(count,)] = connection.execute(text, [name])
        return int(count)


@pytest.fixture(scope="module", params=["no superuser", "superuser"])
def attached(request: pytest.FixtureRequest) -> Iterator[Attached]:
    rights = "SUPERUSER" if request.param == "superuser" else "CREATEROLE CREATEDB"
    with elsewhere() as theirs, reachable_folder() as folder:
        with closing(theirs.connect("postgres", autocommit=True)) as connection:
            connection.execute(f"CREATE ROLE boss LOGIN {rights} PASSWORD 'boss'".encode())
        dsn = make_conninfo(host=theirs.host, port=theirs.port, user="boss", password="boss")
        home = Home(folder / "home")
        with up(home, MYRIAD_POSTGRES_AT=dsn) as started:
            started.wait_ready()
            found = Attached(myriad.open(home), theirs)
            populate(found.installed)
            yield found
            assert started.end() == 0


def populate(installed: Myriad) -> None:
    people = installed.people
    with closing(as_admin(installed.server(), "main", autocommit=True)) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    names = ["rose", "rob"]
    people.add_people(names, ["readers"], passwords=dict.fromkeys(names, SECRET))
    people.add_people(["olga"], owner=True, passwords={"olga": SECRET})
    people.grant("readers", "public")


def test_readers_read_as_themselves_and_no_more(attached: Attached) -> None:
    for name in ("rose", "rob"):
        with closing(attached.enter(name)) as session:
            found = session.execute("SELECT current_user, session_user, a FROM t").fetchall()
            assert found == [(name, name, 1)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("INSERT INTO t VALUES (2)")


def test_an_owner_makes_what_is_hers(attached: Attached) -> None:
    with closing(attached.enter("olga")) as session:
        session.execute("CREATE DATABASE olgas")
    with closing(attached.enter("olga", dbname="olgas")) as session:
        session.execute("CREATE TABLE mine AS SELECT current_user AS maker")
        assert session.execute("SELECT maker FROM mine").fetchall() == [("olga",)]
        wait_until(lambda: attached.sessions("olga"))
    with closing(attached.enter("olga")) as session:
        # The door may hold a connection there that nobody uses.
        session.execute("DROP DATABASE olgas WITH (FORCE)")


def test_who_shares_no_connections_cannot_come_by_way_of_a_program_of_ours(
    attached: Attached,
) -> None:
    """The server wants a password of theirs; nobody has shown it. A pool has one of its own."""
    way_in, server = Inner(attached.installed), attached.installed.server()
    shares = pool_roles(attached)
    with closing(attached.enter("olga")), pytest.raises(Ended, match=OWN_PASSWORD):
        way_in.enter("olga", "main")
    if not shares:  # Myriad may not take from everybody there what would show people each other
        with pytest.raises(Ended, match=OWN_PASSWORD):
            way_in.enter("rob", "main")
        return
    with closing(way_in.enter("rob", "main")) as session:
        assert session.rows("SELECT current_user, a FROM t") == [("'rob'", "'1'")]
        with closing(as_admin(server, "main", autocommit=True)) as administrator:
            administrator.execute("GRANT SELECT ON t TO rob")
            with closing(as_admin(server, autocommit=True)) as control:
                control.execute("NOTIFY myriad_people")
            assert OWN_PASSWORD in str(session.to_the_end())
            administrator.execute("REVOKE SELECT ON t FROM rob")
    with closing(way_in.enter("rob", "main", scope="read")) as session:
        assert session.rows("INSERT INTO t VALUES (2)")[0][1] == "25006"


def pool_roles(attached: Attached) -> int:
    """Return how many pools of people who share there have been."""
    attached.enter("rob").close()
    with closing(attached.theirs.connect("postgres")) as connection:
        text = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'myriad\\_pool\\_%'"
        [(count,)] = connection.execute(text)
    return int(count)


def test_people_change_their_own_password(attached: Attached) -> None:
    """Myriad's role made them, so it may; the server's own passwords are the new ones, too."""
    for name in ("rose", "olga"):
        with closing(attached.enter(name)) as session:
            session.execute("ALTER ROLE CURRENT_USER PASSWORD 'her öwn one'")
            assert session.execute("SELECT current_user").fetchall() == [(name,)]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            attached.enter(name)
        with closing(attached.enter(name, "her öwn one")) as session:
            assert session.execute("SELECT current_user").fetchall() == [(name,)]
        attached.installed.people.set_password(name, SECRET)
    with closing(attached.theirs.connect("postgres", autocommit=True)) as connection:
        connection.execute("ALTER ROLE rob SUPERUSER")  # whom only a superuser may alter
        with closing(attached.enter("rob")) as session:
            changes = "ALTER ROLE CURRENT_USER PASSWORD 'x marks it'"
            if connection.execute(
                "SELECT FROM pg_roles WHERE rolname = 'boss' AND rolsuper"
            ).rowcount:
                session.execute(changes)
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="cannot be changed"):
                    session.execute(changes)
        connection.execute("ALTER ROLE rob NOSUPERUSER")
    attached.installed.people.set_password("rob", SECRET)


def test_a_wrong_password_and_a_changed_one(attached: Attached) -> None:
    people = attached.installed.people
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        attached.enter("rose", "wrong")
    with closing(attached.enter("rose")) as before:
        people.set_password("rose", "another")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            attached.enter("rose")
        with closing(attached.enter("rose", "another")) as after:
            assert after.execute("SELECT a FROM t").fetchall() == [(1,)]
        assert before.execute("SELECT a FROM t").fetchall() == [(1,)]
    people.set_password("rose", SECRET)


def test_limits_hold_there_too(attached: Attached) -> None:
    people = attached.installed.people
    people.set_limits("rob", {"statement_seconds": 0.3})
    with closing(attached.enter("rob")) as session:
        with pytest.raises(psycopg.errors.QueryCanceled, match=r"longer than 0\.3 seconds"):
            session.execute("SELECT count(*) FROM generate_series(1, 10000000000)")
        assert session.execute("SELECT 1").fetchone() == (1,)
    people.set_limits("rob", {}, reset=True)


def test_who_is_removed_is_gone_there_too(attached: Attached) -> None:
    people = attached.installed.people
    people.add_people(["leo"], ["readers"], passwords={"leo": SECRET})
    with closing(attached.enter("leo")) as session:
        assert session.execute("SELECT a FROM t").fetchall() == [(1,)]
        people.remove(["leo"])
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        attached.enter("leo")
    assert attached.sessions("leo") == 0


def test_sessions_outlive_the_door_of_the_server(attached: Attached) -> None:
    """Server connections that somebody ends there are replaced."""
    with closing(attached.enter("rose")) as session:
        session.execute("SELECT 1")
        with closing(attached.theirs.connect("postgres", autocommit=True)) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename IN ('rose', 'boss') AND pid <> pg_backend_pid()"
            )
        wait_until(lambda: not attached.sessions("rose"))
        assert session.execute("SELECT a FROM t").fetchall() == [(1,)]
        with closing(attached.enter("rob")) as other:
            assert other.execute("SELECT a FROM t").fetchall() == [(1,)]
