"""Count the records of a JSON file without parsing them: what the parser made is compared."""

from pathlib import Path

import numpy as np

from myriad.sources.counting.aside import Stopped
from myriad.sources.counting.bits import ALL, NONE, WORD, bits, flags, last, within

CHUNK = 1 << 20
BOM = b"\xef\xbb\xbf"
_NEWLINE = ord("\n")
_BLANK = b" \t\r"
_BLANKS = b" \t\r\n"
_COMMA = 2
# What a byte outside of strings does: a step of the depth, or a comma.
_MARKS = np.zeros(256, np.int8)
_MARKS[[ord("["), ord("{")]] = 1
_MARKS[[ord("]"), ord("}")]] = -1
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


def elements(path: Path, stopped: Stopped) -> int:
    """Return how many values the array holds that the file is."""
    commas, depth, inside, content, rest = 0, 0, NONE, 0, b""
    with path.open("rb") as file:
        file.seek(len(BOM) if file.read(len(BOM)) == BOM else 0)
        while (data := rest + file.read(CHUNK)) != rest and not stopped():
            if content <= len("[]"):
                content += len(data.removeprefix(rest).translate(None, _BLANKS))
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
            comma = kinds == _COMMA
            depths = depth + np.cumsum(np.where(comma, 0, kinds), dtype=np.int64)
            commas += int(np.count_nonzero(comma & (depths == 1)))
            depth = int(depths[-1]) if len(depths) else depth
    return commas + 1 if content > len("[]") else 0
