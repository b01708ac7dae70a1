"""What a reader in its own process writes: files in a private folder, with a bound for all."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Refused(Exception):
    """The file cannot be read; says why, and what to do, to a person."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


class TooMuch(Exception):
    """More is written than such a file can hold."""


class Folder:
    """Files that a reader makes; raises TooMuch when they become more than `most` bytes."""

    def __init__(self, path: Path, most: int) -> None:
        self.path, self._left = path, most

    def count(self, size: int) -> None:
        """Take that `size` bytes are written."""
        self._left -= size
        if self._left < 0:
            raise TooMuch

    def lines(self, name: str) -> "Lines":
        """Return a new file of JSON records."""
        return Lines(self, (self.path / name).open("wb"))

    def bytes(self, name: str) -> "Bytes":
        """Return a new file of bytes, such as Arrow's."""
        return Bytes(self, (self.path / name).open("wb"))


class Bytes:
    """A file that is written, and counted."""

    def __init__(self, folder: Folder, file: BinaryIO) -> None:
        self._folder, self._file = folder, file
        self.closed = False

    def write(self, data: bytes) -> int:
        """Append bytes."""
        self._folder.count(len(data))
        return self._file.write(data)

    def flush(self) -> None:
        """Let it reach the disk."""
        self._file.flush()

    def close(self) -> None:
        """End it."""
        self._file.close()
        self.closed = True


class Lines:
    """A file with a JSON object a line; line N is record or row N of the source."""

    def __init__(self, folder: Folder, file: BinaryIO) -> None:
        self._file, self.written, self._line = Bytes(folder, file), 0, 0

    def add(self, record: Mapping[str, Any], line: int = 0) -> None:
        """Append a record, as line number `line` or the next."""
        self.text(_encode(record), line)

    def text(self, record: str, line: int = 0) -> None:
        """Append a record that is JSON already, without line breaks."""
        blank = max(0, line - self._line - 1)
        self._line += blank + 1
        # Half of a surrogate pair is no character: the record is a reject, not the file.
        data = record.encode("utf-8", "surrogatepass")
        self._file.write(b"\n" * blank + data + b"\n")
        self.written += 1

    def close(self) -> None:
        """End it."""
        self._file.flush()
        self._file.close()
