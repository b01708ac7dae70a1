import datetime as dt
import struct
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import pytest

from myriad.errors import SourceError
from tests.apart import opened, rejected, stay_here, table, tables

END = b"\xff\xff\xff\xff"
DOCUMENT: dict[str, Any] = {
    "_id": bson.ObjectId("65a1b2c3d4e5f60718293a4b"),
    "n": 1,
    "long": bson.Int64(2**60),
    "d": dt.datetime(2024, 1, 2, 3, 4, 5, 6000, tzinfo=dt.UTC),
    "dec": bson.Decimal128("1.10"),
    "raw": b"xyz",
    "u": bson.Binary.from_uuid(uuid.UUID(int=1)),
    "f": 0.5,
    "ok": True,
    "none": None,
    "sub": {"at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC), "b": b"xyz"},
    "l": [{"q": 1}, {"q": 2}],
    "re": bson.Regex("a+", "im"),
    "old": bson.Binary(bytes(16), 3),
    "ref": bson.DBRef("c", 1, "d", more=2),
    "code": bson.Code("x"),
    "ts": bson.Timestamp(1704164645, 1),
    "min": bson.MinKey(),
}


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_here(monkeypatch)


def written(folder: Path, data: bytes, name: str = "d.bson") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_documents_bring_every_type_and_value(tmp_path: Path) -> None:
    kinds, rows = table(written(tmp_path, bson.encode(DOCUMENT) * 3), tmp_path / "w")
    found = [dict(zip(kinds, row, strict=True)) for row in rows]
    assert len(found) == 3
    assert kinds["d"] == "timestamptz"
    assert found[2] == {
        **DOCUMENT,
        "_id": "65a1b2c3d4e5f60718293a4b",
        "d": DOCUMENT["d"],
        "dec": Decimal("1.10"),
        "u": uuid.UUID(int=1),
        "old": bytes(16),
        "f": Decimal("0.5"),
        "sub": {"at": "2024-01-01T00:00:00Z", "b": "eHl6"},
        "re": "/a+/im",
        "ref": {"$ref": "c", "$id": 1, "$db": "d", "more": 2},
        "code": "x",
        "ts": dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
        "min": "MinKey",
    }


def test_a_key_that_stands_twice_is_a_reject_as_in_json(tmp_path: Path) -> None:
    twice = bson.encode({"a": 1, "b": 2}).replace(b"b", b"a")
    data = GOOD + twice
    count, rejects = rejected(written(tmp_path, data), tmp_path / "w")
    assert (count, [each.reason for each in rejects]) == (
        1,
        ["the key 'a' stands twice in one object"],
    )


def test_nested_documents_become_tables(tmp_path: Path) -> None:
    path = written(tmp_path, bson.encode(DOCUMENT))
    found = tables(path, tmp_path / "w", nested="tables")
    assert found["d_l"][1] == [
        ("65a1b2c3d4e5f60718293a4b", 1, 1),
        ("65a1b2c3d4e5f60718293a4b", 2, 2),
    ]


def archive(*parts: tuple[str, list[dict[str, Any]]]) -> bytes:
    made = b"\x6d\xe2\x99\x81" + bson.encode({"version": "0.1"}) + END
    for name, documents in parts:
        made += bson.encode({"db": "d", "collection": name, "EOF": False, "CRC": bson.Int64(0)})
        made += b"".join(map(bson.encode, documents)) + END
    for name in dict.fromkeys(name for name, _ in parts):
        made += bson.encode({"db": "d", "collection": name, "EOF": True, "CRC": bson.Int64(0)})
        made += END
    return made


def test_an_archive_gives_a_table_for_each_collection(tmp_path: Path) -> None:
    data = archive(("people", [{"a": 1}]), ("cities", [{"b": "x"}]), ("people", [{"a": 2}]))
    assert {
        name: rows for name, (_, rows) in tables(written(tmp_path, data), tmp_path / "w").items()
    } == {
        "people": [(1,), (2,)],
        "cities": [("x",)],
    }


@pytest.mark.parametrize("name", ["d.bson", "d.csv", "d"])
def test_bson_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, bson.encode({"a": 1}) * 2, name)
    assert table(path, tmp_path / "w")[1] == [(1,), (1,)]


@pytest.mark.parametrize("value", [10**15, -(10**15), 2**63 - 1], ids=["far", "before", "last"])
def test_dates_beyond_the_calendar_are_kept_as_numbers(value: int, tmp_path: Path) -> None:
    data = bson.encode({"a": bson.datetime_ms.DatetimeMS(value)})
    assert table(written(tmp_path, data), tmp_path / "w")[1] == [(str(value),)]


GOOD = bson.encode({"a": 1})


@pytest.mark.parametrize(
    "data",
    [
        GOOD + GOOD[:-3],
        GOOD + b"\x01\x00",
        GOOD + struct.pack("<i", 2**31 - 1) + b"\x10a\0",
        GOOD + struct.pack("<i", -5) + b"\x10a\0",
        GOOD + struct.pack("<i", 3),
        GOOD[:-1] + b"\x01",
        GOOD[:4] + b"\x63" + GOOD[5:],
        bson.encode({"a": "text"}).replace(b"\x05\0\0\0", b"\xff\xff\xff\x7f"),
        bson.encode({"a": "text"}).replace(b"text", b"te\xff\xfe"),
        b"\x6d\xe2\x99\x81" + b"\0" * 40,
        archive(("people", [{"a": 1}]))[:-9],
        b"\x6d\xe2\x99\x81",
    ],
    ids=range(12),
)
def test_broken_documents_are_refused_in_words(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        tables(written(tmp_path, data), tmp_path / "w")
    assert caught.value.hint


def test_documents_that_are_too_deep_or_wide_are_refused(tmp_path: Path) -> None:
    deep = GOOD
    for _ in range(5000):
        deep = struct.pack("<i", len(deep) + 8) + b"\x03a\0" + deep + b"\0"
    with pytest.raises(SourceError, match=r"deep|recursion|read"):
        opened(written(tmp_path, deep), tmp_path / "w")
    wide = bson.encode({f"k{n}": 1 for n in range(2000)})
    with pytest.raises(SourceError, match="1,600 different keys"):
        opened(written(tmp_path, wide), tmp_path / "w")
