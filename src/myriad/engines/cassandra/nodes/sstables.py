"""What stands in the statistics of an SSTable of Cassandra 5.0, its version `da`.

A number of parts, then kind and position of each, then the parts; numbers are big-endian, and after
each of the three comes a CRC-32 (MetadataSerializer, StatsMetadata, SerializationHeader).
"""

import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from myriad.cql.frames import Reader
from myriad.cql.vints import read_unsigned, unsigned
from myriad.errors import EngineError

STATISTICS = "-Statistics.db"  # the end of the name of the component
CONTENTS = "-TOC.txt"  # of that which is written last
VERSION = "da-"
LEAST = -(2**63)  # the timestamp of nothing
_STATS, _HEADER = 2, 3  # MetadataType
_CHECKSUM = 4
TRIES, PAUSE = 50, 0.1  # while a compaction puts one in the place of others
# Bytes of values that are written without their length (AbstractType.valueLengthIfFixed).
_FIXED = {
    "BooleanType": 1,
    "FloatType": 4,
    "Int32Type": 4,
    "DoubleType": 8,
    "LongType": 8,
    "TimestampType": 8,
    "TimeUUIDType": 16,
    "UUIDType": 16,
}


class _Unreadable(Exception):
    """A component is gone, or not yet whole."""


def newest(folder: Path) -> int:
    """Return the latest timestamp (µs) of a row, a cell or a deletion in a table's SSTables.

    Raises EngineError.
    """
    for _ in range(TRIES):
        try:
            return max((_newest(content) for content in _statistics(folder)), default=LEAST)
        except _Unreadable as error:
            problem = error
            time.sleep(PAUSE)
    raise EngineError(
        f"the SSTables in {folder} cannot be read: {problem}",
        hint="Run the same command again; the node's log says more: `myriad logs --cassandra`.",
    )


def rows(folder: Path) -> int | None:
    """Return the rows in a table's SSTables: one that is in two of them counts twice.

    None where that cannot be told. Nothing changes these files meanwhile. Raises EngineError.
    """
    try:
        return sum(_rows(content) for content in _statistics(folder))
    except (_Unreadable, ValueError, LookupError, struct.error):
        return None


def whole(folder: Path) -> set[str]:
    """Return the beginnings of the names of the SSTables that are all there."""
    return {path.name.removesuffix(CONTENTS) for path in folder.glob(f"*{CONTENTS}")}


def _statistics(folder: Path) -> Iterator[bytes]:
    for name in whole(folder):
        if not name.startswith(VERSION):
            raise EngineError(
                f"SSTable {name} in {folder} is of another version than {VERSION}…",
                hint="The nodes run another Cassandra than Myriad's own.",
            )
        try:
            yield (folder / f"{name}{STATISTICS}").read_bytes()
        except FileNotFoundError as error:
            raise _Unreadable(error) from error


@dataclass(frozen=True)
class _Part:
    kind: int
    begin: int
    end: int  # without its checksum


def _parts(content: bytes) -> list[_Part]:
    try:
        (count,) = struct.unpack_from(">i", content)
        pairs = list(struct.iter_unpack(">ii", content[8 : 8 + 8 * count]))
        ends = [position for _, position in pairs[1:]] + [len(content)]
        parts = [
            _Part(kind, begin, end - _CHECKSUM)
            for (kind, begin), end in zip(pairs, ends, strict=True)
        ]
        whole = all(
            struct.unpack_from(">I", content, part.end)[0] == zlib.crc32(_of(content, part))
            for part in parts
        )
    except struct.error as error:
        raise _Unreadable(error) from error
    if not parts or not whole:
        raise _Unreadable("its checksums do not fit")
    return parts


def _of(content: bytes, part: _Part) -> bytes:
    return content[part.begin : part.end]


def _stats(content: bytes) -> Reader:
    """Return a reader of the statistics, behind its histograms of sizes and of numbers of cells."""
    [part] = [part for part in _parts(content) if part.kind == _STATS]
    reader = Reader(_of(content, part))
    for _ in range(2):
        reader.take(16 * reader.int())
    return reader


def _newest(content: bytes) -> int:
    reader = _stats(content)
    reader.take(12 + 8)  # a position in the commit log, the oldest timestamp
    return _long(reader)


def _rows(content: bytes) -> int:
    reader = _stats(content)
    # A position; two timestamps; two times of deletion and two to live; a ratio; the most bins.
    reader.take(12 + 2 * 8 + 4 * 4 + 8 + 4)
    reader.take(12 * reader.int())  # when tombstones can go
    reader.take(4 + 8)  # a level, when it was repaired
    _skip_covered(reader)
    reader.take(1 + 8)  # whether there are old counters, the cells
    return _long(reader)


def _skip_covered(reader: Reader) -> None:
    """Read over the clustering columns' types, and their least and greatest values."""
    kinds = [_read(reader).decode() for _ in range(read_unsigned(reader))]
    for _ in range(2):
        reader.byte()  # which kind of bound
        for number in range(reader.short()):
            if number % 32 == 0:  # two bits for each of so many: it is empty, it is null
                absent = read_unsigned(reader)
            if not absent >> 2 * (number % 32) & 3:
                reader.take(_FIXED.get(_plain(kinds[number])) or read_unsigned(reader))


def _plain(kind: str) -> str:
    """Return the name of a type's class, of the one that is reversed if it is."""
    return kind.removesuffix(")").rpartition("(")[2].rpartition(".")[2]


def _long(reader: Reader) -> int:
    return int.from_bytes(reader.take(8), "big", signed=True)


def renamed(content: bytes, names: Mapping[str, str]) -> bytes:
    """Return statistics in which columns have other names; raises EngineError.

    Rows name their columns by position, in the order of these names: it must stay the same. Key
    columns have no names there.
    """
    try:
        parts = _parts(content)
    except _Unreadable as error:
        raise EngineError(
            f"the statistics of an SSTable cannot be read: {error}", hint="Publish again."
        ) from error
    header = parts[-1]
    assert header.kind == _HEADER  # noqa: S101 - parts are in the order of their kinds
    known = {old.encode(): new.encode() for old, new in names.items()}
    changed = _renamed(_of(content, header), known)
    return content[: header.begin] + changed + struct.pack(">I", zlib.crc32(changed))


def _renamed(header: bytes, names: Mapping[bytes, bytes]) -> bytes:
    reader = Reader(header)
    made = [_number(reader) for _ in range(3)]  # the least timestamp, deletion time, time to live
    made.append(_text(_read(reader)))  # the type of the partition key
    made += _list(reader, lambda: _text(_read(reader)))  # those of clustering columns
    for _ in range(2):  # static columns, then regular ones

        def column() -> bytes:
            name, kind = _read(reader), _read(reader)
            return _text(names.get(name, name)) + _text(kind)

        made += _list(reader, column)
    return b"".join(made)


def _list(reader: Reader, one: Callable[[], bytes]) -> list[bytes]:
    count = read_unsigned(reader)
    return [unsigned(count), *(one() for _ in range(count))]


def _number(reader: Reader) -> bytes:
    return unsigned(read_unsigned(reader))


def _read(reader: Reader) -> bytes:
    return bytes(reader.take(read_unsigned(reader)))


def _text(content: bytes) -> bytes:
    return unsigned(len(content)) + content
