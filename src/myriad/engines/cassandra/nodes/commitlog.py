"""What a full disk leaves in a node's commit log, and Cassandra does not start with."""

from pathlib import Path

CHUNK = 1 << 20  # bytes


def unwritten(folder: Path) -> list[Path]:
    """Return the segments in `folder` that nothing was ever written to.

    A segment is made at its full length, and its descriptor is the first that is written to it
    (CommitLogSegment, CommitLogDescriptor.writeHeader). Without room not even that is; the next
    start refuses such a file (CommitLogReader: "Could not read commit log descriptor").
    """
    return [path for path in sorted(folder.glob("CommitLog-*.log")) if _is_zero(path)]


def _is_zero(path: Path) -> bool:
    with path.open("rb") as file:
        return not any(map(any, iter(lambda: file.read(CHUNK), b"")))
