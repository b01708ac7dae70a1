"""A table in Cassandra that is replaced and stays: its old rows are hidden, its columns change."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest

from myriad.publish.cassandra import hiding
from tests.harness import READ_AGAIN, wait_until
from tests.keyspaces import Space

_NUMBER = "SELECT id FROM system_schema.tables WHERE keyspace_name = '{}' AND table_name = 't'"
KEYS = {
    "int": ("1", "2", "3", "4"),
    "text": ("a", "ab", "a much longer text than a word has", "b"),
    "varint": ("1", "-12345678901234567890123", "12345678901234567890", "0"),
    "decimal": ("1.5", "-0.25", "1234567890.125", "0.75"),
    "date": ("2024-01-01", "1969-12-31", "2000-02-29", "2024-01-02"),
    "uuid": tuple(str(UUID(int=number * 2**100 + 7)) for number in range(1, 5)),
    "inet": ("10.0.0.1", "::1", "192.168.0.1", "10.0.0.2"),
}


other_types = pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_stays.py"
    "::test_only_old_partitions_that_no_new_row_covers_are_deleted[text]"
)


@pytest.mark.parametrize(
    "kind",
    [
        "text",
        *(pytest.param(kind, marks=other_types) for kind in KEYS if kind != "text"),
    ],
)
def test_only_old_partitions_that_no_new_row_covers_are_deleted(
    space: Space, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    same, emptied, gone, new = KEYS[kind]
    space.publish(space.write("t.csv", f"k,j,v\n{same},1,1\n{emptied},1,2\n{gone},1,3\n"), "k,j")
    deleted: list[int] = []
    real = hiding.hide

    def hide(cluster: Any, old: Iterator[pa.RecordBatch], *rest: Any) -> None:
        found = list(old)
        deleted.append(sum(batch.num_rows for batch in found))
        real(cluster, iter(found), *rest)

    monkeypatch.setattr(hiding, "hide", hide)
    before = {str(k): (j, v) for k, j, v in space.ask("SELECT k, j, v FROM {}.t")}
    assert sorted(before.values()) == [(1, 1), (1, 2), (1, 3)]
    path = space.write("t.csv", f"k,j,v\n{same},1,10\n{emptied},1,\n{new},1,4\n{gone},2,5\n")
    space.publish(path)
    after = sorted(space.ask("SELECT v, j FROM {}.t"), key=str)
    assert after == [(10, 1), (4, 1), (5, 2), (None, 1)]
    assert deleted == [2]  # the row whose value is null now, and the one that is gone


def test_columns_that_come_and_go_leave_the_table_there_for_who_reads(space: Space) -> None:
    space.publish(space.write("t.csv", "a,b,c\n1,x,1\n2,y,2\n3,z,3\n"), "a")
    [(number,)] = space.ask(_NUMBER)
    texts = ("a,b,c,d\n1,x2,1,1.5\n2,y2,2,\n", "a,b,d\n1,x3,2.5\n", "a,b\n1,x4\n5,y4\n")
    seen, done = list[object](), threading.Event()

    def read() -> None:
        with space.driver() as session:
            one = session.prepare("SELECT b FROM t WHERE a = 1")
            while not done.wait(READ_AGAIN):
                try:
                    seen.append([row.b for row in session.execute(one)])
                except Exception as error:  # noqa: BLE001 - it is what the test is about
                    seen.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_until(lambda: bool(seen))
        for text in texts:
            (table,) = space.publish(space.write("t.csv", text), contract="free").tables
            assert not any("made anew" in note for note in table.notes)
    finally:
        done.set()
        reader.join()
    assert [row for row in seen if row not in (["x"], ["x2"], ["x3"], ["x4"])] == []
    assert space.ask(_NUMBER) == [(number,)]
    assert sorted(space.ask("SELECT * FROM {}.t")) == [(1, "x4"), (5, "y4")]
    # A column of that name was there before, with other values and perhaps of another type.
    (table,) = space.publish(space.write("t.csv", "a,b,c\n1,x5,text\n")).tables
    assert any("made anew" in note for note in table.notes)
    assert space.ask("SELECT a, b, c FROM {}.t") == [(1, "x5", "text")]
