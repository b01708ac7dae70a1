"""A PostgreSQL that somebody else runs, checked and prepared."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from myriad.engines.postgres import attached
from myriad.engines.postgres.attached import AttachedPostgres
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.embedded import EmbeddedPostgres
from myriad.errors import MyriadError, NotOurs, StartFailed, Unsupported
from myriad.home.home import Home
from myriad.settings import Settings
from tests.elsewhere import elsewhere
from tests.harness import as_admin

PASSWORD = "pa55 'word'"


@dataclass
class Elsewhere:
    """A server of somebody else's: `server` is how its owner reaches it."""

    server: Server

    def role(self, rights: str) -> str:
        """Make a role and return a DSN of it."""
        name = f"role_{uuid.uuid4().hex[:8]}"
        make = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} {}").format(
            sql.Identifier(name), PASSWORD, sql.SQL(rights)
        )
        self.ask(make)
        host, port = self.server.host, self.server.port
        return make_conninfo("", host=host, port=port, user=name, password=PASSWORD)

    def ask(self, query: sql.Composed | sql.SQL) -> None:
        with closing(as_admin(self.server, "postgres", autocommit=True)) as connection:
            connection.execute(query)


@pytest.fixture(scope="module")
def there() -> Iterator[Elsewhere]:
    with elsewhere() as server:
        yield Elsewhere(server)


@pytest.fixture
def empty(there: Elsewhere) -> Iterator[Elsewhere]:
    yield there
    for name in ("main", "myriad"):
        drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        there.ask(drop.format(sql.Identifier(name)))


def test_a_role_that_may_make_roles_and_databases_is_enough(empty: Elsewhere) -> None:
    engine = AttachedPostgres(empty.role("CREATEROLE CREATEDB"), Settings())
    server = engine.start()
    assert server.kind == "attached"
    assert (server.host, server.port) == (empty.server.host, empty.server.port)
    for name in ("myriad", "main"):
        with closing(as_admin(server, name)) as connection:
            query = "SELECT has_database_privilege('public', current_database(), 'CONNECT')"
            assert connection.execute(query).fetchone() == (False,)
    engine.start()


def test_a_control_database_that_somebody_else_made_is_refused(empty: Elsewhere) -> None:
    role = empty.role("CREATEDB")
    with closing(psycopg.connect(role, dbname="postgres", autocommit=True)) as connection:
        connection.execute("CREATE DATABASE myriad")
    for rights in ("CREATEROLE CREATEDB", "SUPERUSER"):
        with pytest.raises(NotOurs, match="myriad belongs to role_"):
            AttachedPostgres(empty.role(rights), Settings()).start()


def test_stopping_leaves_the_server_alone(empty: Elsewhere) -> None:
    engine = AttachedPostgres(empty.role("CREATEROLE CREATEDB"), Settings())
    engine.start()
    assert engine.failure() is None
    engine.stop()
    as_admin(empty.server, "postgres").close()


@pytest.mark.parametrize(
    ("rights", "missing"),
    [
        ("CREATEDB", "lacks CREATEROLE"),
        ("CREATEROLE", "lacks CREATEDB"),
        ("", "lacks CREATEROLE and CREATEDB"),
    ],
)
def test_missing_rights_are_named(there: Elsewhere, rights: str, missing: str) -> None:
    with pytest.raises(Unsupported, match=missing) as caught:
        AttachedPostgres(there.role(rights), Settings()).start()
    assert "ALTER ROLE" in caught.value.hint


def test_an_old_server_is_refused(there: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attached, "OLDEST", 99)
    with pytest.raises(Unsupported, match="is older than 99"):
        AttachedPostgres(there.role("CREATEROLE CREATEDB"), Settings()).start()


def test_its_log_cannot_be_read_and_the_error_says_why(there: Elsewhere) -> None:
    with pytest.raises(Unsupported, match="writes its log where it runs"):
        AttachedPostgres(there.role(""), Settings()).log_tail(10)


@pytest.mark.parametrize(
    "broken",
    [
        "postgresql://somebody:hidden@127.0.0.1:1/",
        "postgresql://somebody:hid den@[127.0.0.1/",
        "host=127.0.0.1 port=1 password=hidden user",
        "password hidden",
    ],
)
def test_an_error_never_shows_the_password(broken: str) -> None:
    with pytest.raises(StartFailed) as caught:
        AttachedPostgres(broken, Settings()).start()
    error: MyriadError = caught.value
    assert "hid" not in error.message + error.hint


def test_a_wrong_password_is_said_without_showing_it(there: Elsewhere) -> None:
    dsn = make_conninfo(there.role(""), password="hidden")
    with pytest.raises(StartFailed, match="password authentication failed") as caught:
        AttachedPostgres(dsn, Settings()).start()
    assert "hidden" not in caught.value.message
    assert isinstance(caught.value.__cause__, psycopg.Error)


def test_a_server_that_goes_away_is_noticed(
    made_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attached, "CHECK_EVERY", 0.0)
    other = EmbeddedPostgres(made_home, Settings())
    server = other.start()
    engine = AttachedPostgres(server.dsn, Settings())
    engine.start()
    assert engine.failure() is None
    other.stop()
    assert "No such file" in (engine.failure() or "")
