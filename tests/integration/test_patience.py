"""Whoever waits for readers of a table says for whom, and goes on when they end."""

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from myriad.engines.postgres.base import CONTROL_DATABASE
from myriad.errors import EngineError, MyriadError, SchemaRefused, SwapBlocked
from myriad.publish import inventory
from myriad.publish.options import Step
from tests.harness import COMMAND, wait_until
from tests.publishing import Place

OLD, NEW, MORE = "id,v\n1,a\n2,b\n", "id,v\n1,c\n2,d\n", "id,v\n3,e\n"
TABLES = ("published", "merged", "undone", "unpublished", "renamed", "appended")


class Told:
    """Hears what a run says at once."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def __call__(self, step: Step) -> None:
        if step.notice:
            self.notices.append(step.notice)


def published_twice(place: Place, *tables: str) -> None:
    for text in (OLD, NEW):
        files = [place.write(f"{table}.csv", text) for table in tables]
        place.publish(*files, keys=dict.fromkeys(tables, ("id",)))


@dataclass(frozen=True)
class Reader:
    """Somebody who idles in a transaction."""

    connection: psycopg.Connection
    pid: int

    def end(self) -> None:
        """End the transaction."""
        self.connection.rollback()


@contextmanager
def reading(place: Place, *tables: str) -> Iterator[Reader]:
    """Idle in a transaction that has read tables."""
    with closing(place.connect(autocommit=False)) as connection:
        for table in tables:
            connection.execute(f"SELECT count(*) FROM {table}".encode())
        yield Reader(connection, connection.info.backend_pid)


def changes(place: Place) -> dict[str, Callable[[Told], Any]]:
    """Return each way to change a table that waits for its readers, by table."""
    all_of_it = place.installation
    files = {table: place.write(f"{table}.csv", OLD) for table in TABLES}
    more = place.write("more.csv", "id,v,w\n3,e,1\n")
    return {
        "published": lambda told: place.publish(files["published"], progress=told),
        "merged": lambda told: place.publish(
            files["merged"], table="merged", merge=True, progress=told
        ),
        "undone": lambda told: all_of_it.undo("undone", None, place.database, progress=told),
        "unpublished": lambda told: all_of_it.unpublish(
            "unpublished", database=place.database, progress=told
        ),
        "renamed": lambda told: all_of_it.rename("renamed", "new", place.database, told),
        "appended": lambda told: place.publish(
            more,
            table="appended",
            append=True,
            allow=frozenset({"columns"}),
            progress=told,
        ),
    }


def test_all_that_change_a_table_say_for_whom_they_wait_and_go_on_when_that_ends(
    place: Place,
) -> None:
    published_twice(place, *TABLES)
    ways = changes(place)
    told = {table: Told() for table in ways}
    with ThreadPoolExecutor(len(ways)) as pool, reading(place, *TABLES) as reader:
        runs = {table: pool.submit(way, told[table]) for table, way in ways.items()}
        wait_until(lambda: _all_spoke_or_ended(runs, told))
        assert [table for table, run in runs.items() if run.done()] == []
        reader.end()
        for run in runs.values():
            run.result(30)
    for table, one in told.items():
        [notice] = one.notices
        assert notice.startswith("waiting for those who hold the old table, "), table
        assert f"(pid {reader.pid}, for 0:00:0" in notice, table
        assert "\nhint: It goes on when their transactions end" in notice, table
        assert f'`myriad sql -c "SELECT pg_terminate_backend({reader.pid})"`' in notice, table
    assert place.one("SELECT count(*) FROM merged WHERE v = 'a'") == 1
    assert place.one("SELECT count(*) FROM appended") == 3


def _all_spoke_or_ended(runs: dict[str, "Future[Any]"], told: dict[str, Told]) -> bool:
    return all(told[table].notices or run.done() for table, run in runs.items())


def test_who_locks_a_table_under_a_view_is_named_and_waited_for_only_so_long(
    place: Place,
) -> None:
    tables = [*TABLES, "planned"]
    published_twice(place, *tables)
    for table in tables:
        place.ask(f"CREATE VIEW over_{table} AS SELECT id FROM {table}")
    place.ask("UPDATE planned SET v = 'mine'")
    hasty, plan = place.within(swap_timeout=4), place.write("planned.csv", OLD)
    ways = changes(hasty)
    ways["planned"] = lambda told: hasty.publish(plan, progress=told, dry_run=True)
    del ways["unpublished"]  # refused, as there is a view
    told = {table: Told() for table in ways}
    with (
        ThreadPoolExecutor(len(ways)) as pool,
        closing(place.connect(autocommit=False)) as somebody,
    ):
        somebody.execute(f"LOCK TABLE {', '.join(tables)}".encode())
        refused = pool.submit(place.installation.unpublish, "unpublished", database=place.database)
        with pytest.raises(SchemaRefused, match=r"view public\.over_unpublished"):
            refused.result(30)
        runs = {table: pool.submit(way, told[table]) for table, way in ways.items()}
        who = f"pid {somebody.info.backend_pid}, "
        for table, run in runs.items():
            with pytest.raises(SwapBlocked, match=who):
                run.result(30)
            assert who in told[table].notices[0]
        somebody.rollback()


@pytest.mark.parametrize(
    "lock", ["LOCK TABLE t", "REINDEX INDEX t_pkey", "LOCK TABLE t IN SHARE MODE"]
)
def test_what_is_published_is_listed_whoever_locks_it(place: Place, lock: str) -> None:
    place.publish(*(place.write(f"{name}.csv", OLD) for name in ("t", "u")), keys={"t": ("id",)})
    unread: list[MyriadError] = []
    with closing(place.connect(autocommit=False)) as somebody, ThreadPoolExecutor(1) as pool:
        somebody.execute(lock.encode())
        server = place.installation.server()
        listed = pool.submit(inventory.everywhere, server, None, unread.append)
        rows = _result_or_none(listed)
        somebody.rollback()
    assert rows is not None
    assert unread == []
    sizes = {row["name"]: row["bytes"] for row in rows if row["database"] == place.database}
    assert (sizes["t"] is None) == (not lock.endswith("SHARE MODE"))
    assert sizes["u"] > 0


def test_what_cannot_be_read_is_not_said_to_be_unpublished(place: Place) -> None:
    """Here the record itself is locked, which only Myriad and superusers may."""
    place.publish(place.write("t.csv", OLD))
    with closing(place.connect(autocommit=False)) as somebody:
        somebody.execute("LOCK TABLE myriad.published")
        command = [*COMMAND, "list", "--json", "--home", str(place.installation.home.folder)]
        listed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        somebody.rollback()
    assert listed.returncode == EngineError.exit_code
    assert f"what is published in database {place.database} cannot be read" in listed.stderr


def test_the_hint_at_a_table_names_its_dataset_where_that_is_to_be_typed(place: Place) -> None:
    place.publish(place.write("orders.csv", OLD), dataset="d")
    for ask in (place.installation.describe, place.installation.diff):
        with pytest.raises(MyriadError) as refused:
            ask("orders", database=place.database)
        assert refused.value.hint == "Is d.orders meant?"


def _result_or_none(run: "Future[Any]") -> Any:
    with suppress(TimeoutError):
        return run.result(20)
    return None


def test_who_waits_in_front_of_us_is_named_with_those_they_wait_for(place: Place) -> None:
    published_twice(place, "undone")
    hasty, told = place.within(swap_timeout=4), Told()
    with (
        ThreadPoolExecutor(2) as pool,
        reading(place, "undone") as reader,
        closing(place.connect(autocommit=False)) as queued,
    ):
        pids = reader.pid, queued.info.backend_pid
        lock = pool.submit(queued.execute, "LOCK TABLE undone")
        wait_until(lambda: place.one("SELECT count(*) FROM pg_locks WHERE NOT granted") > 0)
        run = pool.submit(hasty.publish, place.write("undone.csv", OLD), progress=told)
        with pytest.raises(SwapBlocked) as refused:
            run.result(30)
        reader.end()
        lock.result(30)
        queued.rollback()
    for pid in pids:
        assert f"(pid {pid}, for 0:00:0" in refused.value.message


def test_who_locks_another_table_that_a_view_reads_is_named(place: Place) -> None:
    published_twice(place, "undone", "beside")
    place.ask("CREATE VIEW over_both AS SELECT id FROM undone JOIN beside USING (id)")
    hasty, told = place.within(swap_timeout=4), Told()
    with (
        ThreadPoolExecutor(1) as pool,
        closing(place.connect(autocommit=False)) as somebody,
    ):
        somebody.execute("LOCK TABLE beside")
        run = pool.submit(hasty.publish, place.write("undone.csv", OLD), progress=told)
        with pytest.raises(SwapBlocked, match=f"pid {somebody.info.backend_pid}, "):
            run.result(30)
        somebody.rollback()


def test_nobody_waits_for_a_rename_that_waits_for_recipes(place: Place) -> None:
    published_twice(place, "t")
    server = place.installation.server()
    with (
        ThreadPoolExecutor(1) as pool,
        closing(server.connect()) as control,
        closing(place.connect()) as reader,
    ):
        control.execute("LOCK TABLE public.recipe")
        run = pool.submit(place.installation.rename, "t", "new", place.database)
        wait_until(lambda: run.done() or _waits_for_recipes(place))
        reader.execute("SET lock_timeout = '1s'")
        reader.execute("SELECT count(*) FROM t")
        control.rollback()
        run.result(30)
    assert place.one("SELECT count(*) FROM new") == 2


def _waits_for_recipes(place: Place) -> bool:
    query = (
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
        " WHERE NOT granted AND locktype = 'relation' AND datname = %s"
    )
    return bool(place.one(query, [CONTROL_DATABASE]))


def test_it_is_said_again_only_when_it_is_somebody_else(place: Place) -> None:
    published_twice(place, "t")
    told = Told()
    with (
        ThreadPoolExecutor(1) as pool,
        reading(place, "t") as first,
        closing(place.connect(autocommit=False)) as second,
    ):
        run = pool.submit(place.publish, place.write("t.csv", OLD), progress=told)
        wait_until(lambda: told.notices or run.done())
        second.execute("SELECT count(*) FROM t")
        first.end()
        wait_until(lambda: len(told.notices) > 1 or run.done())
        second.rollback()
        run.result(30)
        pids = [first.pid, second.info.backend_pid]
    assert [f"pid {pid}, " in said for pid, said in zip(pids, told.notices, strict=True)] == [
        True,
        True,
    ]


def test_who_reads_the_table_that_a_foreign_key_points_to_is_named(place: Place) -> None:
    place.ask("CREATE TABLE held (id bigint PRIMARY KEY, t bigint)")
    published_twice(place, "t")
    place.ask("ALTER TABLE held ADD FOREIGN KEY (t) REFERENCES t")
    told = Told()
    with ThreadPoolExecutor(1) as pool, reading(place, "held") as reader:
        run = pool.submit(place.publish, place.write("t.csv", OLD), progress=told)
        wait_until(lambda: told.notices or run.done())
        reader.end()
        run.result(30)
    assert f"(pid {reader.pid}, " in told.notices[0]


def test_an_append_waits_no_longer_than_the_setting_for_who_locks_the_table(place: Place) -> None:
    """Not even before it has read anything."""
    published_twice(place, "t")
    hasty = place.within(swap_timeout=1)
    more = place.write("more.csv", MORE)
    with closing(place.connect(autocommit=False)) as somebody:
        somebody.execute("LOCK TABLE t IN SHARE MODE")
        with pytest.raises(SwapBlocked, match=f"pid {somebody.info.backend_pid}, "):
            hasty.publish(more, table="t", append=True)
    place.publish(more, table="t", append=True)


def test_who_only_reads_is_not_named_where_a_writer_is_waited_for(place: Place) -> None:
    published_twice(place, "t")
    told = Told()
    with (
        ThreadPoolExecutor(1) as pool,
        reading(place, "t"),
        closing(place.connect(autocommit=False)) as writer,
    ):
        writer.execute("UPDATE t SET v = 'mine'")
        more = place.write("more.csv", MORE)
        run = pool.submit(place.publish, more, table="t", merge=True, progress=told)
        wait_until(lambda: told.notices or run.done())
        writer.rollback()
        assert told.notices[0].count("pid ") == 1
        assert f"(pid {writer.info.backend_pid}, " in told.notices[0]
        wait_until(lambda: len(told.notices) > 1 or run.done())  # now for the reader
    run.result(30)


class Command:
    """The real command in a process of its own; what it says goes into files."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self._out, self._err = (Path(place.folder / f"{arguments[1]}.{end}") for end in "oe")
        where = ["--database", place.database, "--home", str(place.installation.home.folder)]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments, *where], stdout=out, stderr=err, stdin=subprocess.DEVNULL
            )

    @property
    def out(self) -> str:
        return self._out.read_text()

    @property
    def err(self) -> str:
        return self._err.read_text()


@pytest.mark.nightly(
    daily="tests/integration/test_patience.py::"
    "test_all_that_change_a_table_say_for_whom_they_wait_and_go_on_when_that_ends"
)
def test_a_command_says_it_on_standard_error_as_json_or_not_at_all(place: Place) -> None:
    tables = ("plain", "data", "silent")
    published_twice(place, *tables)
    with reading(place, *tables) as reader:
        plain = Command(place, "undo", "plain")
        data = Command(place, "undo", "data", "--json")
        silent = Command(place, "unpublish", "silent", "--yes", "--quiet")
        commands = [plain, data, silent]
        wait_until(lambda: plain.err and data.err and _waits_for_long(place, "silent"), 60)
        assert [command.process.poll() for command in commands] == [None] * 3
        reader.end()
        codes = [command.process.wait(60) for command in commands]
        assert codes == [0] * 3, [command.err for command in commands]
    assert plain.err.startswith("waiting for those who hold the old table, ")
    assert "back to version 1" in plain.out
    assert json.loads(data.err)["warning"].startswith("waiting for those who hold the old table, ")
    assert json.loads(data.out)["kind"] == "undo"
    assert (silent.out, silent.err) == ("", "")


def _waits_for_long(place: Place, table: str) -> bool:
    """Say whether a run began so long ago that it would have said for whom it waits."""
    query = (
        "SELECT count(*) FROM myriad.run WHERE tables = ARRAY[%s] AND outcome = 'running'"
        " AND started < clock_timestamp() - interval '4 s'"
    )
    return bool(place.one(query, [table]))
