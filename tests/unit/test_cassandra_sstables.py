"""The statistics of an SSTable: the newest timestamp, and the names of columns."""

import struct
import zlib
from pathlib import Path

import pytest

from myriad.engines.cassandra.nodes import sstables
from myriad.errors import EngineError

NEWEST = 1_795_856_499_601_247
NAMES = {"c00000": "aä", "c00001": "b" * 200, "c00002": "z"}


def _vint(value: int) -> bytes:
    """As Cassandra writes one of one or two bytes."""
    return bytes([value]) if value < 1 << 7 else struct.pack(">H", 1 << 15 | value)


def _text(text: str) -> bytes:
    return _vint(len(text.encode())) + text.encode()


def _statistics(names: list[str]) -> bytes:
    histogram = struct.pack(">i", 2) + bytes(32)
    stats = histogram * 2 + bytes(12) + struct.pack(">qq", 5, NEWEST) + b"and more"
    header = b"\xfe\x80" + bytes(6) + _vint(300) + _vint(0) + _text("Int32Type") + _vint(1)
    header += _text("UTF8Type") + _vint(0) + _vint(len(names))
    header += b"".join(_text(name) + _text("UTF8Type") for name in names)
    parts = {0: b"validation", 2: stats, 3: header}
    table, position = b"", 8 + 8 * len(parts) + 4
    for kind, part in parts.items():
        table += struct.pack(">ii", kind, position)
        position += len(part) + 4
    count = struct.pack(">i", len(parts))
    head = count + struct.pack(">I", zlib.crc32(count))
    head += table + struct.pack(">I", zlib.crc32(count + table))
    return head + b"".join(part + struct.pack(">I", zlib.crc32(part)) for part in parts.values())


def _sstable(folder: Path, content: bytes, version: str = "da") -> None:
    for end in ("-Statistics.db", "-TOC.txt"):
        (folder / f"{version}-1-bti{end}").write_bytes(content)


def test_columns_get_other_names_and_all_else_stays() -> None:
    made = sstables.renamed(_statistics(list(NAMES)), NAMES)
    assert made == _statistics(list(NAMES.values()))
    assert sstables.renamed(made, {}) == made


def test_the_newest_timestamp_of_a_folder(tmp_path: Path) -> None:
    assert sstables.newest(tmp_path) == sstables.LEAST
    _sstable(tmp_path, _statistics(["a"]))
    assert sstables.newest(tmp_path) == NEWEST


def test_what_is_not_understood_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sstables, "PAUSE", 0.0)
    whole = _statistics(["a"])
    for broken in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:40], b""):
        _sstable(tmp_path, broken)
        with pytest.raises(EngineError, match="cannot be read"):
            sstables.newest(tmp_path)
        with pytest.raises(EngineError, match="cannot be read"):
            sstables.renamed(broken, {})
    other = tmp_path / "another"  # in one folder it would be chance which is looked at first
    other.mkdir()
    _sstable(other, whole, version="nb")
    with pytest.raises(EngineError, match="another version"):
        sstables.newest(other)
