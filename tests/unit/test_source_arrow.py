import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.orc
import pytest

from myriad.errors import SourceError
from tests.apart import opened, stay_here, table

MOMENT = dt.datetime.fromisoformat("2024-02-29T12:30:15.250")
TABLE = pa.table(
    {
        "i": pa.array([1, None, -3], pa.int32()),
        "s": pa.array(["a", "é", None]),
        "b": pa.array([True, None, False]),
        "at": pa.array([MOMENT, None, MOMENT], pa.timestamp("us")),
        "tz": pa.array([MOMENT, None, MOMENT], pa.timestamp("us", "UTC")),
        "day": pa.array([dt.date(2024, 2, 29), None, dt.date(1, 1, 1)]),
        "d": pa.array([Decimal("1.23"), None, Decimal(-5)], pa.decimal128(10, 2)),
        "f": pa.array([0.1, None, 1e300]),
        "raw": pa.array([b"x", None, b""]),
        "l": pa.array([[1, 2], None, []]),
        "o": pa.array([{"a": 1}, None, {"a": None}]),
    }
)
ROWS = [
    *zip(*(TABLE[name].to_pylist() for name in TABLE.column_names), strict=True),
]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_here(monkeypatch)


def as_file(path: Path, made: pa.Table) -> None:
    with pa.OSFile(str(path), "w") as file, pa.ipc.new_file(file, made.schema) as writer:
        writer.write_table(made, max_chunksize=2)


def as_stream(path: Path, made: pa.Table) -> None:
    with pa.OSFile(str(path), "w") as file, pa.ipc.new_stream(file, made.schema) as writer:
        writer.write_table(made)


def as_feather(path: Path, made: pa.Table) -> None:
    import pyarrow.feather  # noqa: PLC0415

    pyarrow.feather.write_feather(made, path, compression="zstd")


def as_orc(path: Path, made: pa.Table) -> None:
    pa.orc.write_table(made, path)


WRITERS: list[Callable[[Path, pa.Table], None]] = [as_file, as_stream, as_feather, as_orc]


@pytest.mark.parametrize("write", WRITERS, ids=lambda w: w.__name__)
def test_types_come_as_they_are_declared(
    write: Callable[[Path, pa.Table], None], tmp_path: Path
) -> None:
    write(path := tmp_path / "t.dat", TABLE.drop_columns("day") if write is as_orc else TABLE)
    kinds, rows = table(path, tmp_path / "w")
    assert kinds["i"] == "integer"
    assert kinds["d"] == "numeric(10,2)"
    assert (kinds["at"], kinds["tz"]) == ("timestamp", "timestamptz")
    wanted = [tuple(v for at, v in enumerate(row) if at != 5) for row in ROWS]
    plain = [
        tuple(v.replace(tzinfo=None) if isinstance(v, dt.datetime) else v for v in row)
        for row in rows
    ]
    wanted = [
        tuple(v.replace(tzinfo=None) if isinstance(v, dt.datetime) else v for v in row)
        for row in (wanted if write is as_orc else ROWS)
    ]
    assert plain == wanted


def test_what_is_packed_in_memory_is_unpacked(tmp_path: Path) -> None:
    made = pa.table(
        {
            "d": pa.array(["x", "y", "x"]).dictionary_encode(),
            "r": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, 8])),
            "v": pa.array(["long " * 5, "b", None], pa.string_view()),
            "lv": pa.array([[1], [2, 3], None], pa.list_view(pa.int64())),
            "u": pa.array([uuid.UUID(int=n).bytes for n in range(3)], pa.uuid()),
        }
    )
    as_file(path := tmp_path / "t.arrow", made)
    kinds, rows = table(path, tmp_path / "w")
    assert list(kinds.values()) == ["text", "bigint", "text", "jsonb", "uuid"]
    assert rows[1] == ("y", 7, "b", [2, 3], uuid.UUID(int=1))


AVRO: dict[str, Any] = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "n", "type": ["null", "string"]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {
            "name": "p",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        },
        {"name": "u", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "mixed", "type": ["null", "string", "long"]},
        {"name": "m", "type": {"type": "map", "values": "long"}},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}},
        {"name": "fx", "type": {"type": "fixed", "name": "F", "size": 2}},
        {
            "name": "tree",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "T",
                    "fields": [
                        {"name": "v", "type": "int"},
                        {"name": "next", "type": ["null", "T"]},
                    ],
                },
            ],
        },
    ],
}
RECORD: dict[str, Any] = {
    "id": 2**60,
    "n": None,
    "at": MOMENT.replace(tzinfo=dt.UTC),
    "local": MOMENT,
    "day": dt.date(2024, 2, 29),
    "clock": dt.time(1, 2, 3, 4000),
    "p": Decimal("1.25"),
    "u": str(uuid.UUID(int=5)),
    "mixed": 7,
    "m": {"k": 1},
    "e": "B",
    "fx": b"ab",
    "tree": {"v": 1, "next": {"v": 2, "next": None}},
}


def avro(path: Path, schema: Any, records: list[Any], codec: str = "deflate") -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, schema, records, codec=codec)
    return path


def test_avro_brings_every_type_and_value(tmp_path: Path) -> None:
    path = avro(tmp_path / "t.avro", AVRO, [RECORD] * 5000)
    kinds, rows = table(path, tmp_path / "w")
    assert list(kinds.values()) == [
        *("bigint", "text", "timestamptz", "timestamp", "date", "time", "numeric(9,2)", "uuid"),
        *("text", "jsonb", "text", "bytea", "jsonb"),
    ]
    assert len(rows) == 5000
    wanted = {**RECORD, "u": uuid.UUID(int=5), "mixed": "7"}
    found = dict(zip(kinds, rows[-1], strict=True))
    assert {**found, "at": found["at"].astimezone(dt.UTC)} == wanted


def test_avro_need_not_hold_records(tmp_path: Path) -> None:
    path = avro(tmp_path / "t.avro", "long", [1, 2, 3])
    assert table(path, tmp_path / "w") == ({"value": "bigint"}, [(1,), (2,), (3,)])


@pytest.mark.parametrize(
    "kind",
    [
        {"type": "long", "logicalType": "timestamp-micros"},
        {"type": "long", "logicalType": "timestamp-millis"},
        {"type": "int", "logicalType": "date"},
    ],
    ids=["micros", "millis", "date"],
)
def test_times_beyond_the_year_9999_are_no_error(kind: Any, tmp_path: Path) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": kind}]}
    far = 10_000_000 if kind["type"] == "int" else 10**15 * (1000 if "micros" in str(kind) else 1)
    path = avro(tmp_path / "t.avro", schema, [{"a": far}, {"a": 5}])
    (source,) = opened(path, tmp_path / "w")
    batches = list(source.read([column.type for column in source.table.columns], None))
    assert batches[0].column(0).cast(pa.int64() if "long" in str(kind) else pa.int32())[0].as_py()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def zeroed(path: Path) -> None:
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(data[: middle - 40] + b"\0" * 80 + data[middle + 40 :])


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 4, len(data) - 30, 11):
        data[at] ^= 0x55
    path.write_bytes(data)


def headless(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:12])


def write_avro(path: Path, made: pa.Table) -> None:
    del made
    avro(path, AVRO, [RECORD] * 300)


MAKERS: dict[str, Callable[[Path, pa.Table], None]] = {
    "t.arrow": as_file,
    "t.arrows": as_stream,
    "t.orc": as_orc,
    "t.avro": write_avro,
}


@pytest.mark.parametrize("damage", [cut, zeroed, flipped, headless], ids=lambda d: d.__name__)
@pytest.mark.parametrize("name", MAKERS)
def test_a_damaged_file_is_refused_or_its_rows_are_all_there(
    name: str, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    many = pa.concat_tables([TABLE.drop_columns("day")] * 200)
    MAKERS[name](path := tmp_path / name, many)
    count = 300 if name == "t.avro" else many.num_rows
    damage(path)
    try:
        rows = table(path, tmp_path / "w")[1]
    except SourceError as error:
        assert error.hint  # noqa: PT017 - either may be
    else:
        assert len(rows) == count


def test_the_blocks_of_avro_are_counted_beside_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = avro(tmp_path / "t.avro", "long", list(range(100)))
    whole = fastavro.block_reader

    class Lossy:
        def __init__(self, file: Any) -> None:
            self._blocks = whole(file)
            self.writer_schema, self.codec = self._blocks.writer_schema, self._blocks.codec

        def __iter__(self) -> Any:
            return (Short(block) for block in self._blocks)

    class Short:
        def __init__(self, block: Any) -> None:
            self._block, self.bytes_ = block, block.bytes_
            self.num_records = block.num_records

        def __iter__(self) -> Any:
            return (each for each in self._block if each != 50)

    monkeypatch.setattr(fastavro, "block_reader", Lossy)
    with pytest.raises(SourceError, match="holds 100 records, and 99 came"):
        table(path, tmp_path / "w")


def test_unions_and_too_many_columns_are_refused(tmp_path: Path) -> None:
    union = pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]
    )
    as_file(path := tmp_path / "u.arrow", pa.table({"a": union}))
    with pytest.raises(SourceError, match="column a is a union"):
        opened(path, tmp_path / "w")
    as_file(path := tmp_path / "w.arrow", pa.table({f"c{n}": [1] for n in range(6000)}))
    with pytest.raises(SourceError, match="6,000 columns"):
        opened(path, tmp_path / "w")
    fields = [{"name": f"c{n}", "type": "long"} for n in range(6000)]
    avro(path := tmp_path / "w.avro", {"type": "record", "name": "R", "fields": fields}, [])
    with pytest.raises(SourceError, match="6,000 fields"):
        opened(path, tmp_path / "w")


def test_intervals_are_texts_of_iso_8601(tmp_path: Path) -> None:
    kind = pa.month_day_nano_interval()
    values = pa.array([(14, -3, 1_500_000_000), (0, 0, -1), None], kind)
    as_file(path := tmp_path / "t.arrow", pa.table({"a": values}))
    wanted = [("P14M-3DT1.5S",), ("P0M0DT-0.000000001S",), (None,)]
    assert table(path, tmp_path / "w") == ({"a": "text"}, wanted)
    as_file(path, pa.table({"a": pa.array([[(1, 2, 3)]], pa.list_(kind))}))
    with pytest.raises(SourceError, match="column a has intervals"):
        opened(path, tmp_path / "w")


def test_orc_with_far_years_is_refused_in_words(tmp_path: Path) -> None:
    made = pa.table({"a": pa.array([253402225200], pa.timestamp("s"))})
    as_orc(path := tmp_path / "t.orc", made)
    with pytest.raises(SourceError, match="out of range"):
        opened(path, tmp_path / "w")
