"""Workbooks with given rows, in the formats that no kept library writes.

ECMA-376 and [MS-XLSB] 2.1.4: a record of an .xlsb file is its kind, its size in groups of seven
bits, and so many bytes.
"""

import base64
import datetime as dt
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

# The rows of `every_format` as xlwt wrote them.
XLS = zlib.decompress(
    base64.b64decode(
        "eNrtWFtIlEEUPjP/v9e8rJcKK2SR0jSNtQjDsq3I6mXF8sEugq36W6LuxiKkPZRlPkQEQU9FREUZvXR56R4U9NBD"
        "ZNRDF4i0oAsFIRT0oP6dc/7/X9dLkFCB8p9lzsw5cznfzJk5M/s/7U3rO3ttTj+MoVWgwLDuAWeCTmDyWIIPsF7X"
        "qWjlbky6TVOKPG50pNMBd5Ifu8iH5O9+kHBVfYAc4B2mGtgNFdGI5v+PtJYxhAVhKEMu4BRqUiCLUaUzr2eewfwK"
        "t7zLfDVrjjIvw7Z9Yhv0BisKlpu7eIvM4boUoHFvcJ/XrCmGmfCIdvH+Y8Jo64A1saZwy7SvyFaT4DzgFtigRbQY"
        "yalwAbwAW5GKQqGideuy1XnQA7MTVf6NG0tDodKqqsWBQCBbTYaLFAQsZR9k4n46Dz90P8B3K3Dc99v6/6sXgPqf"
        "o/Wu3+jd6PWJ9B50/UR6L7p8rP64VAE6Qd/B57Ybz9lX1YgtVbs0ra14EONJMsqU8NQ1NTgAdsea6jVsFQm3UtbY"
        "Et6pADSEOzAgtUZbtUgbNtLa22JhzOtbovXNLhCf0XBOtHq7H1a+PPwW2wcCJbhlw946T15OTUXhCtzj7agu1pZ5"
        "6e7iWOcbFeuSOQYkIW+AVC6ncSTw4UoMXhp4FqqrDNayppPvN+MWXEAzBB0OUA/snMI1DrBuwQLusYj5QR51Lpfn"
        "MM/ElpjnVs40C+u7uM0hrs3FEZYyPQ/mJZQXYrn7y6ab2d3vg/lYvryhf2/m5RfBs5CD3mnA/vTrgkJRKE6eILoV"
        "tHJhRsw3zLPGRU+39JnYdfOqT4UhOv1IacwNiVZHxCVprpUhKSgpcUlFSY1LDpQcccmJkjMuuVBymRjEGAz3ELdg"
        "DE7mRzIIA/UTbJ3W2iHdKCmMbJ+kGhV7nX4oQUG/UIDLgFd7WnoG5n9YbfQk+/SOMepd6I9Gop7+IGGQE2CQbN3L"
        "nG5NA4NkDF4Tg2QMwBgkY7heamCQ4zBIxjDDxCAZQ/6mJ2celX9aRRiUCTAobD2F+blUDt1oVUmYuTJq5gpbpXlZ"
        "VhW2mmRaVdjqktqS2x/1bzxzlT08YpXGVNleOr0IJc6IFgLv1xHygk022WSTTTbZNNVIGG9wfl2o5hvWya8y47vO"
        "EKZh+zPJtKXNEMVfG/6RKocI5jHomNT+mQUOYY0l/rCP9b2QqBqtx6AZ6hhH86T3L77NReJ8/rij7+8docnaH54M"
        "zn9s/xdeljOm"
    )
)
_FIRST_DAY = dt.datetime.fromisoformat("1899-12-30")
_STYLES = {dt.date: 1, dt.datetime: 2, dt.time: 3}
_FORMATS = (0, 14, 22, 21)  # as all workbooks number them: any, date, date and time, time
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_BINARY = "application/vnd.ms-excel.sheet.binary.macroEnabled.main"


def xlsb(path: Path | BinaryIO, rows: Sequence[Sequence[Any]], more: bytes = b"") -> None:
    """Write a binary workbook with these rows, and `more` records, in its one sheet."""
    relations = f'<Relationships xmlns="{_PACKAGE}/relationships">{{}}</Relationships>'
    relation = f'<Relationship Id="{{}}" Type="{_RELS}/{{}}" Target="{{}}"/>'
    sheet = relation.format("r1", "worksheet", "worksheets/sheet1.bin")
    styles = relation.format("r2", "styles", "styles.bin")
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        f'<Default Extension="bin" ContentType="{_BINARY}"/></Types>',
        "_rels/.rels": relations.format(relation.format("r1", "officeDocument", "xl/workbook.bin")),
        "xl/_rels/workbook.bin.rels": relations.format(sheet + styles),
        "xl/workbook.bin": record(131)
        + record(143)
        + record(156, struct.pack("<II", 0, 1) + _wide("r1") + _wide("Sheet1"))
        + record(144)
        + record(132),
        "xl/worksheets/sheet1.bin": _sheet(rows, more),
        "xl/styles.bin": record(278)
        + record(617, struct.pack("<I", len(_FORMATS)))
        + b"".join(record(47, struct.pack("<8H", 0, each, *[0] * 6)) for each in _FORMATS)
        + record(618)
        + record(279),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def _sheet(rows: Sequence[Sequence[Any]], more: bytes) -> bytes:
    size = struct.pack("<4I", 0, len(rows) - 1, 0, len(rows[0]) - 1)
    body = b"".join(
        record(0, struct.pack("<I13x", number))
        + b"".join(_cell(column, value) for column, value in enumerate(row))
        for number, row in enumerate(rows)
    )
    around = record(129), record(148, size) + record(145), record(146) + record(130)
    return around[0] + around[1] + body + more + around[2]


def _cell(column: int, value: Any) -> bytes:
    if value is None or value == "":
        return b""
    at = struct.pack("<II", column, _STYLES.get(type(value), 0))
    if isinstance(value, bool):
        return record(4, at + bytes([value]))
    if isinstance(value, str):
        return record(6, at + _wide(value))
    return record(5, at + struct.pack("<d", _number(value)))


def _number(value: Any) -> float:
    if isinstance(value, dt.datetime):
        return (value - _FIRST_DAY) / dt.timedelta(days=1)
    if isinstance(value, dt.date):
        return float((value - _FIRST_DAY.date()).days)
    if isinstance(value, dt.time):
        return (value.hour * 3600 + value.minute * 60 + value.second) / 86_400
    return float(value)


def _wide(text: str) -> bytes:
    data = text.encode("utf-16-le")
    return struct.pack("<I", len(data) // 2) + data


def record(kind: int, data: bytes = b"") -> bytes:
    """Return a record of a binary workbook."""
    head = bytes([kind]) if kind < 1 << 7 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size, left = b"", len(data)
    while left > 0x7F:
        size, left = size + bytes([left & 0x7F | 0x80]), left >> 7
    return head + size + bytes([left]) + data
