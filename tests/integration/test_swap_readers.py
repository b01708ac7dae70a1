"""Readers of a table that is replaced: they see all of the old or all of the new."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
import pytest

from myriad import Myriad
from myriad.errors import SwapBlocked
from tests.harness import READ_AGAIN, wait_until
from tests.publishing import Place

OLD, NEW = "id,v\n1,old\n2,old\n", "id,v\n1,new\n2,new\n3,new\n"


def republished(place: Place, text: str = NEW, **options: Any) -> None:
    place.publish(place.write("t.csv", text), **{"contract": "free", **options})


@contextmanager
def patience(place: Place, seconds: float) -> Iterator[Place]:
    """Give a place whose publishes wait no longer than this for readers."""
    settings = replace(place.installation.settings, swap_timeout=seconds)
    yield replace(place, installation=Myriad(place.installation.home, settings))


def test_a_reader_who_holds_the_old_table_is_named_and_the_old_table_stays(place: Place) -> None:
    republished(place, OLD)
    with patience(place, 1.0) as hasty, closing(place.connect(autocommit=False)) as reader:
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (2,)
        with pytest.raises(SwapBlocked) as caught:
            republished(hasty)
        assert f"(pid {reader.info.backend_pid}, " in caught.value.message
        assert caught.value.retryable
        assert place.ask("SELECT v FROM t") == [("old",)] * 2
    assert place.relations() == {"public.t"}
    republished(place)
    assert place.one("SELECT count(*) FROM t") == 3


def test_a_reader_through_a_view_is_named_too(place: Place) -> None:
    republished(place, OLD)
    place.ask("CREATE MATERIALIZED VIEW m AS SELECT * FROM t")
    with patience(place, 1.0) as hasty, closing(place.connect(autocommit=False)) as reader:
        reader.execute("SELECT count(*) FROM m")
        with pytest.raises(SwapBlocked, match=f"pid {reader.info.backend_pid}, "):
            republished(hasty)


def test_the_swap_waits_for_a_reader_and_others_read_on(place: Place) -> None:
    republished(place, OLD)
    with closing(place.connect(autocommit=False)) as reader, ThreadPoolExecutor(1) as pool:
        reader.execute("SELECT count(*) FROM t")
        waiting = pool.submit(republished, place)
        wait_until(lambda: _waits_for_a_lock(place))
        for _ in range(20):
            assert place.one("SELECT count(*) FROM t") == 2
        assert not waiting.done()
        reader.rollback()
        waiting.result(30)
    assert place.one("SELECT count(*) FROM t") == 3


def _waits_for_a_lock(place: Place) -> bool:
    return bool(
        place.one(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
    )


READERS = 20
ROWS = 5000
ROUNDS, AT_NIGHT = 3, 12


def _content(mark: int) -> str:
    return "id,mark\n" + "".join(f"{n},{mark}\n" for n in range(ROWS))


def _check(rows: list[tuple[object, ...]]) -> None:
    ((count, low, high),) = rows
    assert count == ROWS
    assert low == high


QUESTION = "SELECT count(*), min(mark), max(mark) FROM {}"


def _plain(connection: psycopg.Connection, source: str) -> None:
    _check(connection.execute(QUESTION.format(source).encode(), prepare=False).fetchall())


def _prepared(connection: psycopg.Connection, source: str) -> None:
    question = QUESTION.format(source) + " WHERE id >= %s"
    _check(connection.execute(question.encode(), [0], prepare=True).fetchall())


def _repeatable(connection: psycopg.Connection, source: str) -> None:
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    connection.execute("SELECT 1")  # takes the snapshot
    first = connection.execute(QUESTION.format(source).encode()).fetchall()
    _check(first)
    assert connection.execute(QUESTION.format(source).encode()).fetchall() == first
    connection.execute("COMMIT")


def _has_read_on(reads: list[int], before: int, readers: list[Future[None]]) -> bool:
    """Say whether every reader has read since, or one has failed."""
    return min(reads) > before or any(reader.done() for reader in readers)


@pytest.mark.parametrize(
    "rounds",
    [
        ROUNDS,
        pytest.param(
            AT_NIGHT,
            marks=pytest.mark.nightly(
                daily="tests/integration/test_swap_readers.py"
                "::test_readers_never_see_an_error_an_empty_or_a_half_filled_table"
                f"[{ROUNDS}]"
            ),
        ),
    ],
)
def test_readers_never_see_an_error_an_empty_or_a_half_filled_table(
    place: Place, rounds: int
) -> None:
    republished(place, _content(0), keys={"": ("id",)})
    place.ask("CREATE VIEW seen AS SELECT * FROM t; CREATE VIEW over AS SELECT * FROM seen")
    kinds = [(ask, source) for ask in (_plain, _prepared, _repeatable) for source in ("t", "over")]
    stop = threading.Event()
    reads = [0] * READERS

    def read(number: int) -> None:
        ask, source = kinds[number % len(kinds)]
        with closing(place.connect()) as connection:
            while not stop.wait(READ_AGAIN) or not reads[number]:
                ask(connection, source)
                reads[number] += 1

    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(read, number) for number in range(READERS)]
        try:
            for mark in range(1, rounds + 1):
                before = min(reads)
                republished(place, _content(mark), keys={"": ("id",)})
                wait_until(partial(_has_read_on, reads, before, readers), 60)
        finally:
            stop.set()
        for reader in readers:
            reader.result(30)
    assert min(reads) > rounds
    assert place.ask("SELECT DISTINCT mark FROM over") == [(rounds,)]


def test_a_snapshot_from_before_the_swap_reads_the_new_table_whole(place: Place) -> None:
    republished(place, OLD)
    place.ask("CREATE MATERIALIZED VIEW m AS SELECT * FROM t")
    with closing(place.connect()) as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM pg_class")
        republished(place)
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (3,)
        assert reader.execute("SELECT count(*) FROM m").fetchone() == (3,)


def test_an_autovacuum_of_the_old_table_gives_way(place: Place) -> None:
    republished(place, _content(0))
    place.ask("ALTER TABLE t SET (autovacuum_vacuum_threshold = 1,"
              " autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100,"
              " autovacuum_vacuum_cost_limit = 1)")  # fmt: skip
    naptime = place.one("SHOW autovacuum_naptime")
    place.ask("ALTER SYSTEM SET autovacuum_naptime = 1")
    place.ask("SELECT pg_reload_conf()")
    try:
        place.ask("DELETE FROM t WHERE id % 2 = 0")
        wait_until(lambda: place.one("SELECT count(*) FROM pg_stat_progress_vacuum"
                                     " WHERE relid = 't'::regclass"), 60)  # fmt: skip
        with patience(place, 10.0) as hasty:
            republished(hasty, _content(1))
    finally:
        place.ask("ALTER SYSTEM RESET autovacuum_naptime")
        place.ask("SELECT pg_reload_conf()")
    assert naptime
    assert place.ask("SELECT DISTINCT mark FROM t") == [(1,)]
