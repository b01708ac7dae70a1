"""No function, operator, cast, type or table of a hostile owner's is found by Myriad's own SQL.

What that SQL names is read from all of it, so that what is new is covered by itself: for each name
an owner plants what fits better, in `public` and in a schema of theirs that comes before the one of
PostgreSQL. Each text is then prepared as Myriad would run it there, and the server says what it
found; and all commands run where that is planted.
"""

import re
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.pq import ExecStatus

from myriad import Myriad
from myriad.connect import Target
from myriad.engines.postgres import databases
from myriad.engines.postgres.base import Server
from myriad.engines.postgres.sweep import sweep
from myriad.errors import KeyRefused, PublishError
from myriad.migrations.migrations import CONTROL, RECORD
from myriad.people import People
from myriad.people.postgres.workspaces import SQL as WORKSPACES
from myriad.publish import inventory
from myriad.running import status
from myriad.settings import Settings
from tests import our_sql, shadows
from tests.harness import as_admin
from tests.hostile import Owner, add_owner, no_superuser
from tests.publishing import Place

# What the server says of the objects that it found for the names in a text.
FOUND = re.compile(r":(?:\w*(?:func|op|fno|type|rel)\w*) (\d+)")
# Owners of all objects but PostgreSQL's own.
OWNERS = """
    SELECT o.oid, o.owner FROM (
        SELECT oid, proowner::regrole::text FROM pg_proc
        UNION ALL SELECT oid, oprowner::regrole::text FROM pg_operator
        UNION ALL SELECT oid, typowner::regrole::text FROM pg_type
        UNION ALL SELECT oid, relowner::regrole::text FROM pg_class
    ) AS o (oid, owner) WHERE o.oid >= 16384"""
# For what the code puts in: names of tables and columns.
STAND_IN = """
    CREATE TEMP TABLE stand_in
        (stand_in pg_catalog.text, oid pg_catalog.oid, name pg_catalog.text)"""
# Settings, errors, prepared statements: what the door asks a server connection about.
STATEMENTS = (
    "SET work_mem = '1MB'", "SET LOCAL work_mem = '2MB'", "RESET work_mem", "SET x.y = 'z'",
    "SHOW work_mem", "SELECT nothing", "PREPARE p AS TABLE theirs.given", "DEALLOCATE ALL",
    "DISCARD ALL", "RESET ALL",
)  # fmt: skip
# They are put together in code, and run as people: see the session of a guest below.
PUT_TOGETHER = {
    *(f"door/session/{name}.py" for name in ("signals", "preparing")),
    *(f"door/{name}.py" for name in ("server/settings", "verdict/activity")),
    "publish/postgres/rebuilding.py",
}
READS = re.compile(r"\s*(SELECT|WITH (RECURSIVE|\w+ AS)|INSERT|UPDATE|DELETE)\b")


@dataclass(frozen=True)
class Trap:
    """A database in which an owner planted all that could be found, and the server's superuser."""

    owner: Owner
    superuser: Server

    def admin(self) -> psycopg.Connection:
        return as_admin(self.superuser, self.owner.database, autocommit=True)

    def sprung(self) -> bool:
        """Say whether anything ran; forget it."""
        with closing(self.admin()) as connection:
            ran = shadows.ran(connection)
            connection.execute("ALTER SEQUENCE theirs.ran RESTART")
        return ran


@pytest.fixture(scope="module", params=["embedded", "attached"])
def planted(request: pytest.FixtureRequest) -> Iterator[Trap]:
    if request.param == "embedded":
        installation: Myriad = request.getfixturevalue("installation")
        owner = add_owner(installation.server())
        shadows.plant(owner)
        yield Trap(owner, installation.server())
        owner.remove()
        return
    with no_superuser() as (server, superuser):
        owner = add_owner(server)
        shadows.plant(owner)
        yield Trap(owner, superuser)


@pytest.fixture
def trap(planted: Trap) -> Trap:
    """The same, in which nothing has run yet."""
    planted.sprung()
    return planted


@pytest.fixture(scope="module")
def tables(planted: Trap) -> None:
    """Myriad's own tables, made where all that is planted: migrations are SQL of ours, too."""
    with closing(planted.admin()) as connection:
        names = sql.Identifier(planted.owner.database), sql.Identifier(_user(planted.owner.server))
        connection.execute(sql.SQL("GRANT ALL ON DATABASE {} TO {}").format(*names))
        connection.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(names[1]))
    with closing(
        planted.owner.server.connect(planted.owner.database, autocommit=True)
    ) as connection:
        RECORD.bring_up_to_date(connection)
        for step in CONTROL.steps:
            connection.execute(step.text.encode())
        connection.execute(WORKSPACES["make_room"])
        connection.execute(WORKSPACES["guard"])


def _user(server: Server) -> str:
    with closing(server.connect()) as connection:
        return connection.info.user


def _found_of_theirs(trap: Trap, connection: psycopg.Connection) -> dict[str, list[str]]:
    """Return the texts that name something of the owner's there, and errors of any."""
    details: list[str] = []
    connection.add_notice_handler(lambda notice: details.append(notice.message_detail or ""))
    owners: dict[int, str] = dict(connection.execute(OWNERS).fetchall())
    connection.execute(STAND_IN)
    connection.execute("SET debug_print_parse = on; SET client_min_messages = log")
    found = {}
    for text in our_sql.texts()[0]:
        if text.reads:
            details.clear()
            result = connection.pgconn.prepare(b"", text.sql.encode())
            oids = {int(oid) for detail in details for oid in FOUND.findall(detail)}
            theirs = [str(oid) for oid in oids if owners.get(oid) == trap.owner.name]
            failed = result.status != ExecStatus.COMMAND_OK
            if theirs or failed:
                found[text.place] = [result.error_message.decode()] if failed else theirs
    return found


@pytest.mark.usefixtures("tables")
def test_every_text_of_ours_finds_only_what_is_postgresqls_or_ours(trap: Trap) -> None:
    with closing(trap.owner.server.connect(trap.owner.database, autocommit=True)) as connection:
        assert _found_of_theirs(trap, connection) == {}
    assert not trap.sprung()


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("path", "least"), [("theirs, public, pg_catalog", 60), ("pg_catalog, public", 1)]
)
def test_it_would_be_found_on_another_path(trap: Trap, path: str, least: int) -> None:
    with closing(trap.admin()) as connection:
        connection.execute(f"SET search_path = {path}".encode())
        found = _found_of_theirs(trap, connection)
    assert len(found) >= least, found
    assert "door/control/catalog.sql facts" in found


def test_all_that_looks_like_sql_was_read() -> None:
    parts = our_sql.texts()[1]
    assert {part.place for part in parts if READS.match(part.sql)} == PUT_TOGETHER


@pytest.fixture
def guests(trap: Trap, tag: str) -> Iterator[list[tuple[str, str]]]:
    """Two people whom the owner lets in and gives something by name: name and password."""
    people, names = People(trap.owner.server, Settings()), [f"guest {n} {tag}" for n in range(2)]
    added = people.add_people(names, [f"guests {tag}"])
    listed = ", ".join(f'"{name}"' for name in names)
    trap.owner.run(f"GRANT CONNECT ON DATABASE {trap.owner.database} TO {listed}", "main")
    trap.owner.run(f"CREATE TABLE theirs.given (a int4); GRANT SELECT ON theirs.given TO {listed}")
    yield added
    people.remove(names)
    people.remove_group(f"guests {tag}")
    trap.owner.run("DROP TABLE theirs.given")


def test_taking_rights_away_where_they_were_given_runs_nothing(
    trap: Trap, guests: list[tuple[str, str]]
) -> None:
    people = People(trap.owner.server, Settings())
    people.remove([guests[0][0]])
    people.add_people([guests[0][0]])
    with suppress(psycopg.errors.InsufficientPrivilege):  # who is no superuser may give nothing
        group = f"g{guests[0][0]}"
        people.add_groups([group])
        people.grant(group, "public", trap.owner.database, write=True)
        people.revoke(group, "public", trap.owner.database)
    people.remove_group(group)
    assert not trap.sprung()


def test_starting_again_runs_nothing(trap: Trap, installation: Myriad) -> None:
    server = trap.owner.server
    with closing(as_admin(server, autocommit=True)) as connection:
        connection.execute("UPDATE hardened SET version = 'older'")
    databases.prepare(server, "main")
    assert inventory.everywhere(server) is not None
    if server.kind == "embedded":
        sweep(server, installation.home.postgres)
        assert status.look(installation.home).state == status.UP
    assert not trap.sprung()


@pytest.mark.parametrize("planted", ["embedded"], indirect=True)
def test_the_door_runs_nothing_neither_as_itself_nor_as_a_guest(
    trap: Trap, guests: list[tuple[str, str]]
) -> None:
    server, owner = trap.owner.server, trap.owner
    for name, password in ((owner.name, owner.password), guests[0]):
        target = Target(server.host, server.port, owner.database, name, password)
        with closing(psycopg.connect(target.uri(with_password=True))) as connection:
            for statement in STATEMENTS:
                with suppress(psycopg.Error):
                    connection.execute(statement)
                    connection.commit()
                connection.rollback()
    assert not trap.sprung()


@pytest.mark.parametrize("planted", ["embedded"], indirect=True)
@pytest.mark.usefixtures("tables")
def test_a_database_that_was_handed_over_is_safe_to_publish_into(
    trap: Trap, installation: Myriad, tmp_path: Path
) -> None:
    place = Place(installation, trap.owner.database, tmp_path)
    path = place.write("t.csv", "id,a,b,c,d\n1,2020-01-01,x,1.5,{}\n2,2020-01-02,y,2.5,[]\n")
    with pytest.raises(PublishError, match=f"belongs to {trap.owner.name}"):
        place.publish(path)
    name = sql.Identifier(trap.owner.database)
    hand = sql.SQL("ALTER DATABASE {} OWNER TO {}")
    with closing(trap.admin()) as connection:
        connection.execute(hand.format(name, sql.Identifier("myriad")))
        for options in ({"keys": {"": ("id",)}}, {"append": True}, {}):
            with suppress(KeyRefused):
                place.publish(path, **options)
        assert place.database in {row["database"] for row in installation.published()}
        assert installation.describe("t", place.database)["rows"] == 2
        name_of = place.database
        for change in (
            lambda: installation.say("t.a", "A day.", database=name_of),
            lambda: installation.undo("t", database=name_of),
            lambda: installation.undo("t", database=name_of),
            lambda: installation.diff("t", database=name_of),
            lambda: installation.diff("t", 1, 2, database=name_of),
            lambda: installation.rename("t", "u", database=name_of),
            lambda: installation.history("u", database=name_of),
            lambda: installation.unpublish("u", database=name_of),
            lambda: installation.undo("u", database=name_of),
            lambda: installation.unpublish("u", database=name_of, purge=True),
        ):
            change()
        connection.execute(hand.format(name, sql.Identifier(trap.owner.name)))
    assert not trap.sprung()
