"""A cache whose bound is in bytes: what was not used for longest goes first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

# What an entry takes beside what `weigh` counts: its places in an OrderedDict, the heads of some
# objects. Measured: 231 bytes for a key that is a pair of a number and 20 bytes.
ENTRY_BYTES = 256


class Cache(Generic[Key, Value]):
    """A mapping that holds `most_bytes` at most.

    `weigh(key, value)` says how many bytes an entry takes, always the same for the same entry.

    Attributes:
        bytes: of all entries; ENTRY_BYTES are counted for each beside what `weigh` says.
    """

    __slots__ = ("_calm_bytes", "_entries", "_weigh", "bytes", "most_bytes")

    def __init__(self, most_bytes: int, weigh: Callable[[Key, Value], int]) -> None:
        self.bytes = 0
        self.most_bytes = most_bytes
        self._calm_bytes = most_bytes // 2  # up to there nothing is let go: the order may wait
        self._weigh = weigh
        self._entries: OrderedDict[Key, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._entries)

    def get(self, key: Key) -> Value | None:
        """Return a value, which is used last from half full on; None if it is not there."""
        found = self._entries.get(key)
        if found is not None and self.bytes > self._calm_bytes:
            self._entries.move_to_end(key)
        return found

    def put(self, key: Key, value: Value) -> None:
        """Keep a value, and let go of others if need be; one that can never fit is not kept."""
        self.pop(key)
        size = self._size(key, value)
        if size > self.most_bytes:
            return
        self._entries[key] = value
        self.bytes += size
        while self.bytes > self.most_bytes:
            self.bytes -= self._size(*self._entries.popitem(last=False))

    def pop(self, key: Key) -> Value | None:
        """Let go of an entry and return its value; None if it is not there."""
        value = self._entries.pop(key, None)
        if value is not None:
            self.bytes -= self._size(key, value)
        return value

    def clear(self) -> None:
        """Let go of everything."""
        self._entries.clear()
        self.bytes = 0

    def _size(self, key: Key, value: Value) -> int:
        return self._weigh(key, value) + ENTRY_BYTES
