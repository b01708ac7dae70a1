"""People log in and read while tables that point to each other are published again and again."""

import sqlite3
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

import myriad
from myriad.connect import Target
from myriad.errors import PublishError, SwapBlocked
from myriad.publish.options import Step
from tests.harness import READ_AGAIN, wait_until
from tests.publishing import Place

READERS = 20
ROUNDS = 3
GROUPS = 200
# Versions differ in how many rows they have too: a mixture shows in the count.
ITEMS = {mark: 3000 + 1000 * (mark % 2) for mark in range(ROUNDS + 1)}


@dataclass(frozen=True)
class Reader:
    """Somebody whose only right comes from a group."""

    uri: str
    group: str

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.uri, autocommit=True)


@pytest.fixture
def reader(place: Place) -> Iterator[Reader]:
    server, people, tag = place.installation.server(), place.installation.people, uuid.uuid4().hex
    group = f"Readers {tag[:8]}"
    [(name, password)] = people.add_people([f"Rose {tag[:8]}"], [group])
    people.grant(group, "public", place.database)
    target = Target(server.host, server.port, place.database, name, password)
    yield Reader(target.uri(with_password=True), group)
    people.remove([name])
    people.remove_group(group)


def shop(path: Path, mark: int, *, items: int | None = None) -> Path:
    """Write a SQLite file of items in groups; groups point to one of their items and back."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE grp (id INTEGER PRIMARY KEY, mark INTEGER NOT NULL,"
            " best INTEGER REFERENCES item (id), above INTEGER REFERENCES grp (id));"
            "CREATE TABLE item (id INTEGER PRIMARY KEY, mark INTEGER NOT NULL,"
            " grp INTEGER NOT NULL REFERENCES grp (id) ON DELETE CASCADE);"
            "CREATE INDEX by_grp ON item (grp)"
        )
        groups = ((n, mark, n, n and n - 1) for n in range(GROUPS))
        connection.executemany("INSERT INTO grp VALUES (?, ?, ?, ?)", groups)
        rows = ((n, mark, n % GROUPS) for n in range(items or ITEMS[mark]))
        connection.executemany("INSERT INTO item VALUES (?, ?, ?)", rows)
    return path


VIEWS = "CREATE VIEW seen AS SELECT * FROM item; CREATE VIEW over AS SELECT * FROM seen"
SUMMARY = "SELECT count(*), min(mark), max(mark) FROM "
# Both orders: a swap locks its tables in one of them.
SOURCES = {
    "table": "item",
    "views": "over",
    "join": "(SELECT item.mark FROM item JOIN grp ON (grp.id, grp.mark) = (grp, item.mark)) j",
    "turned": "(SELECT item.mark FROM grp JOIN item ON (grp.id, grp.mark) = (grp, item.mark)) j",
}


def whole(rows: list[tuple[int, ...]]) -> int:
    """Return the version that an answer shows; it must be all of that one."""
    ((count, low, high),) = rows
    assert low == high, "a mixture"
    assert count == ITEMS[low], "not all rows"
    return low


def plain(connection: psycopg.Connection, source: str) -> int:
    return whole(connection.execute((SUMMARY + source).encode(), prepare=False).fetchall())


def prepared(connection: psycopg.Connection, source: str) -> int:
    statement = f"{SUMMARY}{source} WHERE mark >= %s".encode()
    return whole(connection.execute(statement, [0], prepare=True).fetchall())


def snapshot_before(connection: psycopg.Connection, source: str) -> int:
    """Read in a transaction that a swap may have overtaken: it sees one version to its end."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM pg_class")
        seen = plain(connection, source)
        assert plain(connection, source) == seen
    return seen


def pages(connection: psycopg.Connection, source: str) -> int:
    """Read through a cursor, a part at a time, as pandas and notebooks do."""
    with connection.transaction(), connection.cursor("page") as cursor:
        cursor.itersize = 500
        marks = [row[0] for row in cursor.execute(f"SELECT mark FROM {source}".encode())]
    return whole([(len(marks), min(marks), max(marks))])


WAYS = (plain, prepared, snapshot_before, pages)


def test_twenty_people_always_see_one_whole_version(place: Place, reader: Reader) -> None:
    path = place.folder / "shop.db"
    place.publish(shop(path, 0))
    place.ask(VIEWS)
    stop = threading.Event()
    seen: list[list[int]] = [[] for _ in range(READERS)]

    def read(number: int) -> None:
        way, source = WAYS[number % 4], SOURCES[("table", "views")[number // 4 % 2]]
        with closing(reader.connect()) as connection:
            while not stop.wait(READ_AGAIN):
                seen[number].append(way(connection, source))

    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(read, number) for number in range(READERS)]

        def all_saw(mark: int) -> bool:
            ended = any(future.done() for future in readers)
            return ended or all(marks[-1:] == [mark] for marks in seen)

        try:
            wait_until(partial(all_saw, 0), 30)
            for mark in range(1, ROUNDS + 1):
                place.publish(shop(path, mark))
                wait_until(partial(all_saw, mark), 30)
        finally:
            stop.set()
        for future in readers:
            future.result(30)
    for marks in seen:
        assert marks == sorted(marks), "an old version came back"
        assert set(marks) == set(range(ROUNDS + 1))


@pytest.mark.nightly(by_day=["views", "turned"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_transaction_begun_before_several_swaps_reads_the_last_one_whole(
    place: Place, reader: Reader, source: str
) -> None:
    path = place.folder / "shop.db"
    place.publish(shop(path, 0))
    place.ask(VIEWS)
    with closing(reader.connect()) as connection:
        assert prepared(connection, SOURCES[source]) == 0
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT count(*) FROM pg_class")
        for mark in (1, 2):
            place.publish(shop(path, mark))
        assert prepared(connection, SOURCES[source]) == 2
        connection.execute("COMMIT")
        place.publish(shop(path, 3))
        assert prepared(connection, SOURCES[source]) == 3


def test_tables_of_a_sqlite_file_keep_keys_indexes_and_who_points_to_them(place: Place) -> None:
    path = place.folder / "shop.db"
    place.publish(shop(path, 0))
    place.ask("CREATE TABLE public.sold (item bigint REFERENCES item, many int)")
    place.ask("INSERT INTO sold VALUES (7, 1)")

    def hanging() -> list[object]:
        return [
            place.ask(
                "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated"
                " FROM pg_constraint WHERE contype IN ('f', 'p')"
                " AND connamespace = 'public'::regnamespace ORDER BY 1, 2"
            ),
            place.ask(
                "SELECT indexrelid::regclass::text FROM pg_index"
                " WHERE indrelid IN ('item'::regclass, 'grp'::regclass) ORDER BY 1"
            ),
        ]

    before = hanging()
    for definition in (
        "FOREIGN KEY (best) REFERENCES item(id)",
        "FOREIGN KEY (above) REFERENCES grp(id)",
        "FOREIGN KEY (grp) REFERENCES grp(id) ON DELETE CASCADE",
        "FOREIGN KEY (item) REFERENCES item(id)",
    ):
        assert definition in str(before)
    for mark in (1, 2):
        report = place.publish(shop(path, mark))
        assert [(t.action, t.difference, t.notes) for t in report.tables] == [
            ("replaced", [], []),
            ("replaced", [], []),
        ]
        assert hanging() == before
        assert place.one("SELECT count(*) FROM item WHERE mark = %s", [mark]) == ITEMS[mark]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        place.ask("INSERT INTO item VALUES (99999, 1, 99999)")


def test_a_sqlite_file_that_loses_a_row_others_point_to_is_refused(place: Place) -> None:
    path = place.folder / "shop.db"
    place.publish(shop(path, 0))
    place.ask("CREATE TABLE public.sold (item bigint REFERENCES item)")
    place.ask("INSERT INTO sold VALUES (2999)")
    before = place.relations()
    with pytest.raises(PublishError, match="sold_item_fkey"):
        place.publish(shop(path, 1, items=500), contract="free")
    assert place.ask("SELECT mark, count(*) FROM item GROUP BY 1") == [(0, ITEMS[0])]
    assert place.relations() == before


@pytest.mark.nightly(
    daily="tests/integration/test_swap_people.py::test_twenty_people_always_see_one_whole_version"
)
def test_publishes_that_race_never_mix(place: Place) -> None:
    """Whoever loses is told so; each time one of them wins, whatever their order of tables."""
    pairs = []
    for mark in (1, 2, 3):
        text = "id,mark\n" + f"1,{mark}\n" * 100 * mark
        one, two = (place.write(f"{mark}/{name}.csv", text) for name in ("a", "b"))
        pairs.append((two, one) if mark == 2 else (one, two))
    start = threading.Barrier(len(pairs), timeout=30)

    def publish(files: tuple[Path, Path]) -> PublishError | None:
        start.wait()
        try:
            place.publish(*files, contract="free")
        except PublishError as error:
            return error
        return None

    with ThreadPoolExecutor(len(pairs)) as pool:
        for _ in range(5):
            outcomes = list(pool.map(publish, pairs))
            assert None in outcomes
            for refused in filter(None, outcomes):
                assert "being changed by somebody else" in refused.message
                assert refused.hint
            rows = place.ask("SELECT mark, count(*) FROM a GROUP BY 1")
            ((mark, count),) = rows
            assert count == 100 * mark
            assert place.ask("SELECT mark, count(*) FROM b GROUP BY 1") == rows
    assert place.relations() == {"public.a", "public.b"}


def test_what_was_taken_from_a_group_by_hand_stays_taken(place: Place, reader: Reader) -> None:
    secret, menu = place.write("salary.csv", "a\n1\n"), place.write("menu.csv", "a\n1\n")
    place.publish(secret, menu)
    with closing(place.connect()) as connection:
        revoke = sql.SQL("REVOKE SELECT ON salary FROM {}")
        connection.execute(revoke.format(sql.Identifier(reader.group)))
    for _ in range(2):
        place.publish(secret, menu)
        with closing(reader.connect()) as connection:
            assert connection.execute("SELECT a FROM menu").fetchall() == [(1,)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT a FROM salary")


def test_a_person_who_came_during_the_load_and_holds_the_old_table_is_named_once(
    place: Place, reader: Reader
) -> None:
    path = place.folder / "shop.db"
    place.publish(shop(path, 0))
    place.ask(VIEWS)
    hasty = Place(myriad.open(place.installation.home, swap_timeout=1), place.database, path.parent)
    with closing(reader.connect()) as connection:

        def come(step: Step) -> None:
            if step.phase == "building keys" and step.table == "item":
                connection.execute("BEGIN")
                assert plain(connection, "over") == 0

        with pytest.raises(SwapBlocked) as caught:
            hasty.publish(shop(path, 1), progress=come)
        holder = f"{connection.info.user} (pid "
        assert caught.value.message.count(holder) == 1
        assert "None" not in caught.value.message  # an autovacuum may hold it too
        assert plain(connection, "item") == 0
    assert place.ask("SELECT mark, count(*) FROM item GROUP BY 1") == [(0, ITEMS[0])]
