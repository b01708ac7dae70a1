"""Files that were made to do harm, by format: each has to be refused in words, or to be rows.

More of them are beside the tests of a format, and in `test_source_apart` and `_ceiling`, where the
real process has its limits.
"""

import io
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pyarrow as pa

from tests.every_workbook import XLS, record, xlsb
from tests.workbooks import cell, line, ods, raw

Maker = Callable[[], bytes]
HEAD = '<row r="1"><c r="A1" t="inlineStr"><is><t>a</t></is></c></row>'
ONE = f'{HEAD}<row r="2"><c r="A2"><v>1</v></c></row>'
LONG = 1234
WIDE = f"<row>{'<c><v>1</v></c>' * 5001}</row>"


def zipped(files: dict[str, bytes]) -> bytes:
    """Return a zip archive."""
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def _xlsx(sheet: str, part: str = "docProps/x.xml", text: str = "") -> Maker:
    """Return what makes a workbook of this XML, with one part more."""

    def make() -> bytes:
        with TemporaryDirectory() as folder:
            return raw(Path(folder) / "t.xlsx", sheet, more={part: text}).read_bytes()

    return make


def _ods(table: str, head: str = "") -> Maker:
    def make() -> bytes:
        with TemporaryDirectory() as folder:
            return ods(Path(folder) / "t.ods", table, head=head).read_bytes()

    return make


def _changed(make: Maker, part: str, change: Callable[[bytes], bytes | None]) -> Maker:
    """Return what makes that package with one of its parts changed, or without it."""

    def made() -> bytes:
        with ZipFile(io.BytesIO(make())) as old:
            parts = {name: old.read(name) for name in old.namelist()}
        found = change(parts.pop(part))
        return zipped(parts if found is None else {**parts, part: found})

    return made


def _stored(make: Maker, part: str) -> Maker:
    """Return what makes that package with a letter of a part, which is not packed, changed."""

    def made() -> bytes:
        file = io.BytesIO()
        with ZipFile(io.BytesIO(make())) as old, ZipFile(file, "w") as new:
            for name in old.namelist():
                new.writestr(name, old.read(name))
                if name == part:
                    place = file.tell() - len(old.read(name)) // 2
        data = bytearray(file.getvalue())
        data[place] ^= 1
        return bytes(data)

    return made


def binary(*cells: bytes) -> bytes:
    """Return a binary workbook whose last row has these records for cells, too."""
    path = io.BytesIO()
    xlsb(path, [["a", "b"], *[[1, 2]] * 2], more=b"".join(cells))
    return path.getvalue()


def _texts(count: int) -> bytes:
    """Return texts that say how many they are."""
    return record(159, struct.pack("<II", count, count)) + record(160)


def _at(place: int, *numbers: int) -> Maker:
    """Return what makes the old workbook with other numbers at a place."""
    data = struct.pack(f"<{len(numbers)}I", *numbers)
    return lambda: XLS[:place] + data + XLS[place + len(data) :]


def _records(kind: int, data: bytes, at: int = 0) -> Maker:
    """Return what makes the old workbook with other data in each record of a kind."""

    def make() -> bytes:
        made, place = bytearray(XLS), 512
        while place + 4 < len(made):
            found, size = struct.unpack_from("<HH", made, place)
            if found == kind:
                assert size >= at + len(data)
                made[place + 4 + at : place + 4 + at + len(data)] = data
            place += 4 + size
        assert made != XLS
        return bytes(made)

    return make


def _repeated(**more: str) -> str:
    return line(cell("a")) + line(cell("1", "float"), **more)


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
WORKBOOKS: dict[str, dict[str, Maker]] = {
    "t.xlsx": {
        "a column behind the last": _xlsx(f'{ONE}<row r="3"><c r="XFE3"><v>1</v></c></row>'),
        "a row behind the last": _xlsx(f'{ONE}<row r="99999999"><c r="A99999999"/></row>'),
        "5,001 columns": _xlsx(WIDE * 2),
        "10^6 columns": _xlsx(f"<row>{'<c><v>1</v></c>' * 10**6}</row>"),
        "a text that is not there": _xlsx(HEAD + '<row><c t="s"><v>4294967295</v></c></row>'),
        "an entity": _xlsx(HEAD + '<row><c t="inlineStr"><is><t>&x;</t></is></c></row>'),
        "a tag that never ends": _xlsx(ONE + "<c " * 500_000),
        "styles that never end": _xlsx("", "xl/styles.xml", "<cellXfs " * 300_000),
        "rows in rows": _xlsx("<row>" * 100_000),
        "no workbook": _changed(_xlsx(ONE), "xl/workbook.xml", lambda _: None),
        "no sheet": _changed(_xlsx(ONE), "xl/worksheets/s.xml", lambda _: None),
        "a sheet elsewhere": _changed(
            _xlsx(ONE),
            "xl/_rels/workbook.xml.rels",
            lambda data: data.replace(b"worksheets/s.xml", b"file:///etc/passwd"),
        ),
    },
    "t.xlsb": {
        "a text of 4 GB": lambda: binary(record(6, struct.pack("<III", 0, 0, 2**32 - 1))),
        "a column of 2^31": lambda: binary(record(5, struct.pack("<IId", 2**31, 0, 1))),
        "a record cut": lambda: binary(b"\x06\xff\xff\x7f"),
        "a text that is not there": lambda: binary(record(7, struct.pack("<III", 0, 0, 2**31))),
        "a size of all": _changed(
            binary, "xl/worksheets/sheet1.bin", lambda data: data[:5] + b"\xff" * 16 + data[21:]
        ),
        "styles without end": _changed(
            binary, "xl/styles.bin", lambda _: record(278) + record(617, b"\xff" * 4)
        ),
        "no workbook": _changed(binary, "xl/workbook.bin", lambda _: None),
        "no sheet": _changed(binary, "xl/worksheets/sheet1.bin", lambda _: None),
        "another sum": _stored(binary, "xl/worksheets/sheet1.bin"),
    },
    "t.xls": {
        "sectors without end": _at(44, *[0x7FFFFFFF] * 8),
        "sectors in a ring": lambda: XLS[:512] + bytes(512) + XLS[1024:],
        "a directory in a ring": _at(48, 0),
        "a directory beyond the end": _at(48, 2**31),
        "sectors of 2^60 bytes": lambda: XLS[:30] + b"\x3c\0" + XLS[32:],
        "a list of sectors beyond the end": _at(76, 2**31),
        "lists of lists without end": _at(68, 0, 2**31),
        "a sheet beyond the end": _records(0x85, b"\xff\xff\xff\x7f"),
    },
    "t.ods": {
        "a row 2^70 times": _ods(_repeated(number_rows_repeated=str(2**70))),
        "a row no times": _ods(_repeated(number_rows_repeated="-1")),
        "a row x times": _ods(_repeated(number_rows_repeated="x")),
        "a cell 2^31 times": _ods(line(cell("1", "float", number_columns_repeated=str(2**31)))),
        "a cell 10^6 times": _ods(line(cell("1", "float", number_columns_repeated=str(10**6)))),
        "an entity": _ods(line(cell("&b;")) * 2, head=LAUGHS),
        "a tag that never ends": _ods(line(cell("a")) + "<text:tab " * 100_000),
        "a number that is none": _ods(line(cell("a")) + line(cell("x", "float"))),
        "no content": _changed(_ods(ONE), "content.xml", lambda _: None),
        "a letter": _changed(
            _ods(ONE), "content.xml", lambda d: d.replace(b"office:spreadsheet", b"office:text")
        ),
    },
    "t.docx": {"no workbook": lambda: zipped({"[Content_Types].xml": b"<a><b/><b/></a>"})},
    "t.zip": {
        "no name": lambda: zipped({"!": b"a\n1\n"}).replace(b"\x01\0\0\0!", b"\x01\0\0\0\0"),
        "a way out": lambda: zipped({"../../etc/passwd": b"x"}),
    },
}


def _linked() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("a.csv")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    return file.getvalue()


def _endless() -> bytes:
    info = tarfile.TarInfo("a.csv")
    info.size = 1 << 60
    return info.tobuf(tarfile.GNU_FORMAT) + b"n\n1\n"


TARS: dict[str, dict[str, Maker]] = {
    "t.tar": {"a link": _linked, "a member of 2^60": _endless},
}


def ipc(column: Any) -> bytes:
    """Return a column as a file of Arrow's."""
    sink = io.BytesIO()
    batch = pa.RecordBatch.from_arrays([column], names=["a"])
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def _of(kind: pa.DataType, rows: int, *buffers: bytes | None, inner: Any = None) -> Maker:
    """Return what makes a file of one column with these buffers, whatever they say."""

    def make() -> bytes:
        made = [None if each is None else pa.py_buffer(each) for each in buffers]
        children = None if inner is None else [inner]
        return ipc(pa.Array.from_buffers(kind, rows, made, children=children))

    return make


def _lying(column: Any, old: int, new: int) -> Maker:
    """Return what makes a file of one value, with another number in its offsets: 0 and LONG."""

    def make() -> bytes:
        lie = struct.pack("<2i", *(new if place == old else place for place in (0, LONG)))
        found = ipc(column)
        before, told, behind = found.rpartition(_places(0, LONG))  # what describes it comes first
        assert told
        return before + lie + behind

    return make


def _unlisted() -> bytes:
    """Return a file whose footer lists two batches of three."""
    sink, batch = io.BytesIO(), pa.record_batch({"a": [1, 2]})
    with pa.ipc.new_file(sink, batch.schema) as writer:
        for _ in range(3):
            writer.write_batch(batch)
    data = sink.getvalue()
    for at in range(len(data) - 10, 0, -1):  # the length of a list of blocks, of 24 bytes each
        changed = data[:at] + b"\2" + data[at + 1 :]
        if data[at : at + 4] == b"\3\0\0\0" and data[at + 8 : at + 12] == bytes(4):
            break
    assert pa.ipc.open_file(changed).num_record_batches == 2
    return changed


def _places(*places: int) -> bytes:
    return struct.pack(f"<{len(places)}i", *places)


ARROW: dict[str, dict[str, Maker]] = {
    "t.arrow": {
        "a footer of 2 GB": lambda: b"ARROW1\0\0" + b"\xff\xff\xff\x7fARROW1",
        "offsets beyond the letters": _lying(pa.array(["x" * LONG]), LONG, 2 * LONG),
        "offsets below nothing": _lying(pa.array(["x" * LONG]), 0, -LONG),
        "a list beyond its values": _lying(pa.array([[7] * LONG]), LONG, 2 * LONG),
        "offsets that go back": _of(pa.string(), 2, None, _places(0, 5, 2), b"abcde"),
        "letters that are none": _of(pa.string(), 1, None, _places(0, 2), b"\xff\xfe"),
        "a word that is not there": lambda: ipc(
            pa.DictionaryArray.from_arrays(pa.array([7]), ["x"], safe=False)
        ),
        "2^31 rows of nothing": _of(pa.null(), 2**31 - 1, None),
        "2^31 lists of nothing": _of(
            pa.list_(pa.int8(), 0), 2**31 - 1, None, inner=pa.array([], pa.int8())
        ),
        "a batch that its footer does not list": _unlisted,
        "one value 2^31 times": lambda: ipc(
            pa.RunEndEncodedArray.from_arrays(pa.array([2**31 - 1], pa.int32()), pa.array(["x"]))
        ),
        "10^9 places behind the point": _of(pa.decimal128(10, 2**30), 1, None, bytes(16)),
        "a zone that is no text": lambda: ipc(
            pa.array([1], pa.timestamp("us", "Mars/Moon"))
        ).replace(b"Mars/Moon", b"Mars/\xd4oon"),
        "too many digits": _of(pa.decimal128(3, 0), 1, None, b"\xff" * 7 + bytes(9)),
    },
    "t.arrows": {
        "a message of 2 GB": lambda: b"\xff" * 7 + b"\x7f" + bytes(64),
        "a negative message": lambda: b"\xff" * 4 + b"\x01\xff\xff\xff" + bytes(64),
    },
}
TRAPS = {**WORKBOOKS, **TARS, **ARROW}
