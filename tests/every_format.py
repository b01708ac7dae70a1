"""The same rows in every format that Myriad reads, as far as it can say them.

Made by what people make such files with, not by Myriad.
"""

import datetime as dt
import json
import sqlite3
import struct
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

from tests.every_workbook import XLS, xlsb
from tests.workbooks import cell, line, ods

Row = tuple[Any, ...]
DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime.fromisoformat("2024-02-29T13:14:15.250")
AT = MOMENT.replace(tzinfo=dt.UTC)
DOC = {"a": [1, None], "b": "é'\"\\"}
_COMMON = ("id", "price", "name", "flag", "day", "moment", "extra")
_ALL = (*_COMMON, "big", "ratio", "clock", "at", "raw", "uid", "doc")
_ROWS: list[Row] = [
    (
        *(1, Decimal("12.50"), "é 漢字 🎉", True, DAY, MOMENT, "007"),
        *(2**53 + 1, 1e-7, dt.time(13, 14, 15), AT, b"\x00\xff'\\", uuid.UUID(int=1), DOC),
    ),
    (
        *(2, Decimal("-0.01"), "a\nb\t'\"\\N,;", False, dt.date(1999, 12, 31), MOMENT, "x"),
        *(-(2**63), -1.5e300, dt.time(0, 0, 1), AT, b"", uuid.UUID(int=2**127), {"a": [], "b": ""}),
    ),
    (
        *(3, Decimal("1000.00"), "", True, DAY, MOMENT.replace(microsecond=0), "1e5"),
        *(2**63 - 1, 0.1, dt.time(23, 59, 59), AT, b"x", uuid.UUID(int=3), DOC),
    ),
    (4, *[None] * 13),
]
_SHEETS = frozenset({"xlsx", "xlsm", "xlsb", "xls", "ods"})
_TEXTS = frozenset({"csv", "tsv"})
_TREES = frozenset({"json", "jsonl", "document"})
_MONGO = frozenset({"mongo", "bson", "dump"})
_TYPED = frozenset({"parquet", "arrow", "arrows", "feather", "avro"})
# Which formats say what; the columns that are not named here stand in all of them.
_SAYS: dict[str, frozenset[str]] = {
    "big": _TEXTS | _TREES | _MONGO | _TYPED | {"xml", "orc", "sqlite"},
    "ratio": _TEXTS | _TREES | _MONGO | _TYPED | {"orc", "sqlite"},  # XML: a text, as any `1e5`
    "clock": _SHEETS | _TYPED | {"sqlite"},
    "at": _TEXTS | _TREES | _MONGO | _TYPED | {"xml", "orc", "sqlite"},
    "raw": _MONGO | _TYPED | {"orc", "sqlite"},
    "uid": _TEXTS | _TREES | _MONGO | _TYPED | {"xml", "sqlite"},
    "doc": _TEXTS | _TREES | _MONGO | _TYPED | {"orc", "sqlite"},
}
# An empty text is nothing in these, and MongoDB's moments have an offset.
_NO_EMPTY_TEXT = _SHEETS | {"xml"}


def names(kind: str) -> list[str]:
    """Return the columns that a format can say."""
    return [name for name in _ALL if name not in _SAYS or kind in _SAYS[name]]


def wanted(kind: str) -> list[Row]:
    """Return the rows as a file of that format can hold them."""

    def value(one: Any) -> Any:
        if one == "" and kind in _NO_EMPTY_TEXT:
            return None
        if isinstance(one, dt.datetime) and kind in _MONGO:
            return one.replace(tzinfo=dt.UTC)
        return one

    return [tuple(value(record[name]) for name in names(kind)) for record in _records(kind)]


def _records(kind: str) -> list[dict[str, Any]]:
    places = [(_ALL.index(name), name) for name in names(kind)]
    return [{name: row[at] for at, name in places} for row in _ROWS]


def _said(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else value


def _plain(kind: str) -> list[dict[str, Any]]:
    return [{name: _said(value) for name, value in r.items()} for r in _records(kind)]


def _csv(path: Path) -> None:
    mark = "\t" if path.suffix == ".tsv" else ","

    def field(value: Any) -> str:
        text = "" if value is None else str(_flat(value))
        return '"' + text.replace('"', '""') + '"' if isinstance(value, str | dict) else text

    rows = [list(names(path.stem)), *(list(record.values()) for record in _plain(path.stem))]
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(mark.join(map(field, row)) + "\r\n" for row in rows)


def _flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else value


def _json(path: Path) -> None:
    path.write_text(json.dumps(_plain(path.stem), indent=1))


def _jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in _plain(path.stem)))


def _document(path: Path) -> None:
    path.write_text(json.dumps({"meta": 1, "rows": _plain(path.stem)}, ensure_ascii=False))


def _xml(path: Path) -> None:
    from lxml import etree  # noqa: PLC0415 - no types

    root = etree.Element("rows")
    for record in _plain(path.stem):
        row = etree.SubElement(root, "row")
        for name, value in record.items():
            if value is None:
                continue
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if name == "id":
                row.set(name, text)
            else:
                etree.SubElement(row, name).text = text
    etree.ElementTree(root).write(path, xml_declaration=True, encoding="utf-8")


def _sqlite(path: Path) -> None:
    kinds = {
        "id": "INTEGER",
        "price": "NUMERIC(10,2)",
        "flag": "BOOLEAN",
        "day": "DATE",
        "moment": "TIMESTAMP",
        "big": "INTEGER",
        "ratio": "REAL",
        "clock": "TIME",
        "at": "TIMESTAMPTZ",
        "raw": "BLOB",
        "uid": "UUID",
        "doc": "JSON",
    }
    columns = ", ".join(f"{name} {kinds.get(name, 'TEXT')}" for name in names(path.stem))
    marks = ", ".join("?" * len(names(path.stem)))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE sqlite ({columns})")
        rows = [[_flat(value) for value in record.values()] for record in _plain(path.stem)]
        connection.executemany(f"INSERT INTO sqlite VALUES ({marks})", rows)


def _cells(kind: str) -> list[list[Any]]:
    numbers = [
        [float(v) if isinstance(v, Decimal) else v for v in record.values()]
        for record in _records(kind)
    ]
    return [list(names(kind)), *numbers]


def _xlsx(path: Path) -> None:
    book = openpyxl.Workbook()
    for row in _cells(path.stem):
        book.active.append(row)
    book.save(path)


def _xls(path: Path) -> None:
    path.write_bytes(XLS)


def _xlsb(path: Path) -> None:
    xlsb(path, _cells(path.stem))


def _ods(path: Path) -> None:
    ods_of(path, _cells(path.stem))


def ods_of(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Write an OpenDocument spreadsheet with these rows."""

    def made(value: Any) -> str:
        match value:
            case None | "":
                return "<table:table-cell/>"
            case bool():
                return cell(str(value).lower(), "boolean", name="boolean-value")
            case int() | float():
                return cell(str(value), "float")
            case dt.date():
                return cell(value.isoformat(), "date", name="date-value")
            case dt.time():
                return cell(value.strftime("PT%HH%MM%SS"), "time", name="time-value")
        text = value.replace("&", "&amp;").replace("<", "&lt;").replace("\t", "<text:tab/>")
        return cell(text.replace("\n", "<text:line-break/>"))

    ods(path, "".join(line(*map(made, row)) for row in rows))


def _documents(kind: str) -> list[dict[str, Any]]:
    def value(one: Any) -> Any:
        if isinstance(one, Decimal):
            return bson.Decimal128(one)
        if isinstance(one, uuid.UUID):
            return bson.Binary.from_uuid(one)
        return one.isoformat() if type(one) is dt.date else one

    return [{name: value(one) for name, one in record.items()} for record in _records(kind)]


def _bson(path: Path) -> None:
    path.write_bytes(b"".join(map(bson.encode, _documents(path.stem))))


def _mongo(path: Path) -> None:
    from bson import json_util  # noqa: PLC0415

    options = json_util.CANONICAL_JSON_OPTIONS
    documents = _documents(path.stem)
    path.write_text("".join(json_util.dumps(d, json_options=options) + "\n" for d in documents))


def _dump(path: Path) -> None:
    path.write_bytes(dumped(("dump", _documents(path.stem))))


def dumped(*collections: tuple[str, list[dict[str, Any]]]) -> bytes:
    """Return what `mongodump --archive` writes."""
    end = b"\xff\xff\xff\xff"
    data = struct.pack("<I", 0x8199E26D) + bson.encode({"version": "0.1"})
    for name, _ in collections:
        data += bson.encode({"db": "shop", "collection": name, "metadata": "{}"})
    data += end
    for name, documents in collections:
        header = {"db": "shop", "collection": name, "EOF": False, "CRC": 0}
        data += bson.encode(header) + b"".join(map(bson.encode, documents)) + end
        data += bson.encode({**header, "EOF": True}) + end
    return data


def _arrow(kind: str) -> pa.Table:
    kinds: dict[str, pa.DataType] = {
        "id": pa.int64(),
        "price": pa.decimal128(10, 2),
        "flag": pa.bool_(),
        "day": pa.date32(),
        "moment": pa.timestamp("us"),
        "big": pa.int64(),
        "ratio": pa.float64(),
        "clock": pa.time64("us"),
        "at": pa.timestamp("us", "UTC"),
        "raw": pa.binary(),
        "uid": pa.uuid(),
        "doc": pa.struct([("a", pa.list_(pa.int64())), ("b", pa.string())]),
    }
    fields = [(name, kinds.get(name, pa.string())) for name in names(kind)]
    rows = _records(kind)
    for row in rows:
        if row.get("uid") is not None:
            row["uid"] = row["uid"].bytes
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def _ipc(path: Path) -> None:
    made = _arrow(path.stem)
    new = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with pa.OSFile(str(path), "w") as file, new(file, made.schema) as writer:
        writer.write_table(made)


def _feather(path: Path) -> None:
    pyarrow.feather.write_feather(_arrow(path.stem), str(path))


def _parquet(path: Path) -> None:
    pyarrow.parquet.write_table(_arrow(path.stem), path)


def _orc(path: Path) -> None:
    pyarrow.orc.write_table(_arrow(path.stem), path)


def _avro(path: Path) -> None:
    many = {"type": "array", "items": ["null", "long"]}
    parts = [{"name": "a", "type": many}, {"name": "b", "type": "string"}]
    logical: dict[str, Any] = {
        "id": "long",
        "big": "long",
        "ratio": "double",
        "flag": "boolean",
        "raw": "bytes",
        "price": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
        "day": {"type": "int", "logicalType": "date"},
        "moment": {"type": "long", "logicalType": "local-timestamp-micros"},
        "clock": {"type": "long", "logicalType": "time-micros"},
        "at": {"type": "long", "logicalType": "timestamp-micros"},
        "uid": {"type": "string", "logicalType": "uuid"},
        "doc": {"type": "record", "name": "D", "fields": parts},
    }
    fields = [
        {"name": name, "type": ["null", logical.get(name, "string")]} for name in names(path.stem)
    ]
    with path.open("wb") as file:
        schema = {"type": "record", "name": "R", "fields": fields}
        fastavro.writer(file, schema, _records(path.stem))


# Format → what makes a file of it, and its ending; the table that comes of it is called so as well.
MAKERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "csv": (_csv, ".csv"),
    "tsv": (_csv, ".tsv"),
    "json": (_json, ".json"),
    "jsonl": (_jsonl, ".jsonl"),
    "document": (_document, ".json"),
    "xml": (_xml, ".xml"),
    "parquet": (_parquet, ".parquet"),
    "sqlite": (_sqlite, ".db"),
    "xlsx": (_xlsx, ".xlsx"),
    "xlsm": (_xlsx, ".xlsm"),
    "xlsb": (_xlsb, ".xlsb"),
    "xls": (_xls, ".xls"),
    "ods": (_ods, ".ods"),
    "arrow": (_ipc, ".arrow"),
    "arrows": (_ipc, ".arrows"),
    "feather": (_feather, ".feather"),
    "orc": (_orc, ".orc"),
    "avro": (_avro, ".avro"),
    "bson": (_bson, ".bson"),
    "mongo": (_mongo, ".json"),
    "dump": (_dump, ".archive"),
}


def made(kind: str, folder: Path) -> Path:
    """Write the file of a format."""
    make, ending = MAKERS[kind]
    make(path := folder / f"{kind}{ending}")
    return path
