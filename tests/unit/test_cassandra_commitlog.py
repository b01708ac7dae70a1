"""Segments of a commit log without a word in them are told from those with rows."""

from pathlib import Path

from myriad.engines.cassandra.nodes import commitlog


def test_only_segments_that_are_zero_throughout_are_unwritten(tmp_path: Path) -> None:
    for name, content in (
        ("CommitLog-8-1.log", b""),
        ("CommitLog-8-2.log", bytes(3 << 20)),
        ("CommitLog-8-3.log", b"\0\0\0\x08" + bytes(1000)),
        ("CommitLog-8-4.log", bytes(2 << 20) + b"\1"),
        ("CommitLog-8-2.cdc", bytes(10)),
    ):
        (tmp_path / name).write_bytes(content)
    found = [path.name for path in commitlog.unwritten(tmp_path)]
    assert found == ["CommitLog-8-1.log", "CommitLog-8-2.log"]
    assert commitlog.unwritten(tmp_path / "none") == []
