"""Makes workbooks in records of bytes, as Excel writes `.xlsb`.

Source: Microsoft's [MS-XLSB], 2.1.4 (records), 2.4 (which there are) and 2.5 (what is in them).
"""

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

_RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_BEGIN_SHEET, _END_SHEET, _BEGIN_ROWS, _END_ROWS, _SIZE, _ROW = 129, 130, 145, 146, 148, 0
_BOOLEAN, _NUMBER, _TEXT = 4, 5, 6
_BEGIN_BOOK, _END_BOOK, _BEGIN_SHEETS, _END_SHEETS, _SHEET = 131, 132, 143, 144, 156
Value = str | float | bool | None


def xlsb(path: Path, *rows: Sequence[Value]) -> Path:
    """Write a workbook whose one sheet has these rows."""
    named = _record(_SHEET, struct.pack("<II", 0, 1) + _text("r1") + _text("S"))
    inner = _record(_BEGIN_SHEETS) + named + _record(_END_SHEETS)
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="bin"'
        ' ContentType="application/vnd.ms-excel.sheet.binary.macroEnabled.main"/></Types>',
        "_rels/.rels": _related("officeDocument", "xl/workbook.bin"),
        "xl/_rels/workbook.bin.rels": _related("worksheet", "worksheets/s.bin"),
        "xl/workbook.bin": _record(_BEGIN_BOOK) + inner + _record(_END_BOOK),
        "xl/worksheets/s.bin": _sheet(rows),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def _related(kind: str, target: str) -> str:
    return (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1"'
        f' Type="{_RELS}/{kind}" Target="{target}"/></Relationships>'
    )


def _sheet(rows: Sequence[Sequence[Value]]) -> bytes:
    size = struct.pack("<IIII", 0, len(rows) - 1, 0, max(map(len, rows)) - 1)
    lines = b"".join(
        _record(_ROW, struct.pack("<II", number, 0) + bytes(17))
        + b"".join(_cell(at, value) for at, value in enumerate(row) if value is not None)
        for number, row in enumerate(rows)
    )
    inner = _record(_SIZE, size) + _record(_BEGIN_ROWS) + lines + _record(_END_ROWS)
    return _record(_BEGIN_SHEET) + inner + _record(_END_SHEET)


def _cell(at: int, value: str | float) -> bytes:
    head = struct.pack("<II", at, 0)
    if isinstance(value, bool):
        return _record(_BOOLEAN, head + bytes([value]))
    if isinstance(value, str):
        return _record(_TEXT, head + _text(value))
    return _record(_NUMBER, head + struct.pack("<d", value))


def _text(value: str) -> bytes:
    data = value.encode("utf-16-le")
    return struct.pack("<I", len(data) // 2) + data


def _record(kind: int, data: bytes = b"") -> bytes:
    return _seven_bits(kind) + _seven_bits(len(data)) + data


def _seven_bits(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80, high]) if high else bytes([low])
