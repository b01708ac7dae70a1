import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from myriad.errors import SourceError
from myriad.model import TEXT, Kind, Reject, Type
from myriad.sources.base import TableSource, TypeMismatch
from myriad.sources.parquet.source import open_parquet
from tests.source_harness import opened, read, rows, types, why

FAR = 8_000_000_000_000_000  # milliseconds: a year that Arrow itself cannot write


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data.parquet"


def source_of(file: Path, table: pa.Table, **options: Any) -> TableSource:
    pq.write_table(table, file, **options)
    (source,) = opened(open_parquet, file)
    return source


def column_of(file: Path, values: Any, kind: pa.DataType) -> tuple[str, list[Any]]:
    """Return the type and values that one column of Arrow type `kind` becomes."""
    source = source_of(file, pa.table({"c": pa.array(values, kind)}))
    found = [value for (value,) in rows(source)]
    source.close()
    return types(source)["c"], found


NAIVE = datetime(2024, 2, 29, 10, 0, 0, 123456)  # noqa: DTZ001
AWARE = NAIVE.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "values", "expected_type", "expected"),
    [
        (pa.bool_(), [True, None], "boolean", [True, None]),
        (pa.int8(), [-128, 127], "smallint", [-128, 127]),
        (pa.uint8(), [255], "smallint", [255]),
        (pa.int16(), [-(2**15)], "smallint", [-(2**15)]),
        (pa.uint16(), [2**16 - 1], "integer", [2**16 - 1]),
        (pa.int32(), [2**31 - 1], "integer", [2**31 - 1]),
        (pa.uint32(), [2**32 - 1], "bigint", [2**32 - 1]),
        (pa.int64(), [-(2**63), 2**63 - 1], "bigint", [-(2**63), 2**63 - 1]),
        (pa.uint64(), [2**64 - 1, None], "numeric(20,0)", [Decimal(2**64 - 1), None]),
        (pa.float16(), [1.5], "real", [1.5]),
        (pa.float32(), [1.5, float("inf")], "real", [1.5, float("inf")]),
        (pa.float64(), [0.1, None], "double precision", [0.1, None]),
        (pa.decimal128(10, 2), [Decimal("1.10")], "numeric(10,2)", [Decimal("1.10")]),
        (pa.decimal256(30, 3), [Decimal("1.125")], "numeric(30,3)", [Decimal("1.125")]),
        (pa.decimal256(60, 2), [Decimal("9" * 50 + ".10")], "numeric(60,2)", ["9" * 50 + ".10"]),
        (pa.decimal256(60, 2), [Decimal(0), None], "numeric(60,2)", ["0.00", None]),
        (pa.string(), ["007", "", None], "text", ["007", "", None]),
        (pa.large_string(), ["ä"], "text", ["ä"]),
        (pa.string_view(), ["ä"], "text", ["ä"]),
        (pa.dictionary(pa.int8(), pa.string()), ["a", "b", None], "text", ["a", "b", None]),
        (pa.binary(), [b"\x00\xff"], "bytea", [b"\x00\xff"]),
        (pa.binary(2), [b"ab"], "bytea", [b"ab"]),
        (pa.date32(), [date(2024, 2, 29)], "date", [date(2024, 2, 29)]),
        (pa.date64(), [date(2024, 2, 29)], "date", [date(2024, 2, 29)]),
        (pa.time32("ms"), [time(1, 2, 3)], "time", [time(1, 2, 3)]),
        (pa.time64("ns"), [3_723_000_004_000], "time", [time(1, 2, 3, 4)]),
        (pa.time64("ns"), [1], "text", ["00:00:00.000000001"]),
        (pa.timestamp("s"), [0], "timestamp", [datetime(1970, 1, 1)]),  # noqa: DTZ001
        (pa.timestamp("us"), [NAIVE], "timestamp", [NAIVE]),
        (pa.timestamp("ns"), [NAIVE], "timestamp", [NAIVE]),
        (pa.timestamp("ns"), [1], "text", ["1970-01-01 00:00:00.000000001"]),
        (
            pa.timestamp("ms", "Europe/Berlin"),
            [0],
            "timestamptz",
            [datetime(1970, 1, 1, tzinfo=UTC)],
        ),
        (pa.timestamp("us", "UTC"), [AWARE], "timestamptz", [AWARE]),
        (pa.duration("us"), [5], "bigint", [5]),
        (pa.null(), [None, None], "text", [None, None]),
        (pa.uuid(), [uuid.UUID(int=7).bytes], "uuid", [uuid.UUID(int=7)]),
        (pa.json_(), ['{"a": 1}'], "jsonb", [{"a": 1}]),
        (pa.json_(), ['{"a": 1, "a": 2}'], "text", ['{"a": 1, "a": 2}']),
        (pa.list_(pa.int32()), [[1, None], [], None], "jsonb", [[1, None], [], None]),
        (pa.map_(pa.string(), pa.int32()), [[("a", 1)], []], "jsonb", [{"a": 1}, {}]),
        (pa.map_(pa.int32(), pa.bool_()), [[(1, True)]], "jsonb", [{"1": True}]),
    ],
    ids=str,
)
def test_every_type_keeps_its_values(
    file: Path, kind: pa.DataType, values: list[Any], expected_type: str, expected: list[Any]
) -> None:
    assert column_of(file, values, kind) == (expected_type, expected)


def test_nested_values_are_exact(file: Path) -> None:
    inner = pa.struct(
        [
            ("d", pa.decimal128(30, 20)),
            ("b", pa.binary()),
            ("t", pa.timestamp("ns")),
            ("f", pa.list_(pa.float64())),
        ]
    )
    value = {
        "d": Decimal("1.12345678901234567890"),
        "b": b"\xff",
        "t": 1,
        "f": [0.1, float("nan"), float("-inf")],
    }
    source = source_of(file, pa.table({"c": pa.array([value], inner)}))
    (batch,) = source.read([Type(Kind.JSONB)], None)
    assert batch.column(0).to_pylist() == [
        (
            '{"d":1.12345678901234567890,"b":"/w==",'
            '"t":"1970-01-01 00:00:00.000000001","f":[0.1,"NaN","-Infinity"]}'
        )
    ]


def test_two_equal_names_inside_a_struct_both_stay(file: Path) -> None:
    struct = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert rows(source_of(file, pa.table({"c": struct}))) == [({"a": 1, "a_2": 2},)]


def test_times_outside_of_postgresqls_calendar_stay_text(file: Path) -> None:
    days = [-3_000_000, -100_000_000, None]
    assert column_of(file, days, pa.date32()) == ("text", ["-6244-04-12", str(days[1]), None])
    assert column_of(file, [-FAR], pa.timestamp("ms"))[1] == [str(-FAR)]


def test_a_late_nanosecond_widens_the_column_and_is_named(file: Path) -> None:
    values = [n * 1000 for n in range(10_000)]
    values[7_000] += 1
    source = source_of(file, pa.table({"c": pa.array(values, pa.timestamp("ns"))}))
    with pytest.raises(TypeMismatch):
        read(source)
    assert len(rows(source)) == 10_000
    assert types(source) == {"c": "text"}
    assert why(source, "c") == "timestamp[ns], but timestamp cannot hold row 7001"


@pytest.mark.parametrize(
    ("values", "kind", "given", "fits"),
    [
        ([1, 70000], pa.int64(), Type(Kind.SMALLINT), [1]),
        ([1, 2**53 + 1], pa.int64(), Type(Kind.DOUBLE), [1.0]),
        ([2.0, 2.5, float("nan")], pa.float64(), Type(Kind.INTEGER), [2]),
        ([0.5, 0.1], pa.float64(), Type(Kind.REAL), [0.5]),
        ([1.25, 1.255], pa.float64(), Type(Kind.NUMERIC, 10, 2), [Decimal("1.25")]),
        ([5, 10**9], pa.int64(), Type(Kind.NUMERIC, 10, 2), [Decimal(5)]),
        ([Decimal("1.00"), Decimal("1.50")], pa.decimal128(5, 2), Type(Kind.BIGINT), [1]),
        (
            [Decimal("1.10"), Decimal("1.25")],
            pa.decimal128(5, 2),
            Type(Kind.NUMERIC, 5, 1),
            [Decimal("1.1")],
        ),
        (["2024-02-29", "soon"], pa.string(), Type(Kind.DATE), [date(2024, 2, 29)]),
        (["5", "005"], pa.string(), Type(Kind.BIGINT), [5]),
        ([0, 1], pa.timestamp("ns"), Type(Kind.TIMESTAMP), [datetime(1970, 1, 1)]),  # noqa: DTZ001
        ([0], pa.timestamp("us"), Type(Kind.TIMESTAMPTZ), []),
        ([0], pa.timestamp("us"), Type(Kind.BIGINT), []),
        ([True], pa.bool_(), Type(Kind.INTEGER), []),
        ([b"x"], pa.binary(), TEXT, []),
        ([[1]], pa.list_(pa.int8()), Type(Kind.INTEGER), []),
        ([b"x" * 16, b"short"], pa.binary(), Type(Kind.UUID), [uuid.UUID(bytes=b"x" * 16)]),
    ],
    ids=str,
)
def test_a_given_type_takes_only_what_it_holds_exactly(
    file: Path, values: list[Any], kind: pa.DataType, given: Type, fits: list[Any]
) -> None:
    source = source_of(file, pa.table({"c": pa.array(values, kind)}))
    rejects: list[Reject] = []
    assert [value for (value,) in read(source, [given], rejects)] == fits
    assert [reject.line for reject in rejects] == list(range(len(fits) + 1, len(values) + 1))
    if rejects:
        with pytest.raises(TypeMismatch):
            read(source, [given])


def broken_text() -> pa.StringArray:
    data = pa.array([b"fine", b"a\x00b", b"\xff", b"good"], pa.binary())
    _, offsets, values = data.buffers()
    assert offsets is not None
    assert values is not None
    return pa.StringArray.from_buffers(4, offsets, values)


def test_text_that_postgresql_cannot_hold_is_rejected_by_row(file: Path) -> None:
    source = source_of(file, pa.table({"id": [1, 2, 3, 4], "c": broken_text()}))
    with pytest.raises(SourceError, match="row 2: c holds a NUL"):
        read(source)
    rejects: list[Reject] = []
    assert read(source, rejects=rejects) == [(1, "fine"), (4, "good")]
    assert [(reject.line, reject.reason[:11]) for reject in rejects] == [
        (2, "c holds a N"),
        (3, "c holds tex"),
    ]


def test_nested_values_that_jsonb_cannot_hold_are_rejected(file: Path) -> None:
    struct = pa.StructArray.from_arrays([broken_text()], names=["s"])
    source = source_of(file, pa.table({"c": struct}))
    rejects: list[Reject] = []
    assert read(source, rejects=rejects) == [({"s": "fine"},), ({"s": "good"},)]
    assert [reject.line for reject in rejects] == [2, 3]


def test_a_map_with_a_key_twice_is_rejected(file: Path) -> None:
    values = [[("a", 1), ("a", 2)], [("a", 1)]]
    source = source_of(file, pa.table({"c": pa.array(values, pa.map_(pa.string(), pa.int8()))}))
    rejects: list[Reject] = []
    assert read(source, rejects=rejects) == [({"a": 1},)]
    assert "twice" in rejects[0].reason


def test_required_columns_are_not_null(file: Path) -> None:
    schema = pa.schema([pa.field("a", pa.int32(), nullable=False), pa.field("b", pa.int32())])
    source = source_of(file, pa.table([[1], [2]], schema=schema))
    assert [column.not_null for column in source.table.columns] == [True, False]


def test_many_rows_in_one_row_group_come_in_batches(file: Path) -> None:
    source = source_of(file, pa.table({"a": range(100_000)}), row_group_size=100_000)
    assert rows(source) == [(n,) for n in range(100_000)]
    assert source.progress() == 1.0


def test_big_values_come_in_small_batches(file: Path) -> None:
    values = [number.to_bytes() * 1_000_000 for number in range(60)]
    source = source_of(file, pa.table({"a": values}), use_dictionary=False)
    sizes = [batch.num_rows for batch in source.read([Type(Kind.BYTEA)], None)]
    assert (sum(sizes), max(sizes) <= 15) == (60, True)


@pytest.mark.parametrize(
    "content", [b"not parquet at all", b"PAR1", b"PAR1" + b"\xff" * 64 + b"PAR1"]
)
def test_what_is_no_parquet_is_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(SourceError, match="cannot be read as Parquet") as raised:
        opened(open_parquet, file)
    assert raised.value.hint


def test_an_empty_file_is_named(file: Path) -> None:
    file.touch()
    with pytest.raises(SourceError, match="empty"):
        opened(open_parquet, file)


def test_a_file_without_columns_is_named(file: Path) -> None:
    with pytest.raises(SourceError, match="no columns"):
        source_of(file, pa.table({}))


def test_a_truncated_file_is_an_error(file: Path) -> None:
    source_of(file, pa.table({"a": range(100_000)})).close()
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(SourceError):
        opened(open_parquet, file)


def test_damage_in_the_middle_is_an_error(file: Path) -> None:
    table = pa.table({"a": [f"value {n}" for n in range(100_000)]})
    source_of(file, table, write_page_checksum=True).close()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    (source,) = opened(open_parquet, file)
    with pytest.raises(SourceError, match="cannot be read as Parquet"):
        rows(source)


def test_any_byte_of_the_footer_may_be_wrong(file: Path) -> None:
    source_of(file, pa.table({"a": ["x", "y", None] * 4, "b": [[1], [], None] * 4})).close()
    data = file.read_bytes()
    ends = len(data) - 8
    begins = ends - int.from_bytes(data[ends : ends + 4], "little")
    refused = 0
    for at in range(begins, ends, 7):
        file.write_bytes(data[:at] + bytes([(data[at] + 1) % 256]) + data[at + 1 :])
        try:  # what Arrow says by ending the process would end this test
            (source,) = opened(open_parquet, file)
            assert len(rows(source)) == 12
            source.close()
        except SourceError as error:
            refused += bool(error.hint)
    assert refused > 10


def test_an_encrypted_column_is_named_as_such(file: Path) -> None:
    """The footer can be read, what it says of that column cannot."""
    import pyarrow.parquet.encryption as pe  # noqa: PLC0415

    class Keys(pe.KmsClient):
        def __init__(self, _: Any) -> None:
            super().__init__()

        def wrap_key(self, key: bytes, _: str) -> str:
            return key.hex()

    said = pe.EncryptionConfiguration("k", column_keys={"k": ["s"]}, plaintext_footer=True)
    made = pe.CryptoFactory(Keys).file_encryption_properties(pe.KmsConnectionConfig(), said)
    table = pa.table({"a": [1], "s": ["x"]})
    with pytest.raises(SourceError, match="decrypt") as raised:
        rows(source_of(file, table, encryption_properties=made))
    assert "encrypted" in raised.value.hint


@pytest.mark.parametrize(
    ("unit", "moments", "kind"),
    [
        ("us", ["9999-12-31 03:00:00", "2024-01-02 03:04:05.000006"], "timestamp"),
        ("us", ["0001-01-01 00:00:00", "1969-12-31 23:59:59.999999"], "timestamp"),
        ("ns", ["2024-01-02 03:04:05.000000007"], "text"),
        ("ns", ["1950-01-02 03:04:05.000000007"], "text"),
        ("ns", ["2024-01-02 03:04:05.000007"], "timestamp"),
    ],
)
def test_timestamps_of_96_bits_keep_far_years_and_nanoseconds(
    file: Path, unit: Any, moments: list[str], kind: str
) -> None:
    table = pa.table({"at": pa.array(moments).cast(pa.timestamp(unit))})
    source = source_of(file, table, use_deprecated_int96_timestamps=True)
    assert [str(at) for (at,) in rows(source)] == moments
    assert types(source) == {"at": kind}


def test_a_name_may_come_twice(file: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["x"] * 9), pa.array(["y"] * 9)], names=["a", "a"])
    assert rows(source_of(file, table)) == [("x", "y")] * 9


def test_what_is_nested_becomes_json_in_parts(file: Path) -> None:
    kind = pa.list_(pa.struct([("first", pa.int64()), ("second", pa.int64())]))
    values = pa.array([[{"first": 1, "second": 2}] * 400] * 500, kind)
    source = source_of(file, pa.table({"a": values}))
    batches = list(source.read([Type(Kind.JSONB)], None))
    assert sum(batch.num_rows for batch in batches) == 500
    assert max(batch.nbytes for batch in batches) < 2 << 20


def test_a_footer_need_not_say_how_big_its_rows_are(file: Path) -> None:
    texts = [f"{number:04}" * 500 for number in range(2000)]
    table = pa.table({"a": texts, "b": range(2000)})
    pq.write_table(table, file, use_dictionary=False, compression="none")
    left, said = pq.ParquetFile(file).metadata.row_group(0).total_byte_size << 1, b""
    while left > 127:
        left, said = left >> 7, said + bytes([left & 127 | 128])
    data = file.read_bytes()
    assert data.count(said + bytes([left])) == 2  # packed and unpacked
    nothing = b"\x80" * len(said) + b"\0"
    file.write_bytes(data.replace(said + bytes([left]), nothing))
    (source,) = opened(open_parquet, file)
    batches = list(source.read([column.type for column in source.table.columns], None))
    assert max(batch.num_rows for batch in batches) < 2000
    assert [text for batch in batches for text in batch.column(0).to_pylist()] == texts
