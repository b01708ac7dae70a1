"""Somebody reads the audit's tables for long: nobody else waits for that."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.crowd import Installation, installed_copy
from tests.harness import wait_until
from tests.two_doors import SOON, Sessions

AUDIT_ROWS = 1000
RAN = 700  # more than a half, at which the other table is begun


@pytest.fixture(scope="module")
def up(made: Path) -> Iterator[Installation]:
    with installed_copy(made, audit_rows=AUDIT_ROWS) as found:
        yield found


def _audited(up: Installation) -> list[int]:
    """Return how many of these statements each table has."""
    return [
        int(up.sql(f"SELECT count(*) FROM audit_{n} WHERE statement = 'SELECT 1'", "myriad")[0][0])
        for n in range(2)
    ]


def test_logins_and_the_audit_go_on_while_somebody_reads_it_and_then_the_other_table_is_begun(
    up: Installation,
) -> None:
    up.add(["rose"])
    reads = make_conninfo(up.server.dsn, dbname="myriad")
    with ExitStack() as stack:
        rose = Sessions(up.place, "rose", stack)
        first = rose.one()
        with closing(psycopg.connect(reads)) as reader:  # in a transaction, as pg_dump is
            reader.execute("LOCK TABLE audit_0, audit_1 IN ACCESS SHARE MODE")
            for _ in range(RAN):
                first.execute("SELECT 1")
            wait_until(lambda: sum(_audited(up)) == RAN, SOON)
            assert rose.one().execute("SELECT 2").fetchall() == [(2,)]
            assert min(_audited(up)) == 0

        def goes_on_in_the_other() -> bool:
            first.execute("SELECT 1")
            return min(_audited(up)) > 0

        wait_until(goes_on_in_the_other, SOON)
