"""Each type that Arrow, ORC and Avro declare, by itself: the column's type and its values."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.orc
import pytest

from tests.apart import stay_here, table
from tests.hard_case import shown

DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime.fromisoformat("2024-02-29T13:14:15.250000")
AT = MOMENT.replace(tzinfo=dt.UTC)
TEXTS = ["a", "é 漢字 🎉", "", None]
# What Arrow declares → its type, values, the column's type; what the values become if it is other.
COLUMNS: dict[str, tuple[pa.DataType, list[Any], str, list[Any] | None]] = {
    "flags": (pa.bool_(), [True, None, False], "boolean", None),
    "8 bits": (pa.int8(), [-128, 127, None], "smallint", None),
    "16 bits": (pa.int16(), [-(2**15), 2**15 - 1], "smallint", None),
    "32 bits": (pa.int32(), [-(2**31), 2**31 - 1], "integer", None),
    "64 bits": (pa.int64(), [-(2**63), 2**63 - 1, None], "bigint", None),
    "half a double": (pa.float32(), [0.5, -1.5, None], "real", None),
    "doubles": (pa.float64(), [0.1, 1e300, float("inf"), None], "double precision", None),
    "decimals": (pa.decimal128(10, 2), [Decimal("1.25"), None], "numeric(10,2)", None),
    "38 digits": (pa.decimal128(38, 0), [Decimal("9" * 38)], "numeric(38,0)", None),
    "texts": (pa.string(), TEXTS, "text", None),
    "bytes": (pa.binary(), [b"\0\xff", b"", None], "bytea", None),
    "days": (pa.date32(), [DAY, dt.date(1, 1, 1), None], "date", None),
    "moments": (pa.timestamp("ns"), [MOMENT, None], "timestamp", None),
    "lists": (pa.list_(pa.int64()), [[1, None], [], None], "jsonb", None),
    "structs": (pa.struct([("a", pa.int8())]), [{"a": 1}, None], "jsonb", None),
    "maps": (pa.map_(pa.string(), pa.int8()), [[("k", 1)], []], "jsonb", [{"k": 1}, {}]),
}
ARROW_ALONE: dict[str, tuple[pa.DataType, list[Any], str, list[Any] | None]] = {
    "64 bits without a sign": (pa.uint64(), [2**64 - 1], "numeric(20,0)", None),
    "76 digits": (pa.decimal256(76, 0), [Decimal("9" * 76)], "numeric(76,0)", ["9" * 76]),
    "moments of a zone": (pa.timestamp("ms", "Europe/Rome"), [AT, None], "timestamptz", None),
    "clocks": (pa.time64("us"), [dt.time(1, 2, 3, 4), None], "time", None),
    "words of a few": (pa.dictionary(pa.int8(), pa.string()), TEXTS, "text", None),
    "long texts": (pa.large_string(), TEXTS, "text", None),
    "nothing": (pa.null(), [None, None], "text", None),
}


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_here(monkeypatch)


def _compare(path: Path, folder: Path, kind: str, values: list[Any]) -> None:
    kinds, found = table(path, folder)
    assert kinds == {"n": "bigint", "a": kind}
    assert shown([row[1:] for row in found]) == shown([(value,) for value in values])


@pytest.mark.parametrize("what", [*COLUMNS, *ARROW_ALONE])
def test_a_column_of_arrow_is_as_it_is_declared(what: str, tmp_path: Path) -> None:
    kind, values, wanted, become = {**COLUMNS, **ARROW_ALONE}[what]
    made = pa.table({"n": range(len(values)), "a": pa.array(values, kind)})
    with pa.ipc.new_file(str(path := tmp_path / "t.arrow"), made.schema) as writer:
        writer.write_table(made)
    _compare(path, tmp_path / "w", wanted, become or values)


@pytest.mark.parametrize("what", COLUMNS)
def test_a_column_of_orc_is_as_it_is_declared(what: str, tmp_path: Path) -> None:
    kind, values, wanted, become = COLUMNS[what]
    made = pa.table({"n": range(len(values)), "a": pa.array(values, kind)})
    pyarrow.orc.write_table(made, path := tmp_path / "t.orc")
    _compare(path, tmp_path / "w", wanted, become or values)


def _logical(kind: str, logical: str, **more: int) -> Any:
    return ["null", {"type": kind, "logicalType": logical, **more}]


# What Avro declares → its schema, values, the column's type; what the values become if it is other.
AVRO: dict[str, tuple[Any, list[Any], str, list[Any] | None]] = {
    "flags": (["null", "boolean"], [True, None], "boolean", None),
    "32 bits": ("int", [-(2**31), 2**31 - 1], "integer", None),
    "64 bits": ("long", [-(2**63), 2**63 - 1], "bigint", None),
    "half a double": ("float", [0.5, -1.5], "real", None),
    "doubles": ("double", [0.1, 1e300], "double precision", None),
    "texts": (["null", "string"], TEXTS, "text", None),
    "bytes": (["bytes", "null"], [b"\0\xff", b"", None], "bytea", None),
    "bytes of one length": ({"type": "fixed", "name": "F", "size": 2}, [b"ab"], "bytea", None),
    "words of a few": ({"type": "enum", "name": "E", "symbols": ["x", "y"]}, ["y"], "text", None),
    "decimals": (
        _logical("bytes", "decimal", precision=10, scale=2),
        [Decimal("1.25"), Decimal("-0.01"), None],
        "numeric(10,2)",
        None,
    ),
    "days": (_logical("int", "date"), [DAY, None], "date", None),
    "clocks": (_logical("long", "time-micros"), [dt.time(1, 2, 3, 4), None], "time", None),
    "moments": (_logical("long", "timestamp-micros"), [AT, None], "timestamptz", None),
    "moments here": (_logical("long", "local-timestamp-millis"), [MOMENT], "timestamp", None),
    "lists": ({"type": "array", "items": "long"}, [[1, 2], []], "jsonb", None),
    "maps": ({"type": "map", "values": "long"}, [{"k": 1}, {}], "jsonb", None),
    "of two kinds": (["string", "long"], ["a", 7], "text", ["a", "7"]),
}


@pytest.mark.parametrize("what", AVRO)
def test_a_field_of_avro_is_as_it_is_declared(what: str, tmp_path: Path) -> None:
    schema, values, wanted, become = AVRO[what]
    fields = [{"name": "n", "type": "long"}, {"name": "a", "type": schema}]
    records = [{"n": number, "a": value} for number, value in enumerate(values)]
    with (path := tmp_path / "t.avro").open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "R", "fields": fields}, records)
    _compare(path, tmp_path / "w", wanted, become or values)
