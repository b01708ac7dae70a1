"""A load is proven by the rows in its files; Cassandra is asked where these cannot tell."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import pytest

from myriad import Myriad
from myriad.engines.cassandra import all_nodes, kept_files, swap
from myriad.engines.cassandra.all_nodes import Files
from myriad.engines.cassandra.kept_files import Kept
from myriad.errors import NotRunning, PublishError
from myriad.publish.cassandra import existing
from myriad.publish.cassandra.loading import Loading
from myriad.publish.options import Step
from tests.keyspaces import Space

# Kinds of clustering columns, and two values of each: with a length of their own or without.
KINDS = {
    "boolean": ("true", "false"),
    "float": ("1.5", "-2"),
    "int": ("1", "-7"),
    "double": ("0.25", "1e9"),
    "bigint": ("1", "99999999999"),
    "timestamp": ("0", "'2026-01-01'"),
    "uuid": ("00000000-0000-4000-8000-000000000000", "10000000-0000-4000-8000-000000000000"),
    "timeuuid": ("00000000-0000-1000-8000-000000000000", "10000000-0000-1000-8000-000000000000"),
    "text": ("''", "'" + "x" * 300 + "'"),
    "blob": ("0x", "0x01"),
    "decimal": ("1.25", "99999999999999999999"),
    "varint": ("0", "300"),
    "date": ("'2026-01-01'", "'1970-01-01'"),
    "time": ("'00:00:01'", "'23:00:00'"),
    "inet": ("'127.0.0.1'", "'::1'"),
    "smallint": ("1", "300"),
    "tinyint": ("1", "-1"),
    "duration": ("1d", "2d"),  # not in a key
}
ROWS = 40


def _rows_in_files(clustered: Myriad, keyspace: str, name: str) -> int | None:
    with clustered.cluster().session() as session:
        table = Files(keyspace, name, existing.table_id(session, keyspace, name))
    swap.flush(clustered.cluster(), [table])
    return swap.rows(clustered.cluster(), table)


def _orders(kinds: Sequence[str]) -> str:
    ways = ("DESC", "ASC")
    return ", ".join(f"c{place} {ways[place % 2]}" for place in range(len(kinds)))


def test_rows_in_files_are_those_that_were_written(clustered: Myriad, keyspace: str) -> None:
    kinds = [kind for kind in KINDS if kind != "duration"] * 2  # more than one block of them
    columns = "".join(f"c{place} {kind}, " for place, kind in enumerate(kinds))
    key = ", ".join(["n", *(f"c{place}" for place in range(len(kinds)))])
    with clustered.cluster().session() as session:
        session.query(
            f"CREATE TABLE {keyspace}.kinds (n int, {columns} d duration, PRIMARY KEY ({key}))"
            f" WITH CLUSTERING ORDER BY ({_orders(kinds)})",
            timeout=60,
        )
        session.query(f"CREATE TABLE {keyspace}.plain (n int PRIMARY KEY, v text)", timeout=60)
        for row in range(ROWS):
            values = ", ".join(KINDS[kind][(row >> place) % 2] for place, kind in enumerate(kinds))
            session.query(f"INSERT INTO {keyspace}.kinds ({key}) VALUES ({row}, {values})")
            session.query(f"INSERT INTO {keyspace}.plain (n, v) VALUES ({row}, null)")
            session.query(f"DELETE FROM {keyspace}.plain USING TIMESTAMP 1 WHERE n = {row + ROWS}")
    assert _rows_in_files(clustered, keyspace, "kinds") == ROWS
    assert _rows_in_files(clustered, keyspace, "plain") == ROWS


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables of which Cassandra was asked how many rows they have while they were loaded."""
    real, found = Loading._count, list[str]()  # noqa: SLF001 - what is not to be done

    def count(loading: Loading, made: Any, *arguments: Any) -> None:
        found.append(made.name)
        real(loading, made, *arguments)

    monkeypatch.setattr(Loading, "_count", count)
    return found


def test_cassandra_is_asked_only_of_rows_that_may_be_there_twice(
    space: Space, asked: list[str]
) -> None:
    content = "part,n,v\n" + "".join(f"{n % 7},{n},\n" for n in range(3000))
    path = space.write("t.csv", content)
    space.publish(path, "part/n")
    assert asked == []
    path.write_text(content.replace(",\n", ",1\n"))
    space.killed(path, "loading", rows=1)
    space.publish(path)
    assert asked == ["t"]
    assert space.ask("SELECT count(*) FROM {}.t") == [(3000,)]


def test_rows_that_are_missing_in_files_are_missed(space: Space, asked: list[str]) -> None:
    def empty(step: Step) -> None:
        if step.phase == "proving the counts":
            for name in space.loading():
                space.ask(f"TRUNCATE myriad_next.{name}")

    path = space.write("t.csv", "id,v\n1,1\n2,2\n")
    with pytest.raises(PublishError, match="2 rows were sent, Cassandra has others"):
        space.publish(path, "id", progress=empty)
    assert asked == ["t"]
    assert (space.loads(), space.staged(), space.tables()) == ([], set(), set())


def test_a_node_that_has_not_heard_of_a_table_yet_is_waited_for(
    clustered: Myriad, keyspace: str
) -> None:
    """One that comes back is asked for its files before it has heard of all that was made."""
    cluster, late = clustered.cluster(), Files(keyspace, "late", str(uuid4()))
    asked: list[Callable[[], object]] = [
        lambda: swap.newest(cluster, late),
        lambda: swap.swap_in(cluster, late, late, {}),
        lambda: kept_files.keep(cluster, late, Kept(keyspace, "late", str(uuid4()))),
        lambda: swap.flush_all(cluster, [f"{keyspace}_late"]),
    ]
    (place,) = all_nodes.folders(cluster)
    all_nodes.run(["mkdir", "-p", place / late.folder], all_nodes.user_of(place))
    for ask in asked:
        with pytest.raises(NotRunning, match="has not heard"):
            ask()
    (place / late.folder).rmdir()
    tried: list[int] = []

    def flush() -> None:
        tried.append(len(tried))
        try:
            swap.flush(cluster, [late])
        except NotRunning:
            with cluster.session() as session:
                session.query(f"CREATE TABLE {keyspace}.late (n int PRIMARY KEY)", timeout=60)
            raise

    all_nodes.with_all_nodes(cluster, flush)
    assert tried == [0, 1]
