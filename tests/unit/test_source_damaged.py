"""Twenty ways to damage a file, for every format: it is refused in words, or its rows are there."""

import gzip
import io
import json
import random
import struct
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import bson
import pytest

from myriad.errors import MyriadError
from myriad.model import Reject
from myriad.sources.apart import process
from myriad.sources.base import TypeMismatch, Workspace
from myriad.sources.open import open_sources
from myriad.sources.options import ReadOptions
from tests.apart import SECONDS, Nursery
from tests.every_format import MAKERS, dumped, made, wanted
from tests.every_workbook import XLS, record, xlsb
from tests.source_harness import read

MOST_MB = 600
KINDS = [kind for kind in MAKERS if kind not in {"csv", "tsv", "jsonl", "parquet", "sqlite"}]
KINDS += ["zip", "tar.gz"]


def _cut(share: float) -> Callable[[bytes], bytes]:
    return lambda data: data[: int(len(data) * share)]


def _flipped(seed: int) -> Callable[[bytes], bytes]:
    def flip(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[random.Random(seed).randrange(len(data))] ^= 1 << seed % 8
        return bytes(changed)

    return flip


def _filled(begin: float, mark: bytes) -> Callable[[bytes], bytes]:
    def fill(data: bytes) -> bytes:
        at = int(len(data) * begin)
        return data[:at] + mark * 32 + data[at + 32 :]

    return fill


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "one byte": lambda data: data[:1],
    "its first bytes": lambda data: data[:12],
    "a quarter": _cut(0.25),
    "half": _cut(0.5),
    "nine tenths": _cut(0.9),
    "without its last byte": lambda data: data[:-1],
    "without its last twenty": lambda data: data[:-20],
    "without its first byte": lambda data: data[1:],
    "zeros in it": _filled(0.4, b"\0"),
    "ones in it": _filled(0.6, b"\xff"),
    "zeros at its end": lambda data: data + bytes(100),
    "more behind it": lambda data: data + b"more",
    "twice": lambda data: data * 2,
    **{f"a bit, {seed}": _flipped(seed) for seed in range(8)},
}


# Two documents are two records; an element of another name is none, and the report names it.
OTHERWISE = {("document", "twice"): 2, ("xml", "a bit, 0"): 3}


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    nursery = Nursery()
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("whole")
    found = {kind: made(kind, folder) for kind in MAKERS}
    found["zip"], found["tar.gz"] = folder / "some.zip", folder / "some.tar.gz"
    with ZipFile(found["zip"], "w", ZIP_DEFLATED) as archive:
        archive.write(found["csv"], "a.csv")
    with tarfile.open(found["tar.gz"], "w:gz") as archive:
        archive.add(found["csv"], "a.csv")
    return found


@pytest.mark.nightly(by_day=["document", "xlsx", "arrow", "bson", "zip"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_refused_in_words_or_its_rows_are_all_there(
    kind: str,
    whole: dict[str, Path],
    nursery: Nursery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "_run", nursery.run)
    count = len(wanted("csv" if kind in {"zip", "tar.gz"} else kind))
    wrong = []
    for name, damage in DAMAGES.items():
        path = tmp_path / whole[kind].name
        path.write_bytes(damage(whole[kind].read_bytes()))
        said = _said(path, tmp_path / "work")
        times = 2 if name == "twice" else 1
        if said not in {"refused", count, count * times, OTHERWISE.get((kind, name))}:
            wrong.append((name, said))
    assert not wrong
    assert nursery.most_mb < MOST_MB


def _varint(number: int) -> bytes:
    """Return a number as Avro writes it."""
    left, found = number << 1, b""
    while left > 0x7F:
        found, left = found + bytes([left & 0x7F | 0x80]), left >> 7
    return found + bytes([left])


def _avro(schema: object, block: bytes, codec: str = "null") -> bytes:
    parts = [("avro.schema", json.dumps(schema)), ("avro.codec", codec)]
    pairs = [_varint(len(key)) + key.encode() + _varint(len(v)) + v.encode() for key, v in parts]
    return b"Obj\x01" + _varint(2) + b"".join(pairs) + b"\0" + b"s" * 16 + block + b"s" * 16


def _squeezed() -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    packed = b"".join(packer.compress(bytes(10 << 20)) for _ in range(30)) + packer.flush()
    return _varint(1 << 20) + _varint(len(packed)) + packed


def _deep_schema() -> object:
    schema: object = "long"
    for _ in range(400):
        schema = {"type": "array", "items": schema}
    return schema


def _deep_bson() -> bytes:
    data = bson.encode({"a": 1})
    for _ in range(3000):
        data = struct.pack("<i", len(data) + 8) + b"\x03a\0" + data + b"\0"
    return data


def _binary(*cells: bytes) -> bytes:
    """Return a binary workbook whose second row has these records for cells."""
    path = io.BytesIO()
    xlsb(path, [["a", "b"], *[[1, 2]] * 2], more=b"".join(cells))
    return path.getvalue()


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


def _zipped(name: str, data: bytes) -> bytes:
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return file.getvalue()


_LONG = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}
TRAPS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "a text of 4 GB": ("t.xlsb", lambda: _binary(record(6, struct.pack("<III", 0, 0, 2**32 - 1)))),
    "a column of 2^31": ("t.xlsb", lambda: _binary(record(5, struct.pack("<IId", 2**31, 0, 1)))),
    "a record cut": ("t.xlsb", lambda: _binary(b"\x06\xff\xff\x7f")),
    "sectors without end": ("t.xls", lambda: XLS[:44] + b"\xff\xff\xff\x7f" * 8 + XLS[76:]),
    "sectors in a ring": (
        "t.xls",
        lambda: XLS[:512] + struct.pack("<128I", *[0] * 128) + XLS[1024:],
    ),
    "arrays in arrays": ("t.json", lambda: b"[" * 200_000),
    "objects in objects": ("t.json", lambda: b'{"rows":[' + b'{"a":' * 100_000),
    "a list that never ends": ("t.json", lambda: b'{"rows":[' + b'{"a":1},' * 50_000),
    "a text that never ends": ("t.json", lambda: b'{"rows":[{"a":"' + b"x" * (5 << 20)),
    "a number of 200,000 digits": (
        "t.json",
        lambda: b'{"rows":[{"a":' + b"1" * 200_000 + b"e5,}]}",
    ),
    "many attributes": ("t.xml", lambda: b"<r>" + b"<a %s/>" % _attributes() * 2 + b"</r>"),
    "an attribute twice": ("t.xml", lambda: b'<r><a x="1" x="2"/></r>'),
    "laughs in a parameter": ("t.xml", lambda: b"<!DOCTYPE r [<!ENTITY % a 'x'> %a;]><r/>"),
    "elements in elements": ("t.xml", lambda: b"<a>" * 300_000),
    "a name of 11 MB": ("t.xml", lambda: b"<r><" + b"x" * (11 << 20) + b"/></r>"),
    "seven bits": ("t.xml", lambda: b"<?xml version='1.0' encoding='utf-7'?><r>+ADw-</r>"),
    "documents in documents": ("t.bson", _deep_bson),
    "a document of 2 GB": ("t.bson", lambda: b"\xff\xff\xff\x7f\x10a\0\1\0\0\0\0"),
    "a name that never ends": (
        "t.bson",
        lambda: struct.pack("<i", 1 << 20) + b"\x10" + b"a" * 2000,
    ),
    "no end": ("t.archive", lambda: dumped(("a", [{"a": 1}] * 9))[:-30]),
    "no collection": ("t.archive", lambda: b"\x6d\xe2\x99\x81" + bson.encode({}) + b"\xff" * 4),
    "a footer of 2 GB": ("t.arrow", lambda: b"ARROW1\0\0" + b"\xff\xff\xff\x7fARROW1"),
    "a message of 2 GB": ("t.arrows", lambda: b"\xff" * 7 + b"\x7f" + bytes(64)),
    "a negative message": ("t.arrows", lambda: b"\xff" * 4 + b"\x01\xff\xff\xff" + bytes(64)),
    "a postscript of 255": ("t.orc", lambda: b"ORC" + bytes(300) + b"ORC\xff"),
    "nothing but a name": ("t.orc", lambda: b"ORC" * 20),
    "2^60 records": ("t.avro", lambda: _avro("long", _varint(2**60) + _varint(1) + b"\2")),
    "2^60 of nothing": ("t.avro", lambda: _avro("null", _varint(2**60) + b"\0")),
    "a text of 2^60": ("t.avro", lambda: _avro(_LONG, b"\2\x14" + _varint(2**60))),
    "300 MB of zeros": ("t.avro", lambda: _avro("null", _squeezed(), "deflate")),
    "a codec of its own": ("t.avro", lambda: _avro("long", b"\2\2\2", "mine")),
    "lists in lists": ("t.avro", lambda: _avro(_deep_schema(), b"\2" * 400)),
    "a link": ("t.tar", _linked),
    "a member of 2^60": ("t.tar", _endless),
    "a way out": ("t.zip", lambda: _zipped("../../etc/passwd", b"x")),
    "nothing in it": ("t.tar.gz", lambda: gzip.compress(bytes(10240))),
}


def _attributes() -> bytes:
    return b" ".join(b"a%d='1'" % number for number in range(100_000))


@pytest.mark.parametrize(("name", "make"), TRAPS.values(), ids=TRAPS)
def test_a_file_that_was_made_to_do_harm_is_refused_in_words(
    name: str,
    make: Callable[[], bytes],
    nursery: Nursery,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "_run", nursery.run)
    path = tmp_path / name
    path.write_bytes(make())
    began = time.process_time()
    assert _said(path, tmp_path / "work") == "refused"
    assert time.process_time() - began < SECONDS
    assert nursery.most_mb < MOST_MB


def _said(path: Path, folder: Path) -> str | int:
    """Return how many rows and rejects a file gives, `refused`, or what is wrong with its error."""
    folder.mkdir(exist_ok=True)
    try:
        found = 0
        sources = open_sources([path], lambda _: ReadOptions(), Workspace(folder, 150))
        for source in sources:
            rejects = list[Reject]()
            try:
                found += len(read(source, rejects=rejects))
            except TypeMismatch:
                source.prove()
                rejects.clear()
                found += len(read(source, rejects=rejects))
            source.close()
            if rejects:
                return "refused"
    except MyriadError as error:
        clear = error.hint and path.name in error.message and "defect" not in str(error)
        return "refused" if clear else f"not clear: {error} | {error.hint}"
    return found
