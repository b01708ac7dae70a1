"""A server process that can never end is ended: nobody waits for it when a database is made."""

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg
import pytest

from myriad.errors import NotRunning
from myriad.pgwire import wire
from tests.door_script import Place, Wire, owning, up_with
from tests.harness import wait_until

OWNER, OWN = "stray_owner", "stray_own"
# What no look at a text can see: the server then tries for ever to tell the new search_path.
DEAF = """
    CREATE FUNCTION deaf() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM set_config('client_encoding', 'LATIN1', false);
        PERFORM set_config('search_path', chr(28450), false);
        RETURN 1;
    END $$"""


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with up_with() as found, owning(found, OWNER, OWN):
        with closing(found.door(OWNER, OWN)) as session:
            session.query(DEAF)
        yield found


def stays(session: Wire) -> None:
    assert "22P05" in str(session.until("E"))


def leaves(session: Wire) -> None:
    session.vanish()


@pytest.mark.nightly(by_day=["leaves"])
@pytest.mark.parametrize("does", [stays, leaves])
def test_who_made_a_server_process_deaf_holds_nobody_up(
    place: Place, does: Callable[[Wire], None]
) -> None:
    session = place.door(OWNER, OWN)
    session.query("SELECT 1")
    session.send(wire.query("SELECT deaf()"))
    does(session)
    wait_until(lambda: makes_a_database(place), 40)
    with closing(place.door(OWNER, OWN)) as other:
        assert other.rows("SELECT 1") == [("'1'",)]


def makes_a_database(place: Place) -> bool:
    try:
        with closing(place.admin("postgres")) as admin:
            admin.execute("SET statement_timeout = '2s'")
            for what in ("DROP DATABASE IF EXISTS", "CREATE DATABASE", "DROP DATABASE"):
                admin.execute(f"{what} made".encode())
    except (NotRunning, psycopg.OperationalError):
        return False
    return True
