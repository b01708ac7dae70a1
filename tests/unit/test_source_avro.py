import struct
import zlib
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pytest

from myriad.errors import SourceError
from myriad.sources.arrow import avro as reader
from tests.apart import opened, stay_here, table

NODE: dict[str, Any] = {
    "type": "record",
    "name": "Node",
    "fields": [{"name": "v", "type": "int"}, {"name": "next", "type": ["null", "Node"]}],
}
COLOUR = {"type": "enum", "name": "Colour", "symbols": ["red", "blue"]}


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_here(monkeypatch)


def record(**fields: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": name, "type": kind} for name, kind in fields.items()],
    }


def avro(path: Path, schema: Any, records: list[Any], codec: str = "null") -> Path:
    with path.open("wb") as file:
        fastavro.writer(file, schema, records, codec=codec)
    return path


def long(value: int) -> bytes:
    value, data = value << 1, b""
    while value > 127:
        data, value = data + bytes([value & 127 | 128]), value >> 7
    return data + bytes([value])


def packed(path: Path, codec: str, block: bytes) -> Path:
    """Write two whole numbers as Avro: its header, and one block as it is given."""
    meta = {"avro.schema": b'"long"', "avro.codec": codec.encode()}
    header = b"Obj\x01" + long(len(meta))
    for name, value in meta.items():
        header += long(len(name)) + name.encode() + long(len(value)) + value
    sync = b"s" * 16
    path.write_bytes(header + b"\0" + sync + long(2) + long(len(block)) + block + sync)
    return path


PLAIN = long(7) + long(300)


def snappy(checksum: int) -> bytes:
    return bytes(pa.Codec("snappy").compress(PLAIN, asbytes=True)) + struct.pack(">I", checksum)


def test_blocks_of_every_usual_codec_are_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "s.avro", "snappy", snappy(zlib.crc32(PLAIN)))
    assert table(path, tmp_path / "w")[1] == [(7,), (300,)]
    path = packed(tmp_path / "z.avro", "zstandard", pa.Codec("zstd").compress(PLAIN, asbytes=True))
    assert table(path, tmp_path / "w")[1] == [(7,), (300,)]
    for codec in ("null", "deflate", "bzip2", "xz"):
        path = avro(tmp_path / f"{codec}.avro", "long", [7, 300], codec)
        assert table(path, tmp_path / "w")[1] == [(7,), (300,)]


@pytest.mark.parametrize(
    ("codec", "block", "why"),
    [
        ("snappy", snappy(1), "does not fit its checksum"),
        ("snappy", b"\xff\xff\xff\xff\x0f" + b"\0" * 9, "cannot be read|memory"),
        ("snappy", b"", "cut off"),
        ("zstandard", pa.Codec("zstd").compress(PLAIN * 99, asbytes=True)[:-9], "cannot be read"),
        ("lz4", PLAIN, "compressed with lz4, which is not read"),
    ],
    ids=["checksum", "bomb", "empty", "cut", "unknown"],
)
def test_blocks_that_are_broken_or_unknown_are_refused_in_words(
    codec: str, block: bytes, why: str, tmp_path: Path
) -> None:
    path = packed(tmp_path / "t.avro", codec, block)
    with pytest.raises(SourceError, match=why) as caught:
        opened(path, tmp_path / "w")
    assert caught.value.hint


def test_a_type_with_a_name_may_be_used_again_in_other_fields(tmp_path: Path) -> None:
    pair = {"type": "array", "items": ["string", "null", COLOUR]}
    schema = record(Node=pair, left="Colour", right=["null", "Colour"], tree=NODE, top="Node")
    tree = {"v": 1, "next": {"v": 2, "next": None}}
    row: dict[str, Any] = {
        "Node": ["x", None],
        "left": "red",
        "right": None,
        "tree": tree,
        "top": tree,
    }
    kinds, rows = table(avro(tmp_path / "t.avro", schema, [row]), tmp_path / "w")
    assert list(kinds.values()) == ["jsonb", "text", "text", "jsonb", "jsonb"]
    assert rows == [tuple(row.values())]


def test_records_may_hold_records_of_their_own_kind(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"v": 1, "next": {"v": 2, "next": None}}, {"v": 3, "next": None}]
    kinds, found = table(avro(tmp_path / "t.avro", NODE, rows), tmp_path / "w")
    assert kinds == {"v": "integer", "next": "jsonb"}
    assert found == [tuple(row.values()) for row in rows]


def test_errors_are_records_and_nothing_is_a_type(tmp_path: Path) -> None:
    schema = {**record(message="string", none="null"), "type": "error"}
    path = avro(tmp_path / "t.avro", schema, [{"message": "lost", "none": None}])
    assert table(path, tmp_path / "w") == ({"message": "text", "none": "text"}, [("lost", None)])


def test_a_block_has_few_records_without_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MOST_EMPTY", 5)
    for kind, rows in (("null", [None] * 5), ("long", [1] * 9)):
        path = avro(tmp_path / f"{kind}.avro", kind, rows)
        assert table(path, tmp_path / "w")[1] == [(value,) for value in rows]
    path = avro(tmp_path / "t.avro", "null", [None] * 6)
    with pytest.raises(SourceError, match="a block of it says that it has 6 records"):
        table(path, tmp_path / "w")
