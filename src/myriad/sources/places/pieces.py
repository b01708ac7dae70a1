"""The bytes of a file, looked at as if they were in memory: a piece of them is.

Of a file that is mapped all stays resident that was looked at, and a process ends without a word
(SIGBUS) where somebody cuts the file short meanwhile.
"""

import os
from typing import BinaryIO

PIECE = 1 << 20
_NEAR = 4096  # bytes that are looked at first, backwards: a line is rarely longer


class Pieces:
    """What a file holds, of the size that it had at first; what is gone since then is not found."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._size = file.fileno(), os.fstat(file.fileno()).st_size
        self._begin, self._piece = 0, b""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        begin, end, _ = part.indices(self._size)
        if self._begin <= begin and end <= self._begin + len(self._piece):
            return self._piece[begin - self._begin : max(begin, end) - self._begin]
        return os.pread(self._file, max(end - begin, 0), begin)

    def find(self, mark: bytes, begin: int = 0, end: int | None = None) -> int:
        """Return where `mark` is first, from `begin` on and whole before `end`; else -1."""
        end = self._size if end is None else min(end, self._size)
        while begin + len(mark) <= end:
            if not self._begin <= begin <= self._begin + len(self._piece) - len(mark):
                self._begin, self._piece = begin, os.pread(self._file, PIECE, begin)
            at = self._piece.find(mark, begin - self._begin, end - self._begin)
            if at >= 0:
                return self._begin + at
            if len(self._piece) < len(mark):
                break
            begin = self._begin + len(self._piece) - len(mark) + 1
        return -1

    def rfind(self, mark: bytes, begin: int, end: int) -> int:
        """Return where `mark` is last, from `begin` on and whole before `end`; else -1."""
        size = _NEAR
        while begin + len(mark) <= end:
            start = max(begin, end - size)
            at = self[start:end].rfind(mark)
            if at >= 0:
                return start + at
            if start == begin:
                break
            end, size = start + len(mark) - 1, min(8 * size, PIECE)
        return -1

    def behind(self, mark: bytes, times: int) -> int:
        """Return the place behind the byte `mark` that is number `times`; else the size."""
        begin = 0
        while times and (piece := self[begin : begin + PIECE]):
            found = piece.count(mark)
            if found >= times:
                at = -1
                for _ in range(times):
                    at = piece.find(mark, at + 1)
                return begin + at + 1
            begin, times = begin + len(piece), times - found
        return self._size if times else 0
