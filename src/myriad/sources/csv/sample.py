"""Pieces of a file, to guess from."""

from pathlib import Path

PIECE = 64 << 10


def write(path: Path, target: Path, start: bytes, newline: bytes, pieces: int) -> None:
    """Write to `target` how `path` starts, and `pieces` from all over it: whole lines of each."""
    size = path.stat().st_size
    with target.open("wb") as output, path.open("rb") as file:
        whole = size <= len(start)
        output.write(start if whole else start[: start.rfind(newline) + 1])
        for piece in range(1, pieces + 1):
            file.seek(max(size * piece // pieces - PIECE, len(start)))
            data = file.read(PIECE)
            output.write(data[data.find(newline) + 1 : data.rfind(newline) + 1])
