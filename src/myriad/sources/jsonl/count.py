"""Count the records of a JSON file without parsing them: what the parser made is compared."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from myriad.sources.counting.aside import Stopped
from myriad.sources.counting.bits import ALL, NONE, WORD, bits, flags, last, within

CHUNK = 1 << 20
BOM = b"\xef\xbb\xbf"
Marks: TypeAlias = np.ndarray[Any, np.dtype[np.int8]]
Depths: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
_NEWLINE = ord("\n")
_BLANK = b" \t\r"
_BLANKS = b" \t\r\n"
_OPEN, _CLOSE, _COMMA = 1, -1, 2
# What a byte outside of strings does: a step of the depth, or a comma.
_MARKS = np.zeros(256, np.int8)
_MARKS[[ord("["), ord("{")]] = _OPEN
_MARKS[[ord("]"), ord("}")]] = _CLOSE
_MARKS[ord(",")] = _COMMA


def lines(path: Path, stopped: Stopped) -> int:
    """Return how many lines are not blank."""
    found, before = 0, _NEWLINE
    with path.open("rb") as file:
        file.seek(len(BOM) if file.read(len(BOM)) == BOM else 0)
        while (data := file.read(CHUNK)) and not stopped():
            marks = np.frombuffer(data.translate(None, _BLANK), np.uint8)
            if len(marks):
                ends = marks == _NEWLINE
                found += int(np.count_nonzero(ends[:-1] & ~ends[1:]))
                found += int(before == _NEWLINE and not ends[0])
                before = int(marks[-1])
    return found


def elements(path: Path, stopped: Stopped, begin: int = 0) -> int:
    """Return how many values the array holds that begins at byte `begin`, or with the file."""
    commas = 0
    for marks, depths in _marks(path, stopped, begin):
        ends = np.flatnonzero((depths == 0) & (marks == _CLOSE))
        end = int(ends[0]) if len(ends) else len(marks)
        commas += int(np.count_nonzero((marks[:end] == _COMMA) & (depths[:end] == 1)))
        if len(ends):
            break
    return 0 if _empty(path, begin) else commas + 1


def values(path: Path, stopped: Stopped) -> int:
    """Return how many objects or arrays stand one after the other."""
    found = 0
    for marks, depths in _marks(path, stopped, 0):
        found += int(np.count_nonzero((marks == _OPEN) & (depths == 1)))
    return found


def _empty(path: Path, begin: int) -> bool:
    """Say whether an array has nothing in it."""
    with path.open("rb") as file:
        _to(file, begin)
        rest = b""
        while (data := file.read(CHUNK)) and len(rest) < len("[]"):
            rest += data.translate(None, _BLANKS)
    return not rest or rest.startswith(b"[]")


def _to(file: BinaryIO, begin: int) -> None:
    file.seek(begin or (len(BOM) if file.read(len(BOM)) == BOM else 0))


def _marks(path: Path, stopped: Stopped, begin: int) -> Iterator[tuple[Marks, Depths]]:
    """Yield what stands outside of strings, from `begin` on, and how deep one is behind each."""
    depth, inside, rest = 0, NONE, b""
    with path.open("rb") as file:
        _to(file, begin)
        while (data := rest + file.read(CHUNK)) != rest and not stopped():
            # Backslashes stand in strings alone: what they escape is of no interest.
            data = data.replace(rb"\\", b"  ").replace(rb"\"", b"  ")
            rest = data[-1:] if data.endswith(b"\\") else b""
            data = data.removesuffix(rest)
            data += b" " * (-len(data) % WORD)
            raw = np.frombuffer(data, np.uint8)
            quoted = within(bits(raw == ord('"')), inside)
            inside = ALL if last(quoted) else NONE
            kinds = _MARKS[raw]
            kinds = kinds[flags(bits(kinds != 0) & ~quoted)]
            depths = depth + np.cumsum(np.where(kinds == _COMMA, 0, kinds), dtype=np.int64)
            depth = int(depths[-1]) if len(depths) else depth
            yield kinds, depths
