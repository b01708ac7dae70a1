"""The loader on a real node: every row arrives once, whatever happens on the way."""

import dataclasses
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from myriad import Myriad
from myriad.cql.bulk import fleet, loader
from myriad.cql.bulk.batches import Batch
from myriad.cql.bulk.counts import Counted
from myriad.cql.bulk.fleet import Fleet
from myriad.cql.bulk.loader import Load, load
from myriad.cql.bulk.pipe import Pipe
from myriad.cql.connection import Endpoint
from myriad.cql.session import Session
from myriad.cql.tokens import tokens
from myriad.cql.types import CqlType
from myriad.engines.cassandra.base import Cluster
from myriad.errors import CqlError, NotRunning, PublishError

ROWS, EACH = 20_000, 20
NAMES = ("device", "at", "reading", "note")
TYPES = tuple(map(CqlType, ("text", "int", "decimal", "text")))


def rows(number: int = ROWS) -> pa.Table:
    order = np.arange(number)
    notes = [None if n % 3 else f"réading {n}" for n in order.tolist()]
    readings = [Decimal(n - 5000) / 100 for n in order.tolist()]
    return pa.table(
        {
            "device": [f"gerät {n // EACH}" for n in order.tolist()],
            "at": pa.array(order % EACH, pa.int32()),
            "reading": pa.array(readings, pa.decimal128(38, 2)),
            "note": pa.array(notes, pa.string()),
        }
    )


@pytest.fixture
def cluster(clustered: Myriad) -> Cluster:
    return clustered.cluster()


@pytest.fixture
def session(cluster: Cluster) -> Iterator[Session]:
    with cluster.session() as opened:
        yield opened


@pytest.fixture
def job(cluster: Cluster, session: Session, keyspace: str) -> Load:
    session.query(
        f"""CREATE TABLE {keyspace}.t (device text, at int, reading decimal, note text,
        PRIMARY KEY (device, at))"""
    )
    return Load(cluster, keyspace, "t", NAMES, TYPES, (0,), 1_700_000_000_000_000)


def run(job: Load, table: pa.Table, **options: Any) -> tuple[Any, list[int]]:
    told: list[int] = []
    counts = load(job, iter(table.to_batches(3000)), acknowledged=told.append, **options)
    return counts, told


def wrong(job: Load, counts: Any) -> list[str]:
    key = [job.columns[at] for at in job.partition]
    table = Counted(job.cluster, job.keyspace, job.table, key, job.cluster.consistency)
    return [str(line) for line in table.difference(counts.ranges)]


def test_every_row_arrives_and_nulls_leave_no_tombstone(job: Load, session: Session) -> None:
    table = rows()
    counts, told = run(job, table)
    assert counts.rows == ROWS
    assert wrong(job, counts) == []
    assert told == sorted(told)
    assert told[-1] == ROWS
    found = session.query(f"SELECT device, at, reading, note FROM {job.keyspace}.t")
    assert len(found) == ROWS
    assert {*found} == {tuple(row.values()) for row in table.to_pylist()}
    written = session.query(f"SELECT writetime(reading), writetime(note) FROM {job.keyspace}.t")
    assert {when for when, _ in written} == {job.timestamp}
    assert sum(when is None for _, when in written) == table["note"].null_count


def test_a_row_that_is_missing_or_too_many_is_noticed(job: Load, session: Session) -> None:
    counts, _ = run(job, rows())
    session.query(f"DELETE FROM {job.keyspace}.t WHERE device = 'gerät 7' AND at = 3")
    assert len(wrong(job, counts)) == 1
    session.query(f"INSERT INTO {job.keyspace}.t (device, at) VALUES ('gerät 7', 3)")
    assert wrong(job, counts) == []
    session.query(f"INSERT INTO {job.keyspace}.t (device, at) VALUES ('somebody else', 1)")
    [line] = wrong(job, counts)
    assert "instead of" in line


def test_rows_that_are_skipped_are_counted_but_not_sent(job: Load, session: Session) -> None:
    counts, told = run(job, rows(), skip=12_345)
    assert (counts.rows, told[-1]) == (ROWS, ROWS)
    assert session.query(f"SELECT count(*) FROM {job.keyspace}.t") == [(ROWS - 12_345,)]


def test_a_lost_connection_loses_no_row(job: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    send = Pipe.send
    sent = []

    def breaking(pipe: Pipe, *arguments: Any) -> None:
        send(pipe, *arguments)
        sent.append(pipe)
        if len(sent) in (5, 40):
            pipe._socket.shutdown(2)  # noqa: SLF001 - as a node does that dies

    monkeypatch.setattr(Pipe, "send", breaking)
    counts, _ = run(job, rows())
    assert len(sent) > 40
    assert wrong(job, counts) == []


def test_a_batch_that_the_node_finds_too_large_is_halved(
    job: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    # One node's limit is 16 times that of our batches: 200 notes of 30,000 bytes reach it.
    monkeypatch.setattr(Cluster, "batch_bytes", 1 << 30)
    halved = list[Batch]()

    def halves(batch: Batch) -> tuple[Batch, Batch]:
        halved.append(batch)
        return parted(batch)

    parted = Batch.halves
    monkeypatch.setattr(Batch, "halves", halves)
    table = rows(400).set_column(3, "note", pa.array(["x" * 30_000] * 400))
    counts, _ = run(job, table)
    assert wrong(job, counts) == []
    assert halved


def test_a_row_that_no_node_takes_is_a_clear_error(job: Load) -> None:
    table = rows(20).set_column(3, "note", pa.array(["x" * (17 << 20), *["y"] * 19]))
    with pytest.raises(PublishError, match="a row has 17,"):
        run(job, table)


def test_values_of_another_type_are_refused(job: Load) -> None:
    other = dataclasses.replace(job, types=(*TYPES[:3], CqlType("int")))
    with pytest.raises(PublishError, match="not int"):
        run(other, rows(100))
    table = rows(100).set_column(3, "note", pa.array(range(100), pa.int32()))
    with pytest.raises(PublishError, match="int32 cannot become text"):
        run(job, table)


def test_a_table_that_is_not_there_is_refused(job: Load) -> None:
    with pytest.raises(CqlError, match="nothing"):
        run(dataclasses.replace(job, table="nothing"), rows(100))


def test_no_rows_are_no_rows(job: Load) -> None:
    counts, told = run(job, rows(0))
    assert (counts.rows, told) == (0, [0])
    assert wrong(job, counts) == []


def test_partitions_of_many_rows_and_keys_of_several_columns(
    cluster: Cluster, session: Session, keyspace: str
) -> None:
    session.query(f"CREATE TABLE {keyspace}.wide (a int, b text, c int, PRIMARY KEY ((b, a), c))")
    job = Load(
        cluster,
        keyspace,
        "wide",
        ("a", "b", "c"),
        (*map(CqlType, ("int", "text", "int")),),
        (1, 0),
        1,
    )
    table = pa.table(
        {
            "a": pa.array([1] * 7000 + [2] * 3000, pa.int32()),
            "b": ["é"] * 10_000,
            "c": pa.array(np.arange(10_000), pa.int32()),
        }
    )
    counts, _ = run(job, table)
    assert counts.rows == 10_000
    assert wrong(job, counts) == []


def test_our_tokens_are_the_nodes(job: Load, session: Session) -> None:
    run(job, rows(2000))
    for device, theirs in session.query(
        f"SELECT DISTINCT device, token(device) FROM {job.keyspace}.t"
    ):
        key = np.frombuffer(device.encode(), np.uint8)
        found = tokens(key, np.zeros(1, np.int64), np.array([len(key)], np.int64))
        assert found.tolist() == [theirs]


def test_a_node_that_never_comes_back_is_a_clear_error(
    job: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    def elsewhere(endpoint: Endpoint, hosts: Sequence[str], each: int) -> Fleet:
        return Fleet(dataclasses.replace(endpoint, port=1), hosts, each)

    monkeypatch.setattr(fleet, "PATIENCE", 1.0)
    monkeypatch.setattr(loader, "Fleet", elsewhere)
    with pytest.raises(NotRunning, match="no Cassandra answers at"):
        run(job, rows(5000))
