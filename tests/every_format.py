"""The same rows in every format that Myriad reads beside those of text, as far as it can say them.

Made by what people make such files with, not by Myriad.
"""

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import bson
import fastavro
import openpyxl
import pyarrow as pa
import pyarrow.orc

from tests.workbooks import cell, line, ods

NAMES = ("id", "price", "name", "flag", "day", "moment", "extra")
DAY, MOMENT = dt.date(2024, 2, 29), dt.datetime.fromisoformat("2024-02-29T13:14:15.250")
ROWS: list[tuple[Any, ...]] = [
    (1, Decimal("12.50"), "é 漢字 🎉", True, DAY, MOMENT, "007"),
    (2, Decimal("-0.01"), "a\nb\t'\"\\N,;", False, dt.date(1999, 12, 31), MOMENT, "x"),
    (3, Decimal("1000.00"), "", True, DAY, MOMENT.replace(microsecond=0), "1e5"),
    (4, None, None, None, None, None, None),
]


def _records() -> list[dict[str, Any]]:
    return [dict(zip(NAMES, row, strict=True)) for row in ROWS]


def _xlsx(path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(NAMES)
    for row in ROWS:
        book.active.append([float(v) if isinstance(v, Decimal) else v for v in row])
    book.save(path)


def _ods(path: Path) -> None:
    def made(value: Any) -> str:
        match value:
            case None | "":
                return "<table:table-cell/>"
            case bool():
                return cell(str(value).lower(), "boolean", name="boolean-value")
            case int() | Decimal():
                return cell(str(value), "float")
            case dt.date():
                return cell(value.isoformat(), "date", name="date-value")
        text = value.replace("&", "&amp;").replace("<", "&lt;").replace("\t", "<text:tab/>")
        return cell(text.replace("\n", "<text:line-break/>"))

    ods(path, line(*map(cell, NAMES)) + "".join(line(*map(made, row)) for row in ROWS))


def _json(path: Path) -> None:
    path.write_text(json.dumps({"meta": 1, "rows": _plain(_records())}, indent=1))


def _plain(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def text(value: Any) -> Any:
        if isinstance(value, Decimal):
            return float(value)
        return value.isoformat() if isinstance(value, dt.date) else value

    return [{name: text(value) for name, value in record.items()} for record in records]


def _xml(path: Path) -> None:
    from lxml import etree  # noqa: PLC0415 - no types

    root = etree.Element("rows")
    for record in _records():
        row = etree.SubElement(root, "row")
        for name, value in record.items():
            if value is None:
                continue
            text = str(value).lower() if isinstance(value, bool) else str(value)
            text = value.isoformat() if isinstance(value, dt.date) else text
            if name == "id":
                row.set(name, text)
            else:
                etree.SubElement(row, name).text = text
    etree.ElementTree(root).write(path, xml_declaration=True, encoding="utf-8")


def _documents() -> list[dict[str, Any]]:
    def value(one: Any) -> Any:
        if isinstance(one, Decimal):
            return bson.Decimal128(one)
        return one.isoformat() if type(one) is dt.date else one

    return [{name: value(one) for name, one in record.items()} for record in _records()]


def _bson(path: Path) -> None:
    path.write_bytes(b"".join(map(bson.encode, _documents())))


def _mongo(path: Path) -> None:
    from bson import json_util  # noqa: PLC0415

    options = json_util.CANONICAL_JSON_OPTIONS
    path.write_text("".join(json_util.dumps(d, json_options=options) + "\n" for d in _documents()))


def _arrow() -> pa.Table:
    kinds: list[pa.DataType] = [pa.int64(), pa.decimal128(10, 2), pa.string(), pa.bool_()]
    kinds += [pa.date32(), pa.timestamp("us"), pa.string()]
    fields = list(zip(NAMES, kinds, strict=True))
    return pa.Table.from_pylist(_records(), schema=pa.schema(fields))


def _ipc(path: Path) -> None:
    with pa.OSFile(str(path), "w") as file, pa.ipc.new_file(file, _arrow().schema) as writer:
        writer.write_table(_arrow())


def _orc(path: Path) -> None:
    pyarrow.orc.write_table(_arrow(), path)


def _avro(path: Path) -> None:
    logical: dict[str, Any] = {
        "id": "long",
        "price": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2},
        "flag": "boolean",
        "day": {"type": "int", "logicalType": "date"},
        "moment": {"type": "long", "logicalType": "local-timestamp-micros"},
    }
    fields = [{"name": name, "type": ["null", logical.get(name, "string")]} for name in NAMES]
    with path.open("wb") as file:
        fastavro.writer(file, {"type": "record", "name": "R", "fields": fields}, _records())


# Name of the file → what makes it.
MAKERS: dict[str, Callable[[Path], None]] = {
    "t.xlsx": _xlsx,
    "t.ods": _ods,
    "t.json": _json,
    "t.xml": _xml,
    "t.bson": _bson,
    "t.mongo.json": _mongo,
    "t.arrow": _ipc,
    "t.orc": _orc,
    "t.avro": _avro,
}
# An empty text is nothing in these, and BSON's moments have an offset, and milliseconds.
NO_EMPTY_TEXT = frozenset({"t.xlsx", "t.ods", "t.xml"})
WITH_OFFSET = frozenset({"t.bson", "t.mongo.json"})


def wanted(name: str) -> list[tuple[Any, ...]]:
    """Return the rows as a file of that name can hold them."""

    def value(one: Any) -> Any:
        if one == "" and name in NO_EMPTY_TEXT:
            return None
        if isinstance(one, dt.datetime) and name in WITH_OFFSET:
            return one.replace(tzinfo=dt.UTC)
        return one

    return [tuple(map(value, row)) for row in ROWS]
