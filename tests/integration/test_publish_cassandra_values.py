"""Every value of a table with all types is read back by the usual driver as the source has it."""

import datetime as dt
import ipaddress
import json
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cassandra.util import Date, OrderedMapSerializedKey, SortedSet, Time

from myriad.errors import ContractRefused
from tests.keyspaces import Space

NOON = dt.datetime.fromisoformat("2024-02-29T12:00:00.123")
LATE = dt.datetime.fromisoformat("1969-12-31T23:59:59.999")
COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "id": (pa.int32(), [1, 2, 3]),
    "yes": (pa.bool_(), [True, False, None]),
    "small": (pa.int16(), [-32_768, 32_767, None]),
    "whole": (pa.int32(), [-(2**31), 2**31 - 1, None]),
    "big": (pa.int64(), [-(2**63), 2**63 - 1, None]),
    "huge": (pa.decimal128(38, 0), [Decimal(10**37), Decimal(-(10**37)), None]),
    "money": (pa.decimal128(20, 4), [Decimal("-0.0001"), Decimal("1234567890123456.7890"), None]),
    "real": (pa.float32(), [0.5, float("inf"), None]),
    "double": (pa.float64(), [-0.0, 1e-300, None]),
    "day": (pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
    "clock": (pa.time64("us"), [dt.time(0, 0), dt.time(23, 59, 59, 999_999), None]),
    "at": (pa.timestamp("us"), [NOON, LATE, None]),
    "zoned": (pa.timestamp("us", "UTC"), [NOON.replace(tzinfo=dt.UTC)] * 2 + [None]),
    "micro": (pa.timestamp("us"), [NOON.replace(microsecond=1), NOON, None]),
    "name": (pa.string(), ["", "é\U0001f600 'quoted' \"x\"", None]),
    "bytes": (pa.binary(), [b"", b"\x00\xff", None]),
    "address": (pa.string(), ["10.0.0.1", "2001:db8::1", None]),
    "uuid": (pa.string(), [str(uuid.UUID(int=1)), str(uuid.UUID(int=2**128 - 1)), None]),
    "texts": (pa.list_(pa.string()), [["b", "a"], [], None]),
    "deep": (pa.list_(pa.list_(pa.int64())), [[[1], []], [[2**62, 3]], None]),
    "pair": (
        pa.struct([("x", pa.float64()), ("y", pa.string())]),
        [{"x": 1.5, "y": "a"}, {"x": 2.5, "y": "b"}, None],
    ),
    "pairs": (
        pa.list_(pa.struct([("k", pa.int64())])),
        [[{"k": 1}, {"k": 2}], [], None],
    ),
}
TYPES = {
    "id": "int",
    "yes": "boolean",
    "small": "int",
    "whole": "int",
    "big": "bigint",
    "huge": "varint",
    "money": "decimal",
    "real": "float",
    "double": "double",
    "day": "date",
    "clock": "time",
    "at": "timestamp",
    "zoned": "timestamp",
    "micro": "text",
    "name": "text",
    "bytes": "blob",
    "address": "inet",
    "uuid": "text",
    "texts": "frozen<list<text>>",
    "deep": "frozen<list<frozen<list<bigint>>>>",
    "pair": "frozen<t_pair>",
    "pairs": "frozen<list<frozen<t_pairs>>>",
}


def plain(value: Any) -> Any:
    """Return what the driver gives as what the source has."""
    if isinstance(value, Date):
        return value.date()
    if isinstance(value, Time):
        return value.time()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, OrderedMapSerializedKey):
        return dict(value)
    if isinstance(value, SortedSet):
        return list(value)
    if hasattr(value, "_asdict"):
        return {key: plain(one) for key, one in value._asdict().items() if one is not None}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value


def expected(name: str, value: Any) -> Any:
    """Return a value as it shall come back where that is not the value itself."""
    if name == "micro" and value is not None:
        return value.isoformat(
            timespec="microseconds" if value.microsecond % 1000 else "milliseconds"
        )
    if name == "zoned" and value is not None:
        return value.replace(tzinfo=None)
    return value


def test_every_value_of_every_type_comes_back(space: Space) -> None:
    arrays = {name: pa.array(values, kind) for name, (kind, values) in COLUMNS.items()}
    path = space.folder / "t.parquet"
    pq.write_table(pa.table(arrays), path)
    (table,) = space.publish(path, "id").tables
    assert table.types == TYPES
    with space.driver() as session:
        rows = {row.id: row for row in session.execute("SELECT * FROM t")}
    for number in range(3):
        for name, (_, values) in COLUMNS.items():
            found, wanted = plain(getattr(rows[number + 1], name)), values[number]
            assert found == expected(name, wanted), name
            if "<" not in TYPES[name]:
                assert str(found) == str(expected(name, wanted)), name  # 1.50 is not 1.5


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_values.py::"
    "test_every_value_of_every_type_comes_back"
)
def test_every_type_can_be_in_a_key_and_asked_by(space: Space) -> None:
    names = [name for name, kind in TYPES.items() if "<" not in kind]
    arrays = {name: pa.array(COLUMNS[name][1][:2], COLUMNS[name][0]) for name in names}
    path = space.folder / "t.parquet"
    pq.write_table(pa.table(arrays), path)
    for first, second in zip(names, names[1:] + names[:1], strict=True):
        # Nobody may read it, but the example that is shown for each key must work.
        if first in ("name", "bytes") or len(set(map(str, COLUMNS[first][1][:2]))) == 1:
            continue
        (table,) = space.publish(path, f"{first}/{second}:desc", table="t", dry_run=True).tables
        assert table.partitions["count"] == 2
    rest = ",".join(name for name in names if name != "id")
    (table,) = space.publish(path, f"id/{rest}").tables
    (whole,) = [line for line in table.asks if line.startswith("SELECT")][-1:]
    assert len(space.ask(whole.removesuffix(";"))) == 1


@pytest.mark.nightly(
    daily="tests/integration/test_publish_cassandra_values.py::"
    "test_every_value_of_every_type_comes_back"
)
def test_json_becomes_collections_and_comes_back(space: Space) -> None:
    records = [
        {
            "id": number,
            "tags": sorted({f"t{number % 3}", f"u{number % 5}"}),
            "scores": {f"2024-01-{day:02d}": day * 1.5 for day in range(1, number % 4 + 1)},
            "at": [f"p{number}", number],
            "who": {"name": f"n{number}", "address": {"zip": str(number), "lines": ["a", "b"]}},
            "odd": {"a": number} if number % 2 else [number],
        }
        for number in range(50)
    ]
    path = space.write("r.jsonl", "".join(json.dumps(record) + "\n" for record in records))
    (table,) = space.publish(path, "id").tables
    assert table.types == {
        "id": "bigint",
        "tags": "frozen<set<text>>",
        "scores": "frozen<map<text, decimal>>",
        "at": "frozen<tuple<text, bigint>>",
        "who": "frozen<r_who>",
        "odd": "text",
    }
    with space.driver() as session:
        for row in session.execute("SELECT * FROM r"):
            wanted = records[row.id]
            found = {name: plain(getattr(row, name)) for name in wanted}
            found["scores"] = {day: float(score) for day, score in found["scores"].items()}
            assert found | {"odd": json.loads(found["odd"])} == wanted
    changed = [{**record, "who": {"name": "x", "age": 1}} for record in records]
    path = space.write("r.jsonl", "".join(json.dumps(record) + "\n" for record in changed))
    (table,) = space.publish(path).tables
    with space.driver() as session:
        assert {(row.who.name, row.who.age) for row in session.execute("SELECT who FROM r")} == {
            ("x", 1)
        }


def test_addresses_are_found_by_inet(space: Space) -> None:
    space.publish(space.write("t.csv", "at,n\n10.0.0.1,1\n::1,2\n"), "at")
    assert space.ask("SELECT n FROM {}.t WHERE at = '::1'") == [(2,)]
    assert {at for (at,) in space.ask("SELECT at FROM {}.t")} == {
        ipaddress.ip_address("10.0.0.1"),
        ipaddress.ip_address("::1"),
    }


def test_what_people_write_arrives_as_in_postgresql_also_the_next_night(space: Space) -> None:
    head = "id;amount;at;paid;n\n"
    first = head + "1;1.234,50 €;31.12.2024 10:00;ja;12\n2;-12,00 €;1.2.2024 9:05;nein;NA\n"
    path = space.write("bills.csv", first)
    (table,) = space.publish(path, "id").tables
    assert table.types["amount"] == "decimal"
    assert table.types["paid"] == "boolean"
    space.publish(space.write("bills.csv", head + "3;1.500 €;2.3.2024 1:00;ja;-\n"), append=True)
    with space.driver() as driver:
        rows = driver.execute(f'SELECT id, amount, at, paid, n FROM "{space.dataset}".bills')
        found = {row[0]: row[1:] for row in rows}
    assert found[3] == (Decimal(1500), dt.datetime.fromisoformat("2024-03-02T01:00"), True, None)
    assert found[2] == (Decimal(-12), dt.datetime.fromisoformat("2024-02-01T09:05"), False, None)
    with pytest.raises(ContractRefused, match="amount"):
        space.publish(space.write("bills.csv", head + "1;1,500.5 €;2.3.2024 1:00;ja;3\n"), "id")
