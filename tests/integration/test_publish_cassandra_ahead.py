"""The table that takes a load's rows is made while they are read, and stays as long."""

import threading
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from myriad.cql.types import CqlType
from myriad.errors import CqlError, MyriadError
from myriad.model import Key
from myriad.publish.cassandra import ahead, record, unfinished
from myriad.publish.cassandra.ahead import Ahead
from myriad.publish.cassandra.record import STAGING
from myriad.publish.keys import parse_keys
from myriad.publish.options import Options, Step
from myriad.running import cassandra
from tests.harness import as_admin, wait_until
from tests.keyspaces import Space

OLD, NEW = "id,v\n1,1\n2,2\n", "id,v\n1,10\n2,20\n3,30\n"
COLUMNS, KEY = {"id": CqlType("bigint"), "v": CqlType("text")}, Key(("id",))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note each statement that makes such a table."""
    real, statements = ahead.make, list[str]()

    def make(session: Any, statement: str) -> None:
        statements.append(statement)
        real(session, statement)

    monkeypatch.setattr(ahead, "make", make)
    return statements


def _rows(space: Space) -> Sequence[Any]:
    return sorted(space.ask("SELECT id, v FROM {}.t"))


@pytest.mark.parametrize("text", [OLD, "id,v\n1,a\n2,b\n", "id,v\n1,1.5\n2,2.25\n"])
def test_a_load_takes_the_table_that_was_made_while_its_file_was_read(
    space: Space, made: list[str], text: str
) -> None:
    path = space.write("t.csv", text)
    space.publish(path, "id")
    assert len(made) == 1
    first = _rows(space)
    path.write_text(text + "7,\n")
    space.publish(path)
    assert len(made) == 2
    assert _rows(space) == [*first, (7, None)]
    assert (space.loads(), space.staged()) == ([], set())


@pytest.mark.parametrize(
    "text",
    ["id,v\n1,127.0.0.1\n2,127.0.0.2\n", "id,v\n1,2026-01-02 03:04:05.123456\n"],
    ids=["addresses", "microseconds"],
)
def test_where_values_tell_another_type_another_table_is_made_and_the_first_one_goes(
    space: Space, made: list[str], text: str
) -> None:
    path = space.write("t.csv", text)
    space.publish(path, "id")
    assert len(made) == 2
    assert len(_rows(space)) == len(text.splitlines()) - 1
    assert (space.loads(), space.staged()) == ([], set())


def test_several_tables_with_the_same_columns_have_one_each(space: Space, made: list[str]) -> None:
    for name in ("a.csv", "b.csv"):
        space.write(name, OLD)
    options = Options(to="cassandra", dataset=space.dataset, keys=parse_keys(["a=id", "b=id"]))
    space.installation.publish([space.folder], options)
    assert len(made) == len(set(made)) == 2
    assert [space.ask(f"SELECT count(*) FROM {{}}.{name}") for name in "ab"] == [[(2,)], [(2,)]]
    assert (space.loads(), space.staged()) == ([], set())


def test_nobody_drops_it_before_the_publish_has_ended(space: Space) -> None:
    server, cluster = space.installation.server(), space.installation.cluster()
    with record.opened(server) as written, cluster.session() as session:
        mine = Ahead(cluster, written)
        mine.begin(COLUMNS, KEY)
        name = mine.take(COLUMNS, KEY)
        assert name is not None
        assert name in space.tables(STAGING)
        cassandra.settle(server, cluster)  # as whoever keeps Cassandra does every two seconds
        with record.opened(server) as other:
            unfinished.sweep(other, session)
        assert name in space.tables(STAGING)
        mine.close()
    wait_until(lambda: name not in space.tables(STAGING), 30)


def test_a_publish_that_is_refused_or_killed_while_it_reads_leaves_none(space: Space) -> None:
    path = space.write("t.csv", OLD)
    space.publish(path, "id")
    path.write_text("id,v\n1,1\n1,2\n")
    with pytest.raises(MyriadError):
        space.publish(path)
    path.write_text(NEW)
    space.killed(path, "proving the key")
    assert space.staged() == set()
    assert _rows(space) == [(1, 1), (2, 2)]


def test_where_it_cannot_be_made_it_is_made_when_it_is_needed(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = ahead.make, list[str]()

    def make(session: Any, statement: str) -> None:
        tries.append(statement)
        if len(tries) == 1:
            raise CqlError("too much to do", code=CqlError.OVERLOADED, hint="Later.")
        real(session, statement)

    monkeypatch.setattr(ahead, "make", make)
    space.publish(space.write("t.csv", OLD), "id")
    assert len(tries) == 2
    assert _rows(space) == [(1, 1), (2, 2)]


def test_a_publish_whose_connections_to_postgresql_are_gone_ends(space: Space) -> None:
    """No thread that keeps a node's manager attached outlives it."""
    before, threads = _administrators(space), _awaited()

    def cut(step: Step) -> None:
        if step.phase == "replacing":
            with as_admin(space.installation.server(), autocommit=True) as connection:
                new = sorted(_administrators(space) - before - {connection.info.backend_pid})
                connection.execute("SELECT pg_terminate_backend(unnest(%s::int[]))", [new])

    with pytest.raises((MyriadError, psycopg.Error)):
        space.publish(space.write("t.csv", OLD), "id", progress=cut)
    wait_until(lambda: _awaited() <= threads)
    space.publish(space.write("t.csv", OLD), "id")
    assert _rows(space) == [(1, 1), (2, 2)]


def _awaited() -> set[threading.Thread]:
    """Return the threads for which Python waits before it ends."""
    return {thread for thread in threading.enumerate() if not thread.daemon}


def _administrators(space: Space) -> set[int]:
    """Return the processes of PostgreSQL that serve commands of Myriad's."""
    with as_admin(space.installation.server()) as connection:
        found = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'myriad'"
        ).fetchall()
    return {pid for (pid,) in found}
